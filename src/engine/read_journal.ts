/**
 * Reads a run's journal and verifies it: every adapter's records go through here.
 *
 * @module
 */
import { hasCode, JournalCorruptError, SchemaTooNewError, UnknownRunError } from "../base/errors.ts";
import { SDK_VERSION } from "../base/version.ts";
import type { JournalRecord } from "../workflow/journal.ts";
import { chainCheck, decodeRecord, isChainCheck } from "../workflow/record_text.ts";
import type { Storage, StoredRecord } from "./ports.ts";

/**
 * Makes sure that a journal that was read page by page is whole: of a run that was removed meanwhile, it just ends.
 *
 * @param createdAt as its header has it: another run may have begun under the id
 * @throws UnknownRunError when the run is not stored any more
 */
export async function checkStillStored(storage: Storage, runId: string, createdAt: number): Promise<void> {
  if ((await storage.run(runId))?.createdAt === createdAt) return;
  throw new UnknownRunError(`Run "${runId}" was removed while its journal was read`);
}

/** A journal, and where the next record goes on. */
export interface ReadJournal {
  /** All records, the first one first. */
  readonly records: readonly JournalRecord[];
  /** Number of the record that comes next. */
  readonly nextSeq: number;
  /** Check value of the last record; `""` when there is none. */
  readonly check: string;
}

/**
 * Verifies the sequence numbers and check values of a run's records, from the first on.
 *
 * @throws JournalCorruptError with the run and the position of the first bad record
 */
export function verifyChain(runId: string, records: readonly StoredRecord[]): void {
  let check = "";
  for (const [i, record] of records.entries()) check = verifyRecord(runId, record, i, check);
}

/**
 * Reads all records of a run.
 *
 * @throws JournalCorruptError when one is missing or damaged, SchemaTooNewError when one is of an unknown kind, UnknownRunError when
 * the run is removed meanwhile
 */
export async function readJournal(storage: Storage, runId: string): Promise<ReadJournal> {
  const records: JournalRecord[] = [];
  let check = "";
  for await (const page of storage.journal(runId)) {
    for (const stored of page) {
      check = verifyRecord(runId, stored, records.length, check);
      records.push(readRecord(runId, stored));
    }
  }
  const [first] = records;
  if (first !== undefined && first.t !== "opened") throw corrupt(runId, 0, `it is "${first.t}", expected "opened"`);
  if (first !== undefined && records.at(-1)?.t !== "closed") {
    await checkStillStored(storage, runId, first.header.createdAt);
  }
  return { records, nextSeq: records.length, check };
}

/**
 * Verifies one record against its place and the one before it.
 *
 * @returns its check value, which the next one's covers
 * @throws JournalCorruptError with the run and the position
 */
export function verifyRecord(runId: string, record: StoredRecord, seq: number, previous: string): string {
  if (record.seq !== seq) throw corrupt(runId, seq, `it is missing: the next one stored has number ${record.seq}`);
  const { text, check } = record;
  if (isChainCheck(previous, text, check)) return check;
  throw corrupt(runId, seq, `its check value is ${check}, expected ${chainCheck(previous, text)}`);
}

/**
 * Reads one record, whose check value has been verified.
 *
 * @throws JournalCorruptError when it cannot be read, SchemaTooNewError when its kind is one that this version does not know
 */
export function readRecord(runId: string, { text, seq }: StoredRecord): JournalRecord {
  try {
    return decodeRecord(text, seq);
  } catch (cause) {
    const why = (cause as Error).message;
    if (!hasCode(cause, "SCHEMA_TOO_NEW")) throw corrupt(runId, seq, `it cannot be read: ${why}`, cause);
    // What was written is there, whole: a newer version wrote it.
    throw new SchemaTooNewError(
      `Cannot read record ${seq} of run "${runId}": ${why} (${SDK_VERSION}). Use the version that wrote it, or a newer one`,
      { cause },
    );
  }
}

function corrupt(runId: string, seq: number, why: string, cause?: unknown): JournalCorruptError {
  return new JournalCorruptError(`Journal of run "${runId}" is damaged at record ${seq}: ${why}`, { runId, seq }, {
    cause,
  });
}
