/**
 * Allocation of keys, exactly as wac-protocol 4 has it: a counter per name, and no key handed out twice. All primitives share
 * one key space.
 *
 * @module
 */
import type { Key } from "./journal.ts";

/** Hands out the keys of one run, in call order. */
export interface Keys {
  /** Next key of a name; `""` counts as `"step"`. */
  draw(name: string): Key;
  /** Takes a key that the caller chose. False when it is used already. */
  claim(key: Key): boolean;
  /** How often a name was drawn. */
  drawn(name: string): number;
}

/** Keys of a new run. */
export function createKeys(): Keys {
  const counters = new Map<string, number>();
  const used = new Set<Key>();
  return {
    draw(name: string): Key {
      let n = (counters.get(name) ?? 0) + 1;
      let key = n === 1 ? name : `${name}_${n}`;
      while (used.has(key)) {
        n++;
        key = `${name}_${n}`;
      }
      counters.set(name, n);
      used.add(key);
      return key;
    },
    claim(key: Key): boolean {
      if (used.has(key)) return false;
      used.add(key);
      return true;
    },
    drawn: (name: string): number => counters.get(name) ?? 0,
  };
}
