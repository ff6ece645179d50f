/**
 * How a record is kept: its check value and its text in one column, a large text in a table of its own.
 *
 * @module
 */
import type { StoredRecord } from "../engine/ports.ts";
import { type LargeTexts, largeTextsOfFile } from "./_large_texts.ts";
import type { SqlRow, SqlValue, Statement } from "./_sqlite_module.ts";

/** Texts longer than this are kept in `blobs`, in code units. */
export const SPILL_LENGTH = 65_536;

/** Length of a check value, which a record's stored text starts with. */
const CHECK_LENGTH = 16;

/** Records per page, at most; fewer when large ones are among them. */
const PAGE_RECORDS = 512;

/** A page ends after the record that brings its large texts above this, in code units. */
const PAGE_LENGTH = 4 * 1024 * 1024;

/**
 * Reads a page of a run's records.
 *
 * @param sql prepares statements
 * @param no number of the run in the file
 * @param from first record wanted
 * @param large finds a text that is kept apart
 * @returns the records in order; none when there are no more
 */
export function readPage(
  sql: (text: string) => Statement,
  no: number,
  from: number,
  large: LargeTexts["record"] = largeTextsOfFile(sql).record,
): StoredRecord[] {
  const page: StoredRecord[] = [];
  let length = 0;
  const statement = sql(`SELECT seq, text FROM records WHERE run = ? AND seq >= ? ORDER BY seq LIMIT ${PAGE_RECORDS}`);
  // Rows as arrays take 0.3 µs, as objects 0.65, and a replay reads every row. Early versions of Node 22 have objects only.
  statement.setReturnArrays?.(true);
  const rows: readonly (SqlRow | readonly SqlValue[])[] = statement.all(no, from);
  for (const row of rows) {
    const [first, second] = isArray(row) ? row : [row["seq"], row["text"]];
    const seq = Number(first);
    const stored = String(second);
    let text = stored.slice(CHECK_LENGTH);
    if (text === "") {
      // An empty text, or one that is kept apart.
      text = large(no, seq) ?? "";
      length += text.length;
    }
    page.push({ seq, text, check: stored.slice(0, CHECK_LENGTH) });
    if (length > PAGE_LENGTH) break;
  }
  return page;
}

function isArray(row: SqlRow | readonly SqlValue[]): row is readonly SqlValue[] {
  return Array.isArray(row);
}
