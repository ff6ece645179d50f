/**
 * Data tables on PGlite: a process for each, started when it is first asked, ended when it was not asked for a while.
 *
 * @module
 */
import { orAbort } from "../../base/or_abort.ts";
import type { PgJob, SqlResult } from "./pg_run.ts";
import type { PgliteConfig } from "./pglite_program.ts";
import { programFolders, programUrl } from "./program_file.ts";
import { type SqlProcess, startProcess } from "./sql_process.ts";
import { createTurns } from "./turns.ts";

const PACKAGE = "@electric-sql/pglite";

/** Where data tables lie, and how many may be open. */
export interface PgliteOptions {
  /** Folder of the databases, one folder each. */
  readonly folder: string;
  /** Folder for what can be made again. */
  readonly cache: string;
  /** Most that are open at a time: each takes 300 MB and more. */
  readonly maxOpen: number;
  /** Ends a process that was not asked for so long, in milliseconds. */
  readonly idleMs: number;
}

/** Data tables by name. */
export interface PgliteDatabases {
  /** Runs a job, after those that came before it. */
  run(name: string, job: PgJob, signal: AbortSignal): Promise<SqlResult>;
  close(): Promise<void>;
}

interface Open {
  readonly name: string;
  readonly process: Promise<SqlProcess>;
  /** Jobs that wait for it or run. */
  users: number;
  timer?: ReturnType<typeof setTimeout>;
}

/** Makes the data tables of a folder. Nothing is opened yet. */
export function createPgliteDatabases({ folder, cache, maxOpen, idleMs }: PgliteOptions): PgliteDatabases {
  const turns = createTurns();
  /** In the order of their last use. */
  const open = new Map<string, Open>();
  const closing = new Set<Promise<void>>();

  async function start(name: string): Promise<SqlProcess> {
    const { mkdir } = await import("node:fs/promises");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const folders = await programFolders(PACKAGE);
    // PostgreSQL sees a file system of its own, with the folder of the database in it; this is the second wall.
    const read = folders === undefined ? "--allow-read" : `--allow-read=${[folder, cache, ...folders].join()}`;
    return await startProcess({
      label: `data table "${name}"`,
      program: programUrl("pglite_main"),
      config: { folder: `${folder}/${name}`, cache } satisfies PgliteConfig,
      package: PACKAGE,
      permissions: [read, `--allow-write=${folder},${cache}`, "--allow-env"],
    });
  }

  function end(database: Open): void {
    clearTimeout(database.timer);
    if (open.get(database.name) === database) open.delete(database.name);
    const work = database.process.then((process) => process.close(), () => undefined);
    closing.add(work);
    void work.finally(() => closing.delete(work)); // it never rejects
  }

  function opened(name: string): Open {
    const found = open.get(name);
    if (found !== undefined) {
      open.delete(name);
      open.set(name, found);
      return found;
    }
    const idle = [...open.values()].filter(({ users }) => users === 0);
    for (const database of idle.slice(0, Math.max(0, open.size + 1 - maxOpen))) end(database);
    // One that ends now has the lock until then.
    const process = Promise.all(closing).then(() => start(name));
    const made: Open = { name, process, users: 0 };
    open.set(name, made);
    process.catch(() => open.delete(name));
    return made;
  }

  return {
    async run(name, job, signal) {
      const release = await turns.take(name, signal);
      try {
        const database = opened(name);
        clearTimeout(database.timer);
        database.users++;
        try {
          // A first start is never cut off: it makes the database.
          const process = await orAbort(database.process, signal);
          try {
            return await process.run(job, signal);
          } finally {
            if (signal.aborted) await process.kill();
            if (!process.isAlive()) open.delete(name);
          }
        } finally {
          database.users--;
          if (open.get(name) === database && database.users === 0) {
            database.timer = setTimeout(() => end(database), idleMs);
          }
        }
      } finally {
        release();
      }
    },
    async close() {
      for (const database of [...open.values()]) end(database);
      await Promise.all(closing);
    },
  };
}
