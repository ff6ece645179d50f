/**
 * What runs a job's code: one file for each language behind one port. A runner knows no job table, no HTTP and no folder; it is given
 * all it needs, and gives an outcome back.
 *
 * @module
 */
import type { Json } from "../workflow/journal.ts";

/** A job's code and what it is run with. */
export interface RunnerJob {
  /** Id of the job: `WM_JOB_ID`. */
  readonly id: string;
  /** Language, in Windmill's names: `bun`, `deno`, `postgresql`, `duckdb`. */
  readonly language: string;
  /** The code. */
  readonly content: string;
  /** The script's modules by their paths, `utils/math.ts`: its relative imports look here first. */
  readonly modules?: Readonly<Record<string, { readonly content: string; readonly language: string }>>;
  /** Path of the script, `f/folder/name`; absent for a preview without one. */
  readonly path?: string;
  /** Arguments by name, `$var:` and `$res:` resolved. */
  readonly args: Readonly<Record<string, Json>>;
  /** Exported function to call instead of `main`: a preprocessor, or the task of a workflow's job (wac-protocol 12). */
  readonly entrypoint?: string;
  /** Runs the exported `preprocessor` first; its result becomes the arguments of `main`. */
  readonly preprocess?: boolean;
  /** The job's variables of the environment: sdk-contract.md A.1. */
  readonly env: Readonly<Record<string, string>>;
  /** Longest time, in milliseconds. */
  readonly timeoutMs?: number;
  /** Source text of another script of the workspace, by its path without extension; undefined when there is none. */
  readonly resolve: (path: string) => Promise<{ readonly content: string; readonly language: string } | undefined>;
}

/** What a job says while it runs, and how it is told to stop. */
export interface RunnerIo {
  /** Text for the log, as it comes: lines end with a line feed. */
  log(text: string): void;
  /** A piece of the streamed result. */
  stream(text: string): void;
  /** Resident size of the job's process in bytes, now and then while it runs. */
  memory?(bytes: number): void;
  /** Aborted when the job is cancelled; its reason's message is shown. */
  readonly signal: AbortSignal;
  /**
   * Present for a workflow's job: lines of JSON to and from the body's process (`src/server/workflow_jobs.ts`), as
   * `wrapper/session_lines.ts` has them. `run` ends when the driver says `{"end":true}`, or the process dies.
   */
  readonly session?: { receive(line: string): void; attach(send: (line: string) => void): void };
}

/** An error as Windmill shapes it: the `error` of a failed job's result. */
export interface JobError {
  /** Name of the error. */
  readonly name: string;
  /** What went wrong. */
  readonly message: string;
  /** Stack, when there is one. */
  readonly stack?: string;
  /** Further fields: `extra`, `step_id`, `exit_code`. */
  readonly [field: string]: Json | undefined;
}

/** How a job ended. */
export type JobOutcome =
  | {
    readonly ok: true;
    readonly result: Json;
    /** Arguments that the preprocessor made. */
    readonly args?: Readonly<Record<string, Json>>;
  }
  | { readonly ok: false; readonly error: JobError; readonly args?: Readonly<Record<string, Json>> };

/**
 * The workspace's objects for one job, with the rights of its token. Errors are told to the job as they are.
 */
export interface JobObjects {
  /** A storage by its name; empty for the default one. Names that mean the same storage give the same name. */
  storage(name: string): JobStorage;
}

/** A storage, for one job. */
export interface JobStorage {
  /** Empty for the default one. */
  readonly name: string;
  /** An object as a whole; undefined when there is none. */
  read(key: string): Promise<{ readonly size: number; readonly body: ReadableStream<Uint8Array> } | undefined>;
  /** Keys that begin so, after `marker`, in the order of their bytes. `next` is the marker of the next page. */
  list(prefix: string, marker?: string): Promise<{ readonly keys: readonly string[]; readonly next?: string }>;
  /** Throws when the job may not write. */
  checkWrite(): void;
  /** Writes an object as a whole: who reads it sees the old one or the new one. */
  write(key: string, body: ReadableStream<Uint8Array>): Promise<void>;
}

/** Runs jobs of some languages. */
export interface Runner extends AsyncDisposable {
  /** Languages that it runs. */
  readonly languages: readonly string[];
  /** Runs a job to its end. Never rejects for what the job does; rejects when the runner itself cannot go on. */
  run(job: RunnerJob, io: RunnerIo): Promise<JobOutcome>;
}
