/**
 * The tables of the SQLite storages: what the port asks of them, whatever holds them. It begins and ends no transaction.
 *
 * @module
 */
import { JournalCorruptError, RunExistsError, UnknownRunError } from "../base/errors.ts";
import type { Message, RowChange, RunQuery, RunRow, Storage, StoredRecord, Write } from "../engine/ports.ts";
import type { LargeTexts } from "./_large_texts.ts";
import { createPlaceCache, type Place } from "./_place_cache.ts";
import { readPage, SPILL_LENGTH } from "./_sqlite_records.ts";
import type { SqlRow, SqlValue, Statement } from "./_sqlite_module.ts";
import { checkFollows, checkLimit, checkQuery, inboxFull, isBounded, STATES } from "./_writes.ts";

/** Runs whose place is remembered. */
const CACHED_RUNS = 8192;

/** Workflow names whose number is remembered. */
const CACHED_WORKFLOWS = 1024;

/** Runs whose waiting messages are counted in memory. */
const COUNTED_RUNS = 1024;

const PARKED = STATES.indexOf("parked");

const ROW =
  `SELECT r.no, r.id, w.name AS workflow, r.state, r.status, r.wake_at, r.waits, r.created_at, r.closed_at, r.parent`;

/** What is in the tables, and how it is changed. Everything happens at once, or throws. */
export interface Tables {
  /** Looks whether another connection has written: first in each transaction. */
  refresh(): void;
  /** Makes one write. Gives the number of the message that was posted, else 0. */
  apply(write: Write): number;
  /** A transaction was taken back: forgets what is known of the tables. */
  forget(): void;
  /** One run. */
  run(id: string): RunRow | undefined;
  /** A page of runs. */
  runs(query: RunQuery): RunRow[];
  /** A page of a run's records. */
  journalPage(run: string, from: number): StoredRecord[];
  /** Parked runs whose time has come. */
  due(now: number, limit: number): RunRow[];
  /** Earliest wake time of a parked run. */
  nextWake(): number | undefined;
  /** Messages of a run that wait. */
  inbox(run: string, limit: number, after?: string): Message[];
}

/**
 * The tables behind statements.
 *
 * @param sql prepares a statement, or gives the one that was prepared for this text
 * @param large keeps texts that are not kept in their row
 */
export function createTables(sql: (text: string) => Statement, large: LargeTexts, limits: Storage["limits"]): Tables {
  const places = createPlaceCache(CACHED_RUNS);
  const workflows = new Map<string, number>();
  const counts = createInboxCounts(sql);

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
           RETURNING run, no`,
        ).get(write.id);
        if (taken === undefined) return 0;
        counts.add(String(taken["run"]), -1);
        large.dropPayload(Number(taken["no"]));
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
        large.putRecord(Number(lastInsertRowid), text);
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
    const apart = payload.length > large.payloadLength;
    const { lastInsertRowid } = sql(
      "INSERT INTO inbox(id, run, waiting, kind, name, payload, sender, at) VALUES(?, ?, 1, ?, ?, ?, ?, ?)",
    ).run(id, run, kind, name, apart ? "" : payload, from, at);
    if (apart) large.putPayload(Number(lastInsertRowid), payload);
    return Number(lastInsertRowid);
  }

  function drop(run: string): void {
    large.dropPayloads(run);
    sql("DELETE FROM inbox WHERE run = ?").run(run);
    const no = sql("SELECT no FROM runs WHERE id = ?").get(run)?.["no"];
    if (no === undefined) return;
    large.dropRecords(Number(no));
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
    return no === undefined ? [] : readPage(sql, Number(no), from, large.record);
  }

  return {
    refresh: () => counts.refresh(),
    apply,
    forget(): void {
      places.clear();
      workflows.clear();
      counts.clear();
    },
    run(id) {
      const row = sql(`${ROW} FROM runs r CROSS JOIN workflows w ON w.no = r.workflow WHERE r.id = ?`).get(id);
      return row === undefined ? undefined : toRow(row);
    },
    runs(query) {
      checkQuery(query);
      return listRuns(query);
    },
    journalPage,
    due(now, limit) {
      checkLimit(limit, "due runs");
      return sql(
        `${ROW} FROM runs r INDEXED BY runs_due CROSS JOIN workflows w ON w.no = r.workflow
         WHERE r.state = ${PARKED} AND r.wake_at IS NOT NULL AND r.wake_at <= ? ORDER BY r.wake_at, r.no LIMIT ?`,
      ).all(now, limit).map(toRow);
    },
    nextWake() {
      const row = sql(
        `SELECT wake_at FROM runs INDEXED BY runs_due WHERE state = ${PARKED} AND wake_at IS NOT NULL
         ORDER BY wake_at LIMIT 1`,
      ).get();
      return row === undefined ? undefined : Number(row["wake_at"]);
    },
    inbox(run, limit, after) {
      checkLimit(limit, "messages");
      const from = after === undefined ? 0 : Number(sql("SELECT no FROM inbox WHERE id = ?").get(after)?.["no"] ?? 0);
      return sql(
        `SELECT no, id, run, kind, name, payload, sender, at FROM inbox WHERE run = ? AND waiting = 1 AND no > ?
         ORDER BY no LIMIT ?`,
      ).all(run, from, limit).map((row) => toMessage(row, large));
    },
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

function toMessage(row: SqlRow, large: LargeTexts): Message {
  const { sender } = row;
  const payload = String(row["payload"]);
  return {
    id: String(row["id"]),
    run: String(row["run"]),
    // What was committed was a `Message`.
    kind: String(row["kind"]) as Message["kind"],
    name: String(row["name"]),
    payload: payload === "" ? large.payload(Number(row["no"])) ?? "" : payload,
    ...(typeof sender === "string" ? { from: sender } : undefined),
    at: Number(row["at"]),
  };
}
