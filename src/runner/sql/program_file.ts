/**
 * Where the programs of the runner lie: beside its sources, or beside the files of the npm package.
 *
 * @module
 */

/** The extension of a module's file: `.ts` in the sources, `.js` in the package. */
export function extension(url: string): string {
  return /\.[cm]?[jt]s$/.exec(new URL(url).pathname)?.[0] ?? ".js";
}

/** Address of a program of this folder, by its name. */
export function programUrl(name: string): URL {
  return new URL(`./${name}${extension(import.meta.url)}`, import.meta.url);
}

/** Folders that a program of this folder has to read: its own, and that of the packages; undefined when that cannot be known. */
export async function programFolders(packageName: string): Promise<readonly string[] | undefined> {
  const { realpath } = await import("node:fs/promises");
  const { fileURLToPath } = await import("node:url");
  try {
    const entry = await realpath(fileURLToPath(import.meta.resolve(packageName)));
    const at = entry.indexOf("node_modules");
    if (at < 0) return undefined;
    return [fileURLToPath(new URL(".", import.meta.url)), entry.slice(0, at + "node_modules".length)];
  } catch (error) {
    void error; // no files, or no package: then the process says so itself
    return undefined;
  }
}
