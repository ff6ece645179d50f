/**
 * Raw calls by the names that the Python client gives them.
 *
 * @module
 */
import { type RawAnswer, rawRequest, type RawRequestOptions } from "./raw.ts";
import { type ClientOptions, queryOf, workspaceOf } from "./connection.ts";

/** Makes a raw request to an endpoint, which may have a query. */
export async function callEndpoint(
  client: ClientOptions,
  method: string,
  endpoint: string,
  options: RawRequestOptions = {},
): Promise<RawAnswer> {
  if (typeof endpoint !== "string") throw new TypeError(`Expected text as 'endpoint', found a ${typeof endpoint}`);
  const [, path = "", query = ""] = /^\/*([^?]*)\??(.*)$/s.exec(endpoint) ?? [];
  const { query: more = {} } = options;
  const both = new URLSearchParams(query);
  for (const [name, value] of new URLSearchParams(more instanceof URLSearchParams ? more : queryOf(more))) {
    both.append(name, value);
  }
  return await rawRequest(client, method, path, { ...options, query: both });
}

/** The means by which a client reaches its server. */
export interface Transport {
  /** Gives the id of the workspace; ConfigurationError when there is none. */
  readonly workspace: () => string;
  /**
   * Makes a request that no function speaks for. The path is below `/api` and not encoded, such as
   * `/w/{workspace}/scripts/list`; `{workspace}` is filled in.
   */
  readonly request: (method: string, path: string, options?: RawRequestOptions) => Promise<RawAnswer>;
  /** Makes a GET request below `/api`; the endpoint, such as `/w/{workspace}/jobs/list?running=true`, may have a query. */
  readonly get: (endpoint: string, options?: RawRequestOptions) => Promise<RawAnswer>;
  /** Makes a POST request below `/api` with a body of JSON; the endpoint may have a query. */
  readonly post: (endpoint: string, body?: unknown, options?: RawRequestOptions) => Promise<RawAnswer>;
}

/** The means by which a client reaches its server. */
export function transportOf(c: ClientOptions): Transport {
  return {
    workspace: () => workspaceOf(c),
    request: (method, path, o) => rawRequest(c, method, path, o),
    get: (endpoint, o) => callEndpoint(c, "GET", endpoint, o),
    post: (endpoint, body, o) => callEndpoint(c, "POST", endpoint, { ...o, body }),
  };
}
