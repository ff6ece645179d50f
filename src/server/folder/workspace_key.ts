/**
 * Opens secrets that `wmill sync pull` wrote encrypted, when the workspace's key was pulled with them (`includeKey`).
 *
 * AES-256 in CBC mode, with PKCS#7 padding: the key is the SHA-256 of the key's text, the vector is zero. That is the scheme of the
 * library `magic_crypt`, whose published example is opened here by a test. No secret that a real server sealed was tried, so that
 * this is an assumption about servers; what it does not fit is said to be closed, and is never taken for a value.
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
