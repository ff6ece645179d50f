/**
 * Where a client's calls go: its options, filled from the environment at each call.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import { ConfigurationError } from "../base/errors.ts";
import { encodeSegment } from "../base/url.ts";
import { type CallOptions, type FetchFunction, type RequestRetry, send, type WireRequest } from "../http/transport.ts";
import { readEnv } from "../platform/env.ts";
import { systemClock, systemFetch, systemRandom } from "../platform/network.ts";
import type { Answer } from "../wire/answer.ts";

/**
 * Options of {@linkcode createClient}. What is not given is read from the environment at each call, so a process whose
 * variables change (a worker that serves one job after the other) never uses an old token.
 */
export interface ClientOptions {
  /** Address of the Windmill instance, without `/api`. @default `BASE_INTERNAL_URL`, else `BASE_URL`, else `WM_BASE_URL` */
  readonly baseUrl?: string;
  /** Id of the workspace. @default `WM_WORKSPACE` */
  readonly workspace?: string;
  /** Token of the user or job; null sends no Authorization header. @default `WM_TOKEN` */
  readonly token?: string | null;
  /** Makes the requests. @default the runtime's `fetch` */
  readonly fetch?: FetchFunction;
  /** How long a call may take, its repetitions included, in milliseconds; `Infinity` for no limit. @default 120000 */
  readonly timeoutMs?: number;
  /** When and how often a call is repeated that may be. */
  readonly retry?: RequestRetry;
  /** Headers of every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Where variables are read instead of the process's environment, such as the bindings of a Worker. */
  readonly env?: Readonly<Record<string, unknown>>;
  /** Whether the browser sends cookies. @default "omit" */
  readonly credentials?: "omit" | "same-origin" | "include";
  /** Clock and timers. @default the runtime's */
  readonly clock?: Clock;
  /** Numbers from 0 up to 1, for jitter. @default `Math.random` */
  readonly random?: () => number;
}

/** Makes a query; undefined and null are left out. */
export function queryOf(values: Readonly<Record<string, string | number | boolean | null | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null) query.set(name, `${value}`);
  }
  return `${query}`;
}

/** What a function asks for: everything but where it goes. */
export interface Call {
  /** HTTP method. @default "GET" */
  readonly method?: string;
  /** Address below `/api`, encoded. */
  readonly route: string;
  /** Query without its question mark, encoded. */
  readonly query?: string;
  /** Body, sent as JSON; undefined sends none. */
  readonly body?: unknown;
  /** Body, sent as it is, instead of `body`. */
  readonly content?: NonNullable<RequestInit["body"]>;
  /** Kind of `content`. @default "application/octet-stream" */
  readonly contentType?: string;
  /** Kind of the answer. @default "application/json" */
  readonly accept?: string;
  /** True when it may be repeated although its method alone does not say so. */
  readonly idempotent?: boolean;
}

/** Reads a variable for a client; the empty text counts as unset. */
export function variable(client: ClientOptions, name: string, denied?: string[]): string | undefined {
  if (client.env === undefined) return readEnv(name, denied);
  const value = client.env[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/**
 * The value of an option, else of the first variable that is set. What it is stays out of the error: it may be a token, or
 * an address with a password.
 */
export function setting(
  client: ClientOptions,
  given: string | undefined,
  valid: RegExp,
  what: string,
  ...names: string[]
): string {
  const denied: string[] = [];
  let value = given;
  for (const name of names) value ??= variable(client, name, denied);
  if (value !== undefined && valid.test(value)) return value;
  throw new ConfigurationError(
    `Expected ${what} or in ${names.join(" or ")}, found ${value ? "something else" : "nothing"}` +
      (denied.length > 0 ? ` (no permission: run with --allow-env=${denied})` : ""),
  );
}

/** The workspace that a client works in. */
export function workspaceOf(client: ClientOptions): string {
  return setting(client, client.workspace, /./, "a workspace as option 'workspace'", "WM_WORKSPACE");
}

/** The start of a client's addresses, without a slash at its end. */
function baseOf(client: ClientOptions): string {
  return setting(
    client,
    client.baseUrl,
    // No user, query or fragment: they would end up in the wrong place, and in errors.
    /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/,
    "an address like https://host/path as option 'baseUrl'",
    "BASE_INTERNAL_URL",
    "BASE_URL",
    "WM_BASE_URL",
  ).replace(/\/+$/, "");
}

/** The token of a client. Runtimes quote a header that they refuse: only what they take may get there. */
function tokenOf(client: ClientOptions): string | undefined {
  if (client.token === null) return undefined;
  return setting(client, client.token, /^[!-~]+$/, "a token of visible ASCII as option 'token'", "WM_TOKEN");
}

/** Refuses options that no call could use. What is not given may still come from the environment. */
export function checkOptions(client: ClientOptions): void {
  const { baseUrl, workspace, token, timeoutMs = 1 } = client;
  if (baseUrl !== undefined) baseOf(client);
  if (workspace !== undefined) workspaceOf(client);
  if (token !== undefined) tokenOf(client);
  if (!(timeoutMs > 0)) throw new ConfigurationError(`'timeoutMs' must be > 0: current value is ${timeoutMs}`);
}

/** Address, headers, limits and means of a call. */
export function prepare(client: ClientOptions, call: Call, options: CallOptions = {}): WireRequest {
  const { method = "GET", route, query = "", body, content, accept = "application/json" } = call;
  const { fetch = systemFetch, clock = systemClock, random = systemRandom, credentials } = client;
  const headers = new Headers({ accept });
  const { contentType = content === undefined ? "application/json" : "application/octet-stream" } = call;
  if (content !== undefined || body !== undefined) headers.set("content-type", contentType);
  for (const [name, value] of Object.entries({ ...client.headers, ...options.headers })) headers.set(name, value);
  const token = tokenOf(client);
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  return {
    shown: { method, url: `${baseOf(client)}/api/${route}` },
    query,
    init: {
      method,
      headers,
      body: content ?? (body === undefined ? null : JSON.stringify(body)),
      // Not as undefined: workerd refuses the field itself.
      ...(credentials === undefined ? {} : { credentials }),
    },
    token,
    signal: options.signal,
    timeoutMs: options.timeoutMs ?? client.timeoutMs ?? 120_000,
    retry: { ...client.retry, ...options.retry },
    idempotent: call.idempotent ?? /^(GET|HEAD|PUT|DELETE)$/.test(method),
    fetch,
    clock,
    random,
  };
}

/** Makes a call and reads its answer. */
export async function request(client: ClientOptions, call: Call, options?: CallOptions): Promise<Answer> {
  return await send(prepare(client, call, options));
}

/** The route of something in the client's workspace. */
export function inWorkspace(client: ClientOptions, route: string): string {
  return `w/${encodeSegment(workspaceOf(client), "workspace")}/${route}`;
}
