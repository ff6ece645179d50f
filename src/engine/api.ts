/**
 * The engine's public shape. `engine.ts` builds it.
 *
 * @module
 */
import type { StandardSchema } from "../base/standard_schema.ts";
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
  /** As by `prune`, runs that ended so long ago are removed while the engine runs, in milliseconds. @default undefined: kept for ever */
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
   * Waits for the end of the run, also when it was started by an earlier process; of the last one that goes on for it, if any does.
   * Throws `RunFailedError`, `CancelledError`, `DeadlineError`, `ReplayMismatchError`, or the signal's reason.
   */
  result(options?: { readonly signal?: AbortSignal }): Promise<Json>;
  /** The run as it is stored now. Throws `UnknownRunError`. */
  row(): Promise<RunRow>;
  /** Asks the run to end. Resolves when the request is durable. */
  cancel(reason?: string): Promise<void>;
  /** Sends an event, as `engine.signal` does. */
  signal<T>(event: TypedEvent<T>, payload: T, options?: SignalOptions): Promise<void>;
  /** The same by name. */
  signal(name: string, payload?: Json, options?: SignalOptions): Promise<void>;
  /** What the body said last of how far it is; undefined when it has said nothing. */
  progress(): Promise<Json | undefined>;
}

/** A kind of event with a typed payload: what `defineEvent` gives. */
export interface TypedEvent<T> {
  /** Name under which it is sent. */
  readonly name: string;
  /** What its payload must be: the run checks it when it takes the event. */
  readonly schema: StandardSchema<T>;
}

/** How an event is sent. */
export interface SignalOptions {
  /**
   * Known to the sender: an event of an id that the run has, or has taken, is not sent again. Of the earlier runs of a chain the
   * last ten are looked at.
   *
   * @default a random one
   */
  readonly id?: string;
}

/** From where on a run is forked. */
export interface ForkOptions {
  /** The call whose outcome is forgotten, and whatever came after it. */
  readonly from: Key;
  /** Id of the new run. @default a random one */
  readonly runId?: string;
  /** Other arguments: what was recorded must still be what the body asks for. @default those of the run */
  readonly args?: Json;
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
  /** How it is shown, and who may answer: `selfApproval`, `skin`, `description`, as the body gave them. */
  readonly options?: Json;
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
    /** How it is shown, and who may answer: `selfApproval`, `skin`, `description`, as the body gave them. */
    readonly options?: Json;
    readonly timeoutMs: number;
    readonly expiresAt: number;
  }
  | {
    readonly event: "event_waiting";
    readonly run: string;
    readonly key: Key;
    readonly name: string;
    readonly expiresAt?: number;
  }
  | {
    readonly event: "child_waiting";
    readonly run: string;
    readonly key: Key;
    readonly workflow: string;
    /** Id of the child's run. */
    readonly child: string;
  }
  | {
    readonly event: "answer_refused";
    readonly run: string;
    readonly key: Key;
    readonly kind: "approval" | "event";
    /** Id of the message. */
    readonly inbox: string;
    readonly reason: string;
  }
  | { readonly event: "progress"; readonly run: string; readonly value: Json; readonly at: number }
  | {
    readonly event: "log";
    readonly run: string;
    readonly level: LogLevel;
    readonly message: string;
    readonly data?: Json;
    readonly at: number;
  }
  | { readonly event: "run_parked"; readonly run: string; readonly wakeAt?: number; readonly waits: readonly string[] }
  | {
    readonly event: "run_closed";
    readonly run: string;
    readonly status: RunStatus;
    readonly failure?: Failure;
    /** The run that goes on for it. */
    readonly next?: string;
  }
  | { readonly event: "run_stopped"; readonly run: string; readonly error: Error }
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
  /**
   * Answers an approval, also one that is not waited for yet. `key` is optional when exactly one is waited for. The first answer
   * that fits counts. Throws `NotWaitingError` when the run has ended, the approval has an answer or, without a key, not exactly one is
   * waited for; `ValidationError` when the answer does not fit the approval's form: the run still waits.
   */
  approve(runId: string, key?: Key, answer?: ApprovalAnswer): Promise<void>;
  /**
   * Sends an event: taken by the run's first wait for that name, kept when there is none yet. Throws `UnknownRunError`,
   * `StorageFailedError` when too many messages wait for the run already, `ValidationError` when the payload does not fit what
   * the run waits for, which then still waits.
   */
  signal<T>(runId: string, event: TypedEvent<T>, payload: T, options?: SignalOptions): Promise<void>;
  /** The same by name. */
  signal(runId: string, name: string, payload?: Json, options?: SignalOptions): Promise<void>;
  /** What the body of a run said last of how far it is; undefined when it has said nothing. Throws `UnknownRunError`. */
  progress(runId: string): Promise<Json | undefined>;
  /** A new run that begins with a copy of another one's journal, up to the outcome of a call. Throws `RangeError` for an unknown call. */
  fork(runId: string, options: ForkOptions): Promise<RunHandle>;
  /** Goes on with undoing what a run did, after an undo has failed and its cause was mended. Throws when it has nothing to undo. */
  resumeUndo(runId: string): Promise<RunHandle>;
  /** Approvals that a run waits for. */
  approvals(runId: string): Promise<readonly PendingApproval[]>;
  /** Leaves a message for a run. */
  post(message: Omit<Message, "at">): Promise<void>;
  /** Asks a run, or the one that goes on for it, to end; does nothing when it has ended. Throws `UnknownRunError`. */
  cancel(runId: string, reason?: string): Promise<void>;
  /**
   * Removes runs that ended before now minus `olderThanMs`, with their journals; returns how many. An id is free again then.
   *
   * Runs that went on as others (`continueAsNew`) are removed as one, when the last of them ended so long ago. While that goes on, the
   * first is kept, by whose id everybody knows it, and those between that ended before are removed.
   */
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
