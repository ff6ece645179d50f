/**
 * The vocabulary of a run: what its body asked for, what was recorded, what crosses between the pure core and its driver.
 *
 * Three drivers speak it: the embedded engine (`src/engine`), a round (`round.ts`: a checkpoint in, one message out), and a
 * session in a subprocess over JSON lines (`tests/internal/subprocess_session.ts`). It therefore holds JSON only; closures
 * stay in the session, under their key.
 *
 * Invariants, each with a property test in `tests/internal/journal_properties_test.ts`:
 * 1. One record per settled call. A call is written ahead of its outcome only when something outside memory must know it:
 *    a timer, an approval, an event, a dispatched job, or a body that has been running for a while.
 * 2. Record order is hand-over order: record k is handed to the body before record k+1, with the body's microtasks drained
 *    in between, and not before the body has made `after` calls. `after` is what the body had made when the record was
 *    written; it can only have made more when the record is handed over, and only through real I/O of its own.
 * 3. A key settles once. What settles it later is dropped.
 * 4. A record's check value covers its bytes and its predecessor's check value.
 * 5. A header names every behaviour that replay depends on (`flags`, `codec`, `v`); an unknown one refuses the run, never
 *    the file.
 *
 * @module
 */

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [k: string]: Json };

/** Key of a call in its run: wac-protocol 4. Keys that start with `__windkit/` are the runtime's own. */
export type Key = string;

/** Canonical JSON text of a value (`base/canonical.ts`). The run's header says which codec wrote it. */
export type Encoded = string;

/** How a call, or a run, failed: the protocol's failure record (wac-protocol 5.3) and hints for a retry. */
export interface Failure {
  /** What went wrong. */
  readonly message: string;
  /** Key of the failed call; `""` for a run. */
  readonly stepKey: Key;
  /** Job that ran it, on a cluster. */
  readonly childJobId?: string;
  /** The thrown error: stack and extra at most 8192 characters each. */
  readonly error: { readonly name: string; readonly message: string; readonly stack?: string; readonly extra?: Json };
  /** `code` of the error class in `base/errors.ts` that the failure is rebuilt as; absent: a `TaskError`. */
  readonly code?: string;
  /** False: no retry. */
  readonly retryable?: boolean;
  /** Least time before a retry, in milliseconds. */
  readonly retryAfterMs?: number;
}

/** How a call, or a run, ended. */
export type Outcome = { readonly ok: true; readonly value: Encoded } | {
  readonly ok: false;
  readonly failure: Failure;
};

/** What replay compares: the call that was recorded against the call that is asked for. */
export interface Fingerprint {
  /** Kind of the call. */
  readonly kind: Call["kind"];
  /** Name that the key was drawn from. */
  readonly name: string;
  /** 64-bit hash of the canonical arguments, 16 hex digits; `""` when there are none. */
  readonly digest: string;
  /** The arguments themselves, when they are at most 512 characters. */
  readonly args?: string;
  /** Where in the source the call was made; known once per name and process. */
  readonly site?: string;
  /** Hash of the source of the function that the call runs; recorded once per name and process. */
  readonly code?: string;
}

/** What a replay does when a recorded call is asked for with other arguments, or its function has another source. */
export type ChangeMode = "fail" | "warn" | "follow";

/** What changes of the code a replay takes. */
export interface ChangeModes {
  /** A call of the same kind and name has other arguments. @default "fail" */
  readonly arguments?: ChangeMode;
  /** A step's or task's function has another source: what is recorded of it stands, what is not runs the new one. @default "follow" */
  readonly code?: ChangeMode;
}

/** What a host can do beyond the protocol (design.md 5). */
export type Capability =
  | "events"
  | "firstOf"
  | "overlap"
  | "subSecond"
  | "continue"
  | "cancel"
  | "childRuns"
  | "checked";

/** Options of a task that a cluster acts on, in the protocol's units (seconds): wac-protocol 6. */
export interface TaskWire {
  /** Longest time of an attempt. */
  readonly timeoutS?: number;
  /** Worker tag. */
  readonly tag?: string;
  /** How long the result may be reused. */
  readonly cacheTtlS?: number;
  /** Priority of the job. */
  readonly priority?: number;
  /** How many may run at once. */
  readonly concurrentLimit?: number;
  /** What `concurrentLimit` counts by. */
  readonly concurrencyKey?: string;
  /** Window of `concurrentLimit`. */
  readonly concurrencyWindowS?: number;
}

/** wac-protocol 6.1. `attempts` counts the repetitions, 0 to 100. */
export interface RetryPolicy {
  /** Repetitions after the first attempt. */
  readonly attempts: number;
  /** Seconds before the first repetition. */
  readonly delayS?: number;
  /** What each further delay is multiplied with. */
  readonly multiplier?: number;
  /** Longest delay, in seconds. */
  readonly maxDelayS?: number;
}

/** What the body asked for. */
export type Call =
  | {
    readonly kind: "task";
    readonly name: string;
    readonly via: "inline" | "script" | "flow";
    readonly script?: string;
    readonly args: Encoded;
    readonly options: TaskWire;
    readonly retry?: RetryPolicy;
    /** It has an undo: once begun, its outcome counts whatever becomes of the run. */
    readonly undoable?: true;
    /** Key of the first attempt, and this attempt's number from 1. */
    readonly base: Key;
    readonly attempt: number;
  }
  | {
    readonly kind: "step";
    readonly name: string;
    readonly retry?: RetryPolicy;
    /** It has an undo: once begun, its outcome counts whatever becomes of the run. */
    readonly undoable?: true;
    readonly base: Key;
    readonly attempt: number;
  }
  | { readonly kind: "sleep"; readonly until?: number; readonly ms?: number; readonly backoffOf?: Key }
  | {
    readonly kind: "approval";
    readonly timeoutMs: number;
    readonly form?: Json;
    /** The form is made of a schema: the body says whether an answer fits. */
    readonly typed?: true;
    readonly options?: Json;
  }
  | { readonly kind: "event"; readonly name: string; readonly timeoutMs?: number }
  | { readonly kind: "child"; readonly workflow: string; readonly args: Encoded; readonly runId: string }
  | {
    readonly kind: "undo";
    /** The call whose effect it takes back. */
    readonly of: Key;
    readonly retry?: RetryPolicy;
    readonly base: Key;
    readonly attempt: number;
  };

/** First record of every run. */
export interface RunHeader {
  /** Version of the journal. */
  readonly v: 1;
  /** Id of the run. */
  readonly id: string;
  /** Name of the workflow. */
  readonly workflow: string;
  /** Hash of its source; `""` when it was not given. */
  readonly sourceHash: string;
  /** Version of this package that opened the run. */
  readonly sdk: string;
  /** Numbers of `flags.ts` that this run's replay follows. */
  readonly flags: readonly number[];
  /** Which codec wrote the run's values: 1 is `base/canonical.ts`. */
  readonly codec: number;
  /** 16 random bytes, hex: the run's own source of randomness. */
  readonly seed: string;
  /** Arguments by name, or in order. */
  readonly args: Encoded;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** When the run fails, in milliseconds since 1970. */
  readonly deadlineAt?: number;
  /** Run and call that started this one. */
  readonly parent?: { readonly run: string; readonly key: Key };
  /** First run of the tree of parents. */
  readonly root?: string;
  /** continue-as-new: first run of the chain, and this one's number in it. */
  readonly chain?: { readonly first: string; readonly n: number };
  /** Run that this one was forked of, and the call from which on it goes its own way. */
  readonly forkedFrom?: { readonly run: string; readonly key: Key };
}

/** A record without what the engine adds to each (`seq`, `at`). Append-only: a field is never renamed or reused. */
export type RecordBody =
  | { readonly t: "opened"; readonly header: RunHeader }
  | {
    readonly t: "called";
    readonly key: Key;
    readonly call: Call;
    readonly fp: Fingerprint;
    readonly dueAt?: number;
    /** Handle of a dispatched job, for `Executor.reattach`. */
    readonly ref?: string;
    /** Who runs it (engine name and process id), when it is a body that runs in a process. */
    readonly by?: string;
  }
  | {
    readonly t: "settled";
    readonly key: Key;
    readonly after: number;
    readonly outcome: Outcome;
    /** Present unless a `called` record of this key came before. */
    readonly fp?: Fingerprint;
    readonly startedAt: number;
    readonly by?: string;
    /** Id of the message that settled it. */
    readonly inbox?: string;
  }
  | { readonly t: "marker"; readonly name: string; readonly after: number; readonly value: Json }
  | { readonly t: "abandoned"; readonly key: Key; readonly after: number; readonly why: AbandonReason }
  /** An answer that does not fit what the call waits for: its sender was told, and the call still waits. */
  | { readonly t: "refused"; readonly key: Key; readonly inbox: string; readonly reason: string }
  /** The body of a cancelled run did not end in time: it was given up, and its undos ran. */
  | { readonly t: "dropped"; readonly after: number }
  /** After `closed`: the undos go on that had failed. */
  | { readonly t: "reopened"; readonly after: number }
  | {
    readonly t: "cancelling";
    readonly after: number;
    readonly reason: string;
    readonly graceUntil: number;
    /** The run's own deadline ended it: it closes `failed`. */
    readonly deadline?: boolean;
  }
  | { readonly t: "closed"; readonly status: RunStatus; readonly outcome?: Outcome; readonly next?: string };

/** Why a call was given up before it settled. `end`: the body ended without it. */
export type AbandonReason = "race" | "timeout" | "cancel" | "end";

/** How a run ended. */
export type RunStatus = "completed" | "failed" | "cancelled" | "continued";

/** A record as it is read back: `seq` counts from 0, `at` is in milliseconds since 1970. */
export type JournalRecord = RecordBody & { readonly seq: number; readonly at: number };

/** Session to driver. `n` counts the body's calls from 1. */
export type Command =
  | { readonly c: "call"; readonly n: number; readonly key: Key; readonly call: Call; readonly fp: Fingerprint }
  | { readonly c: "marker"; readonly name: string; readonly after: number; readonly value: Json }
  | { readonly c: "abandon"; readonly key: Key; readonly why: AbandonReason }
  | {
    readonly c: "close";
    readonly status: RunStatus;
    readonly outcome?: Outcome;
    readonly nextArgs?: Encoded;
    /** The failure is a mismatch between journal and code: the driver stops the run without closing it. */
    readonly mismatch?: boolean;
  }
  /** A line of the body's own log: not recorded, and not repeated on replay. */
  | { readonly c: "log"; readonly level: LogLevel; readonly message: string; readonly data?: Json }
  /** Something worth a line in the log, once per run and subject: the text is the driver's (`explain.ts`). */
  | { readonly c: "notice"; readonly notice: "non-confluent"; readonly key: Key; readonly name: string }
  | {
    readonly c: "notice";
    readonly notice: "changed-arguments" | "changed-code";
    readonly key: Key;
    readonly recorded: Fingerprint;
    readonly asked: Fingerprint;
  };

/** How loud a line of the log is. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Driver to session, only after the commit that holds it. */
export type Input =
  | { readonly c: "settle"; readonly key: Key; readonly outcome: Outcome }
  | { readonly c: "cancel"; readonly reason: string; readonly deadline?: boolean }
  /** The body of a cancelled run is given up; its undos run. */
  | { readonly c: "drop" };

/** What a running task or step may know about itself. */
export interface TaskInfo {
  /** Id of the run. */
  readonly runId: string;
  /** Key of this attempt in the run's journal. */
  readonly key: Key;
  /** Number of this attempt, from 1: the retry policy's, not the crash's. */
  readonly attempt: number;
  /** The same for every execution of every attempt of this call: give it to whatever must not act twice. */
  readonly idempotencyKey: string;
  /** Aborted when the attempt is superseded: timeout, cancel, deadline, engine closed. */
  readonly signal: AbortSignal;
}

/** What a round knows beside its history. */
export interface BeginOptions {
  /** A child round's `_executing_key`: every call but that one and the recorded ones stays pending. */
  readonly only?: Key;
  /** Outcomes whose order is not known: handed over after the history, each when it is asked for, in call order. */
  readonly rest?: ReadonlyMap<Key, Outcome>;
}

/** The pure core: one per live run. Live, replay and round use the same one. */
export interface Session {
  /** Starts the body. */
  begin(header: RunHeader, history: Iterable<JournalRecord>, options?: BeginOptions): void;
  /** Hands inputs over, in this order, draining the body's microtasks after each. */
  feed(inputs: readonly Input[]): void;
  /** What the body asked for since the last take. */
  take(): readonly Command[];
  /** Calls the body has made. */
  readonly calls: number;
  /** Calls that have not settled. */
  readonly pending: number;
  /** True until every record of the history has been handed over. */
  readonly replaying: boolean;
  /** Undos that have not run, of calls that have settled. */
  readonly undos: number;
  /** The run has failed, and takes back what it did: a cancel comes too late. */
  readonly compensating: boolean;
  /** True once `random()` or `uuid()` was drawn from the header's seed. */
  readonly seeded: boolean;
  /** Outcomes of `rest` that nothing has asked for. */
  readonly unasked: readonly Key[];
  /** What is wrong with an answer to this call, by the schema that the body gave; undefined when it fits, or has no schema. */
  check(key: Key, value: Json): Promise<string | undefined>;
  /** Runs the closure of an inline task, a step or an undo. Never rejects. */
  invoke(key: Key, info: TaskInfo): Promise<Outcome>;
  /** The body and the journal have not agreed for too long: closes with a mismatch that says what was awaited. */
  giveUp(): void;
}
