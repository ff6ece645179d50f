/**
 * Values that must not be seen, remembered beyond the end of the process: a job may have set a secret, or made a token, that nothing
 * gives back later, and what is kept of it still has the value.
 *
 * @module
 */
import { createHmac } from "node:crypto";
import type { Database, Secrets } from "./ports.ts";

const STEPS: readonly (readonly string[])[] = [[
  "CREATE TABLE secret_values(digest TEXT PRIMARY KEY, value TEXT NOT NULL, used_at INTEGER NOT NULL) WITHOUT ROWID",
]];

/** That a value is used is written down this seldom. */
const NOTE_MS = 3_600_000;

/**
 * The same secrets, which know the values of earlier processes, and leave theirs, encrypted, to later ones.
 *
 * @param secrets the key, and what hides values
 * @param database the data folder's tables
 * @param now milliseconds since 1970
 * @returns the secrets; `forget` forgets values for the next process, this one goes on hiding them
 */
export function rememberAlways(secrets: Secrets, database: Database, now: () => number): Secrets {
  database.migrate("secrets", STEPS);
  for (const { value } of database.all<{ readonly value: string }>("SELECT value FROM secret_values")) {
    try {
      secrets.remember(secrets.decrypt(value));
    } catch (error) {
      void error; // encrypted with another key: what it is in is lost, too
    }
  }
  /** When it was last written down that a value is used. */
  const noted = new Map<string, number>();

  return {
    ...secrets,
    remember(value) {
      secrets.remember(value);
      const at = now();
      if (!secrets.holds(value) || at - (noted.get(value) ?? -Infinity) < NOTE_MS) return;
      database.run(
        "INSERT INTO secret_values VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at",
        createHmac("sha256", secrets.signingKey).update(value).digest("hex"),
        secrets.encrypt(value),
        at,
      );
      database.afterCommit(() => noted.set(value, at));
    },
    forget: (before) => void database.run("DELETE FROM secret_values WHERE used_at < ?", before - NOTE_MS),
  };
}
