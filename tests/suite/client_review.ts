/**
 * What a hostile server, or a mistake of the caller, could do beyond one answer: calls that must not be repeated, pages and ids
 * that are not what they seem, redirects out of the web, cancellations that nobody asked for.
 *
 * @module
 */
import { type ClientOptions, createClient } from "@windkit/windmill-client";
import { createApi } from "@windkit/windmill-client/api";
import { JobService, OpenAPI, setClient } from "@windkit/windmill-client/compat";
import { mockWindmill } from "@windkit/windmill-client/testing";
import { client, json, options, serve, settle, stillClock, text } from "./_client_kit.ts";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

const id = "00000000-0000-0000-0000-00000000c0de";

/** A call that no type allows: programs without types make it. */
function untyped(value: unknown): never {
  // `as`: that is what it is for.
  return value as never;
}

test("repetition: a GET that starts a job, posts a message or decides an approval is made once", async () => {
  const ways: ((o: ClientOptions) => Promise<unknown>)[] = [
    (o) => createApi(o).GET("/w/{workspace}/jobs/run_wait_result/p/{path}", { params: { path: { path: "f/a" } } }),
    (o) => createApi(o).raw.GET("/w/{workspace}/jobs/run_and_stream/p/{path}", { params: { path: { path: "f/a" } } }),
    (o) => createApi(o).GET("/w/{workspace}/jobs/slack_approval/{id}", untyped({ params: { path: { id } } })),
    (o) => createApi(o).GET("/users/refresh_token", {}),
    (o) => createClient(o).get("w/ws/jobs/run_wait_result/p/f/a"),
    (o) => createClient(o).request("GET", `w/{workspace}/jobs_u/resume/${id}/1/abc`),
    (o) => createClient(o).request("GET", `w/ws/jobs/teams_approval/${id}`),
  ];
  for (const way of ways) {
    const clock = stillClock();
    const stub = serve(() => text("Bad gateway", 502));
    const error = clock.drive(way(options(stub, { clock })).then(() => "answered", (error) => error));
    assertEquals((await error as { status?: number }).status, 502);
    assertEquals(stub.seen.map(({ target }) => target).length, 1, `${stub.seen[0]?.target} was repeated`);
  }
  // Whoever says that it may be repeated has it repeated.
  const clock = stillClock();
  const stub = serve(() => stub.seen.length === 1 ? text("Bad gateway", 502) : json(1));
  await clock.drive(client(stub, { clock }).get("w/ws/jobs/run_wait_result/p/f/a", { idempotent: true }));
  assertEquals(stub.seen.length, 2);
});

test("repetition: an official service that starts a job with GET starts one", async () => {
  const mock = mockWindmill({ jobs: { "f/a": () => 1 } });
  using _ = mock.install();
  mock.fail({ status: 502 });
  await assertRejects(() => JobService.runWaitResultScriptByPathGet({ workspace: "mock", path: "f/a" }));
  assertEquals(mock.requests.length, 1);
  mock.close();
});

test("repetition: a stream that was sent is not sent again", async () => {
  const clock = stillClock();
  const stub = serve(() => text("Bad gateway", 502));
  const body = new ReadableStream({ start: (control) => control.close() });
  const put = createApi(options(stub, { clock })).PUT(untyped("/w/{workspace}/upload_x"), untyped({ body }));
  await clock.drive(assertRejects(() => put, "WINDMILL_API", "502"));
  assertEquals(stub.seen.length, 1);
});

test("resources.listAll() is an error with a server that gives the same page again and again", async () => {
  const page = [{ path: "a", resource_type: "t" }, { path: "b", resource_type: "t" }];
  const stub = serve(() => json(page));
  const found: string[] = [];
  await assertRejects(
    async () => {
      for await (const { path } of client(stub).resources.listAll({ perPage: 2 })) {
        if (found.push(path) > 100) return;
      }
    },
    undefined,
    "Page 2",
  );
  assertEquals(found, ["a", "b"]);
});

test("jobs.cancelMany() takes no text for several ids", async () => {
  const stub = serve(() => json([]));
  await assertRejects(() => client(stub).jobs.cancelMany(id), undefined, "'jobIds'");
  assertEquals(stub.seen.length, 0);
});

test("jobs.cancelRunning() tells what became of a job whose id is a name that objects have", async () => {
  const env = { WM_JOB_ID: id, WM_JOB_PATH: "f/a" };
  const stub = serve(({ method }) => method === "GET" ? json([{ id: "__proto__" }, { id: "toString" }]) : text("done"));
  const outcomes = await client(stub, { env }).jobs.cancelRunning();
  assertEquals(Object.entries(outcomes).sort(), [["__proto__", { message: "done" }], ["toString", {
    message: "done",
  }]]);
  assertEquals(Object.getPrototypeOf(outcomes), Object.prototype);
});

test("jobs: what is no target and no version is refused before any request", async () => {
  const stub = serve(() => text(id, 201));
  const { jobs } = client(stub);
  for (const bad of [undefined, null, NaN, -1, 1.5, "", "latest", {}, 1e21]) {
    await assertRejects(() => jobs.startFlowVersion(untyped(bad)));
    await assertRejects(() => jobs.runFlowVersion(untyped(bad)));
    await assertRejects(() => jobs.runInOneRequest({ flowVersion: untyped(bad) }));
    await assertRejects(() => jobs.stream({ flowVersion: untyped(bad) }).next());
  }
  for (const bad of [undefined, null, 7, {}, { hash: 7 }, { flow: undefined }]) {
    // Not even a function that gives a promise throws.
    const promise = jobs.runInOneRequest(untyped(bad));
    await assertRejects(() => promise);
    await assertRejects(() => jobs.stream(untyped(bad)).next());
  }
  assertEquals(stub.seen.length, 0);
});

test("jobs.start() refuses an empty id, before any request: the server would take it for none", async () => {
  const stub = serve(() => text("duplicate key", 500));
  for (const jobId of ["", "..", "\ud800"]) {
    const error = await assertRejects(() => client(stub).jobs.start("f/a", {}, { jobId }), undefined, "job id");
    assert(error instanceof RangeError);
  }
  assertEquals(stub.seen.length, 0);
});

test("jobs.run() with an id and a signal that was aborted before sends nothing: no start, no cancellation", async () => {
  const stub = serve(() => text(id, 201));
  const signal = AbortSignal.abort(new Error("not any more"));
  await assertRejects(() => client(stub).jobs.run("f/a", {}, { jobId: id, signal }), undefined, "not any more");
  assertEquals(stub.seen.length, 0);
});

test("redirects lead to addresses of the web only", async () => {
  for (const location of ["file:///etc/passwd", 'data:application/json,"x"', "blob:http://stub.test/x"]) {
    const stub = serve(() => new Response(null, { status: 302, headers: { location } }));
    await assertRejects(() => client(stub).variables.get("a"), "WINDMILL_API", "302");
    assertEquals(stub.seen.length, 1, location);
  }
});

test("get(), post() and request() refuse what is no endpoint and no method, with a rejection", async () => {
  const stub = serve(() => json(1));
  const c = client(stub);
  for (const bad of [undefined, null, 7, {}]) {
    for (
      const call of [
        () => c.get(untyped(bad)),
        () => c.post(untyped(bad)),
        () => c.request(untyped(bad), "version"),
      ]
    ) {
      const error = await assertRejects(call);
      assert(error instanceof TypeError && /'(endpoint|method)'/.test(error.message), `${error}`);
    }
  }
  assertEquals(stub.seen.length, 0);
});

test("OpenAPI: only what says something of cookies changes them; a name and a password may have any letters", async () => {
  const seen: RequestInit[] = [];
  const before = globalThis.fetch;
  globalThis.fetch = ((_: string, init: RequestInit) => {
    seen.push(init);
    return Promise.resolve(json("v"));
  }) as typeof fetch;
  try {
    setClient("tok", "http://stub.test", "ws");
    Object.assign(OpenAPI, { USERNAME: "jürgen", PASSWORD: "pässword€" });
    await JobService.getJob({ workspace: "ws", id });
    const sent = new Headers(seen[0]?.headers).get("authorization")?.replace("Basic ", "") ?? "";
    const bytes = Uint8Array.from(atob(sent), (char) => char.charCodeAt(0));
    assertEquals(new TextDecoder().decode(bytes), "jürgen:pässword€");
  } finally {
    Object.assign(OpenAPI, { USERNAME: undefined, PASSWORD: undefined });
    globalThis.fetch = before;
    setClient();
  }
});

test("mockWindmill(): references take variables of the environment only, and a pattern finds what it found before", async () => {
  const mock = mockWindmill({ resources: { "f/a": { x: "$constructor", y: "$WM_WORKSPACE" } } });
  const c = createClient(mock.options);
  assertEquals(await c.resources.get("f/a", { jobId: id }), { x: "$constructor", y: "mock" });
  mock.fail({ path: /resources/g, times: 2, status: 418 });
  for (let time = 0; time < 2; time++) await assertRejects(() => c.resources.get("f/a"), "WINDMILL_API", "418");
  mock.close();
});

test("clients share nothing: two tenants at the same time each reach their own server as themselves", async () => {
  const clock = stillClock();
  const tenants = ["one", "two"].map((name) => {
    const stub = serve((request) =>
      request.headers.get("authorization") === `Bearer token-${name}` && request.target.startsWith(`/api/w/${name}/`)
        ? json(name)
        : text("somebody else's", 403)
    );
    const own = { baseUrl: `http://${name}.test`, workspace: name, token: `token-${name}`, env: {}, clock };
    return { name, stub, client: createClient({ ...own, fetch: stub.fetch }) };
  });
  const got = await clock.drive(Promise.all(
    Array.from({ length: 20 }, (_, at) => tenants[at % 2]?.client.variables.get(`f/${at}`)),
  ));
  assertEquals(got, Array.from({ length: 20 }, (_, at) => tenants[at % 2]?.name));
  for (const { name, stub } of tenants) {
    assertEquals(stub.seen.length, 10);
    assert(stub.seen.every(({ url }) => url.startsWith(`http://${name}.test/`)));
  }
  await settle();
  assertEquals(clock.timers(), 0);
});

test("setClient() while calls are on their way: those that began go on as who they were, with their repetitions", async () => {
  const seen: string[] = [];
  const before = globalThis.fetch;
  let release = (): void => {};
  const gate = new Promise<void>((resolve) => release = resolve);
  globalThis.fetch = (async (url: string, init: RequestInit) => {
    seen.push(`${new URL(url).host} ${new Headers(init.headers).get("authorization")}`);
    if (seen.length > 1) return json(id);
    await gate;
    return text("later", 503, { "retry-after": "0" });
  }) as typeof fetch;
  try {
    setClient("a", "http://a.test", "wa");
    const first = JobService.getRootJobId({ workspace: "wa", id });
    await settle();
    setClient("b", "http://b.test", "wb");
    release();
    assertEquals(await first, id);
    assertEquals(seen, ["a.test Bearer a", "a.test Bearer a"]);
  } finally {
    globalThis.fetch = before;
    setClient();
  }
});
