/**
 * The objects that a DuckDB job names, as files of a folder of the job's own: those that it reads are copied there before it begins,
 * those that it wrote are put when all of its statements have ended well. The job's process opens that folder and no other, so that
 * it reaches the objects that its script names, and no file of an object itself.
 *
 * @module
 */
import { type FileHandle, lstat, mkdir, open, readdir, stat } from "node:fs/promises";
import { orAbort } from "../../base/or_abort.ts";
import type { JobObjects, JobStorage } from "../ports.ts";
import type { FileRole, ObjectAddress } from "./duck_files.ts";
import { IS_PATTERN, keyPattern } from "./key_pattern.ts";

/** Bounds of what a job reads. */
export interface ObjectLimits {
  /** Most bytes of copies. */
  readonly maxBytes: number;
  /** Most copies. */
  readonly maxObjects: number;
  /** Most keys that a pattern is compared with. */
  readonly maxListed: number;
}

/** The objects of one job. */
export interface DuckObjects {
  /** Notes what is read or written there; gives the path of the file that stands for it. */
  use(address: ObjectAddress, role: FileRole, statement: string): string;
  /** Copies what is read. */
  fetch(signal: AbortSignal): Promise<void>;
  /** Puts what was written. */
  put(signal: AbortSignal): Promise<void>;
  /** A text of the job with addresses in place of the folder's paths. */
  shown(text: string, asJson?: boolean): string;
}

/** A storage that the job names. */
interface Used {
  readonly storage: JobStorage;
  readonly folder: string;
  /** Keys, and patterns of keys. */
  readonly read: Set<string>;
  /** Keys or folders, and the statement that writes there. */
  readonly written: Map<string, string>;
}

/** Most bytes of a part of a key: DuckDB writes to a file of a longer name first, and systems take 255. */
const MAX_PART_BYTES = 200;

/** How much of a file is in memory. */
const PIECE_BYTES = 256 * 1024;

function named({ name }: JobStorage, key: string): string {
  return JSON.stringify(`s3://${name}/${key}`);
}

/** Refuses keys that are no path of a file below the folder. */
function checkKey(storage: JobStorage, key: string): string {
  for (const part of key.split("/")) {
    const { length } = new TextEncoder().encode(part);
    // deno-lint-ignore no-control-regex -- no file is called so
    if (/^\.{0,2}$/.test(part) || length > MAX_PART_BYTES || /[\u0000-\u001f\\]/.test(part)) {
      throw new TypeError(
        `Cannot open ${
          named(storage, key)
        } in SQL: parts of a key between slashes must have 1 to ${MAX_PART_BYTES} bytes, ` +
          `none of them "\\" or a control character, and not be "." or "..", found ${
            JSON.stringify(part.slice(0, 50))
          }`,
      );
    }
  }
  return key;
}

/** Makes the objects of a job in a folder, which is not there yet. */
export function createDuckObjects(objects: JobObjects, folder: string, limits: ObjectLimits): DuckObjects {
  const used = new Map<string, Used>();
  /** How copies looked when they were made. */
  const copies = new Map<string, string>();
  let bytes = 0;

  function usedOf(name: string): Used {
    const storage = objects.storage(name);
    const known = used.get(storage.name);
    if (known !== undefined) return known;
    const made = { storage, folder: `${folder}/${used.size}`, read: new Set<string>(), written: new Map() };
    used.set(storage.name, made);
    return made;
  }

  async function fetchPattern(one: Used, pattern: string, signal: AbortSignal): Promise<void> {
    const { storage } = one, matches = keyPattern(pattern);
    const prefix = pattern.slice(0, pattern.search(IS_PATTERN));
    let listed = 0;
    for (let marker: string | undefined, more = true; more;) {
      signal.throwIfAborted();
      const page = await orAbort(storage.list(prefix, marker), signal);
      for (const key of page.keys) {
        if (++listed > limits.maxListed) {
          throw new RangeError(
            `Cannot open ${named(storage, pattern)}: more than ${limits.maxListed} objects begin with ${
              JSON.stringify(prefix)
            }; name a folder with fewer`,
          );
        }
        if (matches(key)) await fetchOne(one, checkKey(storage, key), signal);
      }
      marker = page.next;
      more = marker !== undefined;
    }
  }

  async function fetchOne({ storage, folder: into }: Used, key: string, signal: AbortSignal): Promise<void> {
    const path = `${into}/${key}`;
    if (copies.has(path)) return;
    const found = await opened(storage, key, signal);
    // DuckDB says so itself, when a statement wants it: an earlier one may write it.
    if (found === undefined) return;
    const { size, body } = found;
    try {
      if (copies.size >= limits.maxObjects) {
        throw new RangeError(
          `Cannot open ${named(storage, key)}: the job reads more than ${limits.maxObjects} objects`,
        );
      }
      bytes += size;
      if (bytes > limits.maxBytes) {
        throw new RangeError(
          `Cannot open ${named(storage, key)}: the objects that the job reads have more than ${limits.maxBytes} bytes`,
        );
      }
      copies.set(path, await copied(path, body, size, signal));
    } catch (error) {
      await body.cancel(error).catch(() => "told below");
      const { code } = error as { readonly code?: unknown }; // `as`: undefined where there is none
      if (code !== "EEXIST" && code !== "ENOTDIR" && code !== "EISDIR") throw error;
      throw new TypeError(
        `Cannot open ${named(storage, key)}: another object that the job reads has a key that is a folder of this one`,
        { cause: error },
      );
    }
  }

  async function putFolder(one: Used, key: string, statement: string, signal: AbortSignal): Promise<void> {
    const { storage, folder: from } = one;
    if (!/\b(?:OVERWRITE_OR_IGNORE|APPEND)\b/i.test(statement)) {
      const { keys: [first] } = await orAbort(storage.list(`${key}/`), signal);
      if (first !== undefined) {
        throw new TypeError(
          `Cannot write ${named(storage, key)}: the folder is not empty, it has ${JSON.stringify(first)}; ` +
            "use OVERWRITE_OR_IGNORE to write beside what is there",
        );
      }
    }
    for (const entry of await readdir(`${from}/${key}`, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue;
      const path = `${entry.parentPath}/${entry.name}`;
      if (copies.get(path) !== await looksOf(path)) await putFile(storage, path.slice(from.length + 1), path, signal);
    }
  }

  return {
    use({ storage: name, key }, role, statement) {
      const one = usedOf(name);
      checkKey(one.storage, key);
      if (role !== "write") one.read.add(key);
      else if (IS_PATTERN.test(key)) {
        throw new TypeError(`Cannot write ${named(one.storage, key)}: expected the key of an object, found a pattern`);
      } else {
        one.storage.checkWrite();
        one.written.set(key, statement);
      }
      return `${one.folder}/${key}`;
    },
    async fetch(signal) {
      for (const one of used.values()) {
        await mkdir(one.folder, { recursive: true, mode: 0o700 });
        for (const key of one.read) {
          if (IS_PATTERN.test(key)) await fetchPattern(one, key, signal);
          else await fetchOne(one, key, signal);
        }
        for (const key of one.written.keys()) await mkdir(folderOf(`${one.folder}/${key}`), { recursive: true });
      }
    },
    async put(signal) {
      for (const one of used.values()) {
        for (const [key, statement] of one.written) {
          const path = `${one.folder}/${key}`;
          const found = await lstat(path).catch(() => undefined);
          if (found?.isDirectory() === true) await putFolder(one, key, statement, signal);
          else if (found?.isFile() === true) await putFile(one.storage, key, path, signal);
        }
      }
    },
    shown(text, asJson = false) {
      const written = (value: string): string => asJson ? JSON.stringify(value).slice(1, -1) : value;
      let made = text;
      for (const { storage, folder: path } of used.values()) {
        made = made.replaceAll(written(`${path}/`), () => written(`s3://${storage.name}/`));
      }
      return made;
    },
  };
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** What tells a file from the one that was there before. */
async function looksOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path);
  return `${ino} ${size} ${mtimeMs}`;
}

/** Opens an object. One that comes when nobody waits any more is let go of. */
async function opened(storage: JobStorage, key: string, signal: AbortSignal): ReturnType<JobStorage["read"]> {
  const reading = storage.read(key);
  try {
    return await orAbort(reading, signal);
  } catch (error) {
    void reading.then((late) => late?.body.cancel(error)).catch(() => "told below");
    throw error;
  }
}

/** Copies an object; gives how the copy looks. */
async function copied(
  path: string,
  body: ReadableStream<Uint8Array>,
  size: number,
  signal: AbortSignal,
): Promise<string> {
  await mkdir(folderOf(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "wx", 0o600);
  const reader = body.getReader();
  try {
    for (let at = 0;;) {
      const { done, value: piece } = await orAbort(reader.read(), signal);
      if (done) break;
      at += piece.byteLength;
      if (at > size) throw new RangeError(`An object is longer than its ${size} bytes`);
      for (let from = 0; from < piece.byteLength;) from += (await file.write(piece, from)).bytesWritten;
    }
  } finally {
    reader.releaseLock();
    await file.close();
  }
  return await looksOf(path);
}

async function putFile(storage: JobStorage, key: string, path: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const file = await open(path, "r");
  try {
    await orAbort(storage.write(key, streamOf(file, signal)), signal);
  } finally {
    // Here, as a storage that refuses a key or never answers does not read to the end.
    await file.close();
  }
}

/** Bytes of an open file. */
function streamOf(file: FileHandle, signal: AbortSignal): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      signal.throwIfAborted();
      const piece = new Uint8Array(PIECE_BYTES);
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES);
      if (bytesRead > 0) controller.enqueue(piece.subarray(0, bytesRead));
      else controller.close();
    },
  }, { highWaterMark: 0 });
}
