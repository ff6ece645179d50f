/**
 * A 64-bit hash of text in plain JavaScript: for fingerprints and check values, where a difference must show. It is no
 * protection against somebody who wants two texts to collide.
 *
 * Two 32-bit lanes with different odd multipliers, a rotation after each code unit (a multiplication alone never carries high
 * bits down), and a finish that mixes the lanes into each other. `crypto.subtle` is asynchronous and 30 times slower on
 * texts of this size; BigInt arithmetic is 50 times slower.
 *
 * @module
 */

/**
 * Hashes the UTF-16 code units of `text`.
 *
 * @param text what to hash
 * @param seed an earlier hash to chain to; `""` for none
 * @returns 16 lower-case hex digits
 *
 * @example Chained
 * ```ts ignore
 * const first = hash64("a");
 * const second = hash64("b", first); // differs from hash64("b")
 * ```
 */
export function hash64(text: string, seed = ""): string {
  mix(text, seed);
  return hex(high) + hex(low);
}

/**
 * True when `hash64(text, seed)` is `expected`, without writing it as text: reading a journal does this for every record.
 *
 * @param text what was hashed
 * @param seed what it was chained to
 * @param expected 16 hex digits
 * @returns whether they are its hash
 */
export function isHash64(text: string, seed: string, expected: string): boolean {
  mix(text, seed);
  return expected.length === 16 && isHex(high, expected, 0) && isHex(low, expected, 8);
}

/** The two halves of the last hash: numbers given back in an array would be an allocation each time. */
let high = 0;
let low = 0;

function mix(text: string, seed: string): void {
  let a = 0x2545f491 ^ text.length;
  let b = 0x9e3779b1 ^ seed.length;
  for (let i = 0; i < seed.length; i++) {
    const unit = seed.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x85ebca77);
    a = (a << 13) | (a >>> 19);
    b = Math.imul(b ^ unit, 0xc2b2ae3d);
    b = (b << 17) | (b >>> 15);
  }
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x85ebca77);
    a = (a << 13) | (a >>> 19);
    b = Math.imul(b ^ unit, 0xc2b2ae3d);
    b = (b << 17) | (b >>> 15);
  }
  a = Math.imul(a ^ (a >>> 16) ^ b, 0x27d4eb2f);
  b = Math.imul(b ^ (b >>> 15) ^ a, 0x165667b1);
  a = Math.imul(a ^ (a >>> 13) ^ (b >>> 7), 0x85ebca77);
  b = b ^ (b >>> 16) ^ a;
  high = a;
  low = b;
}

/** The eight digits of a lane: in one call, because `toString(16)` and `padStart` cost as much as hashing a record. */
function hex(lane: number): string {
  return String.fromCharCode(
    digit(lane >>> 28),
    digit((lane >>> 24) & 15),
    digit((lane >>> 20) & 15),
    digit((lane >>> 16) & 15),
    digit((lane >>> 12) & 15),
    digit((lane >>> 8) & 15),
    digit((lane >>> 4) & 15),
    digit(lane & 15),
  );
}

function isHex(lane: number, text: string, from: number): boolean {
  for (let i = 0; i < 8; i++) {
    if (text.charCodeAt(from + i) !== digit((lane >>> (28 - 4 * i)) & 15)) return false;
  }
  return true;
}

/** Code of a lower-case hex digit. */
function digit(value: number): number {
  return value < 10 ? 48 + value : 87 + value;
}
