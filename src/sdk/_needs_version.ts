/**
 * Version of the server, and calls that only newer servers know.
 *
 * A server answers an address that it does not know with 404 and an empty body, and something that is not there with 404 and
 * "Not found: ...". After the first, its version is asked for once: if it is older than the call needs, the error says so.
 *
 * @module
 */
import { HostUnsupportedError, WindmillApiError } from "../base/errors.ts";
import type { CallOptions } from "../http/transport.ts";
import type { Answer } from "../wire/answer.ts";
import { readPlain } from "../wire/plain.ts";
import { type ClientOptions, request } from "./connection.ts";

/** Reads the version of the server, for example `CE v1.735.0`. */
export async function readVersion(client: ClientOptions, options?: CallOptions): Promise<string> {
  return readPlain(await request(client, { route: "version" }, options), "a version");
}

/** Tells whether a server's version (`EE v1.735.0-12-gabc`) is before another (`1.771.0`). What is no version is not. */
function isOlder(version: string, needed: string): boolean {
  const found = /(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1) ?? [];
  const wanted = needed.split(".");
  const at = found.findIndex((number, place) => Number(number) !== Number(wanted[place]));
  return at >= 0 && Number(found[at]) < Number(wanted[at]);
}

/** Throws HostUnsupportedError when the server is older than `what` needs. */
export async function refuseOlder(
  client: ClientOptions,
  what: string,
  needed: string,
  options?: CallOptions,
  cause?: unknown,
): Promise<void> {
  const version = await readVersion(client, options);
  if (isOlder(version, needed)) {
    throw new HostUnsupportedError(
      `Cannot use ${what} on this server: expected Windmill ${needed} or newer, found ${version.slice(0, 40)}`,
      { cause },
    );
  }
}

/** Makes a call that servers know since the version `needed`. */
export async function callSince(
  client: ClientOptions,
  what: string,
  needed: string,
  options: CallOptions | undefined,
  call: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof WindmillApiError && error.status === 404 && !/^Not found/i.test(error.body)) {
      try {
        await refuseOlder(client, what, needed, options, error);
      } catch (found) {
        // A version that cannot be read says nothing: what the call itself ended with is told.
        if (found instanceof HostUnsupportedError) throw found;
      }
    }
    throw error;
  }
}
