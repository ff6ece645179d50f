/**
 * Timers that can be forgotten, and waits that an abort ends.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";

/** The runtime's clock and timers. */
export const runtimeClock: Clock = {
  now: () => Date.now(),
  setTimeout: (wake, ms) => setTimeout(wake, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

/** Calls `wake` once after `ms`, unless the returned function forgets it. */
export function after(clock: Clock, ms: number, wake: () => void): () => void {
  const timer = clock.setTimeout(wake, ms);
  return () => clock.clearTimeout(timer);
}

/** Settles as `promise` does, or rejects with the signal's reason as soon as that is aborted. */
export function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    function stop(): void {
      reject(signal.reason);
    }
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    // Both ways through `then`, also when the signal came first: a rejection that comes later has an owner.
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
