/**
 * A run of which an undo has failed goes on with it.
 *
 * @module
 */
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import type { RunRow, Write } from "./ports.ts";
import type { ReadJournal } from "./read_journal.ts";

/**
 * The commit that opens such a run again.
 *
 * @throws Error when it is not one
 */
export function undoAgainWrite(row: RunRow, { records, nextSeq, check }: ReadJournal, now: number): Write {
  const { id } = row;
  const last = records.at(-1);
  const failure = last?.t === "closed" && last.outcome?.ok === false ? last.outcome.failure : undefined;
  if (row.state !== "closed" || row.status !== "failed" || failure?.error.name !== "CompensationError") {
    const found = row.state === "closed" ? `it has ended (${row.status})` : `it has not ended (${row.state})`;
    throw new Error(`Cannot go on with the undos of run "${id}": no undo of it has failed, ${found}`);
  }
  const text = encodeRecord({ t: "reopened", after: 0 }, now);
  return {
    w: "append",
    run: id,
    records: [{ seq: nextSeq, text, check: chainCheck(check, text) }],
    row: { state: "active", status: null, closedAt: null },
  };
}
