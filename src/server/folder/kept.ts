/**
 * What belongs to the folder but is not kept in its files: tables of the data folder.
 *
 * - Secrets that the server itself was given. A file would hold them in a form that nobody else can read, and `wmill sync push` would
 *   send that form to a workspace as the secret. They are encrypted with the data folder's key. One that stands over a secret of a
 *   file holds until the file's value changes: what was pulled later is newer.
 * - Resources of the types `state` and `cache`: the command line does not pull them either. What holds a secret is encrypted.
 * - Versions of scripts that are not the files' current ones.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import type { Database, Resource, Script, Secrets } from "../ports.ts";
import { createStoredTexts } from "../stored_text.ts";

/** A secret of the data folder. */
export interface KeptSecret {
  readonly path: string;
  readonly value: string;
  readonly description: string;
  /** Digest of the value in the file that it stands over; undefined when there is no file. */
  readonly over?: string;
}

/** A resource of the data folder, and when it was written. */
export interface KeptResource extends Resource {
  readonly editedAt: number;
}

/** The tables. */
export interface Kept {
  secret(path: string): KeptSecret | undefined;
  /** Paths and descriptions of all, without their values. */
  secrets(): readonly Omit<KeptSecret, "value">[];
  writeSecret(secret: KeptSecret): void;
  deleteSecret(path: string): boolean;
  resource(path: string): KeptResource | undefined;
  resources(): readonly KeptResource[];
  writeResource(resource: Resource): void;
  deleteResource(path: string): boolean;
  version(hash: string): Script | undefined;
  /** Versions of a path that were stored, the newest first. */
  versions(path: string): readonly Script[];
  /** Stores a version; one that is stored stays. */
  writeVersion(script: Script): void;
  /** Stores a version that is not live from now on. */
  endVersion(script: Script): void;
  /** Forgets versions that are not live since before a time, and that nothing refers to; gives how many. */
  forgetVersions(before: number, isUsed: (hash: string) => boolean): number;
}

const STEPS: readonly (readonly string[])[] = [[
  `CREATE TABLE kept_secrets(
    path TEXT PRIMARY KEY, value TEXT NOT NULL, description TEXT NOT NULL, over_digest TEXT) WITHOUT ROWID`,
  `CREATE TABLE kept_resources(
    path TEXT PRIMARY KEY, value TEXT NOT NULL, resource_type TEXT NOT NULL, description TEXT NOT NULL,
    edited_at INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE script_versions(
    seq INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, path TEXT NOT NULL, script TEXT NOT NULL)`,
  "CREATE INDEX script_versions_path ON script_versions(path, seq)",
], [
  // When a version was live last, as far as it is known: of the current one, when it was stored.
  "ALTER TABLE script_versions ADD COLUMN live_at INTEGER NOT NULL DEFAULT 0",
  "UPDATE script_versions SET live_at = 1000 * CAST(strftime('%s', 'now') AS INTEGER)",
]];

interface SecretRow {
  readonly path: string;
  readonly value: string;
  readonly description: string;
  readonly over_digest: string | null;
}

interface ResourceRow {
  readonly path: string;
  readonly value: string;
  readonly resource_type: string;
  readonly description: string;
  readonly edited_at: number;
}

/**
 * Opens the tables, and makes them the first time.
 *
 * @param database the data folder's tables
 * @param secrets its key
 * @param now milliseconds since 1970
 * @returns what is kept
 */
export function openKept(database: Database, secrets: Secrets, now: () => number): Kept {
  database.migrate("folder", STEPS);
  /** Versions that are known to be stored. */
  const stored = new Set<string>();
  const texts = createStoredTexts(secrets);

  function resourceOf(row: ResourceRow): KeptResource {
    return {
      path: row.path,
      // `as`: only `writeResource` fills the table.
      value: JSON.parse(texts.open(row.value, "null")) as Json,
      resourceType: row.resource_type,
      description: row.description,
      editedAt: Number(row.edited_at),
    };
  }

  function insertVersion(script: Script, known: string): void {
    database.run(
      `INSERT INTO script_versions (hash, path, script, live_at) VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO ${known}`,
      script.hash,
      script.path,
      JSON.stringify(script),
      now(),
    );
    stored.add(script.hash);
  }

  return {
    secret(path) {
      const row = database.get<SecretRow>("SELECT * FROM kept_secrets WHERE path = ?", path);
      return row === undefined ? undefined : { ...headOf(row), value: secrets.decrypt(row.value) };
    },
    secrets: () => database.all<SecretRow>("SELECT * FROM kept_secrets ORDER BY path").map(headOf),
    writeSecret({ path, value, description, over }) {
      database.run(
        `INSERT INTO kept_secrets (path, value, description, over_digest) VALUES (?, ?, ?, ?)
          ON CONFLICT (path) DO UPDATE SET value = excluded.value, description = excluded.description,
            over_digest = excluded.over_digest`,
        path,
        secrets.encrypt(value),
        description,
        over ?? null,
      );
    },
    deleteSecret: (path) => database.run("DELETE FROM kept_secrets WHERE path = ?", path).changes > 0,
    resource(path) {
      const row = database.get<ResourceRow>("SELECT * FROM kept_resources WHERE path = ?", path);
      return row === undefined ? undefined : resourceOf(row);
    },
    resources: () => database.all<ResourceRow>("SELECT * FROM kept_resources ORDER BY path").map(resourceOf),
    writeResource({ path, value, resourceType, description }) {
      database.run(
        `INSERT INTO kept_resources (path, value, resource_type, description, edited_at) VALUES (?, ?, ?, ?, ?)
          ON CONFLICT (path) DO UPDATE SET value = excluded.value, resource_type = excluded.resource_type,
            description = excluded.description, edited_at = excluded.edited_at`,
        path,
        texts.close(JSON.stringify(value)),
        resourceType,
        description,
        now(),
      );
    },
    deleteResource: (path) => database.run("DELETE FROM kept_resources WHERE path = ?", path).changes > 0,
    version(hash) {
      const row = database.get<{ readonly script: string }>("SELECT script FROM script_versions WHERE hash = ?", hash);
      // `as`: only `writeVersion` fills the table.
      return row === undefined ? undefined : JSON.parse(row.script) as Script;
    },
    versions: (path) =>
      database.all<{ readonly script: string }>(
        "SELECT script FROM script_versions WHERE path = ? ORDER BY seq DESC",
        path,
      ).map(({ script }) => JSON.parse(script) as Script),
    writeVersion(script) {
      if (stored.has(script.hash)) return;
      insertVersion(script, "NOTHING");
    },
    endVersion: (script) => insertVersion(script, "UPDATE SET live_at = excluded.live_at"),
    forgetVersions(before, isUsed) {
      const old = database.all<{ readonly hash: string }>("SELECT hash FROM script_versions WHERE live_at < ?", before);
      const unused = old.filter(({ hash }) => !isUsed(hash));
      database.transaction(() => {
        for (const { hash } of unused) database.run("DELETE FROM script_versions WHERE hash = ?", hash);
        database.afterCommit(() => unused.forEach(({ hash }) => stored.delete(hash)));
      });
      return unused.length;
    },
  };
}

function headOf({ path, description, over_digest }: SecretRow): Omit<KeptSecret, "value"> {
  return { path, description, ...over_digest === null ? {} : { over: over_digest } };
}
