/**
 * Where this package's own modules are: what `windmill-client` and the package's name mean in a script.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** Names of the package, and the module that a script gets under each, from the package's folder. */
export const SCRIPT_MODULES: Readonly<Record<string, string>> = {
  "windmill-client": "src/compat/mod",
  "@windkit/windmill-client": "mod_hosted",
  "@windkit/windmill-client/hosted": "mod_hosted",
  "@windkit/windmill-client/client": "src/sdk/client",
  "@windkit/windmill-client/api": "src/sdk/api",
  "@windkit/windmill-client/compat": "src/compat/mod",
  "@windkit/windmill-client/workflow": "src/cluster/hosted",
  "@windkit/windmill-client/hosted/workflow": "src/cluster/hosted",
  "@windkit/windmill-client/engine": "src/engine/engine",
  "@windkit/windmill-client/storage/memory": "src/storage/memory",
  "@windkit/windmill-client/storage/sqlite": "src/storage/sqlite",
  "@windkit/windmill-client/storage/durable-object": "src/storage/durable_object",
  "@windkit/windmill-client/durable-object": "src/durable_object/mod",
  "@windkit/windmill-client/testing": "src/testing/mod",
  "@windkit/windmill-client/errors": "src/base/errors",
  "@windkit/windmill-client/observe": "src/http/observe",
  "@windkit/windmill-client/handlers": "src/handlers/mod",
  "@windkit/windmill-client/hono": "edge/hono",
  "@windkit/windmill-client/edge/cloudflare": "edge/cloudflare",
  "@windkit/windmill-client/edge/deno": "edge/deno",
  "@windkit/windmill-client/edge/node": "edge/node",
  "@windkit/windmill-client/edge/vercel": "edge/vercel",
};

/** Folder of the package, with a slash. In the npm package this module is a part of another file, which is below `src`, too. */
function packageFolder(): string {
  return import.meta.url.slice(0, import.meta.url.lastIndexOf("/src/") + 1);
}

/** URL of a module of the package: `.ts` where the sources run, `.js` in the npm package. */
export function moduleUrl(path: string): string {
  return `${packageFolder()}${path}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`;
}

/** Called by nobody: it tells the packager of files that only the command line of a process names. */
export function processModules(): readonly Promise<unknown>[] {
  return [import("../wrapper/main.ts"), import("../wrapper/session.ts")];
}

/** Paths that a script's process must be able to read: the package's own sources. None when they are not on this machine. */
export function sourcePaths(): readonly string[] {
  if (!import.meta.url.startsWith("file:")) return [];
  const folder = packageFolder();
  return [`${folder}src`, `${folder}edge`, moduleUrl("mod"), moduleUrl("mod_hosted")].map((url) => fileURLToPath(url));
}

/** The import map of a script's process; `stubs`: of names only, for who reads the graph and runs nothing. */
export function importMap(stubs: boolean): string {
  const imports = Object.fromEntries(
    Object.entries(SCRIPT_MODULES).map(([name, path]) => [name, stubs ? "data:text/javascript," : moduleUrl(path)]),
  );
  return JSON.stringify({ imports });
}
