/**
 * The server's tables: `server.sqlite` in the data folder. One process has it open at a time.
 *
 * @module
 */
import { chmodSync, closeSync, openSync, statSync } from "node:fs";
import { SchemaTooNewError, StorageFailedError, StorageLockedError } from "../base/errors.ts";
import { loadSqlite, numberOf, resultCode, runAll, type Statement, storageError } from "../storage/_sqlite_module.ts";
import type { Database } from "./ports.ts";

type Value = string | number | bigint | null | Uint8Array;

/** "WKSV": marks a file as one of a Windkit server. */
const APPLICATION_ID = 0x574b5356;

/** Statements that are kept prepared. Lists with many filters make many different ones. */
const KEPT_STATEMENTS = 200;

/** How long another process may keep the file busy: somebody who looks at it, not a second server. */
const BUSY_MS = 250;

/** Options of opening the server's database. */
export interface DatabaseOptions {
  /** Path of the file, in a folder that is there; `:memory:` for none. */
  readonly path: string;
  /**
   * What a committed job survives: `power` a loss of power, `process` the end of the process only, and is faster.
   *
   * @default "power"
   */
  readonly durability?: "power" | "process";
}

/** The open database of a server. */
export interface ServerDatabase extends Database, Disposable {
  /** Closes the file; nothing may be asked of it after that. */
  close(): void;
}

/**
 * Opens the server's database, and makes it when there is none.
 *
 * @throws StorageLockedError when another server has it open
 * @throws SchemaTooNewError when a later version of this package has written it
 * @throws MissingPackageError when this runtime has no `node:sqlite`
 */
export async function openDatabase(options: DatabaseOptions): Promise<ServerDatabase> {
  const { path, durability = "power" } = options;
  const sqlite = await loadSqlite();
  if (path !== ":memory:") makePrivate(path);
  const db = openFile(path, () => new sqlite.DatabaseSync(path));
  try {
    runAll(db, [
      `PRAGMA busy_timeout = ${BUSY_MS}`,
      // The file is this process's alone for as long as it lives, however it ends.
      "PRAGMA locking_mode = EXCLUSIVE",
      "PRAGMA journal_mode = WAL",
      `PRAGMA synchronous = ${durability === "power" ? "FULL" : "NORMAL"}`,
      "PRAGMA foreign_keys = OFF",
      "BEGIN IMMEDIATE",
    ]);
    const found = numberOf(db, "PRAGMA application_id");
    const isEmpty = numberOf(db, "SELECT count(*) FROM sqlite_schema") === 0;
    if (found !== APPLICATION_ID && !isEmpty) {
      throw new StorageFailedError(
        `Cannot open "${path}": it is an SQLite file of another program (application id ${found}, should be ${APPLICATION_ID})`,
      );
    }
    runAll(db, [
      `PRAGMA application_id = ${APPLICATION_ID}`,
      "CREATE TABLE IF NOT EXISTS parts(name TEXT PRIMARY KEY, version INTEGER NOT NULL)",
      "COMMIT",
    ]);
  } catch (error) {
    db.close();
    if (resultCode(error) === 5) throw lockedError(path, error);
    throw storageError(error, `open "${path}"`);
  }
  return createDatabase(db, path, durability === "power");
}

function lockedError(path: string, cause: unknown): StorageLockedError {
  return new StorageLockedError(
    `Cannot open "${path}": another server uses it; stop that one, or use another data folder`,
    undefined,
    { cause },
  );
}

/**
 * Sees to it that nobody but this user reads a database. SQLite gives the files beside it (`-wal`, `-shm`) the modes of the file
 * itself. One that exists is never opened here: with the descriptor all locks on it would go that this process has.
 *
 * @param path of the file, which is made when there is none
 */
export function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    // `as`: errors of `node:fs` have a code. Whatever else is wrong, SQLite says.
    if ((error as { readonly code?: unknown }).code !== "EEXIST") return;
  }
  for (const end of ["", "-wal", "-shm"]) {
    const found = statSync(path + end, { throwIfNoEntry: false });
    if (found?.isFile() === true && (found.mode & 0o077) !== 0) chmodSync(path + end, 0o600);
  }
}

function openFile<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw storageError(error, `open "${path}"`);
  }
}

interface Handle {
  prepare(sql: string): Statement;
  close(): void;
}

function createDatabase(db: Handle, path: string, syncs: boolean): ServerDatabase {
  const kept = new Map<string, Statement>();
  let depth = 0, closed = false;
  let waiting: (() => void)[] = [];

  function statement(sql: string): Statement {
    const found = kept.get(sql);
    // Used last is thrown out last.
    if (found !== undefined) kept.delete(sql);
    const made = found ?? db.prepare(sql);
    kept.set(sql, made);
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_STATEMENTS) break;
      kept.delete(oldest);
    }
    return made;
  }

  function attempt<T>(sql: string, values: readonly Value[], act: (statement: Statement, values: never[]) => T): T {
    try {
      // `as`: node:sqlite takes bytes and bigints too, which the storage of runs does not use.
      return act(statement(sql), values as never[]);
    } catch (error) {
      throw storageError(error, `use "${path}"`);
    }
  }

  /** How commits are synced now: it can only be changed between them. */
  let synced = syncs;
  function sync(lasting: boolean): void {
    if (depth > 0 || !syncs || lasting === synced) return;
    // Done when it is prepared, so that a kept statement would do nothing.
    db.prepare(`PRAGMA synchronous = ${lasting ? "FULL" : "NORMAL"}`).run();
    synced = lasting;
  }

  function run(sql: string, ...values: readonly Value[]): { readonly changes: number } {
    sync(true);
    return change(sql, values);
  }

  function change(sql: string, values: readonly Value[] = []): { readonly changes: number } {
    return { changes: Number(attempt(sql, values, (made, given) => made.run(...given)).changes) };
  }

  function undo(sql: string): void {
    try {
      change(sql);
    } catch (error) {
      // A full disk ends the transaction by itself; what went wrong is thrown already.
      void error;
    }
  }

  function transaction<T>(fn: () => T, lasting = true): T {
    const point = `part_${depth}`, outermost = depth === 0;
    sync(lasting);
    change(outermost ? "BEGIN IMMEDIATE" : `SAVEPOINT ${point}`);
    const before = waiting.length;
    depth++;
    let value: T;
    try {
      value = fn();
      if (value instanceof Promise) throw new TypeError("Cannot wait inside a transaction: expected no promise");
      change(outermost ? "COMMIT" : `RELEASE ${point}`);
    } catch (error) {
      waiting.length = before;
      if (outermost) undo("ROLLBACK");
      else {
        undo(`ROLLBACK TO ${point}`);
        undo(`RELEASE ${point}`);
      }
      throw error;
    } finally {
      depth--;
    }
    if (outermost) {
      const told = waiting;
      waiting = [];
      for (const tell of told) tell();
    }
    return value;
  }

  function migrate(part: string, steps: readonly (readonly string[])[]): void {
    transaction(() => {
      const sql = "SELECT version FROM parts WHERE name = ?";
      const { version = 0 } = get<{ readonly version: number }>(sql, part) ?? {};
      if (version > steps.length) {
        throw new SchemaTooNewError(
          `Cannot use "${path}": its tables of ${part} have version ${version}, this package knows up to ${steps.length}: update the package`,
        );
      }
      for (const step of steps.slice(version)) for (const line of step) attempt(line, [], (made) => made.all());
      run(
        "INSERT INTO parts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET version = excluded.version",
        part,
        steps.length,
      );
    });
  }

  function get<T>(sql: string, ...values: readonly Value[]): T | undefined {
    // `as`: who writes the query knows its columns.
    return attempt(sql, values, (made, given) => made.get(...given)) as T | undefined;
  }

  function close(): void {
    if (closed) return;
    closed = true;
    kept.clear();
    db.close();
  }

  return {
    run,
    get,
    // `as`: as above.
    all: <T>(sql: string, ...values: readonly Value[]) =>
      attempt(sql, values, (made, given) => made.all(...given)) as unknown as readonly T[],
    transaction: (fn) => transaction(fn),
    passing: (fn) => transaction(fn, false),
    migrate,
    afterCommit: (fn) => {
      if (depth > 0) waiting.push(fn);
      else fn();
    },
    close,
    [Symbol.dispose]: close,
  };
}
