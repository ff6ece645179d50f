/**
 * Failures on order: statuses, broken connections, answers that never come.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import { pause } from "../http/scope.ts";
import type { Call } from "./_router.ts";
import { until } from "./_time.ts";

/** What goes wrong, and for which requests. */
export interface MockFailure {
  /** Method of the requests. @default any */
  readonly method?: string;
  /** What their path below `/api/` has in it, or matches. @default any */
  readonly path?: string | RegExp;
  /** How many requests go wrong; those after them are answered. @default 1 */
  readonly times?: number;
  /** How many requests are answered before. @default 0 */
  readonly after?: number;
  /** Status of the answer. @default 500 */
  readonly status?: number;
  /** Body of the answer. @default "Internal: mock failure" */
  readonly body?: string;
  /** Headers of the answer. @default a content type of plain text */
  readonly headers?: Readonly<Record<string, string>>;
  /** What `fetch` rejects with, instead of an answer: a connection that breaks. */
  readonly error?: Error;
  /** True never answers: until the request is aborted. @default false */
  readonly hang?: boolean;
  /** How long it takes, in milliseconds; without `status`, `body`, `error` and `hang` the request is then answered. @default 0 */
  readonly delayMs?: number;
}

/** Failures that are on order. */
export interface Failures {
  readonly add: (failure: MockFailure) => void;
  /** Lets a request fail: gives the answer, rejects, or gives undefined when the request is to be answered. */
  readonly apply: (call: Call) => Promise<Response | undefined>;
}

/** Makes an empty list of failures. */
export function createFailures(clock: Clock): Failures {
  const orders: { readonly failure: MockFailure; skip: number; left: number }[] = [];

  function matches({ method, path }: MockFailure, call: Call): boolean {
    if (method !== undefined && method.toUpperCase() !== call.method) return false;
    return path === undefined || (typeof path === "string" ? call.path.includes(path) : call.path.search(path) >= 0);
  }

  return {
    add: (failure) => void orders.push({ failure, skip: failure.after ?? 0, left: failure.times ?? 1 }),
    apply: async (call) => {
      const order = orders.find(({ failure, left }) => left > 0 && matches(failure, call));
      if (order === undefined) return undefined;
      if (order.skip > 0) {
        order.skip--;
        return undefined;
      }
      order.left--;
      const { status, body, headers, error, hang = false, delayMs = 0 } = order.failure;
      await pause(clock, delayMs, call.signal);
      if (hang) await until(new Promise<never>(() => {}), call.signal);
      if (error !== undefined) throw error;
      if (delayMs > 0 && status === undefined && body === undefined) return undefined;
      const { status: code = 500, text = "Internal: mock failure" } = { status, text: body };
      const empty = code === 204 || code === 205 || code === 304;
      return new Response(empty ? null : text, {
        status: code,
        headers: { "content-type": "text/plain; charset=utf-8", ...headers },
      });
    },
  };
}
