/**
 * Where a client's calls go: its options, filled from the environment at each call.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import { encodeSegment } from "../base/url.ts";
import { type CallOptions, send, type TransportOptions, type WireRequest } from "../http/transport.ts";
import { readEnv } from "../platform/env.ts";
import type { Answer } from "../wire/answer.ts";
import type { MockedApi } from "./_mock.ts";

/**
 * Bindings by name: the `env` of a Worker, or variables. Any interface of bindings fits, such as the one that `wrangler types` writes.
 */
// deno-lint-ignore no-explicit-any -- an interface has no index signature, and fits none but one of `any`; what is read is checked
export type Bindings = Readonly<Record<string, any>>;

/**
 * Options of {@linkcode createClient}. What is not given is read from the environment at each call, so a process whose
 * variables change (a worker that serves one job after the other) never uses an old token.
 */
export interface ClientOptions extends TransportOptions {
  /** Address of the Windmill instance, without `/api`. @default `BASE_INTERNAL_URL`, else `BASE_URL`, else `WM_BASE_URL` */
  readonly baseUrl?: string;
  /** Id of the workspace. @default `WM_WORKSPACE` */
  readonly workspace?: string;
  /** Token of the user or job; null sends no Authorization header. @default `WM_TOKEN` */
  readonly token?: string | null;
  /** Headers of every call. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Where variables are read instead of the process's environment, such as the bindings of a Worker. */
  readonly env?: Bindings;
  /**
   * Variables and resources that stand in for the workspace's.
   *
   * @default the file of `WM_MOCKED_API_FILE`, for a client that takes its workspace from the environment; else none
   */
  readonly mockedApi?: MockedApi;
  /** Whether the browser sends cookies. @default "omit" */
  readonly credentials?: "omit" | "same-origin" | "include";
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
  /** Kind of the answer. @default "application/json" */
  readonly accept?: string;
  /** True when it may be repeated although its method alone does not say so. */
  readonly idempotent?: boolean;
}

/** A call with a body. */
export interface PostCall extends Call {
  /** HTTP method. @default "POST" */
  readonly method?: string;
  /** Body, sent as JSON. */
  readonly body: unknown;
}

/** Reads a variable for a client; `""` counts as unset: workers set reserved variables without a value to it. */
export function variable(client: ClientOptions, name: string, denied?: string[]): string | undefined {
  const value: unknown = client.env ? client.env[name] : readEnv(name, denied);
  if (typeof value === "string" && value !== "") return value;
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
  if (value && valid.test(value)) return value;
  throw new ConfigurationError(
    `Expected ${what} or in ${names.join(" or ")}, found ${value ? "other text" : "nothing"}` +
      (denied.length > 0 ? ` (needs --allow-env=${denied})` : ""),
  );
}

/** The workspace that a client works in. */
export function workspaceOf(client: ClientOptions): string {
  return setting(client, client.workspace, /./, "a workspace as option 'workspace'", "WM_WORKSPACE");
}

/** The start of a client's addresses, without a slash at its end. */
export function baseOf(client: ClientOptions): string {
  return setting(
    client,
    client.baseUrl,
    // No user, query or fragment: they would end up in the wrong place, and in errors.
    /^https?:\/\/[^\s/?#@][^\s?#@]*$/,
    "an http(s) address as option 'baseUrl'",
    "BASE_INTERNAL_URL",
    "BASE_URL",
    "WM_BASE_URL",
  ).replace(/\/+$/, "");
}

/** The token of a client. Runtimes quote a header that they refuse: only what they take may get there. */
function tokenOf(client: ClientOptions): string | undefined {
  if (client.token === null) return undefined;
  return setting(client, client.token, /^[!-~]+$/, "an ASCII token as option 'token'", "WM_TOKEN");
}

/** Refuses options that no call could use. What is not given may still come from the environment. */
export function checkOptions(client: ClientOptions): void {
  const { baseUrl, workspace, token, timeoutMs = 1 } = client;
  if (baseUrl !== undefined) baseOf(client);
  if (workspace !== undefined) workspaceOf(client);
  if (token !== undefined) tokenOf(client);
  if (!(timeoutMs > 0)) throw new ConfigurationError(`'timeoutMs' must be > 0, found ${timeoutMs}`);
}

/** Address, headers, limits and means of a call. */
export function prepare(client: ClientOptions, call: Call, options: CallOptions = {}): WireRequest {
  const { method = "GET", query } = call;
  // Names in small letters: a later one takes the place of an earlier one, as in Headers, which are slow to make.
  const headers: Record<string, string> = { accept: call.accept ?? "application/json" };
  const init: RequestInit = { method, headers, redirect: "manual" };
  for (const given of [client.headers, options.headers]) {
    for (const name in given) headers[name.toLowerCase()] = given[name] as string; // `as`: it has that name
  }
  const token = tokenOf(client);
  if (token) headers.authorization = `Bearer ${token}`;
  // No cookies unless they are asked for; workerd, which knows none, refuses the field itself.
  if ("credentials" in Request.prototype) init.credentials = client.credentials ?? "omit";
  const url = `${baseOf(client)}/api/${call.route}`;
  return {
    shown: { method, url },
    url: query ? `${url}?${query}` : url,
    init,
    token,
    idempotent: call.idempotent,
    client,
    options,
  };
}

/** Adds a body to a call; the kind that the caller's own headers say goes first. */
export function withBody(request: WireRequest, body: NonNullable<RequestInit["body"]>, type: string): WireRequest {
  const headers = { "content-type": type, ...request.init.headers as Record<string, string> }; // `as`: prepare() made it
  return { ...request, init: { ...request.init, headers, body } };
}

/** Makes a call with a body of JSON and reads its answer. */
export function post(client: ClientOptions, { body, ...call }: PostCall, options?: CallOptions): Promise<Answer> {
  const request = prepare(client, { method: "POST", ...call }, options);
  return send(withBody(request, JSON.stringify(body), "application/json"));
}

/** Makes a call and reads its answer. */
export function request(client: ClientOptions, call: Call, options?: CallOptions): Promise<Answer> {
  return send(prepare(client, call, options));
}

/** The route of something in the client's workspace. */
export function inWorkspace(client: ClientOptions, route: string): string {
  return `w/${encodeSegment(workspaceOf(client), "workspace")}/${route}`;
}
