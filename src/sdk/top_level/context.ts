/**
 * The environment under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import { variable } from "../connection.ts";
import { type JobContext, readContext } from "../context.ts";
import { defaultClient } from "../default_client.ts";

/**
 * Reads what the worker says of the running job in the environment. Neither official client has such a function.
 *
 * @example Where the job runs
 * ```ts
 * import { context } from "@windkit/windmill-client";
 *
 * const { flowJobId, scheduledFor } = context();
 * if (flowJobId !== undefined || scheduledFor instanceof Date) throw new Error("Expected no worker here");
 * ```
 */
export function context(): JobContext {
  return readContext(defaultClient());
}

/**
 * Reads a variable of the environment. `""` counts as unset, because workers set reserved variables without a value to it; so
 * does one that may not be read.
 */
export function getEnv(key: string): string | undefined {
  return variable(defaultClient(), key);
}
