/**
 * Runs kept in one SQLite file, through the `node:sqlite` of Deno, Node (22.13 or newer) or Bun (1.4 or newer).
 *
 * A folder holds `windkit.db` (with `-wal` and `-shm` while it is open), `owner.lock` and, while somebody drives it,
 * `owner.json`. One process drives; others may read, and leave messages. When one of these files is removed, moved or
 * replaced while it is open, every commit and read after the next look (a driver looks once a second and when it closes, a
 * visitor each time) fails with `StorageFailedError`; `backup` still copies what the open file holds.
 *
 * @module
 */
import type { Storage } from "../engine/ports.ts";
import { openSqlite } from "./_sqlite_open.ts";
import { SCHEMA } from "./_sqlite_schema.ts";

export type { Message, RowChange, RunQuery, RunRow, RunState, Storage, StoredRecord, Write } from "../engine/ports.ts";
export type { Encoded, RunStatus } from "../workflow/journal.ts";

/** How an SQLite storage is opened. */
export interface SqliteStorageOptions {
  /** The folder. `drive` makes it when there is none, with access for this user only. */
  readonly dir: string;
  /**
   * What a commit has survived when it resolves: `power` forces it to the disk first; `process` gives it to the operating
   * system, so that it survives the death of this process, and a power failure may lose the last ones (never damage the file).
   *
   * @default "power"
   */
  readonly durability?: "power" | "process";
  /** `visit` never makes or changes anything but by `post` writes, and cannot `own`. @default "drive" */
  readonly mode?: "drive" | "visit";
  /** Longest text of one record, in bytes of UTF-8. @default 16777216 */
  readonly maxRecordBytes?: number;
  /** Most messages that may wait for one run. @default 10000 */
  readonly maxMessages?: number;
}

/** A storage in an SQLite file. */
export interface SqliteStorage extends Storage {
  /** The folder, as it was given. */
  readonly dir: string;
  /**
   * Copies what is committed into a new file, which becomes visible under its name when it is complete. To use the copy, put it
   * into a folder of its own as `windkit.db`. Other processes go on meanwhile, this one waits: for a large file, back up
   * from a process that visits.
   *
   * @param toFile path of a file that does not exist
   */
  backup(toFile: string): Promise<void>;
  /** Moves what is in the log into the file, and gives the folder free. */
  close(): Promise<void>;
}

/**
 * Opens a folder of runs.
 *
 * Throws `MissingPackageError` where there is no `node:sqlite`, `JournalCorruptError` for a damaged file, `SchemaTooNewError`
 * for one that a newer version wrote, `StorageReadOnlyError`, `StorageFullError` or `StorageFailedError`. A file is never
 * replaced.
 *
 * @param options the folder, and how
 * @returns the storage; `own` makes it the folder's driver
 *
 * @example Commit, close, open again
 * ```ts
 * import { openSqliteStorage } from "@windkit/windmill-client/storage/sqlite";
 *
 * const dir = Deno.makeTempDirSync();
 * const first = await openSqliteStorage({ dir });
 * await first.own({ name: "example" });
 * await first.commit([{
 *   w: "create",
 *   row: { id: "r1", workflow: "hello", state: "ready", createdAt: 1 },
 *   records: [{ seq: 0, text: "opened", check: "0123456789abcdef" }],
 * }]);
 * await first.close();
 *
 * const second = await openSqliteStorage({ dir, mode: "visit" });
 * if ((await second.run("r1"))?.workflow !== "hello") throw new Error("not stored");
 * await second.close();
 * Deno.removeSync(dir, { recursive: true });
 * ```
 */
export function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage> {
  return openSqlite(options, { schema: SCHEMA });
}
