/**
 * Randomness of a run, drawn from its seed: the same on every replay and every host, with nothing recorded but the seed. It is
 * no source of secrets: whoever can read the journal knows what comes.
 *
 * The generator is sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes PractRand and BigCrush, a few integer
 * additions a number in plain JavaScript. The test kit has another (`testing/_seeded.ts`): what it draws is no run's, and no journal
 * holds its seeds.
 *
 * @module
 */

/** Draws numbers of one run, in the order in which the body asks. */
export interface SeededRandom {
  /** 32 random bits. */
  bits(): number;
  /** From 0 up to, not including, 1: 53 random bits. */
  number(): number;
  /** A version 4 UUID (RFC 9562, 5.4). */
  uuid(): string;
}

/** Draws that are thrown away first, so that seeds that differ in one bit have nothing in common. */
const WARM_UP = 15;

/**
 * Makes a generator.
 *
 * @param seed 32 hex digits: `RunHeader.seed`
 */
export function createSeededRandom(seed: string): SeededRandom {
  const part = (i: number): number => Number.parseInt(seed.slice(i * 8, i * 8 + 8) || "0", 16) >>> 0;
  let [a, b, c, counter] = [part(0), part(1), part(2), part(3) | 1];

  function bits(): number {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return sum >>> 0;
  }
  for (let i = 0; i < WARM_UP; i++) bits();

  return {
    bits,
    number: () => ((bits() >>> 5) * 2 ** 26 + (bits() >>> 6)) / 2 ** 53,
    uuid() {
      const hex = [bits(), bits(), bits(), bits()].map((n) => n.toString(16).padStart(8, "0")).join("");
      const variant = ((Number.parseInt(hex[16] as string, 16) & 3) | 8).toString(16);
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${
        hex.slice(20)
      }`;
    },
  };
}
