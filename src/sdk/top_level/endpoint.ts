/**
 * Raw calls under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import { prepare, workspaceOf } from "../connection.ts";
import { defaultClient } from "../default_client.ts";
import { callEndpoint, type Transport, transportOf } from "../endpoint.ts";
import type { RawAnswer, RawRequestOptions } from "../raw.ts";

/**
 * Gives the means by which the top-level functions reach the server, as they are now. The official TypeScript client has no such
 * function; the Python client gives its HTTP client. For a client with all groups use `createClient()`.
 */
export function getClient(): Transport {
  return transportOf(defaultClient());
}

/**
 * Makes a GET request below `/api`. An error status is an error (the Python client's `raise_for_status=True`).
 *
 * @param endpoint for example `/w/{workspace}/jobs/list?running=true`; `{workspace}` is filled in, segments are not encoded yet
 */
export function get(endpoint: string, options?: RawRequestOptions): Promise<RawAnswer> {
  return callEndpoint(defaultClient(), "GET", endpoint, options);
}

/**
 * Makes a POST request below `/api`. An error status is an error (the Python client's `raise_for_status=True`).
 *
 * @param endpoint for example `/w/{workspace}/jobs/run/p/f/team/script`
 * @param body sent as JSON
 */
export function post(endpoint: string, body?: unknown, options?: RawRequestOptions): Promise<RawAnswer> {
  return callEndpoint(defaultClient(), "POST", endpoint, { ...options, body });
}

/**
 * Makes a function that runs only when the top-level functions can reach a server: address, workspace and token are there. The
 * Python client's decorator of that name builds its client so; here there is nothing to build.
 *
 * @param fn the function
 * @returns a function that throws ConfigurationError, or does what `fn` does
 */
export function initGlobalClient<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    const client = defaultClient();
    workspaceOf(client);
    prepare(client, { route: "version" });
    return fn(...args);
  };
}
