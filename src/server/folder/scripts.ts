/**
 * Scripts of a synced folder: their files read into one version, and a version written as files.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { recognise } from "../../base/recognition.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Script } from "../ports.ts";
import type { Disk } from "./disk.ts";
import type { Documents, JsonRecord } from "./documents.ts";
import { type DefaultTs, endingOf, referredBy } from "./names.ts";
import { MAX_RECORD_BYTES, type ScriptFiles } from "./scan.ts";
import { readSignature } from "./signature.ts";

/** Code of this size is data. */
const MAX_CODE_BYTES = 16 * 1024 * 1024;
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
 * @throws Error when the code cannot be read
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
  const digest = createHash("sha256").update(JSON.stringify([path, language, content, text, lock ?? null])).digest(
    "hex",
  );
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

/** Editors of one system begin a file with a mark that is none of its text. */
function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** A script as it is to be written. */
export type NewScript = Pick<Script, "path" | "content" | "language"> & Partial<Script>;

/**
 * Writes a version: the code, its metadata with all fields that the version has, and its lock. Fields of the metadata that are
 * nothing to this server stay.
 *
 * @param access files and documents
 * @param script the version
 * @param files the files that are there
 * @param defaultTs language of a plain `.ts`
 */
export function saveScript(
  access: ScriptAccess,
  script: NewScript,
  files: ScriptFiles | undefined,
  defaultTs: DefaultTs,
): void {
  const { disk, documents } = access;
  const { path, content, language, lock, extra = {} } = script;
  const same = files !== undefined &&
    (files.language === language || (language === "bunnative" && files.language === "bun"));
  const contentFile = same ? files.content.file : `${path}${endingOf(language, defaultTs)}`;
  const recordFile = files?.metadata?.file ?? `${path}.script.yaml`;
  const lockFile = files?.lock?.file ?? `${path}.script.lock`;
  const before = files?.metadata === undefined ? undefined : disk.read(recordFile, MAX_RECORD_BYTES);
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
  if (hasLock) disk.write(lockFile, lock);
  disk.write(recordFile, text);
  disk.write(contentFile, content);
  if (files !== undefined && !same) disk.remove(files.content.file);
  if (!hasLock && files?.lock !== undefined) disk.remove(files.lock.file);
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
