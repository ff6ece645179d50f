/**
 * The end of a run whose code cannot be run here, which is cancelled: no body hears of it.
 *
 * @module
 */
import { decode } from "../base/canonical.ts";
import { CancelledError } from "../base/errors.ts";
import { failureOf } from "../workflow/failure.ts";
import type { Outcome } from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import { linkOf } from "./chain.ts";
import { cancelChild, settleMessage, unsettledChildren } from "./children.ts";
import type { Message, RowChange, Write } from "./ports.ts";
import type { ReadJournal } from "./read_journal.ts";

/** How such a run ends. */
export interface Cancelled {
  readonly outcome: Outcome;
  /** One commit: its end, and the messages to its parent and to its children. */
  readonly writes: readonly Write[];
  /** Runs that get one of those messages. */
  readonly told: ReadonlySet<string>;
}

/**
 * Cancels a run that is not driven.
 *
 * @param journal all of it
 * @param message the cancel that was left for it
 * @param maxBytes the longest message
 */
export function cancelUnrunnable(journal: ReadJournal, message: Message, at: number, maxBytes: number): Cancelled {
  const { run: id } = message;
  const { reason = "Cancelled" } = decode(message.payload) as { readonly reason?: string };
  const outcome: Outcome = { ok: false, failure: failureOf(new CancelledError(reason), "") };
  const text = encodeRecord({ t: "closed", status: "cancelled", outcome }, at);
  const row: RowChange = { state: "closed", status: "cancelled", closedAt: at, wakeAt: null, waits: null };
  const records = [{ seq: journal.nextSeq, text, check: chainCheck(journal.check, text) }];
  const posted: Message[] = [];
  const [first] = journal.records;
  if (first?.t === "opened" && first.header.parent !== undefined) {
    const { parent } = first.header;
    posted.push(settleMessage(parent, linkOf(first.header).first, outcome, at, maxBytes));
  }
  for (const { runId } of unsettledChildren(journal.records).values()) posted.push(cancelChild(id, runId, reason, at));
  return {
    outcome,
    writes: [
      { w: "append", run: id, records, row },
      { w: "take", id: message.id },
      ...posted.map((m): Write => ({ w: "post", message: m })),
    ],
    told: new Set(posted.map(({ run }) => run)),
  };
}
