/**
 * Puts a run that was read from a file into a storage.
 *
 * @module
 */
import { RunExistsError } from "../base/errors.ts";
import type { JournalRecord } from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import type { JournalFile } from "./journal_file.ts";
import type { RunRow, Storage, StoredRecord, Write } from "./ports.ts";
import { readJournal } from "./read_journal.ts";
import { checkRunId } from "./run_header.ts";

/** How a run is stored. */
export interface StoreRunOptions {
  /**
   * Stores it under another id, as a copy. Its steps then have other idempotency keys.
   *
   * @default the run's own
   */
  readonly runId?: string;
}

/** What became of a run that was to be stored. */
export interface StoredRun {
  /** The run as it is stored. */
  readonly row: RunRow;
  /** False when it was there already, with the same journal. */
  readonly created: boolean;
}

/**
 * Stores a run in one commit: all of it, or nothing. A run that has ended is readable then; another goes on as soon as an engine
 * drives the storage, as if the process that recorded it had just been killed.
 *
 * @param storage driven by the caller (`own`)
 * @param file what `importRun(text)` returned
 * @param options another id
 * @returns the run's row, and whether it is new
 * @throws RunExistsError when a run of that id is stored with another journal: it names the first record that differs
 */
export async function storeRun(
  storage: Storage,
  file: JournalFile,
  options: StoreRunOptions = {},
): Promise<StoredRun> {
  const { runId = file.run } = options;
  checkRunId(runId);
  const records = storedRecords(file.records, runId);
  const known = await storage.run(runId);
  if (known !== undefined) {
    checkSameJournal(runId, file.records, (await readJournal(storage, runId)).records);
    return { row: known, created: false };
  }
  const row = rowOf(file.records, runId);
  await storage.commit([{ w: "create", row, records }, ...messageWrites(file, runId)]);
  return { row, created: true };
}

function storedRecords(records: readonly JournalRecord[], runId: string): readonly StoredRecord[] {
  let check = "";
  return records.map((record) => {
    const renamed = record.t === "opened" ? { ...record, header: { ...record.header, id: runId } } : record;
    const text = encodeRecord(renamed, record.at);
    check = chainCheck(check, text);
    return { seq: record.seq, text, check };
  });
}

/** What was running is not in the journal: a run that has not ended is looked at by the next engine, not when something is due. */
function rowOf(records: readonly JournalRecord[], id: string): RunRow {
  const [first] = records;
  if (first?.t !== "opened") throw new TypeError(`Cannot store run "${id}": its journal has no header`);
  const { workflow, createdAt, parent } = first.header;
  const child = parent === undefined ? undefined : { parent: parent.run };
  const last = records.at(-1);
  if (last?.t !== "closed") return { id, workflow, state: "active", createdAt, ...child };
  return { id, workflow, state: "closed", status: last.status, createdAt, closedAt: last.at, ...child };
}

function messageWrites({ run, messages }: JournalFile, runId: string): readonly Write[] {
  // A copy's messages are others: an id counts once in a storage, where the original may be too.
  if (runId !== run) {
    return messages.map((message): Write => ({
      w: "post",
      message: { ...message, run: runId, id: copiedId(message.id, run, runId) },
    }));
  }
  return messages.map((message): Write => ({ w: "post", message }));
}

/** Ids that are made of the run's own say so: the answer to an approval must be known as one (`answers.ts`). */
function copiedId(id: string, from: string, to: string): string {
  const [, kind] = /^(approval|cancel):/.exec(id) ?? [];
  const start = `${kind}:${from}:`;
  return kind !== undefined && id.startsWith(start) ? `${kind}:${to}:${id.slice(start.length)}` : `${to}:${id}`;
}

function checkSameJournal(id: string, given: readonly JournalRecord[], stored: readonly JournalRecord[]): void {
  for (let i = 0; i < Math.max(given.length, stored.length); i++) {
    const a = textOf(given[i], id);
    const b = textOf(stored[i], id);
    if (a === b) continue;
    const record = given[i] ?? stored[i];
    const key = record !== undefined && "key" in record
      ? ` ("${record.key}")`
      : record === undefined
      ? ""
      : ` (${record.t})`;
    const what = a === undefined || b === undefined
      ? `the stored one has ${stored.length} records, the file ${given.length}`
      : `record ${i}${key} differs`;
    throw new RunExistsError(
      `Cannot store run "${id}": a run of that id is stored with another journal: ${what}. Store it under another id`,
      ["journal"],
    );
  }
}

function textOf(record: JournalRecord | undefined, id: string): string | undefined {
  if (record === undefined) return undefined;
  const renamed = record.t === "opened" ? { ...record, header: { ...record.header, id } } : record;
  return encodeRecord(renamed, record.at);
}
