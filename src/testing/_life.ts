/**
 * One process of an explored world: what an engine has asked of its host and its executor, and has not got yet. When the process
 * dies, this is forgotten as a whole.
 *
 * @module
 */
import type { CurrentRun, Host } from "../engine/ports.ts";
import type { Engine } from "../engine/api.ts";
import type { Ambient } from "./_ambient.ts";
import type { Seeded } from "./_seeded.ts";

/** Something that may happen when the schedule says so. */
export interface Ready {
  readonly label: string;
  readonly go: () => void;
}

interface Timer {
  readonly at: number;
  readonly wake: () => void;
}

const lives = /* @__PURE__ */ new WeakMap<object, Life>();

/** The process that the running code belongs to. */
export function lifeOf(current: CurrentRun | undefined): Life | undefined {
  if (current === undefined) return undefined;
  return lives.get(current.session ?? current.info ?? current);
}

/** One process. */
export class Life {
  engine: Engine | undefined;
  /** Ends of attempts, and bodies of steps that stand at a `pause()`, in the order in which they came. */
  readonly ready: Ready[] = [];
  /** Attempts whose body runs now, in real time. */
  busy = 0;
  /** Attempts that have begun and whose outcome was not handed over, with the time at which they run out. */
  readonly attempts = new Map<string, number>();
  /** Sleeps and waits that this process knows of. */
  readonly waits = new Set<string>();
  /** The run is in this process's memory, or was. */
  loaded = false;
  readonly host: Host;
  readonly ambient: Ambient;
  readonly #timers = new Set<Timer>();
  #hops: (() => void)[] = [];
  #next = 0;

  constructor(local: Host, now: () => number, seeded: Seeded, random: Seeded) {
    this.ambient = { now, random: () => random.next() };
    const { context } = local;
    this.host = {
      name: local.name,
      can: local.can,
      now,
      random: (count) => seeded.bytes(count),
      timer: (at, wake) => {
        const timer = { at, wake };
        this.#timers.add(timer);
        return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
      },
      hop: (then) => void this.#hops.push(then),
      context: {
        get concurrent(): boolean {
          return context.concurrent;
        },
        run: (current, fn) => {
          const { session, info } = current as Partial<CurrentRun>;
          // What stands for the body of a step has no session, but it knows what a step may know of itself.
          if (info === undefined || session === undefined) lives.set(session ?? info ?? current, this);
          return context.run(current, fn);
        },
        current: () => context.current(),
        clear: () => context.clear(),
      },
    };
  }

  /** The next thing that a macrotask was asked for. */
  takeHop(): (() => void) | undefined {
    const then = this.#hops[this.#next];
    if (then === undefined) return undefined;
    this.#next++;
    if (this.#next === this.#hops.length) {
      this.#hops = [];
      this.#next = 0;
    }
    return then;
  }

  /** When the next timer rings. */
  nextTimer(): number | undefined {
    let first: number | undefined;
    for (const { at } of this.#timers) if (first === undefined || at < first) first = at;
    return first;
  }

  /** Rings the earliest timer, if it is due. */
  ring(now: number): void {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.at < first.at) first = timer;
    if (first === undefined || first.at > now) return;
    this.#timers.delete(first);
    first.wake();
  }
}
