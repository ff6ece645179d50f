/**
 * Messages that people leave for a run: approvals and cancels. The engine posts them for its own process, the command line for a
 * run that another process drives.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { NotWaitingError } from "../base/errors.ts";
import type { JournalRecord, Key } from "../workflow/journal.ts";
import type { ApprovalAnswer, PendingApproval } from "./api.ts";
import type { Message, RunRow } from "./ports.ts";
import type { Fate } from "./run_messages.ts";

/** Approvals that a run with this journal waits for. */
export function pendingApprovals(records: readonly JournalRecord[]): readonly PendingApproval[] {
  const [first] = records;
  if (first?.t !== "opened") return [];
  const { id, workflow } = first.header;
  const pending = new Map<Key, PendingApproval>();
  for (const record of records) {
    if (record.t === "called" && record.call.kind === "approval") {
      const { form, options } = record.call;
      const expiresAt = record.dueAt ?? record.at + record.call.timeoutMs;
      pending.set(record.key, {
        run: id,
        workflow,
        key: record.key,
        expiresAt,
        ...(form === undefined ? undefined : { form }),
        ...(options === undefined ? undefined : { options }),
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
 * The message that answers an approval. `nonce` makes it one of its own: the first answer that fits counts.
 *
 * @throws NotWaitingError when the run has ended, the approval is answered already, or `key` is missing and not exactly one is waited for
 */
export function approvalMessage(
  row: RunRow,
  records: readonly JournalRecord[],
  key: Key | undefined,
  answer: ApprovalAnswer,
  nonce: string,
  at: number,
): Message {
  const { id } = row;
  if (row.state === "closed") {
    throw new NotWaitingError(`Cannot answer an approval of run "${id}": it has ended (${row.status})`);
  }
  const pending = pendingApprovals(records).map((p) => p.key);
  const name = key ?? (pending.length === 1 ? pending[0] : undefined);
  if (name === undefined) {
    const waits = pending.length === 0
      ? "it waits for none"
      : `it waits for ${pending.map((k) => `"${k}"`).join(", ")}: say which`;
    throw new NotWaitingError(`Cannot answer an approval of run "${id}": ${waits}`);
  }
  if (records.some((r) => r.t === "settled" && r.key === name)) {
    throw new NotWaitingError(
      `Cannot answer approval "${name}" of run "${id}": it was answered already, or has timed out`,
    );
  }
  const { approved = true, value = null, approver = "anonymous" } = answer;
  return {
    id: `approval:${id}:${name}:${nonce}`,
    run: id,
    kind: "approval",
    name,
    payload: encode({ approved, value, approver }),
    from: approver,
    at,
  };
}

/** What a journal says of a message; `kept` when it says nothing. */
export function fateIn(records: readonly JournalRecord[], { id, kind, name }: Message): Fate {
  let isLate = false;
  for (const record of records) {
    if (record.t === "settled" && record.inbox === id) return { fate: "taken" };
    if (record.t === "refused" && record.inbox === id) {
      return { fate: "refused", key: record.key, reason: record.reason };
    }
    if (kind === "approval" && record.t === "settled" && record.key === name) isLate = true;
  }
  return { fate: isLate ? "late" : "kept" };
}

/** What to say of an answer that was refused. */
export function refusedText(run: string, { kind }: Message, key: Key, reason: string): string {
  const what = kind === "event" ? "The event's payload" : "The answer";
  return `${what} does not fit what "${key}" of run "${run}" waits for, which still waits: ${reason}`;
}

/** What to say of an answer after the one that counts. */
export function answeredText(run: string, key: Key): string {
  return `Cannot answer approval "${key}" of run "${run}": it was answered already, in another way`;
}

/** The message that an event is. `id` makes it one of its own, for the whole chain of a run. */
export function eventMessage(run: string, name: string, payload: unknown, id: string, at: number): Message {
  return { id, run, kind: "event", name, payload: encode(payload), at };
}

/** The message that asks a run to end. `nonce` makes it one of its own. */
export function cancelMessage(run: string, reason: string, nonce: string, at: number): Message {
  return { id: `cancel:${run}:${nonce}`, run, kind: "cancel", name: "", payload: encode({ reason }), at };
}

/** Why a run could not take a message; undefined when it can. Other processes leave messages too: nothing is believed. */
export function messageProblem(message: Pick<Message, "id" | "kind" | "payload">): string | undefined {
  const { id, kind, payload } = message;
  if (id === "") return "its id must not be empty";
  let value: unknown;
  try {
    value = decode(payload);
  } catch (error) {
    return `its payload must be JSON: ${(error as Error).message}`;
  }
  if (kind === "event") return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "its payload must be an object";
  const { approved = true, reason = "", ok, value: result, failure } = value as Readonly<Record<string, unknown>>;
  switch (kind) {
    case "approval":
      return typeof approved === "boolean" ? undefined : "its payload's 'approved' must be true or false";
    case "cancel":
      return typeof reason === "string" ? undefined : "its payload's 'reason' must be text";
    case "settle":
      if (ok === true) {
        return typeof result === "string" && isJson(result) ? undefined : "its payload's 'value' must be JSON text";
      }
      return ok === false && isFailure(failure) ? undefined : "its payload must be an outcome";
    default:
      return `its kind must be event, approval, cancel or settle, found "${String(kind)}"`;
  }
}

function isJson(text: string): boolean {
  try {
    decode(text);
    return true;
  } catch {
    return false; // not JSON: that is the answer
  }
}

function isFailure(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { message, stepKey, error } = value as Readonly<Record<string, unknown>>;
  if (typeof message !== "string" || typeof stepKey !== "string" || typeof error !== "object" || error === null) {
    return false;
  }
  const { name, message: text } = error as Readonly<Record<string, unknown>>;
  return typeof name === "string" && typeof text === "string";
}
