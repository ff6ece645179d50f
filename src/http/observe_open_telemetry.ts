/**
 * Requests as spans and measurements of OpenTelemetry, through the object of its API package, which is handed in: nothing of it is
 * imported here.
 *
 * @module
 */
import { SDK_VERSION } from "../base/version.ts";
import type { ObserveHooks, RequestEvent, ResponseEvent } from "./observe.ts";

/** What is used of a span of OpenTelemetry. */
export interface OpenTelemetrySpan {
  /** Adds an attribute. */
  setAttribute(name: string, value: string | number): unknown;
  /** Says how it ended: 2 is an error. */
  setStatus(status: { code: number; message?: string }): unknown;
  /** Ends it. */
  end(): void;
}

/** What is used of a histogram of OpenTelemetry. */
export interface OpenTelemetryHistogram {
  /** Adds a value. */
  record(value: number, attributes: Record<string, string | number>): void;
}

/** What is used of the contexts of OpenTelemetry. `Context` is its type of them. */
export interface OpenTelemetryContextApi<Context> {
  /** The context that the caller runs in. */
  active(): Context;
  /** Runs a function in a context. */
  with<Result>(context: Context, run: () => Result): Result;
}

/** What is used of `@opentelemetry/api`, version 1: import it with `import * as api from "@opentelemetry/api"`. */
export interface OpenTelemetryApi<Context = unknown, Span extends OpenTelemetrySpan = OpenTelemetrySpan> {
  /** Contexts. */
  readonly context: OpenTelemetryContextApi<Context>;
  /** Hands contexts from one system to the next. */
  readonly propagation: {
    /** Writes a context into headers. */
    inject(context: Context, headers: Record<string, string>): void;
    /** Reads a context from headers. */
    extract(context: Context, headers: Record<string, string>): Context;
  };
  /** Spans. */
  readonly trace: {
    /** What makes spans. */
    getTracer(name: string, version?: string): {
      /** Begins a span. */
      startSpan(
        name: string,
        options: { kind: number; attributes: Record<string, string | number>; startTime?: number },
        context: Context,
      ): Span;
    };
    /** A context with a span in it. */
    setSpan(context: Context, span: Span): Context;
  };
  /** Measurements; versions of the API before 1.3 have none. */
  readonly metrics?: {
    /** What makes instruments. */
    getMeter(name: string, version?: string): {
      /** Makes a histogram. */
      createHistogram(name: string, options: { description: string; unit: string }): OpenTelemetryHistogram;
    };
  };
}

/** Options of {@linkcode openTelemetry}. */
export interface OpenTelemetryOptions<Context = unknown> {
  /** The context that spans belong to. @default the one that is active when a request is made */
  readonly parent?: Context;
}

/** Name and version under which spans and measurements are made. */
export const SCOPE = ["@windkit/windmill-client", SDK_VERSION] as const;

/** The attributes of a request, by OpenTelemetry's conventions for HTTP clients. */
function attributesOf({ method, url, route, workspace, attempt, redirects }: RequestEvent, span: boolean): Record<
  string,
  string | number
> {
  const { hostname, port, protocol } = new URL(url);
  const resent = attempt - 1 + redirects;
  return {
    "http.request.method": method,
    "server.address": hostname,
    "server.port": port === "" ? protocol === "http:" ? 80 : 443 : Number(port),
    ...(route === undefined ? {} : { "url.template": route }),
    ...(span
      ? {
        "url.full": url,
        ...(resent > 0 ? { "http.request.resend_count": resent } : {}),
        ...(workspace === undefined ? {} : { "windmill.workspace": workspace }),
      }
      : {}),
  };
}

/** Ends a span with the status of an answer; for the caller, 400 and above are errors. */
export function endSpan(span: OpenTelemetrySpan, status: number, failed: number, error?: ResponseEvent["error"]): void {
  if (status > 0) span.setAttribute("http.response.status_code", status);
  if (status === 0 || status >= failed) {
    span.setAttribute("error.type", error?.name ?? `${status}`);
    span.setStatus({ code: 2, ...(error === undefined ? {} : { message: error.message }) });
  }
  span.end();
}

/**
 * Makes hooks of OpenTelemetry's API: a span of kind client for each request, named by its operation, with the attributes of the
 * conventions for HTTP; its trace in the request's headers; and the histogram `http.client.request.duration`. A span ends when the
 * answer begins.
 *
 * The API alone does nothing: what a program registers with it (a tracer provider, a context manager, propagators) decides.
 *
 * @param api the API: `import * as api from "@opentelemetry/api"`
 *
 * @example Spans for a client's calls
 * ```ts
 * import { createClient } from "@windkit/windmill-client";
 * import { observe, openTelemetry } from "@windkit/windmill-client/observe";
 *
 * const names: string[] = [];
 * const span = { setAttribute: () => {}, setStatus: () => {}, end: () => {} };
 * // Stands in for `import * as api from "@opentelemetry/api"`.
 * const api = {
 *   context: { active: () => "", with: <T>(_: string, run: () => T) => run() },
 *   propagation: { inject: () => {}, extract: () => "" },
 *   trace: {
 *     getTracer: () => ({ startSpan: (name: string) => (names.push(name), span) }),
 *     setSpan: () => "",
 *   },
 * };
 *
 * const windmill = createClient({
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "shop",
 *   token: "secret",
 *   fetch: observe(openTelemetry(api), { fetch: async () => new Response('"eu"') }),
 * });
 * await windmill.variables.get("f/shop/region");
 * if (names[0] !== "GET /api/w/{workspace}/variables/get_value/{path}") throw new Error(names[0]);
 * ```
 */
export function openTelemetry<Context, Span extends OpenTelemetrySpan>(
  api: OpenTelemetryApi<Context, Span>,
  options: OpenTelemetryOptions<Context> = {},
): ObserveHooks {
  const open = new WeakMap<RequestEvent, { readonly span: Span; readonly context: Context }>();
  let histogram: OpenTelemetryHistogram | undefined;
  return {
    onRequest(event) {
      const parent = options.parent ?? api.context.active();
      const { method, route } = event;
      const span = api.trace.getTracer(...SCOPE).startSpan(
        route === undefined ? method : `${method} ${route}`,
        { kind: 2, attributes: attributesOf(event, true) },
        parent,
      );
      open.set(event, { span, context: api.trace.setSpan(parent, span) });
    },
    headers(event) {
      const headers: Record<string, string> = {};
      const found = open.get(event);
      if (found !== undefined) api.propagation.inject(found.context, headers);
      return headers;
    },
    onResponse(event) {
      const found = open.get(event.request);
      if (found === undefined) return;
      const { status, error, durationMs } = event;
      endSpan(found.span, status, 400, error);
      histogram ??= api.metrics?.getMeter(...SCOPE).createHistogram("http.client.request.duration", {
        description: "Duration of HTTP client requests.",
        unit: "s",
      });
      histogram?.record(durationMs / 1000, {
        ...attributesOf(event, false),
        ...(status === 0 ? {} : { "http.response.status_code": status }),
        ...(status === 0 || status > 399 ? { "error.type": error?.name ?? `${status}` } : {}),
      });
    },
  };
}
