/**
 * Calls that are recorded before they settle: what a run waits for.
 *
 * @module
 */
import type { Write } from "../engine/ports.ts";
import type { JournalRecord } from "../workflow/journal.ts";
import { decodeRecord } from "../workflow/record_text.ts";

/** The record of a call that has not settled. */
export type CalledRecord = Extract<JournalRecord, { readonly t: "called" }>;

/** The calls that a commit records ahead of their outcome. */
export function calledIn(writes: readonly Write[]): readonly CalledRecord[] {
  const found: CalledRecord[] = [];
  for (const write of writes) {
    if (write.w !== "append") continue;
    for (const { text, seq } of write.records) {
      if (!text.startsWith('["c"')) continue; // the others are not decoded: most records are outcomes
      const record = decodeRecord(text, seq);
      if (record.t === "called") found.push(record);
    }
  }
  return found;
}

/** Keys of the calls that a commit ends; undefined when it ends all of them. */
export function endedIn(writes: readonly Write[]): readonly string[] | undefined {
  const found: string[] = [];
  for (const write of writes) {
    if (write.w !== "append") continue;
    for (const { text, seq } of write.records) {
      const record = decodeRecord(text, seq);
      if (record.t === "settled" || record.t === "abandoned") found.push(record.key);
      if (record.t === "cancelling") return undefined;
    }
  }
  return found;
}

/** What answers a call, as `approval:KEY` or `event:NAME`; undefined for what nobody answers. */
export function answeredBy({ key, call }: CalledRecord): readonly ["approval" | "event", string] | undefined {
  if (call.kind === "approval") return ["approval", key];
  return call.kind === "event" ? ["event", call.name] : undefined;
}
