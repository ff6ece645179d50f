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

/** Folders whose files belong to something else: flows, apps, modules of scripts, projects of dbt, files of a resource. */
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

/**
 * Reads a file's name.
 *
 * @param file path relative to the folder, with `/`
 * @param defaultTs language of a plain `.ts`
 * @returns what it is; undefined for files that this server has no use for
 */
export function readName(file: string, defaultTs: DefaultTs): NamedFile | undefined {
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
  for (const [ending, language] of LANGUAGES) {
    if (name.endsWith(ending)) return scriptNamed(folder, name, ending, language);
  }
  if (name.endsWith(".d.ts") || !name.endsWith(".ts")) return undefined;
  return scriptNamed(folder, name, ".ts", defaultTs);
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
    // deno-lint-ignore no-control-regex -- control characters are what it refuses
    if (part === "" || part.startsWith(".") || /[\\:*?"<>|\u0000-\u001f\u007f]/.test(part)) {
      throw new RangeError(
        `The path ${quoted(path)} cannot be kept in a folder: ${quoted(part)} is no name of a file on every system`,
      );
    }
    if (RESERVED.test(part)) {
      throw new RangeError(
        `The path ${quoted(path)} cannot be kept in a folder: ${quoted(part)} is no name of a file on Windows`,
      );
    }
    if (!isSyncedFolder(part)) {
      throw new RangeError(`The path ${quoted(path)} cannot be kept in a folder: ${quoted(part)} is of another kind`);
    }
  }
  // The first dot of a file's name ends the path: another one would be read back as a shorter path.
  if (parts.at(-1)?.includes(".") === true) {
    throw new RangeError(`The path ${quoted(path)} cannot be kept in a folder: its last part has a dot`);
  }
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
