/**
 * What all runs of an engine share, and how the runs in memory tell the engine what became of them.
 *
 * @module
 */
import type { ChangeModes, Failure, Outcome, RunHeader, RunStatus } from "../workflow/journal.ts";
import type { AlarmClock } from "./alarm_clock.ts";
import type { EngineEvent } from "./api.ts";
import type { Attempt } from "./attempt.ts";
import type { Batcher } from "./batcher.ts";
import type { ChildCall } from "./children.ts";
import type { Places } from "./places.ts";
import type { Executor, Host, Storage, Write } from "./ports.ts";
import type { ReadJournal } from "./read_journal.ts";
import type { RunDriver } from "./run_driver.ts";
import type { Fate } from "./run_messages.ts";

/** What all runs of an engine share. */
export interface Shared {
  readonly host: Host;
  readonly storage: Storage;
  readonly batcher: Batcher;
  readonly alarms: AlarmClock;
  readonly places: Places;
  readonly executor: Executor | undefined;
  /** Engine name and process id: who runs an attempt. */
  readonly by: string;
  readonly cancelGraceMs: number;
  readonly alwaysReplay: boolean;
  readonly changes: ChangeModes | undefined;
  /** Attempts that run now, in the order of their start. */
  readonly running: Set<Attempt>;
  readonly emit: ((event: EngineEvent) => void) | undefined;
  site(workflow: string, name: string): string | undefined;
  /** False: where calls are made is not looked for. */
  readonly sites: boolean;
  watchSlow(): void;
  /** The journal as it is stored now. */
  read(run: string): Promise<ReadJournal>;
  parked(run: RunDriver): void;
  unparked(run: RunDriver): void;
  closed(run: RunDriver, status: RunStatus, outcome: Outcome | undefined, next?: string): void;
  /** The run cannot go on here, but its journal stands. */
  stopped(run: RunDriver, failure: Failure | Error): void;
  /** What became of a message. */
  told(message: string, fate: Fate): void;
  /** A message was committed for a run: bring it there. */
  deliver(run: string): void;
  /** Why a run of this workflow cannot be started by another one; undefined when it can. */
  childProblem(call: ChildCall): Error | undefined;
  /** Keeps an id for a run that is about to be created. False when it is taken. */
  reserve(id: string): Promise<boolean>;
  /** Gives a reserved id back. */
  release(id: string): void;
  /** A run under a reserved id: `write` goes into a commit, and `stored` is called once that is made. Throws what is wrong with it. */
  create(created: Created): { readonly write: Write; stored(): void };
}

/** A run that another one begins. */
export interface Created
  extends Pick<RunHeader, "id" | "workflow" | "args" | "parent" | "root" | "chain" | "deadlineAt"> {}
