/**
 * Where a file belongs: the folder that Windmill paths start from, and the file's path there.
 *
 * @module
 */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { UsageError } from "./exit_codes.ts";

/** A workflow file in its workspace. */
export interface Place {
  /** Absolute path of the file. */
  readonly file: string;
  /** The folder that holds `f/` and `u/`. */
  readonly root: string;
  /** Path of the file from there without its extension, with `/`: the workflow's name. */
  readonly name: string;
}

/** Longest first. */
const EXTENSIONS = [".deno.ts", ".bun.ts", ".mts", ".cts", ".tsx", ".mjs", ".cjs", ".jsx", ".ts", ".js"];

/**
 * Finds where a workflow file belongs: below the nearest folder that holds `wmill.yaml`, else the one that holds the `f` or
 * `u` on its way, else the nearest that holds a `deno.json` or `package.json`, else its own.
 *
 * @param file the path as it was given
 * @param cwd what it is relative to
 * @returns the file's place
 */
export function placeOf(file: string, cwd: string): Place {
  const path = resolve(cwd, file);
  const root = nearest(path, ["wmill.yaml"]) ?? aboveOwners(path) ??
    nearest(path, ["deno.json", "deno.jsonc", "package.json"]) ?? dirname(path);
  return { file: path, root, name: withoutExtension(relative(root, path).split(sep).join("/")) };
}

/**
 * Refuses what is no file, with a text that says what it is.
 *
 * @param place the file
 * @param given the path as it was given
 */
export function checkFile(place: Place, given: string): void {
  const found = statSync(place.file, { throwIfNoEntry: false });
  if (found === undefined) {
    const twin = EXTENSIONS.map((extension) => `${given}${extension}`).find((path) =>
      existsSync(`${place.file}${path.slice(given.length)}`)
    );
    throw new UsageError(
      `No such file: "${given}"`,
      twin === undefined ? `Looked for ${place.file}` : `There is "${twin}"`,
    );
  }
  if (found.isDirectory()) throw new UsageError(`"${given}" is a folder: name a workflow file`);
  if (!EXTENSIONS.some((extension) => place.file.endsWith(extension))) {
    throw new UsageError(`"${given}" is no workflow file: its name must end in .ts or .js (or .mts, .mjs, ...)`);
  }
}

/**
 * Finds a script of the workspace.
 *
 * @param root the workspace
 * @param path its Windmill path, as in `f/tools/resize`
 * @returns the absolute path of its file; undefined when there is none
 */
export function findScript(root: string, path: string): string | undefined {
  const base = join(root, ...path.split("/"));
  return [...EXTENSIONS.map((extension) => `${base}${extension}`), base].find((file) =>
    statSync(file, { throwIfNoEntry: false })?.isFile() === true
  );
}

function nearest(path: string, markers: readonly string[]): string | undefined {
  for (let folder = dirname(path);; folder = dirname(folder)) {
    if (markers.some((marker) => existsSync(join(folder, marker)))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function aboveOwners(path: string): string | undefined {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if (basename(folder) === "f" || basename(folder) === "u") return dirname(folder);
  }
  return undefined;
}

function withoutExtension(path: string): string {
  const extension = EXTENSIONS.find((known) => path.endsWith(known)) ?? "";
  return path.slice(0, path.length - extension.length);
}
