/**
 * A recorded run as what a test of it needs: what its steps gave, who answered when, how it ended.
 *
 * @module
 */
import { decode } from "../base/canonical.ts";
import type { Failure, JournalRecord, Json, Key, Outcome, RunHeader } from "../workflow/journal.ts";
import { UsageError } from "./exit_codes.ts";
import type { Redactor } from "./redact.ts";

/** What stands for one call. */
export type CapturedCall =
  | { readonly key: Key; readonly gives: Json }
  | { readonly key: Key; readonly fails: CapturedFailure }
  | { readonly key: Key; readonly never: true };

/** An error that was thrown. */
export interface CapturedFailure {
  readonly name: string;
  readonly message: string;
  readonly extra?: Json;
}

/** An answer, or none. */
export type CapturedAnswer = "timeout" | {
  readonly value: Json;
  readonly approved?: boolean;
  readonly approver?: string;
  readonly afterMs: number;
};

/** A recorded run. */
export interface CapturedRun {
  readonly header: RunHeader;
  readonly args: Json;
  readonly calls: readonly CapturedCall[];
  readonly approvals: ReadonlyMap<string, CapturedAnswer>;
  readonly events: ReadonlyMap<string, readonly CapturedAnswer[]>;
  /** Keys of settled calls, in the order of their outcomes. */
  readonly order: readonly Key[];
  /** Arguments of the calls, where they were short enough to be kept. */
  readonly given: readonly Json[];
  readonly outcome: { readonly value: Json } | { readonly error: CapturedFailure };
}

type Settled = Extract<JournalRecord, { readonly t: "settled" }>;
type Called = Extract<JournalRecord, { readonly t: "called" }>;

/**
 * Reads a run's journal.
 *
 * @param id id of the run
 * @param records its journal
 * @throws UsageError when the run cannot be captured: it has not ended, or was cancelled
 */
export function readCapture(id: string, records: readonly JournalRecord[]): CapturedRun {
  const [first] = records;
  if (first?.t !== "opened") throw new UsageError(`Cannot capture run "${id}": its journal has no header`);
  const { header } = first;
  const closed = records.findLast((record) => record.t === "closed");
  if (closed?.t !== "closed") {
    throw new UsageError(`Cannot capture run "${id}": it has not ended`, "Let it end first: windkit run");
  }
  if (closed.status === "continued") {
    throw new UsageError(
      `Cannot capture run "${id}": another one goes on for it, and a test is made of a whole run`,
      `Capture the one that goes on for it: windkit runs show ${id} names it`,
    );
  }
  if (closed.outcome === undefined || (closed.status !== "completed" && closed.status !== "failed")) {
    throw new UsageError(
      `Cannot capture run "${id}": it is ${closed.status}, and only a run that completed or failed of itself is a test`,
    );
  }
  const called = new Map<Key, Called>();
  const calls = new Map<Key, CapturedCall>();
  const approvals = new Map<string, CapturedAnswer>();
  const events = new Map<string, CapturedAnswer[]>();
  const order: Key[] = [];
  const given: Json[] = [];
  for (const record of records) {
    if (record.t === "called") called.set(record.key, record);
    if (record.t === "abandoned" && !calls.has(record.key)) {
      // What was given up had begun; nobody knows what it would have given.
      const kind = called.get(record.key)?.fp.kind ?? "step";
      if (kind === "step" || kind === "task") calls.set(record.key, { key: record.key, never: true });
    }
    if (record.t !== "settled" || record.key.startsWith("__windkit/")) continue;
    order.push(record.key);
    const ahead = called.get(record.key);
    const fp = record.fp ?? ahead?.fp;
    if (fp?.args !== undefined) given.push(JSON.parse(fp.args) as Json);
    const waited = ahead === undefined ? 0 : Math.max(0, record.at - ahead.at);
    switch (fp?.kind) {
      case "approval":
        approvals.set(record.key, approvalOf(record, waited));
        break;
      case "event":
        events.set(fp.name, [...events.get(fp.name) ?? [], eventOf(record, waited)]);
        break;
      case "child":
        throw new UsageError(
          `Cannot capture run "${id}": it starts another workflow ("${record.key}"), capture that one`,
        );
      case "sleep":
        break;
      default:
        calls.set(record.key, callOf(record.key, record.outcome));
    }
  }
  const { outcome } = closed;
  return {
    header,
    args: decode(header.args) as Json,
    calls: [...calls.values()],
    approvals,
    events,
    order,
    given,
    outcome: outcome.ok ? { value: decode(outcome.value) as Json } : { error: failureOf(outcome.failure) },
  };
}

function callOf(key: Key, outcome: Outcome): CapturedCall {
  return outcome.ok ? { key, gives: decode(outcome.value) as Json } : { key, fails: failureOf(outcome.failure) };
}

function failureOf({ error: { name, message, extra } }: Failure): CapturedFailure {
  return { name, message, ...(extra === undefined ? {} : { extra }) };
}

function approvalOf({ outcome, inbox }: Settled, afterMs: number): CapturedAnswer {
  if (!outcome.ok || inbox === undefined) return "timeout";
  const { value, approved, approver } = decode(outcome.value) as {
    readonly value: Json;
    readonly approved: boolean;
    readonly approver: string | null;
  };
  return { value, approved, ...(approver === null ? {} : { approver }), afterMs };
}

function eventOf({ outcome, inbox }: Settled, afterMs: number): CapturedAnswer {
  if (!outcome.ok || inbox === undefined) return "timeout";
  const { payload = null } = decode(outcome.value) as { readonly payload?: Json };
  return { value: payload, afterMs };
}

/** The same run without secrets. */
export function redactedRun(run: CapturedRun, redactor: Redactor): CapturedRun {
  const learnFailure = ({ extra }: CapturedFailure): void => extra === undefined ? undefined : redactor.learn(extra);
  redactor.learn(run.args);
  for (const args of run.given) redactor.learn(args);
  for (const call of run.calls) {
    if ("gives" in call) redactor.learn(call.gives, call.key);
    if ("fails" in call) learnFailure(call.fails);
  }
  const answers = [
    ...run.approvals,
    ...[...run.events].flatMap(([name, list]) => list.map((one) => [name, one] as const)),
  ];
  for (const [name, answer] of answers) if (answer !== "timeout") redactor.learn(answer.value, name);
  if ("value" in run.outcome) redactor.learn(run.outcome.value);
  else learnFailure(run.outcome.error);
  const failure = ({ name, message, extra }: CapturedFailure): CapturedFailure => ({
    name,
    message: redactor.text(message),
    ...(extra === undefined ? {} : { extra: redactor.redact(extra) }),
  });
  const answer = (name: string, given: CapturedAnswer): CapturedAnswer =>
    given === "timeout" ? given : { ...given, value: redactor.redact(given.value, name) };
  return {
    ...run,
    args: redactor.redact(run.args),
    calls: run.calls.map((call): CapturedCall => {
      if ("gives" in call) return { key: call.key, gives: redactor.redact(call.gives, call.key) };
      return "fails" in call ? { key: call.key, fails: failure(call.fails) } : call;
    }),
    approvals: new Map([...run.approvals].map(([name, given]) => [name, answer(name, given)])),
    events: new Map([...run.events].map(([name, list]) => [name, list.map((given) => answer(name, given))])),
    outcome: "value" in run.outcome
      ? { value: redactor.redact(run.outcome.value) }
      : { error: failure(run.outcome.error) },
  };
}
