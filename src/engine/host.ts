/**
 * The machine as the embedded engine's host.
 *
 * @module
 */
import { wallClock, wallTimer } from "../platform/clock.ts";
import { hop } from "../platform/hop.ts";
import { randomBytes } from "../platform/random.ts";
import { clearSlot, currentRun, isConcurrent, runWith } from "../platform/run_context.ts";
import type { CurrentRun, Host } from "./ports.ts";

/** Wall clock, timers, randomness and run context of this machine. */
export function createLocalHost(): Host {
  return {
    name: "engine",
    can: new Set(["events", "firstOf", "overlap", "subSecond", "continue", "cancel", "childRuns", "checked"]),
    now: wallClock,
    random: randomBytes,
    timer: wallTimer,
    hop,
    context: {
      get concurrent(): boolean {
        return isConcurrent();
      },
      run: (current, fn) => runWith(current, fn, current.info !== undefined),
      current: () => currentRun() as CurrentRun | undefined,
      clear: clearSlot,
    },
  };
}
