/**
 * What a commit says, in words and as a result.
 *
 * @module
 */
import type { Write } from "../engine/ports.ts";
import type { JournalRecord } from "../workflow/journal.ts";
import { decodeRecord } from "../workflow/record_text.ts";

type Closed = Extract<JournalRecord, { readonly t: "closed" }>;

/** How a run ends in these writes, as text; undefined when it does not. */
export function closingOf(writes: readonly Write[], run: string | undefined): string | undefined {
  // One that goes on as another one has not ended.
  if (writes.some((write) => write.w === "create")) return undefined;
  for (const write of writes) {
    if (write.w !== "append" || write.run !== run || write.row?.state !== "closed") continue;
    const last = write.records.at(-1);
    const record = last === undefined ? undefined : decodeRecord(last.text, last.seq);
    return outcomeText(record?.t === "closed" ? record : undefined);
  }
  return undefined;
}

/** A run's value, or status, name and message of its failure. */
export function outcomeText(record: Closed | undefined): string {
  const { outcome } = record ?? {};
  if (outcome === undefined) return record?.status ?? "open";
  if (outcome.ok) return outcome.value;
  const { name, message } = outcome.failure.error;
  return `${record?.status ?? "failed"}: ${name}: ${message}`;
}

/** What a commit writes, in words. */
export function writesText(writes: readonly Write[]): string {
  const parts = writes.flatMap((write): readonly string[] => {
    switch (write.w) {
      case "create":
        return ["the run is recorded"];
      case "append": {
        const records = write.records.map((stored) => recordText(decodeRecord(stored.text, stored.seq)));
        return write.row?.state === "parked" ? [...records, "the run is put aside"] : records;
      }
      case "post":
        return [`${write.message.kind} "${write.message.name}" arrives`];
      default:
        return [];
    }
  });
  return parts.length === 0 ? "the state of the run" : parts.join(", ");
}

function recordText(record: JournalRecord): string {
  switch (record.t) {
    case "settled":
      return `outcome of "${record.key}"`;
    case "called":
      return `"${record.key}" is waited for`;
    case "closed":
      return `the end: ${record.status}`;
    case "marker":
      return `marker "${record.name}"`;
    case "abandoned":
      return `"${record.key}" is given up`;
    case "cancelling":
      return "the run is to be cancelled";
    default:
      return record.t;
  }
}
