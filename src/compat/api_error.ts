/**
 * The error of the official services.
 *
 * @module
 */
import { hasCode, type WindmillApiError } from "../base/errors.ts";

/** What a service asked for. */
export interface ApiRequestOptions {
  /** HTTP method. */
  readonly method: string;
  /** Address below `/api`, its parameters in braces. */
  readonly url: string;
  /** Parameters of the address. */
  readonly path?: Readonly<Record<string, unknown>>;
  /** Parameters of the query. */
  readonly query?: Readonly<Record<string, unknown>>;
  /** Body. */
  readonly body?: unknown;
}

/** What the server answered. */
export interface ApiResult {
  /** Address of the request, without its query, which may hold what is secret. */
  readonly url: string;
  /** HTTP status; 0 when no whole answer came. */
  readonly status: number;
  /** Text of the status. */
  readonly statusText: string;
  /** Body, as a value when it is JSON. */
  readonly body: unknown;
}

/**
 * A service's call failed: the server answered with a status other than 200 to 299, with something that cannot be read, or not
 * at all. The official client throws what `fetch` does in the last case, and gives undefined for what it cannot read.
 */
export class ApiError extends Error {
  /** True for errors of the functions too, which are {@linkcode WindmillApiError}s: programs ask `instanceof ApiError` of both. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasCode(value, "WINDMILL_API");
  }
  /** Always `"ApiError"`. */
  override readonly name = "ApiError";
  /** That of {@linkcode WindmillApiError}. */
  readonly code = "WINDMILL_API";
  /** Address of the request, without its query. */
  readonly url: string;
  /** HTTP status; 0 when no whole answer came. */
  readonly status: number;
  /** Text of the status; empty over HTTP/2. */
  readonly statusText: string;
  /** Body of the answer, as a value when it is JSON. */
  readonly body: unknown;
  /** What was asked for. */
  readonly request: ApiRequestOptions;
  /** Builds the error. */
  constructor(request: ApiRequestOptions, response: ApiResult, message: string, options?: ErrorOptions) {
    super(message, options);
    this.url = response.url;
    this.status = response.status;
    this.statusText = response.statusText;
    this.body = response.body;
    this.request = request;
  }
}

/** The error of a service for one of this client. */
export function asApiError(request: ApiRequestOptions, error: WindmillApiError, statusText: string): ApiError {
  const { status, body: text, message } = error;
  let body: unknown = text;
  try {
    // Plain text of the server begins with a word.
    if (/^\s*[[{"]/.test(text)) body = JSON.parse(text);
  } catch {
    body = text;
  }
  return new ApiError(request, { url: error.request.url, status, statusText, body }, message, { cause: error });
}
