/**
 * Scripts of a synced folder: their files read into one version, and a version written as files.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { recognise } from "../../base/recognition.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Script } from "../ports.ts";
import { type Disk, withoutMark } from "./disk.ts";
import type { Documents, JsonRecord } from "./documents.ts";
import { filesOfModules, moduleTexts, readModules, replaceFiles } from "./modules.ts";
import { type DefaultTs, endingOf, moduleFolderOf, moduleParts, referredBy } from "./names.ts";
import { MAX_CODE_BYTES, MAX_RECORD_BYTES, type ModuleFiles, type ScriptFiles } from "./scan.ts";
import { readSignature } from "./signature.ts";

const INLINE = "!inline ";

/** Fields of the metadata that a version has under another name; what else is there is in its `extra`. */
const NUMBERS = {
  timeout: "timeoutS",
  cache_ttl: "cacheTtlS",
  concurrent_limit: "concurrentLimit",
  concurrency_time_window_s: "concurrencyWindowS",
  priority: "priority",
} as const;
const TEXTS = { tag: "tag", concurrency_key: "concurrencyKey" } as const;
const OWN = new Set([
  "summary",
  "description",
  "lock",
  "schema",
  "has_preprocessor",
  "auto_kind",
  "no_main_func",
  ...Object.keys(NUMBERS),
  ...Object.keys(TEXTS),
]);

/** What reads and writes them. */
export interface ScriptAccess {
  readonly disk: Disk;
  readonly documents: Documents;
  readonly owner: string;
}

/** A script, and what is wrong with its metadata: the code can be run without. */
export interface LoadedScript {
  readonly script: Script;
  readonly problem?: { readonly file: string; readonly message: string };
}

/**
 * Reads a script.
 *
 * @param access files and documents
 * @param path the script's path
 * @param files its files
 * @returns the version that they are
 * @throws Error when the code cannot be read, ModuleError when that of a module cannot
 */
export function loadScript(access: ScriptAccess, path: string, files: ScriptFiles): LoadedScript {
  const { disk, documents, owner } = access;
  const { content: found, language } = files;
  const content = withoutMark(disk.read(found.file, MAX_CODE_BYTES));
  let record: JsonRecord = {};
  let text = "";
  let lock: string | undefined;
  let problem: LoadedScript["problem"];
  try {
    if (files.metadata !== undefined) {
      text = disk.read(files.metadata.file, MAX_RECORD_BYTES);
      record = documents.readRecord(files.metadata.file, text);
    }
    lock = lockOf(access, files, record.lock);
  } catch (error) {
    record = {};
    problem = {
      file: files.metadata?.file ?? found.file,
      message: `The script runs without its metadata: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  const modules = readModules(disk, files.modules);
  const signature = readSignature(content, language);
  const isWorkflow = language === "bun" && recognise(content).recognised;
  const kind = isWorkflow ? "wac" : signature.hasMain ? undefined : "lib";
  const numbers = Object.entries(NUMBERS).flatMap(([name, field]) => {
    const value = record[name];
    // Zero and less mean that it is not set, to the command line as to the server.
    return typeof value === "number" && value > 0 ? [[field, value] as const] : [];
  });
  const texts = Object.entries(TEXTS).flatMap(([name, field]) => {
    const value = record[name];
    return typeof value === "string" && value !== "" ? [[field, value] as const] : [];
  });
  const parts = [path, language, content, text, lock ?? null, ...modules === undefined ? [] : [modules]];
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  return {
    script: {
      path,
      hash: digest.slice(0, 16),
      content,
      language,
      summary: textOf(record.summary),
      description: textOf(record.description),
      schema: record.schema ?? signature.schema,
      ...lock === undefined ? {} : { lock },
      ...modules === undefined ? {} : { modules },
      ...Object.fromEntries(numbers),
      ...Object.fromEntries(texts),
      hasPreprocessor: record.has_preprocessor === true || signature.hasPreprocessor,
      ...kind === undefined ? {} : { autoKind: kind },
      createdAt: found.modifiedAt,
      createdBy: owner,
      extra: Object.fromEntries(Object.entries(record).filter(([name]) => !OWN.has(name))),
    },
    ...problem === undefined ? {} : { problem },
  };
}

function lockOf({ disk }: ScriptAccess, { lock }: ScriptFiles, value: Json | undefined): string | undefined {
  const file = typeof value === "string" ? referredBy(value, "lock") : undefined;
  if (file !== undefined) {
    return disk.look(file) === undefined ? undefined : disk.read(file, MAX_CODE_BYTES);
  }
  if (typeof value === "string" && value !== "") return value;
  // As older versions of the command line wrote it.
  if (Array.isArray(value) && value.length > 0) return value.join("\n");
  return lock === undefined ? undefined : disk.read(lock.file, MAX_CODE_BYTES);
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

/** A script as it is to be written. */
export type NewScript = Pick<Script, "path" | "content" | "language"> & Partial<Script>;

/**
 * Writes a version: the code, its metadata with all fields that the version has, its lock and its modules. Fields of the metadata
 * that are nothing to this server stay. A script with modules is a folder, any other one is not.
 *
 * @param access files and documents
 * @param script the version
 * @param files the files that are there
 * @param left modules that are there, be there a script or not
 * @param defaultTs language of a plain `.ts`
 */
export function saveScript(
  access: ScriptAccess,
  script: NewScript,
  files: ScriptFiles | undefined,
  left: readonly ModuleFiles[],
  defaultTs: DefaultTs,
): void {
  const { disk, documents } = access;
  const { path, content, language, lock, modules = {}, extra = {} } = script;
  const isFolder = Object.keys(modules).length > 0;
  const start = isFolder ? `${moduleFolderOf(path)}/script` : path;
  const record = isFolder ? start : `${start}.script`;
  /** A file that is there, when it is where this version has it. */
  const placed = (file: string | undefined): string | undefined =>
    file !== undefined && (moduleParts(file) !== undefined) === isFolder ? file : undefined;
  const same = files !== undefined &&
    (files.language === language || (language === "bunnative" && files.language === "bun"));
  const contentFile = (same ? placed(files.content.file) : undefined) ?? `${start}${endingOf(language, defaultTs)}`;
  const metadata = files?.metadata?.file;
  const recordFile = placed(metadata) ?? `${record}${metadata?.endsWith(".json") === true ? ".json" : ".yaml"}`;
  const lockFile = placed(files?.lock?.file) ?? `${record}.lock`;
  const before = metadata === undefined ? undefined : disk.read(metadata, MAX_RECORD_BYTES);
  // What cannot be read is replaced: the new version is whole.
  const kept = before === undefined || isReadable(documents, recordFile, before) ? before : undefined;
  const hasLock = lock !== undefined && lock !== "";
  const text = documents.change(recordFile, kept, {
    summary: script.summary ?? "",
    description: script.description ?? "",
    lock: hasLock ? `${INLINE}${lockFile}` : "",
    kind: extra.kind ?? "script",
    schema: script.schema ?? readSignature(content, language).schema,
    ...Object.fromEntries(Object.entries(NUMBERS).map(([name, field]) => [name, script[field]])),
    ...Object.fromEntries(Object.entries(TEXTS).map(([name, field]) => [name, script[field]])),
    has_preprocessor: script.hasPreprocessor === true ? true : undefined,
    ...extra,
  });
  const texts = moduleTexts(path, modules);
  if (hasLock) texts.set(lockFile, lock);
  texts.set(recordFile, text);
  texts.set(contentFile, content);
  replaceFiles(disk, texts, [...files === undefined ? [] : ownFiles(files), ...filesOfModules(left)]);
}

/** The files of a script, without its modules. */
function ownFiles({ content, metadata, lock }: ScriptFiles): readonly string[] {
  return [content, metadata, lock].flatMap((one) => one === undefined ? [] : [one.file]);
}

/**
 * Removes a script with all that belongs to it.
 *
 * @param disk the folder
 * @param files its files
 */
export function removeScript(disk: Disk, files: ScriptFiles): void {
  replaceFiles(disk, new Map(), [...ownFiles(files), ...filesOfModules(files.modules)]);
}

function isReadable(documents: Documents, file: string, text: string): boolean {
  try {
    documents.readRecord(file, text);
    return true;
  } catch (error) {
    void error;
    return false;
  }
}
