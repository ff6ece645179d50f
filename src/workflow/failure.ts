/**
 * Failures as data: what is recorded of a thrown value, and the error that is thrown again from it. The rules are the
 * protocol's (wac-protocol 5.3 to 5.5), so a failure reads the same on every host, live and on replay.
 *
 * @module
 */
import { CancelledError, DeadlineError, HostUnsupportedError, TaskError, WaitTimeoutError } from "../base/errors.ts";
import { encode } from "../base/canonical.ts";
import type { Failure, Json, Key } from "./journal.ts";

/** Longest stack and longest `extra`, in the protocol's bytes (here: UTF-16 units, at most that many bytes for ASCII). */
const LIMIT = 8192;
const RESERVED = new Set(["line", "name", "stack", "column", "message", "sourceURL", "originalLine", "originalColumn"]);

/** Records a thrown value. Never throws, whatever the value does when it is read. */
export function failureOf(thrown: unknown, stepKey: Key): Failure {
  const fallback = `WAC step '${stepKey}' failed`;
  const isObject = (typeof thrown === "object" && thrown !== null) || typeof thrown === "function";
  const message = isObject ? text(read(thrown, "message")) ?? fallback : printed(thrown) || fallback;
  const name = (isObject && text(read(thrown, "name"))) || "Error";
  const stack = isObject ? text(read(thrown, "stack")) : undefined;
  const extra = isObject ? extras(thrown) : undefined;
  const code = isObject ? read(thrown, "code") : undefined;
  const known = code === "CANCELLED" || code === "DEADLINE_EXCEEDED" || code === "HOST_UNSUPPORTED" ||
    code === "WAIT_TIMEOUT";
  const hints = isObject ? retryHints(thrown, name, code) : undefined;
  return {
    message,
    stepKey,
    error: {
      name,
      message,
      ...(stack === undefined
        ? {}
        : { stack: stack.length > LIMIT ? `${stack.slice(0, LIMIT)}\n... (truncated)` : stack }),
      ...(extra === undefined ? {} : { extra }),
    },
    ...(known ? { code } : {}),
    ...hints,
  };
}

/** The failure of a run: what left its body, and the key of the call that it came from. */
export function bodyFailure(error: unknown): Failure {
  return failureOf(error, error instanceof TaskError ? error.step_key : "");
}

/**
 * What a thrown error, or the protocol's record of one, says of a retry. The record of another job's error has the error's fields
 * in `extra` (wac-protocol 5.5).
 */
function retryHints(
  thrown: unknown,
  name: string,
  code: unknown,
): Pick<Failure, "retryable" | "retryAfterMs"> | undefined {
  const extra = read(thrown, "extra");
  const inExtra = (field: string): unknown =>
    typeof extra === "object" && extra !== null ? read(extra, field) : undefined;
  const kind = code ?? inExtra("code");
  if (name === "NonRetryableError" || kind === "NON_RETRYABLE") return { retryable: false };
  if (name !== "RetryAfterError" && kind !== "RETRY_AFTER") return undefined;
  const ms = read(thrown, "retryAfterMs") ?? inExtra("retryAfterMs");
  return typeof ms === "number" && ms >= 0 && ms < Infinity ? { retryAfterMs: ms } : undefined;
}

/** The failure of a run whose body failed, and then what should have taken back what it had done. */
export function compensationFailure(failure: Failure, undo: Failure): Failure {
  const message =
    `${failure.message}; and "${undo.stepKey}", which takes back what was done, failed too: ${undo.message}`;
  const shown = ({ message, stepKey, error: { name } }: Failure): Json => ({ name, message, stepKey });
  return {
    message,
    stepKey: failure.stepKey,
    error: { name: "CompensationError", message, extra: { failure: shown(failure), undo: shown(undo) } },
  };
}

/** The error that the body gets for a recorded failure. */
export function errorOf(failure: Failure): Error {
  const { message, stepKey, error, code, childJobId } = failure;
  if (code === "CANCELLED") return new CancelledError(message);
  if (code === "DEADLINE_EXCEEDED") return new DeadlineError(message);
  if (code === "HOST_UNSUPPORTED") return new HostUnsupportedError(message);
  if (code === "WAIT_TIMEOUT") return new WaitTimeoutError(message);
  return new TaskError(message, stepKey, { error }, childJobId);
}

function read(value: unknown, name: string): unknown {
  try {
    return (value as Record<string, unknown>)[name];
  } catch {
    return undefined; // a throwing accessor or proxy: as if the property were absent
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? clean(value) : undefined;
}

/**
 * The same failure with at most `longest` characters of message, for a storage that takes no longer record.
 *
 * @param failure what was recorded of a thrown value
 * @param longest characters of the message that are kept
 */
export function shortened(failure: Failure, longest: number): Failure {
  const { message: long, error: { extra: _extra, stack: _stack, ...error }, ...rest } = failure;
  const cut = (text: string): string =>
    text.length <= longest ? text : `${text.slice(0, longest).toWellFormed()}\n... (truncated)`;
  return { ...rest, message: cut(long), error: { ...error, name: cut(error.name), message: cut(error.message) } };
}

/** Text that can be recorded: a failure must never fail to be recorded because of what it says. */
function clean(value: string): string {
  return value.toWellFormed().replaceAll("\0", "\ufffd");
}

/** A thrown value that is no object, as text. */
function printed(value: unknown): string {
  return value === undefined || value === null ? `${value} was thrown` : clean(String(value));
}

function extras(thrown: unknown): Json | undefined {
  // No prototype, so that a field named "__proto__" is one like any other.
  const found: Record<string, Json> = Object.create(null);
  let names: readonly string[] = [];
  try {
    names = Object.getOwnPropertyNames(thrown);
  } catch {
    return undefined; // a hostile proxy has no extras
  }
  for (const name of names) {
    const value = RESERVED.has(name) ? undefined : read(thrown, name);
    if (value === undefined || typeof value === "function" || typeof value === "symbol") continue;
    try {
      // What is undefined in it is left out, as the protocol does (wac-protocol 5.5), and not null as in results. A bigint is its
      // text: the worker's wrapper teaches JSON.stringify() that, and a failure is the same on every host.
      const text = JSON.stringify(value, (_, v: unknown) => typeof v === "bigint" ? `${v}` : v);
      const encoded = encode({ [name]: JSON.parse(text) });
      if (encoded.length <= LIMIT) Object.assign(found, JSON.parse(encoded));
    } catch {
      continue; // not JSON (a cycle, U+0000): left out, as the protocol does
    }
  }
  const all = encode(found);
  // Read back, so that it is the same object live as it is in a replay.
  return Object.keys(found).length === 0 || all.length > LIMIT ? undefined : JSON.parse(all) as Json;
}
