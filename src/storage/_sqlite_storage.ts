/**
 * The SQLite storage itself: an open file, and what the port asks of it.
 *
 * @module
 */
import { JournalCorruptError, RunExistsError, StorageFailedError, UnknownRunError } from "../base/errors.ts";
import type { Message, RowChange, RunQuery, RunRow, Storage, StoredRecord, Write } from "../engine/ports.ts";
import type { FileGuard } from "./_file_guard.ts";
import type { Files } from "./_files.ts";
import { type Holder, type Lock, lockedError, lockPath, ownerPath, readHolder, takeLock } from "./_owner.ts";
import { createPlaceCache, type Place } from "./_place_cache.ts";
import {
  type Database,
  isOwn,
  resultCode,
  runAll,
  type SqliteModule,
  type SqlRow,
  type SqlValue,
  type Statement,
  storageError,
} from "./_sqlite_module.ts";
import { checkVersion, migrate, readVersion, rollback, type Schema } from "./_sqlite_schema.ts";
import { readPage, SPILL_LENGTH } from "./_sqlite_records.ts";
import { createSqliteWatch, type SqliteWatch } from "./_sqlite_watch.ts";
import { checkFollows, checkLimit, checkQuery, checkWrites, inboxFull, isBounded, STATES } from "./_writes.ts";
import type { SqliteStorage } from "./sqlite.ts";

/** An opened file and how it was opened. */
export interface Opened {
  readonly sqlite: SqliteModule;
  readonly files: Files;
  readonly db: Database;
  readonly dir: string;
  readonly path: string;
  readonly mode: "drive" | "visit";
  /** The file is of an earlier version: nothing is read or written before `own` has migrated it. */
  readonly old: boolean;
  readonly schema: Schema;
  readonly limits: Storage["limits"];
  /** Guards the file and its log. */
  readonly guard: FileGuard;
  /** The folder from the root: the working directory may change. */
  readonly fullDir: string;
}

/** Runs whose place is remembered. */
const CACHED_RUNS = 8192;

/** Workflow names whose number is remembered. */
const CACHED_WORKFLOWS = 1024;

/** Runs whose waiting messages are counted in memory. */
const COUNTED_RUNS = 1024;

const PARKED = STATES.indexOf("parked");

const ROW =
  `SELECT r.no, r.id, w.name AS workflow, r.state, r.status, r.wake_at, r.waits, r.created_at, r.closed_at, r.parent`;

/** Makes the storage of an opened file. */
export function createSqliteStorage(opened: Opened): SqliteStorage {
  const { sqlite, files, db, dir, path, mode, schema, limits, guard, fullDir } = opened;
  const statements = new Map<string, Statement>();
  const places = createPlaceCache(CACHED_RUNS);
  const workflows = new Map<string, number>();
  const counts = createInboxCounts(sql);
  let old = opened.old;
  let lock: Lock | undefined;
  let holder: Holder | undefined;
  let closed = false;
  let failure: Error | undefined;
  let watch: SqliteWatch | undefined;

  function sql(text: string): Statement {
    let statement = statements.get(text);
    if (statement === undefined) statements.set(text, statement = db.prepare(text));
    return statement;
  }

  function check(action: string): void {
    if (closed) throw new StorageFailedError(`Cannot ${action}: the storage of "${dir}" is closed`);
    if (old) {
      throw new StorageFailedError(
        `Cannot ${action}: "${path}" was written by an earlier version; 'own' brings it up to date first`,
      );
    }
  }

  /** Runs a read at once; what it throws becomes a rejection with this package's error. */
  function read<T>(action: string, run: () => T): Promise<T> {
    try {
      check(action);
      guard.check(action);
      return Promise.resolve(run());
    } catch (error) {
      return Promise.reject(storageError(error, action));
    }
  }

  function own(owner: { readonly name: string; readonly pid?: number }): void {
    const action = `drive "${dir}"`;
    if (closed) throw new StorageFailedError(`Cannot ${action}: the storage is closed`);
    if (mode === "visit") throw new StorageFailedError(`Cannot ${action}: it was opened to visit`);
    if (lock !== undefined) throw lockedError(dir, holder);
    guard.checkNow(action);
    const taken = takeLock(sqlite, dir);
    if (taken === undefined) throw lockedError(dir, readHolder(files, dir));
    try {
      const unclean = readHolder(files, dir) !== undefined;
      const self = { name: owner.name, pid: owner.pid ?? files.pid, since: Date.now() };
      files.writeText(ownerPath(dir), `${JSON.stringify(self)}\n`);
      if (unclean) quickCheck();
      // Another process may have migrated the file since it was opened here.
      if (checkVersion(readVersion(db), schema, path)) migrate(db, schema, path);
      old = false;
      holder = self;
      lock = taken;
      guard.add(lockPath(dir), lockPath(fullDir));
    } catch (error) {
      taken.release();
      throw storageError(error, action);
    }
  }

  /** After an unclean end: SQLite repairs what a crash leaves, this finds what a disk or a person did. */
  function quickCheck(): void {
    const row = db.prepare("PRAGMA quick_check(1)").get() ?? {};
    const found = Object.values(row)[0];
    if (found !== "ok") {
      throw new JournalCorruptError(
        `Cannot drive "${dir}": "${path}" is damaged (${String(found)}); run 'windkit doctor', or restore a backup`,
      );
    }
  }

  /** How commits are synced now: it can only be changed between them. */
  let synced = true;
  function sync(lasting: boolean): void {
    if (limits.durable !== "power" || lasting === synced) return;
    // Done when it is prepared, so that a kept statement would do nothing.
    db.prepare(`PRAGMA synchronous = ${lasting ? "FULL" : "NORMAL"}`).run();
    synced = lasting;
  }

  function commit(writes: readonly Write[], lasting = true): void {
    check("commit");
    if (failure !== undefined) {
      throw new StorageFailedError(
        `Cannot commit: the storage failed earlier, and nothing after that is stored; open "${dir}" again (${failure.message})`,
        { cause: failure },
      );
    }
    const owned = lock !== undefined;
    checkWrites(writes, limits, owned);
    if (writes.length === 0) return;
    const action = `commit to "${path}"`;
    try {
      guard.check(action);
      sync(lasting);
      sql("BEGIN IMMEDIATE").run();
    } catch (error) {
      const known = storageError(error, action);
      // Busy: nothing was written, and the next try may work.
      if (owned && resultCode(error) !== 5) failure = known;
      throw known;
    }
    try {
      counts.refresh();
      // What others posted has lower numbers than what this commit is about to post: look before.
      if (watch !== undefined && writes.some(({ w }) => w === "post")) watch.scan();
      let posted = 0;
      for (const write of writes) {
        const no = apply(write);
        if (no > posted) posted = no;
      }
      sql("COMMIT").run();
      if (posted > 0) watch?.skip(posted);
    } catch (error) {
      rollback(db);
      places.clear();
      workflows.clear();
      counts.clear();
      if (isOwn(error)) throw error;
      const known = storageError(error, action);
      if (owned) failure = known;
      throw known;
    }
  }

  /** Number of the message that was posted, else 0. */
  function apply(write: Write): number {
    switch (write.w) {
      case "create":
        create(write.row, write.records);
        return 0;
      case "append":
        append(write.run, write.records, write.row);
        return 0;
      case "post":
        return post(write.message);
      case "take": {
        const taken = sql(
          `UPDATE inbox SET waiting = 0, kind = '', name = '', payload = '', sender = NULL WHERE id = ? AND waiting = 1
           RETURNING run`,
        ).get(write.id);
        if (taken !== undefined) counts.add(String(taken["run"]), -1);
        return 0;
      }
      case "drop":
        drop(write.run);
        counts.clear();
        return 0;
    }
  }

  function create(row: RunRow, records: readonly StoredRecord[]): void {
    const { id, workflow, state, status, wakeAt, waits, createdAt, closedAt, parent } = row;
    const { changes, lastInsertRowid } = sql(
      `INSERT INTO runs(id, workflow, state, status, wake_at, waits, created_at, closed_at, parent)
       VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT(id) DO NOTHING`,
    ).run(
      id,
      workflowNumber(workflow),
      STATES.indexOf(state),
      status ?? null,
      wakeAt ?? null,
      waits === undefined ? null : JSON.stringify(waits),
      createdAt,
      closedAt ?? null,
      parent ?? null,
    );
    if (changes === 0) throw new RunExistsError(`Cannot create run "${id}": a run of that id is stored`, []);
    const place = { no: Number(lastInsertRowid), next: 0 };
    insertRecords(place, records);
    places.set(id, place);
  }

  function workflowNumber(name: string): number {
    let no = workflows.get(name);
    if (no === undefined) {
      sql("INSERT INTO workflows(name) VALUES(?) ON CONFLICT(name) DO NOTHING").run(name);
      no = Number(sql("SELECT no FROM workflows WHERE name = ?").get(name)?.["no"]);
      if (workflows.size >= CACHED_WORKFLOWS) workflows.clear();
      workflows.set(name, no);
    }
    return no;
  }

  function append(run: string, records: readonly StoredRecord[], change: RowChange | undefined): void {
    const place = placeOf(run);
    if (place === undefined) throw new UnknownRunError(`Cannot append to run "${run}": no run of that id is stored`);
    checkFollows(run, records, place.next);
    insertRecords(place, records);
    if (change !== undefined) changeRow(place.no, change);
  }

  function placeOf(run: string): Place | undefined {
    const known = places.get(run);
    if (known !== undefined) return known;
    const row = sql("SELECT no, (SELECT max(seq) FROM records WHERE run = runs.no) AS last FROM runs WHERE id = ?")
      .get(run);
    if (row === undefined) return undefined;
    const place = { no: Number(row["no"]), next: Number(row["last"] ?? -1) + 1 };
    places.set(run, place);
    return place;
  }

  function insertRecords(place: Place, records: readonly StoredRecord[]): void {
    const insert = sql("INSERT INTO records(run, seq, text) VALUES(?, ?, ?)");
    for (const { seq, text, check } of records) {
      if (text.length <= SPILL_LENGTH) insert.run(place.no, seq, check + text);
      else {
        const { lastInsertRowid } = insert.run(place.no, seq, check);
        sql("INSERT INTO blobs(record, text) VALUES(?, ?)").run(Number(lastInsertRowid), text);
      }
      place.next = seq + 1;
    }
  }

  function changeRow(no: number, change: RowChange): void {
    // Only columns that change: setting a column rewrites its indexes even to the value that it has.
    const sets: string[] = [];
    const values: SqlValue[] = [];
    function set(column: string, value: SqlValue | undefined): void {
      if (value === undefined) return;
      sets.push(`${column} = ?`);
      values.push(value);
    }
    set("state", change.state === undefined ? undefined : STATES.indexOf(change.state));
    set("status", change.status);
    set("wake_at", change.wakeAt);
    set("waits", change.waits === undefined || change.waits === null ? change.waits : JSON.stringify(change.waits));
    set("closed_at", change.closedAt);
    if (sets.length > 0) sql(`UPDATE runs SET ${sets.join(", ")} WHERE no = ?`).run(...values, no);
  }

  function post(message: Message): number {
    const { id, run, kind, name, payload, from = null, at } = message;
    const known = sql("SELECT run, waiting FROM inbox WHERE id = ?").get(id);
    if (known !== undefined) {
      if (known["waiting"] === 1 || known["run"] === run) return 0;
      // Taken by another run, and passed on to this one.
      sql("DELETE FROM inbox WHERE id = ?").run(id);
    }
    if (isBounded(message) && counts.of(run) >= limits.maxMessages) throw inboxFull(message, limits.maxMessages);
    counts.add(run, 1);
    const { lastInsertRowid } = sql(
      "INSERT INTO inbox(id, run, waiting, kind, name, payload, sender, at) VALUES(?, ?, 1, ?, ?, ?, ?, ?)",
    ).run(id, run, kind, name, payload, from, at);
    return Number(lastInsertRowid);
  }

  function drop(run: string): void {
    sql("DELETE FROM inbox WHERE run = ?").run(run);
    const no = sql("SELECT no FROM runs WHERE id = ?").get(run)?.["no"];
    if (no === undefined) return;
    sql("DELETE FROM blobs WHERE record IN (SELECT no FROM records WHERE run = ? AND length(text) = 16)").run(no);
    sql("DELETE FROM records WHERE run = ?").run(no);
    sql("DELETE FROM runs WHERE no = ?").run(no);
    places.delete(run);
  }

  function toRow(row: SqlRow): RunRow {
    const state = STATES[Number(row["state"])];
    const id = String(row["id"]);
    if (state === undefined) {
      throw new JournalCorruptError(`Cannot read run "${id}": its state is ${row["state"]}, which stands for nothing`, {
        runId: id,
      });
    }
    const { status, wake_at: wakeAt, waits, closed_at: closedAt, parent } = row;
    return {
      id,
      workflow: String(row["workflow"]),
      state,
      // What was committed was a `RunRow`: the texts are those of its types.
      ...(typeof status === "string" ? { status: status as NonNullable<RunRow["status"]> } : undefined),
      ...(typeof wakeAt === "number" ? { wakeAt } : undefined),
      ...(typeof waits === "string" ? { waits: JSON.parse(waits) as readonly string[] } : undefined),
      createdAt: Number(row["created_at"]),
      ...(typeof closedAt === "number" ? { closedAt } : undefined),
      ...(typeof parent === "string" ? { parent } : undefined),
    };
  }

  function listRuns(query: RunQuery): RunRow[] {
    const { state, workflow, closedBefore, after, limit } = query;
    const where: string[] = [];
    const values: SqlValue[] = [];
    const byClosing = closedBefore !== undefined;
    if (workflow !== undefined) {
      const no = sql("SELECT no FROM workflows WHERE name = ?").get(workflow)?.["no"];
      if (no === undefined) return [];
      where.push("r.workflow = ?");
      values.push(no);
    }
    if (state !== undefined) {
      where.push("r.state = ?");
      values.push(STATES.indexOf(state));
    }
    if (byClosing) {
      where.push("r.closed_at < ?");
      values.push(closedBefore);
    }
    if (after !== undefined) {
      const row = sql("SELECT no, closed_at FROM runs WHERE id = ?").get(after);
      if (row === undefined) {
        throw new UnknownRunError(`Cannot list runs after "${after}": no run of that id is stored`);
      }
      if (!byClosing) {
        where.push("r.no < ?");
        values.push(Number(row["no"]));
      } else {
        where.push("(r.closed_at, r.no) < (?, ?)");
        values.push(row["closed_at"] ?? Infinity, Number(row["no"]));
      }
    }
    // Named, because without statistics SQLite may choose the one with more rows: most runs are parked or closed, and of few workflows.
    const index = byClosing
      ? "INDEXED BY runs_closed"
      : state !== undefined && (workflow === undefined || (state !== "closed" && state !== "parked"))
      ? "INDEXED BY runs_state"
      : workflow !== undefined
      ? "INDEXED BY runs_workflow"
      : "";
    return sql(
      `${ROW} FROM runs r ${index} CROSS JOIN workflows w ON w.no = r.workflow
       ${where.length === 0 ? "" : `WHERE ${where.join(" AND ")}`}
       ORDER BY ${byClosing ? "r.closed_at DESC, r.no DESC" : "r.no DESC"} LIMIT ?`,
    ).all(...values, limit).map(toRow);
  }

  function journalPage(run: string, from: number): StoredRecord[] {
    const no = sql("SELECT no FROM runs WHERE id = ?").get(run)?.["no"];
    return no === undefined ? [] : readPage(sql, Number(no), from);
  }

  async function* journal(run: string, fromSeq = 0): AsyncGenerator<readonly StoredRecord[]> {
    for (let from = fromSeq;;) {
      const page = await read(`read the journal of run "${run}"`, () => journalPage(run, from));
      const last = page.at(-1);
      if (last === undefined) return;
      yield page;
      from = last.seq + 1;
    }
  }

  function backup(toFile: string): void {
    if (files.look(toFile).kind !== "nothing") {
      throw new StorageFailedError(`Cannot back up to "${toFile}": it exists`);
    }
    const next = `${toFile}.partial`;
    files.remove(next);
    try {
      db.prepare("VACUUM INTO ?").run(next);
      files.sync(next);
      files.rename(next, toFile);
      files.sync(toFile.replace(/[^/\\]*$/, "") || ".");
    } catch (error) {
      files.remove(next);
      throw error;
    }
  }

  function close(): void {
    if (closed) return;
    closed = true;
    watch?.stop();
    let problem: unknown;
    try {
      // A last look: what was committed a moment ago was acknowledged.
      if (lock !== undefined && failure === undefined) guard.checkNow(`close "${path}"`);
    } catch (error) {
      problem = error;
    }
    try {
      if (lock !== undefined && failure === undefined && problem === undefined) {
        runAll(db, ["PRAGMA wal_checkpoint(TRUNCATE)"]);
      }
    } catch (error) {
      problem = error;
    }
    try {
      db.close();
      // Left there after a failure: the next driver then checks the file.
      if (lock !== undefined && failure === undefined && problem === undefined) files.remove(ownerPath(dir));
    } finally {
      lock?.release();
      lock = undefined;
    }
    if (problem !== undefined) throw storageError(problem, `close "${path}"`);
  }

  /** Runs at once; what it throws becomes a rejection. */
  function attempt<T>(action: string, run: () => T): Promise<T> {
    try {
      return Promise.resolve(run());
    } catch (error) {
      return Promise.reject(storageError(error, action));
    }
  }

  return {
    dir,
    limits,
    own: (owner) => attempt(`drive "${dir}"`, () => own(owner)),
    commit: (writes, lasting) => attempt(`commit to "${path}"`, () => commit(writes, lasting)),
    run: (id) =>
      read(`read run "${id}"`, () => {
        const row = sql(`${ROW} FROM runs r CROSS JOIN workflows w ON w.no = r.workflow WHERE r.id = ?`).get(id);
        return row === undefined ? undefined : toRow(row);
      }),
    runs: (query) =>
      read("list runs", () => {
        checkQuery(query);
        return listRuns(query);
      }),
    journal,
    due: (now, limit) =>
      read("list due runs", () => {
        checkLimit(limit, "due runs");
        return sql(
          `${ROW} FROM runs r INDEXED BY runs_due CROSS JOIN workflows w ON w.no = r.workflow
           WHERE r.state = ${PARKED} AND r.wake_at IS NOT NULL AND r.wake_at <= ? ORDER BY r.wake_at, r.no LIMIT ?`,
        ).all(now, limit).map(toRow);
      }),
    nextWake: () =>
      read("find the next wake time", () => {
        const row = sql(
          `SELECT wake_at FROM runs INDEXED BY runs_due WHERE state = ${PARKED} AND wake_at IS NOT NULL
           ORDER BY wake_at LIMIT 1`,
        ).get();
        return row === undefined ? undefined : Number(row["wake_at"]);
      }),
    inbox: (run, limit, after) =>
      read(`read the messages of run "${run}"`, () => {
        checkLimit(limit, "messages");
        const from = after === undefined ? 0 : Number(sql("SELECT no FROM inbox WHERE id = ?").get(after)?.["no"] ?? 0);
        return sql(
          `SELECT id, run, kind, name, payload, sender, at FROM inbox WHERE run = ? AND waiting = 1 AND no > ?
           ORDER BY no LIMIT ?`,
        ).all(run, from, limit).map(toMessage);
      }),
    watch(onMessage, onFailure) {
      check("watch the messages");
      const action = `look for messages in "${path}"`;
      watch ??= createSqliteWatch(sql, {
        check: () => guard.check(action),
        failed: (error) => {
          const known = storageError(error, action);
          if (lock !== undefined) failure ??= known;
          return known;
        },
      });
      return watch.add(onMessage, onFailure);
    },
    // Not guarded: of a file that was removed while it was open, this is the way to save what it holds.
    backup: (toFile) =>
      attempt(`back up to "${toFile}"`, () => {
        check(`back up to "${toFile}"`);
        backup(toFile);
      }),
    close: () => attempt(`close "${path}"`, close),
    [Symbol.asyncDispose]: () => attempt(`close "${path}"`, close),
  };
}

/** Messages that wait, by run: counting them anew for each one that is posted would cost as much as there are. */
interface InboxCounts {
  /** Forgets what was counted when another connection has written: called inside a transaction. */
  refresh(): void;
  of(run: string): number;
  /** Counts on, where there is a count. */
  add(run: string, n: number): void;
  clear(): void;
}

function createInboxCounts(sql: (text: string) => Statement): InboxCounts {
  const counts = new Map<string, number>();
  let version: unknown;
  return {
    refresh(): void {
      if (counts.size === 0) return;
      const now = sql("PRAGMA data_version").get()?.["data_version"];
      if (now !== version || counts.size > COUNTED_RUNS) counts.clear();
      version = now;
    },
    of(run): number {
      let count = counts.get(run);
      if (count === undefined) {
        version ??= sql("PRAGMA data_version").get()?.["data_version"];
        count = Number(sql("SELECT count(*) AS n FROM inbox WHERE run = ? AND waiting = 1").get(run)?.["n"]);
        counts.set(run, count);
      }
      return count;
    },
    add(run, n): void {
      const count = counts.get(run);
      if (count !== undefined) counts.set(run, count + n);
    },
    clear: () => counts.clear(),
  };
}

function toMessage(row: SqlRow): Message {
  const { sender } = row;
  return {
    id: String(row["id"]),
    run: String(row["run"]),
    // What was committed was a `Message`.
    kind: String(row["kind"]) as Message["kind"],
    name: String(row["name"]),
    payload: String(row["payload"]),
    ...(typeof sender === "string" ? { from: sender } : undefined),
    at: Number(row["at"]),
  };
}
