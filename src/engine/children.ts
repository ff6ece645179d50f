/**
 * Runs that other runs started: how a parent begins one, hears of its end, and ends it.
 *
 * Each step is one commit over both runs: the parent's `called` record with the child's first one, the child's last one with the
 * message that settles the parent's call, whatever gives a child up with the message that cancels it. A crash therefore never
 * leaves one half.
 *
 * @module
 */
import { encode } from "../base/canonical.ts";
import { PayloadTooLargeError } from "../base/errors.ts";
import { failureOf } from "../workflow/failure.ts";
import type { Call, JournalRecord, Key, Outcome, RunHeader } from "../workflow/journal.ts";
import { cancelMessage } from "./answers.ts";
import type { Message } from "./ports.ts";

/** A call that starts a run. */
export type ChildCall = Extract<Call, { readonly kind: "child" }>;

/** Longest id of a child, in characters: its parent's id is the beginning of one that is made up. */
const LONGEST_ID = 4096;

/** What is wrong with the id of a child; undefined when nothing is. */
export function childIdProblem({ runId, workflow }: ChildCall): Error | undefined {
  if (runId.length <= LONGEST_ID && runId !== "" && runId.isWellFormed() && !/\0/.test(runId)) return undefined;
  return new RangeError(
    `Cannot start child workflow "${workflow}": its run id must have 1 to ${LONGEST_ID} characters, no U+0000 and no lone ` +
      `surrogate, found ${runId.length} characters. Runs that start one another without an end?`,
  );
}

/** The message that tells a parent how its child ended. `child`: the id that the parent knows. */
export function settleMessage(
  parent: { readonly run: string; readonly key: Key },
  child: string,
  outcome: Outcome,
  at: number,
  maxBytes: number,
): Message {
  const told = parentOutcome(parent.key, child, outcome);
  let payload = encode(told);
  // Text within JSON text is longer: what the child could record need not fit here.
  const bytes = payload.length * 3 <= maxBytes ? 0 : new TextEncoder().encode(payload).length;
  if (bytes > maxBytes) {
    const error = new PayloadTooLargeError(
      `Cannot hand over the result of child run "${child}": it takes ${bytes} bytes, the limit is ${maxBytes}. ` +
        `Store it elsewhere and return where`,
    );
    payload = encode({ ok: false, failure: failureOf(error, parent.key) });
  }
  return {
    id: `settle:${parent.run}:${parent.key}:${child}`,
    run: parent.run,
    kind: "settle",
    name: parent.key,
    payload,
    from: child,
    at,
  };
}

/** A child's end as the outcome of its parent's call: name and message of a failure are the child's. */
function parentOutcome(key: Key, child: string, outcome: Outcome): Outcome {
  if (outcome.ok) return outcome;
  const { message, error, code } = outcome.failure;
  return {
    ok: false,
    failure: { message, stepKey: key, childJobId: child, error, ...(code === undefined ? undefined : { code }) },
  };
}

/** The message that ends a child whose parent needs it no more. */
export function cancelChild(parent: string, child: string, why: string, at: number): Message {
  return cancelMessage(child, why, `parent:${parent}`, at);
}

/** Children that a run with this journal waits for. */
export function unsettledChildren(records: readonly JournalRecord[]): ReadonlyMap<Key, ChildCall> {
  const children = new Map<Key, ChildCall>();
  for (const record of records) {
    if (record.t === "called" && record.call.kind === "child") children.set(record.key, record.call);
    else if (record.t === "settled" || record.t === "abandoned") children.delete(record.key);
    else if (record.t === "closed" || record.t === "cancelling") children.clear();
  }
  return children;
}

/** What a child's header says of where it comes from. */
export function childOrigin(parent: RunHeader, key: Key): Pick<RunHeader, "parent" | "root"> {
  return { parent: { run: parent.id, key }, root: parent.root ?? parent.id };
}
