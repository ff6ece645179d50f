/**
 * Who decides about a schedule: nobody (the plain one), a seed, or a list of deviations.
 *
 * @module
 */
import type { Deviation } from "./_schedule.ts";
import { createSeeded } from "./_seeded.ts";
import type { Decider } from "./_world.ts";

/** Most processes that die in one schedule. */
const MOST_CRASHES = 4;
/** How long it takes until another process goes on, in milliseconds: what a clock in the body would notice. */
const DELAYS = [0, 1, 1000, 59_999, 3_600_000, 86_400_001] as const;
const RATES = [0, 0.1, 0.3, 0.6] as const;
const CRASH_RATES = [0, 0.05, 0.15, 0.4] as const;

/** Nothing deviates but what is listed. */
export function decideBy(deviations: readonly Deviation[]): Decider {
  const crashes = new Map<number, Extract<Deviation, { readonly t: "crash" }>>();
  const picks = new Map<number, string>();
  for (const d of deviations) {
    if (d.t === "crash") crashes.set(d.commit, d);
    else picks.set(d.choice, d.label);
  }
  return {
    crash(commit, mayDelayMs) {
      const crash = crashes.get(commit);
      return crash === undefined || crash.delayMs <= mayDelayMs ? crash : { ...crash, delayMs: mayDelayMs };
    },
    pick(choice, labels) {
      const label = picks.get(choice);
      return label === undefined ? 0 : Math.max(0, labels.indexOf(label));
    },
  };
}

/** The seed decides; `no` is the number of the schedule. */
export function decideBySeed(seed: number, no: number): Decider {
  const seeded = createSeeded(seed, 10_000 + no);
  const pickRate = RATES[seeded.below(RATES.length)] ?? 0;
  const crashRate = CRASH_RATES[seeded.below(CRASH_RATES.length)] ?? 0;
  let crashes = 0;
  return {
    crash(commit, mayDelayMs) {
      if (crashes >= MOST_CRASHES || seeded.next() >= crashRate) return undefined;
      crashes++;
      return {
        t: "crash",
        when: seeded.next() < 0.5 ? "before" : "after",
        commit,
        delayMs: Math.min(mayDelayMs, DELAYS[seeded.below(DELAYS.length)] ?? 0),
      };
    },
    pick: (_choice, labels) => seeded.next() < pickRate ? 1 + seeded.below(labels.length - 1) : 0,
  };
}

/** One process dies, at the given commit: the `no`-th of the schedules that try every commit of a run. */
export function singleCrash(no: number): Extract<Deviation, { readonly t: "crash" }> {
  const commit = (no >> 1) + 1;
  return { t: "crash", when: no % 2 === 0 ? "before" : "after", commit, delayMs: DELAYS[no % DELAYS.length] ?? 0 };
}
