/**
 * A run that takes another way from one of its calls on: its journal is a copy of what came before that call's outcome.
 *
 * @module
 */
import { editDistance } from "../base/near_text.ts";
import type { Encoded, JournalRecord, Key, RecordBody, RunHeader } from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import type { RunRow, StoredRecord, Write } from "./ports.ts";

/** What a fork is made of. */
export interface ForkSource {
  /** The journal to copy from. */
  readonly records: readonly JournalRecord[];
  /** The call whose outcome is the first thing that is not copied. */
  readonly from: Key;
  /** Id of the new run. */
  readonly id: string;
  /** Other arguments. */
  readonly args?: Encoded | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * The commit that makes a fork.
 *
 * @throws RangeError when the run has no such call, or the call comes after the run was cancelled
 */
export function forkWrite({ records, from, id, args, now }: ForkSource): Extract<Write, { readonly w: "create" }> {
  const [first] = records;
  if (first?.t !== "opened") throw new RangeError(`Cannot fork a run: its journal has no header`);
  const { header } = first;
  const copied = copyBefore(records, from, header.id);
  const { createdAt, deadlineAt, parent: _parent, root: _root, chain: _chain, ...kept } = header;
  const forked: RunHeader = {
    ...kept,
    id,
    createdAt: now,
    ...(args === undefined ? undefined : { args }),
    ...(deadlineAt === undefined ? undefined : { deadlineAt: now + deadlineAt - createdAt }),
    forkedFrom: { run: header.id, key: from },
  };
  const stored: StoredRecord[] = [];
  let check = "";
  for (const [seq, [body, at]] of ([[{ t: "opened", header: forked }, now], ...copied] as const).entries()) {
    const text = encodeRecord(body, at);
    check = chainCheck(check, text);
    stored.push({ seq, text, check });
  }
  const row: RunRow = { id, workflow: header.workflow, state: "active", createdAt: now };
  return { w: "create", row, records: stored };
}

/** The records before the call's outcome, without what belongs to the other run alone. */
function copyBefore(
  records: readonly JournalRecord[],
  from: Key,
  run: string,
): readonly (readonly [RecordBody, number])[] {
  let end = records.length;
  let isKnown = false;
  for (const [i, record] of records.entries()) {
    if (record.t === "called" && record.key === from) isKnown = true;
    const isHandOver = (record.t === "settled" || record.t === "abandoned") && record.key === from;
    const isEnd = record.t === "cancelling" || record.t === "closed";
    if (isHandOver) isKnown = true;
    if (!isHandOver && !isEnd) continue;
    end = i;
    break;
  }
  if (!isKnown) throw unknownKey(records, from, run);
  const before = records.slice(1, end);
  const settled = new Set<Key>();
  for (const record of before) if (record.t === "settled" || record.t === "abandoned") settled.add(record.key);
  return before.flatMap((record): readonly (readonly [RecordBody, number])[] => {
    const { at } = record;
    switch (record.t) {
      case "called": {
        const { key, call, fp, dueAt } = record;
        // Work and children that are under way are the other run's: this one begins its own. Timers and waits go on.
        const isOwn = call.kind !== "sleep" && call.kind !== "approval" && call.kind !== "event";
        if (key === from || (isOwn && !settled.has(key))) return [];
        return [[{ t: "called", key, call, fp, ...(dueAt === undefined ? undefined : { dueAt }) }, at]];
      }
      case "settled": {
        const { t, key, after, outcome, fp, startedAt } = record;
        return [[{ t, key, after, outcome, startedAt, ...(fp === undefined ? undefined : { fp }) }, at]];
      }
      case "refused":
        return [];
      default: {
        const { seq: _seq, at: _at, ...body } = record;
        return [[body, at]];
      }
    }
  });
}

/** Keys that an error names. */
const SHOWN = 5;

function unknownKey(records: readonly JournalRecord[], from: Key, run: string): RangeError {
  const keys = new Set<Key>();
  for (const record of records) {
    if (record.t === "cancelling" || record.t === "closed") {
      if (records.some((r) => r.t === "settled" && r.key === from)) {
        return new RangeError(
          `Cannot fork run "${run}" from "${from}": that call was made after the run had been cancelled, or had failed`,
        );
      }
      break;
    }
    if (record.t === "called" || record.t === "settled") keys.add(record.key);
  }
  const near = [...keys].sort((a, b) => distance(from, a) - distance(from, b)).slice(0, SHOWN);
  const known = near.length === 0
    ? "it has made no call yet"
    : `it has ${near.map((k) => `"${k}"`).join(", ")}${
      keys.size > near.length ? ` and ${keys.size - near.length} more` : ""
    }`;
  return new RangeError(`Cannot fork run "${run}" from "${from}": it has no call of that key that has begun; ${known}`);
}

/** Keys can be long: they are compared by their beginnings. */
function distance(one: string, other: string): number {
  return editDistance(one.slice(0, 64), other.slice(0, 64));
}
