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

/** Waits of one length that share a timer, by when they end; they are in that order. */
const waits = /* @__PURE__ */ new Map<unknown, number>();

/** How long each of them is, in milliseconds; 0 while there is no shared timer. */
let sharedMs = 0;

let sharedTimer: ReturnType<typeof setTimeout> | undefined;

/** Wakes whoever is due, and sets the timer for whoever comes next. */
function serve(): void {
  for (const [wake, at] of waits as Map<() => void, number>) { // `as`: only functions are put in
    const ms = at - performance.now();
    if (ms > 0) {
      sharedTimer = setTimeout(serve, ms);
      return;
    }
    waits.delete(wake);
    wake();
  }
  sharedMs = 0;
}

/** Gives up the timer if nothing waits any more. A caller in a loop makes its next call within some turns of microtasks. */
async function retire(): Promise<void> {
  for (let turn = 0; turn < 40; turn++) {
    await undefined;
    if (waits.size > 0) return;
  }
  clearTimeout(sharedTimer);
  sharedMs = 0;
}

/**
 * The runtime's clock and timers. No function waits twice at a time.
 *
 * A timer costs 3 microseconds in Deno, half of what a call costs beside its `fetch`; so there, waits of one length (the time limit
 * of all calls of a client, say) share one. Elsewhere timers are cheap, or belong to the request that set them (workerd).
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout(wake, ms) {
    if (!("Deno" in globalThis) || (sharedMs > 0 && sharedMs !== ms)) return setTimeout(wake, ms);
    if (sharedMs === 0) sharedTimer = setTimeout(serve, sharedMs = ms);
    waits.set(wake, performance.now() + ms);
    return wake;
  },
  clearTimeout(timer) {
    if (!waits.delete(timer)) clearTimeout(timer as number);
    else if (waits.size === 0) void retire();
  },
};

/** A number from 0 up to 1, for jitter; nothing secret depends on it. */
export function systemRandom(): number {
  return Math.random();
}

/** Milliseconds since some time, as exactly as the runtime tells them: for durations. */
export function systemElapsed(): number {
  return performance.now();
}
