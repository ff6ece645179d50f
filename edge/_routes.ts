/**
 * What the entries of all platforms share: a table of routes, and what goes wrong around its handlers.
 *
 * Platforms differ in how they hand a request over and in what they know besides. `URLPattern` is not everywhere, and the table is
 * small: parts of a path are compared one by one.
 *
 * @module
 */
import { errorAnswer, HandlerError, type HandlerErrorName } from "../src/handlers/_answer.ts";
import type { Bindings, Connection, HandlerContext } from "../src/handlers/handler.ts";

/** An application that answers requests by itself, such as one of Hono. */
export interface FetchApp {
  /** Answers a request. It gets the bindings and what the platform hands over besides. */
  fetch(request: Request, env?: unknown, context?: unknown): Response | Promise<Response>;
}

/** Which pages of other origins may read the answers. */
export interface CorsOptions {
  /** Origins, such as `https://app.example`, or `*` for all of them. */
  readonly origins: "*" | readonly string[];
  /** Whether they may send cookies; not with `*`. @default false */
  readonly credentials?: boolean;
  /** Headers of an answer that they may read. @default those of objects and of limits */
  readonly exposeHeaders?: readonly string[];
  /** How long a browser may keep what it was told, in seconds. @default 600 */
  readonly maxAgeSeconds?: number;
}

/**
 * What answers the requests of a route: one of the handlers, or a function of yours. What it throws is told to `onError`, and its
 * request gets status 500.
 */
export type RouteHandler = (request: Request, context: HandlerContext) => Response | Promise<Response>;

/** Options of `createHandler`, the same for each platform. */
export interface EdgeOptions {
  /**
   * Handlers by method and path: `"GET /orders/:id"`, `"POST /run"`, `"/files/*"` for any method and whatever comes after it. A part
   * that begins with `:` is a value of `context.params`; `*` is the rest. What is written out goes before `:`, and `:` before `*`. A
   * GET route answers HEAD too. Or an application with a method `fetch`.
   */
  readonly routes: Readonly<Record<string, RouteHandler>> | FetchApp;
  /** Where Windmill is, for all handlers that do not say it themselves. An application gets none of it. @default the bindings */
  readonly client?: Connection["client"];
  /** Path before all routes. @default none */
  readonly basePath?: string;
  /** Answers what no route is for. @default status 404 */
  readonly notFound?: RouteHandler;
  /** Which pages of other origins may read the answers. @default none */
  readonly cors?: CorsOptions;
  /** Address that the world knows this by, `https://edge.example`, behind a proxy that changes it. @default the request's */
  readonly origin?: string;
  /** Bindings. @default those of the platform */
  readonly env?: Bindings;
  /** Hears what a handler throws; its request gets status 500. @default `console.error` */
  readonly onError?: (error: unknown, request: Request) => void;
}

/** What an entry knows of a request. */
export interface PlatformContext {
  readonly env?: Bindings | undefined;
  readonly waitUntil?: ((work: Promise<unknown>) => void) | undefined;
  /** What the platform handed over, as it is: an application gets it. */
  readonly given?: unknown;
}

/** Answers requests, whatever the platform. It never rejects. */
export type Answerer = (request: Request, platform: PlatformContext) => Promise<Response>;

interface Route {
  readonly key: string;
  /** `""` for any. */
  readonly method: string;
  readonly parts: readonly string[];
  readonly handler: RouteHandler;
}

/** An answer that says what was wrong, as those of the handlers do. */
export function refuse(status: number, name: HandlerErrorName, message: string, allow?: string): Response {
  const answer = errorAnswer(new HandlerError(status, name, message));
  if (allow !== undefined) answer.headers.set("allow", allow);
  return answer;
}

/** Routes are tried by these: each part as it is, as a value, or with all after it; HEAD before GET, which answers it too. */
function rank({ parts, method }: Route): string {
  const path = parts.map((part) => part === "*" ? 2 : part.startsWith(":") ? 1 : 0).join("");
  return `${path} ${method === "HEAD" ? 0 : method === "" ? 2 : 1}`;
}

function readRoute([key, handler]: [string, RouteHandler]): Route {
  const [, method = "", path] = /^(?:([A-Z]+) )?(\/\S*)$/.exec(key) ?? [];
  if (path === undefined) {
    throw new TypeError(`Expected a route such as "GET /path/:name", found ${JSON.stringify(key)}`);
  }
  if (typeof handler !== "function") throw new TypeError(`Expected a handler for "${key}", found a ${typeof handler}`);
  const parts = path.split("/").slice(1);
  const names = parts.filter((part) => part.startsWith(":"));
  if (parts.slice(0, -1).includes("*") || names.includes(":") || new Set(names).size < names.length) {
    throw new TypeError(`Cannot use route "${key}": "*" comes last, and each ":name" once`);
  }
  return { key, method, parts, handler };
}

/** The values of a path's parts; undefined for a path that does not match. `encoded` is split at its slashes. */
function match(parts: readonly string[], encoded: readonly string[]): Record<string, string> | undefined {
  const rest = parts.at(-1) === "*";
  if (rest ? encoded.length < parts.length : encoded.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const found = encoded[i] ?? "";
    if (part === "*") params["*"] = decodeURIComponent(encoded.slice(i).join("/"));
    else if (part.startsWith(":")) {
      if (found === "") return undefined;
      params[part.slice(1)] = decodeURIComponent(found);
    } else if (part !== found && part !== decodeURIComponent(found)) return undefined;
  }
  return params;
}

function readTable(table: Readonly<Record<string, RouteHandler>>): readonly Route[] {
  const routes = Object.entries(table).map(readRoute);
  const seen = new Map<string, string>();
  for (const { key, method, parts } of routes) {
    const shape = `${method} ${parts.map((part) => part.startsWith(":") ? ":" : part).join("/")}`;
    const other = seen.get(shape);
    if (other !== undefined) throw new TypeError(`Routes "${other}" and "${key}" are for the same requests`);
    seen.set(shape, key);
  }
  return routes.toSorted((a, b) => rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0);
}

/** Answers by a table. */
function tableAnswerer(table: Readonly<Record<string, RouteHandler>>, options: EdgeOptions): Answerer {
  const routes = readTable(table);
  const { notFound, client } = options;
  const base = options.basePath?.replace(/\/+$/, "") ?? "";
  return async (request, { env, waitUntil }) => {
    const { pathname } = new URL(request.url);
    const context: HandlerContext = {
      ...(env && { env }),
      ...(waitUntil && { waitUntil }),
      ...(client && { client }),
    };
    const methods = new Set<string>();
    if (`${pathname}/`.startsWith(`${base}/`)) {
      const encoded = pathname.slice(base.length + 1).split("/");
      for (const { method, parts, handler } of routes) {
        let params: Record<string, string> | undefined;
        try {
          params = match(parts, encoded);
        } catch (error) {
          void error; // nothing else fails
          return refuse(400, "InputError", "The path is no encoded text");
        }
        if (params === undefined) continue;
        const answers = method === "GET" ? ["GET", "HEAD"] : [method];
        if (method === "" || answers.includes(request.method)) return await handler(request, { ...context, params });
        for (const one of answers) methods.add(one);
      }
    }
    if (methods.size === 0) {
      return await notFound?.(request, context) ?? refuse(404, "NotFoundError", "There is nothing here");
    }
    const allow = [...methods, "OPTIONS"].join(", ");
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    return refuse(405, "MethodNotAllowedError", `Expected ${allow}, found ${request.method}`, allow);
  };
}

const EXPOSED = ["accept-ranges", "content-disposition", "content-range", "etag", "retry-after", "server-timing"];

/** Lets pages of some other origins read the answers. */
function withCors(answer: Answerer, cors: CorsOptions): Answerer {
  const { origins, credentials = false, exposeHeaders = EXPOSED, maxAgeSeconds = 600 } = cors;
  if (origins === "*" && credentials) {
    throw new TypeError('Cannot allow cookies of all origins: name them in "origins"');
  }
  return async (request, platform) => {
    const origin = request.headers.get("origin");
    const asked = request.headers.get("access-control-request-method");
    const allowed = origin !== null && (origins === "*" || origins.includes(origin));
    const isPreflight = request.method === "OPTIONS" && asked !== null && origin !== null;
    const response = isPreflight ? new Response(null, { status: 204 }) : await answer(request, platform);
    // An answer that opens a socket cannot be copied.
    if (response.status < 200) return response;
    // The headers of a response that came from elsewhere cannot be changed.
    const headers = new Headers(response.headers);
    if (origins !== "*") headers.append("vary", "origin");
    if (allowed) {
      headers.set("access-control-allow-origin", origins === "*" ? "*" : origin);
      if (credentials) headers.set("access-control-allow-credentials", "true");
      if (isPreflight) {
        headers.set("access-control-allow-methods", asked);
        headers.set("access-control-allow-headers", request.headers.get("access-control-request-headers") ?? "");
        headers.set("access-control-max-age", `${maxAgeSeconds}`);
      } else headers.set("access-control-expose-headers", exposeHeaders.join(", "));
    }
    const { body, status, statusText } = response;
    return new Response(body, { status, statusText, headers });
  };
}

/** Makes what answers requests, whatever the platform. */
export function createAnswerer(options: EdgeOptions): Answerer {
  const { routes, cors, origin, onError = (error) => console.error(error) } = options;
  // `as`: nothing else has such a method, and no route is called "fetch".
  const app = typeof (routes as Partial<FetchApp>).fetch === "function" ? routes as FetchApp : undefined;
  const plain: Answerer = app === undefined
    ? tableAnswerer(routes as Readonly<Record<string, RouteHandler>>, options) // `as`: it is the other of the two
    : async (request, { env, given }) => await app.fetch(request, env, given);
  const answer = cors === undefined ? plain : withCors(plain, cors);
  const base = origin === undefined ? undefined : new URL(origin).origin;
  const held = new WeakMap<Request, Request>();
  return async (asked, platform) => {
    let request = asked;
    try {
      if (base !== undefined) {
        const { pathname, search } = new URL(asked.url);
        request = new Request(`${base}${pathname}${search}`, asked);
        // Its signal follows the other's as long as somebody holds it.
        held.set(asked, request);
      }
      const env = options.env ?? platform.env;
      const response = await answer(request, { ...platform, env });
      // Whoever asks with HEAD gets what is known of the answer, and not the answer.
      if (request.method !== "HEAD" || response.body === null) return response;
      await response.body.cancel();
      return new Response(null, response);
    } catch (error) {
      onError(error, request);
      return errorAnswer(error);
    }
  };
}
