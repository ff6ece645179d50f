/**
 * When a failed task is tried again: wac-protocol 6.1, whose units (whole seconds) it keeps on every host.
 *
 * @module
 */
import type { RetryPolicy } from "./journal.ts";

/** Retry of a task, in the protocol's names. */
export interface RetryOptions {
  /** Repetitions after the first attempt, 0 to 100. */
  readonly attempts: number;
  /** Seconds before the first repetition. @default 0 */
  readonly delay?: number;
  /** What each further delay is multiplied with. @default 1 */
  readonly multiplier?: number;
  /** Longest delay, in seconds. @default undefined: no bound */
  readonly max_delay?: number;
}

/** Checks retry options where a task is defined. Throws RangeError, which says what cannot be done. */
export function retryPolicy(options: RetryOptions | undefined, what = "make a task"): RetryPolicy | undefined {
  if (options === undefined) return undefined;
  const { attempts, delay, multiplier, max_delay: maxDelay } = options;
  if (!Number.isInteger(attempts) || attempts < 0 || attempts > 100) {
    throw new RangeError(
      `Cannot ${what}: retry.attempts must be a whole number between 0 and 100, got ${String(attempts)}`,
    );
  }
  for (const [name, value] of Object.entries({ delay, multiplier, max_delay: maxDelay })) {
    if (value !== undefined && !(typeof value === "number" && value >= 0)) {
      throw new RangeError(`Cannot ${what}: retry.${name} must be a number of 0 or more, got ${String(value)}`);
    }
  }
  return {
    attempts,
    ...(delay === undefined ? {} : { delayS: delay }),
    ...(multiplier === undefined ? {} : { multiplier }),
    ...(maxDelay === undefined ? {} : { maxDelayS: maxDelay }),
  };
}

/** Longest wait that the protocol can carry, in seconds (an unsigned 32-bit number). */
const LONGEST = 4294967295;

/** Whole seconds to wait before repetition `index` (from 0); 0 = at once. */
export function backoffSeconds(policy: RetryPolicy, index: number): number {
  const { delayS = 0, multiplier = 1, maxDelayS = LONGEST } = policy;
  if (!(delayS > 0)) return 0;
  // Bounded before it grows: an infinite delay times a multiplier of 0 would be no number.
  const grown = Math.min(delayS, LONGEST) * multiplier ** index;
  return Math.floor(Math.min(maxDelayS, grown, LONGEST));
}
