/**
 * Watching a client's requests: hooks, traces of W3C Trace Context and OpenTelemetry, and logs.
 *
 * A client is watched by what makes its requests: `createClient({ fetch: observe({ onResponse }) })`. So whoever watches nothing
 * loads nothing of this.
 *
 * @module
 */
import { systemClock, systemElapsed, systemFetch } from "../platform/network.ts";
import { type Redaction, redactionOf } from "./observe_redact.ts";
import { routeOf } from "./observe_route.ts";
import { childOf, readTrace, type Trace, traceHeaders, type TraceSource } from "./observe_trace.ts";
import type { FetchFunction } from "./transport.ts";

export type { FetchFunction } from "./transport.ts";
export { jsonLogger } from "./observe_log.ts";
export {
  openTelemetry,
  type OpenTelemetryApi,
  type OpenTelemetryContextApi,
  type OpenTelemetryHistogram,
  type OpenTelemetryOptions,
  type OpenTelemetrySpan,
} from "./observe_open_telemetry.ts";
export { createTraceparent, type TraceSource } from "./observe_trace.ts";

/** One HTTP request, before it is made. Nothing in it is secret: no header, no query, no body. */
export interface RequestEvent {
  /** HTTP method. */
  readonly method: string;
  /** The address, without user, query and fragment; signatures and tokens in its path are `***`. */
  readonly url: string;
  /** The operation: the path with placeholders, `/api/w/{workspace}/jobs/run/p/{path}`; undefined outside Windmill's API. */
  readonly route?: string;
  /** The workspace, where the address names one. */
  readonly workspace?: string;
  /** Which attempt of its call this is, from 1. */
  readonly attempt: number;
  /** How many redirects were followed before this request, in this attempt. */
  readonly redirects: number;
  /** When it begins, in milliseconds since 1970. */
  readonly at: number;
  /** Id of the trace it belongs to, when one is handed on. */
  readonly traceId?: string;
  /** Id of the request in that trace. */
  readonly spanId?: string;
}

/** What came of a request: its answer began, or it failed. */
export interface ResponseEvent extends RequestEvent {
  /** The event that `onRequest` was given: the same object. */
  readonly request: RequestEvent;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** How long it took until the answer began, or it failed, in milliseconds. */
  readonly durationMs: number;
  /** What failed, when there was no answer. Its message has no secret in it. */
  readonly error?: {
    /** Name of what was thrown, such as `TypeError`, `DeadlineError`. */
    readonly name: string;
    /** Its message. */
    readonly message: string;
  };
}

/** A repetition of a call, before it is made. */
export interface RetryEvent extends RequestEvent {
  /** What came of the attempt before. Its status is below 300 when the body broke off. */
  readonly previous: ResponseEvent;
  /** How long ago that was, in milliseconds: the wait, and what was read of the body. */
  readonly waitedMs: number;
}

/**
 * Functions that are told of a client's requests. None of them can break a call: what they throw, or reject with, is dropped. They
 * are not waited for.
 */
export interface ObserveHooks {
  /** Is told of each request, redirects and repetitions included, before it is made. */
  readonly onRequest?: (event: RequestEvent) => unknown;
  /** Is told what came of each request. */
  readonly onResponse?: (event: ResponseEvent) => unknown;
  /** Is told of each repetition of a call, before `onRequest`. */
  readonly onRetry?: (event: RetryEvent) => unknown;
  /** Headers that a request takes along, such as a trace's; the call's own go over them. Is not asked on other origins. */
  readonly headers?: (event: RequestEvent) => Readonly<Record<string, string>> | undefined;
}

/** What {@linkcode observe} takes. */
export interface ObserveOptions extends ObserveHooks {
  /** Makes the requests. @default the runtime's `fetch` */
  readonly fetch?: FetchFunction | undefined;
  /**
   * The trace that requests belong to, as a `traceparent` header or as headers that have one (`request.headers`); a function is
   * asked at each request. Each request gets an id of its own in the trace; `tracestate` is handed on. What a function or
   * headers give is left out when it is not valid.
   *
   * @default none
   */
  readonly traceparent?: TraceSource | ((event: RequestEvent) => TraceSource | undefined) | undefined;
}

/** What is known of one call: all its requests share a signal, all its attempts headers. */
interface Call {
  readonly headers: unknown;
  readonly method: string;
  readonly url: string;
  attempt: number;
  redirects: number;
  /** What came of its latest request. */
  last?: ResponseEvent | undefined;
  ended: number;
}

/** Under this a `fetch` that watches hands on the headers that it was given, so that one behind it knows a call again too. */
const GIVEN = "windkit.headers";

/** What a hook gives, or undefined: that one fails is no affair of the call's, which may well succeed. */
function ask<T>(hook: () => T): T | undefined {
  try {
    return hook();
  } catch {
    return undefined;
  }
}

/** Tells a hook, and waits for nothing. */
function tell<T>(hook: ((event: T) => unknown) | undefined, event: T): void {
  const done = ask(() => hook?.(event));
  if (typeof done === "object" && done !== null) Promise.resolve(done).catch(() => {});
}

function plainHeaders(headers: RequestInit["headers"]): Record<string, string> {
  const plain = headers !== undefined && !Array.isArray(headers) && !(headers instanceof Headers);
  return plain ? { ...headers } : Object.fromEntries(new Headers(headers));
}

function failureOf(thrown: unknown, { text }: Redaction): NonNullable<ResponseEvent["error"]> {
  const { name = "Error", message = thrown, cause } = Object(thrown);
  // Node says why a connection failed in the cause only.
  const words = cause instanceof Error ? `${message}: ${cause.message}` : `${message}`;
  return { name: `${name}`, message: text(words).slice(0, 500) };
}

/**
 * Makes a `fetch` that tells hooks of the requests of a client. Several lots of hooks are told in their order; the first `fetch`
 * and the first `traceparent` among them are used.
 *
 * @param hooks what is told of requests, such as {@linkcode jsonLogger} and {@linkcode openTelemetry} make
 * @returns the option `fetch` of a client
 * @throws RangeError when `traceparent` is a text that is none
 *
 * @example Count what is slow
 * ```ts
 * import { createClient } from "@windkit/windmill-client";
 * import { observe } from "@windkit/windmill-client/observe";
 *
 * const seen: string[] = [];
 * const windmill = createClient({
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "shop",
 *   token: "secret",
 *   fetch: observe({
 *     onResponse: ({ method, route, status }) => seen.push(`${method} ${route} ${status}`),
 *     fetch: async () => new Response('"eu"'), // only here, so that this block runs
 *   }),
 * });
 * await windmill.variables.get("f/shop/region");
 * if (seen[0] !== "GET /api/w/{workspace}/variables/get_value/{path} 200") throw new Error(seen[0]);
 * ```
 */
export function observe(...hooks: readonly ObserveOptions[]): FetchFunction {
  const fetch = hooks.find((one) => one.fetch !== undefined)?.fetch ?? systemFetch;
  const source = hooks.find((one) => one.traceparent !== undefined)?.traceparent;
  if (typeof source === "string" && readTrace(source) === undefined) {
    throw new RangeError(
      "Expected 'traceparent' as 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, found other text",
    );
  }
  const calls = new WeakMap<AbortSignal, Call>();

  /** Says which call a request is of, and counts it: what follows an answer of 3xx is a redirect, all else a repetition. */
  function callOf(url: string, init: RequestInit, method: string): Call {
    const { signal } = init;
    const { [GIVEN]: headers = init.headers } = init as { readonly [GIVEN]?: unknown }; // `as`: one that watches put it there
    const known = signal ? calls.get(signal) : undefined;
    const { status = 0, error } = known?.last ?? {};
    // A browser hides the status of a redirect.
    const redirected = known?.last !== undefined && (status > 299 ? status < 400 : status === 0 && error === undefined);
    if (known !== undefined && redirected) {
      known.redirects++;
      return known;
    }
    if (known?.headers === headers && known?.url === url && known.method === method) {
      known.redirects = 0;
      known.attempt++;
      return known;
    }
    const call: Call = { headers, method, url, attempt: 1, redirects: 0, ended: 0 };
    if (signal) calls.set(signal, call);
    return call;
  }

  function traceOf(event: RequestEvent): Trace | undefined {
    const parent = ask(() => {
      const given = typeof source === "function" ? source(event) : source;
      return given === undefined ? undefined : readTrace(given);
    });
    return parent === undefined ? undefined : childOf(parent);
  }

  function headersFor(event: RequestEvent, trace: Trace | undefined): Record<string, string> {
    const added: Record<string, string> = trace === undefined ? {} : traceHeaders(trace);
    for (const one of hooks) {
      for (const [name, value] of Object.entries(ask(() => one.headers?.(event)) ?? {})) {
        added[name.toLowerCase()] = value;
      }
    }
    return added;
  }

  return async (url, init) => {
    const method = init.method ?? "GET";
    const call = callOf(url, init, method);
    const own = plainHeaders(init.headers);
    const redaction = redactionOf(url, own);
    const { template: route, workspace } = routeOf(url) ?? {};
    const { attempt, redirects, last } = call;
    const plain: RequestEvent = {
      method,
      url: redaction.url,
      ...(route === undefined ? {} : { route: redaction.text(route) }),
      ...(workspace === undefined ? {} : { workspace }),
      attempt,
      redirects,
      at: systemClock.now(),
    };
    // What follows a call is nobody else's business: not that of the host that it was redirected to either.
    const here = redirects === 0 || new URL(call.url).origin === new URL(url).origin;
    const trace = here ? traceOf(plain) : undefined;
    const event: RequestEvent = Object.freeze(
      trace === undefined ? plain : { ...plain, traceId: trace.traceId, spanId: trace.spanId },
    );
    const begun = systemElapsed();
    if (attempt > 1 && redirects === 0 && last !== undefined) {
      const again = Object.freeze({ ...event, previous: last, waitedMs: begun - call.ended });
      for (const one of hooks) tell(one.onRetry, again);
    }
    for (const one of hooks) tell(one.onRequest, event);
    const headers = here ? { ...headersFor(event, trace), ...own } : own;
    const sent = readTrace(headers.traceparent ?? "");

    function ended(status: number, error?: ResponseEvent["error"]): void {
      call.ended = systemElapsed();
      call.last = Object.freeze({
        ...event,
        ...(sent === undefined ? {} : { traceId: sent.traceId, spanId: sent.spanId }),
        request: event,
        status,
        durationMs: call.ended - begun,
        ...(error === undefined ? {} : { error: Object.freeze(error) }),
      });
      for (const one of hooks) tell(one.onResponse, call.last);
    }

    try {
      const response = await fetch(url, { ...init, headers, ...{ [GIVEN]: call.headers } });
      ended(response.status);
      return response;
    } catch (thrown) {
      ended(0, failureOf(thrown, redaction));
      throw thrown;
    }
  };
}
