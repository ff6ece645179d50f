/**
 * Runs TypeScript scripts in boxed processes of Deno.
 *
 * @module
 */
import { chmodSync, mkdirSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { JobOutcome, Runner, RunnerIo, RunnerJob } from "../ports.ts";
import type { StartLine } from "../wrapper/protocol.ts";
import type { BoxOptions } from "./box.ts";
import { type BoxedProcess, removeLeftovers, startBoxedProcess } from "./boxed_process.ts";
import { shortenLogs } from "./cache_logs.ts";
import { findDeno } from "./deno_binary.ts";
import { ScriptError } from "./errors.ts";
import { execute } from "./execution.ts";
import { createGraphCheck } from "./graph_check.ts";
import { importMap } from "./package_modules.ts";
import { prepare, type Prepared } from "./prepare.ts";
import type { RelayTarget } from "./server_relay.ts";

/** Longest result, when nothing else is said. */
export const MAX_RESULT_CHARACTERS: number = 32 * 1024 * 1024;

/** Options of {@linkcode createTypeScriptRunner}. */
export interface TypeScriptRunnerOptions {
  /** Where job folders are made, one for each process: `<data>/jobs`. Nothing else belongs in it. */
  readonly jobsFolder: string;
  /** Where Deno keeps packages and compiled files: `<data>/cache`. */
  readonly cacheFolder: string;
  /** Path of Deno. @default what runs this process, else `deno` on PATH, else the npm package's */
  readonly deno?: string;
  /** Processes that wait for a job, already started. @default 1 */
  readonly poolSize?: number;
  /** Whether scripts reach the net. This machine's services are closed either way, but for the server. @default "open" */
  readonly net?: "open" | "closed";
  /** Further hosts that are closed, as Deno's `--deny-net` takes them. @default [] */
  readonly denyNet?: readonly string[];
  /** Most memory of one job. @default 1 GiB */
  readonly memoryLimitBytes?: number;
  /** Most that the files of one job take of the disk. @default 1 GiB */
  readonly diskLimitBytes?: number;
  /** Time between SIGTERM and SIGKILL when a job is cancelled or its time is over. @default 1000 */
  readonly killGraceMs?: number;
  /** Characters of a job's log; what comes after is dropped, and the log says so. @default 10000000 */
  readonly maxLogCharacters?: number;
  /** Characters of a result, and of each outcome inside of a workflow: as many as a body has bytes. @default 33554432 */
  readonly maxResultCharacters?: number;
}

/** A start holds this process up for 4 ms (measured): a trivial job has ended by then, and its result would wait. */
const REFILL_MS = 25;
/** A job that has ended is told of first: a start at once would come before the answer is written (measured: 2 ms of it). */
const AFTER_MS = 4;
/** A process that has waited for so long loads the package ahead. */
const IDLE_MS = 150;
/**
 * A process whose script has ended has this long to end of itself: what it compiled is kept then. One that imports nothing has
 * compiled nothing to keep, and its end of itself would cost a millisecond (measured).
 */
const LEAVE_MS = 200;
/** So long after something was compiled, it is in the caches' logs. */
const TIDY_MS = 400;

/**
 * Makes the runner of TypeScript scripts. Each job has a process and a folder of its own, which are gone when it has ended.
 *
 * @throws MissingPackageError when there is no Deno
 */
export async function createTypeScriptRunner(options: TypeScriptRunnerOptions): Promise<Runner> {
  const { poolSize = 1, net = "open", denyNet = [], memoryLimitBytes = 2 ** 30, killGraceMs = 1000 } = options;
  const { maxLogCharacters = 10_000_000, maxResultCharacters = MAX_RESULT_CHARACTERS, diskLimitBytes = 2 ** 30 } =
    options;
  if (!(Number.isSafeInteger(poolSize) && poolSize >= 0)) {
    throw new RangeError(`Cannot make a runner: 'poolSize' must be a whole number from 0, found ${poolSize}`);
  }
  const deno = findDeno(options.deno);
  const [jobsFolder, cacheFolder] = [options.jobsFolder, options.cacheFolder].map((path) => {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return realpathSync(path); // permissions are given to real paths
  }) as [string, string];
  chmodSync(jobsFolder, 0o700);
  await removeLeftovers(jobsFolder);
  const map = join(cacheFolder, "import_map.json");
  const stubMap = join(cacheFolder, "import_map_stubs.json");
  writeFileSync(map, importMap(false));
  writeFileSync(stubMap, importMap(true));
  closeWebStorage(cacheFolder);
  const box: Omit<BoxOptions, "codeCache"> = { deno, cacheFolder, importMap: map, net, denyNet, memoryLimitBytes };
  const graph = createGraphCheck({ deno, cacheFolder, stubMap });
  const warm: BoxedProcess[] = [];
  const slots = new Set<number>();
  const slotOf = new WeakMap<BoxedProcess, number>();
  const closing = new Set<Promise<void>>();
  const running = new Set<{ readonly process: BoxedProcess; readonly abort: AbortController }>();
  let closed = false;

  /** Folders are used again: what Deno compiled of a script in one of them serves the next job, and their number is bounded. */
  function open(codeCache: boolean): BoxedProcess {
    let slot = 1;
    while (slots.has(slot)) slot++;
    slots.add(slot);
    const started = startBoxedProcess({ ...box, codeCache }, join(jobsFolder, `s${slot}`));
    slotOf.set(started, slot);
    return started;
  }
  function waiting(): BoxedProcess | undefined {
    for (let one = warm.shift(); one !== undefined; one = warm.shift()) {
      if (one.alive) return one;
      leave(one, 0);
    }
    return undefined;
  }
  function refill(): void {
    while (!closed && warm.length < poolSize) {
      const started = open(true);
      warm.push(started);
      // Not at once: a job may be about to come, and would wait for it.
      const timer = setTimeout(() => {
        if (!warm.includes(started) || !started.alive) return;
        started.send("preload windmill-client");
        tidyLater();
      }, IDLE_MS);
      void started.ended.then(() => clearTimeout(timer));
    }
  }
  function leave(one: BoxedProcess, graceMs: number): void {
    const promise = one.close(graceMs).finally(() => {
      slots.delete(slotOf.get(one) ?? 0);
      closing.delete(promise);
    });
    closing.add(promise);
  }

  let tidying: ReturnType<typeof setTimeout> | undefined;
  function tidyLater(): void {
    if (closed) return;
    tidying ??= setTimeout(() => {
      tidying = undefined;
      void shortenLogs(cacheFolder);
    }, TIDY_MS);
  }

  async function run(job: RunnerJob, io: RunnerIo): Promise<JobOutcome> {
    if (closed) throw new Error(`Cannot run job "${job.id}": the runner is closed`);
    if (io.signal.aborted) return canceled(io.signal);
    const abort = new AbortController();
    const signal = AbortSignal.any([io.signal, abort.signal]);
    let entry: { readonly process: BoxedProcess; readonly abort: AbortController } | undefined;
    let graceMs = 0;
    let refilling: ReturnType<typeof setTimeout> | undefined;
    try {
      const prepared = await prepare(job, io.session !== undefined);
      if (closed) throw new Error(`Cannot run job "${job.id}": the runner is closed`);
      // V8's cache of code costs 2 ms and saves 4 to whoever imports this package (measured): who imports nothing has no use for it.
      const process = waiting() ?? open(prepared.imports);
      entry = { process, abort };
      running.add(entry);
      write(process.folder, prepared);
      await graph.check(prepared, process.folder, signal);
      const start = startLine(job, io, prepared, process);
      const promise = execute(process, start, { ...bound(io), signal }, {
        timeoutMs: job.timeoutMs,
        memoryBytes: memoryLimitBytes,
        diskBytes: diskLimitBytes,
        killGraceMs,
        logCharacters: maxLogCharacters,
        resultCharacters: maxResultCharacters,
      });
      refilling = setTimeout(refill, REFILL_MS);
      const outcome = await promise;
      if (prepared.imports) graceMs = LEAVE_MS;
      return outcome;
    } catch (error) {
      if (signal.aborted) return canceled(signal);
      if (!(error instanceof ScriptError)) throw error;
      return { ok: false, error: { name: error.name, message: error.message } };
    } finally {
      clearTimeout(refilling);
      if (entry !== undefined) {
        running.delete(entry);
        leave(entry.process, graceMs);
      }
      if (!closed) setTimeout(refill, AFTER_MS);
      if (running.size === 0) tidyLater();
    }
  }

  refill();
  tidyLater();
  return {
    languages: ["bun", "deno", "nativets", "bunnative"],
    run,
    async [Symbol.asyncDispose]() {
      closed = true;
      clearTimeout(tidying);
      for (const { abort } of running) abort.abort(new Error("The server stops"));
      for (const one of warm.splice(0)) leave(one, 0);
      while (closing.size > 0 || running.size > 0) {
        await Promise.allSettled([...closing, ...[...running].map((one) => one.process.ended)]);
        await Promise.resolve();
      }
    },
  };
}

/**
 * Deno keeps `localStorage` and `caches` beside its cache, and has one of them for all programs of a name: what one job wrote there, the
 * next one would read. A file in the place of that folder leaves them none; workers have `caches` by themselves.
 */
function closeWebStorage(cacheFolder: string): void {
  const path = join(cacheFolder, "location_data");
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return;
  rmSync(path, { recursive: true, force: true });
  writeFileSync(path, "");
}

function write(folder: string, { files }: Prepared): void {
  const made = new Set<string>();
  for (const [path, text] of files) {
    // One after the other: made at once, each is tried before the one it is in, and the errors cost more than the folders (measured).
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const parent = path.slice(0, end);
      if (!made.has(parent)) makeFolder(join(folder, parent));
      made.add(parent);
    }
    writeFileSync(join(folder, path), text);
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    // Where upper and lower case are the same, it is there under another name.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

function startLine(job: RunnerJob, io: RunnerIo, prepared: Prepared, process: BoxedProcess): StartLine {
  const api = serverOf(job);
  if (api !== undefined) process.relayTo(api);
  return {
    mark: crypto.randomUUID(),
    entry: pathToFileURL(join(process.folder, prepared.entry)).href,
    main: job.entrypoint ?? "main",
    preprocess: job.preprocess === true,
    args: job.args,
    signatures: prepared.signatures,
    ...(prepared.workflows === undefined ? undefined : { workflows: prepared.workflows }),
    env: job.env,
    ...(prepared.client ? { client: "@windkit/windmill-client/hosted/workflow" } : {}),
    session: io.session !== undefined,
    ...(api === undefined ? {} : { api: { origin: api.origin, socket: process.socket } }),
  };
}

/** Where the job reaches its server, when that is on this machine: other services of it are closed to a script. */
function serverOf({ env }: RunnerJob): RelayTarget & { readonly origin: string } | undefined {
  const text = env["BASE_INTERNAL_URL"] || env["BASE_URL"] || "";
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname: name, host, port, origin } = new URL(text);
  const hostname = name.replace(/^\[|\]$/g, "");
  if (protocol !== "http:" || !/^(?:127(?:\.\d+){3}|localhost|::1)$/.test(hostname)) return undefined;
  return { origin, hostname, host, port: Number(port || 80) };
}

function canceled({ reason }: AbortSignal): JobOutcome {
  return {
    ok: false,
    error: { name: "Canceled", message: reason instanceof Error ? reason.message : String(reason) },
  };
}

/** The same with functions that need no receiver. */
function bound(io: RunnerIo): RunnerIo {
  return {
    log: (text) => io.log(text),
    stream: (text) => io.stream(text),
    memory: (bytes) => io.memory?.(bytes),
    signal: io.signal,
    ...(io.session === undefined ? {} : { session: io.session }),
  };
}
