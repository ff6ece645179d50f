/**
 * The operations as a text that is short when compressed. `src/wire/operations.ts` reads it, and says what its signs mean.
 *
 * @module
 */
import { camelOf, methodOf, snakeOf } from "../src/wire/operations.ts";
import type { Operation, Spec } from "./spec.ts";

const SIGNS: Readonly<Record<string, string>> = { GET: "?", POST: "!", PUT: "=", DELETE: "-" };

/** The words of a service's name, as they are in the ids of its operations. */
function stemOf(service: string): string {
  return snakeOf(service.replace(/Service$/, "").replace(/^./, (sign) => sign.toLowerCase()));
}

/** The address without its slash, and with a sign for the workspace. */
function shortOf(path: string): string {
  return path.replace(/^\/w\/\{workspace\}\//, "~").replace(/^\//, "");
}

/** Puts a letter for each word of the id that a part of an address repeats, whole or within another. */
function lettered(text: string, words: readonly string[]): string {
  const byLength = words.map((word, at) => ({ word, at })).filter(({ word }) => word.length > 1)
    .sort((a, b) => b.word.length - a.word.length || a.at - b.at);
  return byLength.reduce((rest, { word, at }) => rest.replaceAll(word, String.fromCharCode(65 + at)), text);
}

function lineOf({ id, method, path }: Operation, stem: string, prefix: string): string {
  const words = snakeOf(id);
  if (camelOf(words) !== id) throw new Error(`The id "${id}" cannot be written in words`);
  const own = stem === "" ? words : words.replace(new RegExp(`(?<![a-z0-9])${stem}(?=s?(_|$))`, "g"), "%");
  const short = shortOf(path);
  const relative = short.startsWith(`${prefix}/`) ? short.slice(prefix.length + 1) : `/${short}`;
  const route = relative.replace(new RegExp(`(?<![a-z_])${words}(?![a-z_])`), "*").split(/(\{\w+\})/)
    .map((part) =>
      part === "{path}"
        ? "+"
        : part === "{id}"
        ? "#"
        : part.startsWith("{")
        ? part.replace(/\{(.*)\}/, "<$1")
        : lettered(part, words.split("_"))
    ).join("").replace(/\/([+#<])/g, "$1");
  return `${own}${method === methodOf(words) ? " " : SIGNS[method]}${route}`;
}

/** The commonest first part of the addresses of a service. */
function prefixOf(operations: readonly Operation[]): string {
  const counts = new Map<string, number>();
  for (const { path } of operations) {
    const [first = ""] = shortOf(path).split("/");
    counts.set(first, (counts.get(first) ?? 0) + 1);
  }
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0] ?? "";
}

/** Services in the order of the table: those of triggers are next to each other, because they are much alike. */
export function servicesOf({ operations }: Spec): readonly string[] {
  const all = [...new Set(operations.flatMap(({ services }) => services))].sort();
  const isTrigger = (name: string): boolean => /.Trigger/.test(name);
  return [...all.filter((name) => !isTrigger(name)), ...all.filter(isTrigger)];
}

/** Makes the table: a section for each service, and one for what belongs to none. */
export function tableText(spec: Spec): string {
  function section(operations: readonly Operation[], service: string): string {
    const stem = service === "" ? "" : stemOf(service), prefix = prefixOf(operations);
    const lines = operations.map((operation) => [operation.id, lineOf(operation, stem, prefix)] as const)
      .sort(([a], [b]) => a < b ? -1 : 1).map(([, line]) => line);
    return [`${stem === "" ? "-" : stem} ${prefix}`, ...lines].join("\n");
  }
  const sections = servicesOf(spec).map((service) =>
    section(spec.operations.filter(({ services }) => services.includes(service)), service)
  );
  return [...sections, section(spec.operations.filter(({ services }) => services.length === 0), "")].join("\n@");
}
