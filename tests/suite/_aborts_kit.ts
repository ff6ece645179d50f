/**
 * Requests that are given up, at every moment, and what is left of them.
 *
 * @module
 */
import { type Clock, createClient } from "@windkit/windmill-client";
import {
  type Handler,
  observeHandler,
  runFlow,
  runScript,
  s3Proxy,
  streamJob,
} from "@windkit/windmill-client/handlers";
import { settle, turn } from "./_client_kit.ts";
import { countedSignal } from "./_s3_kit.ts";
import { countBodies } from "./_tenants_kit.ts";

/** Timers of the runtime, counted while they are set. */
function countedClock(): { readonly clock: Clock; readonly timers: () => number } {
  const set = new Set<unknown>();
  return {
    timers: () => set.size,
    clock: {
      now: () => Date.now(),
      setTimeout(wake, ms) {
        const timer = setTimeout(() => {
          set.delete(timer);
          wake();
        }, ms);
        set.add(timer);
        return timer;
      },
      clearTimeout(timer) {
        set.delete(timer);
        clearTimeout(timer as number); // `as`: setTimeout above gave it
      },
    },
  };
}

/** A request whose signal is counted: a runtime makes its own of the one that it is given. */
function requestWith(signal: AbortSignal, method: string): Request {
  const request = new Request("https://edge.test/a", { method });
  Object.defineProperty(request, "signal", { value: signal });
  return request;
}

/** How a Windmill keeps whoever asks waiting. */
const DELAYS = ["never answers", "falls silent in the body", "asks to come back later", "answers for ever"] as const;

/** What is left of requests that were given up; nothing should be. */
export interface Leftovers {
  /** Bodies that nobody read to their end or gave up. */
  readonly bodies: readonly string[];
  /** Requests to Windmill that still wait for an answer. */
  readonly pending: number;
  readonly listeners: number;
  readonly timers: number;
  /** Sources of uploads that were not told. */
  readonly sources: number;
}

/** Gives up requests, 100 at a time. */
export async function giveUp(
  count: number,
): Promise<{ readonly asked: number; readonly made: number; readonly left: Leftovers }> {
  const { clock, timers } = countedClock();
  const bodies = countBodies();
  let pending = 0, asked = 0, sources = 0;
  const options = {
    baseUrl: "http://stub.test",
    workspace: "ws",
    token: "s3cr3t-t0ken",
    env: {},
    clock,
    fetch: async (url: string, init: RequestInit): Promise<Response> => {
      const signal = init.signal as AbortSignal; // `as`: every call has one
      signal.throwIfAborted();
      // What is started has an id at once: it is its end that is waited for.
      if (url.includes("/jobs/run/")) return new Response(new URL(url).searchParams.get("job_id"), { status: 201 });
      if (url.includes("/queue/cancel/")) return new Response("ok");
      const delay = DELAYS[asked++ % DELAYS.length];
      if (delay === "asks to come back later") {
        const body = bodies.make(["later"], "whole", signal);
        return new Response(body, { status: 503, headers: { "retry-after": "60" } });
      }
      if (delay === "falls silent in the body") return new Response(bodies.make(['data: {"type":'], "silent", signal));
      if (delay === "answers for ever") {
        const piece = 'data: {"type":"update","new_logs":"x"}\n\n';
        return new Response(bodies.make(Array<string>(1_000).fill(piece), "whole", signal));
      }
      pending++;
      return await new Promise<Response>((_, reject) => {
        signal.addEventListener("abort", () => {
          pending--;
          reject(signal.reason);
        }, { once: true });
      });
    },
  };
  const client = createClient(options);
  const handlers = [
    runScript("f/a/b", { client: options, cancelOnDisconnect: true }),
    runFlow("f/a/b", { client: options, cancelOnDisconnect: true, detached: true }),
    streamJob({ client: options, run: { script: "f/a/b" } }),
    observeHandler(streamJob({ client: options, run: { flow: "f/a/b" }, cancelOnDisconnect: true })),
  ];

  const objects = s3Proxy({ client: options, basePath: "/", storage: "", authorize: () => true });

  async function* endless(): AsyncGenerator<string, void> {
    sources++;
    try {
      for (;;) {
        await turn();
        yield "x";
      }
    } finally {
      sources--;
    }
  }

  async function answered(handler: Handler, signal: AbortSignal, method = "POST"): Promise<void> {
    const response = await handler(requestWith(signal, method));
    const reader = response.body?.getReader();
    // The browser takes what comes, or nothing at all.
    for (let read = asked % 3; reader && read > 0; read--) if ((await reader.read()).done) return;
    while (!signal.aborted) await turn();
    await reader?.cancel();
  }

  const work = [
    ...handlers.map((handler) => (signal: AbortSignal) => answered(handler, signal)),
    (signal: AbortSignal) => answered(objects, signal, "GET"),
    (signal: AbortSignal) => client.variables.get("a", { signal }),
    (signal: AbortSignal) => client.jobs.wait("0190a0b2-0000-7000-8000-000000000001", { signal }),
    async (signal: AbortSignal) => await (await client.s3.download({ s3: "k" }, { signal })).text(),
    (signal: AbortSignal) => client.s3.upload({ s3: "k" }, endless(), { signal }),
  ];

  let listeners = 0, made = 0;
  async function one(): Promise<void> {
    const { controller, listeners: counted } = countedSignal();
    const doing = (work[made % work.length] as (signal: AbortSignal) => Promise<unknown>)(controller.signal) // `as`: below its length
      .then(() => {}, () => {});
    const turns = made++ % 7;
    if (turns === 6) controller.abort(new Error("left")); // before anything happened
    for (let waited = 0; waited < turns; waited++) await turn();
    controller.abort(new Error("left"));
    await doing;
    await turn();

    listeners += counted();
  }
  await Promise.all(Array.from({ length: 100 }, async () => {
    for (let n = 0; n < count / 100; n++) await one();
  }));
  await settle();
  const left = { bodies: bodies.open(), pending, listeners, timers: timers(), sources };
  return { asked, made: bodies.made(), left };
}
