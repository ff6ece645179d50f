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
