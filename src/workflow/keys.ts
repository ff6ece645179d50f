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

/** A name that looks like another one's numbered key. */
const NUMBERED = /^(.*)_([2-9]|[1-9]\d+)$/s;

/**
 * Keys of a new run. The keys that were handed out are not kept: a set of them grew by one text a call, and cost more than all
 * else here. What was handed out follows from the counters: `name` when the name was drawn, `name_n` when it was drawn n times.
 */
export function createKeys(): Keys {
  const counters = new Map<string, number>();
  const claimed = new Set<Key>();

  function isUsed(key: Key): boolean {
    if (counters.has(key) || claimed.has(key)) return true;
    const [, name, n] = NUMBERED.exec(key) ?? [];
    return name !== undefined && (counters.get(name) ?? 0) >= Number(n);
  }

  return {
    draw(name: string): Key {
      let n = (counters.get(name) ?? 0) + 1;
      let key = n === 1 ? name : `${name}_${n}`;
      if (n === 1 ? isUsed(key) : counters.has(key) || claimed.has(key)) {
        do key = `${name}_${++n}`; while (counters.has(key) || claimed.has(key));
      }
      counters.set(name, n);
      return key;
    },
    claim(key: Key): boolean {
      if (isUsed(key)) return false;
      claimed.add(key);
      return true;
    },
    drawn: (name: string): number => counters.get(name) ?? 0,
  };
}
