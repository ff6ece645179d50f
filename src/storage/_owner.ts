/**
 * Who drives a folder: one process, by an exclusive transaction on a lock file that the operating system ends with the process,
 * however it dies. `owner.json` beside it says who that is; found with nobody holding the lock, it says that the last driver
 * did not close.
 *
 * @module
 */
import { JournalCorruptError, StorageLockedError } from "../base/errors.ts";
import type { Files } from "./_files.ts";
import { type Database, resultCode, runAll, type SqliteModule, storageError } from "./_sqlite_module.ts";

/** Who drives. */
export interface Holder {
  readonly name?: string;
  readonly pid?: number;
  /** In milliseconds since 1970. */
  readonly since?: number;
}

/** A held lock. */
export interface Lock {
  release(): void;
}

/** Path of the lock file. */
export function lockPath(dir: string): string {
  return `${dir}/owner.lock`;
}

/** Path of the file that names the driver. */
export function ownerPath(dir: string): string {
  return `${dir}/owner.json`;
}

/** Long enough for somebody who only looks, short enough for an error. */
const LOOK_MS = 50;

/**
 * Takes the lock.
 *
 * @returns undefined when somebody holds it
 */
export function takeLock(sqlite: SqliteModule, dir: string, waitMs: number = LOOK_MS): Lock | undefined {
  const path = lockPath(dir);
  let db: Database | undefined;
  try {
    db = new sqlite.DatabaseSync(path);
    // Nothing is ever written to it: its journal need not be on disk.
    runAll(db, [`PRAGMA busy_timeout = ${waitMs}`, "PRAGMA journal_mode = MEMORY", "BEGIN EXCLUSIVE"]);
    const held = db;
    return { release: () => held.close() };
  } catch (error) {
    db?.close();
    const code = resultCode(error);
    if (code === 5) return undefined;
    if (code === 26) {
      throw new JournalCorruptError(
        `Cannot lock "${path}": it is no lock file; remove it when no process uses the folder`,
        {},
        { cause: error },
      );
    }
    throw storageError(error, `lock "${path}"`);
  }
}

/**
 * Tells whether somebody holds the lock, without taking it. Holds a shared lock for an instant, which `takeLock` waits out.
 *
 * @returns false when there is no lock file
 */
export function isLocked(sqlite: SqliteModule, files: Files, dir: string): boolean {
  const path = lockPath(dir);
  if (files.look(path).kind === "nothing") return false;
  const db = new sqlite.DatabaseSync(path, { readOnly: true });
  try {
    runAll(db, ["PRAGMA busy_timeout = 0", "SELECT count(*) FROM sqlite_schema"]);
    return false;
  } catch (error) {
    if (resultCode(error) === 5) return true;
    throw storageError(error, `look at "${path}"`);
  } finally {
    db.close();
  }
}

/** Who drives, or drove last, as far as `owner.json` says. */
export function readHolder(files: Files, dir: string): Holder | undefined {
  const text = files.readText(ownerPath(dir));
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // Damaged: it was there, which is all that an unclean end needs.
    void error;
    return {};
  }
  const { name, pid, since } = Object(value) as Readonly<Record<string, unknown>>;
  return {
    ...(typeof name === "string" ? { name } : undefined),
    ...(typeof pid === "number" ? { pid } : undefined),
    ...(typeof since === "number" ? { since } : undefined),
  };
}

/** Says that somebody else drives. */
export function lockedError(dir: string, holder: Holder | undefined): StorageLockedError {
  const { name, pid, since } = holder ?? {};
  const who = pid === undefined ? "another process" : `process ${pid}`;
  const called = name === undefined ? "" : ` ("${name}")`;
  const when = since === undefined ? "" : ` since ${new Date(since).toISOString()}`;
  return new StorageLockedError(
    `Cannot drive "${dir}": ${who}${called} drives it${when}; stop that process, or use another folder`,
    holder,
  );
}
