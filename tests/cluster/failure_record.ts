/**
 * Failures as the server stores them (wac-protocol 5.3).
 *
 * @module
 */
import type { Json } from "./jsonb.ts";

const LONGEST = 8192;
const bytes = new TextEncoder();

/** The record of a failed call: `raw` is the failed job's result, or what a step posted. */
export function failureRecord(raw: Json, key: string, childJobId?: string): Json {
  const holder = isObject(raw) && Object.hasOwn(raw, "error") ? raw.error as Json : raw;
  const error: Record<string, Json> = isObject(raw) && Object.hasOwn(raw, "error") && isObject(holder)
    ? { ...holder }
    : { message: textOf(holder) ?? "" };
  const message = typeof error.message === "string" && error.message !== ""
    ? error.message
    : `WAC step '${key}' failed`;
  error.name = typeof error.name === "string" && error.name !== "" ? error.name : "Error";
  error.message = message;
  if (typeof error.stack === "string") error.stack = capped(error.stack);
  else delete error.stack;
  if (error.extra !== undefined && bytes.encode(JSON.stringify(error.extra)).length > LONGEST) {
    delete error.extra;
    error.extra_omitted = true;
  }
  return {
    __wmill_error: true,
    message,
    step_key: key,
    ...(childJobId === undefined ? undefined : { child_job_id: childJobId }),
    result: { error },
  };
}

/** What is stored of an inline step's result: a failure that the server knows as one is put into its form. */
export function storedResult(posted: Json, key: string): Json {
  return isFailure(posted) && isObject(posted.result ?? null) &&
      isObject((posted.result as { error?: Json }).error ?? null)
    ? failureRecord(posted.result as Json, key)
    : posted;
}

/** True for a value that the server takes for a failure. */
export function isFailure(value: Json): value is { [name: string]: Json } {
  return isObject(value) && value.__wmill_error === true;
}

/** True for an object that is no list. */
export function isObject(value: Json): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: Json): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  if (value === null || (typeof value === "object" && Object.keys(value).length === 0)) return undefined;
  return JSON.stringify(value);
}

function capped(text: string): string {
  const encoded = bytes.encode(text);
  if (encoded.length <= LONGEST) return text;
  let end = LONGEST;
  while (((encoded[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${new TextDecoder().decode(encoded.subarray(0, end))}\n... (truncated)`;
}
