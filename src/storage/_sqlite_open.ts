/**
 * Opens a folder: looks at what is there before SQLite may touch it, makes the file when there is none, connects.
 *
 * @module
 */
import { JournalCorruptError, StorageFailedError } from "../base/errors.ts";
import { createFileGuard } from "./_file_guard.ts";
import { type Files, localFiles } from "./_files.ts";
import { lockedError, readHolder, takeLock } from "./_owner.ts";
import { type Database, loadSqlite, numberOf, runAll, type SqliteModule, storageError } from "./_sqlite_module.ts";
import { checkVersion, createSchema, readVersion, type Schema } from "./_sqlite_schema.ts";
import { createSqliteStorage } from "./_sqlite_storage.ts";
import { checkLimits, MAX_MESSAGES, MAX_RECORD_BYTES } from "./_writes.ts";
import type { SqliteStorage, SqliteStorageOptions } from "./sqlite.ts";

const PAGE_BYTES = 4096;

/** How long a second opener waits for the first to make the file. */
const CREATE_WAIT_MS = 5000;

/** How long a statement waits for another process's commit. A visitor's takes a millisecond. */
const BUSY_MS = 10_000;

/** How long a driver may go on in a file that was removed before it notices. Looking costs microseconds, a commit not many more. */
const GUARD_MS = 1000;

/** What tests replace. */
export interface Internals {
  readonly schema: Schema;
  /** Run on the connection when it is open: a page limit, for a full disk without one. */
  readonly pragmas?: readonly string[];
  /** Used instead of the runtime's own: one that notes which statements are prepared. */
  readonly sqlite?: SqliteModule;
  /** Used instead of the runtime's own file operations: those of a runtime that knows no inodes. */
  readonly files?: Files;
  /** Used instead of the runtime's own clock to tell when to look whether the file is still there. */
  readonly clock?: () => number;
}

/** Path of the main file. */
export function mainPath(dir: string): string {
  return `${dir}/windkit.db`;
}

/** Opens a folder; see `openSqliteStorage`. */
export async function openSqlite(options: SqliteStorageOptions, internals: Internals): Promise<SqliteStorage> {
  const {
    dir,
    durability = "power",
    mode = "drive",
    maxRecordBytes = MAX_RECORD_BYTES,
    maxMessages = MAX_MESSAGES,
  } = options;
  if (typeof dir !== "string" || dir === "") {
    throw new TypeError(
      `Cannot open an SQLite storage: 'dir' must be the path of a folder: current value is ${
        typeof dir === "string" ? '""' : typeof dir
      }`,
    );
  }
  checkChoice("durability", durability, ["power", "process"]);
  checkChoice("mode", mode, ["drive", "visit"]);
  checkLimits({ maxRecordBytes, maxMessages });
  const sqlite = internals.sqlite ?? await loadSqlite();
  const files = internals.files ?? localFiles();
  const path = mainPath(dir);

  if (files.look(dir).kind === "file") {
    throw new StorageFailedError(`Cannot open "${dir}": it is a file, it should be a folder`);
  }
  if (!lookAtMain(files, path)) {
    if (mode === "visit") {
      throw new StorageFailedError(`Cannot open "${dir}": there is no "windkit.db" in it; start a run there first`);
    }
    files.makeFolder(dir);
    createFile(sqlite, files, dir, internals.schema);
  }

  let db: Database | undefined;
  try {
    db = new sqlite.DatabaseSync(path);
    runAll(db, [
      `PRAGMA busy_timeout = ${BUSY_MS}`,
      "PRAGMA trusted_schema = OFF",
      "PRAGMA cell_size_check = ON",
    ]);
    // Before anything that could write: a file of another program, or of a later version, stays as it is.
    const version = readVersion(db);
    const old = checkVersion(version, internals.schema, path);
    checkSize(files, db, path);
    if (old && mode === "visit") {
      throw new StorageFailedError(
        `Cannot read "${path}": its schema has version ${version.version}, this package's is ${internals.schema.version}; start an engine on it once, which brings it up to date`,
      );
    }
    const setting = durability === "power" ? "ON" : "OFF";
    runAll(db, [
      "PRAGMA journal_mode = WAL",
      `PRAGMA synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`,
      // Where the system has it (macOS): there, fsync alone leaves data in the drive's cache.
      `PRAGMA fullfsync = ${setting}`,
      `PRAGMA checkpoint_fullfsync = ${setting}`,
      "PRAGMA cache_size = -16384",
      // Four times the default: pages that many commits write, an index above all, are then moved into the file once (measured: a
      // quarter less time per small commit), and a crash leaves at most a few tens of megabytes to read.
      "PRAGMA wal_autocheckpoint = 4000",
      "PRAGMA journal_size_limit = 67108864",
      ...internals.pragmas ?? [],
    ]);
    const guard = createFileGuard({
      files,
      dir,
      // A visitor reads seldom, and for somebody who looks at the answer.
      intervalMs: mode === "visit" ? 0 : GUARD_MS,
      clock: internals.clock ?? (() => performance.now()),
    });
    const fullDir = fullFolder(files, db, dir);
    for (const end of ["", "-wal"]) guard.add(path + end, mainPath(fullDir) + end);
    return createSqliteStorage({
      sqlite,
      files,
      db,
      dir,
      path,
      mode,
      old,
      schema: internals.schema,
      limits: { durable: durability, maxRecordBytes, maxMessages },
      guard,
      fullDir,
    });
  } catch (error) {
    db?.close();
    throw storageError(error, `open "${path}"`);
  }
}

/** The folder from the root, as SQLite found it: a relative path means another folder once the working directory changes. */
function fullFolder(files: Files, db: Database, dir: string): string {
  if (/^([/\\]|[A-Za-z]:[/\\])/.test(dir)) return dir;
  const file = String(db.prepare("PRAGMA database_list").get()?.["file"] ?? "");
  const full = file.replace(/[/\\][^/\\]*$/, "");
  try {
    return files.look(mainPath(full)).identity === files.look(mainPath(dir)).identity ? full : dir;
  } catch (error) {
    // SQLite follows links, and this process may be allowed to look at the path as it was given only.
    void error;
    return dir;
  }
}

function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) {
    throw new TypeError(
      `Cannot open an SQLite storage: '${name}' must be "${choices.join('" or "')}": current value is "${value}"`,
    );
  }
}

/**
 * Tells whether the file exists.
 *
 * A write-ahead log with no file, or an empty one, beside it is what is left of a damaged folder: SQLite would throw the log
 * away, or read it into a file that it does not belong to.
 *
 * @throws JournalCorruptError
 */
export function lookAtMain(files: Files, path: string): boolean {
  const main = files.look(path);
  if (main.kind === "folder") {
    throw new JournalCorruptError(`Cannot open "${path}": it is a folder, it should be a file`);
  }
  if (main.kind === "file") {
    if (main.size > 0) return true;
    throw new JournalCorruptError(
      `Cannot open "${path}": it is empty, and it never is when it was written here; restore a backup, or remove it`,
    );
  }
  const log = files.look(`${path}-wal`);
  if (log.size > 0) {
    throw new JournalCorruptError(
      `Cannot open "${path}": it is gone, but its log "${path}-wal" is there with ${log.size} bytes; restore both, or remove the log`,
    );
  }
  return false;
}

/**
 * Compares the file's size with the number of pages that it says it has: SQLite itself accepts a last page that is cut.
 *
 * The order matters: with the log found empty after the count was read, all counted pages are in the file.
 */
export function checkSize(files: Files, db: Database, path: string): void {
  const pages = numberOf(db, "PRAGMA page_count");
  if (files.look(`${path}-wal`).size > 0) return;
  const { size } = files.look(path);
  if (size % PAGE_BYTES !== 0 || size < pages * PAGE_BYTES) {
    throw new JournalCorruptError(
      `Cannot open "${path}": it is cut: it has ${size} bytes and should have ${
        pages * PAGE_BYTES
      }; run 'windkit doctor', or restore a backup`,
    );
  }
}

/** Makes the file under another name first: under its own it is complete, or not there. */
function createFile(sqlite: SqliteModule, files: Files, dir: string, schema: Schema): void {
  const path = mainPath(dir);
  const lock = takeLock(sqlite, dir, CREATE_WAIT_MS);
  // Somebody else may have made it in the meantime, and drive it by now.
  if (lookAtMain(files, path)) return lock?.release();
  if (lock === undefined) throw lockedError(dir, readHolder(files, dir));
  const next = `${path}.new`;
  let db: Database | undefined;
  try {
    for (const end of ["", "-journal", "-wal", "-shm"]) files.remove(next + end);
    db = new sqlite.DatabaseSync(next);
    runAll(db, [`PRAGMA page_size = ${PAGE_BYTES}`]);
    createSchema(db, schema);
    runAll(db, ["PRAGMA journal_mode = WAL"]);
    db.close();
    db = undefined;
    files.sync(next);
    files.rename(next, path);
    files.sync(dir);
  } catch (error) {
    db?.close();
    throw storageError(error, `make "${path}"`);
  } finally {
    lock.release();
  }
}
