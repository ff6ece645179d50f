/**
 * One process of Deno in a job folder of its own: it waits for one job, runs it, and ends.
 *
 * @module
 */
import { execFile, spawn } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { boxedStart, type BoxOptions } from "./box.ts";
import { folderBytes, removedBytes } from "../disk_use.ts";
import { createServerRelay, type RelayTarget } from "./server_relay.ts";

/** A process, before or in its job. */
export interface BoxedProcess {
  readonly folder: string;
  /** Socket that leads to the server, once `relayTo` says where that is. */
  readonly socket: string;
  /** Takes what the process writes, to its output (0) and to its errors (1), from its beginning on. Called once. */
  output(take: (pipe: 0 | 1, bytes: Uint8Array) => void): void;
  /** False as soon as the process has ended. */
  readonly alive: boolean;
  /** Resolves when the process has ended and all its output was read. */
  readonly ended: Promise<Ended>;
  send(line: string): void;
  relayTo(target: RelayTarget): void;
  /** To the process and whatever it started. */
  signal(name: "SIGTERM" | "SIGKILL"): void;
  /** Tells the resident size in bytes, when it can be read. */
  memory(tell: (bytes: number) => void): void;
  /** Bytes of the disk that the process takes; no more is counted once there is more than `enough`. Never rejects. */
  disk(enough: number): Promise<number>;
  /** Ends the process, if it has not, and removes its folder. */
  close(graceMs: number): Promise<void>;
}

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  /** Set when it could not be started. */
  readonly error?: Error;
}

/** Longest path of a socket that all systems take. */
const LONGEST_SOCKET = 100;
/** Where a program must be asked for the resident size, it is asked this seldom, in milliseconds. */
const PS_MS = 500;
/** A process that has ended is waited for no longer than this for the rest of its output. */
const OUTPUT_MS = 500;

/**
 * Starts a process.
 *
 * @param options of the runner
 * @param folder its job folder, which is made anew
 */
export function startBoxedProcess(options: BoxOptions, folder: string): BoxedProcess {
  makeFolder(folder);
  const inFolder = join(folder, ".server.sock");
  const socket = inFolder.length <= LONGEST_SOCKET
    ? inFolder
    : join(tmpdir(), `windkit-${process.pid}-${crypto.randomUUID().slice(0, 8)}.sock`);
  const { command, args, env, detached } = boxedStart(options, folder, socket);
  const child = spawn(command, args, { cwd: folder, env, detached, stdio: ["pipe", "pipe", "pipe"] });
  // Where the kernel does not end it with this process, the next runner does.
  if (detached && child.pid !== undefined) writeFileSync(pidFile(folder), String(child.pid));
  let alive = true;
  let asked = 0;
  let target: RelayTarget | undefined;
  const relay = createServerRelay(socket, () => target);
  // What it says before it has a job is why it could not start. Unread, it would be lost.
  const early: [0 | 1, Uint8Array][] = [];
  let take = (pipe: 0 | 1, bytes: Uint8Array): void => void early.push([pipe, bytes]);
  child.stdout?.on("data", (bytes: Uint8Array) => take(0, bytes));
  child.stderr?.on("data", (bytes: Uint8Array) => take(1, bytes));
  child.stdin?.on("error", () => undefined); // it ended before it read what it was told: its end says more
  const ended = new Promise<Ended>((resolve) => {
    child.once("error", (error) => {
      alive = false;
      resolve({ code: null, signal: null, error });
    });
    child.once("exit", (code, signal) => {
      alive = false;
      const timer = setTimeout(() => resolve({ code, signal }), OUTPUT_MS);
      child.once("close", () => {
        clearTimeout(timer);
        resolve({ code, signal });
      });
    });
  });

  function signal(name: "SIGTERM" | "SIGKILL"): void {
    if (child.pid === undefined || !alive) return;
    // Before the process leads a group, which it does when it has only just begun, there is only itself.
    if (process.platform === "win32" || !killGroup(child.pid, name)) child.kill(name);
  }
  return {
    folder,
    socket,
    output(taker) {
      for (const [pipe, bytes] of early.splice(0)) taker(pipe, bytes);
      take = taker;
    },
    ended,
    get alive() {
      return alive;
    },
    send: (line) => void child.stdin?.write(`${line}\n`),
    signal,
    memory(tell) {
      if (child.pid === undefined || !alive) return;
      if (process.platform === "linux") {
        const bytes = residentBytes(child.pid);
        if (bytes !== undefined) tell(bytes);
      } else if (Date.now() - asked > PS_MS) {
        asked = Date.now();
        execFile("ps", ["-o", "rss=", "-p", String(child.pid)], (error, text) => {
          const bytes = Number(text.trim()) * 1024;
          if (error === null && bytes > 0) tell(bytes);
        });
      }
    },
    async disk(enough) {
      const named = await folderBytes(folder, enough);
      return child.pid === undefined || named > enough ? named : named + await removedBytes(child.pid);
    },
    relayTo(value) {
      target = value;
    },
    async close(graceMs) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      if (alive && graceMs > 0) timer = setTimeout(() => signal("SIGKILL"), graceMs);
      else signal("SIGKILL");
      child.stdin?.end();
      await ended;
      clearTimeout(timer);
      relay.close();
      relay.closeAllConnections();
      await removeFolder(folder);
      // The job may have put a folder in its place.
      if (socket !== inFolder) await removeFolder(socket);
      if (detached) rmSync(pidFile(folder), { force: true });
    },
  };
}

function pidFile(folder: string): string {
  return `${folder}.pid`;
}

/** Resident size of a process on Linux. */
function residentBytes(pid: number): number | undefined {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024 || undefined;
  } catch {
    return undefined; // it has just ended
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch {
    // Something is left of a job whose folder could not be removed.
    makeRemovable(folder);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { mode: 0o700 });
  }
}

/** Removes a job folder, also when the job took the right to read parts of it away. */
async function removeFolder(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch {
    if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) makeRemovable(folder);
    await rm(folder, { recursive: true, force: true });
  }
}

function makeRemovable(folder: string): void {
  chmodSync(folder, 0o700);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) makeRemovable(join(folder, entry.name));
  }
}

/**
 * Ends processes and removes folders that a runner before this one left, which did not end well.
 *
 * @param jobsFolder where job folders are
 */
export async function removeLeftovers(jobsFolder: string): Promise<void> {
  for (const name of readdirSync(jobsFolder)) {
    if (!/^s\d+(?:\.pid)?$/.test(name)) continue;
    const path = join(jobsFolder, name);
    if (name.endsWith(".pid")) {
      const pid = Number(readFileSync(path, "utf8"));
      // A number is given again: only what still runs in that folder is ours.
      if (Number.isSafeInteger(pid) && pid > 1 && runsIn(pid, path.slice(0, -".pid".length))) {
        killGroup(pid);
      }
      rmSync(path, { force: true });
    } else {
      await removeFolder(path);
    }
  }
}

/** False when there is no such group, or none yet. */
function killGroup(pid: number, name: "SIGTERM" | "SIGKILL" = "SIGKILL"): boolean {
  try {
    return process.kill(-pid, name);
  } catch {
    return false;
  }
}

function runsIn(pid: number, folder: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
  } catch {
    return false; // it has ended, or the system has no such files: there its input has ended with the server
  }
}
