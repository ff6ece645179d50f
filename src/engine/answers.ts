/**
 * Messages that people leave for a run: approvals and cancels. The engine posts them for its own process, the command line for a
 * run that another process drives.
 *
 * @module
 */
import { encode } from "../base/canonical.ts";
import type { JournalRecord, Key } from "../workflow/journal.ts";
import type { ApprovalAnswer, PendingApproval } from "./api.ts";
import type { Message, RunRow } from "./ports.ts";

/** Approvals that a run with this journal waits for. */
export function pendingApprovals(records: readonly JournalRecord[]): readonly PendingApproval[] {
  const [first] = records;
  if (first?.t !== "opened") return [];
  const { id, workflow } = first.header;
  const pending = new Map<Key, PendingApproval>();
  for (const record of records) {
    if (record.t === "called" && record.call.kind === "approval") {
      const { form } = record.call;
      const expiresAt = record.dueAt ?? record.at + record.call.timeoutMs;
      pending.set(record.key, {
        run: id,
        workflow,
        key: record.key,
        expiresAt,
        ...(form === undefined ? undefined : { form }),
      });
    } else if (record.t === "settled" || record.t === "abandoned") {
      pending.delete(record.key);
    } else if (record.t === "closed" || record.t === "cancelling") {
      pending.clear();
    }
  }
  return [...pending.values()];
}

/**
 * The message that answers an approval.
 *
 * @throws Error when the run has ended, the approval is answered already, or `key` is missing and not exactly one is waited for
 */
export function approvalMessage(
  row: RunRow,
  records: readonly JournalRecord[],
  key: Key | undefined,
  answer: ApprovalAnswer,
  at: number,
): Message {
  const { id } = row;
  if (row.state === "closed") throw new Error(`Cannot answer an approval of run "${id}": it has ended (${row.status})`);
  const pending = pendingApprovals(records).map((p) => p.key);
  const name = key ?? (pending.length === 1 ? pending[0] : undefined);
  if (name === undefined) {
    const waits = pending.length === 0
      ? "it waits for none"
      : `it waits for ${pending.map((k) => `"${k}"`).join(", ")}: say which`;
    throw new Error(`Cannot answer an approval of run "${id}": ${waits}`);
  }
  if (records.some((r) => r.t === "settled" && r.key === name)) {
    throw new Error(`Cannot answer approval "${name}" of run "${id}": it was answered already, or has timed out`);
  }
  const { approved = true, value = null, approver = "anonymous" } = answer;
  return {
    id: `approval:${id}:${name}`,
    run: id,
    kind: "approval",
    name,
    payload: encode({ approved, value, approver }),
    from: approver,
    at,
  };
}

/** The message that asks a run to end. `nonce` makes it one of its own. */
export function cancelMessage(run: string, reason: string, nonce: string, at: number): Message {
  return { id: `cancel:${run}:${nonce}`, run, kind: "cancel", name: "", payload: encode({ reason }), at };
}
