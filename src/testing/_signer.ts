/**
 * Signatures as the server makes them: HMAC-SHA-256 with the workspace's key, in hex.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";

/** Signs texts with the key of the mock's workspace. */
export type Signer = (...parts: readonly string[]) => Promise<string>;

/** Makes a signer. */
export function createSigner(key: string): Signer {
  const bytes = new TextEncoder();
  return async (...parts) => {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle.importKey("raw", bytes.encode(key), algorithm, false, ["sign"]);
    // Lengths keep the parts apart.
    const message = parts.map((part) => `${part.length}:${part}`).join("");
    return toHex(new Uint8Array(await crypto.subtle.sign("HMAC", imported, bytes.encode(message))));
  };
}
