/** Tenants that must never see each other, requests that are given up, and a Windmill that is down, slow, or somebody else's. */
import { type ClientOptions, type Clock, createClient } from "@windkit/windmill-client";
import {
  approval,
  type Handler,
  observeHandler,
  runFlow,
  runScript,
  s3Proxy,
  streamJob,
  webhook,
} from "@windkit/windmill-client/handlers";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { giveUp } from "./_aborts_kit.ts";
import { serve, settle, stillClock } from "./_client_kit.ts";
import { countBodies, runTenants } from "./_tenants_kit.ts";
import { test } from "./harness.ts";

const TOKEN = "s3cr3t-t0ken";

// Tenants

test("tenants: two at full concurrency never see anything of each other, whatever fails or is given up", async () => {
  const report = await runTenants({ ms: 1_000, seed: 20_261 });
  assertEquals(report.crossed, []);
  assertEquals(report.openBodies, []);
  // It did go everywhere.
  for (const kind of ["start", "run", "updates", "result", "variable", "download", "upload", "elsewhere", "cancel"]) {
    assert((report.requests[kind] ?? 0) > 0, `Expected requests of kind ${kind}, found ${JSON.stringify(report)}`);
  }
});

test("tenants: a client that is shared by mistake is found", async () => {
  const { crossed } = await runTenants({ ms: 0, seed: 7, lanes: 16, planted: true });
  assert(crossed.length > 0, "Expected to see that a token crosses");
});

test("tenants: a delivery of one is no repetition of the other's, though their senders gave both the same id", async () => {
  const started: string[] = [], handled: string[] = [];
  const client = ({ headers }: Request): ClientOptions => {
    const [host, workspace = ""] = headers.get("x-tenant")?.split("/") ?? [];
    const fetch = (url: string) => {
      started.push(url.replace(/\/jobs.*/, ""));
      return Promise.resolve(new Response(new URL(url).searchParams.get("job_id"), { status: 201 }));
    };
    return { baseUrl: `https://${host}.test`, workspace, token: TOKEN, env: {}, fetch };
  };
  const common = { verify: () => true, id: () => "evt_1", client };
  const hooks = [
    webhook({ ...common, run: { script: "f/a/b" } }),
    webhook({ ...common, handle: (_, { request }) => void handled.push(request.headers.get("x-tenant") ?? "") }),
  ];
  const tenants = ["one/ws", "two/ws", "one/other"];
  for (const hook of hooks) {
    for (const tenant of [...tenants, ...tenants]) {
      const init = { method: "POST", headers: { "x-tenant": tenant }, body: "{}" };
      assertEquals((await hook(new Request("https://edge.test/", init))).status, 200);
    }
  }
  assertEquals(started, ["https://one.test/api/w/ws", "https://two.test/api/w/ws", "https://one.test/api/w/other"]);
  assertEquals(handled, tenants);
});

test("tenants: one whose token, workspace or address is not found does not get the deployment's own", async () => {
  const stub = serve(() => plain("1"));
  const known = { baseUrl: "http://stub.test", workspace: "ws", token: "token-of-ada" };
  for (const name of Object.keys(known)) {
    // What programs without exact types give: `{ token: tokens[tenant] }`.
    const client = () => ({ ...known, [name]: undefined, fetch: stub.fetch }) as unknown as ClientOptions;
    for (const handler of [runScript("f/a/b", { client }), streamJob({ client, run: { script: "f/a/b" } })]) {
      const response = await handler(new Request("https://edge.test/", { method: "POST" }), { env: BINDINGS });
      assertEquals([name, response.status], [name, 500]);
      assertIncludes(await response.text(), `'${name}'`);
    }
    // What all handlers of a deployment share is no exception.
    const shared = await runScript("f/a/b")(new Request("https://edge.test/"), { env: BINDINGS, client });
    assertEquals([name, shared.status], [name, 500]);
  }
  assertEquals(stub.seen, []);
  const own = runScript("f/a/b", { client: () => ({ fetch: stub.fetch }) });
  assertEquals((await own(new Request("https://edge.test/"), { env: BINDINGS })).status, 200);
});

// Requests that are given up

// The internal tests give up 10,000 of them.
const ABORTED = 2_000;

test("abort: thousands of requests that are given up leave no body, no request, no listener, no timer", async () => {
  const { asked, made, left } = await giveUp(ABORTED);
  assert(made > ABORTED * 0.3 && asked > ABORTED * 0.5, `Expected many requests, found ${asked} with ${made} bodies`);
  assertEquals(left, { bodies: [], pending: 0, listeners: 0, timers: 0, sources: 0 });
});

// A Windmill that is down, slow, somebody else's, or answers half

/** One way in which a Windmill misbehaves, and what a handler answers then. */
interface Misbehaviour {
  readonly name: string;
  readonly answer: (signal: AbortSignal) => Response | Promise<Response>;
  readonly status: number;
  readonly error: string;
}

function plain(body: string, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(body, { status, headers: { "content-type": "application/json", ...headers } });
}

/** Breaks off by itself: on a clock that stands still, time goes on when nothing else does. */
function brokenOff(first: string): Response {
  let begun = false;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (begun) controller.error(new TypeError("connection lost"));
      else controller.enqueue(new TextEncoder().encode(first));
      begun = true;
    },
  }, { highWaterMark: 0 });
  return new Response(body, { headers: { "content-type": "application/json" } });
}

const MISBEHAVIOURS: readonly Misbehaviour[] = [
  {
    name: "is down",
    answer: () => {
      throw new TypeError(`connect to http://stub.test with Bearer ${TOKEN} refused`);
    },
    status: 502,
    error: "WindmillApiError",
  },
  { name: "never answers", answer: () => new Promise<Response>(() => {}), status: 504, error: "DeadlineError" },
  {
    name: "falls silent in its answer",
    answer: (signal) => new Response(countBodies().make(['{"said":'], "silent", signal)),
    status: 504,
    error: "DeadlineError",
  },
  {
    name: "breaks off in its answer",
    answer: () => brokenOff('{"said":'),
    status: 502,
    error: "WindmillApiError",
  },
  { name: "says half of its JSON", answer: () => plain('{"said":'), status: 502, error: "WindmillApiError" },
  {
    name: "is busy, and says the token",
    answer: () => plain(`Bearer ${TOKEN} must wait`, 503),
    status: 502,
    error: "WindmillApiError",
  },
  {
    name: "is a page to sign in",
    answer: () => plain(`<html>${TOKEN}</html>`, 401, { "content-type": "text/html" }),
    status: 502,
    error: "WindmillApiError",
  },
  {
    name: "redirects to another host",
    answer: () => plain("", 307, { location: "https://elsewhere.test/api" }),
    status: 502,
    error: "WindmillApiError",
  },
];

for (const { name, answer, status, error } of MISBEHAVIOURS) {
  test(`handlers: a Windmill that ${name} is answered with ${status}, and nothing secret is said or sent`, async () => {
    const stub = serve((_, signal) => answer(signal));
    const clock = stillClock();
    const client = {
      baseUrl: "http://stub.test",
      workspace: "ws",
      token: TOKEN,
      env: {},
      clock,
      fetch: stub.fetch,
      timeoutMs: 900,
      random: () => 0,
    };
    const told: string[] = [];
    const onError = (thrown: unknown) => told.push(`${thrown}`);
    const handlers: Readonly<Record<string, Handler>> = {
      script: runScript("f/a/b", { client, onError, timeoutMs: 900 }),
      flow: runFlow("f/a/b", { client, onError, timeoutMs: 900, detached: true }),
      stream: streamJob({ client, onError, run: { script: "f/a/b" } }),
    };
    for (const [kind, handler] of Object.entries(handlers)) {
      const request = new Request("https://edge.test/?token=mine", { method: "POST" });
      const response = await clock.drive(handler(request));
      const text = await response.text();
      const found = JSON.parse(text) as { readonly error: { readonly name: string; readonly message: string } };
      assertEquals([kind, response.status, found.error.name], [kind, status, error]);
      assertEquals(Object.keys(found), ["error"]);
      for (const secret of [TOKEN, "stub.test", "\\n    at ", ".ts:"]) {
        assert(!text.includes(secret), `Found ${secret} in ${text}`);
      }
      assertEquals(response.headers.get("cache-control"), "no-store");
    }
    // Reads follow a redirect, and take nothing along.
    for (const { url, headers, body } of stub.seen.filter(({ url }) => !url.startsWith("http://stub.test/"))) {
      assertEquals([url, [...headers], body], ["https://elsewhere.test/api", [], ""]);
    }
    assertEquals(told.length, 3);
    assert(!told.join().includes(TOKEN), told.join());
    // Whoever was asked to cancel the job may take as long as that.
    await clock.pass(5_000);
    assertEquals(clock.timers(), 0);
  });
}

/** Handlers that pass on what Windmill says as it comes, or in words of their own. */
function passing(client: ClientOptions, clock: Clock): Readonly<Record<string, () => Promise<Response>>> {
  const link = `https://edge.test/approve?job=0190a0b2-0000-7000-8000-000000000001&resume_id=7&signature=${
    "5f".repeat(32)
  }`;
  const proxy = s3Proxy({ client, basePath: "/files", storage: "", authorize: () => true, timeoutMs: 900 });
  const hook = webhook({ client, verify: () => true, run: { script: "f/a/b" }, clock });
  const page = approval({ client });
  return {
    "s3Proxy, let in": () => proxy(new Request("https://edge.test/files/a/b.txt")),
    "s3Proxy, signed": () => proxy(new Request("https://edge.test/files/a/b.txt?exp=4102444800&sig=ab12")),
    webhook: () => hook(new Request("https://edge.test/", { method: "POST", body: "{}" })),
    approval: () => page(new Request(link, { headers: { accept: "application/json" } })),
  };
}

for (const { name, answer, status } of MISBEHAVIOURS) {
  test(`handlers: of a Windmill that ${name}, objects, webhooks and approvals say nothing secret either`, async () => {
    const stub = serve((_, signal) => answer(signal));
    const clock = stillClock();
    const more = { clock, timeoutMs: 900, random: () => 0, env: {} };
    const client = { baseUrl: "http://stub.test", workspace: "ws", token: TOKEN, fetch: stub.fetch, ...more };
    for (const [kind, ask] of Object.entries(passing(client, clock))) {
      const response = await clock.drive(ask());
      const said = await clock.drive(response.text().catch((error: Error) => `broke off: ${error.name}`));
      // An object is passed on as it comes, and breaks when it does. Who may not see it is asked of Windmill by its signature.
      const passed = kind.startsWith("s3Proxy") && response.status === 200 && /^broke off|^\{"said":$/.test(said);
      const refused = /signed|approval/.test(kind) && /40[13]/.test(`${response.status}`);
      assert(passed || refused || response.status === status, `${kind}: found ${response.status} ${said}`);
      const shown = `${response.status} ${said} ${JSON.stringify([...response.headers])}`;
      for (const secret of [TOKEN, "stub.test", "\n    at ", ".ts:"]) {
        assert(!shown.includes(secret), `${kind}: ${shown}`);
      }
    }
    for (const { url, headers, body } of stub.seen.filter(({ url }) => !url.startsWith("http://stub.test/"))) {
      assertEquals([url, [...headers], body], ["https://elsewhere.test/api", [], ""]);
    }
    await clock.pass(5_000);
    assertEquals(clock.timers(), 0);
  });
}

test("handlers: a read that is redirected to another host takes nothing secret along", async () => {
  const stub = serve(({ url }) =>
    url.startsWith("http://stub.test")
      ? plain("", 302, { location: "https://elsewhere.test/stolen" })
      : plain('{"completed":true,"success":true,"result":{"from":"elsewhere"}}')
  );
  const client = { baseUrl: "http://stub.test", workspace: "ws", token: TOKEN, env: {}, fetch: stub.fetch };
  await createClient(client).jobs.resultMaybe("0190a0b2-0000-7000-8000-000000000001").catch(() => {});
  const [, there] = stub.seen;
  assertEquals([there?.url, [...there?.headers ?? []]], ["https://elsewhere.test/stolen", []]);
});

// Bindings

const BINDINGS = { WM_BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: TOKEN };

test("bindings: one that is missing, empty, or no text is named at the first request, and nothing is sent", async () => {
  const stub = serve(() => plain("1"));
  const client = { fetch: stub.fetch };
  const handlers: Readonly<Record<string, Handler>> = {
    script: runScript("f/a/b", { client }),
    flow: runFlow("f/a/b", { client, detached: true }),
    stream: streamJob({ client, run: { script: "f/a/b" } }),
    follow: observeHandler(
      streamJob({ client, authorize: () => true, jobId: () => "0190a0b2-0000-7000-8000-000000000001" }),
    ),
  };
  for (const [kind, handler] of Object.entries(handlers)) {
    for (const name of Object.keys(BINDINGS)) {
      for (const value of [undefined, "", null, 7, {}]) {
        const request = new Request("https://edge.test/", { method: kind === "follow" ? "GET" : "POST" });
        const response = await handler(request, { env: { ...BINDINGS, [name]: value } });
        const text = await response.text();
        assertEquals([kind, name, value, response.status], [kind, name, value, 500]);
        assertIncludes(text, name);
        assert(!text.includes(TOKEN), text);
      }
    }
    const response = await handler(new Request("https://edge.test/"), { env: {} });
    assertEquals([response.status, JSON.parse(await response.text()).error.name], [500, "ConfigurationError"]);
  }
  assertEquals(stub.seen, []);
});

test("bindings: what is no token or no address is named, and not shown", async () => {
  const stub = serve(() => plain("1"));
  const handler = runScript("f/a/b", { client: { fetch: stub.fetch } });
  const wrong = [
    ["WM_BASE_URL", "ftp://user:s3cr3t@stub.test"],
    ["WM_BASE_URL", "https://user:s3cr3t@stub.test"],
    ["WM_TOKEN", "s3cr3t with spaces"],
    ["WM_TOKEN", "s3cr3t\r\nx-more: 1"],
  ] as const;
  for (const [name, value] of wrong) {
    const response = await handler(new Request("https://edge.test/"), { env: { ...BINDINGS, [name]: value } });
    const text = await response.text();
    assertEquals(response.status, 500);
    assertIncludes(text, name);
    assert(!text.includes("s3cr3t"), text);
  }
  assertEquals(stub.seen, []);
});

// Bodies

test("handlers: a body over the limit is answered with 413, is not read further, and starts nothing", async () => {
  const stub = serve(() => plain("1"));
  const client = { ...BINDINGS, fetch: stub.fetch };
  const options = { client: { fetch: client.fetch }, maxBodyBytes: 1_000 };
  let read = 0, cancelled = 0;
  function endless(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull(controller) {
        read++;
        controller.enqueue(new Uint8Array(500).fill(32));
      },
      cancel: () => void cancelled++,
    }, { highWaterMark: 0 });
  }
  const handlers = [
    runScript("f/a/b", options),
    runFlow("f/a/b", { ...options, detached: true }),
    streamJob({ ...options, run: { script: "f/a/b" } }),
  ];
  for (const handler of handlers) {
    read = cancelled = 0;
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: endless(), duplex: "half" };
    const response = await handler(new Request("https://edge.test/", init), { env: BINDINGS });
    assertEquals([response.status, JSON.parse(await response.text()).error.name], [413, "PayloadTooLargeError"]);
    await settle();
    assert(read < 8, `Expected that reading stops, found ${read} pieces`);
    assertEquals(cancelled, 1);
  }
  assertEquals(stub.seen, []);
});
