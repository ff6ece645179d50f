/**
 * The physical yardstick: plain `node:sqlite` on a table without index, with the bytes of the records that a run of small steps
 * writes, on the same disk as what it is compared with.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { chainCheck, encodeRecord } from "../src/workflow/record_text.ts";

/** A table of raw rows. */
export interface RawTable {
  /** Commits single rows; returns how many a second. */
  single(rows: number): number;
  /** Inserts rows, `perCommit` of them in each commit; returns rows a second. */
  grouped(rows: number, perCommit: number): number;
  close(): void;
}

/** The rows that a sequence of steps named "work" with a small result writes. */
function sampleRows(count: number): readonly string[] {
  const rows: string[] = [];
  let check = "";
  for (let i = 1; i <= count; i++) {
    const text = encodeRecord({
      t: "settled",
      key: i === 1 ? "work" : `work_${i}`,
      after: i,
      outcome: { ok: true, value: "1" },
      fp: { kind: "step", name: "work", digest: "" },
      startedAt: 1_763_000_000_000,
      by: "engine/10000",
    }, 1_763_000_000_000);
    check = chainCheck(check, text);
    rows.push(check + text);
  }
  return rows;
}

/**
 * Opens a new file.
 *
 * @param dir an empty folder
 * @param synchronous `FULL`: each commit is forced to disk; `NORMAL`: it is given to the operating system
 */
export function openRaw(dir: string, synchronous: "FULL" | "NORMAL"): RawTable {
  const db = new DatabaseSync(`${dir}/raw.db`);
  for (const pragma of ["journal_mode = WAL", `synchronous = ${synchronous}`, "fullfsync = 1"]) {
    db.prepare(`PRAGMA ${pragma}`).all();
  }
  db.prepare(
    "CREATE TABLE records(no INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, text TEXT NOT NULL)",
  )
    .run();
  const insert = db.prepare("INSERT INTO records(run, seq, text) VALUES(?, ?, ?)");
  const begin = db.prepare("BEGIN IMMEDIATE"), commit = db.prepare("COMMIT");
  const sample = sampleRows(1000);
  return {
    single(rows): number {
      const start = performance.now();
      for (let i = 0; i < rows; i++) insert.run(1, i, sample[i % sample.length] ?? "");
      return rows * 1000 / (performance.now() - start);
    },
    grouped(rows, perCommit): number {
      const start = performance.now();
      for (let i = 0; i < rows; i++) {
        if (i % perCommit === 0) begin.run();
        insert.run(1, i, sample[i % sample.length] ?? "");
        if (i % perCommit === perCommit - 1 || i === rows - 1) commit.run();
      }
      return rows * 1000 / (performance.now() - start);
    },
    close: () => db.close(),
  };
}

/** Version of SQLite in this runtime. */
export function sqliteVersion(): string {
  const db = new DatabaseSync(":memory:");
  try {
    return String(db.prepare("SELECT sqlite_version() AS version").get()?.["version"]);
  } finally {
    db.close();
  }
}
