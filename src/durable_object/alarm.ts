/**
 * The one alarm of an object, for all that waits in it.
 *
 * It is set in the turn of the commit that needs it, and so is durable with it. Moved earlier at once; moved later, or removed, only
 * when the whole is looked at: an alarm that rings too early, twice, or for nothing finds nothing due, and is set anew.
 *
 * @module
 */
import type { ObjectStorage } from "./platform.ts";

/** What of the object's state decides when it has to be woken. */
export interface Wanted {
  /** Earliest time of what is stored; undefined when nothing is to come. */
  readonly at: number | undefined;
  /** Runs are under way: the timers that they have in memory count. Those of runs that are parked are stored. */
  readonly isActive: boolean;
}

/** The alarm. */
export interface ObjectAlarm {
  /** A timer in memory. */
  timer(at: number, wake: () => void): Disposable;
  /** Sets the alarm where it has to be now. */
  plan(): void;
  /** Sets the alarm, whatever is stored: to try again, when that cannot be looked at or changed. `Infinity` removes it. */
  move(at: number): void;
  /** Rejects when it could not be set as it was to be last. */
  placed(): Promise<void>;
  /** Finds out whether one is set. */
  load(): Promise<void>;
  /** It has rung: none is set any more. */
  rang(): void;
  /** Wakes what is due in memory. */
  wakeDue(): void;
  /** Nothing in memory waits any more. */
  stop(): void;
}

interface Timer {
  readonly at: number;
  readonly wake: () => void;
}

/** What is due and not done yet is looked at again after this long, in milliseconds: not in a circle without a pause. */
const SOONEST_MS = 50;

/** The platform takes no alarm after the year 2189: what is further away is waited for in parts of ten years. */
const FARTHEST_MS = 10 * 365 * 86_400_000;

/**
 * @param hop calls later: for timers whose time has come
 * @param wanted looks at what is stored, and is told when the alarm rang last; undefined: the alarm stays as it is
 */
export function createObjectAlarm(
  storage: ObjectStorage,
  now: () => number,
  hop: (then: () => void) => void,
  wanted: (rangAt: number) => Wanted | undefined,
): ObjectAlarm {
  const timers = new Set<Timer>();
  /** When the alarm is set for; Infinity when none is, undefined when that is not known. */
  let set: number | undefined;
  let rangAt = -Infinity;
  let counts = false;
  let moving: Promise<void> | undefined;

  function move(wanted: number): void {
    const at = wanted === Infinity ? wanted : Math.min(wanted, now() + FARTHEST_MS);
    if (at === set) return;
    set = at;
    // Not awaited: it is part of the turn's transaction. When that fails the platform starts the object anew.
    const moved = at === Infinity ? storage.deleteAlarm() : storage.setAlarm(at);
    moving = moved;
    moved.catch(() => set = undefined);
  }

  function plan(): void {
    const found = wanted(rangAt);
    if (found === undefined) return;
    const { at = Infinity, isActive } = found;
    counts = isActive;
    let first = at;
    if (isActive) { for (const timer of timers) first = Math.min(first, timer.at); }
    if (first <= now()) {
      // One that is due already is on its way.
      if (set !== undefined && set <= now()) return;
      first = now() - rangAt < SOONEST_MS ? now() + SOONEST_MS : now();
    }
    move(Math.ceil(first));
  }

  function timer(at: number, wake: () => void): Disposable {
    const timer = { at, wake };
    timers.add(timer);
    if (at <= now()) hop(() => wakeOne(timer));
    // Of runs that are parked only what is stored counts: an engine that looks again and again must not wake its object so.
    else if (counts && (set === undefined || at < set)) move(Math.ceil(at));
    return { [Symbol.dispose]: () => void timers.delete(timer) };
  }

  function wakeOne(timer: Timer): void {
    if (timers.delete(timer)) timer.wake();
  }

  return {
    timer,
    plan,
    move: (at) => move(Math.ceil(at)),
    async placed() {
      await moving;
    },
    async load() {
      const at = await storage.getAlarm();
      set ??= at ?? Infinity;
    },
    rang() {
      set = Infinity;
      rangAt = now();
    },
    wakeDue() {
      for (const timer of [...timers]) if (timer.at <= now()) wakeOne(timer);
    },
    stop: () => timers.clear(),
  };
}
