/**
 * What an object has to tell the index of its namespace: written in the transaction that changed a run, kept until the index has it.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import type { RunRow, Write } from "../engine/ports.ts";
import { fromWire, type WireError } from "./wire.ts";
import type { ObjectStub } from "./platform.ts";

/** A change of one run, as it is sent. */
export interface IndexChange {
  /** Id of the run. */
  readonly run: string;
  /** Grows with each change of a run of one object, also over a removal of all that it held. */
  readonly version: number;
  /** The run as it is now; null when it is gone. */
  readonly row: RunRow | null;
}

/** What is sent to the index at once. */
export interface IndexUpdate {
  /** Id of the run that the object was made for. */
  readonly root: string;
  /** The changes, oldest first. */
  readonly changes: readonly IndexChange[];
}

type Sql = (text: string) => {
  run(...values: readonly (string | number | null)[]): unknown;
  all(...values: readonly (string | number | null)[]): readonly Readonly<Record<string, unknown>>[];
};

/** Tables of an object beside those of its runs. */
export const OBJECT_SCHEMA: readonly string[] = [
  "CREATE TABLE object(namespace TEXT NOT NULL, root TEXT NOT NULL, version INTEGER NOT NULL)",
  "CREATE TABLE outbox(run TEXT PRIMARY KEY, version INTEGER NOT NULL)",
];

/** Most changes that are sent at once. */
const BATCH = 100;
/** Pauses between attempts to deliver, in milliseconds: each twice the one before. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 300_000;

/** An index that has not answered after this long, in milliseconds, is asked again: what it hears twice does no harm. */
const PATIENCE_MS = 30_000;

/** Notes which runs a commit has changed: within its transaction. */
export function noteChanges(writes: readonly Write[], sql: Sql, now: number): void {
  let version: number | undefined;
  for (const write of writes) {
    const run = write.w === "create"
      ? write.row.id
      : (write.w === "append" && write.row !== undefined) || write.w === "drop"
      ? write.run
      : undefined;
    if (run === undefined) continue;
    // Also above what an earlier life of this object has told.
    version ??= nextVersion(sql, now);
    sql("INSERT INTO outbox(run, version) VALUES(?, ?) ON CONFLICT(run) DO UPDATE SET version = excluded.version")
      .run(run, version);
  }
}

function nextVersion(sql: Sql, now: number): number {
  return Number(sql("UPDATE object SET version = max(version + 1, ?) RETURNING version").all(now)[0]?.["version"]);
}

/** Notes all runs, as if they had changed: within a transaction. */
export function noteAll(sql: Sql, now: number): void {
  sql(
    `INSERT INTO outbox(run, version) SELECT id, ? FROM runs WHERE true
     ON CONFLICT(run) DO UPDATE SET version = excluded.version`,
  ).run(nextVersion(sql, now));
}

/** Sends what is in the outbox. */
export interface Outbox {
  /** Sends until nothing is left, or an attempt fails. */
  deliver(): Promise<void>;
  /** True when nothing is left to send. */
  readonly isEmpty: boolean;
  /** When the next attempt is due, after one that failed. */
  readonly retryAt: number | undefined;
}

/** What an outbox needs. */
export interface OutboxParts {
  readonly sql: Sql;
  readonly now: () => number;
  /** The index; throws when the binding is missing. */
  readonly index: () => ObjectStub;
  readonly root: string;
  readonly row: (run: string) => Promise<RunRow | undefined>;
  /** An attempt has ended: the alarm may have to be another. */
  readonly attempted: (error?: Error) => void;
  /** How long the index may take to answer, in milliseconds. @default 30000 */
  readonly patienceMs?: number;
}

export function createOutbox(parts: OutboxParts): Outbox {
  const { sql, now, index, root, row, attempted, patienceMs = PATIENCE_MS } = parts;
  let delivering: Promise<void> | undefined;
  let failures = 0;
  let retryAt: number | undefined;

  async function send(): Promise<boolean> {
    const noted = sql(`SELECT run, version FROM outbox ORDER BY version LIMIT ${BATCH}`).all();
    if (noted.length === 0) return false;
    const changes: IndexChange[] = [];
    for (const { run, version } of noted) {
      changes.push({ run: String(run), version: Number(version), row: await row(String(run)) ?? null });
    }
    await tell(index(), { root, changes }, patienceMs);
    // One that has changed since has another version, and stays.
    for (const { run, version } of changes) sql("DELETE FROM outbox WHERE run = ? AND version = ?").run(run, version);
    return true;
  }

  async function deliver(): Promise<void> {
    retryAt = undefined;
    try {
      while (await send()) failures = 0;
      attempted();
    } catch (error) {
      retryAt = now() + Math.min(FIRST_PAUSE_MS * 2 ** failures++, LONGEST_PAUSE_MS);
      attempted(error as Error);
    }
  }

  function isEmpty(): boolean {
    return sql("SELECT 1 FROM outbox LIMIT 1").all().length === 0;
  }

  function hasMore(): boolean {
    try {
      return !isEmpty();
    } catch {
      return true; // an attempt fails, and is made again later
    }
  }

  const outbox: Outbox = {
    deliver(): Promise<void> {
      return delivering ??= deliver().finally(() => {
        delivering = undefined;
        // Noted while the last look was on its way back.
        if (retryAt === undefined && hasMore()) void outbox.deliver();
      });
    },
    get isEmpty(): boolean {
      return isEmpty();
    },
    get retryAt(): number | undefined {
      return retryAt;
    },
  };
  return outbox;
}

async function tell(index: ObjectStub, update: IndexUpdate, patienceMs: number): Promise<void> {
  const answered = (async (): Promise<void> => {
    const response = await index.fetch(
      new Request("https://index.invalid/update", { method: "POST", body: JSON.stringify(update) }),
    );
    const body = await response.json() as { readonly error?: WireError };
    if (body.error !== undefined) throw fromWire(body.error);
  })();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`It has not answered for ${patienceMs / 1000} s`)), patienceMs);
  });
  try {
    await Promise.race([answered, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The index's binding, by its name in the environment. */
export function bindingOf<T extends object>(env: unknown, name: string): T {
  const found: unknown = typeof env === "object" && env !== null ? Reflect.get(env, name) : undefined;
  if (typeof found === "object" && found !== null) {
    // A binding of Cloudflare's: what it can do shows when it is used.
    return found as T;
  }
  throw new ConfigurationError(
    `Cannot find the index of workflow runs: the environment has no binding "${name}". Add it to the Worker's durable_objects.bindings, ` +
      `with the class WorkflowIndex, or name another one: createWorkflowObjects({ index })`,
  );
}
