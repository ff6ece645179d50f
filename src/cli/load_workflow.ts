/**
 * Loads a workflow file, and finds what to run in it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { WorkflowFunction } from "../engine/api.ts";
import { UsageError } from "./exit_codes.ts";
import { oneLine, withoutColors } from "./format.ts";
import { lacksTaskNames, prepareToLoad } from "./module_hooks.ts";
import { runtimeOf } from "./runtime.ts";
import type { Place } from "./workspace.ts";

/**
 * Hash of a file's text: recorded with a run, to tell when the file was edited since.
 *
 * @param file absolute path
 * @returns 64 hex digits of SHA-256
 */
export function hashSource(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/** What is run of a file. */
export interface Entry {
  /** What `workflow()` returned. */
  readonly workflow: WorkflowFunction;
  /** Which one it is, when the file does not say which of several is meant. */
  readonly notice?: string;
}

/**
 * Imports the file and picks its entry: the default export when it is a workflow, else the first export by name that is one
 * (wac-protocol 1.4).
 *
 * @param place the file
 * @param given the path as it was given, for errors
 * @returns the workflow to run
 */
export async function loadWorkflow(place: Place, given: string): Promise<Entry> {
  const url = pathToFileURL(realpathSync(place.file)).href;
  await prepareToLoad(url);
  const namespace = await importFile(url, given);
  if (lacksTaskNames(url)) {
    throw new UsageError(
      `Cannot name the tasks of "${given}": this runtime took it for a CommonJS file, so they would have other keys than on a cluster`,
      `Add "type": "module" to the package.json beside it, or write the names: task("load", async () => { ... })`,
    );
  }
  const { default: chosen } = namespace;
  if (isWorkflow(chosen)) return { workflow: chosen };
  // A second name of the same workflow is no second workflow. The keys of a namespace are sorted.
  const named = new Map<WorkflowFunction, string>();
  for (const [name, value] of Object.entries(namespace)) {
    if (isWorkflow(value) && !named.has(value)) named.set(value, name);
  }
  const [first, ...others] = named;
  if (first !== undefined) {
    return {
      workflow: first[0],
      ...chosenNotice(
        given,
        first[1],
        others.map(([, name]) => name),
      ),
    };
  }
  throw new UsageError(
    `No workflow in "${given}": ${exportsText(Object.keys(namespace))}`,
    "Export what workflow() returns: export const main = workflow(async () => { ... })",
  );
}

function chosenNotice(given: string, name: string, others: readonly string[]): Pick<Entry, "notice"> {
  if (others.length === 0) return {};
  const rest = `${others.length === 1 ? "the other one is" : "the others are"} ${listed(others)}`;
  return {
    notice: `"${given}" exports ${others.length + 1} workflows, and none as default: "${name}" is run, ` +
      `the first by name; ${rest}`,
  };
}

function exportsText(names: readonly string[]): string {
  if (names.length === 0) return "it exports nothing";
  return `it exports ${listed(names)}, ${names.length === 1 ? "which is no workflow" : "none of which is a workflow"}`;
}

function listed(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

/**
 * Imports a file of the user's. What goes wrong is the file's fault, and the error says so.
 *
 * @param url the file's URL
 * @param given the path as it was given, for errors
 * @returns the module's namespace
 */
export async function importFile(url: string, given: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await import(url) as Readonly<Record<string, unknown>>;
  } catch (error) {
    const missing = missingPackage(error);
    if (missing !== undefined) {
      const { name, from } = missing;
      throw new UsageError(
        `Cannot load "${given}": the package "${name}" is not installed\nimported by ${from}`,
        installHint(name),
        { cause: error },
      );
    }
    throw new UsageError(`Cannot load "${given}": ${reason(error)}`, hint(error), { cause: error });
  }
}

/** A package that no runtime found. Deno takes a bare name that nothing maps for a file beside the one that imports it. */
function missingPackage(error: unknown): { readonly name: string; readonly from: string } | undefined {
  const { message } = Object(error) as { readonly message?: unknown };
  const text = typeof message === "string" ? withoutColors(message) : "";
  const [, package_, by = ""] = /^Cannot find package '([^']+)'(?: imported)? from '?([^'\n]+)'?/.exec(text) ?? [];
  if (package_ !== undefined) return { name: package_, from: by };
  const [, module = "", importer = ""] =
    /Loading unprepared module: (file:\S+), imported from: (file:\S+)/.exec(text) ?? [];
  const folder = importer.slice(0, importer.lastIndexOf("/") + 1);
  const name = module.slice(folder.length);
  if (folder === "" || !module.startsWith(folder)) return undefined;
  const from = fileURLToPath(importer);
  const names = [...readFileSync(from, "utf8").matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'./][^"']*)["']/g)];
  return names.some(([, one]) => one === name) ? { name, from } : undefined;
}

function installHint(specifier: string): string {
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
  if (runtimeOf().name !== "Deno") {
    return `To install it: ${runtimeOf().name === "Bun" ? "bun add" : "npm install"} ${name}`;
  }
  return `Map it in the deno.json of your folder ("imports": { "${name}": "npm:${name}" }), and run Windkit with that one: ` +
    "deno run -A -c deno.json .../src/cli/main.ts run FILE";
}

function isWorkflow(value: unknown): value is WorkflowFunction {
  return typeof value === "function" && (value as { readonly _is_workflow?: unknown })._is_workflow === true;
}

/** What went wrong, and on a line of its own where: runtimes say the place in the text, in the stack, or beside both. */
function reason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(reason).join("\n");
  const { name, message } = (typeof error === "object" && error !== null ? error : {}) as Partial<Error>;
  const whole = withoutColors(typeof message === "string" ? message : String(error)).trimEnd();
  const place = /\s+at (file:\/\/\S+:\d+:\d+)$/.exec(whole);
  const text = place === null ? whole : whole.slice(0, place.index);
  // The names of Bun's say nothing. Deno says a syntax error within an error of another name.
  const isNamed = name === undefined || ["Error", "BuildMessage", "ResolveMessage"].includes(name) ||
    /^[A-Z]\w*Error: /.test(text);
  const where = place?.[1] ?? placeOfError(error);
  return `${isNamed ? "" : `${name}: `}${text}${where === undefined ? "" : `\nat ${where}`}`;
}

/** The place in the user's own code, when there is one: the runtime's and this package's frames say nothing to them. */
function placeOfError(error: unknown): string | undefined {
  const { stack, position } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly stack?: unknown;
    readonly position?: { readonly file: string; readonly line: number; readonly column: number } | null;
  };
  if (position !== undefined && position !== null) return `${position.file}:${position.line}:${position.column}`; // Bun
  const lines = typeof stack === "string" ? withoutColors(stack).split("\n") : [];
  const [head = ""] = lines;
  if (/^(?:file:\/\/)?\/.*:\d+$/.test(head)) return head; // Node, above the line that it shows
  const own = new URL("..", import.meta.url);
  const frame = lines.find((line) =>
    /^\s+at .*file:\/\/|^\s+at .*\(\/|^\s+at \//.test(line) &&
    ![own.href, fileURLToPath(own)].some((place) => line.includes(place)) // Bun names paths, the others URLs
  );
  return frame === undefined ? undefined : oneLine(frame).slice("at ".length);
}

function hint(error: unknown): string | undefined {
  const { code } = (typeof error === "object" && error !== null ? error : {}) as { readonly code?: unknown };
  if (code !== "ERR_UNKNOWN_FILE_EXTENSION" || runtimeOf().name !== "Node") return undefined;
  return `Node ${runtimeOf().version} does not run TypeScript: use Node 22.18 or newer, or a JavaScript file`;
}
