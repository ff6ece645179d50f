/**
 * Texts as they are in the data folder's tables: what holds a secret is encrypted.
 *
 * @module
 */
import type { Secrets } from "./ports.ts";

/** What writes and reads them. */
export interface StoredTexts {
  /** The text as it is stored: encrypted when it holds a value that is secret now. */
  close(text: string): string;
  /** The text as it was given; `lost` when the key that it was encrypted with is not there any more. */
  open(stored: string, lost: string): string;
  /** Encrypts in any case: a piece of a text that may hold a piece of a secret. */
  seal(text: string): string;
}

/**
 * Begins what is encrypted. It is a text in JSON, so that SQLite can look into the column, and no JSON that is written here begins
 * with a space.
 */
const MARK = ' "sealed:';

/** The condition, in SQL, that a column's text is encrypted. */
export function isSealed(column: string): string {
  return `substr(${column}, 1, ${MARK.length}) = '${MARK}'`;
}

/** Makes what a server's tables use. */
export function createStoredTexts(secrets: Pick<Secrets, "encrypt" | "decrypt" | "holds">): StoredTexts {
  const seal = (text: string): string => `${MARK}${secrets.encrypt(text)}"`;
  return {
    seal,
    // Code may begin with anything: what looks as if it were encrypted is, too.
    close: (text) => text.startsWith(MARK) || secrets.holds(text) ? seal(text) : text,
    open: (stored, lost) => {
      if (!stored.startsWith(MARK)) return stored;
      try {
        return secrets.decrypt(stored.slice(MARK.length, -1));
      } catch {
        return lost;
      }
    },
  };
}
