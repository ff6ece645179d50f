/**
 * Tokens under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type { CallOptions } from "../../http/transport.ts";
import { defaultClient } from "../default_client.ts";
import { type CreateTokenOptions, makeToken, readIdToken } from "../tokens.ts";

/**
 * Creates a token of the API. The official TypeScript client has no such function; the Python client writes local time as UTC.
 *
 * @param options for how long, in seconds, or label, scopes, workspace and end of the token
 * @returns the token
 */
export function createToken(options: number | CreateTokenOptions = 86_400): Promise<string> {
  return makeToken(defaultClient(), typeof options === "number" ? { durationSeconds: options } : options);
}

/**
 * Gets an OIDC token for an audience (enterprise servers only). The audience goes as one part of the address; the official
 * client lets its `?`, `#` and `/` cut it.
 *
 * @param audience for whom it is, for example `sts.amazonaws.com`
 * @param expiresIn for how long, in seconds
 * @returns the token, a JWT
 */
export function getIdToken(audience: string, expiresIn?: number, options?: CallOptions): Promise<string> {
  return readIdToken(defaultClient(), audience, {
    ...options,
    ...(expiresIn === undefined ? {} : { expiresInSeconds: expiresIn }),
  });
}
