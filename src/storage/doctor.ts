/**
 * Examines a folder of runs without changing it, and goes on past what it finds damaged: for `windkit doctor`.
 *
 * @module
 */
import { JournalCorruptError } from "../base/errors.ts";
import type { RunState, StoredRecord } from "../engine/ports.ts";
import { type Files, localFiles } from "./_files.ts";
import { type Holder, isLocked, readHolder } from "./_owner.ts";
import {
  type Database,
  loadSqlite,
  resultCode,
  type SqliteModule,
  type SqlRow,
  type Statement,
  storageError,
} from "./_sqlite_module.ts";
import { checkSize, lookAtMain, mainPath } from "./_sqlite_open.ts";
import { readPage } from "./_sqlite_records.ts";
import { checkVersion, readVersion, SCHEMA } from "./_sqlite_schema.ts";
import { STATES } from "./_writes.ts";

/** What an examination may use. */
export interface ExamineOptions {
  /**
   * Verifies the check values of all records of one run, and throws at the first bad one: `verifyChain` of the engine.
   *
   * @default undefined: only the records' numbers are checked
   */
  readonly verify?: (runId: string, records: readonly StoredRecord[]) => void;
}

/** Something that is not as it should be. */
export interface Finding {
  /** One sentence. */
  readonly text: string;
  /** The run that is concerned, when it is one. */
  readonly run?: string;
  /** First bad record of that run, when it is known. */
  readonly seq?: number;
}

/** What an examination found. Numbers that could not be read are absent. */
export interface SqliteReport {
  /** Path of the file. */
  readonly path: string;
  /** Nothing was found. */
  readonly ok: boolean;
  /** What was found, at most 1000 of it. */
  readonly findings: readonly Finding[];
  /** Version of the file's schema. */
  readonly schemaVersion?: number;
  /** A process drives the folder now. */
  readonly driven: boolean;
  /** Nobody drives it, and who did last has not closed it: the next driver checks the file first. */
  readonly unclean: boolean;
  /** Who drives, or drove last without closing. */
  readonly holder?: Holder;
  /** Bytes of the file. */
  readonly fileBytes: number;
  /** Bytes of the log that is not moved into the file yet. */
  readonly logBytes: number;
  /** Runs by state. */
  readonly runs?: Readonly<Record<RunState, number>>;
  /** Records of all runs. */
  readonly records?: number;
  /** Messages that wait. */
  readonly messages?: number;
}

const MOST_FINDINGS = 1000;

/** Runs whose ids are read at once. */
const RUN_PAGE = 500;

/**
 * Examines a folder. Reads it as it is now, also while a process drives it; a damaged file gives findings, not an error.
 *
 * @param dir the folder
 * @param options how far to go
 * @returns the report
 */
export async function examineSqlite(dir: string, options: ExamineOptions = {}): Promise<SqliteReport> {
  const sqlite = await loadSqlite();
  const files = localFiles();
  const path = mainPath(dir);
  const findings: Finding[] = [];
  const numbers: Mutable<Pick<SqliteReport, "schemaVersion" | "runs" | "records" | "messages">> = {};

  function find(text: string, where: Omit<Finding, "text"> = {}): void {
    if (findings.length < MOST_FINDINGS) findings.push({ text, ...where });
  }

  /** Notes what a part of the examination throws, and goes on. */
  function part<T>(action: string, run: () => T, where: Omit<Finding, "text"> = {}): T | undefined {
    try {
      return run();
    } catch (error) {
      const known = storageError(error, action);
      const seq = known instanceof JournalCorruptError ? known.seq : undefined;
      find(known.message, { ...where, ...(seq === undefined ? undefined : { seq }) });
      return undefined;
    }
  }

  const driven = part(`look at the lock of "${dir}"`, () => isLocked(sqlite, files, dir)) ?? false;
  const holder = part(`look at the owner of "${dir}"`, () => readHolder(files, dir));
  const exists = part(`open "${path}"`, () => lookAtMain(files, path));
  if (exists === false) find(`There is no "windkit.db" in "${dir}"`);

  if (exists === true) {
    const db = part(`open "${path}"`, () => openReadOnly(sqlite, files, path));
    if (db !== undefined) {
      try {
        examine(db);
      } finally {
        db.close();
      }
    }
  }

  function examine(db: Database): void {
    const statements = new Map<string, Statement>();
    function sql(text: string): Statement {
      let statement = statements.get(text);
      if (statement === undefined) statements.set(text, statement = db.prepare(text));
      return statement;
    }
    const version = part(`read the version of "${path}"`, () => readVersion(db));
    if (version === undefined) return;
    numbers.schemaVersion = version.version;
    // A file of another program, or of a later version, has tables that are not known here.
    if (part(`open "${path}"`, () => checkVersion(version, SCHEMA, path)) === undefined) return;
    part(`check the size of "${path}"`, () => checkSize(files, db, path));
    for (const row of part(`check "${path}"`, () => sql("PRAGMA integrity_check(100)").all()) ?? []) {
      const text = String(Object.values(row)[0]);
      if (text !== "ok") find(`The file is damaged: ${text}`);
    }
    const counted = part("count the runs", () => sql("SELECT state, count(*) AS n FROM runs GROUP BY state").all());
    if (counted !== undefined) numbers.runs = byState(counted);
    const count = (what: string, query: string): number | undefined =>
      part(`count ${what}`, () => Number(sql(query).get()?.["n"]));
    const records = count("the records", "SELECT count(*) AS n FROM records");
    if (records !== undefined) numbers.records = records;
    const messages = count("the messages", "SELECT count(*) AS n FROM inbox WHERE waiting = 1");
    if (messages !== undefined) numbers.messages = messages;
    const lost = count(
      "records without a run",
      "SELECT count(*) AS n FROM records WHERE run NOT IN (SELECT no FROM runs)",
    );
    if (lost !== undefined && lost > 0) find(`${lost} records belong to no run`);
    examineRuns(sql);
  }

  function examineRuns(sql: (text: string) => Statement): void {
    for (let after = 0;;) {
      const rows = part(
        "list the runs",
        () => sql(`SELECT no, id FROM runs WHERE no > ? ORDER BY no LIMIT ${RUN_PAGE}`).all(after),
      );
      if (rows === undefined) return;
      for (const { no, id } of rows) {
        const run = String(id);
        part(`read run "${run}"`, () => examineRun(sql, run, Number(no)), { run });
        after = Number(no);
      }
      if (rows.length < RUN_PAGE) return;
    }
  }

  function examineRun(sql: (text: string) => Statement, run: string, no: number): void {
    const records: StoredRecord[] = [];
    for (let next = 0;;) {
      const page = readPage(sql, no, next);
      for (const record of page) {
        if (record.seq !== next) {
          find(`Journal of run "${run}" is damaged: record ${next} is missing, the next one is ${record.seq}`, {
            run,
            seq: next,
          });
          return;
        }
        next++;
        if (options.verify !== undefined) records.push(record);
      }
      if (page.length === 0) break;
    }
    options.verify?.(run, records);
  }

  const look = (at: string): number => part(`look at "${at}"`, () => files.look(at).size) ?? 0;
  return {
    path,
    ok: findings.length === 0,
    findings,
    ...numbers,
    driven,
    unclean: holder !== undefined && !driven,
    ...(holder === undefined ? undefined : { holder }),
    fileBytes: look(path),
    logBytes: look(`${path}-wal`),
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function byState(rows: readonly SqlRow[]): Record<RunState, number> {
  const counts: Record<RunState, number> = { ready: 0, active: 0, parked: 0, closed: 0, orphan: 0 };
  for (const { state, n } of rows) {
    const name = STATES[Number(state)];
    if (name !== undefined) counts[name] = Number(n);
  }
  return counts;
}

/** A folder that cannot be written has no shared memory for the log; with no log, the file alone can be read as it is. */
function openReadOnly(sqlite: SqliteModule, files: Files, path: string): Database {
  const db = new sqlite.DatabaseSync(path, { readOnly: true });
  try {
    db.prepare("PRAGMA busy_timeout = 10000").all();
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    return db;
  } catch (error) {
    db.close();
    const code = resultCode(error);
    if ((code !== 14 && code !== 8) || files.look(`${path}-wal`).size > 0) throw error;
    const address = encodeURI(path).replaceAll("?", "%3f").replaceAll("#", "%23");
    return new sqlite.DatabaseSync(`file:${address}?immutable=1`, { readOnly: true });
  }
}
