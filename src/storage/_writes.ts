/**
 * What every adapter refuses before it writes anything: the same conditions, with the same texts.
 *
 * @module
 */
import { PayloadTooLargeError, StorageFailedError } from "../base/errors.ts";
import type { Message, RowChange, RunQuery, RunRow, Storage, StoredRecord, Write } from "../engine/ports.ts";

/** Longest text of one record when the options name none: 16 MiB. */
export const MAX_RECORD_BYTES: number = 16 * 1024 * 1024;

/** Most messages that may wait for one run when the options name none. */
export const MAX_MESSAGES = 10_000;

/** The states of a run, at the number that stands for each in a file. Never reordered. */
export const STATES = ["ready", "active", "parked", "closed", "orphan"] as const;

const CHECK = /^[0-9a-f]{16}$/;

/**
 * Checks all parts of a commit that can be checked without looking at what is stored.
 *
 * @throws TypeError, RangeError, PayloadTooLargeError, StorageFailedError (a write that is not open to a visitor)
 */
export function checkWrites(writes: readonly Write[], limits: Storage["limits"], owned: boolean): void {
  for (const write of writes) {
    if (!owned && write.w !== "post") {
      throw new StorageFailedError(
        `Cannot commit a '${write.w}' write: this storage does not drive the data (no 'own'), it may only post messages`,
      );
    }
    switch (write.w) {
      case "create":
        checkRow(write.row);
        checkRecords(write.row.id, write.records, limits.maxRecordBytes);
        checkFollows(write.row.id, write.records, 0);
        break;
      case "append":
        checkRecords(write.run, write.records, limits.maxRecordBytes);
        if (write.row !== undefined) checkChange(write.run, write.row);
        break;
      case "post":
        checkMessage(write.message, limits.maxRecordBytes);
        break;
      case "take":
      case "drop":
        break;
    }
  }
}

/** Checks that records go on at `next`, without a gap. */
export function checkFollows(run: string, records: readonly StoredRecord[], next: number): void {
  for (const { seq } of records) {
    if (seq !== next) {
      throw new StorageFailedError(
        seq < next
          ? `Cannot append to run "${run}": record ${seq} exists, the next one is ${next}: another writer came between`
          : `Cannot append to run "${run}": record ${seq} leaves a gap, the next one is ${next}`,
      );
    }
    next++;
  }
}

/** Checks a query's limit: SQLite takes a negative one as none. */
export function checkLimit(limit: number, what: string): void {
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new RangeError(`Cannot list ${what}: 'limit' must be an integer >= 0: current value is ${limit}`);
  }
}

/** Checks a query of runs. */
export function checkQuery(query: RunQuery): void {
  checkLimit(query.limit, "runs");
  if (query.state !== undefined && !STATES.includes(query.state)) {
    throw new TypeError(
      `Cannot list runs: 'state' must be one of ${STATES.join(", ")}: current value is "${query.state}"`,
    );
  }
}

/** Checks the limits that an adapter is made with. */
export function checkLimits(limits: { readonly maxRecordBytes: number; readonly maxMessages: number }): void {
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`Cannot open a storage: '${name}' must be an integer >= 1: current value is ${value}`);
    }
  }
}

/** True for messages of people and programs, whose number nothing else bounds: ends of children and cancels always fit. */
export function isBounded(message: Message): boolean {
  return message.kind === "event" || message.kind === "approval";
}

/** Says that a run's inbox is full. */
export function inboxFull(message: Message, maxMessages: number): StorageFailedError {
  return new StorageFailedError(
    `Cannot leave message "${message.id}" for run "${message.run}": ${maxMessages} messages wait for it, which is the limit`,
  );
}

function checkRecords(run: string, records: readonly StoredRecord[], maxRecordBytes: number): void {
  for (const { seq, text, check } of records) {
    if (!CHECK.test(check)) {
      throw new TypeError(
        `Cannot store record ${seq} of run "${run}": 'check' must be 16 hex digits: current value is "${check}"`,
      );
    }
    checkText(text, () => recordName(seq, run));
    checkSize(text, maxRecordBytes, () => recordName(seq, run));
  }
}

function recordName(seq: number, run: string): string {
  return `record ${seq} of run "${run}"`;
}

function checkSize(text: string, maxBytes: number, what: () => string): void {
  // No text has more than three bytes a unit, and none less than one: most are settled without counting.
  if (text.length * 3 <= maxBytes) return;
  const bytes = text.length > maxBytes ? text.length : new TextEncoder().encode(text).length;
  if (bytes <= maxBytes) return;
  const least = bytes === text.length ? "at least " : "";
  throw new PayloadTooLargeError(`Cannot store ${what()}: it has ${least}${bytes} bytes, the limit is ${maxBytes}`);
}

/** U+0000 would end the text for some of SQLite's readers; a lone surrogate would come back as another character. */
function checkText(text: string, what: () => string): void {
  if (text.includes("\0")) throw new TypeError(`Cannot store ${what()}: its text must not hold U+0000`);
  if (!text.isWellFormed()) throw new TypeError(`Cannot store ${what()}: its text must not hold a lone surrogate`);
}

function checkTime(value: number | null | undefined, field: string, run: string): void {
  if (value !== undefined && value !== null && !Number.isFinite(value)) {
    throw new RangeError(
      `Cannot store run "${run}": '${field}' must be a finite number of milliseconds: current value is ${value}`,
    );
  }
}

function checkState(state: string, run: string): void {
  if (!(STATES as readonly string[]).includes(state)) {
    throw new TypeError(
      `Cannot store run "${run}": 'state' must be one of ${STATES.join(", ")}: current value is "${state}"`,
    );
  }
}

function checkRow(row: RunRow): void {
  if (row.id === "") throw new TypeError("Cannot store a run: its id must not be empty");
  checkText(row.id, () => `run "${row.id}"`);
  checkText(row.workflow, () => `run "${row.id}", workflow "${row.workflow}"`);
  checkState(row.state, row.id);
  checkTime(row.createdAt, "createdAt", row.id);
  checkTime(row.closedAt, "closedAt", row.id);
  checkTime(row.wakeAt, "wakeAt", row.id);
  for (const wait of row.waits ?? []) checkText(wait, () => `run "${row.id}", wait "${wait}"`);
}

function checkChange(run: string, change: RowChange): void {
  if (change.state !== undefined) checkState(change.state, run);
  checkTime(change.closedAt, "closedAt", run);
  checkTime(change.wakeAt, "wakeAt", run);
  for (const wait of change.waits ?? []) checkText(wait, () => `run "${run}", wait "${wait}"`);
}

function checkMessage(message: Message, maxBytes: number): void {
  const { id, run, kind, name, payload, from = "", at } = message;
  if (id === "") throw new TypeError(`Cannot leave a message for run "${run}": its id must not be empty`);
  for (const text of [id, run, kind, name, payload, from]) checkText(text, () => `message "${id}"`);
  checkSize(payload, maxBytes, () => `message "${id}"`);
  if (!Number.isFinite(at)) {
    throw new RangeError(
      `Cannot store message "${id}": 'at' must be a finite number of milliseconds: current value is ${at}`,
    );
  }
}
