/**
 * An answer of the server that was read whole, and how its text is turned into values.
 *
 * @module
 */
import { WindmillApiError } from "../base/errors.ts";

/** What errors show of a request: no query, which may hold what is secret. */
export interface ShownRequest {
  /** HTTP method. */
  readonly method: string;
  /** Address without its query. */
  readonly url: string;
}

/** The request that an error is about. */
export interface FailedRequest {
  /** What the error shows of it. */
  readonly shown: ShownRequest;
  /** What the error must not show: a server, a proxy or a runtime may repeat what it was sent. */
  readonly token?: string | undefined;
}

/** What the server answered with a status of 200 to 299. */
export interface Answer {
  /** What was asked. */
  readonly request: FailedRequest;
  /** Status and headers; its body has been read. */
  readonly response: Response;
  /** The body. */
  readonly text: string;
}

/** The error of a call; status 0 when no whole answer came. */
export function apiError(
  { shown: request, token = "\0" }: FailedRequest,
  status: number,
  found: string,
  body: string = "",
  cause?: unknown,
): WindmillApiError {
  const words = found.replaceAll(token, "***");
  return new WindmillApiError(
    `${request.method} ${request.url} ${status ? `answered ${status}` : "got no answer"}: ${words}`,
    // At most 64 KiB of it are kept, as of a body that `readText` reads.
    { status, request, body: body.replaceAll(token, "***").slice(0, 65_536) },
    // Whoever prints an error prints its cause too.
    cause && words === found ? { cause } : undefined,
  );
}

/** An error that says what was found where something else was expected. */
export function unreadable({ request, response, text }: Answer, expected: string, found: string): WindmillApiError {
  return apiError(request, response.status, `expected ${expected}, found ${found}`, text);
}

/** Reads the body as JSON; a value that `accepts` refuses is an error. The text shows kinds only: values may be secrets. */
export function readJson<T = unknown>(
  answer: Answer,
  expected: string,
  accepts?: (value: unknown) => value is T,
): T {
  const { text } = answer;
  let found: string;
  try {
    const value: unknown = JSON.parse(text);
    if (accepts?.(value) !== false) return value as T;
    found = `a value of type ${value === null ? value : typeof value}`;
  } catch {
    // The parser's own words quote the text, and with it perhaps a secret.
    found = text.trim() ? /^\s*</.test(text) ? "HTML" : "broken JSON" : "nothing";
  }
  throw unreadable(answer, expected, found);
}

/** Reads the body as JSON, whatever it is: {@linkcode readJson} in small. */
export function readValue(answer: Answer): unknown {
  const { text } = answer;
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable(answer, "JSON", text.trim() ? /^\s*</.test(text) ? "HTML" : "broken JSON" : "nothing");
  }
}

/** Reads the body as a JSON string. */
export function readString(answer: Answer): string {
  return readJson(answer, "a string", (value) => typeof value === "string");
}

/** Reads the body as a JSON boolean. */
export function readBoolean(answer: Answer): boolean {
  return readJson(answer, "a boolean", (value) => typeof value === "boolean");
}

/** True for an object that is no array and not null. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads the body as a JSON object. */
export function readRecord(answer: Answer, expected = "an object"): Readonly<Record<string, unknown>> {
  return readJson(answer, expected, isRecord);
}

/** Reads the body as a JSON array of objects that `decode` accepts. */
export function readList<T>(
  answer: Answer,
  decode: (item: Readonly<Record<string, unknown>>) => T | undefined,
  what: string,
): T[] {
  const expected = `an array of ${what}`;
  return readJson(answer, expected, (value) => Array.isArray(value)).map((item: unknown, index) => {
    const decoded = isRecord(item) ? decode(item) : undefined;
    if (decoded === undefined) throw unreadable(answer, expected, `something else at index ${index}`);
    return decoded;
  });
}
