/**
 * A machine whose clock only moves when a test moves it: what the engine does is then the same in every run of a test.
 *
 * @module
 */
import { createLocalHost } from "../engine/host.ts";
import type { Host } from "../engine/ports.ts";

/** A host with a clock of its own. */
export interface VirtualHost extends Host {
  /** Waits until the engine has done all that needs no time to pass. */
  settle(): Promise<void>;
  /** Lets time pass, timer by timer. */
  advance(ms: number): Promise<void>;
  /** Lets time pass from timer to timer until the promise settles, and gives what it gives. */
  drive<T>(promise: Promise<T>): Promise<T>;
  /** Lets time pass up to the next timer. False when there is none. */
  tick(): Promise<boolean>;
  /** Timers that have not rung. */
  readonly timers: number;
  /** When the next of them rings, in milliseconds since 1970. */
  readonly next: number | undefined;
}

interface Timer {
  readonly at: number;
  readonly wake: () => void;
}

/** Macrotasks without a request for another one after which the engine has nothing left to do. */
const QUIET = 3;
/** More timers than any case needs: what rings more often goes in a circle. */
const MOST_TIMERS = 200_000;

/**
 * Makes a host whose clock starts at the given time, for an engine that a test drives by hand; {@linkcode testWorkflow} drives one
 * by itself.
 *
 * @param start milliseconds since 1970
 * @returns the host, for `createEngine({ host })`
 *
 * @example A day passes at once
 * ```ts
 * import { createEngine } from "@windkit/windmill-client/engine";
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 * import { createVirtualHost } from "@windkit/windmill-client/testing";
 * import { sleep, workflow } from "@windkit/windmill-client/workflow";
 *
 * const main = workflow(async () => {
 *   await sleep(86_400);
 *   return "rested";
 * });
 *
 * const host = createVirtualHost();
 * await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { main }, host });
 * const run = await host.drive(engine.start("main"));
 * if (await host.drive(run.result()) !== "rested") throw new Error("still asleep");
 * ```
 */
export function createVirtualHost(start = 1_700_000_000_000): VirtualHost {
  const local = createLocalHost();
  let now = start;
  let waiting = 0;
  let requests = 0;
  const timers = new Set<Timer>();

  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET;) {
      const before = requests;
      await new Promise<void>((resolve) => local.hop(resolve));
      quiet = waiting === 0 && requests === before ? quiet + 1 : 0;
    }
  }

  function earliest(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of timers) if (first === undefined || timer.at < first.at) first = timer;
    return first;
  }

  async function ring(timer: Timer): Promise<void> {
    now = Math.max(now, timer.at);
    timers.delete(timer);
    timer.wake();
    await settle();
  }

  return {
    ...local,
    now: () => now,
    hop(then) {
      waiting++;
      requests++;
      local.hop(() => {
        waiting--;
        then();
      });
    },
    timer(at, wake) {
      const timer = { at, wake };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    settle,
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (let next = earliest(); next !== undefined && next.at <= until; next = earliest()) await ring(next);
      now = until;
    },
    async drive(promise) {
      let settled = false;
      const note = (): void => void (settled = true);
      promise.then(note, note);
      for (let rung = 0;; rung++) {
        await settle();
        if (settled) return await promise;
        const next = earliest();
        if (next === undefined) throw new Error("Nothing is left to do, and what is waited for has not settled");
        if (rung > MOST_TIMERS) throw new Error(`Expected an end, found ${rung} timers that rang without one`);
        await ring(next);
      }
    },
    async tick() {
      const next = earliest();
      if (next !== undefined) await ring(next);
      return next !== undefined;
    },
    get timers(): number {
      return timers.size;
    },
    get next(): number | undefined {
      return earliest()?.at;
    },
  };
}
