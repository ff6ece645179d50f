/**
 * The shape of what a journal file holds. A file comes from anywhere: its digests say that nothing was changed since it was
 * written, not that this package wrote it.
 *
 * A new kind of record, or of call, needs its line in the tables below: the types ask for it.
 *
 * @module
 */
import type { Call, JournalRecord, RecordBody } from "../workflow/journal.ts";
import { decodeRecord, encodeRecord } from "../workflow/record_text.ts";

/** What is wrong with a value, in words; undefined when nothing is. */
type Check = (value: unknown, name: string) => string | undefined;

function expected(name: string, what: string, value: unknown): string {
  const found = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  return `'${name}' must be ${what}, found ${typeof value === "number" ? String(value) : found}`;
}

function anything(): undefined {
  return undefined;
}

function text(value: unknown, name: string): string | undefined {
  return typeof value === "string" ? undefined : expected(name, "text", value);
}

function flag(value: unknown, name: string): string | undefined {
  return typeof value === "boolean" ? undefined : expected(name, "true or false", value);
}

function number(value: unknown, name: string): string | undefined {
  return typeof value === "number" ? undefined : expected(name, "a number", value);
}

function count(value: unknown, name: string): string | undefined {
  const fits = Number.isSafeInteger(value) && Number(value) >= 0;
  return fits ? undefined : expected(name, "an integer of at least 0", value);
}

/** Canonical text of a value. Which codec wrote it is the header's to say; JSON it is in all of them. */
function encoded(value: unknown, name: string): string | undefined {
  if (typeof value !== "string") return text(value, name);
  try {
    JSON.parse(value);
    return undefined;
  } catch (error) {
    return `'${name}' must be the JSON text of a value: ${(error as Error).message}`;
  }
}

function list(of: Check): Check {
  return (value, name) => {
    if (!Array.isArray(value)) return expected(name, "an array", value);
    for (const [i, item] of value.entries()) {
      const wrong = of(item, `${name}[${i}]`);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

function oneOf(...values: readonly unknown[]): Check {
  return (value, name) =>
    values.includes(value)
      ? undefined
      : `'${name}' must be ${values.map((v) => JSON.stringify(v)).join(" or ")}, found ${JSON.stringify(value)}`;
}

function object(required: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check {
  const needed = Object.entries(required);
  const more = Object.entries(optional);
  return (value, name) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return expected(name, "an object", value);
    const fields = value as Readonly<Record<string, unknown>>;
    const dot = name === "" ? "" : `${name}.`;
    for (const [field, check] of needed) {
      if (!Object.hasOwn(fields, field)) return `'${dot}${field}' is missing`;
      const wrong = check(fields[field], `${dot}${field}`);
      if (wrong !== undefined) return wrong;
    }
    for (const [field, check] of more) {
      if (!Object.hasOwn(fields, field)) continue;
      const wrong = check(fields[field], `${dot}${field}`);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

/** The check that a field of the value names. */
function byField<T extends string>(field: string, checks: Readonly<Record<T, Check>>): Check {
  const named = object({ [field]: oneOf(...Object.keys(checks)) });
  return (value, name) => {
    const wrong = named(value, name);
    if (wrong !== undefined) return wrong;
    const kind = (value as Readonly<Record<string, T>>)[field] as T;
    return checks[kind](value, name);
  };
}

interface Checks {
  /** Kinds of records that this version knows. */
  readonly kinds: ReadonlySet<string>;
  /** What all records have. */
  readonly general: Check;
  readonly record: Check;
}

let checks: Checks | undefined;

/** The tables. Made when they are first needed: importing a module does nothing. */
function createChecks(): Checks {
  const failure = object({
    message: text,
    stepKey: text,
    error: object({ name: text, message: text }, { stack: text, extra: anything }),
  }, { childJobId: text, code: text, retryable: flag, retryAfterMs: number });

  const success = object({ value: encoded });
  const failed = object({ failure });
  const either = object({ ok: flag });
  const outcome: Check = (value, name) =>
    either(value, name) ?? ((value as { readonly ok: boolean }).ok ? success : failed)(value, name);

  const retry = object({ attempts: count }, { delayS: number, multiplier: number, maxDelayS: number });
  const attempt = { name: text, base: text, attempt: count };

  const calls = {
    task: object(
      { ...attempt, via: oneOf("inline", "script", "flow"), args: encoded, options: object({}) },
      { script: text, retry, undoable: flag },
    ),
    step: object(attempt, { retry, undoable: flag }),
    sleep: object({}, { until: number, ms: number, backoffOf: text }),
    approval: object({ timeoutMs: number }, { form: anything, typed: anything, options: anything }),
    event: object({ name: text }, { timeoutMs: number }),
    child: object({ workflow: text, args: encoded, runId: text }),
    undo: object({ of: text, base: text, attempt: count }, { retry }),
  } satisfies Readonly<Record<Call["kind"], Check>>;

  const fp = object({ kind: oneOf(...Object.keys(calls)), name: text, digest: text }, {
    args: text,
    site: text,
    code: text,
  });

  const header = object({
    id: text,
    workflow: text,
    sourceHash: text,
    sdk: text,
    flags: list(number),
    codec: number,
    seed: text,
    args: encoded,
    createdAt: number,
  }, {
    deadlineAt: number,
    parent: object({ run: text, key: text }),
    root: text,
    chain: object({ first: text, n: count }),
    forkedFrom: object({ run: text, key: text }),
  });

  const records = {
    opened: object({ header }),
    called: object({ key: text, call: byField("kind", calls), fp }, { dueAt: number, ref: text, by: text }),
    settled: object({ key: text, after: count, outcome, startedAt: number }, { fp, by: text, inbox: text }),
    marker: object({ name: text, after: count, value: anything }),
    abandoned: object({ key: text, after: count, why: text }),
    refused: object({ key: text, inbox: text, reason: text }),
    dropped: object({ after: count }),
    reopened: object({ after: count }),
    cancelling: object({ after: count, reason: text, graceUntil: number }, { deadline: flag }),
    closed: object({ status: oneOf("completed", "failed", "cancelled", "continued") }, { outcome, next: text }),
  } satisfies Readonly<Record<RecordBody["t"], Check>>;

  return {
    kinds: new Set(Object.keys(records)),
    general: object({ t: text, seq: count, at: number }),
    record: byField("t", records),
  };
}

/** What is wrong with a value that should be a record. `newer`: a newer version may have written it. */
export interface RecordProblem {
  readonly text: string;
  readonly newer: boolean;
}

/**
 * Looks whether a value is a record that this version can keep without losing something of it.
 *
 * @param value what was read
 * @param seq the number that it must have
 * @returns what is wrong; undefined when nothing is
 */
export function recordProblem(value: unknown, seq: number): RecordProblem | undefined {
  const { kinds, general, record } = checks ??= createChecks();
  const outside = general(value, "");
  if (outside !== undefined) return { text: outside, newer: false };
  const { t } = value as { readonly t: string };
  if (!kinds.has(t)) return { text: `its kind is "${t}", which this version does not know`, newer: true };
  const wrong = record(value, "");
  if (wrong !== undefined) return { text: wrong, newer: false };
  // Checked: it has the shape of one.
  const given = value as JournalRecord;
  const kept = decodeRecord(encodeRecord(given, given.at), seq);
  if (JSON.stringify(kept) === JSON.stringify(given)) return undefined;
  return lost(given, kept, "");
}

/** What of `given` is not in `kept`, or is something else there. Their fields may be in another order. */
function lost(given: unknown, kept: unknown, name: string): RecordProblem | undefined {
  if (!isObject(given) || !isObject(kept)) {
    if (given === kept) return undefined;
    return { text: `'${name}' cannot be ${JSON.stringify(given)} here`, newer: false };
  }
  for (const field of Object.keys(given)) {
    const path = name === "" ? field : `${name}.${field}`;
    if (!Object.hasOwn(kept, field)) return { text: `it has '${path}', which this version does not know`, newer: true };
    const problem = lost(given[field], kept[field], path);
    if (problem !== undefined) return problem;
  }
  const more = Object.keys(kept).find((field) => !Object.hasOwn(given, field));
  return more === undefined
    ? undefined
    : { text: `'${name === "" ? more : `${name}.${more}`}' is missing`, newer: false };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
