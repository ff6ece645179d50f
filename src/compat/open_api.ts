/**
 * The official configuration object, over the client of the top-level functions: what one of them is told, the other knows.
 *
 * @module
 */
import type { FetchFunction } from "../http/transport.ts";
import { systemFetch } from "../platform/network.ts";
import { prepare, variable } from "../sdk/connection.ts";
import { changeDefaultClient, defaultClient } from "../sdk/default_client.ts";
import type { ApiRequestOptions } from "./api_error.ts";

/** Gives a value for a request. */
export type Resolver<T> = (options: ApiRequestOptions) => T | Promise<T>;

/** Changes something on its way. */
export type Middleware<T> = (value: T) => T | Promise<T>;

/** What changes requests, or responses, on their way. */
export interface Interceptors<T> {
  /** The functions. */
  _fns: readonly Middleware<T>[];
  /** Adds a function. */
  readonly use: (change: Middleware<T>) => void;
  /** Takes a function away. */
  readonly eject: (change: Middleware<T>) => void;
}

/** The official configuration. */
export interface OpenAPIConfig {
  /** Address of the instance with `/api` at its end; empty when there is none. @default the environment's */
  BASE: string;
  /** Whether requests carry cookies, as {@linkcode OpenAPIConfig.CREDENTIALS} says. @default false: the official client's is true */
  WITH_CREDENTIALS: boolean;
  /** Which cookies. @default "include" */
  CREDENTIALS: "include" | "omit" | "same-origin";
  /** The token; undefined or empty sends none. @default `WM_TOKEN` */
  TOKEN: string | Resolver<string> | undefined;
  /** Name for basic authentication, together with a password. @default none */
  USERNAME: string | Resolver<string> | undefined;
  /** Password for basic authentication. @default none */
  PASSWORD: string | Resolver<string> | undefined;
  /** Headers of every request. @default none */
  HEADERS: Readonly<Record<string, string>> | Resolver<Readonly<Record<string, string>>> | undefined;
  /** Has no effect: every part of an address is encoded, which the official client leaves out for `?` and `#`. */
  ENCODE_PATH: ((path: string) => string) | undefined;
  /** Version of the official client whose services these are. */
  VERSION: string;
  /** What changes requests and responses on their way. */
  readonly interceptors: {
    /** Changes what is given to `fetch`. */
    readonly request: Interceptors<RequestInit>;
    /** Changes what `fetch` gave. */
    readonly response: Interceptors<Response>;
  };
}

type Key = keyof OpenAPIConfig;

/** What was written, of which the client of the top-level functions has a part. */
const written: OpenAPIConfig = {
  BASE: "",
  CREDENTIALS: "include",
  ENCODE_PATH: undefined,
  HEADERS: undefined,
  PASSWORD: undefined,
  TOKEN: undefined,
  USERNAME: undefined,
  VERSION: "1.818.0",
  WITH_CREDENTIALS: false,
  interceptors: { request: /* @__PURE__ */ makeInterceptors(), response: /* @__PURE__ */ makeInterceptors() },
};

/** What {@linkcode intercept} made. */
const intercepting = new WeakSet<FetchFunction>();

function makeInterceptors<T>(): Interceptors<T> {
  const list: Interceptors<T> = {
    _fns: [],
    use: (change) => {
      list._fns = [...list._fns, change];
      intercept();
    },
    eject: (change) => {
      list._fns = list._fns.filter((other) => other !== change);
    },
  };
  return list;
}

/** Has requests sent by {@linkcode send} from now on. */
function intercept(): void {
  const { fetch = systemFetch } = defaultClient();
  if (intercepting.has(fetch)) return;
  const sending: FetchFunction = (url, init) => send(fetch, url, init);
  intercepting.add(sending);
  changeDefaultClient({ fetch: sending });
}

function valueOf<T>(value: T | Resolver<T> | undefined, options: ApiRequestOptions): T | Promise<T> | undefined {
  // `as` -- a function is a resolver: nothing else that may stand here is one
  return typeof value === "function" ? (value as Resolver<T>)(options) : value;
}

/** Sends a request with what cannot be known before it is sent. */
async function send(fetch: FetchFunction, url: string, given: RequestInit): Promise<Response> {
  const { HEADERS, TOKEN, USERNAME, PASSWORD, interceptors } = written;
  let init = given;
  // Another origin, to which a redirect led, gets nothing of it.
  if (url.startsWith(`${OpenAPI.BASE}/`)) {
    const options = { method: `${init.method}`, url };
    const headers = new Headers(await valueOf(HEADERS, options));
    // What the call itself says goes before.
    new Headers(init.headers).forEach((value, name) => headers.set(name, value));
    // A token that was set since has its header already.
    const token = defaultClient().token === null ? await valueOf(TOKEN, options) : undefined;
    const user = await valueOf(USERNAME, options), password = await valueOf(PASSWORD, options);
    if (token) headers.set("authorization", `Bearer ${token}`);
    if (user && password) {
      headers.set(
        "authorization",
        `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${user}:${password}`)))}`,
      );
    }
    init = { ...init, headers };
    for (const change of interceptors.request._fns) init = await change(init);
  }
  let response = await fetch(url, init);
  for (const change of interceptors.response._fns) response = await change(response);
  return response;
}

function read(key: Key): unknown {
  const client = defaultClient();
  if (key === "BASE") {
    try {
      // The address of a call of nothing.
      return prepare({ ...client, token: null }, { route: "" }).shown.url.slice(0, -1);
    } catch {
      return "";
    }
  }
  if (key === "TOKEN" && client.token !== null) return client.token ?? variable(client, "WM_TOKEN");
  return written[key];
}

function write(key: Key, value: unknown): void {
  // `as` below: what may be written is what the types say
  Object.assign(written, { [key]: value });
  const { WITH_CREDENTIALS, CREDENTIALS, BASE, TOKEN } = written;
  if (key === "BASE") changeDefaultClient({ baseUrl: BASE.replace(/(\/api)?\/*$/, "") });
  else if (key === "TOKEN") changeDefaultClient({ token: typeof TOKEN === "string" && TOKEN !== "" ? TOKEN : null });
  else if (key.includes("CRED")) changeDefaultClient({ credentials: WITH_CREDENTIALS ? CREDENTIALS : "omit" });
  // Whoever has a name and a password needs no token.
  if (key === "USERNAME" && !read("TOKEN")) changeDefaultClient({ token: null });
  if (/^(HEAD|USER|PASS)/.test(key) || typeof TOKEN === "function") intercept();
}

/**
 * The official configuration. It is the client of the top-level functions, seen from another side: {@linkcode setClient} changes
 * what is read here, and what is written here is what those functions use. What is not set is read from the environment.
 */
export const OpenAPI: OpenAPIConfig = /* @__PURE__ */ new Proxy(written, {
  // `as` -- other names than those of the type are undefined in `written` too
  get: (_, key) => read(key as Key),
  set: (_, key, value) => {
    write(key as Key, value);
    return true;
  },
});
