/**
 * Numbers that a seed decides. It is not the generator of runs (`workflow/seeded_random.ts`), whose seeds are 128 bits of a journal:
 * a seed here is a number that somebody wrote down, which must find the same schedule again, in one of many streams.
 *
 * @module
 */

/** A sequence of numbers that is the same for the same seed. */
export interface Seeded {
  /** At least 0 and below 1. */
  next(): number;
  /** A whole number of at least 0 and below `bound`. */
  below(bound: number): number;
  /** Bytes. */
  bytes(count: number): Uint8Array;
}

/** Makes the sequence of a seed; `stream` tells several sequences of one seed apart. */
export function createSeeded(seed: number, stream = 0): Seeded {
  // Mulberry32: enough to choose among schedules, and nothing else is decided with it.
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(stream + 1, 0xc2b2ae35)) >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  return {
    next,
    below: (bound) => Math.floor(next() * bound),
    bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)),
  };
}
