/**
 * Tokens: of Windmill's own API, and for other services that trust the instance (OIDC).
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { systemClock } from "../platform/network.ts";
import { readPlain } from "../wire/plain.ts";
import { refuseOlder } from "./_needs_version.ts";
import { type ClientOptions, inWorkspace, post, queryOf, request } from "./connection.ts";

/**
 * Options of creating a token.
 *
 * @example A token for an hour that may only run jobs
 * ```ts
 * import { createClient } from "@windkit/windmill-client";
 *
 * const client = createClient({
 *   baseUrl: "https://windmill.example.com",
 *   token: "secret",
 *   fetch: (url, { body }) => Promise.resolve(new Response(`${url} ${body}`)),
 * });
 * const token = await client.tokens.create({ durationSeconds: 3600, label: "ci", scopes: ["jobs:run"] });
 * if (!token.startsWith('https://windmill.example.com/api/users/tokens/create {"label":"ci"')) throw new Error(token);
 * ```
 */
export interface CreateTokenOptions extends CallOptions {
  /** How long it is valid, in seconds. @default 86400 */
  readonly durationSeconds?: number;
  /** When it ends, instead of `durationSeconds`: a date, or what `new Date()` makes one of; null for never. */
  readonly expiration?: Date | string | null;
  /** What lists of tokens show. @default `refresh` and the end in seconds since 1970 */
  readonly label?: string;
  /** What it may do, for example `jobs:run`. @default everything that its owner may */
  readonly scopes?: readonly string[];
  /** The workspace that it is for. @default all of its owner's */
  readonly workspaceId?: string;
  /** True for one that can only read. Servers before 1.701.0 would give one that can do everything: they are refused. */
  readonly readOnly?: boolean;
}

/** Creates a token of the API for the user that the client is. */
export async function makeToken(client: ClientOptions, options: CreateTokenOptions = {}): Promise<string> {
  const { clock = systemClock } = client;
  const { durationSeconds = 86_400, scopes, workspaceId, readOnly } = options;
  const { expiration = clock.now() + durationSeconds * 1000 } = options;
  const end = expiration === null ? undefined : new Date(expiration);
  if (end !== undefined && !(end.getTime() > clock.now())) {
    throw new RangeError(
      options.expiration === undefined
        ? `'durationSeconds' must be > 0: current value is ${durationSeconds}`
        : "'expiration' must be a time in the future",
    );
  }
  const { label = `refresh${end === undefined ? "" : ` ${Math.floor(end.getTime() / 1000)}`}` } = options;
  if (readOnly === true) await refuseOlder(client, "a read-only token", "1.701.0", options);
  const body = {
    label,
    // UTC, which the Z says: the official Python client puts it behind local time.
    expiration: end?.toISOString().replace(/\.\d+Z$/, "Z"),
    scopes,
    workspace_id: workspaceId,
    read_only: readOnly,
  };
  return readPlain(await post(client, { route: "users/tokens/create", body }, options), "a token");
}

/** Options of getting an OIDC token. */
export interface IdTokenOptions extends CallOptions {
  /** How long it is valid, in seconds. @default the instance's setting */
  readonly expiresInSeconds?: number;
}

/** Gets an OIDC token for an audience (enterprise servers only). */
export async function readIdToken(
  client: ClientOptions,
  audience: string,
  options: IdTokenOptions = {},
): Promise<string> {
  const { expiresInSeconds } = options;
  if (expiresInSeconds !== undefined && !(Number.isInteger(expiresInSeconds) && expiresInSeconds > 0)) {
    throw new RangeError(
      `'expiresInSeconds' must be a whole number > 0: current value is ${expiresInSeconds}`,
    );
  }
  const call = {
    method: "POST",
    // One segment, whatever it holds: an audience often is an address.
    route: inWorkspace(client, `oidc/token/${encodeSegment(audience, "audience")}`),
    query: queryOf({ expires_in: expiresInSeconds }),
    // Nothing is kept of it on the server.
    idempotent: true,
  };
  return readPlain(await request(client, call, options), "a token");
}

/** Tokens. */
export interface TokensGroup {
  /** Creates a token of the API for the user that the client is. */
  readonly create: (options?: CreateTokenOptions) => Promise<string>;
  /** Gets an OIDC token for an audience, such as `sts.amazonaws.com` (enterprise servers only). */
  readonly getId: (audience: string, options?: IdTokenOptions) => Promise<string>;
}

/** The functions of this group for one client. */
export function tokensGroup(c: ClientOptions): TokensGroup {
  return {
    create: (o) => makeToken(c, o),
    getId: (audience, o) => readIdToken(c, audience, o),
  };
}
