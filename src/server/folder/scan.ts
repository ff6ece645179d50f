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
import { type DefaultTs, isSyncedFolder, type NamedFile, readName } from "./names.ts";

/** A script's files. */
export interface ScriptFiles {
  readonly content: FoundFile;
  readonly language: string;
  readonly metadata?: FoundFile;
  readonly lock?: FoundFile;
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
  const modules: string[] = [];
  const found = disk.walk((folder) => {
    if (folder === excluded) return false;
    const top = !folder.includes("/");
    if (!top && folder.endsWith("__mod")) modules.push(folder);
    return top ? /^[fug]$/.test(folder) : isSyncedFolder(basename(folder));
  });
  const problems: FolderProblem[] = [
    ...modules.map((file) => ({
      file,
      message: "The modules of a script are not served here: make them scripts of their own, and import those by path",
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
    });
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
    variables: withSpecific("variable"),
    resources: withSpecific("resource"),
    types: records("resource type"),
    ...key === undefined ? {} : { encryptionKey: key },
    problems,
  };
}

function group<T>(entries: readonly (readonly [string, T])[]): Map<string, readonly T[]> {
  const groups = new Map<string, readonly T[]>();
  for (const [name, value] of entries) groups.set(name, [...groups.get(name) ?? [], value]);
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
