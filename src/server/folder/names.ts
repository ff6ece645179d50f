/**
 * What the files of a synced folder are called: the names that `wmill sync pull` writes.
 *
 * @module
 */

/** TypeScript without a language in its name: `defaultTs` of `wmill.yaml`. */
export type DefaultTs = "bun" | "deno";

/** What a file is, by its name. */
export type NamedFile =
  | { readonly is: "script"; readonly path: string; readonly language: string }
  | { readonly is: "metadata" | "lock" | "variable" | "resource" | "resource type"; readonly path: string }
  /** A module of a script: `name__mod/utils/math.ts`. Its key is what is behind `__mod/`. */
  | { readonly is: "module"; readonly path: string; readonly key: string; readonly language: string }
  /** A variable or resource of one of the workspaces that the folder is synced with: `name.staging.variable.yaml`. */
  | {
    readonly is: "specific variable" | "specific resource";
    readonly path: string;
    readonly workspace: string;
  };

/** Endings of scripts; the longer ones come first. */
const LANGUAGES: readonly (readonly [ending: string, language: string])[] = [
  [".fetch.ts", "nativets"],
  [".bun.ts", "bun"],
  [".deno.ts", "deno"],
  [".my.sql", "mysql"],
  [".bq.sql", "bigquery"],
  [".odb.sql", "oracledb"],
  [".duckdb.sql", "duckdb"],
  [".sf.sql", "snowflake"],
  [".ms.sql", "mssql"],
  [".pg.sql", "postgresql"],
  [".playbook.yml", "ansible"],
  [".py", "python3"],
  [".go", "go"],
  [".gql", "graphql"],
  [".sh", "bash"],
  [".ps1", "powershell"],
  [".php", "php"],
  [".rs", "rust"],
  [".cs", "csharp"],
  [".nu", "nu"],
  [".java", "java"],
  [".rb", "ruby"],
  [".r", "rlang"],
];

/**
 * Folders whose files are no items of their own: flows, apps, modules of scripts, projects of dbt, files of a resource. Of modules the
 * scan knows.
 */
const FOREIGN_FOLDER = /(?:\.flow|__flow|\.app|__app|\.raw_app|__raw_app|__mod|__dbt|\.fileset)$/;

/** Endings of metadata, in both forms. */
const RECORD = /^(.+?)(?:\.([^.]+))?\.(script|variable|resource|resource-type)\.(?:yaml|json)$/;

/**
 * Says whether scripts, variables and resources may be in a folder.
 *
 * @param name name of the folder, without its parents
 * @returns false for folders that are one item of another kind, or none of Windmill's at all
 */
export function isSyncedFolder(name: string): boolean {
  return !name.startsWith(".") && name !== "node_modules" && !FOREIGN_FOLDER.test(name);
}

/** A script's modules are in a folder beside it, or with it: the outermost of that name. */
const MODULE_FOLDER = /^([fug]\/[^/]+\/(?:[^/]+\/)*?[^/]+?)__mod(?:\/(.+))?$/;

/** Languages that a runner of this server has. */
const RUN: ReadonlySet<string> = new Set(["bun", "deno", "nativets", "bunnative", "postgresql", "duckdb"]);

/**
 * Reads a path as one of a folder of modules, or below it.
 *
 * @param path relative to the folder, with `/`
 * @returns the script's path, and what is behind `__mod/`; undefined for any other path
 */
export function moduleParts(path: string): { readonly path: string; readonly key: string } | undefined {
  const [, script, key = ""] = MODULE_FOLDER.exec(path) ?? [];
  return script === undefined || /(?:^|\/)\.|\.[^/]*$/.test(script) || !script.split("/").every(isSyncedFolder)
    ? undefined
    : { path: script, key };
}

/**
 * The folder of a script's modules.
 *
 * @param path the script's path
 */
export function moduleFolderOf(path: string): string {
  return `${path}__mod`;
}

/**
 * The lock of a module is beside it, under its name without the last ending.
 *
 * @param key the module
 */
export function moduleLockOf(key: string): string {
  return `${key.replace(/\.[^./]+$/, "")}.lock`;
}

/** Says whether a language is one that some runner of this server has. */
export function isRun(language: string): boolean {
  return RUN.has(language);
}

/** The language and ending of a file's name; undefined when it is no code. */
function languageOf(name: string, defaultTs: DefaultTs): readonly [ending: string, language: string] | undefined {
  return LANGUAGES.find(([ending]) => name.endsWith(ending)) ?? (name.endsWith(".ts") ? [".ts", defaultTs] : undefined);
}

/** A file in a folder of modules: what is called `script` is the script itself. */
function readModuleName(path: string, key: string, defaultTs: DefaultTs): NamedFile | undefined {
  const [ending, language] = languageOf(key, defaultTs) ?? [];
  if (!key.startsWith("script.")) {
    return ending === undefined || language === undefined ? undefined : { is: "module", path, key, language };
  }
  if (key === "script.yaml" || key === "script.json") return { is: "metadata", path };
  if (key === "script.lock") return { is: "lock", path };
  return language !== undefined && key === `script${ending}` ? { is: "script", path, language } : undefined;
}

/**
 * Reads a file's name.
 *
 * @param file path relative to the folder, with `/`
 * @param defaultTs language of a plain `.ts`
 * @returns what it is; undefined for files that this server has no use for
 */
export function readName(file: string, defaultTs: DefaultTs): NamedFile | undefined {
  const module = moduleParts(file);
  if (module !== undefined) return readModuleName(module.path, module.key, defaultTs);
  const slash = file.lastIndexOf("/") + 1;
  const folder = file.slice(0, slash);
  const name = file.slice(slash);
  const record = RECORD.exec(name);
  if (record !== null) return readRecord(folder, record);
  // Files below belong to a user, a folder or a group; beside `wmill.yaml` they are of the project.
  if (!/^[fug]\/./.test(folder)) return undefined;
  const lock = /^(.+)\.script\.lock$/.exec(name);
  if (lock !== null) return { is: "lock", path: folder + lock[1] };
  // The content of a resource of a file type: `name.resource.file.ext`.
  if (name.includes(".resource.file.") || name.includes(".inline_script.")) return undefined;
  const [ending, language] = name.endsWith(".d.ts") ? [] : languageOf(name, defaultTs) ?? [];
  return ending === undefined || language === undefined ? undefined : scriptNamed(folder, name, ending, language);
}

/**
 * Says whether a file may be imported as data: one of a folder that is synced, which is nothing else by its name.
 *
 * @param file path relative to the folder, with `/`
 * @param defaultTs language of a plain `.ts`
 */
export function isDataFile(file: string, defaultTs: DefaultTs): boolean {
  const parts = file.split("/");
  const name = parts.pop() ?? "";
  return /^[fug]$/.test(parts[0] ?? "") && parts.length > 1 && parts.every(isSyncedFolder) && /^[^.].*\../.test(name) &&
    readName(file, defaultTs) === undefined && !/\.(?:[cm]?[jt]sx?|yaml|yml|lock)$/.test(name) && !RECORD.test(name) &&
    !name.includes(".resource.file.");
}

function readRecord(folder: string, [, name = "", infix, kind]: RegExpExecArray): NamedFile | undefined {
  if (kind === "resource-type") {
    return folder === "" ? { is: "resource type", path: infix === undefined ? name : `${name}.${infix}` } : undefined;
  }
  if (!/^[fug]\/./.test(folder)) return undefined;
  if (kind === "script") return { is: "metadata", path: folder + (infix === undefined ? name : `${name}.${infix}`) };
  const is = kind === "variable" ? "variable" : "resource";
  if (infix === undefined) return { is, path: folder + name };
  return { is: `specific ${is}`, path: folder + name, workspace: infix };
}

/** A further dot would be cut off by the command line too: `a.b.ts` is nothing that it writes. */
function scriptNamed(folder: string, name: string, ending: string, language: string): NamedFile | undefined {
  const base = name.slice(0, -ending.length);
  return base === "" || base.includes(".") ? undefined : { is: "script", path: folder + base, language };
}

/**
 * The ending of a language's script files.
 *
 * @param language in Windmill's names
 * @param defaultTs language of a plain `.ts`
 * @returns the ending, `.ts` or `.pg.sql`
 * @throws RangeError for a language that has none
 */
export function endingOf(language: string, defaultTs: DefaultTs): string {
  // The server derives it from a comment in the code; the file is one of Bun's.
  const asked = language === "bunnative" ? "bun" : language;
  if (asked === defaultTs) return ".ts";
  const found = LANGUAGES.find(([, one]) => one === asked);
  if (found === undefined) {
    throw new RangeError(`A script cannot be in the language "${language}": no file is named so`);
  }
  return found[0];
}

/** Names that Windows has for devices, whatever follows their first dot, and ends that it takes off. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?:\.|$)|[. ]$/i;

/**
 * Checks a path of a script, variable or resource that is to be written.
 *
 * @param path `f/folder/name`, `u/user/name` or `g/group/name`
 * @throws RangeError when it has another form
 */
export function checkPath(path: string): void {
  const parts = path.split("/");
  if (parts.length < 3 || !/^[fug]$/.test(parts[0] ?? "")) {
    throw new RangeError(`The path ${quoted(path)} must begin with "f/<folder>/", "u/<user>/" or "g/<group>/"`);
  }
  if (path.length > 255) throw new RangeError(`The path ${quoted(path)} must have at most 255 characters`);
  if (!path.isWellFormed()) throw new RangeError(`The path ${quoted(path)} is no text that a file can be named by`);
  for (const part of parts) {
    checkPart(`The path ${quoted(path)}`, part);
    if (!isSyncedFolder(part)) {
      throw new RangeError(`The path ${quoted(path)} cannot be kept in a folder: ${quoted(part)} is of another kind`);
    }
  }
  // The first dot of a file's name ends the path: another one would be read back as a shorter path.
  if (parts.at(-1)?.includes(".") === true) {
    throw new RangeError(`The path ${quoted(path)} cannot be kept in a folder: its last part has a dot`);
  }
}

/** Most bytes of a part: systems take 255, of which an ending and the name of a draft need some. */
const MAX_PART_BYTES = 200;

/** A part of a path must be a name on every system. */
function checkPart(what: string, part: string): void {
  // deno-lint-ignore no-control-regex -- control characters are what it refuses
  if (part === "" || part.startsWith(".") || /[\\:*?"<>|\u0000-\u001f\u007f]/.test(part)) {
    throw new RangeError(`${what} cannot be kept in a folder: ${quoted(part)} is no name of a file on every system`);
  }
  const { length } = new TextEncoder().encode(part);
  if (length > MAX_PART_BYTES) {
    throw new RangeError(
      `${what} cannot be kept in a folder: ${quoted(part)} has ${length} bytes, and may have at most ${MAX_PART_BYTES}`,
    );
  }
  if (RESERVED.test(part)) {
    throw new RangeError(`${what} cannot be kept in a folder: ${quoted(part)} is no name of a file on Windows`);
  }
}

/**
 * Checks the name of a module that is to be written.
 *
 * @param path the script's path
 * @param key the module's path below the script's folder of modules
 * @param language the module's language
 * @param defaultTs language of a plain `.ts`
 * @throws RangeError when no file can be called so, or one would be read as something else
 */
export function checkModule(path: string, key: string, language: string, defaultTs: DefaultTs): void {
  const what = `The module ${quoted(key)} of "${path}"`;
  if (`${path}__mod/${key}`.length > 512) throw new RangeError(`${what} must have a shorter name`);
  if (!key.isWellFormed()) throw new RangeError(`${what} has a name that is no text`);
  for (const part of key.split("/")) checkPart(what, part);
  if (key.split("/").includes("node_modules")) throw new RangeError(`${what} is in a folder that is passed over`);
  if (key.startsWith("script.")) {
    throw new RangeError(`${what} cannot be kept in a folder: files called "script" there are the script itself`);
  }
  const found = languageOf(key, defaultTs)?.[1];
  if (found === (language === "bunnative" ? "bun" : language)) return;
  throw new RangeError(
    `${what} cannot be kept in a folder: it is of the language "${language}", and its name says ${
      found === undefined ? "none" : `"${found}"`
    }`,
  );
}

/**
 * Checks the name of a resource type that is to be written.
 *
 * @param name `c_my_type`
 * @throws RangeError when it is no name
 */
export function checkTypeName(name: string): void {
  if (/^[A-Za-z0-9_][A-Za-z0-9_-]{0,49}$/.test(name) && !RESERVED.test(name)) return;
  throw new RangeError(
    `The name ${quoted(name)} of a resource type must be of letters, digits, "_" and "-", 50 at most`,
  );
}

/** A reference to a file: `!inline FILE`; to a folder of files: `!inline_fileset FOLDER`. */
const REFERENCE = /^!inline(?:_fileset)? /;

/** What a reference may lead to: what `wmill sync pull` makes for it, and nothing else that is in the folder. */
const REFERRED = {
  content: /\.resource\.file\.[^/]+$/,
  fileset: /\.fileset$/,
  lock: /\.lock$/,
} as const;

/** True for a text that a file of the folder would have as the name of another one. */
export function isReference(text: string): boolean {
  return REFERENCE.test(text);
}

/**
 * The file or folder that a text refers to; undefined when it is a text like any other.
 *
 * @param what what it is in place of: the content of a resource, a set of files, a script's lock
 * @throws RangeError when it is none that is kept so
 */
export function referredBy(text: string, what: keyof typeof REFERRED): string | undefined {
  const start = what === "fileset" ? "!inline_fileset " : "!inline ";
  if (!text.startsWith(start)) return undefined;
  const file = text.slice(start.length).trim();
  // The data folder, and what belongs to other programs.
  if (REFERRED[what].test(file) && !file.split("/").some((part) => part.startsWith("."))) return file;
  const names = { content: "NAME.resource.file.ENDING", fileset: "NAME.fileset", lock: "NAME.lock" };
  throw new RangeError(
    `${quoted(text)} refers to no file of its kind: expected a path below the folder, ${names[what]}`,
  );
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text);
}
