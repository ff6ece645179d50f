/**
 * Where a recorded failure came from: a workflow that fails because a task did has the task's record within its own.
 *
 * @module
 */

/** A recorded error, as far as it is known to be one. */
export interface Origin {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly stack?: unknown;
  /** What an error of a `defineError` class carries. */
  readonly data: unknown;
}

/** Workflows within workflows that are looked into. */
const DEPTH = 32;

/** The error that was thrown first. `record` is what a host recorded of an error: nothing of it is believed. */
export function originOf(record: unknown): Origin {
  let at = record;
  for (let depth = 0;; depth++) {
    const { extra, ...error } = Object(at) as Omit<Origin, "data"> & { readonly extra?: unknown };
    const { result, data } = Object(extra) as { readonly result?: unknown; readonly data?: unknown };
    const inner: unknown = error.name === "TaskError" && depth < DEPTH ? Object(result).error : undefined;
    if (inner === undefined) return { ...error, data };
    at = inner;
  }
}

/** The error that was thrown first, made again, when it is one of a `defineError` class. */
export function causeOf(record: unknown): Error | undefined {
  const { name, message, stack, data } = originOf(record);
  if (data === undefined) return undefined;
  return Object.defineProperties(new Error(String(message)), {
    name: { value: name, configurable: true, writable: true },
    stack: { value: stack, configurable: true, writable: true },
    data: { value: data, configurable: true, writable: true, enumerable: true },
  });
}
