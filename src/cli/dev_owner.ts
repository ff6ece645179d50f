/**
 * Which process serves a data folder: `server.json` says it for whoever comes second. SQLite's lock decides, not this file.
 *
 * @module
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { StorageLockedError } from "../base/errors.ts";

/** Who serves. */
export interface ServerOwner {
  readonly pid: number;
  readonly url: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

function fileOf(data: string): string {
  return join(data, "server.json");
}

/** Says who serves a data folder. */
export function writeOwner(data: string, owner: ServerOwner): void {
  writeFileSync(fileOf(data), `${JSON.stringify(owner)}\n`, { mode: 0o600 });
}

/** Who serves a data folder, or did; undefined when nobody says it. */
function readOwner(data: string): ServerOwner | undefined {
  try {
    const { pid, url, since } = JSON.parse(readFileSync(fileOf(data), "utf8")) as Partial<Record<string, unknown>>;
    if (typeof pid !== "number" || typeof url !== "string" || typeof since !== "number") return undefined;
    return { pid, url, since };
  } catch (error) {
    // None there, or one that was not written to its end.
    void error;
    return undefined;
  }
}

/** Nobody serves the data folder any more. */
export function removeOwner(data: string): void {
  rmSync(fileOf(data), { force: true });
}

/** The error for a folder that another server has, with its name and what to do. */
export function servedError(folder: string, data: string, cause: unknown): StorageLockedError {
  const owner = readOwner(data);
  if (owner === undefined) {
    return new StorageLockedError(
      `Cannot serve "${folder}": another process uses its data folder "${data}"; stop that one, or name another with --data`,
      undefined,
      { cause },
    );
  }
  const { pid, url, since } = owner;
  return new StorageLockedError(
    `Cannot serve "${folder}": process ${pid} serves it at ${url} since ${new Date(since).toISOString()}; ` +
      `use that one, stop it (kill ${pid}), or name another data folder with --data`,
    { name: "windkit dev", pid, since },
    { cause },
  );
}
