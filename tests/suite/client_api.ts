/** Every endpoint, typed: what goes out for a call by path and by id, what comes back, streams, pages, and bad answers. */
import { createClient, type WindmillApiError } from "@windkit/windmill-client";
import { type ApiWithIds, createApi, createApiClient, operations } from "@windkit/windmill-client/api";
import type { ClientOptions } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { feed, json, options, serve, settle, stillClock, type Stub, text } from "./_client_kit.ts";
import { test } from "./harness.ts";

const base = "http://stub.test/api/";

function api(stub: Pick<Stub, "fetch">, more: Partial<ClientOptions> = {}): ApiWithIds {
  return createApi(options(stub, more), operations);
}

/** What a function that types do not let through is given. */
function untyped<T>(value: T): never {
  return value as never;
}

function answering(make: () => Response): { readonly stub: Stub; readonly api: ApiWithIds } {
  const stub = serve(make);
  return { stub, api: api(stub) };
}

async function apiError(call: () => Promise<unknown>, status: number, part: string): Promise<WindmillApiError> {
  const error = await assertRejects(call, "WINDMILL_API", part) as WindmillApiError;
  assertEquals(error.status, status);
  return error;
}

/** A response without a content type: text would get one from the runtime. */
function bare(body: string | null, status = 200): Response {
  return new Response(body === null ? null : new TextEncoder().encode(body), { status });
}

// What goes out

test("api: a path takes its parameters, the workspace from the client, and the query in order", async () => {
  const { stub, api } = answering(() => json([]));
  await api.GET("/w/{workspace}/jobs/list", {
    params: { query: { success: true, script_path_exact: "f/a b", per_page: 0 } },
  });
  await api.GET("/w/{workspace}/variables/get/{path}", { params: { path: { path: "u/me/v" } } });
  await api.GET("/workers/list");
  assertEquals(stub.seen.map(({ method, url, body }) => [method, url.replace(base, ""), body]), [
    ["GET", "w/ws/jobs/list?success=true&script_path_exact=f%2Fa+b&per_page=0", ""],
    ["GET", "w/ws/variables/get/u/me/v", ""],
    ["GET", "workers/list", ""],
  ]);
  assertEquals(stub.seen.map(({ headers }) => headers.get("authorization")), [
    "Bearer tok",
    "Bearer tok",
    "Bearer tok",
  ]);
});

test("api: a workspace that is given goes before the client's", async () => {
  const { stub, api } = answering(() => json([]));
  await api.GET("/w/{workspace}/jobs/list", { params: { path: { workspace: "o/ther" } } });
  assertEquals(stub.seen[0]?.url, `${base}w/o%2Fther/jobs/list`);
});

test("api: parameters of a path are encoded; only those that are paths keep their slashes", async () => {
  const { stub, api } = answering(() => json(true));
  await api.GET("/w/{workspace}/variables/get/{path}", { params: { path: { path: "u/a?b/c#d/%2e/é" } } });
  await api.GET("/w/{workspace}/users/get/{username}", { params: { path: { username: "a/b?c" } } });
  await api.GET("/w/{workspace}/flows/get/v/{version}", { params: { path: { version: 7 } } });
  assertEquals(stub.seen.map(({ url }) => url.replace(base, "")), [
    "w/ws/variables/get/u/a%3Fb/c%23d/%252e/%C3%A9",
    "w/ws/users/get/a%2Fb%3Fc",
    "w/ws/flows/get/v/7",
  ]);
});

test("api: parameters that would lead to another address are refused before any request", async () => {
  const { stub, api } = answering(() => json(true));
  for (const path of ["", ".", "..", "a/../b", "a//b", "/a", "a/", "\ud800"]) {
    const call = () => api.GET("/w/{workspace}/variables/get/{path}", { params: { path: { path } } });
    const error = await assertRejects(call, undefined, "parameter 'path'");
    assertEquals(error.name, "RangeError");
  }
  for (const username of ["", "..", untyped(null), untyped({}), untyped(true)]) {
    await assertRejects(() => api.GET("/w/{workspace}/users/get/{username}", { params: { path: { username } } }));
  }
  assertEquals(stub.seen, []);
});

test("api: a parameter of the path that is missing is named before any request", async () => {
  const { stub, api } = answering(() => json(true));
  for (const params of [{}, { path: {} }, { path: { path: undefined } }]) {
    const call = () => api.GET("/w/{workspace}/variables/get/{path}", { params: untyped(params) });
    const error = await assertRejects(call, undefined, "expected parameter 'path'");
    assertEquals(error.name, "TypeError");
    assertIncludes(error.message, "GET /w/{workspace}/variables/get/{path}");
  }
  const nowhere = createApi({ baseUrl: "http://stub.test", token: "t", env: {}, fetch: stub.fetch });
  await assertRejects(() => nowhere.GET("/w/{workspace}/jobs/list"), "CONFIGURATION", "WM_WORKSPACE");
  assertEquals(stub.seen, []);
});

test("api: lists repeat a parameter, times are written out, what is not given is left out, objects are refused", async () => {
  const { stub, api } = answering(() => json([]));
  const query = { a: [1, "b c", null], d: new Date(0), n: null, u: undefined, f: false, e: "" };
  await api.GET("/w/{workspace}/jobs/list", { params: { query: untyped(query) } });
  assertEquals(stub.seen[0]?.url, `${base}w/ws/jobs/list?a=1&a=b+c&d=1970-01-01T00%3A00%3A00.000Z&f=false&e=`);
  const error = await assertRejects(() =>
    api.GET("/w/{workspace}/jobs/list", { params: { query: untyped({ args: { a: 1 } }) } })
  );
  assertEquals(error.name, "TypeError");
  assertIncludes(error.message, "'args'");
});

test("api: a body is sent as JSON, whatever value it is; none is sent where none is given", async () => {
  const { stub, api } = answering(() => text("ok"));
  const path = "/w/{workspace}/jobs/run/p/{path}", params = { path: { path: "f/a" } };
  for (const body of [{ a: 1 }, "text", 0, false, null, []]) await api.POST(path, { params, body: untyped(body) });
  await api.POST("/w/{workspace}/workspaces/archive");
  assertEquals(stub.seen.map(({ body, headers }) => [body, headers.get("content-type")]), [
    ['{"a":1}', "application/json"],
    ['"text"', "application/json"],
    ["0", "application/json"],
    ["false", "application/json"],
    ["null", "application/json"],
    ["[]", "application/json"],
    ["", null],
  ]);
});

test("api: bytes, files and text of a file are sent as they are", async () => {
  const { stub, api } = answering(() => json({ file_key: "k" }));
  const path = "/w/{workspace}/job_helpers/upload_s3_file";
  const bytes = new Uint8Array([1, 2]);
  const sent = [
    bytes,
    bytes.buffer,
    new DataView(bytes.buffer),
    new Blob(["x"]),
    new Blob(["{}"], { type: "a/b" }),
    "text",
  ];
  for (const body of sent) await api.POST(path, { body });
  assertEquals(
    stub.seen.map(({ init }) => init.body === sent[stub.seen.findIndex((s) => s.init === init)]),
    sent.map(() => true),
  );
  const types = stub.seen.map(({ headers }) => headers.get("content-type"));
  assertEquals([...new Set(types)], ["application/octet-stream", "a/b"]);
  assertEquals(types[4], "a/b");
  await api.POST(path, { body: bytes, headers: { "Content-Type": "image/png" } });
  assertEquals(stub.seen.at(-1)?.headers.get("content-type"), "image/png");
});

test("api: a stream is sent as a stream, a form with the kind that the runtime gives it", async () => {
  const { stub, api } = answering(() => json({ file_key: "k" }));
  const stream = new ReadableStream<Uint8Array>();
  await api.POST("/w/{workspace}/job_helpers/upload_s3_file", { body: stream });
  assert(stub.seen[0]?.init.body === stream);
  assertEquals((stub.seen[0]?.init as { duplex?: string }).duplex, "half");
  const form = new FormData();
  await api.POST("/w/{workspace}/apps/create_raw", { body: form });
  assert(stub.seen[1]?.init.body === form);
  assertEquals(stub.seen[1]?.headers.get("content-type"), null);
});

test("api: a call by id is the call by path", async () => {
  const { stub, api } = answering(() => json([]));
  const given = { params: { path: { path: "f/a" }, query: { tag: "gpu" } }, body: { x: 1 }, headers: { "X-A": "b" } };
  await api.POST("/w/{workspace}/jobs/run/p/{path}", given);
  await api.call("runScriptByPath", given);
  const [byPath, byId] = stub.seen.map(({ method, url, body, headers }) => ({
    method,
    url,
    body,
    headers: [...headers],
  }));
  assertEquals(byId, byPath);
  assertEquals(byId?.url, `${base}w/ws/jobs/run/p/f/a?tag=gpu`);
});

test("api: endpoints that no document describes are there, and one is where the server has it", async () => {
  const { stub, api } = answering(() => json(null));
  const job = "00000000-0000-0000-0000-00000000c0de";
  await api.call("runCodeWorkflowTask", { params: { path: { job_id: job, entrypoint: "main" } }, body: { args: {} } });
  await api.call("inlineCheckpoint", { params: { path: { job_id: job } }, body: { key: "k", result: 1 } });
  await api.call("recordMaterialization", {
    body: { asset_kind: "ducklake", asset_path: "l/t", partition: "", status: "materialized" },
  });
  await api.GET("/w/{workspace}/s3_proxy/{storage}/{path}", {
    params: { path: { storage: "_default_", path: "a/b" } },
  });
  assertEquals(stub.seen.map(({ method, url }) => `${method} ${url.replace(`${base}w/ws/`, "")}`), [
    `POST jobs/run/workflow_as_code/${job}/main`,
    `POST jobs/wac/inline_checkpoint/${job}`,
    "POST assets/record_materialization",
    "GET s3_proxy/_default_/a/b",
  ]);
});

test("api: an id that there is none of is refused before any request", async () => {
  const { stub, api } = answering(() => json([]));
  for (const id of ["listJob", "", "constructor", "list_jobs"]) {
    const error = await assertRejects(() => api.call(untyped(id) as "listJobs"), undefined, JSON.stringify(id));
    assertEquals(error.name, "RangeError");
  }
  assertEquals(operations.find("toString"), undefined);
  assertEquals(operations.find("listJobs"), { method: "GET", path: "/w/{workspace}/jobs/list" });
  assertEquals(stub.seen, []);
});

test("api: without the table of operations there is no call by id", () => {
  const byPath = createApi(options(serve(() => json([]))));
  assertEquals(Object.keys(byPath).toSorted(), ["DELETE", "GET", "POST", "PUT", "items", "pages", "raw"]);
});

test("api: options that no call could use are refused when the functions are made", async () => {
  for (const wrong of [{ baseUrl: "stub.test" }, { token: "a b" }, { timeoutMs: 0 }]) {
    await assertRejects(() => createApi(wrong), "CONFIGURATION");
    await assertRejects(() => createApiClient(wrong), "CONFIGURATION");
  }
});

test("api: a client with endpoints has all that a client has", async () => {
  const stub = serve(({ target }) => target.includes("variables") ? json("v") : json([]));
  const client = createApiClient(options(stub), operations);
  assertEquals(await client.variables.get("a"), "v");
  assertEquals(await client.api.call("listJobs"), []);
  assertEquals(Object.keys(client).filter((key) => key !== "api"), Object.keys(createClient()));
});

// What comes back

test("api: JSON is its value, text is text, whatever the operation is", async () => {
  const answers: readonly (readonly [() => Response, unknown])[] = [
    [() => json({ a: [1, null] }), { a: [1, null] }],
    [() => json(null), null],
    [() => json("text"), "text"],
    [() => json(0), 0],
    [() => text("[1]"), "[1]"],
    [() => text(""), ""],
    [() => text("a,b", 200, { "content-type": "text/csv; charset=utf-8" }), "a,b"],
    [() => text("a: 1", 200, { "content-type": "application/yaml" }), "a: 1"],
    [() => text('{"a":1}', 201, { "content-type": "text/json" }), { a: 1 }],
    [() => text('{"a":1}', 200, { "content-type": "application/problem+json;charset=utf-8" }), { a: 1 }],
  ];
  for (const [make, expected] of answers) {
    assertEquals(await answering(make).api.GET("/w/{workspace}/jobs/list"), untyped(expected));
  }
});

test("api: what does not say what it is may be JSON, else it is text", async () => {
  const answers: readonly (readonly [string, unknown])[] = [['{"a":1}', { a: 1 }], [" [1]", [1]], ['"x"', "x"], [
    "a b",
    "a b",
  ]];
  for (const [body, expected] of answers) {
    assertEquals(await answering(() => bare(body)).api.GET("/w/{workspace}/jobs/list"), untyped(expected));
  }
  await apiError(() => answering(() => bare("[1,")).api.GET("/w/{workspace}/jobs/list"), 200, "found broken JSON");
});

test("api: no answer is undefined where nothing is asked for, and an error where something is", async () => {
  const nothing = [() => bare(null), () => bare("")];
  for (const make of nothing) {
    const { api } = answering(make);
    assertEquals(await api.POST("/w/{workspace}/favorites/star", { body: {} }), undefined);
    assertEquals(await api.DELETE("/w/{workspace}/capture/{id}", { params: { path: { id: 1 } } }), undefined);
    const silent = {
      params: { path: { id: "j" }, query: { slack_resource_path: "r", channel_id: "c", flow_step_id: "a" } },
    };
    assertEquals(await api.GET("/w/{workspace}/jobs/slack_approval/{id}", silent), undefined);
    await apiError(() => api.GET("/w/{workspace}/jobs/list"), 200, "found nothing");
  }
  for (const status of [204, 205]) {
    assertEquals(await answering(() => bare(null, status)).api.GET("/w/{workspace}/jobs/list"), untyped(undefined));
  }
});

test("api: HTML, half a JSON and nothing at all are errors with the status", async () => {
  const html = { "content-type": "text/html; charset=utf-8" }, type = { "content-type": "application/json" };
  const { api } = answering(() => text("<!DOCTYPE html>", 200, html));
  const error = await apiError(() => api.GET("/w/{workspace}/jobs/list"), 200, "expected data, found HTML");
  assertEquals(error.body, "<!DOCTYPE html>");
  assertEquals(error.request, { method: "GET", url: `${base}w/ws/jobs/list` });
  for (
    const [body, found] of [['{"a":', "broken JSON"], ["", "nothing"], ["<p>", "HTML"], [
      "sec ret",
      "broken JSON",
    ]] as const
  ) {
    const { api } = answering(() => text(body, 200, type));
    const error = await apiError(() => api.POST("/w/{workspace}/favorites/star", { body: {} }), 200, `found ${found}`);
    assert(!error.message.includes("ret"), error.message);
  }
});

test("api: another status is an error with the server's words, and what is asked is in it without its query", async () => {
  const { api } = answering(() => text("Not found: variable", 404));
  const call = () =>
    api.GET("/w/{workspace}/variables/get/{path}", {
      params: { path: { path: "a" }, query: { decrypt_secret: true } },
    });
  const error = await apiError(call, 404, "Not found: variable");
  assertEquals(error.request.url, `${base}w/ws/variables/get/a`);
  await apiError(() => api.raw.GET("/w/{workspace}/jobs/list"), 404, "Not found");
  await apiError(() => api.call("listJobs"), 404, "Not found");
  await apiError(() => api.raw.call("listJobs"), 404, "Not found");
});

test("api: a read that fails for now is repeated, a start is not", async () => {
  let asked = 0;
  const stub = serve(() => ++asked % 2 === 1 ? text("later", 503) : json([]));
  const clock = stillClock();
  assertEquals(await clock.drive(api(stub, { clock }).GET("/w/{workspace}/jobs/list")), []);
  await apiError(
    () => api(stub).POST("/w/{workspace}/jobs/run/p/{path}", { params: { path: { path: "a" } }, body: {} }),
    503,
    "later",
  );
  assertEquals(asked, 3);
});

test("api: a signal ends a call with its reason, and a limit of time ends one that is not answered", async () => {
  const reason = new Error("enough");
  const ended = AbortSignal.abort(reason);
  const stub = serve(() => new Promise<Response>(() => {}));
  const clock = stillClock();
  const call = () => api(stub, { clock }).GET("/w/{workspace}/jobs/list", { signal: ended });
  assert(await assertRejects(call) === reason);
  assertEquals(stub.seen.length, 0);
  const waiting = api(stub, { clock }).GET("/w/{workspace}/jobs/list", { timeoutMs: 50 });
  await assertRejects(() => clock.drive(waiting), "DEADLINE_EXCEEDED", "50 ms");
});

// The response itself

test("api: raw functions give the response, its body unread", async () => {
  const { api } = answering(() => text('{"a":1}', 201, { "content-type": "application/json", "x-total": "9" }));
  const response = await api.raw.GET("/w/{workspace}/jobs/list");
  assertEquals([response.status, response.headers.get("x-total"), response.bodyUsed], [201, "9", false]);
  assertEquals(await response.json(), { a: 1 });
  assertEquals(await (await api.raw.call("listJobs")).text(), '{"a":1}');
});

test("api: the body of a response outlives the limit of time, and ends with the signal", async () => {
  const clock = stillClock();
  const feeds: ReturnType<typeof feed>[] = [];
  const stub = serve((_, signal) => {
    const made = feed(signal, "application/octet-stream");
    feeds.push(made);
    return made.response;
  });
  const ending = new AbortController();
  const given = { timeoutMs: 1000, signal: ending.signal, params: { query: { file_key: "k" } } };
  const response = await api(stub, { clock }).raw.GET("/w/{workspace}/job_helpers/download_s3_file", given);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await clock.pass(60_000);
  feeds[0]?.send("late");
  assertEquals(new TextDecoder().decode((await reader.read()).value), "late");
  const reason = new Error("enough");
  const next = reader.read();
  ending.abort(reason);
  assert(await assertRejects(() => next) === reason);
  await settle();
  assert(feeds[0]?.cancelled() === true, "The body was not given up");
  assertEquals(clock.timers(), 0);
});

// Streams

test("api: a file is a stream whose pieces come as they are sent", async () => {
  const file = feed(undefined, "application/octet-stream");
  const { api } = answering(() => file.response);
  const stream = await api.GET("/w/{workspace}/job_helpers/download_s3_file", { params: { query: { file_key: "k" } } });
  assert(stream instanceof ReadableStream);
  const reader = stream.getReader();
  for (const piece of ["one", "two"]) {
    file.send(piece);
    assertEquals(new TextDecoder().decode((await reader.read()).value), piece);
  }
  file.end();
  assertEquals((await reader.read()).done, true);
});

test("api: a file without bytes is an empty stream", async () => {
  const { api } = answering(() => new Response(null, { headers: { "content-type": "application/zip" } }));
  const stream = await api.GET("/w/{workspace}/job_helpers/download_s3_file", { params: { query: { file_key: "k" } } });
  assertEquals(await new Response(stream).text(), "");
});

test("api: events come one by one, before the stream ends", async () => {
  const updates = feed();
  const { api } = answering(() => updates.response);
  const events = await api.call("getJobUpdatesSse", { params: { path: { id: "j" } } });
  for (const value of [{ type: "ping" }, { type: "update", completed: true }]) {
    updates.event(value);
    assertEquals(JSON.parse((await events.next()).value ?? ""), value);
  }
  updates.end();
  assertEquals(await events.next(), { done: true, value: undefined });
});

test("api: leaving the loop over events gives the stream up", async () => {
  const updates = feed();
  const { api } = answering(() => updates.response);
  updates.event({ n: 1 });
  const path = "/w/{workspace}/jobs/run_and_stream/p/{path}";
  for await (const data of await api.POST(path, { params: { path: { path: "f/a" } }, body: {} })) {
    assertEquals(data, '{"n":1}');
    break;
  }
  await settle();
  assert(updates.cancelled());
});

test("api: events go on past the limit of time, and end with the signal's reason", async () => {
  const clock = stillClock();
  const updates = feed();
  const ending = new AbortController();
  const given = { params: { path: { id: "j" } }, signal: ending.signal, timeoutMs: 1000 };
  const events = await api(serve(() => updates.response), { clock }).call("getJobUpdatesSse", given);
  await clock.pass(60_000);
  updates.event(1);
  assertEquals((await events.next()).value, "1");
  const reason = new Error("enough");
  const next = events.next();
  await settle();
  ending.abort(reason);
  assert(await assertRejects(() => next) === reason);
  await settle();
  assert(updates.cancelled());
});

test("api: a stream of events that breaks is an error of the call", async () => {
  const updates = feed();
  const { api } = answering(() => updates.response);
  const events = await api.call("getJobUpdatesSse", { params: { path: { id: "j" } } });
  updates.event(1);
  await events.next();
  const next = events.next();
  updates.break(new TypeError("connection lost"));
  const error = await apiError(() => next, 0, "connection lost");
  assertEquals(error.request.url, `${base}w/ws/jobs_u/getupdate_sse/j`);
});

// Pages

/** A server of variables that knows pages. */
function pagesOf(total: number): Stub {
  return serve(({ target }) => {
    const query = new URLSearchParams(target.split("?")[1]);
    const page = Number(query.get("page")), perPage = Number(query.get("per_page"));
    const all = Array.from({ length: total }, (_, n) => ({ path: `v${n}` }));
    return json(all.slice((page - 1) * perPage, page * perPage));
  });
}

const list = "/w/{workspace}/variables/list";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("api: pages come until one is not full", async () => {
  for (
    const [total, sizes, requests] of [[0, [], 1], [1, [1], 1], [100, [100], 2], [250, [100, 100, 50], 3]] as const
  ) {
    const stub = pagesOf(total);
    const pages = await all(api(stub).pages(list));
    assertEquals(pages.map((page) => page.length), [...sizes]);
    assertEquals(stub.seen.length, requests);
  }
});

test("api: pages begin where they are told to, have the size they are told to, and keep the other parameters", async () => {
  const stub = pagesOf(10);
  const pages = await all(api(stub).pages(list, { params: { query: { page: 2, per_page: 4, path_start: "f/" } } }));
  assertEquals(pages.map((page) => page.map(({ path }) => path)), [["v4", "v5", "v6", "v7"], ["v8", "v9"]]);
  assertEquals(stub.seen.map(({ target }) => target.split("?")[1]), [
    "page=2&per_page=4&path_start=f%2F",
    "page=3&per_page=4&path_start=f%2F",
  ]);
});

test("api: a server that sends fewer than a large page is asked until it has no more", async () => {
  const stub = serve(({ target }) => json(/[?&]page=[12](&|$)/.test(target) ? [{ path: target }] : []));
  assertEquals((await all(api(stub).pages(list, { params: { query: { per_page: 5000 } } }))).length, 2);
  assertEquals(stub.seen.length, 3);
});

test("api: items are those of the pages, and a loop that is left asks for no more", async () => {
  const stub = pagesOf(250);
  assertEquals((await all(api(stub).items(list))).length, 250);
  stub.seen.length = 0;
  for await (const { path } of api(stub).items(list)) if (path === "v99") break;
  assertEquals(stub.seen.length, 1);
});

test("api: a page that is no list, or an error, ends the loop with an error", async () => {
  await apiError(() => all(answering(() => json({ a: 1 })).api.pages(list)), 200, "expected a list");
  await apiError(() => all(answering(() => text("no", 401)).api.items(list)), 401, "no");
  const stub = pagesOf(0);
  const reason = new Error("enough");
  assert(await assertRejects(() => all(api(stub).items(list, { signal: AbortSignal.abort(reason) }))) === reason);
  assertEquals(stub.seen, []);
});

test("api: a server that does not know pages of a list is told, instead of asked for ever", async () => {
  const stub = serve(() => json([{ path: "a" }, { path: "b" }]));
  const call = () => all(api(stub).pages(list, { params: { query: { per_page: 2 } } }));
  const error = await assertRejects(call, undefined, "page 2 is the same as the one before");
  assertEquals([error.name, stub.seen.length], ["RangeError", 2]);
});
