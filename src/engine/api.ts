/**
 * The engine's public shape. `engine.ts` builds it.
 *
 * @module
 */
import type { ChangeModes, Failure, JournalRecord, Json, Key, LogLevel, RunStatus } from "../workflow/journal.ts";
import type { JournalFile } from "./journal_file.ts";
import type { StoreRunOptions } from "./journal_store.ts";
import type { Executor, Host, Message, RunQuery, RunRow, RunState, Storage } from "./ports.ts";

/** A workflow: what `workflow(fn)` returns, or any async function. */
// deno-lint-ignore no-explicit-any -- parameters of user functions are contravariant: `unknown[]` would refuse them all
export type WorkflowFunction = (...args: any[]) => unknown;

/** How an engine is made. */
export interface EngineOptions {
  /** Where runs are kept. The engine owns it: closing the engine closes the storage. */
  readonly storage: Storage;
  /** Workflows by name. */
  readonly workflows: Readonly<Record<string, WorkflowFunction>>;
  /** Hash of each workflow's source, by name: recorded in a run's header. @default {} */
  readonly sources?: Readonly<Record<string, string>>;
  /** Shown beside each attempt, with the process id. @default "engine" */
  readonly name?: string;
  /** Tasks and steps that run at once, over all runs. @default 256 */
  readonly concurrency?: number;
  /** Runs that are replayed or started at once; more wait in the storage. @default 1000 */
  readonly maxActiveRuns?: number;
  /** Started runs that may wait to begin before `start()` makes its caller wait. @default 10000 */
  readonly maxQueuedRuns?: number;
  /** Parked runs that are kept in memory, ready to go on without a replay. @default 256 */
  readonly maxParkedInMemory?: number;
  /** Runs `taskScript` and `taskFlow`. Without one they fail with `HostUnsupportedError`. */
  readonly executor?: Executor;
  /** Clock, randomness, context: replaced in tests. */
  readonly host?: Host;
  /** Metrics and logs. Called synchronously; what it throws is ignored. */
  readonly onEvent?: (event: EngineEvent) => void;
  /** `always` replays a run from its journal before every outcome: slow, for tests. @default "when-needed" */
  readonly replay?: "when-needed" | "always";
  /** Records where in the source each name was called first, for errors. A stack costs 5 to 90 µs, once per name. @default true */
  readonly callSites?: boolean;
  /**
   * What a replay does about a recorded call whose arguments, or whose function, have changed since.
   * @default arguments: fail, code: follow
   */
  readonly changes?: ChangeModes;
  /** How long a cancelled body may go on, in milliseconds. @default 5000 */
  readonly cancelGraceMs?: number;
  /** Closed runs older than this are removed while the engine runs, in milliseconds. @default undefined: kept for ever */
  readonly retentionMs?: number;
}

/** How a run is started. */
export interface StartOptions {
  /** Chosen by the caller, to make the start idempotent. @default a random id */
  readonly runId?: string;
  /** The run fails with `DeadlineError` after this many milliseconds. */
  readonly deadlineMs?: number;
  /** Gives up waiting for a place in the queue. */
  readonly signal?: AbortSignal;
}

/** One run. */
export interface RunHandle {
  /** Id of the run. */
  readonly id: string;
  /**
   * Waits for the end of the run, also when it was started by an earlier process.
   * Throws `RunFailedError`, `CancelledError`, `DeadlineError`, `ReplayMismatchError`, or the signal's reason.
   */
  result(options?: { readonly signal?: AbortSignal }): Promise<Json>;
  /** The run as it is stored now. Throws `UnknownRunError`. */
  row(): Promise<RunRow>;
  /** Asks the run to end. Resolves when the request is durable. */
  cancel(reason?: string): Promise<void>;
}

/** An answer to `waitForApproval`. */
export interface ApprovalAnswer {
  /** Granted or rejected. @default true */
  readonly approved?: boolean;
  /** What the approver entered. @default null */
  readonly value?: Json;
  /** Who answered. @default "anonymous" */
  readonly approver?: string;
}

/** An approval that a run waits for. */
export interface PendingApproval {
  /** Id of the run. */
  readonly run: string;
  /** Name of its workflow. */
  readonly workflow: string;
  /** Key of the approval. */
  readonly key: Key;
  /** JSON schema of the form that the body asked for. */
  readonly form?: Json;
  /** When it will be given up, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What an engine tells its `onEvent`. */
export type EngineEvent =
  | { readonly event: "run_started"; readonly run: string; readonly workflow: string }
  | { readonly event: "run_resumed"; readonly run: string; readonly workflow: string; readonly records: number }
  | {
    readonly event: "call_started";
    readonly run: string;
    readonly key: Key;
    readonly kind: "task" | "step" | "undo";
    readonly name: string;
    readonly attempt: number;
    readonly at: number;
  }
  | {
    readonly event: "call_settled";
    readonly run: string;
    readonly key: Key;
    readonly kind: "task" | "step" | "sleep" | "approval" | "event" | "child" | "undo";
    readonly ok: boolean;
    readonly startedAt: number;
    readonly at: number;
    readonly failure?: Failure;
  }
  | {
    readonly event: "call_dropped";
    readonly run: string;
    readonly key: Key;
    /** Why the late outcome of an attempt did not count. */
    readonly why: "superseded" | "run-closed" | "engine-closed";
  }
  | { readonly event: "sleep_started"; readonly run: string; readonly key: Key; readonly dueAt: number }
  | {
    readonly event: "approval_waiting";
    readonly run: string;
    readonly key: Key;
    readonly form?: Json;
    readonly expiresAt: number;
  }
  | { readonly event: "run_parked"; readonly run: string; readonly wakeAt?: number; readonly waits: readonly string[] }
  | { readonly event: "run_closed"; readonly run: string; readonly status: RunStatus; readonly failure?: Failure }
  | { readonly event: "run_stopped"; readonly run: string; readonly error: Error }
  | {
    readonly event: "log";
    readonly run: string;
    readonly level: LogLevel;
    readonly message: string;
    readonly data?: Json;
    readonly at: number;
  }
  | { readonly event: "committed"; readonly writes: number; readonly ms: number }
  | { readonly event: "warning"; readonly run?: string; readonly message: string }
  | { readonly event: "failed"; readonly error: Error };

/** Drives runs on this machine. */
export interface Engine extends AsyncDisposable {
  /** Records a run and begins it. Waits while the queue is full. Same id, workflow and arguments: the run that exists. */
  start(workflow: string, args?: Json, options?: StartOptions): Promise<RunHandle>;
  /**
   * Stores a run that was read from a file, in one commit, and goes on with it unless it has ended. The same journal under the same
   * id again: the run that exists. Throws `RunExistsError` when that one's journal is another.
   */
  importRun(file: JournalFile, options?: StoreRunOptions): Promise<RunHandle>;
  /** A run that exists. Throws `UnknownRunError`. */
  run(id: string): Promise<RunHandle>;
  /** Newest first. */
  runs(query?: Partial<RunQuery>): Promise<readonly RunRow[]>;
  /** The verified journal of a run. Throws `UnknownRunError`, `JournalCorruptError`. */
  journal(id: string): Promise<readonly JournalRecord[]>;
  /** Answers an approval, also one that is not waited for yet. `key` is optional when exactly one is waited for. */
  approve(runId: string, key?: Key, answer?: ApprovalAnswer): Promise<void>;
  /** Approvals that a run waits for. */
  approvals(runId: string): Promise<readonly PendingApproval[]>;
  /** Leaves a message for a run. */
  post(message: Omit<Message, "at">): Promise<void>;
  /** Asks a run to end; does nothing when it has ended. Throws `UnknownRunError`. */
  cancel(runId: string, reason?: string): Promise<void>;
  /** Removes closed runs that ended before now minus `olderThanMs`; returns how many. */
  prune(olderThanMs: number): Promise<number>;
  /** Resolves when nothing runs and nothing is due: every run is parked or closed. */
  idle(): Promise<void>;
  /** Aborts running attempts (they run again later), commits what settled, frees the storage. */
  close(): Promise<void>;
  /** The error that stopped the engine, after which every call rejects with it. */
  readonly failed: Error | undefined;
  /** Numbers of this moment. */
  stats(): EngineStats;
}

/** Numbers of one moment. */
export interface EngineStats {
  /** Runs with a live session. */
  readonly live: number;
  /** Attempts that run now. */
  readonly running: number;
  /** Attempts that wait for a place. */
  readonly waiting: number;
  /** Runs that wait to begin. */
  readonly queued: number;
  /** Commits and the writes in them, since the engine began. */
  readonly commits: number;
  /** Writes in all commits. */
  readonly writes: number;
  /** Runs replayed from their journal since the engine began. */
  readonly replays: number;
}

/** States in the order a run usually passes them. */
export const RUN_STATES: readonly RunState[] = ["ready", "active", "parked", "closed", "orphan"];
