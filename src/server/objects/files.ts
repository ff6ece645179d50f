/**
 * Objects as files of the data folder.
 *
 * Every object is a file that is written once, under a name of its own that no other one ever had, so that the key may be any text: on
 * a disk that knows no case, longer than a name may be, with `..` and empty parts. The table says which file a key has now, with what
 * is kept beside it. To replace an object is to commit another row: a reader that has the old file open reads it to its end.
 *
 * A file without a row is never lost sight of: its name is in a table of leftovers before it is on the disk, and until it is removed.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { type FileHandle, mkdir, open, unlink } from "node:fs/promises";
import { platform } from "node:os";
import { dirname, join } from "node:path";
import { Refusal } from "../../wire/refusal.ts";
import type { Database, ObjectData, ObjectInfo, ObjectMeta, ObjectRange, ObjectStore } from "../ports.ts";
import { afterPrefix, checkKey, DEFAULT_STORAGE, folderOf, keyBytes, readable } from "./keys.ts";
import { partOf } from "./ranges.ts";

/** How much of a file is in memory for one reader. */
const PIECE_BYTES = 128 * 1024;
/** An object may be replaced between the look at its row and the opening of its file; hardly so often. */
const ATTEMPTS = 16;

const TABLES = [[
  `CREATE TABLE objects (
    storage TEXT NOT NULL, key BLOB NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    content_type TEXT, content_disposition TEXT, modified_at INTEGER NOT NULL, PRIMARY KEY (storage, key)
  ) WITHOUT ROWID`,
  "CREATE TABLE object_leftovers (file TEXT PRIMARY KEY) WITHOUT ROWID",
]];

interface Row {
  readonly key: Uint8Array;
  readonly file: string;
  readonly size: number;
  readonly etag: string;
  readonly content_type: string | null;
  readonly content_disposition: string | null;
  readonly modified_at: number;
}

/** What {@linkcode openFiles} needs. */
export interface FilesOptions {
  /** Folder of the files: `<data>/objects`. */
  readonly dir: string;
  readonly database: Database;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Longest object, in bytes. */
  readonly maxBytes: number;
}

/** Objects of all storages that are files. */
export interface Files {
  store(storage: string): ObjectStore;
  /** Storages that have objects. */
  names(): readonly string[];
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}

/** True when the file was there. */
async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

function infoOf(row: Row): ObjectInfo {
  return {
    size: row.size,
    etag: row.etag,
    lastModified: row.modified_at,
    ...(row.content_type === null ? {} : { contentType: row.content_type }),
    ...(row.content_disposition === null ? {} : { contentDisposition: row.content_disposition }),
  };
}

/** Bytes of an open file, read when they are asked for. Closes it. */
function streamOf(file: FileHandle, start: number, end: number): ReadableStream<Uint8Array> {
  let at = start;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const wanted = Math.min(PIECE_BYTES, end - at);
        const piece = new Uint8Array(wanted);
        const { bytesRead } = wanted === 0 ? { bytesRead: 0 } : await file.read(piece, 0, wanted, at);
        if (bytesRead === 0 && at < end) throw new Error(`The file of an object ends ${end - at} bytes before its end`);
        at += bytesRead;
        if (bytesRead > 0) controller.enqueue(bytesRead === wanted ? piece : piece.subarray(0, bytesRead));
        if (at < end) return;
      } catch (error) {
        await file.close();
        throw error;
      }
      await file.close();
      controller.close();
    },
    cancel: () => file.close(),
  }, { highWaterMark: 0 });
}

/** Writes a body to a new file, durably; gives its length and a digest of it. */
async function writeBody(
  path: string,
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<{ readonly size: number; readonly etag: string }> {
  const hash = createHash("sha256");
  let size = 0;
  const file = await open(path, "wx", 0o600);
  try {
    for await (const piece of body) {
      if (size + piece.byteLength > maxBytes) throw tooLarge(maxBytes);
      hash.update(piece);
      // Into the system's memory, at once: in Deno 2.9, a body is read the slower the more of it came, when its reader waits for the
      // disk between two pieces (200 MiB took 10 s in place of 1 s).
      for (let at = 0; at < piece.byteLength;) at += writeSync(file.fd, piece, at, piece.byteLength - at, size + at);
      size += piece.byteLength;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { size, etag: `"${hash.digest("hex").slice(0, 32)}"` };
}

/** Tells whoever sends a body that nobody reads on. It may know: that it broke is then why. */
export function giveUp(body: ReadableStream<Uint8Array>, reason: unknown): void {
  void body.cancel(reason).catch(() => undefined);
}

/** Bytes of a key. Of one that cannot be, nobody reads the body. */
function checkedKey(key: string, body: ReadableStream<Uint8Array>): Uint8Array {
  try {
    return checkKey(key);
  } catch (error) {
    giveUp(body, error);
    throw error;
  }
}

/** For an object that is longer than it may be. */
export function tooLarge(maxBytes: number): Refusal {
  return new Refusal(413, `Payload too large: an object is bounded to ${maxBytes} bytes`);
}

/** Makes the name of a new file outlive a loss of power. Windows does so by itself, and opens no folder. */
async function syncFolder(dir: string): Promise<void> {
  if (platform() === "win32") return;
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Opens the objects that are files, and removes what a crash left of others. */
export async function openFiles({ dir, database, now, maxBytes }: FilesOptions): Promise<Files> {
  database.migrate("objects", TABLES);
  for (const { file } of database.all<{ readonly file: string }>("SELECT file FROM object_leftovers")) await drop(file);

  async function drop(file: string): Promise<void> {
    await removeFile(join(dir, file));
    database.run("DELETE FROM object_leftovers WHERE file = ?", file);
  }

  function rowOf(storage: string, key: Uint8Array): Row | undefined {
    return database.get<Row>("SELECT * FROM objects WHERE storage = ? AND key = ?", storage, key);
  }

  /** Forgets a row. Its file is a leftover from then on. */
  function forget(storage: string, key: Uint8Array, file: string): void {
    database.run("DELETE FROM objects WHERE storage = ? AND key = ?", storage, key);
    database.run("INSERT OR IGNORE INTO object_leftovers VALUES (?)", file);
  }

  /** A new file's name: what is random in it comes first, so that no disk takes it for another one. */
  function newName(storage: string, key: string): string {
    const id = randomBytes(12).toString("hex");
    const name = readable(key.replace(/\/+$/, "").split("/").at(-1) ?? "", 60);
    return `${folderOf(storage)}/${id.slice(0, 2)}/${id.slice(2)}${name === "" ? "" : `-${name}`}`;
  }

  async function write(
    storage: string,
    key: string,
    body: ReadableStream<Uint8Array>,
    meta: ObjectMeta,
  ): Promise<ObjectInfo> {
    const bytes = checkedKey(key, body);
    const file = newName(storage, key), path = join(dir, file);
    database.run("INSERT INTO object_leftovers VALUES (?)", file);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const { size, etag } = await writeBody(path, body, maxBytes);
      await syncFolder(dirname(path));
      const replaced = database.transaction(() => {
        const before = rowOf(storage, bytes);
        if (before !== undefined) forget(storage, bytes, before.file);
        database.run(
          "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          ...[storage, bytes, file, size, etag, meta.contentType ?? null, meta.contentDisposition ?? null, now()],
        );
        database.run("DELETE FROM object_leftovers WHERE file = ?", file);
        return before?.file;
      });
      if (replaced !== undefined) await drop(replaced);
      return { ...meta, size, etag, lastModified: now() };
    } catch (error) {
      giveUp(body, error);
      if (rowOf(storage, bytes)?.file !== file) await drop(file);
      throw error;
    }
  }

  async function read(storage: string, key: string, range?: ObjectRange): Promise<ObjectData | undefined> {
    const bytes = keyBytes(key);
    for (let attempt = 1;; attempt++) {
      const row = rowOf(storage, bytes);
      if (row === undefined) return undefined;
      try {
        const file = await open(join(dir, row.file), "r");
        const part = partOf(row.size, range);
        return { ...infoOf(row), part, body: streamOf(file, part.start, part.end) };
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
        if (attempt < ATTEMPTS && rowOf(storage, bytes)?.file !== row.file) continue;
        throw new Refusal(500, `Internal: the file of ${JSON.stringify(key)} is gone: objects/${row.file}`);
      }
    }
  }

  async function remove(storage: string, key: string): Promise<boolean> {
    const bytes = keyBytes(key);
    const file = database.transaction(() => {
      const row = rowOf(storage, bytes);
      if (row !== undefined) forget(storage, bytes, row.file);
      return row?.file;
    });
    if (file !== undefined) await drop(file);
    return file !== undefined;
  }

  async function move(storage: string, from: string, to: string): Promise<boolean> {
    const source = keyBytes(from), target = checkKey(to);
    const { found, replaced } = database.transaction(() => {
      const row = rowOf(storage, source);
      if (row === undefined || from === to) return { found: row !== undefined, replaced: undefined };
      const before = rowOf(storage, target);
      if (before !== undefined) forget(storage, target, before.file);
      database.run("UPDATE objects SET key = ? WHERE storage = ? AND key = ?", target, storage, source);
      return { found: true, replaced: before?.file };
    });
    if (replaced !== undefined) await drop(replaced);
    return found;
  }

  function rowsFrom(storage: string, prefix: Uint8Array, marker: Uint8Array, limit: number): readonly Row[] {
    const end = afterPrefix(prefix);
    const sql = "SELECT * FROM objects WHERE storage = ? AND key >= ? AND key > ?";
    return end === undefined
      ? database.all<Row>(`${sql} ORDER BY key LIMIT ?`, storage, prefix, marker, limit)
      : database.all<Row>(`${sql} AND key < ? ORDER BY key LIMIT ?`, storage, prefix, marker, end, limit);
  }

  return {
    names: () =>
      database.all<{ readonly storage: string }>("SELECT DISTINCT storage FROM objects ORDER BY storage")
        .map(({ storage }) => storage).filter((storage) => storage !== DEFAULT_STORAGE),
    store: (storage) => ({
      read: (key, range) => read(storage, key, range),
      write: (key, body, meta) => write(storage, key, body, meta),
      remove: (key) => remove(storage, key),
      move: (from, to) => move(storage, from, to),
      list: async ({ prefix, marker = "", limit }) => {
        const rows = rowsFrom(storage, keyBytes(prefix), keyBytes(marker), limit + 1);
        const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
        const objects = rows.slice(0, limit).map(({ key, size, modified_at }) => ({
          key: decoder.decode(key),
          size,
          lastModified: modified_at,
        }));
        const next = rows.length > limit ? objects.at(-1)?.key : undefined;
        return { objects, ...(next === undefined ? {} : { next }) };
      },
      stat: async (key) => {
        const row = rowOf(storage, keyBytes(key));
        return row === undefined ? undefined : infoOf(row);
      },
    }),
  };
}
