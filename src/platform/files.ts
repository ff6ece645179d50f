/**
 * Files of the machine, where it has any; looked up at the call and never at import.
 *
 * It imports nothing, and is imported only by what is itself loaded when it is needed: a bundler would put it in a file that
 * every program has to load.
 *
 * @module
 */

/** What is needed of files. Each function rejects with the runtime's own error. */
export interface Files {
  /** Reads a file of UTF-8. */
  readonly readTextFile: (path: string) => Promise<string>;
  /** Writes a file of UTF-8 in a folder, which is made if it must. Whoever reads meanwhile sees the file before or this one, whole. */
  readonly writeTextFile: (path: string, text: string) => Promise<void>;
  /** Tells whether there is a folder of that name. */
  readonly isFolder: (path: string) => Promise<boolean>;
}

interface NodeFiles {
  readFile(path: string, encoding: "utf8"): Promise<string>;
  writeFile(path: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string): Promise<void>;
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
  stat(path: string): Promise<{ isDirectory(): boolean }>;
}

interface DenoFiles {
  readTextFile(path: string): Promise<string>;
  writeTextFile(path: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  mkdir(path: string, options: { readonly recursive: true }): Promise<void>;
  stat(path: string): Promise<{ readonly isDirectory: boolean }>;
}

interface Machine {
  readonly Deno?: DenoFiles;
  readonly process?: { readonly getBuiltinModule?: (name: string) => { readonly promises?: NodeFiles } | undefined };
}

/** True for the error of something that is not there, in the words of Deno or of Node. */
export function isMissing(error: unknown): boolean {
  const { name, code } = error as { readonly name?: unknown; readonly code?: unknown };
  return name === "NotFound" || code === "ENOENT";
}

/** Node's functions, made of Deno's. */
function fromDeno(deno: DenoFiles): NodeFiles {
  return {
    readFile: (path) => deno.readTextFile(path),
    writeFile: (path, text) => deno.writeTextFile(path, text),
    rename: (from, to) => deno.rename(from, to),
    rm: (path) => deno.remove(path),
    mkdir: (path, options) => deno.mkdir(path, options),
    stat: async (path) => {
      const { isDirectory } = await deno.stat(path);
      return { isDirectory: () => isDirectory };
    },
  };
}

/** The files of the machine; undefined where there are none (a browser, workerd). */
export function files(): Files | undefined {
  const { Deno: deno, process } = globalThis as Machine;
  // Deno first: in Deno, touching `process` at all loads 15 ms of Node compatibility.
  const fs = deno?.readTextFile === undefined ? process?.getBuiltinModule?.("node:fs")?.promises : fromDeno(deno);
  if (fs === undefined) return undefined;
  return {
    readTextFile: (path) => fs.readFile(path, "utf8"),
    writeTextFile: async (path, text) => {
      const part = `${path}.${crypto.randomUUID()}.tmp`;
      await fs.mkdir(path.replace(/[/\\][^/\\]*$/, "") || "/", { recursive: true });
      try {
        await fs.writeFile(part, text);
        await fs.rename(part, path);
      } catch (error) {
        await fs.rm(part).catch(() => "It is not there, or cannot be removed: the first error is told");
        throw error;
      }
    },
    isFolder: async (path) => {
      try {
        return (await fs.stat(path)).isDirectory();
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
    },
  };
}
