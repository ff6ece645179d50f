/**
 * Where a file belongs: the folder that Windmill paths start from, and the file's path there.
 *
 * @module
 */
import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
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

/** The code of a script with modules, behind the script's path: `f/x/a__mod/script.ts`. */
const FOLDER_ENTRY = "__mod/script";

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
  const name = withoutExtension(relative(root, path).split(sep).join("/"));
  // A script with modules is a folder.
  return { file: path, root, name: name.endsWith(FOLDER_ENTRY) ? name.slice(0, -FOLDER_ENTRY.length) : name };
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
  const files = [base, `${base}${FOLDER_ENTRY}`].flatMap((one) => EXTENSIONS.map((extension) => `${one}${extension}`));
  return [...files, base].find((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true);
}

/** Folders that are looked into for a file, and how deep. */
const MOST_FOLDERS = 1000;
const DEEPEST = 6;

/**
 * Finds the file that a run was started with: a workflow's name is the file's path below the workspace.
 *
 * @param name name of the workflow
 * @param cwd where the user stands
 * @param data the data folder, absolute: it is mostly beside what was run
 * @returns the path from `cwd`; undefined when there is none, or more than one that it may be
 */
export function fileOfWorkflow(name: string, cwd: string, data: string): string | undefined {
  const starts = [cwd, dirname(data)];
  for (const start of starts) {
    for (let folder = start;; folder = dirname(folder)) {
      const found = findScript(folder, name);
      if (found !== undefined && placeOf(found, cwd).name === name) return shown(found, cwd);
      if (folder === dirname(folder)) break;
    }
  }
  // The workspace may be a folder below: a file without anything that marks one has its own folder for it.
  for (const start of starts) {
    const found = [...filesBelow(start)].filter((file) => placeOf(file, cwd).name === name);
    if (found.length > 0) return found.length === 1 ? shown(found[0] ?? "", cwd) : undefined;
  }
  return undefined;

  function* filesBelow(start: string): Generator<string> {
    const last = name.split("/").at(-1) ?? name;
    const queue = [{ folder: start, depth: 0 }];
    for (let i = 0; i < Math.min(queue.length, MOST_FOLDERS); i++) {
      const { folder, depth } = queue[i] ?? { folder: start, depth: DEEPEST };
      for (const entry of entriesOf(folder)) {
        const path = join(folder, entry.name);
        if (entry.isFile() && EXTENSIONS.some((extension) => entry.name === `${last}${extension}`)) yield path;
        const isOpen = entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules";
        if (isOpen && depth < DEEPEST) queue.push({ folder: path, depth: depth + 1 });
      }
    }
  }
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    void error; // it may not be read: what is in it cannot be meant
    return [];
  }
}

function shown(file: string, cwd: string): string {
  return relative(cwd, file) || basename(file);
}

/**
 * Whether Node takes a file for CommonJS because a package.json says so.
 *
 * @param file absolute path
 * @returns the path of that package.json; undefined when none does
 */
export function commonJsBy(file: string): string | undefined {
  if (!/\.[jt]sx?$/.test(file)) return undefined;
  const folder = nearest(file, ["package.json"]);
  if (folder === undefined) return undefined;
  const path = join(folder, "package.json");
  try {
    const { type } = JSON.parse(readFileSync(path, "utf8")) as { readonly type?: unknown };
    return type === "commonjs" ? path : undefined;
  } catch (error) {
    void error; // whoever reads it to run something says what is wrong with it
    return undefined;
  }
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
