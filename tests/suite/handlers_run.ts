/** Handlers that run a script or a flow: what becomes of a request, of a result, and of what goes wrong. */
import { runFlow, type RunHandlerOptions, runScript } from "@windkit/windmill-client/handlers";
import type { StandardSchema } from "@windkit/windmill-client/client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { json, refuses, type Seen, serve, settle, stillClock, type Stub, targets, text } from "./_client_kit.ts";
import { ask, assertError, contextOf, countBodies, jsonRequest, windmill } from "./_handlers_kit.ts";
import { test } from "./harness.ts";

const uuid = /[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/;

function script(stub: Pick<Stub, "fetch">, more: RunHandlerOptions = {}) {
  return runScript("f/team/job", { client: { fetch: stub.fetch }, ...more });
}

/** A Windmill whose jobs give back their arguments. */
function echo(): Stub {
  return windmill(({ body }) => json(JSON.parse(body)));
}

/** What the job of a request got. */
async function argumentsOf(request: Request, more: RunHandlerOptions = {}, params = {}): Promise<unknown> {
  const response = await ask(script(echo(), more), request, { params });
  const found = await response.json();
  assertEquals(response.status, 200, JSON.stringify(found));
  return found;
}

test("handlers run: one request runs the script, under an id from here, and its answer is the answer", async () => {
  const stub = echo();
  const response = await ask(script(stub), jsonRequest({ n: 1 }));
  assertEquals([response.status, response.headers.get("content-type")], [200, "application/json"]);
  assertEquals(await response.json(), { n: 1 });
  assertEquals(targets(stub).map((target) => target.replace(uuid, "ID")), [
    "POST jobs/run_wait_result/p/f/team/job?job_id=ID",
  ]);
  assertEquals(stub.seen[0]?.headers.get("authorization"), "Bearer s3cr3t-tok");
});

test("handlers run: runFlow runs a flow; settings of the start are in its query", async () => {
  const stub = echo();
  const handler = runFlow("f/team/a flow", {
    client: { fetch: stub.fetch },
    start: { tag: "gpu", cacheTtlSeconds: 5, skipPreprocessor: true },
  });
  assertEquals((await ask(handler, new Request("https://edge.test/"))).status, 200);
  assertEquals(targets(stub).map((target) => target.replace(uuid, "ID")), [
    "POST jobs/run_wait_result/f/f/team/a%20flow?tag=gpu&job_id=ID&skip_preprocessor=true&cache_ttl=5",
  ]);
});

test("handlers run: a placeholder of the route goes before the body, and that before the query", async () => {
  const request = () => jsonRequest({ b: "body", c: "body" }, "/?a=query&b=query&c=query&d=1&d=2&d=3");
  const params = { c: "route" };
  assertEquals(await argumentsOf(request(), {}, params), { a: "query", b: "body", c: "route", d: ["1", "2", "3"] });
  const left = { b: undefined, e: undefined };
  assertEquals(
    await argumentsOf(jsonRequest({ b: "body" }), {}, left),
    { b: "body" },
    "A placeholder that is not there",
  );
  assertEquals(await argumentsOf(request(), { from: ["body"] }, params), { b: "body", c: "body" });
  assertEquals(await argumentsOf(request(), { from: ["params", "query"] }, params), {
    a: "query",
    b: "query",
    c: "route",
    d: ["1", "2", "3"],
  });
});

test("handlers run: a name that objects have already is a name as any other", async () => {
  const found = await argumentsOf(
    new Request("https://edge.test/?__proto__=x&constructor=y", {
      method: "POST",
      headers: { "content-type": "application/json; charset=utf-8" },
      body: '{"toString":1}',
    }),
  );
  assertEquals(Object.entries(found as object), [["__proto__", "x"], ["constructor", "y"], ["toString", 1]]);
});

test("handlers run: forms are read, of either kind; a file is refused by its name", async () => {
  const fields = new URLSearchParams([["a", "1"], ["b", "x y"], ["a", "2"]]);
  assertEquals(await argumentsOf(new Request("https://edge.test/", { method: "POST", body: fields })), {
    a: ["1", "2"],
    b: "x y",
  });
  const form = new FormData();
  form.append("a", "1");
  form.append("b", "ä\r\n");
  assertEquals(await argumentsOf(new Request("https://edge.test/", { method: "PUT", body: form })), {
    a: "1",
    b: "ä\r\n",
  });
  form.append("doc", new Blob(["x"]), "x.txt");
  const stub = echo();
  const refused = await ask(script(stub), new Request("https://edge.test/", { method: "POST", body: form }));
  await assertError(refused, 400, "InputError", '"doc" is a file');
  assertEquals(stub.seen.length, 0);
});

test("handlers run: a body that cannot be read is refused before anything is started", async () => {
  const stub = echo();
  const handler = script(stub);
  const post = (body: BodyInit, type: string, more = {}) =>
    ask(
      handler,
      new Request("https://edge.test/", { method: "POST", body, headers: { "content-type": type, ...more } }),
    );
  await assertError(await post('{"a":', "application/json"), 400, "InputError", "no JSON in UTF-8");
  await assertError(await post("[1]", "application/json"), 400, "InputError", "found an array");
  await assertError(await post("null", "application/vnd.x+json"), 400, "InputError", "by name");
  await assertError(
    await post(new Uint8Array([123, 34, 255, 34, 125]), "application/json"),
    400,
    "InputError",
    "UTF-8",
  );
  await assertError(await post("no parts", "multipart/form-data; boundary=x"), 400, "InputError", "form");
  await assertError(await post("{}", "text/plain"), 415, "UnsupportedMediaTypeError", "application/json");
  await assertError(await post("{}", "application/jsonx"), 415, "UnsupportedMediaTypeError");
  await assertError(
    await post("{}", "application/json", { "content-encoding": "gzip" }),
    415,
    "UnsupportedMediaTypeError",
    "not compressed",
  );
  const cut = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"a"')),
    pull: (controller) => controller.error(new Error("gone")),
  });
  await assertError(
    await ask(
      handler,
      new Request("https://edge.test/", {
        method: "POST",
        body: cut,
        headers: { "content-type": "application/json" },
        duplex: "half",
      } as RequestInit),
    ),
    400,
    "InputError",
    "ended too early",
  );
  assertEquals(stub.seen.length, 0);
});

test("handlers run: arguments that are nested deeper than 1,000 are refused", async () => {
  const ask = async (inner: string) => {
    const headers = { "content-type": "application/json" };
    const request = new Request("https://edge.test/", { method: "POST", body: `{"a":${inner}}`, headers });
    return await script(windmill(({ body }) => json(body.length)))(request, contextOf());
  };
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  for (const inner of [nested(999), `[${`${nested(500)},`.repeat(10)}0]`, JSON.stringify('"[\\"'.repeat(2000))]) {
    assertEquals((await ask(inner)).status, 200);
  }
  for (const inner of [nested(1000), nested(400_000), `["\\\\",${nested(999)}]`, '[{"a":'.repeat(1000)]) {
    await assertError(await ask(inner), 400, "InputError", "too deep");
  }
});

test("handlers run: a body over the limit is refused, unread when it says so itself, given up when it does not", async () => {
  const stub = echo();
  const handler = script(stub, { maxBodyBytes: 1000 });
  const exact = JSON.stringify({ a: "x".repeat(992) });
  assertEquals(exact.length, 1000);
  assertEquals((await ask(handler, jsonRequest({ a: "x".repeat(992) }))).status, 200);
  await assertError(await ask(handler, jsonRequest({ a: "x".repeat(993) })), 413, "PayloadTooLargeError", "1000 bytes");
  let pulled = 0, cancelled = false;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(300).fill(32));
      },
      cancel() {
        cancelled = true;
      },
    }, { highWaterMark: 0 });
  const request = (headers: Record<string, string>) =>
    new Request("https://edge.test/", {
      method: "POST",
      body: endless(),
      headers: { "content-type": "application/json", ...headers },
      duplex: "half",
    } as RequestInit);
  await assertError(await ask(handler, request({})), 413, "PayloadTooLargeError");
  await settle();
  assert(pulled >= 4 && pulled <= 6, `${pulled} pieces were read`);
  assert(cancelled, "The body was not given up");
  assertEquals(stub.seen.length, 1);
});

/** A schema of `{ n: number }` that makes a number of a text. */
const numbers: StandardSchema<{ n: number }> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const n = Number((value as { n?: unknown }).n);
      return Number.isNaN(n)
        ? { issues: [{ message: "Expected a number", path: ["n", { key: 0 }] }] }
        : { value: { n } };
    },
  },
};

test("handlers run: a schema checks all arguments, and makes them what they stand for; `args` has the last word", async () => {
  const get = (query: string) => new Request(`https://edge.test/${query}`);
  assertEquals(await argumentsOf(get("?n=7&more=x"), { input: numbers }), { n: 7 });
  assertEquals(
    await argumentsOf(get("?n=7"), {
      input: numbers,
      args: (input, request, { params }) => ({
        ...(input as { n: number }),
        path: new URL(request.url).pathname,
        params,
      }),
    }, { id: "3" }),
    { n: 7, path: "/", params: { id: "3" } },
  );
  const stub = echo();
  const refused = await ask(script(stub, { input: numbers }), get("?n=x"));
  const { issues } = await assertError(refused, 400, "ValidationError", "schema");
  assertEquals(issues, [{ message: "Expected a number", path: ["n", "0"] }]);
  const told: unknown[] = [];
  const odd = script(stub, { args: () => [] as never, onError: (error) => told.push(error) });
  await assertError(await ask(odd, get("")), 500, "InternalError");
  assertIncludes(`${told[0]}`, "Expected arguments by name");
  assertEquals(stub.seen.length, 0);
});

test("handlers run: no request has Windmill fill in a secret, unless that is wanted", async () => {
  const bad = [
    { name: "$var:f/team/key" },
    { name: "$jsonvar:f/team/key" },
    { name: "$res:f/team/db" },
    { name: "$encrypted:abc" },
    { name: "$WM_TOKEN" },
    { a: { b: [1, "$var:f/team/key"] } },
    { a: ["$var:f/team/key"] },
    { a: "\\", b: "$var:f/team/key" },
  ];
  const stub = echo();
  for (const fields of bad) {
    await assertError(await ask(script(stub), jsonRequest(fields)), 400, "InputError", "refers to");
    assertEquals(await argumentsOf(jsonRequest(fields), { references: true }), fields);
  }
  for (const path of ["/?name=$var:f/team/key", "/?name=%24WM_TOKEN"]) {
    await assertError(await ask(script(stub), new Request(`https://edge.test${path}`)), 400, "InputError");
  }
  const params = { name: "$var:f/team/key" };
  await assertError(await ask(script(stub), jsonRequest({}), { params }), 400, "InputError");
  // What stands before it may be taken away by the schema.
  const input: StandardSchema = {
    "~standard": { version: 1, vendor: "own", validate: () => ({ value: { name: "$var:f/team/key" } }) },
  };
  await assertError(await ask(script(stub, { input }), jsonRequest({ name: " $var:f/team/key" })), 400, "InputError");
  assertEquals(stub.seen.length, 0);
  const good = {
    a: "$5",
    b: 'it is "$var:x"',
    c: " $var:x",
    d: 'a:"$WM_TOKEN',
    e: "US$WM_",
    f: "$variable",
    g: [',"$res:x'],
  };
  assertEquals(await argumentsOf(jsonRequest(good)), good);
  const large: StandardSchema = { "~standard": { version: 1, vendor: "own", validate: () => ({ value: { n: 7n } }) } };
  const text = await argumentsOf(jsonRequest({}), { input: large, args: (value) => ({ n: `${Object(value).n}` }) });
  assertEquals(text, { n: "7" });
  const own = await argumentsOf(jsonRequest({ a: 1 }), { args: () => ({ db: "$res:f/team/db" }) });
  assertEquals(own, { db: "$res:f/team/db" });
});

test("handlers run: status, type, headers and text are what the job asked for; those of servers on the way are left out", async () => {
  const stub = windmill(() =>
    new Response("<p>hi", {
      status: 201,
      headers: [
        ["content-type", "text/html"],
        ["x-own", "1"],
        ["set-cookie", "a=1"],
        ["set-cookie", "b=2"],
        ["cache-control", "max-age=5"],
        ["content-encoding", "identity"],
        ["server", "proxy"],
        ["access-control-allow-origin", "*"],
        ["content-security-policy", "sandbox"],
      ],
    })
  );
  const response = await ask(script(stub), jsonRequest({}));
  assertEquals([response.status, await response.text()], [201, "<p>hi"]);
  assertEquals([...response.headers].filter(([name]) => name !== "set-cookie"), [
    ["cache-control", "max-age=5"],
    ["content-security-policy", "sandbox"],
    ["content-type", "text/html"],
    ["x-content-type-options", "nosniff"],
    ["x-own", "1"],
  ]);
  assertIncludes(response.headers.get("set-cookie") ?? "", "a=1");
  assertIncludes(response.headers.get("set-cookie") ?? "", "b=2");
  const some = await ask(script(stub, { passHeader: (name) => name !== "set-cookie" }), jsonRequest({}));
  assertEquals([some.headers.get("set-cookie"), some.headers.get("x-own")], [null, "1"]);
});

test("handlers run: a redirect that a job answers with is the browser's to follow, and takes the token nowhere", async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    for (
      const location of ["/api/users/tokens/create", "http://stub.test/api/users/tokens/create", "https://shop.test/"]
    ) {
      const to = { windmill_status_code: status, windmill_headers: { location } };
      const stub = ended(new Response(null, { status, headers: { location } }), to);
      const response = await ask(script(stub), jsonRequest({ next: location }));
      assertEquals([response.status, response.headers.get("location")], [status, location]);
      assertEquals(targets(stub).map((target) => target.replace(uuid, "")), [
        "POST jobs/run_wait_result/p/f/team/job?job_id=",
        "GET jobs_u/completed/get_result_maybe/",
      ]);
    }
  }
  const stub = windmill(() => new Response(null, { status: 308, headers: { location: "/windmill/api" } }));
  await assertError(await ask(script(stub), jsonRequest({})), 502, "WindmillApiError", "a redirect");
});

test("handlers run: no result says where its answer ends, or which other sites may read it", async () => {
  const wm_headers = {
    "Content-Length": "2",
    "transfer-encoding": "gzip",
    "Connection": "close",
    "access-control-allow-origin": "*",
    "strict-transport-security": "max-age=0",
    "x-own": "1",
  };
  const result = { wm_headers, wm_status_code: 404, result: "HTTP/1.1 200 OK" };
  const response = await ask(script(ended(text("", 404), result)), jsonRequest({}));
  assertEquals([response.status, await response.json()], [404, "HTTP/1.1 200 OK"]);
  assertEquals([...response.headers], [
    ["content-security-policy", "sandbox"],
    ["content-type", "application/json"],
    ["x-content-type-options", "nosniff"],
    ["x-own", "1"],
  ]);
});

test("handlers run: `passHeader` takes nothing from what keeps a script's page in its box", async () => {
  for (const type of ["text/html", "image/svg+xml", "application/json; charset=utf-8", "application/json"]) {
    const stub = windmill(() => new Response('"<p>"', { headers: { "content-type": type, "x-own": "1" } }));
    const { headers } = await ask(script(stub, { passHeader: (name) => name === "x-own" }), jsonRequest({}));
    const guarded = type === "application/json" ? [] : ["sandbox", "nosniff"];
    assertEquals([headers.get("content-type"), headers.get("x-own")], [type, "1"]);
    assertEquals(
      [headers.get("content-security-policy"), headers.get("x-content-type-options")].filter((one) => one !== null),
      guarded,
    );
  }
});

test("handlers run: an answer without a body stays one", async () => {
  const stub = windmill(() => new Response(null, { status: 204, headers: { "x-own": "1" } }));
  const response = await ask(script(stub), jsonRequest({}));
  assertEquals([response.status, response.body, response.headers.get("x-own")], [204, null, "1"]);
});

test("handlers run: a job that failed is answered as Windmill does, without its stack and without the token", async () => {
  const error = { name: "Error", message: "refused s3cr3t-tok", stack: "at file:///tmp/x.ts", extra: { code: 7 } };
  const stub = windmill(() => json({ error }, 422));
  const response = await ask(script(stub), jsonRequest({}));
  assertEquals([response.status, response.headers.get("content-type")], [422, "application/json"]);
  assertEquals(await response.json(), { error: { name: "Error", message: "refused ***", extra: { code: 7 } } });
  const shown = await ask(script(stub, { showStack: true }), jsonRequest({}));
  assertEquals(await shown.json(), { error: { ...error, message: "refused ***" } });
  assertEquals(stub.seen.length, 2);
});

/** A Windmill whose job ended with that status, and has that result. */
function ended(answer: Response, result: unknown, success = true): Stub {
  return windmill(
    () => answer.clone(),
    ({ target }) =>
      target.includes("/get_result_maybe/") ? json({ completed: true, success, started: true, result }) : undefined,
  );
}

test("handlers run: any other status is the job's when the job ended, and Windmill's when it did not", async () => {
  const result = {
    wm_status_code: 404,
    windmill_content_type: "text/plain",
    windmill_headers: { "x-own": "1", "x-list": [1] },
    result: "No such order",
  };
  const own = ended(text("No such order", 404), result);
  const response = await ask(script(own), jsonRequest({}));
  assertEquals([response.status, await response.text()], [404, "No such order"]);
  assertEquals([...response.headers], [
    ["content-security-policy", "sandbox"],
    ["content-type", "text/plain"],
    ["x-content-type-options", "nosniff"],
    ["x-list", "[1]"],
    ["x-own", "1"],
  ]);
  const id = uuid.exec(own.seen[0]?.target ?? "")?.[0];
  assertEquals(targets(own)[1], `GET jobs_u/completed/get_result_maybe/${id}`);

  const to = { windmill_status_code: 303, windmill_headers: { location: "https://shop.test/done" } };
  const moved = ended(new Response(null, { status: 303, headers: { location: "https://shop.test/done" } }), to);
  const redirect = await ask(script(moved), jsonRequest({}));
  assertEquals([redirect.status, redirect.headers.get("location")], [303, "https://shop.test/done"]);

  const long = { error: { name: "Error", message: "x".repeat(100_000) } };
  const failed = await ask(script(ended(json(long, 422), long, false)), jsonRequest({}));
  assertEquals([failed.status, await failed.json()], [422, long]);

  await assertError(
    await ask(script(windmill(() => text("Not found: script", 404))), jsonRequest({})),
    502,
    "WindmillApiError",
    "answered 404",
  );
  const wrong = ended(text("Invalid status code", 500), { windmill_status_code: 42 });
  await assertError(await ask(script(wrong), jsonRequest({})), 502, "WindmillApiError", "a status that is none");
});

test("handlers run: Windmill that is down, busy, elsewhere, or answers half is a 502 without its words", async () => {
  const told: string[] = [];
  const answered = async (result: Parameters<typeof windmill>[0]) => {
    const stub = windmill(result);
    const handler = script(stub, { onError: (error) => told.push(`${error}`) });
    return { stub, response: await ask(handler, jsonRequest({ n: 1 })) };
  };
  const cases: readonly (readonly [Parameters<typeof windmill>[0], string])[] = [
    [() => Promise.reject(new TypeError("connection refused by stub.test")), "gave no whole answer"],
    [() => text("busy s3cr3t-tok", 503, { "retry-after": "1" }), "answered 503"],
    [() => text("Not authorized", 401), "answered 401"],
    [() => text("too many", 429), "answered 429"],
    [() => new Response(null, { status: 302, headers: { location: "https://evil.test/" } }), "a redirect"],
    [() => new Response(null, { status: 307, headers: { location: "https://evil.test/" } }), "a redirect"],
    [() => new Response('{"a":', { headers: { "content-type": "application/json" } }), "cannot be read"],
    [() => new Response("<html>", { headers: { "content-type": "application/json" } }), "cannot be read"],
    [
      () => {
        const half = new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode('{"a":1}')),
          pull: (controller) => controller.error(new TypeError("connection reset")),
        });
        return new Response(half, { headers: { "content-type": "application/json" } });
      },
      "gave no whole answer",
    ],
  ];
  for (const [result, part] of cases) {
    const { stub, response } = await answered(result);
    await assertError(response, 502, "WindmillApiError", part);
    // One start, whatever became of it, and nobody else is asked.
    assertEquals(stub.seen.filter(({ method }) => method === "POST").length, 1, part);
    assert(stub.seen.every(({ url }) => url.startsWith("http://stub.test/")), part);
  }
  assertEquals(told.length, cases.length);
  assertIncludes(told[1] ?? "", "answered 503: busy ***");
});

test("handlers run: another host is not asked how a job ended", async () => {
  const stub = serve(({ url }) =>
    url.startsWith("http://stub.test/")
      ? new Response(null, { status: 302, headers: { location: "https://evil.test/" } })
      : json({ completed: true, success: true, result: "evil" })
  );
  await assertError(await ask(script(stub), jsonRequest({})), 502, "WindmillApiError", "a redirect");
  assert(stub.seen.every(({ url }) => url.startsWith("http://stub.test/")), "Another host was asked");
});

test("handlers run: the server's own limit on waiting is a 504", async () => {
  const stub = windmill(() => text("timeout after 600s", 500));
  await assertError(await ask(script(stub), jsonRequest({})), 504, "DeadlineError", "too long");
});

test("handlers run: a job that takes longer than its handler waits is ended, and the answer is 504", async () => {
  const clock = stillClock();
  let aborted = false;
  const stub = windmill(
    (_, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(signal.reason);
        })
      ),
    ({ target }) => target.includes("/queue/cancel/") ? text("cancelled") : undefined,
  );
  const handler = script(stub, { client: { fetch: stub.fetch, clock }, timeoutMs: 1000 });
  const context = contextOf();
  const answer = handler(jsonRequest({}), context);
  await clock.pass(999);
  assertEquals(aborted, false);
  await clock.pass(1);
  await assertError(await answer, 504, "DeadlineError", "too long");
  assert(aborted, "The request goes on");
  await Promise.all(context.kept);
  const id = uuid.exec(stub.seen[0]?.target ?? "")?.[0];
  assertEquals(targets(stub)[1], `POST jobs_u/queue/cancel/${id}`);
  assertEquals(clock.timers(), 0);
});

/** A Windmill whose jobs are started, and end when `finish` is called. */
function slow(): { readonly stub: Stub; readonly finish: (result: unknown, success?: boolean) => void } {
  let state: object = { completed: false, success: null, started: null, result: null };
  const stub = serve(({ target }, signal) => {
    if (target.includes("/jobs/run/")) return text(new URL(target, "http://x").searchParams.get("job_id") ?? "", 201);
    if (target.includes("/get_result_maybe/")) return json(state);
    if (target.includes("/getupdate_sse/")) {
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    return target.includes("/queue/cancel/") ? text("cancelled") : json({});
  });
  return {
    stub,
    finish: (result, success = true) => {
      state = { completed: true, success, started: true, result };
    },
  };
}

test("handlers run: `leave` starts the job by itself; after the deadline it goes on, and the answer says which it is", async () => {
  const clock = stillClock();
  const { stub } = slow();
  const handler = runFlow("f/team/job", { client: { fetch: stub.fetch, clock }, timeoutMs: 5000, onDeadline: "leave" });
  const answer = handler(jsonRequest({ n: 1 }), contextOf());
  await clock.pass(5000);
  const { jobId } = await assertError(await answer, 504, "DeadlineError", "goes on");
  assertEquals(targets(stub)[0], `POST jobs/run/f/f/team/job?job_id=${jobId}`);
  assertEquals(stub.seen[0]?.body, '{"n":1}');
  assert(!stub.seen.some(({ target }) => target.includes("cancel")), "The job was cancelled");
  assertEquals(clock.timers(), 0);
});

test("handlers run: a detached job is answered by the same conventions", async () => {
  const results: readonly (readonly [unknown, boolean, number, unknown])[] = [
    [{ n: 1 }, true, 200, { n: 1 }],
    ["text", true, 200, "text"],
    [null, true, 200, null],
    [{ windmill_status_code: 201, result: [1] }, true, 201, [1]],
    [{ error: { name: "E", message: "m s3cr3t-tok", stack: "s" } }, false, 422, {
      error: { name: "E", message: "m ***" },
    }],
    [null, false, 422, null],
  ];
  for (const [result, success, status, body] of results) {
    const { stub, finish } = slow();
    finish(result, success);
    const clock = stillClock();
    const handler = script(stub, { client: { fetch: stub.fetch, clock }, detached: true });
    const response = await clock.drive(handler(jsonRequest({}), contextOf()));
    assertEquals([response.status, await response.json()], [status, body]);
  }
  const { stub, finish } = slow();
  finish({ wm_headers: { "x-own": "1" } });
  const clock = stillClock();
  const handler = script(stub, { client: { fetch: stub.fetch, clock }, detached: true });
  const empty = await clock.drive(handler(jsonRequest({}), contextOf()));
  assertEquals([empty.status, empty.body, empty.headers.get("x-own")], [204, null, "1"]);
});

test("handlers run: who hangs up does not end the job, and the platform is asked to wait for it", async () => {
  let answer = (_: Response): void => {};
  let aborted = false;
  const stub = windmill((_, signal) => {
    signal.addEventListener("abort", () => aborted = true);
    return new Promise((resolve) => answer = resolve);
  });
  const leaving = new AbortController();
  const context = contextOf();
  const work = script(stub)(jsonRequest({}, "/", { signal: leaving.signal }), context);
  await settle();
  leaving.abort();
  await settle();
  assertEquals([aborted, context.kept.length], [false, 1]);
  answer(json(1));
  assertEquals(await (await work).json(), 1);
  await Promise.all(context.kept);
  assertEquals(stub.seen.length, 1);
});

test("handlers run: with `cancelOnDisconnect` who hangs up ends the request and the job", async () => {
  const bodies = countBodies();
  const cancelled: string[] = [];
  const stub = windmill(
    (_, signal) => new Response(bodies.body(() => undefined, signal)),
    ({ target }) => {
      if (!target.includes("/queue/cancel/")) return undefined;
      cancelled.push(target);
      return text("cancelled");
    },
  );
  const handler = script(stub, { cancelOnDisconnect: true });
  const leaving = new AbortController();
  const context = contextOf();
  const work = handler(jsonRequest({}, "/", { signal: leaving.signal }), context);
  await settle();
  assertEquals([bodies.open(), context.kept.length], [1, 0]);
  leaving.abort();
  await assertError(await work, 499, "ClientClosedRequestError");
  await Promise.all(context.kept);
  assertEquals([bodies.open(), context.kept.length, cancelled.length], [0, 1, 1]);
  assertIncludes(cancelled[0] ?? "", uuid.exec(stub.seen[0]?.target ?? "")?.[0] ?? "none");
  const gone = AbortSignal.abort();
  const late = await handler(new Request("https://edge.test/", { signal: gone }), contextOf());
  await assertError(late, 499, "ClientClosedRequestError");
  assertEquals(stub.seen.length, 2);
});

test("handlers run: 1,000 requests that are hung up at any moment leave nothing open", async () => {
  const bodies = countBodies();
  const stub = windmill(
    (_, signal) => new Response(bodies.body((nth) => nth < 3 ? '"' : undefined, signal)),
    () => text("cancelled"),
  );
  const handler = script(stub, { cancelOnDisconnect: true });
  const context = contextOf();
  const statuses = await Promise.all(Array.from({ length: 1000 }, async (_, i) => {
    const leaving = new AbortController();
    // A body is read in turns of the event loop on some runtimes: those without one get further in the same time.
    const request = i % 3 === 0
      ? jsonRequest({}, "/", { signal: leaving.signal })
      : new Request("https://edge.test/?n=1", { signal: leaving.signal });
    const work = handler(request, context);
    for (let turns = i % 60; turns > 0; turns--) await undefined;
    leaving.abort();
    return (await work).status;
  }));
  await Promise.all(context.kept);
  assertEquals([...new Set(statuses)], [499]);
  assertEquals(bodies.open(), 0);
  assert(bodies.made() > 0, "No request came so far");
});

test("handlers run: a result larger than most comes as it is read, and breaks when Windmill's answer does", async () => {
  const bodies = countBodies();
  const piece = "x".repeat(65_536);
  let pieces = 0;
  const stub = windmill((_, signal) =>
    new Response(bodies.body((nth) => nth < pieces ? piece : null, signal), {
      headers: { "content-type": "text/plain" },
    })
  );
  pieces = 640;
  const response = await ask(script(stub), jsonRequest({}));
  assert(bodies.pieces() <= 20, `${bodies.pieces()} pieces were read before anybody took one`);
  let size = 0;
  for await (const bytes of response.body as unknown as AsyncIterable<Uint8Array>) size += bytes.length;
  assertEquals(size, 640 * 65_536);
  assertEquals(bodies.open(), 0);
  const left = await ask(script(stub), jsonRequest({}));
  await left.body?.cancel();
  assertEquals(bodies.open(), 0);
  const broken = windmill(() =>
    new Response(
      new ReadableStream({
        pull: (controller) =>
          pieces-- > 0 ? controller.enqueue(new TextEncoder().encode(piece)) : controller.error(new Error("reset")),
      }),
    )
  );
  pieces = 40;
  const half = await ask(script(broken), jsonRequest({}));
  assertEquals(half.status, 200);
  await assertRejects(() => half.text());
});

test("handlers run: a binding that is missing or empty is named, before the body is read", async () => {
  const stub = echo();
  for (
    const [name, value] of [["WM_TOKEN", undefined], ["WM_TOKEN", ""], ["WM_WORKSPACE", ""], [
      "WM_BASE_URL",
      "",
    ]] as const
  ) {
    const env = { WM_BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok", [name]: value };
    const request = jsonRequest({});
    await assertError(await script(stub)(request, { env }), 500, "ConfigurationError", name);
    assertEquals(request.bodyUsed, false);
  }
  await assertError(await script(stub)(jsonRequest({}), { env: {} }), 500, "ConfigurationError", "WM_");
  assertEquals(stub.seen.length, 0);
});

test("handlers run: each request has the token of its own tenant", async () => {
  const stub = echo();
  const handler = runScript("f/team/job", {
    client: async (request) => {
      await undefined;
      const tenant = request.headers.get("x-tenant") ?? "";
      return { fetch: stub.fetch, baseUrl: "http://stub.test", workspace: tenant, token: `tok-${tenant}` };
    },
  });
  await Promise.all(
    Array.from({ length: 50 }, (_, i) => handler(jsonRequest({ i }, "/", { headers: { "x-tenant": `t${i % 2}` } }))),
  );
  const wrong = ({ target, headers, body }: Seen) => {
    const tenant = `t${(JSON.parse(body) as { i: number }).i % 2}`;
    return !target.startsWith(`/api/w/${tenant}/`) || headers.get("authorization") !== `Bearer tok-${tenant}`;
  };
  assertEquals([stub.seen.length, stub.seen.filter(wrong).length], [50, 0]);
});

test("handlers run: HEAD and OPTIONS start nothing", async () => {
  const stub = echo();
  for (const method of ["HEAD", "OPTIONS"]) {
    const response = await ask(script(stub), new Request("https://edge.test/", { method }));
    assertEquals(response.status, 405);
  }
  assertEquals(stub.seen.length, 0);
});

test("handlers run: a hook or a chooser of clients that throws is an answer too", async () => {
  const failing = (): never => {
    throw new Error("s3cr3t-tok of stub.test");
  };
  await assertError(await ask(runScript("f/a/b", { client: failing }), jsonRequest({})), 500, "InternalError");
  const both = runScript("f/a/b", { client: failing, onError: failing });
  await assertError(await ask(both, jsonRequest({})), 500, "InternalError");
});

test("handlers run: what cannot be used is refused when the handler is made", async () => {
  await refuses(() => runScript("f/../x"), RangeError, "what to run");
  await refuses(() => runScript("f/a/b", { timeoutMs: 0 }), RangeError, "'timeoutMs' must be > 0");
  await refuses(() => runScript("f/a/b", { maxBodyBytes: NaN }), RangeError, "'maxBodyBytes' must be > 0");
  await refuses(() => runFlow("f/a/b", { onDeadline: "leave", detached: false }), RangeError, "'detached: false'");
});
