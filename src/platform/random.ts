/**
 * The machine's randomness.
 *
 * @module
 */

/** Random bytes, good enough for ids and tokens. */
export function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
