/**
 * Jobs: recorded, run, told about, and ended exactly once.
 *
 * A job's end is one transaction: its outcome, the rest of its log, and what a workflow notes of it. What ran when the server
 * died is begun again, or fails; a job that has ended never changes.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { JobError, JobOutcome, Runner, RunnerJob } from "../../runner/ports.ts";
import { badRequest } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Database, Folder, Identity, Job, JobHooks, JobRequest, Jobs, Script, Secrets } from "../ports.ts";
import { type EnvironmentParts, runnerJobOf } from "./environment.ts";
import { createOutput } from "./output.ts";
import { createQueue, type Running } from "./queue.ts";
import { createResultCache } from "./result_cache.ts";
import { openPreviewModules } from "./preview_modules.ts";
import { createJobTable, type Ending, type JobState } from "./table.ts";
import { createStoredTexts } from "../stored_text.ts";
import { createWatchers } from "./watchers.ts";

/** How jobs are kept and run. */
export interface JobsOptions {
  /** Jobs that run at a time. Children that their parents may be waiting for come on top. @default 4 */
  readonly concurrency?: number;
  /**
   * What becomes of a job that ran when the server died: it is begun again, as a worker does with a job whose worker is gone, or
   * it fails.
   *
   * @default "requeue"
   */
  readonly interrupted?: "requeue" | "fail";
  /** How often a job is begun again that never got further; then it fails. @default 3 */
  readonly maxRestarts?: number;
  /** Longest log of a job, and longest streamed result, in characters. @default 4194304 */
  readonly maxOutputChars?: number;
  /** How long a job may run that sets no time of its own, in seconds. @default 86400 */
  readonly timeoutS?: number;
  /** How long ended jobs are kept, in seconds. @default 2592000, 30 days */
  readonly retentionS?: number;
}

/** What {@linkcode createJobs} needs. */
export interface JobsParts extends EnvironmentParts {
  readonly database: Database;
  readonly folder: Folder;
  readonly secrets: Secrets;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly runnerOf: (language: string) => Runner | undefined;
  /** Hears errors that are nobody's: those of watchers and hooks, and of the database while a job ends. */
  readonly report: (error: unknown) => void;
  readonly options: JobsOptions;
}

/** Jobs, and what opens and closes them. */
export interface ServerJobs extends Jobs {
  /** Takes up what an earlier process left, and begins jobs. Nothing runs before. */
  begin(): void;
  /** Begins nothing any more, waits for what runs at most so long, and then stops it; it is begun again by the next server. */
  close(drainMs: number): Promise<void>;
}

/** A runner that does not end a job in time is not waited for any longer than this. */
const GRACE_MS = 5_000;

/** How deep jobs may be below each other: each that waits for its child is a process, beside those that have places. */
const DEEPEST = 50;

/** How often it is looked for jobs that are not kept any more, and how many are forgotten in one commit. */
const RETENTION_EVERY_MS = 3_600_000, RETENTION_BATCH = 200;

/** Why a running job is stopped. */
class JobStoppedError extends Error {
  override readonly name = "AbortError";
}

/** The error of a cancelled job, in the server's words. */
function canceledError(by: string, reason: string): JobError {
  return { message: `Job canceled: ${reason} by ${by}`, name: "Canceled", reason, canceler: by };
}

/** The same value with each of its texts changed. */
function mapTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item: Json) => mapTexts(item, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, mapTexts(item, change)]));
}

/** A failure that is not of the job's own code. */
function failed(message: string, name = "ExecutionErr"): JobOutcome {
  return { ok: false, error: { name, message } };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The key that limits how many run at a time: the caller's, with what it refers to filled in, or the script's. */
function concurrencyKeyOf(request: JobRequest, workspace: string): string | undefined {
  if (request.concurrentLimit === undefined) return request.concurrencyKey;
  const { concurrencyKey = `$workspace/script/${request.path ?? request.hash ?? ""}`, args } = request;
  return concurrencyKey.replaceAll("$workspace", workspace).replace(/\$args\[(\w+)\]/g, (_, name: string) => {
    const value = args[name] ?? "";
    return typeof value === "string" ? value : JSON.stringify(value);
  });
}

/** Makes the jobs of a server. */
export function createJobs(parts: JobsParts): ServerJobs {
  const { database, folder, secrets, identity, clock, newId, runnerOf, report, workspace } = parts;
  const {
    concurrency = 4,
    interrupted = "requeue",
    maxRestarts = 3,
    maxOutputChars = 4 * 1024 * 1024,
    timeoutS: longestS = 86_400,
    retentionS = 30 * 86_400,
  } = parts.options;
  const texts = createStoredTexts(secrets);
  const table = createJobTable(database, texts);
  const previewModules = openPreviewModules(database, texts);
  const cache = createResultCache(database, texts, sentModules);
  const watchers = createWatchers(report);
  const output = createOutput({
    database,
    clock,
    secrets,
    texts,
    maxChars: maxOutputChars,
    told: (job, event, text, offset) => watchers.tell(job, { event, text, offset }),
  });
  const hooks: JobHooks = {};
  let draining = false, closing = false;
  let retentionTimer: unknown;

  const queue = createQueue({
    table,
    clock,
    concurrency,
    // A loss of power gives it back to the queue, from where it is begun again.
    claim: (id) =>
      database.passing(() => {
        if (!table.move(id, ["queued"], "running", clock.now())) return false;
        database.afterCommit(() => watchers.tell(id, { event: "started" }));
        return true;
      }),
    execute: (running) => execute(running).catch(report),
  });

  /** Ends a job, in a transaction with all that belongs to its end; false when it has ended before. */
  function end(id: string, outcome: JobOutcome, more: Partial<Ending> = {}): boolean {
    return database.transaction(() => {
      if ((table.state(id) ?? "ended") === "ended") return false;
      output.finish(id);
      const success = outcome.ok;
      const asked = outcome.ok ? undefined : table.get(id);
      const error = asked?.canceledBy === undefined
        ? undefined
        : canceledError(asked.canceledBy, asked.canceledReason ?? "");
      const result: Json = outcome.ok ? outcome.result : { error: cleanError(error ?? outcome.error) };
      table.end(id, { success, result, args: outcome.args, ...more }, clock.now());
      const job = table.get(id);
      if (job !== undefined) tellHook(job, outcome);
      database.afterCommit(() => {
        identity.endJobToken(id);
        watchers.tell(id, { event: "completed", success });
      });
      return true;
    });
  }

  function cleanError(error: JobError): Json {
    // `as`: an error has no undefined fields once it was written as JSON.
    return mapTexts(JSON.parse(JSON.stringify(error)) as Json, (text) => secrets.redact(text));
  }

  function tellHook(job: Job, outcome: JobOutcome): void {
    if (hooks.ended === undefined) return;
    try {
      database.transaction(() => hooks.ended?.(job, outcome));
    } catch (error) {
      // What it wrote is undone; the job ends all the same.
      report(error);
    }
  }

  /** Lets a job go on at a time. One that goes on now keeps the time that it was scheduled for, and its place in the queue. */
  function delay(id: string, at: number): void {
    if (at > clock.now()) table.setSchedule(id, at);
  }

  /** Lets a job wait for something outside; or go on at once, when what it waits for came meanwhile. */
  function suspend(id: string, { resumeAt }: Running): void {
    database.transaction(() => {
      output.finish(id);
      const to: JobState = resumeAt === undefined ? "suspended" : "queued";
      if (!table.move(id, ["running"], to, clock.now())) return;
      if (resumeAt !== undefined) delay(id, resumeAt);
      table.clearRestarts(id);
      database.afterCommit(() => {
        identity.endJobToken(id);
        watchers.tell(id, { event: "suspended" });
      });
    });
  }

  /** Modules that came with code which is not deployed. A task in its workflow's process has those of that. */
  function sentModules({ id, content, parent }: Job): Script["modules"] {
    if (content === undefined) return undefined;
    return previewModules.get(id) ?? (parent === undefined ? undefined : previewModules.get(parent));
  }

  function modulesOf({ id, content, hash }: Job): Script["modules"] {
    if (content !== undefined) return previewModules.get(id);
    return hash === undefined ? undefined : folder.scriptByHash(hash)?.modules;
  }

  function codeOf(job: Job): Pick<RunnerJob, "content" | "modules"> {
    if (job.content !== undefined) {
      const modules = modulesOf(job);
      return { content: job.content, ...modules === undefined ? {} : { modules } };
    }
    const script = job.hash === undefined ? undefined : folder.scriptByHash(job.hash);
    if (script === undefined) {
      throw new Error(`Script ${job.path ?? ""} has no version ${job.hash ?? "of that name"} here`);
    }
    return script;
  }

  async function execute(running: Running): Promise<void> {
    const { id } = running;
    const job = table.get(id);
    if (job === undefined) return;
    const cached = cache.get(job, clock.now());
    if (cached !== undefined) {
      output.write(id, "log", "[Windkit: the result is one of the cache]\n");
      end(id, { ok: true, result: cached });
      return;
    }
    const outcome = await outcomeOf(job, running);
    if (outcome === undefined) return;
    if (outcome === "suspended") return suspend(id, running);
    // What was stopped because the server ends is begun again: its outcome says nothing.
    if (closing && running.abort.signal.aborted) return;
    database.transaction(() => {
      if (end(id, outcome) && outcome.ok) cache.put(job, outcome.result, clock.now());
    });
  }

  /** Runs a job; undefined when it has ended otherwise meanwhile. */
  async function outcomeOf(job: Job, { abort }: Running): Promise<JobOutcome | "suspended" | undefined> {
    const { id } = job;
    const isOpen = (): boolean => table.state(id) === "running";
    try {
      const runner = runnerOf(job.language);
      const token = identity.issueJobToken(id);
      output.hide(id, token);
      const timeoutS = Math.min(job.timeoutS ?? longestS, longestS);
      let made: RunnerJob | undefined;
      const execution = {
        runner,
        get job() {
          return made ??= runnerJobOf(parts, { ...job, timeoutS }, codeOf(job), token, () => hooks.readSecret?.(id));
        },
        io: {
          log: (text: string) => isOpen() ? output.write(id, "log", text) : undefined,
          stream: (text: string) => isOpen() ? output.write(id, "stream", text) : undefined,
          memory: (bytes: number) => database.passing(() => table.setMemory(id, bytes)),
          signal: abort.signal,
        },
      };
      const work = hooks.run?.(job, execution) ?? runner?.run(execution.job, execution.io) ??
        Promise.resolve(failed(`Windkit runs no scripts of language ${job.language}`));
      return await inTime(work, timeoutS, abort);
    } catch (error) {
      // The runner itself could not go on, or there was nothing to give to it.
      return isOpen() ? failed(messageOf(error)) : undefined;
    }
  }

  /** The end of a job, or that it took too long: runners see to that themselves, this is for one that does not. */
  async function inTime<T>(work: Promise<T>, timeoutS: number, abort: AbortController): Promise<T | JobOutcome> {
    let timer: unknown;
    const late = new Promise<JobOutcome>((resolve) => {
      timer = clock.setTimeout(() => {
        const text = `Job timed out after ${timeoutS}s`;
        resolve(failed(text));
        abort.abort(new JobStoppedError(text));
      }, Math.min(timeoutS * 1000 + GRACE_MS, 2_147_483_647));
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clock.clearTimeout(timer);
      // Whatever becomes of it later is nobody's.
      work.catch(() => {});
    }
  }

  /** Takes up what ran when the process before ended. */
  function recover(): void {
    for (const id of table.runningIds()) {
      const job = table.get(id);
      if (job === undefined) continue;
      if (interrupted === "requeue" && job.restarts < maxRestarts) {
        database.transaction(() => {
          table.restart(id);
          output.write(id, "log", "[Windkit: the server stopped while the job ran; it is begun again]\n");
          output.finish(id);
        });
      } else {
        const times = job.restarts > 0 ? `, ${job.restarts + 1} times` : "";
        end(id, failed(`The server stopped while the job ran${times}`, "JobInterrupted"));
      }
    }
  }

  function forgetOld(): void {
    const now = clock.now();
    cache.expire(now);
    const before = now - retentionS * 1000;
    const dropped = database.transaction(() => table.drop(before, RETENTION_BATCH));
    // Whoever has seen a value was made before it was used last.
    secrets.forget?.(Math.min(before, table.oldest() ?? now));
    if (dropped < RETENTION_BATCH) folder.forgetVersions(before, table.hashes);
    retentionTimer = clock.setTimeout(forgetOld, dropped === RETENTION_BATCH ? 50 : RETENTION_EVERY_MS);
  }

  /** Keys are compared where they are stored: one that holds a secret is stored as what can only be compared. */
  function storedKey(key: string | undefined): string | undefined {
    if (key === undefined || !secrets.holds(key)) return key;
    return `secret:${createHmac("sha256", secrets.signingKey).update(key).digest("hex")}`;
  }

  async function start(request: JobRequest, unacknowledged = false): Promise<Job> {
    const id = request.id ?? newId();
    const commit = unacknowledged ? database.passing : database.transaction;
    return await Promise.resolve(commit(() => {
      // An id that was made here is nobody else's.
      const before = request.id === undefined ? undefined : table.get(id);
      if (before !== undefined) return before;
      if (request.parent !== undefined && table.depth(request.parent, DEEPEST) >= DEEPEST) {
        throw badRequest(`a job has at most ${DEEPEST} jobs above it: does a script start itself without end?`);
      }
      const { parent, root = parent === undefined ? undefined : table.get(parent)?.root ?? parent } = request;
      const job = table.insert(request, id, root, storedKey(concurrencyKeyOf(request, workspace)), clock.now());
      if (request.modules !== undefined) previewModules.put(id, request.modules);
      database.afterCommit(() => queue.pump());
      return job;
    }));
  }

  /** True when a job ends of itself, and those below it with it. */
  function endsItself(id: string, by: string, reason: string): boolean {
    const job = hooks.cancel === undefined ? undefined : table.get(id);
    if (job === undefined || hooks.cancel?.(job, by, reason) !== true) return false;
    table.setCanceled(id, by, reason);
    return true;
  }

  function cancel(id: string, by: string, why: string, force = false): Promise<boolean> {
    const reason = secrets.redact(why);
    const ended = database.transaction(() => {
      if ((table.state(id) ?? "ended") === "ended") return undefined;
      const more = { canceledBy: by, canceledReason: reason };
      const ids: string[] = [];
      // Parents come before their children.
      const left = new Set<string>();
      for (const { id: each, parent } of [{ id, parent: null }, ...table.openBelow(id)]) {
        if (parent !== null && left.has(parent)) left.add(each);
        else if (!force && endsItself(each, by, reason)) left.add(each);
        else ids.push(each);
      }
      for (const each of ids) end(each, { ok: false, error: canceledError(by, reason) }, more);
      // One that runs gives its place back when its process has ended; others of its key need not wait for that.
      database.afterCommit(() => queue.pump());
      return ids;
    });
    for (const each of ended ?? []) {
      queue.running(each)?.abort.abort(new JobStoppedError(`Job canceled: ${reason} by ${by}`));
      if (force) queue.release(each);
    }
    return Promise.resolve(ended !== undefined);
  }

  function resume(id: string, at: number): boolean {
    const running = queue.running(id);
    return database.transaction(() => {
      const state = table.state(id);
      if (state === "running") {
        if (running !== undefined) running.resumeAt = Math.min(running.resumeAt ?? Infinity, at);
        return true;
      }
      if (!table.move(id, ["suspended"], "queued", clock.now())) return state === "queued";
      delay(id, at);
      database.afterCommit(() => {
        watchers.tell(id, { event: "resumed" });
        queue.pump();
      });
      return true;
    });
  }

  function wait(id: string, signal?: AbortSignal): Promise<Job> {
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        const state = table.state(id);
        if (state !== undefined && state !== "ended") return false;
        const job = table.get(id);
        if (job === undefined) reject(new Error(`Cannot wait for job "${id}": there is none`));
        else resolve(job);
        return true;
      };
      if (signal?.aborted) return reject(signal.reason);
      if (look()) return;
      const watch = watchers.watch(id, ({ event }) => {
        if (event !== "completed") return;
        watch[Symbol.dispose]();
        signal?.removeEventListener("abort", stop);
        look();
      });
      function stop(): void {
        watch[Symbol.dispose]();
        reject(signal?.reason);
      }
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  /** Waits for something, but not for longer. */
  async function within(work: Promise<void>, ms: number): Promise<void> {
    let timer: unknown;
    const late = new Promise<void>((resolve) => timer = clock.setTimeout(resolve, ms));
    await Promise.race([work, late]);
    clock.clearTimeout(timer);
  }

  async function close(drainMs: number): Promise<void> {
    if (closing) return;
    draining = true;
    queue.stop();
    if (drainMs > 0) await within(queue.idle(), drainMs);
    closing = true;
    if (hooks.close !== undefined) await within(hooks.close().catch(report), GRACE_MS);
    const left = queue.all();
    for (const { abort } of left) abort.abort(new JobStoppedError("The server stops"));
    if (left.length > 0) await within(queue.idle(), GRACE_MS);
    if (retentionTimer !== undefined) clock.clearTimeout(retentionTimer);
    output.close();
  }

  return {
    get draining() {
      return draining;
    },
    hooks,
    start,
    get: table.get,
    modules: modulesOf,
    list: (query) => table.list(query, clock.now()),
    count: (query) => table.count(query, clock.now()),
    log: (id, offset = 0) => output.read(id, "log", offset),
    shownLog: (id) => secrets.redact(output.read(id, "log", 0)),
    stream: (id, offset = 0) => output.read(id, "stream", offset),
    offsets: (id) => ({ log: output.end(id, "log"), stream: output.end(id, "stream") }),
    cancel,
    resume: (id, at = clock.now()) => resume(id, at),
    runNow: (id) => {
      if (table.state(id) !== "queued") return false;
      table.setSchedule(id, clock.now());
      queue.pump();
      return true;
    },
    erase: (id) => database.transaction(() => table.erase(id)),
    concurrencyGroups: table.concurrencyGroups,
    wait,
    watch: watchers.watch,
    watchAll: watchers.watchAll,
    setProgress: (id, percent) => {
      if (table.setProgress(id, percent)) watchers.tell(id, { event: "progress", percent });
    },
    updateStatus: (id, change, passing = false) =>
      (passing ? database.passing : database.transaction)(() => {
        const job = table.get(id);
        if (job === undefined) return;
        const status = change(job.workflowAsCodeStatus ?? {});
        table.setStatus(id, status);
        // It got further: what stops it next is another matter.
        table.clearRestarts(id);
        database.afterCommit(() => watchers.tell(id, { event: "status", status }));
      }),
    flowUserState: (id, key) => {
      const sql = "SELECT value FROM user_states WHERE job = ? AND key = ?";
      const row = database.get<{ readonly value: string }>(sql, id, key);
      // `as`: only JSON is written to it.
      return row && JSON.parse(texts.open(row.value, "null")) as Json;
    },
    setFlowUserState: (id, key, value) =>
      void database.run(
        "INSERT INTO user_states VALUES (?, ?, ?) ON CONFLICT (job, key) DO UPDATE SET value = excluded.value",
        id,
        key,
        texts.close(JSON.stringify(value)),
      ),
    begin: () => {
      recover();
      forgetOld();
      queue.pump();
    },
    close,
    [Symbol.asyncDispose]: () => close(0),
  };
}
