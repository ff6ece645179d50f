/**
 * Requests as lines of JSON.
 *
 * @module
 */
import type { ObserveHooks, RequestEvent, ResponseEvent } from "./observe.ts";

/** The members of a line that say which request it is about; those without a value are left out by JSON. */
function aboutOf(event: RequestEvent): Readonly<Record<string, unknown>> {
  const { method, url, route, workspace, attempt, redirects, traceId, spanId } = event;
  return { method, url, route, workspace, attempt, ...(redirects > 0 ? { redirects } : {}), traceId, spanId };
}

function outcomeOf({ status, error }: ResponseEvent): Readonly<Record<string, unknown>> {
  return { status, ...(error === undefined ? {} : { error: `${error.name}: ${error.message}` }) };
}

/** Microseconds are enough of a duration. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function levelOf({ status }: ResponseEvent): string {
  return status === 0 || status > 499 ? "error" : status > 399 ? "warn" : "info";
}

/**
 * Makes hooks that write one line of JSON for each request that has ended, and one for each repetition.
 *
 * @param write is given each line, without its end. @default `console.log`
 *
 * @example Lines instead of text
 * ```ts
 * import { createClient } from "@windkit/windmill-client";
 * import { jsonLogger, observe } from "@windkit/windmill-client/observe";
 *
 * const lines: string[] = [];
 * const windmill = createClient({
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "shop",
 *   token: "secret",
 *   fetch: observe(jsonLogger((line) => lines.push(line)), { fetch: async () => new Response('"eu"') }),
 * });
 * await windmill.variables.get("f/shop/region");
 * const { event, status, workspace } = JSON.parse(lines[0] ?? "{}");
 * if (`${event} ${status} ${workspace}` !== "windmill.request 200 shop") throw new Error(lines[0]);
 * ```
 */
export function jsonLogger(write: (line: string) => unknown = (line) => console.log(line)): ObserveHooks {
  function line(at: number, level: string, event: string, rest: Readonly<Record<string, unknown>>): unknown {
    return write(JSON.stringify({ time: new Date(at).toISOString(), level, event, ...rest }));
  }
  return {
    onResponse: (event) =>
      line(event.at + event.durationMs, levelOf(event), "windmill.request", {
        ...aboutOf(event),
        ...outcomeOf(event),
        durationMs: rounded(event.durationMs),
      }),
    onRetry: (event) =>
      line(event.at, "warn", "windmill.retry", {
        ...aboutOf(event),
        ...outcomeOf(event.previous),
        waitedMs: rounded(event.waitedMs),
      }),
  };
}
