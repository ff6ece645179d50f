/** Tenants that must never see each other, requests that are given up, and a Windmill that is down, slow, or somebody else's. */
import { type Clock, createClient } from "@windkit/windmill-client";
import { type Handler, observeHandler, runFlow, runScript, streamJob } from "@windkit/windmill-client/handlers";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { serve, settle, stillClock, turn } from "./_client_kit.ts";
import { countedSignal } from "./_s3_kit.ts";
import { countBodies, runTenants } from "./_tenants_kit.ts";
import { runtime } from "./env.ts";
import { test } from "./harness.ts";

const TOKEN = "s3cr3t-t0ken";

// Tenants

// Longest where isolates are shared by design; the internal tests let them loose for longer.
const TENANTS_MS = runtime === "workerd" ? 2_000 : 1_000;

test("tenants: two at full concurrency never see anything of each other, whatever fails or is given up", async () => {
  const report = await runTenants({ ms: TENANTS_MS, seed: 20_261 });
  assertEquals(report.crossed, []);
  assertEquals(report.openBodies, []);
  // It did go everywhere.
  for (const kind of ["start", "run", "updates", "result", "variable", "download", "upload", "elsewhere", "cancel"]) {
    assert((report.requests[kind] ?? 0) > 3, `Expected requests of kind ${kind}, found ${JSON.stringify(report)}`);
  }
});

test("tenants: a client that is shared by mistake is found", async () => {
  const { crossed } = await runTenants({ ms: 100, seed: 7, planted: true });
  assert(crossed.length > 0, "Expected to see that a token crosses");
});

// Requests that are given up

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
function requestWith(signal: AbortSignal): Request {
  const request = new Request("https://edge.test/", { method: "POST" });
  Object.defineProperty(request, "signal", { value: signal });
  return request;
}

/** How a Windmill keeps whoever asks waiting. */
const DELAYS = ["never answers", "falls silent in the body", "asks to come back later", "answers for ever"] as const;

/** 10,000 in one runtime, as many as show a leak in each of the others. */
const ABORTED = runtime === "deno" ? 10_000 : 2_000;

test("abort: thousands of requests that are given up leave no body, no request, no listener, no timer", async () => {
  const { clock, timers } = countedClock();
  const bodies = countBodies();
  let pending = 0, asked = 0, sources = 0;
  const options = {
    baseUrl: "http://stub.test",
    workspace: "ws",
    token: TOKEN,
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

  async function answered(handler: Handler, signal: AbortSignal): Promise<void> {
    const response = await handler(requestWith(signal));
    const reader = response.body?.getReader();
    // The browser takes what comes, or nothing at all.
    for (let read = asked % 3; reader && read > 0; read--) if ((await reader.read()).done) return;
    while (!signal.aborted) await turn();
    await reader?.cancel();
  }

  const work = [
    ...handlers.map((handler) => (signal: AbortSignal) => answered(handler, signal)),
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
    for (let n = 0; n < ABORTED / 100; n++) await one();
  }));
  await settle();
  assertEquals(made, ABORTED);
  assert(
    bodies.made() > ABORTED * 0.3 && asked > ABORTED * 0.5,
    `Expected many requests, found ${asked} with ${bodies.made()} bodies`,
  );
  assertEquals({ bodies: bodies.open(), pending, listeners, timers: timers(), sources }, {
    bodies: [],
    pending: 0,
    listeners: 0,
    timers: 0,
    sources: 0,
  });
});
