/**
 * Messages to Teams under the official client's names, with its arguments and units (seconds), on the client that the environment
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
import { sendToTeams } from "../teams.ts";

/**
 * Sends a message to a Microsoft Teams conversation. The official TypeScript client has no such function; this is the Python
 * client's.
 *
 * @param success false shows the card as one of a failure
 * @param cardBlock card, instead of the server's
 */
export function sendTeamsMessage(
  conversationId: string,
  text: string,
  success: boolean = true,
  cardBlock?: Readonly<Record<string, unknown>> | null,
  options?: CallOptions,
): Promise<void> {
  return sendToTeams(defaultClient(), conversationId, text, {
    ...options,
    success,
    ...(cardBlock === undefined ? {} : { cardBlock }),
  });
}
