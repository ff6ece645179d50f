/**
 * Watching a handler: its requests to Windmill, the trace that they belong to, and what its answer took.
 *
 * @module
 */
import {
  observe,
  type ObserveHooks,
  type ObserveOptions,
  openTelemetry,
  type OpenTelemetryApi,
  type OpenTelemetrySpan,
} from "../http/observe.ts";
import { endSpan, SCOPE } from "../http/observe_open_telemetry.ts";
import { redactionOf } from "../http/observe_redact.ts";
import { startServerTiming } from "../http/observe_timing.ts";
import { readTrace } from "../http/observe_trace.ts";
import type { Handler, HandlerContext } from "./handler.ts";

/** What {@linkcode observeHandler} takes. */
export interface ObserveHandlerOptions extends ObserveHooks {
  /** The trace of requests that come without one. @default none */
  readonly traceparent?: ObserveOptions["traceparent"];
  /**
   * Whether answers have the header `Server-Timing`: how long Windmill took of them, and how many requests. Whoever made the
   * request can read it.
   *
   * @default true
   */
  readonly serverTiming?: boolean;
}

/** A context in which the requests to Windmill are watched too. */
function watched(context: HandlerContext, ...hooks: readonly ObserveOptions[]): HandlerContext {
  const { wrapFetch } = context;
  return { ...context, wrapFetch: (fetch) => observe(...hooks, { fetch: wrapFetch ? wrapFetch(fetch) : fetch }) };
}

/**
 * Watches a handler. Its requests to Windmill belong to the trace of the request that it answers (`traceparent`, `tracestate`), the
 * hooks are told of them, and its answers say in `Server-Timing` how long they took.
 *
 * @param handler any handler, such as {@linkcode runScript} makes
 * @param options hooks, and whether there is `Server-Timing`; several lots of hooks, too
 * @returns a handler that answers as the given one does
 *
 * @example Where the time went
 * ```ts
 * import { observeHandler, runScript } from "@windkit/windmill-client/handlers";
 *
 * const client = {
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "acme",
 *   token: "secret",
 *   fetch: async () => Response.json(42), // only here, so that this block runs
 * };
 * const routes: unknown[] = [];
 * const handler = observeHandler(runScript("f/shop/price", { client }), {
 *   onResponse: ({ route, status }) => routes.push(`${status} ${route}`),
 * });
 * const response = await handler(new Request("https://example.com/price"));
 * const timing = response.headers.get("server-timing") ?? "";
 * if (!/^windmill;dur=[\d.]+;desc="1 request", total;dur=[\d.]+$/.test(timing)) throw new Error(timing);
 * if (`${routes}` !== "200 /api/w/{workspace}/jobs/run_wait_result/p/{path}") throw new Error(`${routes}`);
 * ```
 */
export function observeHandler(handler: Handler, ...options: readonly ObserveHandlerOptions[]): Handler {
  const timed = options.every(({ serverTiming = true }) => serverTiming);
  return async (request, context = {}) => {
    const timing = startServerTiming();
    const trace = readTrace(request.headers) === undefined ? {} : { traceparent: request.headers };
    const response = await handler(request, watched(context, trace, timing.hooks, ...options));
    // An answer that opens a socket cannot be copied.
    if (!timed || response.status < 200) return response;
    // A copy: headers of an answer that came from elsewhere cannot be changed.
    const copy = new Response(response.body, response);
    copy.headers.append("server-timing", timing.header());
    return copy;
  };
}

/**
 * Makes a handler record what it does with OpenTelemetry: a span of kind server for each request, in the trace that the request
 * belongs to, and in it one for each request to Windmill. It works without a context manager too, which edge platforms seldom have.
 *
 * @param api the API: `import * as api from "@opentelemetry/api"`
 * @param handler any handler
 * @returns a handler that answers as the given one does
 *
 * @example Spans of a Worker
 * ```ts
 * import { openTelemetryHandler, runScript } from "@windkit/windmill-client/handlers";
 *
 * const names: string[] = [];
 * const span = { setAttribute: () => {}, setStatus: () => {}, end: () => {} };
 * // Stands in for `import * as api from "@opentelemetry/api"`.
 * const api = {
 *   context: { active: () => "", with: <T>(_: string, run: () => T) => run() },
 *   propagation: { inject: () => {}, extract: () => "" },
 *   trace: { getTracer: () => ({ startSpan: (name: string) => (names.push(name), span) }), setSpan: () => "" },
 * };
 * const client = {
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "acme",
 *   token: "secret",
 *   fetch: async () => Response.json(42),
 * };
 * await openTelemetryHandler(api, runScript("f/shop/price", { client }))(new Request("https://example.com/price"));
 * if (`${names}` !== "GET,POST /api/w/{workspace}/jobs/run_wait_result/p/{path}") throw new Error(`${names}`);
 * ```
 */
export function openTelemetryHandler<Context, Span extends OpenTelemetrySpan>(
  api: OpenTelemetryApi<Context, Span>,
  handler: Handler,
): Handler {
  return async (request, context = {}) => {
    const { method } = request;
    const { protocol, hostname, pathname } = new URL(redactionOf(request.url, {}).url);
    const outer = api.propagation.extract(api.context.active(), Object.fromEntries(request.headers));
    const attributes = {
      "http.request.method": method,
      "url.scheme": protocol.slice(0, -1),
      "url.path": pathname,
      "server.address": hostname,
    };
    const span = api.trace.getTracer(...SCOPE).startSpan(method, { kind: 1, attributes }, outer);
    const parent = api.trace.setSpan(outer, span);
    const inner = watched(context, openTelemetry(api, { parent }));
    let status = 500;
    try {
      const response = await api.context.with(parent, () => handler(request, inner));
      status = response.status;
      return response;
    } finally {
      // What the caller did wrong is no error of a server.
      endSpan(span, status, 500);
    }
  };
}
