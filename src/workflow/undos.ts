/**
 * What takes the effects of calls back, when a saga fails or the run does: newest first, one at a time, until one fails.
 *
 * @module
 */
import type { Scope, UndoSpec } from "./body_session.ts";
import { errorOf } from "./failure.ts";
import type { Failure, Key, Outcome, RetryPolicy } from "./journal.ts";
import { isWithin } from "./pending_call.ts";

/** What takes the effect of a call back. */
export interface Undo {
  readonly of: Key;
  readonly scope: Scope | undefined;
  readonly retry: RetryPolicy | undefined;
  readonly run: () => unknown;
  /** The function that the user wrote. */
  readonly fn: (...args: never[]) => unknown;
  running: boolean;
}

/** The session, as undos see it. */
export interface UndoHost {
  /** Something runs in a scope, apart from undos. */
  isRunning(scope: Scope): boolean;
  /** Runs an undo, as a call of its own. */
  callUndo(undo: Undo, done: (outcome: Outcome) => void): void;
}

/** How an undo is repeated that says nothing of it: an undo that fails leaves an effect behind. */
const UNDO_RETRY: RetryPolicy = { attempts: 3, delayS: 1, multiplier: 2 };

/** Undos of one run. */
export class Undos {
  readonly #host: UndoHost;
  #undos: Undo[] = [];
  /** Sagas that have failed, and wait for what still runs in them. */
  #ending: { readonly scope: Scope; readonly unwind: () => void }[] = [];
  /** Sagas whose next undo waits for one that runs already, for another saga. */
  #queued: (() => void)[] = [];
  #failed: Failure | undefined;
  #isTakingBack = false;

  constructor(host: UndoHost) {
    this.#host = host;
  }

  /** Undos that have not run. */
  get size(): number {
    return this.#undos.length;
  }

  /** The failure of an undo: no other runs until the run is opened again. */
  get failed(): Failure | undefined {
    return this.#failed;
  }

  /** The run takes back what it did. */
  get isTakingBack(): boolean {
    return this.#isTakingBack;
  }

  /** A call that has an undo has succeeded. `args`: what the undo is called with. */
  add(of: Key, scope: Scope | undefined, { fn, retry = UNDO_RETRY }: UndoSpec, args: () => unknown[]): void {
    this.#undos.push({ of, scope, retry, run: () => fn(...args() as never[]), fn, running: false });
  }

  /** Runs the undos of a scope once nothing else runs in it. Rejects with the failure of one, after which no other runs. */
  compensate(scope: Scope): Promise<void> {
    return new Promise((resolve, reject) => {
      const unwind = (): void =>
        this.#unwind(scope, (failure) => failure === undefined ? resolve() : reject(errorOf(failure)));
      this.#ending.push({ scope, unwind });
      this.unwindEnded();
    });
  }

  /** A call is pending no more: begins the undos of sagas that have nothing running now. */
  unwindEnded(): void {
    if (this.#ending.length === 0) return;
    for (const ending of this.#ending) {
      const { scope, unwind } = ending;
      if (this.#host.isRunning(scope)) continue;
      this.#ending = this.#ending.filter((e) => e !== ending);
      unwind();
    }
  }

  /** Runs all undos: the run has failed. */
  takeBack(done: () => void): void {
    this.#isTakingBack = true;
    this.#unwind(undefined, (failure) => {
      this.#failed = failure;
      done();
    });
  }

  /** The undo that failed may be tried again. */
  reopen(): void {
    this.#failed = undefined;
    this.#isTakingBack = false;
  }

  /** Runs the undos of a scope, or all, newest first, until one fails. */
  #unwind(scope: Scope | undefined, done: (failure?: Failure) => void): void {
    const undo = this.#undos.findLast((u) => scope === undefined || isWithin(u.scope, scope));
    if (undo === undefined) return done();
    // A saga within this one, or around it, is at it.
    if (undo.running) return void this.#queued.push(() => this.#unwind(scope, done));
    undo.running = true;
    this.#host.callUndo(undo, (outcome) => {
      undo.running = false;
      if (outcome.ok) {
        this.#undos = this.#undos.filter((u) => u !== undo);
        this.#unwind(scope, done);
      } else {
        done(outcome.failure);
      }
      const queued = this.#queued;
      this.#queued = [];
      for (const next of queued) next();
    });
  }
}
