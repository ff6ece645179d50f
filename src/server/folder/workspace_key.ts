/**
 * Opens secrets that `wmill sync pull` wrote encrypted, when the workspace's key was pulled with them (`includeKey`).
 *
 * The server encrypts with AES-256 in CBC mode: the key is the SHA-256 of the key's text, the vector is zero. (Read from the library it
 * uses; not tried against a server with a salt of its own, whose secrets cannot be opened.)
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createDecipheriv, createHash } from "node:crypto";

/**
 * Says whether a text may be a secret that a server encrypted.
 *
 * @param text the value in the file
 * @returns true for whole blocks in base 64
 */
export function looksEncrypted(text: string): boolean {
  if (text.length < 24 || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return false;
  return Buffer.from(text, "base64").length % 16 === 0;
}

/**
 * Opens a secret.
 *
 * @param text the value in the file
 * @param key text of the workspace's key
 * @returns the value; undefined when the key is not its key
 */
export function openWithWorkspaceKey(text: string, key: string): string | undefined {
  try {
    const decipher = createDecipheriv("aes-256-cbc", createHash("sha256").update(key).digest(), new Uint8Array(16));
    const bytes = Buffer.concat([decipher.update(Buffer.from(text, "base64")), decipher.final()]);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    // A wrong key is told by the padding, or by bytes that are no text.
    void error;
    return undefined;
  }
}
