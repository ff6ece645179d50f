/**
 * Requests, answers, and the table that leads from one to the other.
 *
 * @module
 */
import { Refusal } from "../wire/refusal.ts";

/** A request as the mock saw it. */
export interface MockRequest {
  /** HTTP method, in capitals. */
  readonly method: string;
  /** Address. */
  readonly url: string;
  /** Path below `/api/`, as it was sent: encoded. */
  readonly path: string;
  /** Query. */
  readonly query: URLSearchParams;
  /** Headers. */
  readonly headers: Headers;
  /** Body; empty when there is none. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Reads the body as text. */
  readonly text: () => string;
  /** Reads the body as JSON; undefined when there is none. */
  readonly json: () => unknown;
}

/** A request, and what only its answer needs. */
export interface Call extends MockRequest {
  /** Aborted when whoever asked does not wait any more. */
  readonly signal: AbortSignal;
}

/** Answers a request. Parameters are the parts of the path that the pattern leaves open, decoded. */
export type Handler = (call: Call, ...params: string[]) => Response | Promise<Response>;

/**
 * Handlers by method and pattern: `GET variables/get_value/**`. `*` is one segment, `**` at the end all that follow. A pattern
 * is below `/api/w/{workspace}/`, or below `/api/` when it begins with a slash.
 */
export type RouteTable = Readonly<Record<string, Handler>>;

/** The body of a request as an object. */
export function fields(call: MockRequest): Readonly<Record<string, unknown>> {
  const value = call.json();
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    // `as`: an object of JSON is one of names and values.
    return value as Readonly<Record<string, unknown>>;
  }
  throw new Refusal(422, "Failed to deserialize the JSON body into the target type: invalid type, expected a map");
}

/** A text of a request's body; undefined when it is not there. */
export function optionalText(body: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = body[name] ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw new Refusal(422, `Failed to deserialize the JSON body into the target type: ${name}: expected a string`);
}

/** A text of a request's body that must be there. */
export function requiredText(body: Readonly<Record<string, unknown>>, name: string): string {
  const value = optionalText(body, name);
  if (value !== undefined) return value;
  throw new Refusal(422, `Failed to deserialize the JSON body into the target type: missing field \`${name}\``);
}

/** A number of a request's query; undefined when it is not there. */
export function queryNumber(call: MockRequest, name: string): number | undefined {
  const value = call.query.get(name);
  if (value === null) return undefined;
  if (/^-?\d+$/.test(value)) return Number(value);
  throw new Refusal(400, `Failed to deserialize query string: ${name}: invalid digit found in string`);
}

/** True for a query that says so. */
export function queryFlag(call: MockRequest, name: string): boolean {
  return call.query.get(name) === "true";
}

interface Route {
  readonly method: string;
  readonly segments: readonly string[];
  readonly handler: Handler;
}

/** A handler that was found, and the parameters of its pattern. */
export interface Match {
  readonly handler: Handler;
  readonly params: readonly string[];
  /** The workspace in the path; undefined for routes of the whole instance. */
  readonly workspace: string | undefined;
}

/** Finds handlers by method and path. */
export interface Router {
  /** Adds routes; those that come later win. */
  readonly add: (table: RouteTable) => void;
  /** Gives the handler of a request, or undefined. */
  readonly find: (method: string, path: string) => Match | undefined;
}

function matchSegments(pattern: readonly string[], path: readonly string[]): string[] | undefined {
  const params: string[] = [];
  for (const [at, part] of pattern.entries()) {
    if (part === "**") return path.length > at ? [...params, path.slice(at).join("/")] : undefined;
    const found = path[at];
    if (found === undefined) return undefined;
    if (part === "*") params.push(found);
    else if (part !== found) return undefined;
  }
  return pattern.length === path.length ? params : undefined;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refusal(400, `Invalid URL: Invalid UTF-8 in \`${segment}\``);
  }
}

/** Makes a router. */
export function createRouter(): Router {
  const routes: Route[] = [];
  return {
    add: (table) => {
      for (const [key, handler] of Object.entries(table)) {
        const [method = "", pattern = ""] = key.split(" ");
        const full = pattern.startsWith("/") ? pattern.slice(1) : `w/*/${pattern}`;
        routes.unshift({ method, segments: full.split("/"), handler });
      }
    },
    find: (method, path) => {
      const segments = path.split("/").map(decodeSegment);
      for (const route of routes) {
        if (route.method !== method) continue;
        const params = matchSegments(route.segments, segments);
        if (params === undefined) continue;
        const inWorkspace = route.segments[0] === "w";
        return {
          handler: route.handler,
          params: inWorkspace ? params.slice(1) : params,
          workspace: inWorkspace ? params[0] : undefined,
        };
      }
      return undefined;
    },
  };
}

/** What `fetch` takes. */
export type FetchInput = string | URL | Request;

/** Reads what was given to `fetch`. */
export async function readCall(input: FetchInput, init: RequestInit = {}): Promise<Call> {
  const request = input instanceof Request ? input : undefined;
  const url = new URL(request?.url ?? `${input}`);
  const signal = init.signal ?? request?.signal ?? new AbortController().signal;
  const content = init.body ?? request?.body ?? null;
  const bytes = content === null ? new Uint8Array() : new Uint8Array(await new Response(content).arrayBuffer());
  const [, path = ""] = /\/api\/(.*)$/.exec(url.pathname) ?? [];
  const text = (): string => new TextDecoder().decode(bytes);
  return {
    method: (init.method ?? request?.method ?? "GET").toUpperCase(),
    url: url.href,
    path,
    query: url.searchParams,
    headers: new Headers(init.headers ?? request?.headers ?? {}),
    body: bytes,
    text,
    json: () => {
      if (bytes.length === 0) return undefined;
      try {
        return JSON.parse(text());
      } catch {
        throw new Refusal(400, "Failed to parse the request body as JSON");
      }
    },
    signal,
  };
}
