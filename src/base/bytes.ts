/**
 * Bytes as text.
 *
 * @module
 */

/** Lower-case hex digits of some bytes. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const b of bytes) text += b.toString(16).padStart(2, "0");
  return text;
}
