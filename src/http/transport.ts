/**
 * One HTTP call: deadline, abort, redirects, repetition of what may be repeated, and errors that say what happened without
 * saying the token.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import { WindmillApiError } from "../base/errors.ts";
import { systemClock, systemFetch, systemRandom } from "../platform/network.ts";
import { type Answer, apiError, type FailedRequest } from "../wire/answer.ts";
import { readText, release } from "./body.ts";
import { openScope, pause } from "./scope.ts";

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

/** What calls need from outside, and what holds for all calls of a client. */
export interface TransportOptions {
  /** Makes the requests. @default the runtime's `fetch` */
  readonly fetch?: FetchFunction;
  /** How long a call may take, its repetitions included, in milliseconds; `Infinity` for no limit. @default 120000 */
  readonly timeoutMs?: number;
  /** When and how often a call is repeated that may be. */
  readonly retry?: RequestRetry;
  /** Clock and timers. @default the runtime's */
  readonly clock?: Clock;
  /** Numbers from 0 up to 1, for jitter. @default `Math.random` */
  readonly random?: () => number;
}

/** One call. */
export interface WireRequest extends FailedRequest {
  /** The address with its query. */
  readonly url: string;
  /** Method, headers, body. */
  readonly init: RequestInit;
  /** Whether the call may be repeated. @default true for GET, HEAD, PUT and DELETE */
  readonly idempotent?: boolean | undefined;
  readonly client: TransportOptions;
  readonly options: CallOptions;
}

/**
 * Makes a call and hands a response of status 200 to 299 to `read`, which must read its body.
 *
 * @throws WindmillApiError for other statuses, and with status 0 when no whole answer came
 * @throws DeadlineError when `timeoutMs` passed
 */
export function exchange<T>(request: WireRequest, read: (response: Response) => Promise<T>): Promise<T> {
  const { shown, client, options } = request;
  const timeoutMs = options.timeoutMs ?? client.timeoutMs ?? 120_000;
  // One promise for all attempts, which the scope rejects by itself: a `fetch` that ignores its signal cannot hold the call.
  return new Promise((resolve, reject) => {
    const { clock = systemClock } = client;
    const { signal, close } = openScope(clock, options.signal, timeoutMs, `${shown.method} ${shown.url}`, reject);
    attempt(request, signal, timeoutMs, read).then(resolve, reject).then(close);
  });
}

/** Makes a call and reads the answer whole. */
export function send(request: WireRequest): Promise<Answer> {
  return exchange(request, async (response) => ({ request, response, text: await response.text() }));
}

/**
 * Makes a call, as often as it takes and may be, within `timeoutMs`; the signal is what ends it then. `read` must read the body of
 * the response, of status 200 to 299.
 */
async function attempt<T>(
  request: WireRequest,
  signal: AbortSignal,
  timeoutMs: number,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const { client, options, shown: { method }, url } = request;
  const { clock = systemClock, fetch = systemFetch, random = systemRandom } = client;
  const deadline = clock.now() + timeoutMs;
  for (let made = 1;; made++) {
    let waitMs = NaN;
    try {
      const init = { ...request.init, signal };
      let response = await fetch(url, init);
      if (!response.ok) response = await follow(request, init, fetch, response);
      if (response.ok) return await read(response);
      waitMs = retryAfter(response, clock);
      const text = await readText(response);
      throw apiError(request, response.status, text.trim().slice(0, 500), text);
    } catch (thrown) {
      signal.throwIfAborted();
      const { attempts = 3, baseMs = 250, maxMs = 10_000 } = { ...client.retry, ...options.retry };
      // Node says why a connection failed in the cause only.
      const { cause } = Object(thrown);
      const words = cause ? `${thrown}: ${cause}` : `${thrown}`;
      const error = thrown instanceof WindmillApiError ? thrown : apiError(request, 0, words, "", thrown);
      if (!(waitMs >= 0)) waitMs = random() * Math.min(maxMs, baseMs * 2 ** (made - 1));
      // A wait that would outlast the deadline is not begun: the caller gets the server's own words at once. Neither is
      // one for a permission: Deno refuses under the name NotCapable, formerly PermissionDenied.
      const final = made >= attempts || clock.now() + waitMs >= deadline || /^(NotC|Perm)/.test(words);
      const { idempotent = /^(GET|HEAD|PUT|DELETE)$/.test(method) } = request;
      // No answer at all, or one that says "not now": the same call may succeed later.
      if (final || !idempotent || !/^(0|429|50[234])$/.test(`${error.status}`)) throw error;
      await pause(clock, waitMs, signal);
    }
  }
}

/** Follows up to five redirects by hand: what is secret must not reach another origin. */
async function follow(
  request: WireRequest,
  init: RequestInit,
  fetch: FetchFunction,
  first: Response,
): Promise<Response> {
  let { url } = request;
  for (let hop = 0, response = first;; hop++) {
    const { status } = response;
    // A browser hides where a redirect leads, and drops Authorization itself when it follows one to another origin.
    const hidden = response.type === "opaqueredirect";
    const location = status > 299 && status < 309 && response.headers.get("location");
    if (!hidden && !location) return response;
    release(response.body);
    const safe = /^(GET|HEAD)$/.test(request.shown.method);
    const to = location && URL.canParse(location, url) ? new URL(location, url) : undefined;
    const same = to?.origin === new URL(url).origin;
    if (hop > 4 || !(safe ? hidden || /^http/.test(`${to}`) : same && status > 306)) {
      throw apiError(request, status, `a redirect to ${to?.origin ?? "elsewhere"}: set 'baseUrl' to it`);
    }
    if (to) {
      url = to.href;
      // Headers of the caller may be secrets too: another origin gets none of them.
      if (!same) init.headers = {};
    } else init.redirect = "follow";
    response = await fetch(url, init);
  }
}

/** How long the server asks to wait, in milliseconds, if it does: `Retry-After` in seconds or as a date. */
function retryAfter(response: Response, clock: Clock): number {
  const value = response.headers.get("retry-after") ?? "";
  return /^\d+$/.test(value) ? +value * 1000 : Date.parse(value) - clock.now();
}
