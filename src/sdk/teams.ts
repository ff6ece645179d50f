/**
 * Messages to Microsoft Teams.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import { readDone } from "../wire/plain.ts";
import { type ClientOptions, post } from "./connection.ts";

/** Options of sending a message to Teams. */
export interface TeamsMessageOptions extends CallOptions {
  /** False shows the card as one of a failure. @default true */
  readonly success?: boolean;
  /** Card, instead of the server's. @default the server's */
  readonly cardBlock?: Readonly<Record<string, unknown>> | null;
}

/** Sends a message to a Teams conversation. */
export async function sendToTeams(
  client: ClientOptions,
  conversationId: string,
  text: string,
  options: TeamsMessageOptions = {},
): Promise<void> {
  const { success = true, cardBlock } = options;
  if (typeof conversationId !== "string" || conversationId === "" || typeof text !== "string") {
    throw new TypeError("Cannot send a message to Teams: expected the id of a conversation and a text");
  }
  const body = { conversation_id: conversationId, text, success, card_block: cardBlock };
  readDone(await post(client, { route: "teams/activities", body }, options));
}

/** Messages to Microsoft Teams. */
export interface TeamsGroup {
  /** Sends a message to a conversation. */
  readonly send: (conversationId: string, text: string, options?: TeamsMessageOptions) => Promise<void>;
}

/** The functions of this group for one client. */
export function teamsGroup(c: ClientOptions): TeamsGroup {
  return { send: (conversationId, text, o) => sendToTeams(c, conversationId, text, o) };
}
