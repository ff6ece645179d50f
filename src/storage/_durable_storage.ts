/**
 * The storage in a Durable Object: its SQL, and who uses it. An object is driven by one instance at a time, wherever it runs: that is the
 * platform's promise, and no lock is needed beyond this isolate.
 *
 * @module
 */
import { SchemaTooNewError, StorageFailedError, StorageLockedError } from "../base/errors.ts";
import type { Storage, StoredRecord, Write } from "../engine/ports.ts";
import type { DurableObjectStorage, DurableObjectStorageOptions } from "./durable_object.ts";
import { durableStatements } from "./_durable_sql.ts";
import { largeTextsInParts, PARTS_SCHEMA } from "./_large_texts.ts";
import { SPILL_LENGTH } from "./_sqlite_records.ts";
import { isOwn, type Statement, storageError } from "./_sqlite_module.ts";
import { TABLES } from "./_sqlite_schema.ts";
import { createTables, type Tables } from "./_sqlite_tables.ts";
import { checkLimits, checkWrites, MAX_MESSAGES, MAX_RECORD_BYTES } from "./_writes.ts";

/** Version of the tables. A change is a new version, and a way to it from the ones before. */
const VERSION = 1;

/** Beside the commits: what the object's host keeps in the same transaction, and does in the same turn. */
export interface DurableHooks {
  /** Further tables. */
  readonly schema?: readonly string[];
  /** Within the transaction of a commit that changes more than a journal: what it writes is as durable as the commit. */
  readonly within?: (writes: readonly Write[], sql: (text: string) => Statement) => void;
  /** After such a commit, in the same turn: nothing has been told to anybody, and nothing is without the other. */
  readonly after?: (writes: readonly Write[]) => void;
}

interface Holder {
  readonly name: string;
  readonly pid?: number;
  readonly since: number;
}

interface Watcher {
  readonly by: symbol;
  readonly onMessage: (run: string) => void;
}

/** What all that is opened on one object's storage has in common. */
interface Shared {
  readonly sql: (text: string) => Statement;
  readonly tables: Tables;
  readonly watchers: Set<Watcher>;
  holder: (Holder & { readonly by: symbol }) | undefined;
}

const OPENED = /* @__PURE__ */ new WeakMap<DurableObjectStorage, Shared>();

/** Makes the tables where there are none. */
function prepareTables(
  storage: DurableObjectStorage,
  sql: (text: string) => Statement,
  schema: readonly string[],
): void {
  storage.transactionSync(() => {
    sql("CREATE TABLE IF NOT EXISTS windkit(version INTEGER NOT NULL)").run();
    const version = sql("SELECT version FROM windkit").get()?.["version"];
    if (version === undefined) {
      for (const statement of [...TABLES, ...PARTS_SCHEMA, ...schema]) storage.sql.exec(statement);
      sql("INSERT INTO windkit(version) VALUES(?)").run(VERSION);
    } else if (Number(version) > VERSION) {
      throw new SchemaTooNewError(
        `Cannot open the object's storage: its schema has version ${version}, this package knows up to ${VERSION}: update the package`,
      );
    }
  });
}

/** Tells whether the storage of an object holds anything of ours; makes nothing. */
export function holdsRuns(storage: DurableObjectStorage): boolean {
  return storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'windkit'").toArray().length > 0;
}

/** The storage was emptied: its tables are made anew when it is opened again. */
export function forgetDurableObject(storage: DurableObjectStorage): void {
  OPENED.delete(storage);
}

/** The storage of an object, with what its host adds. */
export function openDurableObject(
  storage: DurableObjectStorage,
  options: DurableObjectStorageOptions = {},
  hooks: DurableHooks = {},
): Storage & { readonly sql: (text: string) => Statement } {
  const { maxRecordBytes = MAX_RECORD_BYTES, maxMessages = MAX_MESSAGES } = options;
  checkLimits({ maxRecordBytes, maxMessages });
  const limits = { durable: "power", maxRecordBytes, maxMessages } as const;
  let shared = OPENED.get(storage);
  if (shared === undefined) {
    const sql = durableStatements(storage.sql);
    try {
      prepareTables(storage, sql, hooks.schema ?? []);
    } catch (error) {
      throw storageError(error, "open the object's storage");
    }
    shared = { sql, tables: createTables(sql, largeTextsInParts(sql), limits), watchers: new Set(), holder: undefined };
    OPENED.set(storage, shared);
  }
  return createHandle(storage, shared, limits, hooks);
}

function changesMore(write: Write): boolean {
  return write.w !== "append" || write.row !== undefined;
}

/** The commit of a step: one record of a run whose place is known. */
function isOneStatement(writes: readonly Write[]): boolean {
  const [write] = writes;
  return writes.length === 1 && write?.w === "append" && write.row === undefined && write.records.length === 1 &&
    (write.records[0]?.text.length ?? 0) <= SPILL_LENGTH;
}

function createHandle(
  storage: DurableObjectStorage,
  shared: Shared,
  limits: Storage["limits"],
  { within, after }: DurableHooks,
): Storage & { readonly sql: (text: string) => Statement } {
  const { sql, tables, watchers } = shared;
  const by = Symbol("handle");
  const watching = new Set<Watcher>();
  let closed = false;
  let failure: Error | undefined;

  function check(action: string): void {
    if (closed) throw new StorageFailedError(`Cannot ${action}: the storage of the object is closed`);
  }

  /** Runs at once; what it throws becomes a rejection with this package's error. */
  function attempt<T>(action: string, run: () => T): Promise<T> {
    try {
      check(action);
      return Promise.resolve(run());
    } catch (error) {
      return Promise.reject(storageError(error, action));
    }
  }

  function own(owner: { readonly name: string; readonly pid?: number }): void {
    const { holder } = shared;
    if (holder !== undefined) {
      const { by: _by, ...known } = holder;
      throw new StorageLockedError(
        `Cannot drive the object's storage as "${owner.name}": "${holder.name}" drives it since ${
          new Date(holder.since).toISOString()
        }`,
        known,
      );
    }
    const { name, pid } = owner;
    shared.holder = { name, ...(pid === undefined ? undefined : { pid }), since: Date.now(), by };
  }

  function commit(writes: readonly Write[]): void {
    if (failure !== undefined) {
      throw new StorageFailedError(
        `Cannot commit: the storage failed earlier, and nothing after that is stored (${failure.message})`,
        { cause: failure },
      );
    }
    const owned = shared.holder?.by === by;
    checkWrites(writes, limits, owned);
    if (writes.length === 0) return;
    const plain = isOneStatement(writes);
    try {
      // One statement is a transaction of its own, for half the price.
      if (plain) tables.apply(writes[0] as Write);
      else {
        storage.transactionSync(() => {
          tables.refresh();
          for (const write of writes) tables.apply(write);
          if (writes.some(changesMore)) within?.(writes, sql);
        });
      }
    } catch (error) {
      tables.forget();
      if (isOwn(error)) throw error;
      const known = storageError(error, "commit to the object's storage");
      if (owned) failure = known;
      throw known;
    }
    if (plain) return;
    if (writes.some(changesMore)) after?.(writes);
    for (const write of writes) if (write.w === "post") tellOthers(write.message.run);
  }

  function tellOthers(run: string): void {
    for (const watcher of watchers) if (watcher.by !== by) report(watcher, run);
  }

  function report(watcher: Watcher, run: string): void {
    queueMicrotask(() => {
      if (watchers.has(watcher)) watcher.onMessage(run);
    });
  }

  async function* journal(run: string, fromSeq = 0): AsyncGenerator<readonly StoredRecord[]> {
    for (let from = fromSeq;;) {
      const page = await attempt(`read the journal of run "${run}"`, () => tables.journalPage(run, from));
      const last = page.at(-1);
      if (last === undefined) return;
      yield page;
      from = last.seq + 1;
    }
  }

  return {
    sql,
    limits,
    own: (owner) => attempt("drive the object's storage", () => own(owner)),
    // Resolved at once: nothing leaves the object before its writes are durable, and that gate is the platform's.
    commit: (writes) => attempt("commit to the object's storage", () => commit(writes)),
    run: (id) => attempt(`read run "${id}"`, () => tables.run(id)),
    runs: (query) => attempt("list runs", () => tables.runs(query)),
    journal,
    due: (now, limit) => attempt("list due runs", () => tables.due(now, limit)),
    nextWake: () => attempt("find the next wake time", () => tables.nextWake()),
    inbox: (run, limit, after) => attempt(`read the messages of run "${run}"`, () => tables.inbox(run, limit, after)),
    watch(onMessage) {
      check("watch the messages");
      const watcher = { by, onMessage };
      watchers.add(watcher);
      watching.add(watcher);
      for (const row of sql("SELECT DISTINCT run FROM inbox WHERE waiting = 1").all()) {
        report(watcher, String(row["run"]));
      }
      return {
        [Symbol.dispose]: () => {
          watchers.delete(watcher);
          watching.delete(watcher);
        },
      };
    },
    [Symbol.asyncDispose]() {
      closed = true;
      for (const watcher of watching) watchers.delete(watcher);
      if (shared.holder?.by === by) shared.holder = undefined;
      return Promise.resolve();
    },
  };
}
