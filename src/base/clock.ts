/**
 * A clock that can be replaced, and what is made of it: timers without an upper limit, waits that an abort ends.
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

/** Calls `wake` once after `ms`, unless the returned function forgets it. Above 24.8 days, which no timer holds, is never. */
export function after(clock: Clock, ms: number, wake: () => void): () => void {
  const timer = ms < 2 ** 31 ? clock.setTimeout(wake, ms) : undefined;
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

/** Waits `ms`; rejects with the signal's reason when that is aborted first. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  let forget: (() => void) | undefined;
  try {
    await until(new Promise<void>((resolve) => forget = after(clock, ms, resolve)), signal);
  } finally {
    forget?.();
  }
}
