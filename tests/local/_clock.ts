/** A clock that stands still until the test lets time pass. */
import type { Clock } from "../../src/base/clock.ts";

/** A clock, and what moves it. */
export interface FakeClock extends Clock {
  /** Lets time pass; timers that are due are called in their order. */
  readonly advance: (ms: number) => void;
}

/** Makes a clock that stands at a time of the present. */
export function createFakeClock(start = Date.UTC(2026, 0, 1)): FakeClock {
  const timers = new Map<number, { readonly at: number; readonly wake: () => void }>();
  let now = start, nextId = 1;
  return {
    now: () => now,
    setTimeout: (wake, ms) => {
      timers.set(nextId, { at: now + ms, wake });
      return nextId++;
    },
    clearTimeout: (timer) => void timers.delete(timer as number),
    advance: (ms) => {
      const until = now + ms;
      for (;;) {
        const [due] = [...timers].filter(([, { at }]) => at <= until).sort((a, b) => a[1].at - b[1].at || a[0] - b[0]);
        if (due === undefined) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1].at);
        due[1].wake();
      }
      now = until;
    },
  };
}
