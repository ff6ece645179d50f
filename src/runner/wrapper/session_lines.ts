/**
 * Lines between a workflow's body in its boxed process and what drives its run: the vocabulary of `workflow/journal.ts`, one JSON
 * object a line. They travel on the runner's own channel; nothing that the body prints can be taken for one.
 *
 * @module
 */
import type {
  Capability,
  ChangeModes,
  Command,
  Input,
  JournalRecord,
  Json,
  Key,
  Outcome,
  RunHeader,
} from "../../workflow/journal.ts";

/** Driver to body. `begin` comes first and once. */
export type ToBody =
  | {
    readonly begin: RunHeader;
    readonly history: readonly JournalRecord[];
    /** A child round's one call. */
    readonly only?: Key;
    /** What the host can do beyond the protocol. @default [] */
    readonly can?: readonly Capability[];
    /** Name of the host, for errors. @default "this host" */
    readonly hostName?: string;
    /** What changes of the code a replay takes. */
    readonly changes?: ChangeModes;
  }
  | { readonly feed: readonly Input[] }
  /** Runs the closure of a task, step or undo; `ran` answers. */
  | {
    readonly invoke: Key;
    readonly info: { readonly runId: string; readonly attempt: number; readonly idempotencyKey: string };
  }
  /** Aborts the signal of a closure that runs. */
  | { readonly abort: Key; readonly reason: string }
  /** Asks whether an answer fits; `checked` answers, under the same number. */
  | { readonly check: Key; readonly value: Json; readonly n: number }
  | { readonly giveUp: true }
  /** The run has ended, or goes on elsewhere: the process may end. */
  | { readonly end: true };

/** Body to driver. */
export type FromBody =
  | { readonly state: SessionState; readonly commands: readonly Command[] }
  | { readonly ran: Key; readonly outcome: Outcome }
  | { readonly checked: number; readonly problem: string | null }
  /** The body called something after its end. */
  | { readonly late: true };

/** What a driver may ask a session at any time: told whenever it has changed. */
export interface SessionState {
  /** Lines of the driver that had been read: what is said is of the time after the last of them. */
  readonly heard: number;
  /** Something is about to be handed over: what is said here may be about to change. */
  readonly busy: boolean;
  readonly calls: number;
  readonly pending: number;
  readonly replaying: boolean;
  readonly undos: number;
  readonly compensating: boolean;
  readonly seeded: boolean;
}
