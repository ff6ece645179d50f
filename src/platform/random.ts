/**
 * The machine's randomness.
 *
 * @module
 */

/** A call of the system for each run's id and seed would be 5 % of a small run: bytes are drawn for many at once. */
const POOL_BYTES = 4096;

let pool: Uint8Array<ArrayBuffer> | undefined;
let used = 0;

/** Random bytes, good enough for ids and tokens. None is given twice. */
export function randomBytes(length: number): Uint8Array {
  if (length > POOL_BYTES / 8) return crypto.getRandomValues(new Uint8Array(length));
  if (pool === undefined || used + length > POOL_BYTES) {
    pool = crypto.getRandomValues(pool ?? new Uint8Array(POOL_BYTES));
    used = 0;
  }
  const bytes = pool.slice(used, used + length);
  pool.fill(0, used, used + length);
  used += length;
  return bytes;
}

/** A random number of 32 bits without sign. */
export function randomUint32(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
