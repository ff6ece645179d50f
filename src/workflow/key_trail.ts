/**
 * The keys of a run's calls, and which hand-over led to which call: tells of keys whose number depends on a race.
 *
 * Kept is the trail since the last moment at which nothing was pending: what is older is of no interest, and thrown out now and
 * then, because clearing a map costs more than a call.
 *
 * @module
 */
import type { Key } from "./journal.ts";
import { createKeys } from "./keys.ts";

/** Causes that are kept although nothing asks for them any more. */
const FORGET = 256;

/** Causes that are kept while something is pending. */
const LONGEST_TRAIL = 16_384;

/** Keys of one run, in call order. */
export class KeyTrail {
  readonly #keys = createKeys();
  readonly #onRaced: (key: Key, name: string) => void;
  #turn = 0;
  #quiet = 0;
  #cause: Key | undefined;
  #ordered = false;
  readonly #causes = new Map<Key, Key | undefined>();
  readonly #drawn = new Map<string, { readonly turn: number; readonly key: Key }>();
  #told: Set<string> | undefined;

  /** @param onRaced called for the first key of each name that depends on which of two outcomes came first */
  constructor(onRaced: (key: Key, name: string) => void) {
    this.#onRaced = onRaced;
  }

  /** Takes a key that the body chose. False when it is used already. */
  claim(key: Key): boolean {
    return this.#keys.claim(key);
  }

  /** An outcome is handed over: the calls of this turn follow from it. */
  handOver(key: Key): void {
    this.#turn++;
    this.#cause = key;
  }

  /** Calls that `fn` makes before it returns are ordered by the caller. */
  ordered<T>(fn: () => T): T {
    const before = this.#ordered;
    this.#ordered = true;
    try {
      return fn();
    } finally {
      this.#ordered = before;
    }
  }

  /** Next key of a name that is made of another key, which no race decides on. */
  drawPart(name: string): Key {
    return this.#keys.draw(name);
  }

  /** Next key of a name. `isAlone`: nothing runs beside the body, so this call comes after all that raced before. */
  draw(name: string, isAlone: boolean): Key {
    if (isAlone) {
      this.#quiet = this.#turn;
      if (this.#causes.size > FORGET) {
        this.#drawn.clear();
        this.#causes.clear();
      }
    }
    const key = this.#keys.draw(name);
    const last = this.#drawn.get(name);
    if (
      last !== undefined && last.turn >= this.#quiet && last.turn !== this.#turn && !this.#ordered &&
      this.#told?.has(name) !== true && !this.#follows(last.key)
    ) {
      (this.#told ??= new Set()).add(name);
      this.#onRaced(key, name);
    }
    this.#drawn.set(name, { turn: this.#turn, key });
    this.#causes.set(key, this.#cause);
    if (this.#causes.size > LONGEST_TRAIL) {
      let left = LONGEST_TRAIL / 2;
      for (const old of this.#causes.keys()) if (left-- > 0) this.#causes.delete(old);
    }
    return key;
  }

  /** True when the running turn was caused, at some distance, by the outcome of `key`. */
  #follows(key: Key): boolean {
    for (let cause = this.#cause; cause !== undefined; cause = this.#causes.get(cause)) {
      // Of what is forgotten nothing is said.
      if (cause === key || !this.#causes.has(cause)) return true;
    }
    return false;
  }
}
