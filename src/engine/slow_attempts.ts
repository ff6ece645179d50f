/**
 * Attempts that have been running for a while are written ahead: who looks at the journal sees them, and after a crash it is known
 * which were cut short. One timer for all of them, because a timer for each costs as much as a small step.
 *
 * @module
 */
import type { Attempt } from "./attempt.ts";
import type { Host } from "./ports.ts";

/** An attempt that has been running for this long is written ahead, in milliseconds. */
const SLOW_MS = 25;

/** Looks at running attempts from time to time. */
export interface SlowAttempts {
  /** An attempt has begun: look at it later. */
  watch(): void;
  stop(): void;
}

/** @param running attempts that run and are not written ahead, in the order of their start */
export function createSlowAttempts(host: Host, running: Set<Attempt>): SlowAttempts {
  let timer: Disposable | undefined;

  function watch(): void {
    const at = host.now() + SLOW_MS;
    timer ??= host.briefly === undefined ? host.timer(at, look) : host.briefly(at, look);
  }

  function look(): void {
    timer = undefined;
    const before = host.now() - SLOW_MS;
    for (const attempt of running) {
      if (attempt.startedAt > before) return watch();
      running.delete(attempt);
      attempt.driver.recordRunning(attempt);
    }
  }

  return {
    watch,
    stop(): void {
      timer?.[Symbol.dispose]();
      timer = undefined;
    },
  };
}
