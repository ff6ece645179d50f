/**
 * Bytes as base64 text.
 *
 * @module
 */

/** What one call of `String.fromCharCode` takes: far below the limit of arguments, and a multiple of 3, so pieces join. */
const PIECE = 24_576;

/**
 * Decodes base64. Unlike the official client's it takes the URL-safe alphabet too; white space and missing padding are fine.
 *
 * @param data the text
 * @returns the bytes
 * @throws SyntaxError when it is no base64; the text is not quoted, for it may be a secret
 *
 * @example There and back
 * ```ts
 * import { base64ToUint8Array, uint8ArrayToBase64 } from "@windkit/windmill-client";
 *
 * const bytes = base64ToUint8Array("-_8");
 * if (uint8ArrayToBase64(bytes) !== "+/8=") throw new Error("not the same");
 * ```
 */
export function base64ToUint8Array(data: string): Uint8Array<ArrayBuffer> {
  if (typeof data !== "string") throw new TypeError(`Cannot decode base64: expected text, found a ${typeof data}`);
  let binary: string;
  try {
    binary = atob(data.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    const at = data.search(/[^\w+/\s=-]/);
    throw new SyntaxError(
      `Cannot decode base64: ${
        at < 0 ? "it ends in the middle, or its padding is wrong" : `found a stray character at ${at}`
      }`,
    );
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/**
 * Encodes bytes as base64, of any length.
 *
 * @param arrayBuffer the bytes
 * @returns the text, with padding
 */
export function uint8ArrayToBase64(arrayBuffer: Uint8Array): string {
  if (!(arrayBuffer instanceof Uint8Array)) throw new TypeError("Cannot encode base64: expected a Uint8Array");
  let text = "";
  for (let i = 0; i < arrayBuffer.length; i += PIECE) {
    text += btoa(String.fromCharCode(...arrayBuffer.subarray(i, i + PIECE)));
  }
  return text;
}
