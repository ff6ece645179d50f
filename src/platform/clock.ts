/**
 * The machine's clock and timers.
 *
 * @module
 */

/** Longest time that one timer of the runtime is asked to wait: a jump of the wall clock is noticed after at most this long. */
const LONGEST_MS = 30_000;

/** Milliseconds since 1970. */
export function wallClock(): number {
  return Date.now();
}

/**
 * Calls `wake` once, at or after `at` by the wall clock. It waits in pieces of at most 30 s: a timer of the runtime overflows at
 * 24.8 days, counts the time of a monotonic clock, and does not see that the wall clock was set or the machine slept.
 */
export function wallTimer(at: number, wake: () => void): Disposable {
  let timer: ReturnType<typeof setTimeout> | undefined;
  function arm(): void {
    const left = at - Date.now();
    timer = setTimeout(left > LONGEST_MS ? arm : check, Math.min(Math.max(left, 0), LONGEST_MS));
  }
  function check(): void {
    if (Date.now() >= at) wake();
    else arm();
  }
  arm();
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

/** A plain wait, for code that runs outside every run. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => void wallTimer(Date.now() + ms, resolve));
}
