/**
 * Jobs in memory: they run for real, as functions of their arguments.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import { pause } from "../http/scope.ts";
import { isRecord } from "../wire/answer.ts";
import { until } from "./_time.ts";

/** What the function of a script or flow knows about its job, beside its arguments. */
export interface MockJobContext {
  /** Id of the job. */
  readonly id: string;
  /** Path of the script or flow; the hash of a script that was run by hash. */
  readonly path: string;
  /** Aborted when the job is cancelled. */
  readonly signal: AbortSignal;
  /** Waits, on the mock's clock; rejects when the job is cancelled. */
  readonly sleep: (ms: number) => Promise<void>;
  /** Writes to the job's log. */
  readonly log: (text: string) => void;
  /** Reports progress in percent. */
  readonly progress: (percent: number) => void;
  /** Appends to the job's result stream. */
  readonly stream: (text: string) => void;
}

/**
 * A script or flow of the mock: what it returns is the result, what it throws the error of the job. It may say which arguments
 * it takes: `(args: { x: number }) => 2 * args.x`.
 */
export type MockRunnable = {
  // As a method: the parameters of those may be narrower than what they are called with.
  run(args: Readonly<Record<string, unknown>>, job: MockJobContext): unknown;
}["run"];

/** A job of the mock. */
export interface MockJob {
  /** Its id. */
  readonly id: string;
  /** What runs. */
  readonly kind: "script" | "flow" | "preview";
  /** Path, or hash of a script that was run by hash; empty for a preview. */
  readonly path: string;
  /** Its arguments. */
  readonly args: Readonly<Record<string, unknown>>;
  /** What it is doing. */
  readonly status: "waiting" | "running" | "completed";
  /** How it ended; undefined before. */
  readonly success: boolean | undefined;
  /** Its result, `{ error }` when it failed; undefined before it ended. */
  readonly result: unknown;
  /** Its log. */
  readonly logs: string;
  /** What it streamed. */
  readonly streamed: string;
  /** How far it is, in percent; undefined when it never said. */
  readonly progress: number | undefined;
  /** The job that started it. */
  readonly parentJob: string | undefined;
  /** The outermost job that it belongs to. */
  readonly rootJob: string | undefined;
  /** Worker tag that was asked for. */
  readonly tag: string | undefined;
  /** Why it was cancelled, and by whom. */
  readonly canceled: { readonly reason: string; readonly by: string } | undefined;
  /** What jobs of this flow left for each other. */
  readonly userStates: ReadonlyMap<string, unknown>;
  /** When it was made. */
  readonly createdAt: Date;
  /** When it began, and when it ended. */
  readonly startedAt: Date | undefined;
  /** When it ended. */
  readonly endedAt: Date | undefined;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A job, as the mock changes it. */
export type JobState = Writable<Omit<MockJob, "userStates">> & { readonly userStates: Map<string, unknown> };

/** What a job is made of. */
export interface NewJob {
  readonly kind: MockJob["kind"];
  readonly path: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Undefined for a job that nothing runs: it only is there, running. */
  readonly run: MockRunnable | undefined;
  readonly id?: string | undefined;
  readonly parentJob?: string | undefined;
  readonly rootJob?: string | undefined;
  readonly tag?: string | undefined;
  /** In how many milliseconds it begins. @default 0 */
  readonly delayMs?: number;
}

/** Jobs, and who waits for a change of one. */
export interface Jobs {
  readonly all: Map<string, JobState>;
  /** Makes a job, and starts it. */
  readonly start: (job: NewJob) => JobState;
  /** Cancels a job; false when it has ended. */
  readonly cancel: (job: JobState, reason: string, by: string) => boolean;
  /** Changes a job, and tells whoever waits. */
  readonly change: (job: JobState, change: (job: JobState) => void) => void;
  /** Calls `wake` at each change of a job, until the returned function is called. */
  readonly watch: (id: string, wake: () => void) => () => void;
  /** Waits until a job ended. */
  readonly ended: (job: JobState, signal: AbortSignal) => Promise<void>;
  /** Cancels all jobs that have not ended, and forgets their timers. */
  readonly close: () => void;
}

/** The error of a failed job's result, as a worker writes it. */
export function errorOf(thrown: unknown): Readonly<Record<string, unknown>> {
  if (!(thrown instanceof Error)) return { name: "Error", message: typeof thrown === "string" ? thrown : `${thrown}` };
  const { name, message, stack } = thrown;
  const extra = Object.fromEntries(Object.entries(thrown).filter(([key]) => !/^(name|message|stack)$/.test(key)));
  return { name, message, stack, ...(Object.keys(extra).length === 0 ? {} : { extra }) };
}

/** A value as JSON has it: what a worker keeps of a result. */
function jsonOf(value: unknown): unknown {
  const written = JSON.stringify(value);
  return written === undefined ? null : JSON.parse(written);
}

/** Makes the jobs of a mock. */
export function createJobs(clock: Clock, nextId: () => string): Jobs {
  const all = new Map<string, JobState>();
  const watchers = new Map<string, Set<() => void>>();
  const aborts = new Map<string, AbortController>();

  function change(job: JobState, apply: (job: JobState) => void): void {
    apply(job);
    for (const wake of [...watchers.get(job.id) ?? []]) wake();
  }

  function end(job: JobState, success: boolean, result: unknown): void {
    if (job.status === "completed") return;
    aborts.delete(job.id);
    change(job, () => {
      Object.assign(job, { status: "completed", success, result, endedAt: new Date(clock.now()) });
    });
  }

  async function execute(job: JobState, run: MockRunnable, delayMs: number, signal: AbortSignal): Promise<void> {
    const sleep = (ms: number): Promise<void> => pause(clock, ms, signal);
    const add = (field: "logs" | "streamed", text: string): void => change(job, () => job[field] += text);
    try {
      await sleep(delayMs);
      change(job, () => Object.assign(job, { status: "running", startedAt: new Date(clock.now()) }));
      const result = await run(job.args, {
        id: job.id,
        path: job.path,
        signal,
        sleep,
        log: (text) => add("logs", text.endsWith("\n") ? text : `${text}\n`),
        stream: (text) => add("streamed", text),
        progress: (percent) => change(job, () => job.progress = Math.min(99, Math.max(0, Math.floor(percent)))),
      });
      end(job, true, jsonOf(result));
    } catch (error) {
      end(job, false, { error: jsonOf(errorOf(error)) });
    }
  }

  function watch(id: string, wake: () => void): () => void {
    const set = watchers.get(id) ?? new Set();
    watchers.set(id, set.add(wake));
    return () => {
      set.delete(wake);
      if (set.size === 0) watchers.delete(id);
    };
  }

  function cancel(job: JobState, reason: string, by: string): boolean {
    if (job.status === "completed") return false;
    job.canceled = { reason, by };
    const error = { message: `Job canceled: ${reason} by ${by}`, name: "Canceled", reason, canceler: by };
    const abort = aborts.get(job.id);
    end(job, false, { error });
    abort?.abort(new DOMException(`Job canceled: ${reason}`, "AbortError"));
    return true;
  }

  return {
    all,
    cancel,
    change,
    watch,
    start: ({ kind, path, args, run, id = nextId(), parentJob, rootJob, tag, delayMs = 0 }) => {
      const now = new Date(clock.now());
      const job: JobState = {
        id,
        kind,
        path,
        args,
        status: run === undefined ? "running" : "waiting",
        success: undefined,
        result: undefined,
        logs: "",
        streamed: "",
        progress: undefined,
        parentJob,
        rootJob,
        tag,
        canceled: undefined,
        userStates: new Map(),
        createdAt: now,
        startedAt: run === undefined ? now : undefined,
        endedAt: undefined,
      };
      all.set(id, job);
      if (run !== undefined) {
        const abort = new AbortController();
        aborts.set(id, abort);
        // It never rejects: what is thrown is the job's error.
        void Promise.resolve().then(() => execute(job, run, delayMs, abort.signal));
      }
      return job;
    },
    ended: (job, signal) => {
      let forget: (() => void) | undefined;
      const done = new Promise<void>((resolve) => {
        const look = (): void => {
          if (job.status === "completed") resolve();
        };
        forget = watch(job.id, look);
        look();
      });
      return until(done, signal).finally(() => forget?.());
    },
    close: () => {
      for (const job of all.values()) cancel(job, "the mock was closed", "mock");
    },
  };
}

/** The outermost job that a job belongs to, as the server finds it. */
export function rootOf(job: MockJob): string {
  return job.rootJob ?? job.parentJob ?? job.id;
}

/** Arguments in a request's body: an object, or nothing. */
export function argsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}
