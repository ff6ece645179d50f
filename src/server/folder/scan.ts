/**
 * What is in a synced folder, by names alone: no file but `wmill.yaml` is opened for it.
 *
 * @module
 */
import { basename } from "node:path";
import { isRecord } from "../../wire/answer.ts";
import type { FolderProblem } from "../ports.ts";
import { type Disk, type FoundFile, messageOf } from "./disk.ts";
import type { Documents } from "./documents.ts";
import {
  type DefaultTs,
  isRun,
  isSyncedFolder,
  moduleFolderOf,
  moduleLockOf,
  moduleParts,
  type NamedFile,
  readName,
} from "./names.ts";

/** A module of a script: its files. */
export interface ModuleFiles {
  /** Its path below the folder of modules. */
  readonly key: string;
  readonly language: string;
  readonly content: FoundFile;
  readonly lock?: FoundFile;
}

/** A script's files. */
export interface ScriptFiles {
  readonly content: FoundFile;
  readonly language: string;
  readonly metadata?: FoundFile;
  readonly lock?: FoundFile;
  /** In the order of their keys. */
  readonly modules: readonly ModuleFiles[];
}

/** What `wmill.yaml` says to this server. */
export interface SyncConfig {
  readonly defaultTs: DefaultTs;
  /** Secrets are in the files as plain text. */
  readonly plainSecrets: boolean;
  /** Id of the workspace, when the file names one only. */
  readonly workspace?: string;
}

/** The folder as it was at one moment. */
export interface Scan {
  readonly config: SyncConfig;
  /** Marks of all files, by name: what has another one now has changed. */
  readonly marks: ReadonlyMap<string, string>;
  readonly scripts: ReadonlyMap<string, ScriptFiles>;
  /** Modules by the paths of their scripts, whether there is such a script or not. */
  readonly modules: ReadonlyMap<string, readonly ModuleFiles[]>;
  /** Folders of modules, and those in them, by the paths of their scripts: what `lookFolder` said of each. */
  readonly moduleFolders: ReadonlyMap<string, ReadonlyMap<string, string | undefined>>;
  readonly variables: ReadonlyMap<string, FoundFile>;
  readonly resources: ReadonlyMap<string, FoundFile>;
  readonly types: ReadonlyMap<string, FoundFile>;
  /** Key of the workspace that the folder was pulled from, when `includeKey` is set. */
  readonly encryptionKey?: FoundFile;
  readonly problems: readonly FolderProblem[];
}

/** What to look at. */
export interface ScanOptions {
  readonly disk: Disk;
  readonly documents: Documents;
  /** Which workspace's variables and resources to use where each has its own: `name.staging.variable.yaml`. */
  readonly specific?: string;
  /** A folder that is none of Windmill's, relative: the data folder. */
  readonly excluded?: string;
}

/** Code of this size is data. */
export const MAX_CODE_BYTES: number = 16 * 1024 * 1024;

/** Metadata of this size is a mistake. */
export const MAX_RECORD_BYTES: number = 2 * 1024 * 1024;

/**
 * Looks at a folder.
 *
 * @param options what to look at
 * @returns what is there
 */
export function scanFolder(options: ScanOptions): Scan {
  const { disk, specific, excluded } = options;
  const moduleFolders = new Map<string, Map<string, string | undefined>>();
  const nameless: string[] = [];
  const found = disk.walk((folder) => {
    if (folder === excluded) return false;
    const top = !folder.includes("/"), name = basename(folder);
    if (top) return /^[fug]$/.test(folder);
    const module = moduleParts(folder);
    if (module === undefined) {
      if (name.endsWith("__mod")) nameless.push(folder);
      return isSyncedFolder(name);
    }
    if (name.startsWith(".") || name === "node_modules") return false;
    // Before it is listed: what is put into it from now on makes another mark.
    const marks = moduleFolders.get(module.path) ?? new Map<string, string | undefined>();
    moduleFolders.set(module.path, marks.set(folder, disk.lookFolder(folder)));
    return true;
  });
  const problems: FolderProblem[] = [
    ...nameless.map((file) => ({
      file,
      message:
        "It would have the modules of a script that no script can be called as: expected f/FOLDER/NAME__mod, without dots in NAME",
    })),
    ...found.links.filter((file) => /^[fug](?:\/|$)/.test(file)).map((file) => ({
      file,
      message: "It is a link, and links are not followed: put the file itself here",
    })),
    ...found.unreadable.map(({ file, message }) => ({ file: file || ".", message: `It cannot be listed: ${message}` })),
  ];
  const config = readConfig(options, found.files, problems);
  const named = found.files.flatMap((file) => {
    const name = readName(file.file, config.defaultTs);
    return name === undefined ? [] : [{ file, name }];
  });
  const records = (is: NamedFile["is"]): Map<string, FoundFile> => {
    const byPath = group(
      named.filter(({ name }) => name.is === is).map(({ file, name }) => [name.path, file] as const),
    );
    const single = new Map<string, FoundFile>();
    for (const [path, files] of byPath) {
      const [file] = files;
      if (files.length > 1) problems.push(ambiguous(path, files));
      else if (file !== undefined) single.set(path, file);
    }
    return single;
  };
  const withSpecific = (is: "variable" | "resource"): Map<string, FoundFile> => {
    const plain = records(is);
    for (const { file, name } of named) {
      if ("workspace" in name && name.is === `specific ${is}` && name.workspace === specific) {
        plain.set(name.path, file);
      }
    }
    return plain;
  };
  problems.push(...caseClashes(named.map(({ file }) => file.file)));
  const metadata = records("metadata");
  const locks = records("lock");
  const scripts = new Map<string, ScriptFiles>();
  const byName = new Map(found.files.map((file) => [file.file, file]));
  const modules = group(named.flatMap(({ file, name }) => {
    if (name.is !== "module") return [];
    const lock = byName.get(`${moduleFolderOf(name.path)}/${moduleLockOf(name.key)}`);
    const { key, language } = name;
    return [[name.path, { key, language, content: file, ...lock === undefined ? {} : { lock } }] as const];
  }));
  const contents = group(
    named.flatMap(({ file, name }) => name.is === "script" ? [[name.path, { file, name }] as const] : []),
  );
  for (const [path, [one, ...others]] of contents) {
    if (one === undefined) continue;
    if (others.length > 0) {
      problems.push(ambiguous(path, [one, ...others].map(({ file }) => file)));
      continue;
    }
    const record = metadata.get(path);
    const lock = locks.get(path);
    scripts.set(path, {
      content: one.file,
      language: one.name.language,
      ...record === undefined ? {} : { metadata: record },
      ...lock === undefined ? {} : { lock },
      modules: modules.get(path) ?? [],
    });
  }
  for (const [path, files] of modules) {
    const script = scripts.get(path);
    if (!contents.has(path)) {
      problems.push({
        file: moduleFolderOf(path),
        message: `It has modules of the script "${path}", of which there is no code: expected "${
          moduleFolderOf(path)
        }/script.ts", or "${path}.ts" beside it`,
      });
    }
    for (const { content: { file }, language } of files) {
      // Of a script in such a language nothing is run, which is no mistake of its modules.
      if (isRun(language) || language === script?.language) continue;
      problems.push({
        file,
        message: `Windkit runs no code of language ${language}: neither as a module nor as a task`,
      });
    }
  }
  for (const [path, { file }] of metadata) {
    if (!contents.has(path)) {
      problems.push({ file, message: `It describes the script "${path}", of which there is no code` });
    }
  }
  const key = found.files.find(({ file }) => /^encryption_key\.(?:yaml|json)$/.test(file));
  return {
    config,
    marks: new Map(found.files.map(({ file, mark }) => [file, mark])),
    scripts,
    modules,
    moduleFolders,
    variables: withSpecific("variable"),
    resources: withSpecific("resource"),
    types: records("resource type"),
    ...key === undefined ? {} : { encryptionKey: key },
    problems,
  };
}

function group<T>(entries: readonly (readonly [string, T])[]): Map<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const [name, value] of entries) {
    const same = groups.get(name);
    if (same === undefined) groups.set(name, [value]);
    else same.push(value);
  }
  return groups;
}

function ambiguous(path: string, files: readonly FoundFile[]): FolderProblem {
  const [first, ...others] = files.map(({ file }) => file);
  return {
    file: first ?? path,
    message: `"${path}" has ${files.length} files of one kind, and none is used: keep one, remove ${
      others.map((file) => `"${file}"`).join(", ")
    } or this one`,
  };
}

/** Both work here; on a system that knows no case, one is overwritten by the other. */
function caseClashes(files: readonly string[]): readonly FolderProblem[] {
  const places = new Set(files.flatMap((file) => {
    const parts = file.split("/");
    return parts.map((_part, at) => parts.slice(0, at + 1).join("/"));
  }));
  const clashes = group([...places].sort().map((place) => [place.toLowerCase(), place] as const));
  return [...clashes.values()].filter((same) => same.length > 1).map(([first = "", ...others]) => ({
    file: first,
    message: `It differs from ${
      others.map((one) => `"${one}"`).join(", ")
    } only in case: macOS and Windows keep one of them`,
  }));
}

function readConfig(
  { disk, documents }: ScanOptions,
  files: readonly FoundFile[],
  problems: FolderProblem[],
): SyncConfig {
  const file = files.find((one) => one.file === "wmill.yaml")?.file;
  if (file === undefined) return { defaultTs: "bun", plainSecrets: false };
  try {
    const { defaultTs = "bun", plainSecrets, workspaces } = documents.readRecord(
      file,
      disk.read(file, MAX_RECORD_BYTES),
    );
    if (defaultTs !== "bun" && defaultTs !== "deno") {
      problems.push({
        file,
        message: `"defaultTs" must be bun or deno, and is ${JSON.stringify(defaultTs)}: bun is used`,
      });
    }
    const bound = isRecord(workspaces)
      ? Object.entries(workspaces).filter(([name]) => name !== "commonSpecificItems")
      : [];
    const [only] = bound;
    const id = isRecord(only?.[1]) && typeof only[1].workspaceId === "string" ? only[1].workspaceId : only?.[0];
    return {
      defaultTs: defaultTs === "deno" ? "deno" : "bun",
      plainSecrets: plainSecrets === true,
      ...bound.length === 1 && id !== undefined ? { workspace: id } : {},
    };
  } catch (error) {
    problems.push({ file, message: messageOf(error) });
    return { defaultTs: "bun", plainSecrets: false };
  }
}

/**
 * The files that differ between two moments.
 *
 * @param before marks by name
 * @param after marks by name
 * @returns names, in order
 */
export function changedFiles(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.get(name) !== after.get(name)).sort();
}
