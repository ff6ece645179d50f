/**
 * Users under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type { CallOptions } from "../../http/transport.ts";
import type { GlobalUser } from "../../wire/users.ts";
import { defaultClient } from "../default_client.ts";
import { readEmail, readWhoami } from "../users.ts";

/** Reads who the token belongs to on the instance. The official TypeScript client has no such function; this is Python's. */
export function whoami(options?: CallOptions): Promise<GlobalUser> {
  return readWhoami(defaultClient(), options);
}

/** Reads who the token belongs to on the instance: {@linkcode whoami} under the name of the Python client's property. */
export function user(options?: CallOptions): Promise<GlobalUser> {
  return whoami(options);
}

/**
 * Reads the address of a member of the workspace.
 *
 * @deprecated Use `endUserEmail ?? email` of {@linkcode context} instead: it needs no request, and knows the viewers of an app.
 */
export function usernameToEmail(username: string, options?: CallOptions): Promise<string> {
  return readEmail(defaultClient(), username, options);
}
