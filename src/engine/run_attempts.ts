/**
 * The tasks, steps and undos of one run that are under way: each waits for a place, runs here or with an executor, and ends with
 * an outcome, by its timeout, or because the run needs it no more.
 *
 * @module
 */
import { DeadlineError } from "../base/errors.ts";
import type { DrivenSession } from "../workflow/body_session.ts";
import { failureOf } from "../workflow/failure.ts";
import type { Call, Command, Failure, Key, Outcome } from "../workflow/journal.ts";
import { type Attempt, AttemptInfo, noExecutor } from "./attempt.ts";
import type { RunJournal } from "./run_journal.ts";
import type { Shared } from "./run_shared.ts";

/** What a body asks for, as its session gives it. */
export type CallCommand = Extract<Command, { readonly c: "call" }>;

/** The run, as its attempts see it. */
export interface AttemptedRun {
  readonly id: string;
  readonly session: DrivenSession;
  readonly isClosed: boolean;
  /** The outcome of such a call does not count any more. */
  refuses(call: Call): boolean;
  /** Calls back when the session has caught up; never when the run has left memory. */
  whenLive(then: () => void): void;
  checkInbox(): Promise<void>;
  /** Takes what was left for a call. */
  considerMessages(key: Key, call: Call): void;
  settle(key: Key, command: CallCommand, outcome: Outcome, startedAt: number, extra?: { readonly by: string }): void;
}

/** Attempts of one run. */
export class RunAttempts {
  readonly #shared: Shared;
  readonly #journal: RunJournal;
  readonly #run: AttemptedRun;
  readonly #attempts = new Map<Key, Attempt>();

  constructor(shared: Shared, journal: RunJournal, run: AttemptedRun) {
    this.#shared = shared;
    this.#journal = journal;
    this.#run = run;
  }

  get size(): number {
    return this.#attempts.size;
  }

  get(key: Key): Attempt | undefined {
    return this.#attempts.get(key);
  }

  values(): Iterable<Attempt> {
    return this.#attempts.values();
  }

  /** What goes on elsewhere has ended: the attempt is one no more. */
  takeDetached(key: Key): Attempt | undefined {
    const attempt = this.#attempts.get(key);
    if (attempt === undefined) return undefined;
    this.#attempts.delete(key);
    this.#shared.alarms.cancel(attempt.timeout);
    return attempt;
  }

  start(command: CallCommand): void {
    const { key, call } = command;
    if (!isAttemptable(call) || this.#attempts.has(key)) return; // the latter goes on from before a replay
    const attempt: Attempt = {
      driver: this,
      key,
      call,
      command,
      startedAt: 0,
      controller: undefined,
      timeout: undefined,
      leave: nothing,
      holdsPlace: false,
      ref: this.#journal.called.get(key)?.ref,
    };
    this.#attempts.set(key, attempt);
    const { ref } = attempt;
    if (ref !== undefined) return void this.#reattach(attempt, ref);
    this.#queueAttempt(attempt);
  }

  /** Finds work again that went on without a driver: what it left, else what the executor knows of it. */
  async #reattach(attempt: Attempt, ref: string): Promise<void> {
    const { key, call } = attempt;
    const { executor, alarms, host } = this.#shared;
    const current = (): boolean => !this.#run.isClosed && this.#attempts.get(key) === attempt;
    attempt.startedAt = this.#journal.called.get(key)?.at ?? host.now();
    try {
      await this.#run.checkInbox();
      if (!current()) return;
      this.#run.considerMessages(key, call);
      if (!current()) return;
      const found = executor?.reattach === undefined ? "lost" : await executor.reattach(ref);
      if (!current()) return;
      if (found === "lost") {
        attempt.ref = undefined;
        return this.#queueAttempt(attempt);
      }
      if (found !== "running") return this.#finished(attempt, found);
    } catch (error) {
      return this.#finished(attempt, { ok: false, failure: failureOf(error, key) });
    }
    const timeoutS = call.kind === "task" && executor?.timesItself !== true ? call.options.timeoutS : undefined;
    if (timeoutS === undefined) return;
    attempt.timeout = alarms.set(
      attempt.startedAt + timeoutS * 1000,
      () => this.#run.whenLive(() => this.#timedOut(attempt, timeoutS)),
    );
  }

  #queueAttempt(attempt: Attempt): void {
    attempt.leave = this.#shared.places.take(() => {
      attempt.holdsPlace = true;
      // With `replay: "always"` the session may be under way to the call when its place comes.
      if (this.#run.isClosed) this.#freePlace(attempt);
      else this.#run.whenLive(() => this.#execute(attempt));
    });
  }

  #execute(attempt: Attempt): void {
    const { key, call, command } = attempt;
    if (this.#run.isClosed || this.#attempts.get(key) !== attempt) return this.#freePlace(attempt);
    const { host, emit, executor, running, alarms } = this.#shared;
    attempt.startedAt = host.now();
    running.add(attempt);
    this.#shared.watchSlow();
    emit?.({
      event: "call_started",
      run: this.#run.id,
      key,
      kind: call.kind,
      name: call.kind === "undo" ? command.fp.name : call.name,
      attempt: call.attempt,
      at: attempt.startedAt,
    });
    const timeoutS = call.kind === "task" && executor?.timesItself !== true ? call.options.timeoutS : undefined;
    if (timeoutS !== undefined) {
      attempt.timeout = alarms.set(
        attempt.startedAt + timeoutS * 1000,
        () => this.#run.whenLive(() => this.#timedOut(attempt, timeoutS)),
      );
    }
    const info = new AttemptInfo(this.#run.id, attempt);
    const { session } = this.#run;
    const inline = call.kind !== "task" || call.via === "inline";
    let work: Promise<Outcome | { readonly ref: string }>;
    let accepted: boolean;
    try {
      accepted = executor?.accepts(call) === true;
    } catch (error) {
      return this.#finished(attempt, { ok: false, failure: failureOf(error, key) });
    }
    if (executor !== undefined && accepted) {
      const invoke = inline ? { invoke: (): Promise<Outcome> => session.invoke(key, info) } : undefined;
      work = new Promise((resolve) => resolve(executor.start({ run: this.#run.id, key, call, info, ...invoke })));
    } else if (inline) {
      work = session.invoke(key, info);
    } else {
      work = Promise.resolve({ ok: false, failure: noExecutor(call, key) });
    }
    work.then(
      (outcome) => this.#finished(attempt, outcome),
      (error) => this.#finished(attempt, { ok: false, failure: failureOf(error, key) }),
    );
  }

  #finished(attempt: Attempt, result: Outcome | { readonly ref: string }): void {
    const { key, call, command } = attempt;
    const { running, alarms, emit } = this.#shared;
    running.delete(attempt);
    this.#freePlace(attempt);
    if (this.#run.refuses(call) || this.#attempts.get(key) !== attempt) {
      if ("ref" in result) this.cancelDetached(result.ref);
      emit?.({ event: "call_dropped", run: this.#run.id, key, why: this.#run.isClosed ? "run-closed" : "superseded" });
      return;
    }
    if ("ref" in result) {
      const { ref } = result;
      attempt.ref = ref;
      this.#journal.writeAhead({ t: "called", key, call, fp: command.fp, ref, by: this.#shared.by });
      return;
    }
    alarms.cancel(attempt.timeout);
    this.#run.whenLive(() => {
      // Known as under way until it settles: a replay must not begin it again.
      if (this.#attempts.get(key) !== attempt) return;
      this.#attempts.delete(key);
      this.#run.settle(key, command, result, attempt.startedAt, { by: this.#shared.by });
    });
  }

  #timedOut(attempt: Attempt, timeoutS: number): void {
    const { key, command } = attempt;
    if (this.#run.isClosed || this.#attempts.get(key) !== attempt) return;
    const message = `Task "${command.fp.name}" timed out after ${timeoutS} s`;
    this.drop(attempt, new DeadlineError(message));
    const failure: Failure = { message, stepKey: key, error: { name: "TimeoutError", message } };
    this.#run.settle(key, command, { ok: false, failure }, attempt.startedAt, { by: this.#shared.by });
  }

  #abort(attempt: Attempt, reason: Error, detachedToo: boolean): void {
    this.#shared.alarms.cancel(attempt.timeout);
    attempt.leave();
    this.#shared.running.delete(attempt);
    this.#freePlace(attempt);
    attempt.controller ??= new AbortController();
    attempt.controller.abort(reason);
    if (detachedToo) this.cancelDetached(attempt.ref);
  }

  /** The run needs the work no more. That it cannot be ended is told, and changes nothing for the run. */
  cancelDetached(ref: string | undefined): void {
    const { executor, cancelGraceMs, emit } = this.#shared;
    if (ref === undefined || executor?.cancel === undefined) return;
    const told = (error: unknown): void =>
      emit?.({
        event: "warning",
        run: this.#run.id,
        message: `Cannot cancel detached work "${ref}": ${String(error)}`,
      });
    try {
      executor.cancel(ref, cancelGraceMs).catch(told);
    } catch (error) {
      told(error);
    }
  }

  #freePlace(attempt: Attempt): void {
    if (!attempt.holdsPlace) return;
    attempt.holdsPlace = false;
    this.#shared.places.free();
  }

  /** Ends an attempt: its late outcome does not count. `detachedToo`: also what goes on without this process. */
  drop(attempt: Attempt, reason: Error, detachedToo = true): void {
    this.#attempts.delete(attempt.key);
    this.#abort(attempt, reason, detachedToo);
  }

  /** Ends all attempts, or those that `which` names. */
  dropAll(reason: Error, detachedToo: boolean, which: (attempt: Attempt) => boolean = () => true): void {
    for (const attempt of [...this.#attempts.values()].filter(which)) this.drop(attempt, reason, detachedToo);
  }

  /** Asks what can be taken back to end soon; what has not begun ends at once. */
  hurry(attempt: Attempt, reason: Error): void {
    const { key, call, command, startedAt } = attempt;
    if (!("undoable" in call)) return;
    if (startedAt > 0) {
      attempt.controller ??= new AbortController();
      attempt.controller.abort(reason);
    } else {
      this.drop(attempt, reason);
      this.#run.settle(key, command, { ok: false, failure: failureOf(reason, key) }, this.#shared.host.now());
    }
  }

  /** Writes ahead that this attempt runs: it has been running for a while. */
  recordRunning(attempt: Attempt): void {
    const { key, command } = attempt;
    const isOver = this.#run.refuses(command.call) || this.#attempts.get(key) !== attempt;
    if (isOver || this.#run.session.replaying) return;
    this.#journal.writeAhead(
      { t: "called", key, call: command.call, fp: command.fp, by: this.#shared.by },
      this.#journal.goesOn(),
    );
  }
}

/** Whether a call is something to run, and no wait. */
export function isAttemptable(call: Call): call is Attempt["call"] {
  return call.kind === "task" || call.kind === "step" || call.kind === "undo";
}

function nothing(): void {}
