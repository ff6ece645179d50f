/**
 * Makes the files of a job out of its script: the scripts that it imports come from the workspace, and names of packages become what
 * Deno loads them by. Windmill's Bun worker reads imports like this; `tests/local/runner_test.ts` holds the forms.
 *
 * @module
 */
import { builtinModules } from "node:module";
import { posix } from "node:path";
import { nameTasks } from "../../workflow/task_names.ts";
import type { RunnerJob } from "../ports.ts";
import { ScriptError } from "./errors.ts";
import { importsOf, type ImportText } from "./imports.ts";
import { SCRIPT_MODULES } from "./package_modules.ts";
import { type Signature, signatureOf, workflowSignatures } from "./signature.ts";
import { lineAt, type Token, tokensOf } from "./tokens.ts";

/** A job's files. */
export interface Prepared {
  /** Text of each file by its path in the job's folder. */
  readonly files: ReadonlyMap<string, string>;
  /** Path of the script itself. */
  readonly entry: string;
  /** Parameters of the functions that may be called, by name. */
  readonly signatures: Readonly<Record<string, Signature>>;
  /** Of a workflow's job: parameters of the workflows, by the names of their exports. */
  readonly workflows?: Readonly<Record<string, Signature>>;
  /** The files name modules at all: only then is there a graph to check. */
  readonly imports: boolean;
  /** They import this package, under either name. */
  readonly client: boolean;
}

/** Languages whose scripts can be imported. */
const TYPESCRIPT = new Set(["bun", "deno", "nativets", "bunnative"]);
/** Files of one job, the script itself included. */
const MOST_FILES = 2000;
const OWN_NAME = "@windkit/windmill-client";

interface File {
  readonly path: string;
  readonly source: string;
  readonly tokens: readonly Token[];
  readonly imports: readonly ImportText[];
  /** What each import becomes; a package without a version waits for the others. */
  readonly becomes: (Replacement | undefined)[];
}

type Replacement = { readonly text: string; readonly attribute?: string } | {
  readonly name: string;
  readonly path: string;
};

/**
 * Reads a script and all that it imports of the workspace.
 *
 * @param job the script
 * @param workflow writes the names of tasks in, as the worker does for a workflow
 * @throws ScriptError for an import that leads nowhere, or outside
 */
export async function prepare(job: RunnerJob, workflow: boolean): Promise<Prepared> {
  const files = new Map<string, File>();
  const pins = new Map<string, string>();
  let client = false;
  const entry = `${job.path ?? "main"}.ts`;
  if (!isInside(entry)) {
    throw new ScriptError(`Cannot run the script "${job.path}": its path leads out of the workspace`);
  }
  const first = read(entry, workflow ? nameTasks(job.content) : job.content);
  files.set(entry, first);
  const moduleMeaning = moduleMeanings(job, entry);
  const waiting = [first];

  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    for (const [i, found] of file.imports.entries()) {
      const target = moduleMeaning(found, file) ?? meaningOf(found, file);
      if (target.kind === "own") {
        client = true;
        file.becomes[i] = { text: target.name };
      } else if (target.kind === "url") {
        file.becomes[i] = { text: target.url };
      } else if (target.kind === "package") {
        if (target.version !== undefined && !pins.has(target.name)) pins.set(target.name, target.version);
        file.becomes[i] = target.version === undefined
          ? { name: target.name, path: target.path }
          : { text: `npm:${target.name}@${target.version}${target.path}` };
      } else if (target.kind === "module") {
        let module = files.get(target.path);
        if (module === undefined) {
          files.set(target.path, module = read(target.path, target.content));
          waiting.push(module);
        }
        file.becomes[i] = relativeTo(file.path, target.path, found);
      } else if (target.kind === "workspace") {
        const path = await workspaceFile(job, file, found, target.path, files, waiting);
        if (path !== undefined) file.becomes[i] = relativeTo(file.path, path, found);
      }
    }
    if (files.size > MOST_FILES) {
      throw new ScriptError(`Cannot run the script: it imports more than ${MOST_FILES} files of the workspace`);
    }
  }

  const texts = new Map([...files].map(([path, file]) => [path, rewritten(file, pins)]));
  const names = new Set([job.entrypoint ?? "main", "preprocessor"]);
  const signatures = [...names].flatMap((name) => {
    const signature = signatureOf(first.tokens, name);
    return signature === undefined ? [] : [[name, signature] as const];
  });
  return {
    files: texts,
    entry,
    signatures: Object.fromEntries(signatures),
    ...(workflow ? { workflows: workflowSignatures(first.tokens) } : undefined),
    client,
    // By the words alone: what the tokens got wrong must not hide from the check.
    imports: [...texts.values()].some((text) => /\b(?:import|from)\b/.test(text)),
  };
}

function read(path: string, source: string): File {
  const isCode = /\.[cm]?[jt]sx?$/.test(path);
  const tokens = isCode ? tokensOf(source) : [];
  const imports = isCode ? importsOf(tokens) : [];
  return { path, source, tokens, imports, becomes: imports.map(() => undefined) };
}

type Meaning =
  | { readonly kind: "own"; readonly name: string }
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "package"; readonly name: string; readonly version: string | undefined; readonly path: string }
  | { readonly kind: "workspace"; readonly path: string }
  | { readonly kind: "module"; readonly path: string; readonly content: string }
  /** Types of what is not there. */
  | { readonly kind: "nothing" };

/**
 * Reads relative imports of a script with modules, and those of its modules. The worker has the script at the top of a folder and the
 * modules in it: a module's relative import of no module is one from there, and reaches the workspace only as `../f/...`.
 */
function moduleMeanings(
  { modules = {} }: RunnerJob,
  entry: string,
): (found: ImportText, file: File) => Meaning | undefined {
  const folder = `${entry.slice(0, -".ts".length)}__mod/`;
  return (found, file) => {
    const isModule = file.path.startsWith(folder);
    if (!/^\.\.?(?:\/|$)/.test(found.specifier) || (file.path !== entry && !isModule)) return undefined;
    const from = isModule ? posix.dirname(file.path.slice(folder.length)) : ".";
    const wanted = posix.join(from, found.specifier);
    const names = wanted.endsWith(".ts") ? [wanted] : [wanted, `${wanted}.ts`];
    const key = names.find((name) => Object.hasOwn(modules, name));
    const module = key === undefined ? undefined : modules[key];
    if (key !== undefined && module !== undefined) {
      if (!isInside(key)) throw refusal(found, file, "it leads out of the script's modules");
      if (!TYPESCRIPT.has(module.language) || !key.endsWith(".ts")) {
        throw refusal(found, file, `the module "${key}" is of the language "${module.language}"`);
      }
      return { kind: "module", path: folder + key, content: module.content };
    }
    if (!isModule) return undefined;
    const path = wanted.replace(/^(?:\.\.\/)+/, "");
    if (/^[fu]\//.test(path)) return { kind: "workspace", path };
    if (found.typeOnly) return { kind: "nothing" };
    throw refusal(
      found,
      file,
      `the script has no module "${path}", and its modules import scripts of the workspace as "/f/..." or "/u/..."`,
    );
  };
}

/** What an import means, by its text. */
function meaningOf(found: ImportText, file: File): Meaning {
  const { specifier } = found;
  const text = specifier.replace(/^(?:npm|jsr):\/?(?=@windkit\/windmill-client\b|windmill-client\b)/, "");
  if (/^windmill-client(?:@[^/]+)?(?:\/.*)?$/.test(text)) return { kind: "own", name: "windmill-client" };
  const own = /^@windkit\/windmill-client(?:@[^/]+)?(\/.*)?$/.exec(text);
  if (own !== null) {
    const name = `${OWN_NAME}${own[1] ?? ""}`;
    if (Object.hasOwn(SCRIPT_MODULES, name)) return { kind: "own", name };
    throw refusal(found, file, `the package has no "${name.slice(OWN_NAME.length)}" that a script can use`);
  }
  if (/^\.\.?(?:\/|$)/.test(text)) {
    return { kind: "workspace", path: posix.join(posix.dirname(file.path), text) };
  }
  if (text.startsWith("/")) {
    if (/^\/[fu]\//.test(text)) return { kind: "workspace", path: posix.normalize(text.slice(1)) };
    throw refusal(found, file, `a script can import "/f/..." and "/u/...", nothing else by an absolute path`);
  }
  if (text.startsWith("node:") || /^(?:https|jsr|data|blob):/.test(text)) return { kind: "url", url: text };
  const name = text.replace(/^npm:\/?/, "");
  if (/^[a-z][a-z+.-]*:/i.test(name)) {
    throw refusal(found, file, `a script can import packages, https addresses and scripts of the workspace`);
  }
  const isNpm = text.startsWith("npm:");
  if (!isNpm && builtinModules.includes(name)) return { kind: "url", url: `node:${name}` };
  const parts = /^((?:@[^/@\s]+\/)?[^/@\s]+)(?:@([^/\s]+))?(\/.*)?$/.exec(name);
  if (parts?.[1] === undefined) throw refusal(found, file, "this is no name of a package");
  return { kind: "package", name: parts[1], version: parts[2], path: parts[3] ?? "" };
}

/** Finds a file of the workspace, and takes it in. Undefined for types of one that is not there. */
async function workspaceFile(
  job: RunnerJob,
  from: File,
  found: ImportText,
  path: string,
  files: Map<string, File>,
  waiting: File[],
): Promise<string | undefined> {
  if (!isInside(path)) throw refusal(found, from, "it leads out of the workspace");
  const script = path.replace(/(?:\.(?:bun|deno|nativets|bunnative))?\.[cm]?[jt]sx?$/, "");
  const file = /\.(?!(?:[cm]?[jt]sx?|bun|deno)$)[a-z\d]+$/i.test(path) ? path : `${script}.ts`;
  if (files.has(file)) return file;
  const isData = file === path && !file.endsWith(".ts");
  const source = await job.resolve(isData ? path : script) ?? (isData ? await job.resolve(script) : undefined);
  if (source === undefined) {
    if (found.typeOnly) return undefined;
    throw refusal(found, from, `there is no ${isData ? `file "${path}"` : `script "${script}"`} in the workspace`);
  }
  if (!isData && !TYPESCRIPT.has(source.language)) {
    throw refusal(found, from, `the script "${script}" is of the language "${source.language}"`);
  }
  const taken = read(file, source.content);
  files.set(file, taken);
  waiting.push(taken);
  return file;
}

function relativeTo(from: string, to: string, found: ImportText): Replacement {
  // What is imported is an address.
  const path = posix.relative(posix.dirname(from), to).replace(/[%#?]/g, encodeURIComponent);
  const text = path.startsWith(".") ? path : `./${path}`;
  // Bun takes JSON and texts without a word; Deno wants to be told.
  const type = to.endsWith(".json") ? "json" : to.endsWith(".ts") ? undefined : "text";
  return type === undefined || found.attributes ? { text } : { text, attribute: type };
}

function rewritten({ source, imports, becomes }: File, pins: ReadonlyMap<string, string>): string {
  let text = "";
  let at = 0;
  for (const [i, { start, end, dynamic }] of imports.entries()) {
    const one = becomes[i];
    if (one === undefined) continue;
    const version = "name" in one ? pins.get(one.name) : undefined;
    const name = "name" in one ? `npm:${one.name}${version === undefined ? "" : `@${version}`}${one.path}` : one.text;
    const attribute = "attribute" in one && one.attribute !== undefined
      ? dynamic ? `, { with: { type: "${one.attribute}" } }` : ` with { type: "${one.attribute}" }`
      : "";
    text += `${source.slice(at, start)}${JSON.stringify(name)}${attribute}`;
    at = end;
  }
  return text + source.slice(at);
}

function isInside(path: string): boolean {
  return !path.startsWith("/") && !path.includes("\\") && !path.includes("\0") &&
    path.split("/").every((part) => part !== ".." && part !== "");
}

function refusal(found: ImportText, { path, source }: File, why: string): ScriptError {
  const where = `${path}:${lineAt(source, found.start)}`;
  return new ScriptError(`Cannot import ${JSON.stringify(found.specifier)} in ${where}: ${why}`);
}
