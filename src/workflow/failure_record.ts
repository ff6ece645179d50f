/**
 * Failures as the server of a cluster keeps them (wac-protocol 5.3): written, brought into the server's own form, and read back.
 * What the body gets in the round in which a step fails is read from that form too, so that no later round sees anything else.
 *
 * @module
 */
import { jsonbOrder } from "../base/canonical.ts";
import { failureOf } from "./failure.ts";
import type { Failure, Json, Key, Outcome } from "./journal.ts";

/** Longest stack, and longest JSON text of `extra`, in bytes of UTF-8. */
const LIMIT = 8192;

type Fields = Readonly<Record<string, unknown>>;

/** True for what the official clients, and this one, take for a failure among completed steps: any truthy mark. */
export function isFailureRecord(value: unknown): value is Fields {
  return isFields(value) && Boolean(value.__wmill_error);
}

/** A call's failure as it is posted. */
export function failureRecord({ message, error }: Failure, key: Key): Json {
  // `as` -- a failure is JSON
  return { __wmill_error: true, message, step_key: key, result: { error } } as unknown as Json;
}

/**
 * The record as the server keeps what was posted: name and message filled in, stack and extra bounded. A server that answers with
 * what it keeps gives the same.
 */
export function normalisedRecord(record: Json, key: Key): Json {
  if (!isFields(record) || record.__wmill_error !== true) return record;
  const { result } = record;
  if (!isFields(result) || !isFields(result.error)) return record;
  const error: Record<string, unknown> = Object.assign(Object.create(null), result.error);
  error.name = textOr(error.name, "Error");
  const message = error.message = textOr(error.message, `WAC step '${key}' failed`);
  if (typeof error.stack !== "string") delete error.stack;
  else if (byteLength(error.stack) > LIMIT) error.stack = `${firstBytes(error.stack)}\n... (truncated)`;
  if (error.extra !== undefined && byteLength(JSON.stringify(error.extra)) > LIMIT) {
    delete error.extra;
    error.extra_omitted = true;
  }
  const sorted = Object.fromEntries(Object.keys(error).sort(jsonbOrder).map((name) => [name, error[name]]));
  // `as` -- JSON with parts left out or replaced by text is JSON
  return { __wmill_error: true, message, step_key: key, result: { error: sorted } } as unknown as Json;
}

/** The failure that a record holds: of a step, of a child job, or of an older version, in which the error is a text. */
export function failureOfRecord(record: Fields, key: Key): Failure {
  const { message, step_key: stepKey, child_job_id: childJobId, result } = record;
  const found = isFields(result) ? result.error : undefined;
  const error = isFields(found) ? found : { message: typeof found === "string" ? found : message };
  const text = textOr(message, textOr(error.message, `WAC step '${key}' failed`));
  const named = { name: textOr(error.name, "Error"), message: textOr(error.message, text) };
  // What the thrown error says of a retry, and of its class, crosses in its own fields.
  const { code, retryable, retryAfterMs } = failureOf({ ...(isFields(error.extra) ? error.extra : {}), ...named }, key);
  return {
    message: text,
    stepKey: textOr(stepKey, key),
    ...(typeof childJobId === "string" ? { childJobId } : undefined),
    error: { ...error, ...named },
    ...(code === undefined ? undefined : { code }),
    ...(retryable === undefined ? undefined : { retryable }),
    ...(retryAfterMs === undefined ? undefined : { retryAfterMs }),
  };
}

/** What a value among completed steps says of its call. `write` gives canonical text. */
export function outcomeOfRecord(value: unknown, key: Key, write: (value: unknown) => string): Outcome {
  return isFailureRecord(value)
    ? { ok: false, failure: failureOfRecord(value, key) }
    : { ok: true, value: write(value) };
}

/** True for an object of JSON. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}

/** Bytes of a text in UTF-8. */
function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** As much of a text as fits, without a part of a character. */
function firstBytes(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let end = LIMIT;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(bytes.subarray(0, end));
}
