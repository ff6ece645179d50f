/**
 * What the cases about the client share: a server in memory that is called instead of `fetch`, a clock that stands still until
 * it is moved, and streams that are fed by hand.
 *
 * @module
 */
import { cancelOnExit, type Client, type ClientOptions, type Clock, createClient } from "@windkit/windmill-client";
import { assert, assertRejects } from "./assert.ts";

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  /** The address as it was given to `fetch`. */
  readonly url: string;
  /** Its path and query. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: string;
  readonly init: RequestInit;
}

/** Answers a request. */
export type Handler = (request: Seen, signal: AbortSignal) => Response | Promise<Response>;

/** A server in memory. */
export interface Stub {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** What it was asked so far, in order. */
  readonly seen: Seen[];
}

/** Makes a server in memory. It hangs up when the signal is aborted, as a runtime's `fetch` does. */
export function serve(handler: Handler): Stub {
  const seen: Seen[] = [];
  return {
    seen,
    fetch: async (url, init) => {
      const signal = init.signal ?? new AbortController().signal;
      signal.throwIfAborted();
      const { pathname, search } = new URL(url);
      const request: Seen = {
        method: init.method ?? "GET",
        url,
        target: pathname + search,
        headers: new Headers(init.headers),
        body: typeof init.body === "string" ? init.body : "",
        init: { ...init },
      };
      seen.push(request);
      const response = await new Promise<Response>((resolve, reject) => {
        const stop = () => reject(signal.reason);
        signal.addEventListener("abort", stop, { once: true });
        Promise.resolve().then(() => handler(request, signal)).then(resolve, reject)
          .finally(() => signal.removeEventListener("abort", stop));
      });
      return response;
    },
  };
}

/** An answer of JSON. */
export function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json" } });
}

/** An answer of plain text. */
export function text(value: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(value, { status, headers: { "content-type": "text/plain", ...headers } });
}

/** A body that is fed by hand. */
export interface Feed {
  readonly response: Response;
  /** Sends a piece. */
  readonly send: (piece: string) => void;
  /** Sends one event. */
  readonly event: (value: unknown) => void;
  /** Ends the body. */
  readonly end: () => void;
  /** Breaks the connection. */
  readonly break: (error: unknown) => void;
  /** Whether the reader gave the body up. */
  readonly cancelled: () => boolean;
}

/** Makes a body that is fed by hand, by default a stream of events. A signal that is aborted breaks it. */
export function feed(signal?: AbortSignal, type = "text/event-stream"): Feed {
  const bytes = new TextEncoder();
  let cancelled = false, open = true;
  let control: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(c) {
      control = c;
    },
    cancel() {
      cancelled = true;
      open = false;
    },
  });
  function send(piece: string): void {
    if (open) control?.enqueue(bytes.encode(piece));
  }
  function stop(error: unknown): void {
    if (open) control?.error(error);
    open = false;
  }
  signal?.addEventListener("abort", () => stop(signal.reason), { once: true });
  return {
    response: new Response(body, { headers: { "content-type": type } }),
    send,
    event: (value) => send(`data: ${JSON.stringify(value)}\n\n`),
    end: () => {
      if (open) control?.close();
      open = false;
    },
    break: stop,
    cancelled: () => cancelled,
  };
}

/** One turn of the event loop. An immediate is one without the millisecond that a timer takes; workerd has none. */
export function turn(): Promise<void> {
  const { setImmediate } = globalThis as { setImmediate?: (then: () => void) => void };
  return new Promise((resolve) => setImmediate === undefined ? setTimeout(resolve, 0) : setImmediate(resolve));
}

/** Gives everything that is ready to run its turn: no time passes on a {@linkcode StillClock}. */
export async function settle(): Promise<void> {
  for (let made = 0; made < 12; made++) await turn();
}

/** Loads what some functions load when they need it: on a clock that stands still, time would pass meanwhile. */
export async function loadLater(): Promise<void> {
  const forget = await cancelOnExit({ baseUrl: "http://stub.test", workspace: "ws", token: "tok", env: {} }, "j");
  forget();
}

/** A clock that stands still until it is moved. */
export interface StillClock extends Clock {
  /** Lets time pass, timer after timer, with what each of them starts. */
  readonly pass: (ms: number) => Promise<void>;
  /** Lets time pass from timer to timer until the promise settled, and settles as it does. */
  readonly drive: <T>(promise: Promise<T>) => Promise<T>;
  /** How many timers are set. */
  readonly timers: () => number;
}

/** Makes a clock that stands still. */
export function stillClock(start = 1_700_000_000_000): StillClock {
  let now = start, next = 1;
  const pending = new Map<unknown, { readonly at: number; readonly wake: () => void }>();
  function earliest(limit: number): unknown {
    let found: unknown;
    let at = limit;
    for (const [id, timer] of pending) {
      if (timer.at < at || (timer.at === at && found === undefined)) [found, at] = [id, timer.at];
    }
    return found;
  }
  function fire(id: unknown): void {
    const timer = pending.get(id);
    pending.delete(id);
    if (timer === undefined) return;
    now = Math.max(now, timer.at);
    timer.wake();
  }
  return {
    now: () => now,
    setTimeout: (wake, ms) => {
      pending.set(next, { at: now + ms, wake });
      return next++;
    },
    clearTimeout: (id) => void pending.delete(id),
    timers: () => pending.size,
    pass: async (ms) => {
      const end = now + ms;
      await settle();
      for (let id = earliest(end); id !== undefined; id = earliest(end)) {
        fire(id);
        await settle();
      }
      now = end;
    },
    drive: async (promise) => {
      let settled = false;
      const done = () => {
        settled = true;
      };
      promise.then(done, done);
      for (let idle = 0;;) {
        await settle();
        if (settled) return await promise;
        const id = earliest(Infinity);
        if (id !== undefined) {
          idle = 0;
          fire(id);
        } else if (++idle > 500) {
          throw new Error("Expected a promise that settles, found one that no timer will settle");
        } else {
          // A module that is loaded when it is wanted comes from a file, in its own time.
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      }
    },
  };
}

/** Options that reach a stub: workspace `ws`, token `tok`, an empty environment, full jitter at its upper limit. */
export function options(stub: Pick<Stub, "fetch">, more: Partial<ClientOptions> = {}): ClientOptions {
  return {
    baseUrl: "http://stub.test",
    workspace: "ws",
    token: "tok",
    env: {},
    fetch: stub.fetch,
    random: () => 1,
    ...more,
  };
}

/** A client of its own with the options that reach a stub. */
export function client(stub: Pick<Stub, "fetch">, more: Partial<ClientOptions> = {}): Client {
  return createClient(options(stub, more));
}

/** What a stub was asked so far: methods and targets, without the part that all of them begin with. */
export function targets(stub: Stub, base: "/api/" | "/api/w/ws/" = "/api/w/ws/"): string[] {
  return stub.seen.map(({ method, target }) => `${method} ${target.replace(base, "")}`);
}

/** Fails unless a call is refused as one that cannot be made. */
export async function refuses(
  call: () => unknown,
  kind: typeof TypeError | typeof RangeError,
  part: string,
): Promise<void> {
  const error = await assertRejects(call, undefined, part);
  assert(error instanceof kind, `Expected a ${kind.name}, found ${error.name}: ${error.message}`);
}

interface Machine {
  readonly Deno?: { readonly env: { set(name: string, value: string): void; delete(name: string): void } };
  readonly process?: { readonly env: Record<string, string | undefined> };
}

/** Runs `use` with variables in the process's environment, and the runtime's `fetch` replaced; both come back afterwards. */
export async function withEnvironment<T>(
  variables: Readonly<Record<string, string>>,
  stub: Pick<Stub, "fetch">,
  use: () => Promise<T>,
): Promise<T> {
  const machine = globalThis as unknown as Machine;
  const names = Object.keys(variables);
  const before = globalThis.fetch;
  try {
    for (const name of names) {
      const value = variables[name] ?? "";
      if (machine.Deno === undefined) (machine.process?.env ?? {})[name] = value;
      else machine.Deno.env.set(name, value);
    }
    globalThis.fetch = stub.fetch as typeof fetch;
    return await use();
  } finally {
    globalThis.fetch = before;
    for (const name of names) {
      if (machine.Deno === undefined) delete machine.process?.env[name];
      else machine.Deno.env.delete(name);
    }
  }
}
