/**
 * What HTTP calls take from the machine, looked up at the call.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";

/** The runtime's `fetch`, called without a receiver: browsers and workerd refuse any other. */
export function systemFetch(url: string, init: RequestInit): Promise<Response> {
  return fetch(url, init);
}

/** The runtime's clock and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (wake, ms) => setTimeout(wake, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
};

/** A number from 0 up to 1, for jitter; nothing secret depends on it. */
export function systemRandom(): number {
  return Math.random();
}
