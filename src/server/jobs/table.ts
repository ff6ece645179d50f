/**
 * The job table: rows in, jobs out. Each function is a few statements; what belongs together, the caller puts in a transaction.
 * Arguments, code, status and result that hold a secret are encrypted in it.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import type { Database, Job, JobKind, JobQuery, JobRequest } from "../ports.ts";
import { noteResultText } from "./exact_result.ts";
import { whereOpened } from "./sealed.ts";
import type { StoredTexts } from "../stored_text.ts";

/** Where a job is. `suspended` waits for something outside, `ended` is for ever. */
export type JobState = "queued" | "running" | "suspended" | "ended";

/**
 * The tables. Columns that may be large are last: lists need not read them. `jobs.no` is the order in which jobs were made, and
 * is never given twice. A text of `logs` or `streams` begins at `at` characters.
 */
export const JOB_STEPS: readonly (readonly string[])[] = [[
  `CREATE TABLE jobs(
    no INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, kind TEXT NOT NULL, path TEXT, hash TEXT,
    language TEXT NOT NULL, created_by TEXT NOT NULL, email TEXT NOT NULL, created_at INTEGER NOT NULL,
    scheduled_for INTEGER NOT NULL, started_at INTEGER, completed_at INTEGER, duration_ms INTEGER, success INTEGER,
    canceled_by TEXT, canceled_reason TEXT, parent TEXT, root TEXT, tag TEXT NOT NULL, priority INTEGER NOT NULL,
    timeout_s REAL, cache_ttl_s REAL, concurrency_key TEXT, concurrent_limit INTEGER, concurrency_window_s REAL,
    mem_peak INTEGER, progress INTEGER, restarts INTEGER NOT NULL DEFAULT 0, entrypoint TEXT, preprocess INTEGER NOT NULL,
    invisible INTEGER NOT NULL, erased INTEGER NOT NULL DEFAULT 0,
    args TEXT NOT NULL, content TEXT, status TEXT, result TEXT)`,
  "CREATE INDEX jobs_queued ON jobs(priority DESC, scheduled_for, no) WHERE state = 'queued'",
  "CREATE INDEX jobs_due ON jobs(scheduled_for) WHERE state = 'queued'",
  "CREATE INDEX jobs_open ON jobs(no) WHERE state <> 'ended'",
  "CREATE INDEX jobs_parent ON jobs(parent) WHERE parent IS NOT NULL",
  "CREATE INDEX jobs_path ON jobs(path, no)",
  "CREATE INDEX jobs_completed ON jobs(completed_at) WHERE completed_at IS NOT NULL",
  "CREATE INDEX jobs_limited ON jobs(concurrency_key, state, completed_at) WHERE concurrency_key IS NOT NULL",
  "CREATE TABLE logs(job TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (job, at)) WITHOUT ROWID",
  "CREATE TABLE streams(job TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (job, at)) WITHOUT ROWID",
  "CREATE TABLE user_states(job TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (job, key)) WITHOUT ROWID",
  "CREATE TABLE results(key TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, result TEXT NOT NULL) WITHOUT ROWID",
  "CREATE INDEX results_expire ON results(expires_at)",
], [
  "ALTER TABLE jobs ADD COLUMN started_by TEXT",
  "CREATE INDEX jobs_root ON jobs(root) WHERE root IS NOT NULL",
]];

/** A row of the table. */
interface JobRow {
  readonly id: string;
  readonly state: JobState;
  readonly kind: JobKind;
  readonly path: string | null;
  readonly hash: string | null;
  readonly language: string;
  readonly created_by: string;
  readonly email: string;
  readonly created_at: number;
  readonly scheduled_for: number;
  readonly started_at: number | null;
  readonly completed_at: number | null;
  readonly duration_ms: number | null;
  readonly success: number | null;
  readonly canceled_by: string | null;
  readonly canceled_reason: string | null;
  readonly parent: string | null;
  readonly root: string | null;
  readonly started_by: string | null;
  readonly tag: string;
  readonly priority: number;
  readonly timeout_s: number | null;
  readonly cache_ttl_s: number | null;
  readonly concurrency_key: string | null;
  readonly mem_peak: number | null;
  readonly progress: number | null;
  readonly restarts: number;
  readonly entrypoint: string | null;
  readonly preprocess: number;
  readonly invisible: number;
  readonly args: string;
  readonly content: string | null;
  readonly status: string | null;
  readonly result: string | null;
}

/** How a job's row ends. */
export interface Ending {
  readonly success: boolean;
  readonly result: Json;
  readonly args?: Readonly<Record<string, Json>> | undefined;
  readonly canceledBy?: string;
  readonly canceledReason?: string;
}

/** A job that may be begun. */
export interface Candidate {
  readonly id: string;
  readonly parent: string | null;
  readonly key: string | null;
  readonly max: number | null;
  readonly windowS: number | null;
}

/** The table's statements. */
export interface JobTable {
  insert(
    request: JobRequest,
    id: string,
    root: string | undefined,
    concurrencyKey: string | undefined,
    now: number,
  ): Job;
  get(id: string): Job | undefined;
  state(id: string): JobState | undefined;
  list(query: JobQuery, now: number): readonly Job[];
  count(query: JobQuery, now: number): number;
  /** Moves a job from one state to another; false when it is in none of the first. */
  move(id: string, from: readonly JobState[], to: JobState, now: number): boolean;
  /** Ends a job; false when it has ended: an outcome is never replaced. */
  end(id: string, ending: Ending, now: number): boolean;
  /** The jobs below one, at any depth, that have not ended; parents come before their children. */
  openBelow(id: string): readonly { readonly id: string; readonly parent: string | null }[];
  /** How many jobs are above one, as far as `most`. */
  depth(id: string, most: number): number;
  /** Notes who has asked for a job's end. */
  setCanceled(id: string, by: string, reason: string): void;
  setSchedule(id: string, at: number): void;
  setProgress(id: string, percent: number): boolean;
  setMemory(id: string, bytes: number): void;
  setStatus(id: string, status: Json): void;
  /** The next jobs that are due, the most urgent first; those below `parent` only, when that is given. */
  due(now: number, limit: number, offset: number, parent?: string): readonly Candidate[];
  /** When the next job is due that is not yet. */
  nextDue(now: number): number | undefined;
  /** How many jobs of a key run, or ended after a time; and when the first of those ended. */
  keyUse(key: string, endedAfter: number): { readonly used: number; readonly firstEnd: number | undefined };
  runningIds(): readonly string[];
  /** Versions of scripts that are kept jobs' code. */
  hashes(): ReadonlySet<string>;
  /** When the first job was made that is kept. */
  oldest(): number | undefined;
  restart(id: string): void;
  clearRestarts(id: string): void;
  concurrencyGroups(): readonly { readonly key: string; readonly running: number }[];
  erase(id: string): boolean;
  /** Forgets jobs that ended before a time; gives how many. */
  drop(before: number, limit: number): number;
}

const JSON_NULL = "null";

function parse(text: string): Json {
  // `as`: only JSON is written to these columns.
  return JSON.parse(text) as Json;
}

/** A number that can be read again: the metadata of a script may say any. */
function wholeNumber(value: number): number {
  return Math.trunc(Math.min(Math.max(value, -(2 ** 31)), 2 ** 31));
}

/** What is left of a result that nobody can read any more. */
const LOST = JSON.stringify("[Windkit: this was encrypted with a key that the data folder does not have any more]");

/** A job without its content, arguments, status and result is what lists give. */
function jobOf(row: JobRow, texts: StoredTexts): Job {
  const result = row.completed_at === null ? undefined : texts.open(row.result ?? JSON_NULL, LOST);
  const job = jobWith(row, result, texts);
  if (result !== undefined) noteResultText(job, result);
  return job;
}

function jobWith(row: JobRow, result: string | undefined, { open }: StoredTexts): Job {
  const { state, path, hash, started_at, completed_at, parent, root, success, progress, status } = row;
  return {
    id: row.id,
    kind: row.kind,
    ...(path !== null && { path }),
    ...(hash !== null && { hash }),
    language: row.language,
    // `as`: arguments are stored by name.
    args: parse(open(row.args, "{}")) as Readonly<Record<string, Json>>,
    createdBy: row.created_by,
    email: row.email,
    createdAt: row.created_at,
    scheduledFor: row.scheduled_for,
    ...(started_at !== null && { startedAt: started_at }),
    ...(parent !== null && { parent }),
    ...(root !== null && { root }),
    ...(row.started_by !== null && { startedBy: row.started_by }),
    tag: row.tag,
    ...(row.priority !== 0 && { priority: row.priority }),
    running: state === "running",
    suspended: state === "suspended",
    canceled: row.canceled_by !== null,
    ...(row.canceled_by !== null && { canceledBy: row.canceled_by }),
    ...(row.canceled_reason !== null && { canceledReason: row.canceled_reason }),
    ...(completed_at !== null && result !== undefined &&
      { completedAt: completed_at, success: success === 1, result: parse(result) }),
    ...(row.duration_ms !== null && { durationMs: row.duration_ms }),
    ...(row.mem_peak !== null && { memPeakBytes: row.mem_peak }),
    ...(progress !== null && { progress }),
    ...(status !== null && { workflowAsCodeStatus: parse(open(status, "{}")) }),
    ...(row.content !== null && { content: open(row.content, "") }),
    ...(row.entrypoint !== null && { entrypoint: row.entrypoint }),
    ...(row.preprocess === 1 && { preprocess: true }),
    ...(row.timeout_s !== null && { timeoutS: row.timeout_s }),
    ...(row.cache_ttl_s !== null && { cacheTtlS: row.cache_ttl_s }),
    ...(row.concurrency_key !== null && { concurrencyKey: row.concurrency_key }),
    ...(row.invisible === 1 && { invisibleToOwner: true }),
    restarts: row.restarts,
  };
}

/** Makes the table's statements; the tables are brought up to date. */
export function createJobTable(database: Database, texts: StoredTexts): JobTable {
  const { close } = texts;
  const closeJson = (value: unknown): string => close(JSON.stringify(value));
  database.migrate("jobs", JOB_STEPS);

  function numberAt(sql: string, ...values: (string | number)[]): number {
    return database.get<{ readonly n: number }>(sql, ...values)?.n ?? 0;
  }

  return {
    insert: (request, id, root, concurrencyKey, now) => {
      const checkpoint = request.checkpoint;
      const row = database.get<JobRow>(
        `INSERT INTO jobs(id, state, kind, path, hash, language, created_by, email, created_at, scheduled_for, parent, root, tag,
          priority, timeout_s, cache_ttl_s, concurrency_key, concurrent_limit, concurrency_window_s, entrypoint, preprocess,
          invisible, args, content, status, started_by)
        VALUES (?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
        id,
        request.kind,
        request.path ?? null,
        request.hash ?? null,
        request.language,
        request.caller.username,
        request.caller.email,
        now,
        request.scheduledFor ?? now,
        request.parent ?? null,
        root ?? null,
        request.tag ?? request.language,
        wholeNumber(request.priority ?? 0),
        request.timeoutS ?? null,
        request.cacheTtlS ?? null,
        concurrencyKey ?? null,
        request.concurrentLimit === undefined ? null : wholeNumber(request.concurrentLimit),
        request.concurrencyWindowS ?? null,
        request.entrypoint ?? null,
        request.preprocess === true ? 1 : 0,
        request.invisibleToOwner === true ? 1 : 0,
        closeJson(request.args),
        request.content === undefined ? null : close(request.content),
        checkpoint === undefined ? null : closeJson({ _checkpoint: checkpoint }),
        request.caller.job ?? null,
      );
      if (row === undefined) throw new Error(`Job ${id} is gone before it began`);
      return jobOf(row, texts);
    },
    get: (id) => {
      const row = database.get<JobRow>("SELECT * FROM jobs WHERE id = ?", id);
      return row && jobOf(row, texts);
    },
    state: (id) => database.get<{ readonly state: JobState }>("SELECT state FROM jobs WHERE id = ?", id)?.state,
    list: (query, now) => {
      const { sql, values } = whereOpened(database, texts, query, now);
      const order = query.orderDesc === false ? "ASC" : "DESC";
      const text = `SELECT * FROM jobs ${sql} ORDER BY no ${order} LIMIT ? OFFSET ?`;
      return database.all<JobRow>(text, ...values, query.limit, query.offset).map((row) => jobOf(row, texts));
    },
    count: (query, now) => {
      const { sql, values } = whereOpened(database, texts, query, now);
      return numberAt(`SELECT count(*) AS n FROM jobs ${sql}`, ...values);
    },
    move: (id, from, to, now) => {
      // The first start counts: a workflow is begun again in each of its rounds.
      const states = from.map((state) => `'${state}'`).join();
      return database.run(
        `UPDATE jobs SET state = ?1, started_at = iif(?1 = 'running', coalesce(started_at, ?), started_at)
        WHERE id = ? AND state IN (${states})`,
        to,
        Math.trunc(now),
        id,
      ).changes > 0;
    },
    end: (id, { success, result, args, canceledBy, canceledReason }, now) =>
      database.run(
        `UPDATE jobs SET state = 'ended', success = ?1, result = ?, completed_at = ?,
          canceled_by = coalesce(?, iif(?1, NULL, canceled_by)),
          canceled_reason = coalesce(?, iif(?1, NULL, canceled_reason)),
          duration_ms = max(0, ? - coalesce(started_at, ?)), started_at = coalesce(started_at, ?), args = coalesce(?, args)
        WHERE id = ? AND state <> 'ended'`,
        success ? 1 : 0,
        closeJson(result),
        now,
        canceledBy ?? null,
        canceledReason ?? null,
        now,
        now,
        now,
        args === undefined ? null : closeJson(args),
        id,
      ).changes > 0,
    openBelow: (id) =>
      database.all<{ readonly id: string; readonly parent: string | null }>(
        `WITH RECURSIVE below(id) AS (
          SELECT id FROM jobs WHERE parent = ? UNION SELECT jobs.id FROM jobs JOIN below ON jobs.parent = below.id)
        SELECT jobs.id, jobs.parent FROM jobs JOIN below USING (id) WHERE state <> 'ended' AND jobs.id <> ? ORDER BY no`,
        id,
        id,
      ),
    depth: (id, most) =>
      numberAt(
        `WITH RECURSIVE above(id, n) AS (
          SELECT parent, 1 FROM jobs WHERE id = ?1 AND parent IS NOT NULL
          UNION ALL SELECT jobs.parent, n + 1 FROM jobs JOIN above USING (id) WHERE jobs.parent IS NOT NULL AND n < ?2)
        SELECT max(n) AS n FROM above`,
        id,
        most,
      ),
    setCanceled: (id, by, reason) =>
      void database.run(
        "UPDATE jobs SET canceled_by = ?, canceled_reason = ? WHERE id = ? AND state <> 'ended'",
        by,
        reason,
        id,
      ),
    setSchedule: (id, at) => void database.run("UPDATE jobs SET scheduled_for = ? WHERE id = ?", at, id),
    setProgress: (id, percent) =>
      database.run("UPDATE jobs SET progress = ? WHERE id = ? AND state <> 'ended'", percent, id).changes > 0,
    setMemory: (id, bytes) =>
      void database.run("UPDATE jobs SET mem_peak = max(coalesce(mem_peak, 0), ?) WHERE id = ?", Math.trunc(bytes), id),
    setStatus: (id, status) => void database.run("UPDATE jobs SET status = ? WHERE id = ?", closeJson(status), id),
    due: (now, limit, offset, parent) =>
      database.all<Candidate>(
        `SELECT id, parent, concurrency_key AS key, concurrent_limit AS max, concurrency_window_s AS windowS
        FROM jobs WHERE state = 'queued' AND scheduled_for <= ? ${parent === undefined ? "" : "AND parent = ?"}
        ORDER BY priority DESC, scheduled_for, no LIMIT ? OFFSET ?`,
        ...(parent === undefined ? [now] : [now, parent]),
        limit,
        offset,
      ),
    nextDue: (now) =>
      database.get<{ readonly at: number | null }>(
        "SELECT min(scheduled_for) AS at FROM jobs WHERE state = 'queued' AND scheduled_for > ?",
        now,
      )?.at ?? undefined,
    keyUse: (key, endedAfter) => {
      const running = numberAt("SELECT count(*) AS n FROM jobs WHERE concurrency_key = ? AND state = 'running'", key);
      const ended = database.get<{ readonly n: number; readonly first: number | null }>(
        `SELECT count(*) AS n, min(completed_at) AS first FROM jobs
        WHERE concurrency_key = ? AND state = 'ended' AND completed_at > ?`,
        key,
        endedAfter,
      );
      return { used: running + (ended?.n ?? 0), firstEnd: ended?.first ?? undefined };
    },
    runningIds: () =>
      database.all<{ readonly id: string }>("SELECT id FROM jobs WHERE state = 'running' ORDER BY no").map((row) =>
        row.id
      ),
    hashes: () =>
      new Set(
        database.all<{ readonly hash: string }>("SELECT DISTINCT hash FROM jobs WHERE hash IS NOT NULL")
          .map((row) => row.hash),
      ),
    oldest: () => database.get<{ readonly at: number }>("SELECT created_at AS at FROM jobs ORDER BY no LIMIT 1")?.at,
    restart: (id) =>
      void database.run(
        "UPDATE jobs SET state = 'queued', restarts = restarts + 1 WHERE id = ? AND state = 'running'",
        id,
      ),
    clearRestarts: (id) => void database.run("UPDATE jobs SET restarts = 0 WHERE id = ? AND restarts > 0", id),
    concurrencyGroups: () =>
      database.all<{ readonly key: string; readonly running: number }>(
        `SELECT concurrency_key AS key, sum(state = 'running') AS running FROM jobs
        WHERE concurrency_key IS NOT NULL GROUP BY concurrency_key ORDER BY concurrency_key`,
      ),
    erase: (id) => {
      const { changes } = database.run(
        "UPDATE jobs SET erased = 1, args = '{}', result = '{}', content = NULL, status = NULL WHERE id = ? AND state = 'ended'",
        id,
      );
      if (changes === 0) return false;
      for (const table of ["logs", "streams"]) database.run(`DELETE FROM ${table} WHERE job = ?`, id);
      return true;
    },
    drop: (before, limit) => {
      // A job stays as long as one that belongs to it has not ended.
      const ids = database.all<{ readonly id: string }>(
        `SELECT id FROM jobs WHERE completed_at < ? AND NOT EXISTS (
          SELECT 1 FROM jobs open WHERE open.state <> 'ended' AND (open.parent = jobs.id OR open.root = jobs.id)) LIMIT ?`,
        before,
        limit,
      ).map((row) => row.id);
      for (const id of ids) {
        for (const table of ["logs", "streams", "user_states"]) database.run(`DELETE FROM ${table} WHERE job = ?`, id);
        database.run("DELETE FROM jobs WHERE id = ?", id);
      }
      return ids.length;
    },
  };
}
