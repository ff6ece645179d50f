/**
 * Texts that are not kept in the row that they belong to: pages of rows stay small, and a text may be longer than a row.
 *
 * @module
 */
import type { Statement } from "./_sqlite_module.ts";

/** Where large texts are kept. */
export interface LargeTexts {
  /** Payloads of messages longer than this are kept apart, in code units. */
  readonly payloadLength: number;
  /** Keeps the text of a record, by the record's number in the file. */
  putRecord(record: number, text: string): void;
  /** The text of a record that is kept apart; undefined when none is. */
  record(run: number, seq: number): string | undefined;
  /** Removes the texts of a run's records, which are still there. */
  dropRecords(run: number): void;
  /** Keeps the payload of a message, by the message's number. */
  putPayload(message: number, payload: string): void;
  /** The payload of a message that is kept apart; undefined when none is. */
  payload(message: number): string | undefined;
  /** Removes the payload of a message. */
  dropPayload(message: number): void;
  /** Removes the payloads of a run's messages, which are still there. */
  dropPayloads(run: string): void;
}

/** Statement that removes the texts of one run's records. */
const DROP_RECORDS = "DELETE FROM blobs WHERE record IN (SELECT no FROM records WHERE run = ? AND length(text) = 16)";

/** In a file of our own a row holds what it must: one text in one row, payloads where their message is. */
export function largeTextsOfFile(sql: (text: string) => Statement): LargeTexts {
  return {
    payloadLength: Infinity,
    putRecord: (record, text) => void sql("INSERT INTO blobs(record, text) VALUES(?, ?)").run(record, text),
    record(run, seq) {
      const blob = sql("SELECT text FROM blobs WHERE record = (SELECT no FROM records WHERE run = ? AND seq = ?)")
        .get(run, seq);
      return blob === undefined ? undefined : String(blob["text"]);
    },
    dropRecords: (run) => void sql(DROP_RECORDS).run(run),
    putPayload: () => undefined,
    payload: () => undefined,
    dropPayload: () => undefined,
    dropPayloads: () => undefined,
  };
}

/** Longest part of a text, in code units: none has more than three bytes in UTF-8, and a row may have 2 MB. */
const PART_LENGTH = 500_000;

/** The parts of a text, none of which ends within a character. */
function* partsOf(text: string): Generator<string> {
  for (let from = 0; from < text.length;) {
    let to = Math.min(from + PART_LENGTH, text.length);
    // A surrogate pair is one character of UTF-8: cut in two, neither half could be stored.
    const last = text.charCodeAt(to - 1);
    if (to < text.length && last >= 0xd800 && last <= 0xdbff) to--;
    yield text.slice(from, to);
    from = to;
  }
}

/** Tables of a storage whose rows hold at most 2 MB: a text is as many rows as it needs. */
export const PARTS_SCHEMA: readonly string[] = [
  "CREATE TABLE blobs(no INTEGER PRIMARY KEY, record INTEGER NOT NULL, text TEXT NOT NULL)",
  "CREATE INDEX blobs_record ON blobs(record, no)",
  "CREATE TABLE payloads(no INTEGER PRIMARY KEY, message INTEGER NOT NULL, text TEXT NOT NULL)",
  "CREATE INDEX payloads_message ON payloads(message, no)",
];

/** Large texts in parts, in the tables of {@linkcode PARTS_SCHEMA}. */
export function largeTextsInParts(sql: (text: string) => Statement): LargeTexts {
  function joined(rows: readonly Readonly<Record<string, unknown>>[]): string | undefined {
    return rows.length === 0 ? undefined : rows.map((row) => String(row["text"])).join("");
  }
  return {
    payloadLength: PART_LENGTH,
    putRecord(record, text) {
      for (const part of partsOf(text)) sql("INSERT INTO blobs(record, text) VALUES(?, ?)").run(record, part);
    },
    record: (run, seq) =>
      joined(
        sql(
          `SELECT text FROM blobs WHERE record = (SELECT no FROM records WHERE run = ? AND seq = ?) ORDER BY no`,
        ).all(run, seq),
      ),
    dropRecords: (run) => void sql(DROP_RECORDS).run(run),
    putPayload(message, payload) {
      for (const part of partsOf(payload)) sql("INSERT INTO payloads(message, text) VALUES(?, ?)").run(message, part);
    },
    payload: (message) => joined(sql("SELECT text FROM payloads WHERE message = ? ORDER BY no").all(message)),
    dropPayload: (message) => void sql("DELETE FROM payloads WHERE message = ?").run(message),
    dropPayloads: (run) =>
      void sql("DELETE FROM payloads WHERE message IN (SELECT no FROM inbox WHERE run = ?)").run(run),
  };
}
