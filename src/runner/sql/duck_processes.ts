/**
 * Processes for DuckDB jobs: few, each with one job at a time, kept for the next one. A lake is open in one process at a time.
 *
 * @module
 */
import { orAbort } from "../../base/or_abort.ts";
import { folderBytes } from "../disk_use.ts";
import { type DuckConfig, type DuckJob, TEMPORARY } from "./duck_job.ts";
import type { SqlResult } from "./pg_run.ts";
import { programUrl } from "./program_file.ts";
import { SqlError, type SqlProcess, startProcess } from "./sql_process.ts";
import { createTurns } from "./turns.ts";

/** How DuckDB jobs run. */
export interface DuckOptions extends DuckConfig {
  /** Most jobs at a time. */
  readonly processes: number;
  /** Ends a process that had no job for so long, in milliseconds. */
  readonly idleMs: number;
}

/** Runs DuckDB jobs. */
export interface DuckProcesses {
  /** Makes the folder for what lasts as long as a job: its name begins with `TEMPORARY`. */
  prepare(): Promise<void>;
  run(job: DuckJob, signal: AbortSignal): Promise<SqlResult>;
  close(): Promise<void>;
}

/** How often is looked at what a job has written, in milliseconds. */
const DISK_MS = 500;

/** A process that holds more than this after a job is not kept. */
const KEPT_BYTES = 400 * 1024 * 1024;

/** Jobs of one process, where its memory cannot be looked at. */
const KEPT_JOBS = 50;

interface Idle {
  readonly process: SqlProcess;
  readonly jobs: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Resident memory of a process; undefined where that cannot be read. */
async function residentBytes(pid: number): Promise<number | undefined> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(`/proc/${pid}/statm`, "utf8").catch(() => "");
  const pages = Number(text.split(" ")[1]);
  return text === "" || Number.isNaN(pages) ? undefined : pages * 4096;
}

/** Makes the processes of a runner. None is started yet. */
export function createDuckProcesses(options: DuckOptions): DuckProcesses {
  const { processes, idleMs, ...config } = options;
  const slots = createTurns(processes);
  const lakes = createTurns();
  const idle: Idle[] = [];
  const running = new Set<SqlProcess>();
  let isClosed = false;
  let swept: Promise<void> | undefined;

  /** Makes the folder, and takes away what processes left that were killed with a server. */
  async function sweep(): Promise<void> {
    const { mkdir, readdir, rm } = await import("node:fs/promises");
    await mkdir(config.folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(config.folder)) {
      if (name.startsWith(TEMPORARY)) await rm(`${config.folder}/${name}`, { recursive: true, force: true });
    }
  }

  async function start(): Promise<SqlProcess> {
    await (swept ??= sweep());
    return await startProcess({
      label: "DuckDB",
      program: programUrl("duckdb_main"),
      config: config satisfies DuckConfig,
      package: "@duckdb/node-api",
      // Native code asks Deno for nothing: what it may open is settled in DuckDB itself.
      permissions: ["--allow-read", `--allow-write=${config.folder}`, "--allow-env", "--allow-ffi", "--allow-sys"],
      env: { TZ: "UTC" },
    });
  }

  async function taken(): Promise<{ readonly process: SqlProcess; readonly jobs: number }> {
    for (let found = idle.pop(); found !== undefined; found = idle.pop()) {
      clearTimeout(found.timer);
      if (found.process.isAlive()) return found;
    }
    return { process: await start(), jobs: 0 };
  }

  /** Keeps a process for the next job. */
  function keep(process: SqlProcess, jobs: number): void {
    const timer = setTimeout(() => {
      idle.splice(idle.findIndex((one) => one.process === process), 1);
      void process.close(); // it never rejects
    }, idleMs);
    idle.push({ process, jobs, timer });
  }

  /** Aborts when what a job writes takes more of the disk than it may; gives what ends the watch. */
  async function watchDisk(folders: readonly string[], full: AbortController): Promise<() => void> {
    const most = config.maxDiskBytes;
    async function bytesOf(enough: number): Promise<number> {
      let total = 0;
      for (const folder of folders) total += await folderBytes(folder, enough - total);
      return total;
    }
    // Copies of what it reads have a bound of their own.
    const before = await bytesOf(Infinity);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isEnded = false;
    async function look(): Promise<void> {
      const bytes = await bytesOf(before + most);
      if (isEnded) return;
      if (bytes <= before + most) {
        timer = setTimeout(look, DISK_MS);
        return;
      }
      const mib = Math.floor(most / 2 ** 20);
      full.abort(
        new SqlError(`The job was ended: what it writes takes more than its ${mib} MiB of the disk`, "ExecutionErr"),
      );
    }
    timer = setTimeout(look, DISK_MS);
    return () => {
      isEnded = true;
      clearTimeout(timer);
    };
  }

  async function inProcess(job: DuckJob, stop: AbortSignal): Promise<SqlResult> {
    const { process, jobs } = await taken();
    running.add(process);
    const full = new AbortController();
    const signal = AbortSignal.any([stop, full.signal]);
    const own = `${config.folder}/${TEMPORARY}${process.pid}`;
    const unwatch = await watchDisk(job.files === undefined ? [own] : [own, job.files], full);
    try {
      return await process.run(job, signal);
    } finally {
      unwatch();
      if (signal.aborted) {
        await process.kill();
        const { rm } = await import("node:fs/promises");
        // What cannot be removed now, the next start sweeps.
        await rm(own, { recursive: true, force: true }).catch(() => undefined);
      }
      const bytes = process.isAlive() ? await residentBytes(process.pid) : undefined;
      running.delete(process);
      const isLarge = bytes === undefined ? jobs + 1 >= KEPT_JOBS : bytes > KEPT_BYTES;
      if (isClosed || isLarge) await process.close();
      else if (process.isAlive()) keep(process, jobs + 1);
    }
  }

  return {
    prepare: () => swept ??= sweep(),
    async run(job, signal) {
      const ends: (() => void)[] = [];
      // In one order, so that two jobs never wait for each other; before the slot, so that nobody holds one and waits.
      const names = [...new Set(job.attach.map(({ lake }) => lake))].sort();
      try {
        for (const name of names) ends.push(await lakes.take(name, signal));
        ends.push(await slots.take("", signal));
        const work = inProcess(job, signal);
        try {
          return await orAbort(work, signal);
        } finally {
          // The lake is free when its process has let go of it.
          await work.catch(() => "told above");
        }
      } finally {
        for (const end of ends) end();
      }
    },
    async close() {
      isClosed = true;
      const all = [...running, ...idle.map(({ process, timer }) => (clearTimeout(timer), process))];
      idle.length = 0;
      await Promise.all(all.map((process) => process.close()));
    },
  };
}
