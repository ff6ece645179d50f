/**
 * The file's tables, its version, and how a file of an earlier version is brought up to date.
 *
 * A table is only added to: a column that is no longer needed stays. Each change is a new version and one entry in
 * `migrations`, for ever; a file of a later version is refused, never touched.
 *
 * @module
 */
import { SchemaTooNewError, StorageFailedError } from "../base/errors.ts";
import { type Database, numberOf, runAll } from "./_sqlite_module.ts";

/** "WKIT": marks a file as one of ours. */
const APPLICATION_ID = 0x574b4954;

/** Tables of one version, and the way to it from earlier ones. */
export interface Schema {
  readonly version: number;
  /** Statements that make an empty file of `version`. */
  readonly create: readonly string[];
  /** By the version that a step starts from; it ends at the next one. Each runs inside one transaction with all others. */
  readonly migrations: Readonly<Record<number, (db: Database) => void>>;
}

/** The tables that every storage of this kind has, as of the newest version. */
export const TABLES: readonly string[] = [
  "CREATE TABLE workflows(no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
  `CREATE TABLE runs(
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workflow INTEGER NOT NULL, state INTEGER NOT NULL, status TEXT,
    wake_at INTEGER, waits TEXT, created_at INTEGER NOT NULL, closed_at INTEGER, parent TEXT)`,
  "CREATE INDEX runs_state ON runs(state, no)",
  "CREATE INDEX runs_workflow ON runs(workflow, no)",
  "CREATE INDEX runs_due ON runs(wake_at, no) WHERE state = 2 AND wake_at IS NOT NULL",
  "CREATE INDEX runs_closed ON runs(closed_at, no) WHERE closed_at IS NOT NULL",
  "CREATE TABLE records(no INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, text TEXT NOT NULL)",
  "CREATE UNIQUE INDEX records_run ON records(run, seq)",
  `CREATE TABLE inbox(
    no INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, run TEXT NOT NULL, waiting INTEGER NOT NULL,
    kind TEXT NOT NULL, name TEXT NOT NULL, payload TEXT NOT NULL, sender TEXT, at INTEGER NOT NULL)`,
  "CREATE INDEX inbox_waiting ON inbox(run, no) WHERE waiting = 1",
  "CREATE INDEX inbox_run ON inbox(run)",
];

/**
 * Version 2: `runs.parent` is new.
 *
 * `records` is a plain append-only table with an index beside it: commits of many runs then write at one place, which was
 * measured to be 1.3 times as fast as rows clustered by run. `records.text` starts with the 16 hex digits of the check value
 * (one column less to bind and to read is worth more than the eight bytes that a packed number would save); a text of exactly
 * 16 characters has its rest in `blobs`, so that pages of records stay small whatever the payloads are.
 *
 * `runs.state` is the position in `STATES`. `inbox` keeps taken messages, emptied, until the run is dropped: their ids must not be used again.
 * It never reuses a number: a watcher asks for numbers above the last it saw.
 */
export const SCHEMA: Schema = {
  version: 2,
  create: [...TABLES, "CREATE TABLE blobs(record INTEGER PRIMARY KEY, text TEXT NOT NULL)"],
  migrations: {
    1: (db) => runAll(db, ["ALTER TABLE runs ADD COLUMN parent TEXT"]),
  },
};

/** Makes the tables in an empty file. */
export function createSchema(db: Database, schema: Schema): void {
  runAll(db, [
    "BEGIN IMMEDIATE",
    ...schema.create,
    `PRAGMA application_id = ${APPLICATION_ID}`,
    `PRAGMA user_version = ${schema.version}`,
    "COMMIT",
  ]);
}

/** What the file says about itself. */
export interface FileVersion {
  readonly applicationId: number;
  readonly version: number;
}

/** Reads the file's version; the first thing read from a file, so it meets most kinds of damage. */
export function readVersion(db: Database): FileVersion {
  return { version: numberOf(db, "PRAGMA user_version"), applicationId: numberOf(db, "PRAGMA application_id") };
}

/**
 * Checks that a file is ours and not of a later version.
 *
 * @returns true when the file is of an earlier version, and has to be migrated
 */
export function checkVersion({ applicationId, version }: FileVersion, schema: Schema, path: string): boolean {
  if (applicationId !== APPLICATION_ID) {
    throw new StorageFailedError(
      `Cannot open "${path}": it is an SQLite file of another program (application id ${applicationId}, should be ${APPLICATION_ID})`,
    );
  }
  if (version > schema.version) {
    throw new SchemaTooNewError(
      `Cannot open "${path}": its schema has version ${version}, this package knows up to ${schema.version}: update the package`,
    );
  }
  return version < schema.version;
}

/** Brings a file from its version to the schema's, in one transaction. Only the driver does this. */
export function migrate(db: Database, schema: Schema, path: string): void {
  runAll(db, ["BEGIN IMMEDIATE"]);
  try {
    const from = readVersion(db).version;
    for (let version = from; version < schema.version; version++) {
      const step = schema.migrations[version];
      if (step === undefined) {
        throw new StorageFailedError(
          `Cannot open "${path}": its schema has version ${version}, and there is no way from that to ${schema.version}`,
        );
      }
      step(db);
    }
    runAll(db, [`PRAGMA user_version = ${schema.version}`, "COMMIT"]);
  } catch (error) {
    rollback(db);
    throw error;
  }
}

/** Ends a transaction that failed, when SQLite has not ended it already. */
export function rollback(db: Database): void {
  try {
    runAll(db, ["ROLLBACK"]);
  } catch (error) {
    // A full disk ends the transaction by itself. Any other failure leaves it open, and closing the file ends it.
    void error;
  }
}
