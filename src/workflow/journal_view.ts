/**
 * A run's journal as it is the same on every host: what was called, with what, and what came of it. Times, stacks, ids,
 * executors and the runtime's own records are left out.
 *
 * @module
 */
import type { JournalRecord, Json, Key } from "./journal.ts";

/** One settled call. */
export interface ViewedCall {
  /** Key of the call. */
  readonly key: Key;
  /** `task`, `step`, `sleep`, `approval`. */
  readonly kind: string;
  /** Name that the key was drawn from. */
  readonly name: string;
  /** Canonical text of the arguments, or their digest where they are too long to be kept. */
  readonly args: string;
  /** The value, or name and message of the failure. */
  readonly outcome: { readonly ok: true; readonly value: Json } | {
    readonly ok: false;
    readonly name: string;
    readonly message: string;
  };
}

/** Settled calls, sorted by key: the order in which concurrent calls end is a host's own. */
export function journalView(records: readonly JournalRecord[]): readonly ViewedCall[] {
  const ahead = new Map<Key, Extract<JournalRecord, { readonly t: "called" }>>();
  const calls: ViewedCall[] = [];
  for (const record of records) {
    if (record.t === "called") ahead.set(record.key, record);
    if (record.t !== "settled" || record.key.startsWith("__windkit/")) continue;
    const fp = record.fp ?? ahead.get(record.key)?.fp;
    const { outcome } = record;
    calls.push({
      key: record.key,
      kind: fp?.kind ?? "unknown",
      name: fp?.name ?? record.key,
      args: fp?.args ?? fp?.digest ?? "",
      outcome: outcome.ok
        ? { ok: true, value: JSON.parse(outcome.value) as Json }
        : { ok: false, name: outcome.failure.error.name, message: outcome.failure.message },
    });
  }
  return calls.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}
