/**
 * Where the programs of the runner lie.
 *
 * @module
 */

/** Folder of the package, with a slash. In the npm package this module is a part of another file, which is below `src`, too. */
function packageFolder(): string {
  return import.meta.url.slice(0, import.meta.url.lastIndexOf("/src/") + 1);
}

/** Address of a program of this folder, by its name: `.ts` where the sources run, `.js` in the npm package. */
export function programUrl(name: string): URL {
  return new URL(`${packageFolder()}src/runner/sql/${name}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`);
}

/** Called by nobody: it tells the packager of files that only the command line of a process names. */
export function programModules(): readonly Promise<unknown>[] {
  return [import("./pglite_main.ts"), import("./duckdb_main.ts")];
}

/** Folders that a program has to read: the package's sources, and the packages; undefined when that cannot be known. */
export async function programFolders(packageName: string): Promise<readonly string[] | undefined> {
  const { realpath } = await import("node:fs/promises");
  const { fileURLToPath } = await import("node:url");
  try {
    const entry = await realpath(fileURLToPath(import.meta.resolve(packageName)));
    const at = entry.indexOf("node_modules");
    if (at < 0) return undefined;
    return [fileURLToPath(`${packageFolder()}src`), entry.slice(0, at + "node_modules".length)];
  } catch (error) {
    void error; // no files, or no package: then the process says so itself
    return undefined;
  }
}
