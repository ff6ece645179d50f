/**
 * Calls that are recorded before they settle: what a run waits for.
 *
 * @module
 */
import type { Write } from "../engine/ports.ts";
import type { JournalRecord } from "../workflow/journal.ts";
import { decodeRecord } from "../workflow/record_text.ts";

/** The record of a call that has not settled. */
type CalledRecord = Extract<JournalRecord, { readonly t: "called" }>;

/** A call that has not settled, and its run. */
export interface Called {
  readonly run: string;
  readonly record: CalledRecord;
}

/** The calls that a commit records ahead of their outcome. */
export function calledIn(writes: readonly Write[]): readonly Called[] {
  const found: Called[] = [];
  for (const write of writes) {
    if (write.w !== "append") continue;
    for (const { text, seq } of write.records) {
      if (!text.startsWith('["c"')) continue; // the others are not decoded: most records are outcomes
      const record = decodeRecord(text, seq);
      if (record.t === "called") found.push({ run: write.run, record });
    }
  }
  return found;
}

/** What a commit ends: calls of a run by key, or, without a key, all of them. */
export function endedIn(writes: readonly Write[]): readonly { readonly run: string; readonly key?: string }[] {
  const found: { readonly run: string; readonly key?: string }[] = [];
  for (const write of writes) {
    if (write.w !== "append") continue;
    const { run } = write;
    for (const { text, seq } of write.records) {
      const record = decodeRecord(text, seq);
      if (record.t === "settled" || record.t === "abandoned") found.push({ run, key: record.key });
      if (record.t === "cancelling" || record.t === "closed") found.push({ run });
    }
  }
  return found;
}

/** What answers a call, as `approval:KEY` or `event:NAME`; undefined for what nobody answers. */
export function answeredBy({ record: { key, call } }: Called): readonly ["approval" | "event", string] | undefined {
  if (call.kind === "approval") return ["approval", key];
  return call.kind === "event" ? ["event", call.name] : undefined;
}
