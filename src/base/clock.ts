/**
 * A clock that can be replaced.
 *
 * @module
 */

/** Time and timers. Tests replace it to let time pass at will. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `wake` once after `ms` milliseconds, at most 2147483647; returns what `clearTimeout` takes. */
  setTimeout(wake: () => void, ms: number): unknown;
  /** Forgets a timer. */
  clearTimeout(timer: unknown): void;
}
