/**
 * Runs kept in the SQLite storage of a Cloudflare Durable Object.
 *
 * A commit is one transaction, and resolves at once: the platform lets nothing out of the object, no answer and no request, before
 * what the object wrote is durable (its output gate). Texts that are longer than a row may be (2 MB) are kept in parts.
 *
 * @module
 */
import type { Storage } from "../engine/ports.ts";
import { openDurableObject } from "./_durable_storage.ts";

export type { Message, RowChange, RunQuery, RunRow, RunState, Storage, StoredRecord, Write } from "../engine/ports.ts";
export type { Encoded, RunStatus } from "../workflow/journal.ts";

/** `ctx.storage.sql` of a Durable Object: the part that is used here. */
export interface DurableObjectSql {
  /** Runs a statement. */
  // deno-lint-ignore no-explicit-any -- the platform's own type binds `any`; `unknown` there would refuse it here
  exec(query: string, ...bindings: any[]): DurableObjectCursor;
}

/** What a statement gives. */
export interface DurableObjectCursor {
  /** All rows, by column name. */
  toArray(): Record<string, unknown>[];
  /** All rows, as arrays of their values. */
  raw?(): Iterable<readonly unknown[]>;
}

/** `ctx.storage` of a Durable Object of a class with SQLite storage: the part that is used here. */
export interface DurableObjectStorage {
  /** Its SQL. */
  readonly sql: DurableObjectSql;
  /** Runs `closure` in a transaction, which is taken back when it throws. */
  transactionSync<T>(closure: () => T): T;
}

/** How the storage of an object is opened. */
export interface DurableObjectStorageOptions {
  /** Longest text of one record, in bytes of UTF-8. @default 16777216 */
  readonly maxRecordBytes?: number;
  /** Most messages that may wait for one run. @default 10000 */
  readonly maxMessages?: number;
}

/**
 * Opens the storage of a Durable Object for an engine of your own; `createWorkflowObjects` of `./durable-object` does it for you,
 * with alarms for what sleeps. The class must have SQLite storage (`new_sqlite_classes` in its migration).
 *
 * @param storage `ctx.storage` of the object
 * @param options limits
 * @returns the storage. Its tables are made here
 * @throws SchemaTooNewError for tables of a newer version of this package
 *
 * @example In the constructor of an object
 * ```ts
 * import { createDurableObjectStorage, type DurableObjectStorage } from "@windkit/windmill-client/storage/durable-object";
 *
 * class Runs {
 *   readonly storage;
 *   constructor(ctx: { readonly storage: DurableObjectStorage }) {
 *     this.storage = createDurableObjectStorage(ctx.storage);
 *   }
 * }
 * if (typeof Runs !== "function") throw new Error("no class");
 * ```
 */
export function createDurableObjectStorage(
  storage: DurableObjectStorage,
  options: DurableObjectStorageOptions = {},
): Storage {
  const { sql: _sql, ...port } = openDurableObject(storage, options);
  return port;
}
