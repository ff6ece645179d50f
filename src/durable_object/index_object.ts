/**
 * The index of a namespace: which runs there are, and where they stand. A cache: each run's object tells it of its changes until it has
 * taken them, and only the run's object knows for sure.
 *
 * @module
 */
import { SchemaTooNewError } from "../base/errors.ts";
import type { RunRow, RunState } from "../engine/ports.ts";
import type { IndexUpdate } from "./outbox.ts";
import type { ObjectState, ObjectStorage } from "./platform.ts";

/** A run in the index. */
export interface IndexedRun extends RunRow {
  /** Id of the run whose object it is in: its own, or that of the run that it descends from. */
  readonly root: string;
}

/** Which runs to list: the one that the index heard of last comes first. */
export interface IndexQuery {
  /** Only runs in this state. */
  readonly state?: RunState;
  /** Only runs of this workflow. */
  readonly workflow?: string;
  /** Where the page before ended: its `next`. */
  readonly after?: string;
  /** Most runs to list, up to 1000. @default 100 */
  readonly limit?: number;
}

/** A page of runs. */
export interface IndexPage {
  /** The runs. */
  readonly runs: readonly IndexedRun[];
  /** `after` of the page that follows; absent when there is none. */
  readonly next?: string;
}

/** What an index does for whoever calls it, by RPC or as `POST /name`. */
export interface IndexMethods {
  /** Takes changes from an object. */
  update(update: IndexUpdate): Promise<void>;
  /** Lists runs. */
  list(query?: IndexQuery): Promise<IndexPage>;
}

const VERSION = 1;

const SCHEMA: readonly string[] = [
  `CREATE TABLE runs(
    no INTEGER PRIMARY KEY AUTOINCREMENT, root TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, workflow TEXT,
    state TEXT, row TEXT, gone_at INTEGER)`,
  "CREATE UNIQUE INDEX runs_id ON runs(id, root)",
  "CREATE INDEX runs_no ON runs(no) WHERE state IS NOT NULL",
  "CREATE INDEX runs_state ON runs(state, no) WHERE state IS NOT NULL",
  "CREATE INDEX runs_workflow ON runs(workflow, no) WHERE state IS NOT NULL",
  "CREATE INDEX runs_gone ON runs(gone_at) WHERE gone_at IS NOT NULL",
];

/** A run that is gone is remembered for this long: what was said of it before may still be on its way. */
const GONE_MS = 86_400_000;
const MOST_LISTED = 1000;

/** Makes what is behind one index object's class. */
export function createIndexObject(ctx: ObjectState): IndexMethods {
  const { storage } = ctx;
  const { sql } = storage;
  let isReady = false;

  function isThere(): boolean {
    return isReady ||= sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'windkit_index'").toArray()
          .length > 0 && isKnown(storage);
  }

  function prepare(): void {
    if (isThere()) return;
    storage.transactionSync(() => {
      sql.exec("CREATE TABLE windkit_index(version INTEGER NOT NULL)");
      for (const statement of SCHEMA) sql.exec(statement);
      sql.exec("INSERT INTO windkit_index(version) VALUES(?)", VERSION);
    });
    isReady = true;
  }

  function update({ root, changes }: IndexUpdate): void {
    prepare();
    const now = Date.now();
    storage.transactionSync(() => {
      for (const { run, version, row } of changes) {
        // A change that was overtaken by a later one is none.
        sql.exec(
          `INSERT INTO runs(root, id, version, workflow, state, row, gone_at) VALUES(?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT(id, root) DO UPDATE SET version = excluded.version, workflow = excluded.workflow, state = excluded.state,
             row = excluded.row, gone_at = excluded.gone_at
           WHERE excluded.version > version`,
          root,
          run,
          version,
          row?.workflow ?? null,
          row?.state ?? null,
          row === null ? null : JSON.stringify(row),
          row === null ? now : null,
        );
      }
      sql.exec("DELETE FROM runs WHERE gone_at < ?", now - GONE_MS);
    });
  }

  function list({ state, workflow, after, limit = 100 }: IndexQuery = {}): IndexPage {
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > MOST_LISTED) {
      throw new RangeError(
        `Cannot list runs: 'limit' must be an integer from 1 to ${MOST_LISTED}: current value is ${limit}`,
      );
    }
    const before = after === undefined ? Number.MAX_SAFE_INTEGER : Number(after);
    if (!Number.isSafeInteger(before)) {
      throw new RangeError(`Cannot list runs: 'after' is no 'next' of a page: "${after}"`);
    }
    if (!isThere()) return { runs: [] };
    const where = ["state IS NOT NULL", "no < ?"];
    const values: (string | number)[] = [before];
    if (state !== undefined) where.push("state = ?") && values.push(state);
    if (workflow !== undefined) where.push("workflow = ?") && values.push(workflow);
    const index = state !== undefined ? "runs_state" : workflow !== undefined ? "runs_workflow" : "runs_no";
    const found = sql.exec(
      `SELECT no, root, row FROM runs INDEXED BY ${index} WHERE ${where.join(" AND ")} ORDER BY no DESC LIMIT ?`,
      ...values,
      limit,
    ).toArray();
    const runs = found.map(({ root, row }): IndexedRun => ({
      // As `update` wrote it.
      ...JSON.parse(String(row)) as RunRow,
      root: String(root),
    }));
    return { runs, ...(found.length < limit ? undefined : { next: String(found.at(-1)?.["no"]) }) };
  }

  return {
    // Async: what throws rejects.
    update: async (changes) => update(changes),
    list: async (query) => list(query),
  };
}

function isKnown(storage: ObjectStorage): true {
  const [row = {}] = storage.sql.exec("SELECT version FROM windkit_index").toArray();
  if (Number(row["version"]) <= VERSION) return true;
  throw new SchemaTooNewError(
    `Cannot open the index of runs: its schema has version ${
      row["version"]
    }, this package knows up to ${VERSION}: update the package`,
  );
}
