/**
 * What the engine needs from outside: a place to keep runs, somewhere to run tasks, a clock.
 *
 * `Storage` is given text and gives text back; what a record says is the engine's affair (`workflow/record_text.ts`), so an
 * adapter is small and can never disagree with another about a record's bytes.
 *
 * @module
 */
import type { Call, Capability, Encoded, Key, Outcome, RunStatus, Session, TaskInfo } from "../workflow/journal.ts";

/**
 * `ready`: recorded, not begun. `active`: something of it was running when this was written. `parked`: waits for a timer or a
 * message, and for nothing in memory. `closed`: ended. `orphan`: its workflow is not registered here.
 */
export type RunState = "ready" | "active" | "parked" | "closed" | "orphan";

/** State of a run, apart from its history: listing runs reads nothing else. */
export interface RunRow {
  /** Id of the run. */
  readonly id: string;
  /** Name of its workflow. */
  readonly workflow: string;
  /** Where it stands. */
  readonly state: RunState;
  /** How it ended, once it has. */
  readonly status?: RunStatus;
  /** Earliest time at which a parked run has something to do, in milliseconds since 1970. */
  readonly wakeAt?: number;
  /**
   * What a parked run waits for, as `kind:name`: `approval:sign_off`, `event:paid`. Of a run that was continued, when those that went
   * on for it first have been removed: `run:` and the id of the next one that is stored.
   */
  readonly waits?: readonly string[];
  /** When it was created, in milliseconds since 1970. */
  readonly createdAt: number;
  /** When it ended, in milliseconds since 1970. */
  readonly closedAt?: number;
  /** Run that started it, when it is a child. */
  readonly parent?: string;
}

/** One record of one run as it is stored. `seq` counts from 0 without a gap. */
export interface StoredRecord {
  /** Number of the record in its run. */
  readonly seq: number;
  /** The record as `workflow/record_text.ts` writes it. */
  readonly text: string;
  /** 64-bit chained check value, 16 hex digits. */
  readonly check: string;
}

/** Something left for a run by whoever may: kept until the run takes it. */
export interface Message {
  /** Chosen by the sender; a second message of the same id is ignored. */
  readonly id: string;
  /** The run that it is for. */
  readonly run: string;
  /** `settle`: a detached job or a child run ended. */
  readonly kind: "event" | "approval" | "cancel" | "settle";
  /** The approval's key, the event's name, the call's key; `""` for a cancel. */
  readonly name: string;
  /** Canonical JSON text. */
  readonly payload: Encoded;
  /** Who left it. */
  readonly from?: string;
  /** When it was left, in milliseconds since 1970. */
  readonly at: number;
}

/** Fields of a row that may change after it was created. `null` clears one. */
export interface RowChange {
  /** New state. */
  readonly state?: RunState;
  /** How the run ended. */
  readonly status?: RunStatus | null;
  /** New wake time, in milliseconds since 1970. */
  readonly wakeAt?: number | null;
  /** What the run waits for now. */
  readonly waits?: readonly string[] | null;
  /** When the run ended, in milliseconds since 1970. */
  readonly closedAt?: number | null;
}

/** One part of a commit. */
export type Write =
  /** Fails the commit when the id exists. */
  | { readonly w: "create"; readonly row: RunRow; readonly records: readonly StoredRecord[] }
  /** Fails the commit when a record of this `seq` exists (another writer came between), or the run does not. */
  | { readonly w: "append"; readonly run: string; readonly records: readonly StoredRecord[]; readonly row?: RowChange }
  /**
   * Does nothing when the id is known, also when the run has taken it already. An id that one run has taken may be posted again
   * for another run: so a message moves along with `continueAsNew`.
   */
  | { readonly w: "post"; readonly message: Message }
  | { readonly w: "take"; readonly id: string }
  /** Removes a run, its records and its messages. */
  | { readonly w: "drop"; readonly run: string };

/** Which runs to list: newest first. */
export interface RunQuery {
  /** Only runs in this state. */
  readonly state?: RunState;
  /** Only runs of this workflow. */
  readonly workflow?: string;
  /** Only runs that come after this id in the listing: the last one of the page before. */
  readonly after?: string;
  /** Only runs closed before this time; they are listed by when they closed, the last first. */
  readonly closedBefore?: number;
  /** Most runs to list. */
  readonly limit: number;
}

/** Where runs are kept. Every adapter passes `tests/conformance/storage.ts`, whole. */
export interface Storage extends AsyncDisposable {
  /** What this storage promises and takes. */
  readonly limits: {
    /** What a resolved commit has survived: power loss, the death of the process, nothing. */
    readonly durable: "power" | "process" | "none";
    /** Longest text of one record, in bytes of UTF-8. Longer ones are refused before anything is written. */
    readonly maxRecordBytes: number;
    /** Most messages that may wait for one run when one more event or approval is left for it; others are always taken in. */
    readonly maxMessages: number;
  };
  /** Becomes the one driver. Throws `StorageLockedError`, which names the holder. */
  own(owner: { readonly name: string; readonly pid?: number }): Promise<void>;
  /**
   * All or nothing, in order; resolved = durable as `limits.durable` says. Without `own`, only `post` writes are taken.
   *
   * `lasting` is false for writes that nobody is told of before a later commit, which makes them as durable as itself: until then
   * they may survive the death of the process only. A storage need not make a difference.
   */
  commit(writes: readonly Write[], lasting?: boolean): Promise<void>;
  /** One run; undefined when no run of that id is stored. */
  run(id: string): Promise<RunRow | undefined>;
  /** A page of runs. Throws `UnknownRunError` when `after` is not stored (any more). */
  runs(query: RunQuery): Promise<readonly RunRow[]>;
  /** Pages of a run's records, in order. Does not verify check values: `engine/read_journal.ts` does, for every adapter. */
  journal(run: string, fromSeq?: number): AsyncIterable<readonly StoredRecord[]>;
  /** Parked runs whose `wakeAt` has come, earliest first: by index, O(limit). */
  due(now: number, limit: number): Promise<readonly RunRow[]>;
  /** Earliest `wakeAt` of all parked runs. */
  nextWake(): Promise<number | undefined>;
  /** Messages of one run that wait, oldest first; `after`: only those that came after the message of this id, taken or not. */
  inbox(run: string, limit: number, after?: string): Promise<readonly Message[]>;
  /**
   * Calls back, soon after this call, for every run that already has messages, and from then on, within 100 ms, for
   * messages left by other processes or objects. Messages that this instance's own `commit` posted are not reported.
   * `onFailure` is called at most once, when the storage cannot look any more: a driver's has failed then.
   */
  watch(onMessage: (run: string) => void, onFailure?: (error: Error) => void): Disposable;
}

/** What an executor is asked to run. */
export interface Work {
  /** Id of the run. */
  readonly run: string;
  /** Key of the attempt. */
  readonly key: Key;
  /** What the body asked for. */
  readonly call: Call;
  /** What the attempt may know of itself. */
  readonly info: TaskInfo;
  /** Runs the closure in this process; absent for calls that have none (scripts, flows). */
  readonly invoke?: () => Promise<Outcome>;
}

/** Where tasks run. The default one calls `invoke` in this process. */
export interface Executor {
  /** It ends a task when its time is over: work that it starts may wait for a place first. @default false: the engine does */
  readonly timesItself?: boolean;
  /** Tells whether this executor runs such a call. */
  accepts(call: Call): boolean;
  /** An outcome, or a handle on something that goes on without this process. */
  start(work: Work): Promise<Outcome | { readonly ref: string }>;
  /** After a restart; `lost` = run the attempt again. */
  reattach?(ref: string): Promise<Outcome | "running" | "lost">;
  /** Ends detached work. It ends by a `settle` message, never by a callback alone. */
  cancel?(ref: string, graceMs: number): Promise<void>;
}

/** Clock, randomness and run context: the core and the engine ask nothing else of the machine. */
export interface Host {
  /** Kind of host. */
  readonly name: "engine" | "durable-object" | "cluster";
  /** What it can do beyond the protocol. */
  readonly can: ReadonlySet<Capability>;
  /** Milliseconds since 1970. */
  now(): number;
  /** Random bytes, good enough for ids. */
  random(bytes: number): Uint8Array;
  /** Calls `wake` once, at or after `at` (milliseconds since 1970), whatever the distance. */
  timer(at: number, wake: () => void): Disposable;
  /**
   * As `timer`, for a time that nothing durable depends on: lost with the process, it is not missed. Where each timer of `timer` is
   * something to pay for.
   *
   * @default `timer`
   */
  briefly?(at: number, wake: () => void): Disposable;
  /** Calls `then` in a later macrotask, when the microtasks of this one are drained. */
  hop(then: () => void): void;
  /**
   * Calls `then` soon, to commit what has been written: where a commit costs next to nothing and a macrotask makes it lasting by itself,
   * waiting for one to gather more would only cost.
   *
   * @default `hop`
   */
  soon?(then: () => void): void;
  /** Finds the session that the running code belongs to. */
  readonly context: RunContext;
}

/** Where the running code belongs. */
export interface CurrentRun {
  /** Session of the run. */
  readonly session: Session;
  /** Present inside the body of a task or a step. */
  readonly info?: TaskInfo;
}

/** The current run, kept across `await`. */
export interface RunContext {
  /** False when the runtime has no asynchronous context: then one run at a time. */
  readonly concurrent: boolean;
  /** Runs `fn` as part of a run, at once and after each `await`. */
  run<T>(current: CurrentRun, fn: () => T): T;
  /** The run that the running code is part of. */
  current(): CurrentRun | undefined;
  /** Without asynchronous context: the run that was current has left memory. */
  clear(): void;
}
