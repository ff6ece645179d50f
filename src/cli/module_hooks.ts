/**
 * How a workflow file is loaded as the worker loads it, with nothing written to disk: the names of this package lead to
 * this very copy of it, and the file's arrow tasks get their names. Its path stays its own, so relative imports, packages
 * and stack traces are as ever.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import * as nodeModule from "node:module";
import { fileURLToPath } from "node:url";
import { nameTasks } from "../workflow/task_names.ts";
import { runtimeOf } from "./runtime.ts";

/** This package's modules by the names they are imported under, relative to this folder and without extension. */
export const PACKAGE_MODULES: Readonly<Record<string, string>> = {
  "windmill-client": "../compat/mod",
  "@windkit/windmill-client": "../../mod",
  "@windkit/windmill-client/hosted": "../../mod_hosted",
  "@windkit/windmill-client/hosted/workflow": "../cluster/hosted",
  "@windkit/windmill-client/client": "../sdk/client",
  "@windkit/windmill-client/api": "../sdk/api",
  "@windkit/windmill-client/compat": "../compat/mod",
  "@windkit/windmill-client/workflow": "../cluster/authoring",
  "@windkit/windmill-client/engine": "../engine/engine",
  "@windkit/windmill-client/storage/memory": "../storage/memory",
  "@windkit/windmill-client/storage/sqlite": "../storage/sqlite",
  "@windkit/windmill-client/storage/durable-object": "../storage/durable_object",
  "@windkit/windmill-client/durable-object": "../durable_object/mod",
  "@windkit/windmill-client/testing": "../testing/mod",
  "@windkit/windmill-client/errors": "../base/errors",
  "@windkit/windmill-client/observe": "../http/observe",
  "@windkit/windmill-client/handlers": "../handlers/mod",
  "@windkit/windmill-client/hono": "../../edge/hono",
  "@windkit/windmill-client/edge/cloudflare": "../../edge/cloudflare",
  "@windkit/windmill-client/edge/deno": "../../edge/deno",
  "@windkit/windmill-client/edge/node": "../../edge/node",
  "@windkit/windmill-client/edge/vercel": "../../edge/vercel",
  "@windkit/windmill-client/cli": "./main",
};

interface LoadResult {
  readonly format?: string | null;
  readonly source?: unknown;
  readonly shortCircuit?: boolean;
}
type NextResolve = (specifier: string, context: unknown) => unknown;
type NextLoad = (url: string, context: unknown) => LoadResult;

/** What newer Node versions, and Deno, add to `node:module`. */
interface HookingModule {
  readonly registerHooks?: (hooks: {
    readonly resolve: (specifier: string, context: unknown, next: NextResolve) => unknown;
    readonly load: (url: string, context: unknown, next: NextLoad) => LoadResult;
  }) => unknown;
  readonly register?: (module: string, options: { readonly data: unknown }) => void;
}

interface BunBuild {
  module(name: string, make: () => { readonly exports: unknown; readonly loader: "object" }): void;
  onLoad(
    filter: { readonly filter: RegExp },
    load: (file: { readonly path: string }) => { readonly contents: string; readonly loader: string },
  ): void;
}
interface BunGlobal {
  readonly plugin: (plugin: { readonly name: string; readonly setup: (build: BunBuild) => void }) => unknown;
}

/** Workflow files, by the URL that the runtime gives them. */
const workflows = new Set<string>();
/** Those whose text went through the hook. */
const named = new Set<string>();
let installed = false;

/**
 * Installs the hooks, once a process, and marks a file as a workflow.
 *
 * @param url the file's URL, with symbolic links resolved
 */
export async function prepareToLoad(url: string): Promise<void> {
  const isNew = !workflows.has(url);
  workflows.add(url);
  if (runtimeOf().name === "Bun") {
    if (!installed) await takeNamesInBun();
    if (isNew) nameTasksInBun(url);
  } else if (!installed) {
    installInNode(url);
  }
  installed = true;
}

/**
 * Tells, after a workflow file was imported, whether its arrow tasks lack the names they have on a cluster: Deno 2.9 does not
 * call the load hook for files that it takes for CommonJS.
 *
 * @param url the file's URL, as {@linkcode prepareToLoad} was given it
 * @returns true when names were to be written, and were not
 */
export function lacksTaskNames(url: string): boolean {
  if (named.has(url)) return false;
  const source = readFileSync(fileURLToPath(url), "utf8");
  return nameTasks(source) !== source;
}

function ownModules(): Readonly<Record<string, string>> {
  // The folder above: it is the same one when the package's build has put this module beside those of another folder.
  const sources = new URL("..", import.meta.url);
  const here = new URL("cli/", sources);
  const isSource = sources.protocol !== "file:" || existsSync(new URL("main.ts", here));
  const extension = isSource ? ".ts" : ".js";
  return Object.fromEntries(
    Object.entries(PACKAGE_MODULES).map(([name, path]) => [name, new URL(`${path}${extension}`, here).href]),
  );
}

/**
 * What the modules of this package export that some texts import.
 *
 * @param sources the texts
 * @returns names of values, by the name of the module
 */
export async function ownExportsIn(
  sources: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const used = new Set(
    sources.flatMap((
      source,
    ) => [...source.matchAll(/["'](?:npm:|jsr:)?@windkit\/windmill-client(?:@[^/"']*)?((?:\/[\w-]+)*)["']/g)]).map((
      [, path],
    ) => `@windkit/windmill-client${path}`),
  );
  // Not the program itself, which waits for what is loaded here.
  const meant = Object.entries(ownModules()).filter(([name]) => used.has(name) && !name.endsWith("/cli"));
  return new Map(
    await Promise.all(meant.map(async ([name, url]) => [name, Object.keys(await import(url) as object)] as const)),
  );
}

function installInNode(url: string): void {
  const own = new Map(Object.entries(ownModules()));
  const inNode = runtimeOf().name === "Node";
  const { registerHooks, register } = nodeModule as unknown as HookingModule; // the declared types know neither everywhere
  if (registerHooks === undefined) {
    // Node 22.13 and 22.14. Hooks run in a thread of their own there, hence the text; it does what the ones below do.
    const text = `let d;
export const initialize = (data) => { d = data };
export const resolve = (name, context, next) =>
  Object.hasOwn(d.own, name) ? { url: d.own[name], shortCircuit: true } : next(name, context);
export const load = (url, context, next) =>
  url === d.url ? { format: "module", source: d.source, shortCircuit: true } : next(url, context);`;
    const data = { own: Object.fromEntries(own), url, source: nameTasks(readFileSync(fileURLToPath(url), "utf8")) };
    if (/\.[cm]?tsx?$/.test(url)) return; // needs newer hooks to be read as TypeScript: Node's own error says so
    named.add(url);
    register?.(`data:text/javascript,${encodeURIComponent(text)}`, { data });
    return;
  }
  registerHooks({
    resolve(specifier, context, next): unknown {
      const target = own.get(specifier);
      return target === undefined ? next(specifier, context) : { url: target, shortCircuit: true };
    },
    load(address, context, next): LoadResult {
      const isWorkflow = workflows.has(address);
      if (isWorkflow) named.add(address);
      if (inNode && readAsModule(address, isWorkflow)) {
        const source = readFileSync(fileURLToPath(address), "utf8");
        const format = /\.m?tsx?$/.test(address) ? "module-typescript" : "module";
        return { format, source: isWorkflow ? nameTasks(source) : source, shortCircuit: true };
      }
      const loaded = next(address, context);
      if (!isWorkflow || loaded.source === undefined || loaded.source === null) return loaded;
      return { ...loaded, source: nameTasks(textOf(loaded.source)) };
    },
  });
}

/**
 * A Windmill script is always an ES module, whatever the nearest package.json says (`npm init` writes "commonjs"): so are
 * the workflow file and the TypeScript files it imports. What is in node_modules, or says .cjs, stays what it says.
 */
function readAsModule(address: string, isWorkflow: boolean): boolean {
  if (!address.startsWith("file:") || address.includes("/node_modules/")) return false;
  return isWorkflow ? /\.m?[jt]sx?$/.test(address) : /\.m?tsx?$/.test(address);
}

function textOf(source: unknown): string {
  return typeof source === "string" ? source : new TextDecoder().decode(source as Uint8Array);
}

async function takeNamesInBun(): Promise<void> {
  // Imported before the names are taken over: a virtual module is made synchronously. Not the program itself, which waits
  // for what is loaded here.
  const others = Object.entries(ownModules()).filter(([name]) => !name.endsWith("/cli"));
  const namespaces = await Promise.all(
    others.map(async ([name, url]) => [name, await import(url) as object] as const),
  );
  bunPlugin((build) => {
    for (const [name, namespace] of namespaces) {
      build.module(name, () => ({ exports: { ...namespace }, loader: "object" }));
    }
  });
}

function nameTasksInBun(url: string): void {
  const file = fileURLToPath(url);
  const filter = new RegExp(`^${file.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}$`);
  const loader = /[jt]sx?$/.exec(file)?.[0] ?? "ts";
  bunPlugin((build) => {
    build.onLoad({ filter }, ({ path }) => {
      named.add(url);
      return { contents: nameTasks(readFileSync(path, "utf8")), loader };
    });
  });
}

function bunPlugin(setup: (build: BunBuild) => void): void {
  (globalThis as unknown as { readonly Bun: BunGlobal }).Bun.plugin({ name: "windkit", setup });
}
