/**
 * One HTTP call: deadline, abort, redirects, repetition of what may be repeated, and errors that say what happened without
 * saying the token.
 *
 * @module
 */
import { after, type Clock, pause, until } from "../base/clock.ts";
import { DeadlineError, WindmillApiError } from "../base/errors.ts";
import { type Answer, apiError, ERROR_BODY_LIMIT, type ShownRequest } from "../wire/answer.ts";
import { readText, release } from "./body.ts";

/** When and how often a call is repeated that may be. */
export interface RequestRetry {
  /** How many attempts there are at most, the first one included. @default 3 */
  readonly attempts?: number;
  /** Upper limit of the wait after the first attempt, in milliseconds; it doubles with each further one. @default 250 */
  readonly baseMs?: number;
  /** Upper limit of every wait that the server does not ask for, in milliseconds. @default 10000 */
  readonly maxMs?: number;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How long the call may take, its repetitions included, in milliseconds; `Infinity` for no limit. @default the client's */
  readonly timeoutMs?: number;
  /** Headers of this call, over the client's. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Repetition of this call, over the client's. */
  readonly retry?: RequestRetry;
}

/** The part of `fetch` that is used: a function of an address and of what goes with it. */
export type FetchFunction = (url: string, init: RequestInit) => Promise<Response>;

/** One call, and what it needs from outside. */
export interface WireRequest {
  readonly shown: ShownRequest;
  /** The query without its question mark, empty for none. */
  readonly query: string;
  /** Method, headers, body; followed redirects change it. */
  readonly init: RequestInit;
  /** What must not be in an error text. */
  readonly token: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly retry: RequestRetry;
  /** True when the call may be repeated. */
  readonly idempotent: boolean;
  readonly fetch: FetchFunction;
  readonly clock: Clock;
  readonly random: () => number;
}

/** How many redirects one call follows. */
const REDIRECTS = 5;

/** True for an error after which the same call may succeed: no answer at all, or one that says "not now". */
export function isPassing(error: unknown): boolean {
  return error instanceof WindmillApiError && /^(0|429|50[234])$/.test(`${error.status}`);
}

/** A signal that is aborted by another one or when time is up, and what forgets both. */
export interface Scope {
  readonly signal: AbortSignal;
  readonly close: () => void;
}

/** Opens a scope; whoever opens it closes it in `finally`. */
export function openScope(clock: Clock, outer: AbortSignal | undefined, ms: number, what: string): Scope {
  if (!(ms > 0)) throw new RangeError(`'timeoutMs' must be > 0: current value is ${ms}`);
  outer?.throwIfAborted();
  const controller = new AbortController();
  function forward(): void {
    controller.abort(outer?.reason);
  }
  outer?.addEventListener("abort", forward, { once: true });
  const forget = after(clock, ms, () => controller.abort(new DeadlineError(`Waited ${ms} ms for ${what}`)));
  return {
    signal: controller.signal,
    close: () => {
      forget();
      outer?.removeEventListener("abort", forward);
    },
  };
}

/**
 * Makes a call and hands a response of status 200 to 299 to `read`, which must read its body.
 *
 * @throws WindmillApiError for other statuses, and with status 0 when no whole answer came
 * @throws DeadlineError when `timeoutMs` passed
 */
export async function exchange<T>(request: WireRequest, read: (response: Response) => Promise<T>): Promise<T> {
  const { shown, timeoutMs, clock } = request;
  const { attempts = 3, baseMs = 250, maxMs = 10_000 } = request.retry;
  const deadline = clock.now() + timeoutMs;
  const { signal, close } = openScope(clock, request.signal, timeoutMs, `${shown.method} ${shown.url}`);
  let waitMs: number;

  async function attempt(): Promise<T> {
    const response = await follow(request, signal);
    if (response.ok) return await read(response);
    waitMs = retryAfter(response, clock) ?? waitMs;
    const text = await readText(response, ERROR_BODY_LIMIT);
    throw failure(request, response.status, text.trim().slice(0, 500), text);
  }

  try {
    for (let made = 1;; made++) {
      waitMs = request.random() * Math.min(maxMs, baseMs * 2 ** (made - 1));
      try {
        return await until(attempt(), signal);
      } catch (thrown) {
        if (signal.aborted) throw signal.reason;
        const error = thrown instanceof WindmillApiError ? thrown : failure(request, 0, `${thrown}`, "", thrown);
        // A wait that would outlast the deadline is not begun: the caller gets the server's own words at once. Neither is
        // one for a permission: Deno refuses under the name NotCapable, formerly PermissionDenied.
        const final = made >= attempts || clock.now() + waitMs >= deadline || /^(NotC|Perm)/.test(`${thrown}`);
        if (!request.idempotent || final || !isPassing(error)) throw error;
      }
      await pause(clock, waitMs, signal);
    }
  } finally {
    close();
  }
}

/** Makes a call and reads the answer whole. */
export function send(request: WireRequest): Promise<Answer> {
  return exchange(request, async (response) => {
    const { status, headers } = response;
    return { request: request.shown, status, headers, text: await readText(response) };
  });
}

/** Fetches, and follows redirects by hand: what is secret must not reach another origin. */
async function follow(request: WireRequest, signal: AbortSignal): Promise<Response> {
  const { fetch, shown, query } = request;
  const safe = /^(GET|HEAD)$/.test(shown.method);
  const init: RequestInit = { ...request.init, redirect: "manual", signal };
  let url = query === "" ? shown.url : `${shown.url}?${query}`;
  for (let hop = 0;; hop++) {
    const response = await fetch(url, init);
    const { status } = response;
    const location = response.headers.get("location");
    // A browser hides where a redirect leads, and drops Authorization itself when it follows one to another origin.
    const hidden = response.type === "opaqueredirect";
    if (!hidden && (location === null || status < 300 || status > 308)) return response;
    release(response.body);
    const to = location !== null && URL.canParse(location, url) ? new URL(location, url) : undefined;
    const same = to?.origin === new URL(url).origin;
    if (hop >= REDIRECTS || !(hidden ? safe : to !== undefined && (safe || (same && status > 306)))) {
      throw failure(request, status, `a redirect to ${to?.origin ?? "elsewhere"}, set 'baseUrl' to the final address`);
    }
    if (to === undefined) init.redirect = "follow";
    else {
      url = to.href;
      // Headers of the caller may be secrets too: another origin gets none of them.
      if (!same) init.headers = {};
    }
  }
}

/** The error of a call, in which the token is not: a server, a proxy or a runtime may repeat what it was sent. */
function failure(
  { shown, token = "" }: WireRequest,
  status: number,
  found: string,
  body = "",
  cause?: unknown,
): WindmillApiError {
  function redact(text: string): string {
    return token === "" ? text : text.replaceAll(token, "***");
  }
  const words = redact(found);
  // Whoever prints an error prints its cause too.
  return apiError(shown, status, words, redact(body), cause !== undefined && words === found ? { cause } : undefined);
}

/** How long the server asks to wait, in milliseconds: `Retry-After` in seconds or as a date. */
function retryAfter(response: Response, clock: Clock): number | undefined {
  const value = response.headers.get("retry-after") ?? "";
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - clock.now();
  return ms >= 0 ? ms : undefined;
}
