/**
 * What the cases of the storages' conformance share: somewhere to keep runs, and what is written there.
 *
 * @module
 */
import type { Message, RunRow, Storage, StoredRecord, Write } from "@windkit/windmill-client/storage/memory";
import { assert } from "../suite/assert.ts";

/** Limits that a case asks for, so that it need not write a gigabyte. */
export interface PlaceLimits {
  readonly maxRecordBytes?: number;
  readonly maxMessages?: number;
}

/** Somewhere to keep runs, empty at first. */
export interface StoragePlace extends AsyncDisposable {
  /** A new storage object on what is kept here; nobody's driver yet. */
  open(): Promise<Storage>;
}

/** Makes places. */
export type PlaceFactory = (limits: PlaceLimits) => Promise<StoragePlace>;

/** What a case does with a storage that it drives. */
export type Use = (storage: Storage, place: StoragePlace) => Promise<void>;

/** Registers a case in a place of its own; `storage` drives it. */
export type StorageCase = (title: string, use: Use, limits?: PlaceLimits) => void;

/** Check value number `n`: any 16 hex digits will do, the storage does not compute them. */
function checkOf(n: number): string {
  return (n * 2654435761 % 2 ** 32).toString(16).padStart(8, "0") + "fedcba98";
}

/** Records of a run, from one number on. */
export function records(from: number, count: number, text = (seq: number) => `record ${seq}`): StoredRecord[] {
  return Array.from({ length: count }, (_, i) => ({ seq: from + i, text: text(from + i), check: checkOf(from + i) }));
}

/** A run that is ready. */
export function row(id: string, more: Partial<RunRow> = {}): RunRow {
  return { id, workflow: "w", state: "ready", createdAt: 1000, ...more };
}

/** A write that makes a run. */
export function create(id: string, more: Partial<RunRow> = {}, count = 1): Write {
  return { w: "create", row: row(id, more), records: records(0, count) };
}

/** A message to a run. */
export function message(id: string, run: string, more: Partial<Message> = {}): Message {
  return { id, run, kind: "event", name: "paid", payload: `"${id}"`, at: 5000, ...more };
}

/** A write that leaves a message. */
export function post(id: string, run: string, more: Partial<Message> = {}): Write {
  return { w: "post", message: message(id, run, more) };
}

/** All records of a run, page by page. */
export async function journal(storage: Storage, run: string, from?: number): Promise<StoredRecord[]> {
  const all: StoredRecord[] = [];
  for await (const page of storage.journal(run, from)) {
    assert(page.length > 0, "A page of a journal is empty");
    all.push(...page);
  }
  return all;
}

/** The ids of some rows. */
export function ids(rows: readonly { readonly id: string }[]): string[] {
  return rows.map(({ id }) => id);
}

/** All that can be read of some runs: two equal ones are the same to an engine. */
export async function everything(storage: Storage, runs: readonly string[]): Promise<unknown> {
  const parts: unknown[] = [ids(await storage.runs({ limit: 1000 })), await storage.nextWake()];
  parts.push(await storage.due(Number.MAX_SAFE_INTEGER, 1000));
  for (const run of runs) {
    parts.push([await storage.run(run), await journal(storage, run), await storage.inbox(run, 1000)]);
  }
  return parts;
}
