/**
 * The data folder, as commands that only look or leave a message use it.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { UnknownRunError } from "../base/errors.ts";
import type { RunRow, Storage } from "../engine/ports.ts";
import { localFiles } from "../storage/_files.ts";
import { isLocked } from "../storage/_owner.ts";
import { loadSqlite } from "../storage/_sqlite_module.ts";
import { openSqliteStorage } from "../storage/sqlite.ts";
import { DEFAULT_DATA } from "./arguments.ts";
import { UsageError } from "./exit_codes.ts";
import { quote } from "./format.ts";
import type { Io } from "./terminal.ts";

/**
 * Tells whether a folder holds runs.
 *
 * @param dir absolute path
 * @returns true when there is a database in it
 */
export function holdsRuns(dir: string): boolean {
  return existsSync(join(dir, "windkit.db"));
}

/**
 * Refuses a folder that holds no runs.
 *
 * @param dir absolute path
 * @param data the folder as it was given
 * @param option where it was given
 */
export function checkHoldsRuns(dir: string, data: string, option = "--data"): void {
  if (holdsRuns(dir)) return;
  throw new UsageError(
    `No runs in "${data}": ${existsSync(dir) ? "the folder holds no data of windkit" : "there is no such folder"}`,
    `Name the folder with ${option}; windkit run makes it`,
  );
}

/**
 * Opens a data folder for reading and for leaving messages, and closes it again.
 *
 * @param data the folder as it was given
 * @param io where it is relative to
 * @param use what to do with it
 * @returns what `use` returns
 */
export async function withVisit<T>(data: string, io: Io, use: (storage: Storage) => Promise<T>): Promise<T> {
  const dir = resolve(io.cwd, data);
  checkHoldsRuns(dir, data);
  const storage = await openSqliteStorage({ dir, mode: "visit" });
  try {
    return await use(storage);
  } finally {
    await storage.close();
  }
}

/**
 * Drives a data folder for a moment: nobody else does meanwhile.
 *
 * @param data the folder as it was given
 * @param io where it is relative to
 * @param name who drives it, for whoever comes meanwhile
 * @param use what to do with it
 * @returns what `use` returns
 * @throws StorageLockedError when another process drives it
 */
export async function withDrive<T>(
  data: string,
  io: Io,
  name: string,
  use: (storage: Storage) => Promise<T>,
): Promise<T> {
  const storage = await openSqliteStorage({ dir: resolve(io.cwd, data), mode: "drive" });
  try {
    await storage.own({ name, pid: process.pid });
    return await use(storage);
  } finally {
    await storage.close();
  }
}

/**
 * Reads a run's row.
 *
 * @param storage the opened folder
 * @param run the id as it was given
 * @param data the folder as it was given
 * @returns the row
 * @throws UnknownRunError when it is not there
 */
export async function knownRun(storage: Storage, run: string, data: string): Promise<RunRow> {
  const row = await storage.run(run);
  if (row !== undefined) return row;
  throw new UnknownRunError(`No run "${run}" in "${data}": see windkit runs${dataOption(data)}`);
}

/**
 * Tells whether a process drives a folder now.
 *
 * @param data the folder as it was given
 * @param io where it is relative to
 * @returns true when one does
 */
export async function isDriven(data: string, io: Io): Promise<boolean> {
  return isLocked(await loadSqlite(), localFiles(), resolve(io.cwd, data));
}

/**
 * The `--data` to add to a command that the user is told to type.
 *
 * @param data the folder as it was given
 * @returns empty for the default folder
 */
export function dataOption(data: string): string {
  return data === DEFAULT_DATA ? "" : ` --data ${quote(data)}`;
}
