/**
 * Failures of calls that somebody should look at: one that nobody has looked at fails the run.
 *
 * @module
 */
import type { CallPromise } from "./call_promise.ts";
import { bodyFailure } from "./failure.ts";
import type { Failure } from "./journal.ts";

/** A call's promise, whatever it gives. */
export type Fallible = Pick<CallPromise<unknown>, "fail" | "observed" | "error">;

/** Failures that are kept before those that were looked at are thrown out. */
const FEW = 256;

/** Failed calls of one run, in the order of their failure. */
export class UnseenFailures {
  #failed: { readonly promise: Fallible; readonly failure: Failure }[] = [];
  #crowded = FEW;

  add(promise: Fallible, failure: Failure): void {
    this.#failed.push({ promise, failure });
    if (this.#failed.length < this.#crowded) return;
    this.#failed = this.#failed.filter((f) => !f.promise.observed);
    this.#crowded = Math.max(FEW, this.#failed.length * 2);
  }

  /** The first failure that nobody has looked at. */
  first(): Failure | undefined {
    const unseen = this.#failed.find(({ promise }) => !promise.observed);
    if (unseen?.promise.error === undefined) return undefined;
    return { ...bodyFailure(unseen.promise.error), stepKey: unseen.failure.stepKey };
  }
}
