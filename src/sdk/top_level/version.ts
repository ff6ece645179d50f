/**
 * The version of the server under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type { CallOptions } from "../../http/transport.ts";
import { readVersion } from "../_needs_version.ts";
import { defaultClient } from "../default_client.ts";

/** Reads the version of the server, for example `CE v1.735.0`. */
export function version(options?: CallOptions): Promise<string> {
  return readVersion(defaultClient(), options);
}

/**
 * Reads the version of the server.
 *
 * @deprecated Use {@linkcode version} instead.
 */
export function getVersion(): Promise<string> {
  return version();
}
