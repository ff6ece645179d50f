/**
 * A Durable Object's storage over `node:sqlite`, for what the platform itself cannot be made to do: a commit that fails, an alarm whose
 * handler fails, an index that is away for long.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import type { ObjectNamespace, ObjectState, ObjectStorage } from "../../src/durable_object/mod.ts";

/** Longest text of a row, in bytes. */
const MOST_OF_A_ROW = 2_000_000;
/** The platform takes none that is later. */
const LATEST_ALARM = Date.UTC(2190, 0, 1);

type Value = null | number | string;

/** The storage of an object, and what can be done to it. */
export interface FakeObject extends ObjectState {
  readonly storage: ObjectStorage;
  /** When the alarm is set for; null when none is. */
  readonly alarmAt: number | null;
  /** From now on statements (of which the text matches), or only transactions, throw this; undefined: no more. */
  failWith(error: Error | undefined, transactionsOnly?: boolean, which?: RegExp): void;
  /** Whether the alarm can be set. */
  takesAlarms: boolean;
  /** The process ends: nothing of what this instance still does is stored. */
  kill(): void;
  /** Times that the storage was emptied. */
  readonly emptied: number;
  /** A new instance of the same object, as after an eviction. */
  again(): FakeObject;
}

/** Makes an object without anything. */
export function createFakeObject(db = new DatabaseSync(":memory:"), alarm = { at: null as number | null }): FakeObject {
  let failure: Error | undefined;
  let readFailure: Error | undefined;
  let failing: RegExp | undefined;
  let emptied = 0;
  let isKilled = false;
  let depth = 0;
  function exec(query: string, ...values: Value[]): { toArray(): Record<string, Value>[] } {
    if (isKilled) throw new Error("The process has ended");
    if (readFailure !== undefined && failing?.test(query) !== false) throw readFailure;
    if (values.some((value) => typeof value === "string" && value.length > MOST_OF_A_ROW)) {
      throw new Error("string or blob too big: SQLITE_TOOBIG");
    }
    const rows = db.prepare(query).all(...values) as Record<string, Value>[];
    return { toArray: () => rows };
  }
  const storage: ObjectStorage = {
    sql: { exec },
    transactionSync(closure) {
      if (isKilled) throw new Error("The process has ended");
      if (failure !== undefined && failing === undefined) throw failure;
      const name = `s${depth++}`;
      db.exec(`SAVEPOINT ${name}`);
      try {
        const value = closure();
        db.exec(`RELEASE ${name}`);
        return value;
      } catch (error) {
        db.exec(`ROLLBACK TO ${name}`);
        db.exec(`RELEASE ${name}`);
        throw error;
      } finally {
        depth--;
      }
    },
    getAlarm: () => Promise.resolve(alarm.at),
    setAlarm(at) {
      if (isKilled) return Promise.reject(new Error("The process has ended"));
      if (!object.takesAlarms) return Promise.reject(new Error("database or disk is full: SQLITE_FULL"));
      if (at > LATEST_ALARM) return Promise.reject(new TypeError("This API doesn't support dates after 2189."));
      alarm.at = at;
      return Promise.resolve();
    },
    deleteAlarm() {
      if (isKilled) return Promise.reject(new Error("The process has ended"));
      alarm.at = null;
      return Promise.resolve();
    },
    deleteAll() {
      emptied++;
      const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        .all();
      for (const { name } of tables) db.exec(`DROP TABLE ${String(name)}`);
      return Promise.resolve();
    },
  };
  const object: FakeObject = {
    storage,
    takesAlarms: true,
    get alarmAt() {
      return alarm.at;
    },
    failWith(error, transactionsOnly = false, which) {
      failure = error;
      failing = which;
      readFailure = transactionsOnly ? undefined : error;
    },
    kill() {
      isKilled = true;
    },
    get emptied() {
      return emptied;
    },
    again: () => createFakeObject(db, alarm),
  };
  return object;
}

/** A binding whose objects are one function. */
export function fakeBinding(fetch: (request: Request) => Promise<Response>): ObjectNamespace {
  return { idFromName: (name) => name, get: () => ({ fetch }) };
}
