/**
 * Which runtime the suite runs on, what that runtime lacks, and the only reasons for which a case may be skipped.
 *
 * A reason is a text where something is missing and `undefined` where it is there, so a case passes it on as it is:
 * `test("...", run, noFileSystem)`.
 *
 * @module
 */

/** The runtimes that the suite tells apart. */
export type RuntimeName = "deno" | "node" | "bun" | "workerd";

interface ProcessLike {
  readonly versions?: { readonly node?: string };
  readonly getBuiltinModule?: (name: string) => unknown;
}

const scope = globalThis as unknown as {
  readonly Deno?: unknown;
  readonly Bun?: unknown;
  readonly navigator?: { readonly userAgent?: string };
  readonly process?: ProcessLike;
};

function detect(): RuntimeName {
  if (scope.navigator?.userAgent === "Cloudflare-Workers") return "workerd";
  if (scope.Deno !== undefined) return "deno";
  if (scope.Bun !== undefined) return "bun";
  if (scope.process?.versions?.node !== undefined) return "node";
  throw new Error("Expected Deno, Node, Bun or workerd, found a runtime that is none of them");
}

/** The runtime that runs this module. */
export const runtime: RuntimeName = detect();

/** A built-in module of Node, or undefined where the runtime has none of that name. */
export function builtin<T>(name: string): T | undefined {
  const load = scope.process?.getBuiltinModule;
  try {
    return load?.(name) as T | undefined;
  } catch (error) {
    // Some runtimes throw for a name they do not know, where Node answers undefined.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

interface FileSystem {
  mkdtempSync(prefix: string): string;
  rmSync(path: string, options: { recursive: boolean; force: boolean }): void;
}

interface SQLiteModule {
  readonly DatabaseSync?: unknown;
}

const files = runtime === "workerd" ? undefined : builtin<FileSystem>("node:fs");

function temporaryRoot(): string {
  return builtin<{ tmpdir(): string }>("node:os")?.tmpdir() ?? "/tmp";
}

/** Why a case that needs files cannot run here. */
export const noFileSystem: string | undefined = files === undefined ? "no file system" : undefined;

/** Why a case that needs SQLite files cannot run here. */
export const noSqlite: string | undefined =
  files !== undefined && builtin<SQLiteModule>("node:sqlite")?.DatabaseSync !== undefined
    ? undefined
    : "no node:sqlite";

/** Why a case that needs several runs at once, or calls from inside a task, cannot run here. */
export const noAsyncLocalStorage: string | undefined =
  builtin<{ AsyncLocalStorage?: unknown }>("node:async_hooks")?.AsyncLocalStorage === undefined
    ? "no AsyncLocalStorage"
    : undefined;

/** Why a case that reads or sets environment variables cannot run here. */
export const noEnvironment: string | undefined = runtime === "workerd" ? "no environment variables" : undefined;

/** Why a case that listens on a port cannot run here. */
export const noServer: string | undefined = runtime === "workerd" || builtin("node:http") === undefined
  ? "no listening sockets"
  : undefined;

/** Runs `use` with the path of a new folder, and removes the folder afterwards. */
export async function withTemporaryFolder<T>(use: (folder: string) => T | Promise<T>): Promise<T> {
  if (files === undefined) throw new Error("Cannot make a temporary folder: this runtime has no file system");
  const folder = files.mkdtempSync(`${temporaryRoot()}/windkit-suite-`);
  try {
    return await use(folder);
  } finally {
    files.rmSync(folder, { recursive: true, force: true });
  }
}
