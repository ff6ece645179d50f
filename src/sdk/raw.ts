/**
 * Calls of endpoints that no function speaks for.
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { type Answer, readJson } from "../wire/answer.ts";
import { ACTS } from "./_acts.ts";
import { type ClientOptions, post, queryOf, request, workspaceOf } from "./connection.ts";

/** Options of a raw request. */
export interface RawRequestOptions extends CallOptions {
  /** Query; undefined and null are left out. As URLSearchParams it may have a name more than once. */
  readonly query?: Readonly<Record<string, string | number | boolean | null | undefined>> | URLSearchParams;
  /** Body, sent as JSON; undefined sends none. */
  readonly body?: unknown;
  /** Kind of the answer. @default "application/json" */
  readonly accept?: string;
  /** True repeats the call after a failure that passes, whatever its method. @default true for GET, HEAD, PUT and DELETE */
  readonly idempotent?: boolean;
}

/** Answer of a raw request. */
export interface RawAnswer {
  /** HTTP status, 200 to 299. */
  readonly status: number;
  /** HTTP headers. */
  readonly headers: Headers;
  /** The body. */
  readonly text: string;
  /** Reads the body as JSON. */
  readonly json: () => unknown;
}

/** Makes a request below `/api`. */
export async function rawRequest(
  client: ClientOptions,
  method: string,
  path: string,
  options: RawRequestOptions = {},
): Promise<RawAnswer> {
  const { query = {}, body, accept, idempotent } = options;
  if (typeof method !== "string" || method === "") throw new TypeError(`Expected text as 'method', found ${method}`);
  const segments = typeof path === "string" ? path.replace(/^\//, "").split("/") : [path];
  // The workspace goes in as one segment, whatever its name holds.
  const route = segments.map((segment) =>
    encodeSegment(segment === "{workspace}" ? workspaceOf(client) : segment, "path", path)
  ).join("/");
  const call = {
    method: method.toUpperCase(),
    route,
    query: query instanceof URLSearchParams ? `${query}` : queryOf(query),
    ...(accept === undefined ? {} : { accept }),
    ...(ACTS.test(`/${route}`) && { idempotent: false }),
    ...(idempotent === undefined ? {} : { idempotent }),
  };
  const answer: Answer =
    await (body === undefined ? request(client, call, options) : post(client, { ...call, body }, options));
  const { response: { status, headers }, text } = answer;
  return { status, headers, text, json: () => readJson(answer, "JSON") };
}
