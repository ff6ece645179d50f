/** Hooks that watch a client's requests: what they are told, what they are not told, and that they cannot break a call. */
import type { ClientOptions } from "@windkit/windmill-client";
import {
  jsonLogger,
  observe,
  type ObserveOptions,
  type RequestEvent,
  type ResponseEvent,
  type RetryEvent,
} from "@windkit/windmill-client/observe";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { client, feed, json, serve, settle, stillClock, type Stub, text } from "./_client_kit.ts";
import { test } from "./harness.ts";

const TOKEN = "s3cr3t/t0ken+1";

/** What hooks were told, in order. */
interface Told {
  readonly hooks: ObserveOptions;
  readonly requests: RequestEvent[];
  readonly responses: ResponseEvent[];
  readonly retries: RetryEvent[];
  readonly order: string[];
}

function told(): Told {
  const requests: RequestEvent[] = [],
    responses: ResponseEvent[] = [],
    retries: RetryEvent[] = [],
    order: string[] = [];
  return {
    requests,
    responses,
    retries,
    order,
    hooks: {
      onRequest: (event) => (requests.push(event), order.push(`request ${event.attempt}`)),
      onResponse: (event) => (responses.push(event), order.push(`response ${event.attempt} ${event.status}`)),
      onRetry: (event) => (retries.push(event), order.push(`retry ${event.attempt}`)),
    },
  };
}

function watched(stub: Pick<Stub, "fetch">, hooks: readonly ObserveOptions[], more: Partial<ClientOptions> = {}) {
  return client({ fetch: observe({ fetch: stub.fetch }, ...hooks) }, { token: TOKEN, ...more });
}

/** Answers one after the other, the last one for ever. */
function script(...answers: readonly (() => Response)[]): Stub {
  let next = 0;
  return serve(() => (answers[Math.min(next++, answers.length - 1)] as () => Response)());
}

test("observe: a request and its answer are told with operation, workspace, status and duration", async () => {
  const seen = told();
  const before = Date.now();
  assertEquals(await watched(script(() => json("v")), [seen.hooks]).variables.get("f/a/b"), "v");
  const [request] = seen.requests, [response] = seen.responses;
  assert(request && response);
  const { at, ...rest } = request;
  assertEquals(rest, {
    method: "GET",
    url: "http://stub.test/api/w/ws/variables/get_value/f/a/b",
    route: "/api/w/{workspace}/variables/get_value/{path}",
    workspace: "ws",
    attempt: 1,
    redirects: 0,
  });
  assert(at >= before && at <= Date.now());
  assert(response.request === request, "Expected the same object");
  assertEquals([response.status, response.error], [200, undefined]);
  assert(response.durationMs >= 0 && response.durationMs < 10_000);
  assert(Object.isFrozen(request) && Object.isFrozen(response));
  assertEquals(seen.order, ["request 1", "response 1 200"]);
});

test("observe: the call itself is as without hooks", async () => {
  const bare = script(() => json("v")), seen = script(() => json("v"));
  await client(bare, { token: TOKEN }).variables.get("a");
  await watched(seen, [told().hooks]).variables.get("a");
  const shown = ({ seen: [one] }: Stub) => [one?.method, one?.url, [...one?.headers ?? []], one?.init.redirect];
  assertEquals(shown(seen), shown(bare));
});

test("observe: repetitions are told with their number, what came before, and the wait", async () => {
  const clock = stillClock();
  const seen = told();
  const refuse = () => {
    throw new TypeError("fetch failed");
  };
  const stub = script(() => text("later", 503), refuse, () => json("v"));
  await clock.drive(watched(stub, [seen.hooks], { clock }).variables.get("a"));
  assertEquals(seen.order, [
    ...["request 1", "response 1 503"],
    ...["retry 2", "request 2", "response 2 0"],
    ...["retry 3", "request 3", "response 3 200"],
  ]);
  assertEquals(seen.retries.map(({ previous }) => [previous.status, previous.error]), [
    [503, undefined],
    [0, { name: "TypeError", message: "fetch failed" }],
  ]);
  assert(seen.retries[0]?.previous === seen.responses[0]);
  assert(seen.retries.every(({ waitedMs }) => waitedMs >= 0));
});

test("observe: a call whose body breaks off is repeated after a status of 200", async () => {
  const clock = stillClock();
  const seen = told();
  const broken = feed(undefined, "application/json");
  const stub = script(() => broken.response, () => json("v"));
  const value = watched(stub, [seen.hooks], { clock }).variables.get("a");
  broken.send('"half');
  await settle();
  broken.break(new TypeError("connection reset"));
  assertEquals(await clock.drive(value), "v");
  assertEquals(seen.retries.map(({ attempt, previous }) => [attempt, previous.status]), [[2, 200]]);
});

test("observe: calls at the same time and one after the other are not taken for repetitions", async () => {
  const seen = told();
  const c = watched(serve(() => json("v")), [seen.hooks]);
  const { signal } = new AbortController();
  await Promise.all([1, 2, 3].map(() => c.variables.get("a", { signal })));
  await c.variables.get("a", { signal });
  assertEquals(seen.requests.map(({ attempt }) => attempt), [1, 1, 1, 1]);
  assertEquals(seen.retries, []);
});

test("observe: a program's own requests with one signal are no repetitions", async () => {
  const seen = told();
  const fetch = observe({ fetch: serve(() => json("v")).fetch }, seen.hooks);
  const { signal } = new AbortController();
  for (let made = 0; made < 3; made++) await fetch("http://stub.test/x", { signal, headers: { a: "b" } });
  await fetch("http://stub.test/x", {});
  assertEquals(
    seen.requests.map(({ attempt, route }) => [attempt, route]),
    [1, 1, 1, 1].map((one) => [one, undefined]),
  );
});

test("observe: redirects are requests of the same attempt, and another origin learns nothing", async () => {
  const clock = stillClock();
  const seen = told();
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const stub = script(
    () => new Response(null, { status: 302, headers: { location: "/moved?token=abc" } }),
    () => new Response(null, { status: 302, headers: { location: "http://user:pw@elsewhere.test/x?sig=abc" } }),
    () => text("later", 503),
    () => json("v"),
  );
  const headers = () => ({ "x-mine": "1" });
  await clock.drive(watched(stub, [seen.hooks, { traceparent: trace, headers }], { clock }).variables.get("a"));
  assertEquals(seen.requests.map(({ url, attempt, redirects }) => [url, attempt, redirects]), [
    ["http://stub.test/api/w/ws/variables/get_value/a", 1, 0],
    ["http://stub.test/moved", 1, 1],
    ["http://elsewhere.test/x", 1, 2],
    ["http://stub.test/api/w/ws/variables/get_value/a", 2, 0],
  ]);
  assertEquals(stub.seen.map(({ headers }) => headers.has("traceparent")), [true, true, false, true]);
  assertEquals(stub.seen.map(({ headers }) => headers.has("x-mine")), [true, true, false, true]);
  assertEquals(stub.seen.map(({ headers }) => headers.has("authorization")), [true, true, false, true]);
  assertEquals(seen.retries.map(({ attempt, previous }) => [attempt, previous.status]), [[2, 503]]);
});

test("observe: hooks that throw, reject, or give thenables that do, break no call", async () => {
  const clock = stillClock();
  const angry = () => {
    throw new Error("hook");
  };
  const thenable = Object.defineProperty({}, "then", { get: angry });
  const lots: ObserveOptions[] = [
    { onRequest: angry, onResponse: angry, onRetry: angry, headers: angry, traceparent: angry },
    { onRequest: async () => angry(), onResponse: async () => angry(), onRetry: async () => angry() },
    { onRequest: () => thenable, onResponse: () => thenable, onRetry: () => thenable },
    { headers: () => null as unknown as undefined },
  ];
  const seen = told();
  const stub = script(() => text("later", 503), () => json("v"));
  assertEquals(await clock.drive(watched(stub, [...lots, seen.hooks], { clock }).variables.get("a")), "v");
  assertEquals(seen.order, ["request 1", "response 1 503", "retry 2", "request 2", "response 2 200"]);
});

test("observe: a hook is not waited for", async () => {
  const c = watched(script(() => json("v")), [{ onRequest: () => new Promise(() => {}) }]);
  assertEquals(await c.variables.get("a"), "v");
});

test("observe: errors of the call pass through as they are", async () => {
  const seen = told();
  const reason = new Error("enough");
  const controller = new AbortController();
  const c = watched(serve(() => new Promise<Response>(() => {})), [seen.hooks]);
  const thrown = c.variables.get("a", { signal: controller.signal }).catch((error: unknown) => error);
  await settle();
  controller.abort(reason);
  assert(await thrown === reason);
  await settle();
  assertEquals(seen.responses.map(({ status, error }) => [status, error]), [[0, { name: "Error", message: "enough" }]]);
});

test("observe: a call whose time is up is told as DeadlineError", async () => {
  const clock = stillClock();
  const seen = told();
  const c = watched(serve(() => new Promise<Response>(() => {})), [seen.hooks], { clock, timeoutMs: 50 });
  await clock.drive(assertRejects(() => c.variables.get("a"), "DEADLINE_EXCEEDED"));
  await settle();
  assertEquals(seen.responses[0]?.error?.name, "DeadlineError");
});

test("observe: no event and no line says a token, a header, a query, or a signature", async () => {
  const signature = "c0ffee".repeat(11);
  const jwt = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl";
  const cookie = "session=c00k1e";
  const said: unknown[] = [], lines: string[] = [];
  const say = (event: unknown) => said.push(event);
  const hooks: ObserveOptions = { onRequest: say, onResponse: say, onRetry: say };
  const places = [
    `/w/{workspace}/jobs_u/resume/0190a0b2-0000-7000-8000-000000000001/7/${signature}?payload=S3CR3T&approver=x`,
    `/w/{workspace}/jobs_u/cancel/0190a0b2-0000-7000-8000-000000000001/7/${signature}`,
    `/w/{workspace}/s3_proxy/store/key?X-Amz-Signature=S3CR3T&X-Amz-Security-Token=S3CR3T`,
    `/w/{workspace}/x/${jwt}`,
    `/w/{workspace}/apps_u/public_app/S3CR3T`,
    `/w/{workspace}/x/${TOKEN}`,
  ];
  for (const place of places) {
    const failing = serve(({ url }) => {
      throw new TypeError(`error sending request for url (${url}): Bearer ${TOKEN} refused, cookie ${cookie}`, {
        cause: new Error(`connect to ${url}#S3CR3T, https://a:S3CR3T@h.test/${signature}?S3CR3T failed`),
      });
    });
    const c = watched(failing, [hooks, jsonLogger((line) => lines.push(line))], {
      clock: stillClock(),
      retry: { attempts: 1 },
      headers: { cookie },
    });
    const [path = "", query] = place.split("?");
    await assertRejects(() => c.request("GET", path, { query: new URLSearchParams(query) }), "WINDMILL_API");
  }
  assertEquals([said.length, lines.length], [places.length * 2, places.length]);
  const whole = JSON.stringify(said) + lines.join("\n");
  for (const secret of [TOKEN, encodeURIComponent(TOKEN), "S3CR3T", signature, jwt, cookie, "Bearer s", "approver"]) {
    assert(!whole.includes(secret), `Found "${secret}" in ${whole}`);
  }
  assertIncludes(whole, "/jobs_u/resume/0190a0b2-0000-7000-8000-000000000001/7/***");
  assertIncludes(whole, "error sending request for url (http://stub.test/api/w/ws/");
});

test("observe: several lots of hooks are told in order, and one behind another still counts attempts", async () => {
  const clock = stillClock();
  const order: string[] = [];
  const say = (name: string): ObserveOptions => ({
    onRequest: ({ attempt, redirects }) => order.push(`${name} ${attempt}.${redirects}`),
    headers: () => ({ [`x-${name}`]: "1", "X-Both": name }),
  });
  const stub = script(
    () => text("later", 503),
    () => new Response(null, { status: 302, headers: { location: "/api/w/ws/variables/get_value/a" } }),
    () => json("v"),
  );
  const fetch = observe(say("a"), { fetch: observe(say("b"), say("c"), { fetch: stub.fetch }) });
  await clock.drive(client({ fetch }, { clock }).variables.get("a"));
  assertEquals(order, ["1.0", "2.0", "2.1"].flatMap((at) => ["a", "b", "c"].map((name) => `${name} ${at}`)));
  const { headers } = stub.seen[0] ?? {};
  // Further out goes first, as a call's own headers do.
  assertEquals(["a", "b", "c", "both"].map((name) => headers?.get(`x-${name}`)), ["1", "1", "1", "a"]);
});

test("observe: streams stay streams, up and down", async () => {
  const seen = told();
  const bodies: string[] = [];
  const c = watched(
    serve(async ({ init, target }) => {
      if (target.includes("download")) return new Response(new Blob(["abc"]).stream());
      bodies.push(await new Response(init.body as ReadableStream).text());
      return json({ file_key: "k" });
    }),
    [seen.hooks, { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }],
  );
  async function* source() {
    yield "one ";
    yield "two";
  }
  await c.s3.upload({ s3: "k" }, source());
  const content = await c.s3.download({ s3: "k" });
  assertEquals([bodies, await content.text()], [["one two"], "abc"]);
  assertEquals(seen.responses.map(({ route }) => route), [
    "/api/w/{workspace}/job_helpers/upload_s3_file",
    "/api/w/{workspace}/job_helpers/download_s3_file",
  ]);
});

// Lines

test("jsonLogger: one line for each request that ended, and one for each repetition", async () => {
  const clock = stillClock();
  const lines: string[] = [];
  const stub = script(() => text("later", 503), () => text("no", 404));
  const c = watched(stub, [jsonLogger((line) => lines.push(line))], { clock });
  await clock.drive(assertRejects(() => c.variables.get("a\u2028b"), "WINDMILL_API"));
  const read = lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const route = "/api/w/{workspace}/variables/get_value/{path}";
  const url = "http://stub.test/api/w/ws/variables/get_value/a%E2%80%A8b";
  const about = { method: "GET", url, route, workspace: "ws" };
  assertEquals(read.map(({ time: _t, durationMs: _d, waitedMs: _w, ...rest }) => rest), [
    { level: "error", event: "windmill.request", ...about, attempt: 1, status: 503 },
    { level: "warn", event: "windmill.retry", ...about, attempt: 2, status: 503 },
    { level: "warn", event: "windmill.request", ...about, attempt: 2, status: 404 },
  ]);
  for (const { time, durationMs, waitedMs } of read) {
    assertEquals(new Date(`${time}`).toISOString(), time);
    assert(typeof (durationMs ?? waitedMs) === "number");
  }
  assert(lines.every((line) => !/[\n\r]/.test(line)));
});

test("jsonLogger: what has failed is said, and what writes may throw", async () => {
  const lines: string[] = [];
  const stub = serve(() => {
    throw new TypeError("connection\nrefused");
  });
  const write = (line: string) => {
    lines.push(line);
    throw new Error("disk full");
  };
  const c = watched(stub, [jsonLogger(write)], { retry: { attempts: 1 } });
  await assertRejects(() => c.variables.get("a"), "WINDMILL_API");
  const { level, status, error } = JSON.parse(lines[0] ?? "");
  assertEquals([level, status, error, lines.length], ["error", 0, "TypeError: connection\nrefused", 1]);
});
