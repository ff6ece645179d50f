/** Jobs through the API: as this package's client and plain requests see them. */
import assert from "node:assert/strict";
import type { RunnerIo } from "../../src/runner/ports.ts";
import { openDatabase } from "../../src/server/database.ts";
import { MAX_SEALED, MAX_SEALED_CHARACTERS } from "../../src/server/jobs/sealed.ts";
import { createJobTable } from "../../src/server/jobs/table.ts";
import type { Job, JobQuery } from "../../src/server/ports.ts";
import { createStoredTexts } from "../../src/server/stored_text.ts";
import type { Json } from "../../src/workflow/journal.ts";
import { fakeSecrets } from "./_fakes.ts";
import { trialFolder } from "./_folder_kit.ts";
import { openTestServer, type TestServer } from "./_server.ts";
import { textOf } from "./_store_cases.ts";

function add({ a, b }: Readonly<Record<string, Json>>): number {
  return Number(a) + Number(b);
}

/** Something that a test lets happen. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

async function status(response: Response): Promise<[number, string]> {
  return [response.status, await response.text()];
}

async function idOf(response: Response): Promise<string> {
  assert.equal(response.status, 201);
  return await response.text();
}

async function resultOf({ client }: TestServer, id: string): Promise<unknown> {
  return await client.jobs.wait(id);
}

Deno.test("A script by path: run answers 201 with an id, and the result, record and log are there", async () => {
  await using server = await openTestServer({
    files: {
      "f/math/add": (args, io) => {
        io.log("adding\n");
        return add(args);
      },
    },
  });
  const response = await server.ask("POST", "jobs/run/p/f/math/add", { a: 1, b: 2 });
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
  const id = await idOf(response);
  assert.match(id, /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  assert.equal(await resultOf(server, id), 3);
  const job = await server.client.jobs.get(id);
  assert.equal(job.type, "CompletedJob");
  assert.deepEqual(
    [job.success, job.result, job.script_path, job.job_kind, job.language, job.raw_code, job.logs, job.args, job.tag],
    [true, 3, "f/math/add", "script", "bun", "f/math/add", "adding\n", { a: 1, b: 2 }, "bun"],
  );
  assert.equal(await (await server.ask("GET", `jobs_u/get_logs/${id}`)).text(), "adding\n");
  assert.deepEqual(await (await server.ask("GET", `jobs_u/completed/get_result_maybe/${id}`)).json(), {
    started: true,
    success: true,
    completed: true,
    result: 3,
  });
  assert.equal(await server.client.jobs.rootJobId(id), id);
});

Deno.test("By hash, and what there is none of: 404 in the server's words", async () => {
  await using server = await openTestServer({ files: { "f/a": () => "a" } });
  const hash = server.server.context.folder.script("f/a")?.hash ?? "";
  assert.equal(await server.client.jobs.runByHash(hash), "a");
  const asks = ["run/p/f/b", "run/h/0000000000000000", "run/f/f/flow", "run_wait_result/f/f/flow", "run/preview_flow"];
  for (const path of asks) {
    const [code, text] = await status(await server.ask("POST", `jobs/${path}`, {}));
    assert.equal(code, 404);
    assert.match(text, /^Not found: /);
  }
  const none = crypto.randomUUID();
  assert.equal((await server.ask("GET", `jobs_u/get/${none}`)).status, 404);
  assert.equal((await server.ask("GET", `jobs_u/completed/get_result/${none}`)).status, 404);
  assert.equal((await server.ask("GET", "jobs_u/get/NO_ID")).status, 400);
  assert.equal((await server.client.jobs.resultMaybe(none)).completed, false);
});

Deno.test("run_wait_result: the result, 422 with the error, and what a result says of its answer", async () => {
  await using server = await openTestServer({
    files: {
      "f/add": add,
      "f/fail": () => {
        throw new RangeError("too far");
      },
      "f/answer": (args) => ({ ...args }),
    },
  });
  const run = (path: string, body: unknown): Promise<Response> =>
    server.ask("POST", `jobs/run_wait_result/p/${path}`, body);
  assert.deepEqual(await status(await run("f/add", { a: 2, b: 3 })), [200, "5"]);
  const failed = await run("f/fail", {});
  assert.equal(failed.status, 422);
  assert.deepEqual(await failed.json(), { error: { name: "RangeError", message: "too far" } });

  const teapot = await run("f/answer", {
    windmill_status_code: 418,
    windmill_headers: { "x-a": "b" },
    result: { c: 1 },
  });
  assert.deepEqual([teapot.status, teapot.headers.get("x-a"), await teapot.json()], [418, "b", { c: 1 }]);
  const html = await run("f/answer", { windmill_content_type: "text/html", result: "<p>hi" });
  assert.deepEqual([html.status, html.headers.get("content-type"), await html.text()], [200, "text/html", "<p>hi"]);
  assert.equal(html.headers.get("content-security-policy"), "sandbox");
  const empty = await run("f/answer", { windmill_headers: { "x-a": "b" } });
  assert.deepEqual(await status(empty), [204, ""]);

  const payload = btoa(JSON.stringify({ a: 20, b: 22 }));
  assert.deepEqual(await status(await server.ask("GET", `jobs/run_wait_result/p/f/add?payload=${payload}`)), [
    200,
    "42",
  ]);
  assert.equal(await server.client.jobs.runInOneRequest("f/add", { a: 1, b: 1 }), 2);
});

Deno.test("Who hangs up on run_wait_result cancels the job", async () => {
  const begun = gate();
  await using server = await openTestServer({
    files: {
      "f/long": () => {
        begun.open();
        return new Promise(() => {});
      },
    },
  });
  const stop = new AbortController();
  const asked = fetch(`${server.url}/api/w/ws/jobs/run_wait_result/p/f/long`, {
    method: "POST",
    body: "{}",
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    signal: stop.signal,
  });
  await begun.opened;
  const { jobs } = server.server.context;
  const [job] = jobs.list({ offset: 0, limit: 1 });
  stop.abort();
  await assert.rejects(asked);
  const ended = await jobs.wait(job?.id ?? "");
  assert.deepEqual([ended.canceled, ended.canceledReason], [true, "http connection broke"]);
});

Deno.test("Previews: as a job, waited for, and inline without a job", async () => {
  await using server = await openTestServer({ previews: { add, fail: () => Promise.reject(new Error("boom")) } });
  const preview = { content: "add", language: "bun", args: { a: 1, b: 2 } };
  const id = await idOf(await server.ask("POST", "jobs/run/preview", { ...preview, path: "u/me/draft" }));
  assert.equal(await resultOf(server, id), 3);
  const job = await server.client.jobs.get(id);
  assert.deepEqual([job.job_kind, job.raw_code, job.script_path], ["preview", "add", "u/me/draft"]);
  assert.deepEqual(await status(await server.ask("POST", "jobs/run_wait_result/preview", preview)), [200, "3"]);
  const count = (): number => server.server.context.jobs.count({ offset: 0, limit: 1 });
  const before = count();
  assert.equal(await server.client.jobs.runPreview(preview), 3);
  assert.deepEqual(await status(await server.ask("POST", "jobs/run_inline/preview", { ...preview, content: "fail" })), [
    500,
    "Internal: boom",
  ]);
  assert.equal(count(), before);
  assert.equal((await server.ask("POST", "jobs/run/preview", { args: {} })).status, 400);
});

Deno.test("Arguments: references are resolved for the run and not in the record; a wrong one fails the job", async () => {
  await using server = await openTestServer({ files: { "f/echo": (args) => args }, variables: { "u/me/v": "value" } });
  const id = await server.client.jobs.start("f/echo", { x: "$var:u/me/v" });
  assert.deepEqual(await server.client.jobs.wait(id), { x: "value" });
  assert.deepEqual((await server.client.jobs.get(id)).args, { x: "$var:u/me/v" });
  await assert.rejects(server.client.jobs.run("f/echo", { x: "$var:u/me/none" }), /u\/me\/none not found/);
});

Deno.test("The environment of a job has all that a worker sets, and a token that ends with the job", async () => {
  let env: Readonly<Record<string, string>> = {};
  let during: Response | undefined;
  await using server = await openTestServer({
    files: {
      "f/env/show": async (_, __, job) => {
        env = job.env;
        during = await fetch(`${env.BASE_INTERNAL_URL}/api/w/ws/jobs/queue/count`, {
          headers: { authorization: `Bearer ${env.WM_TOKEN}` },
        });
        await during.body?.cancel();
        return job.id;
      },
    },
  });
  const id = await server.client.jobs.start("f/env/show");
  assert.equal(await server.client.jobs.wait(id), id);
  assert.equal(during?.status, 200);
  assert.deepEqual(
    [env.WM_JOB_ID, env.WM_JOB_PATH, env.WM_WORKSPACE, env.BASE_URL, env.WM_STATE_PATH, env.WM_FLOW_JOB_ID],
    [id, "f/env/show", "ws", server.url, "f/env/show/user", ""],
  );
  const after = await fetch(`${server.url}/api/w/ws/jobs/queue/count`, {
    headers: { authorization: `Bearer ${env.WM_TOKEN}` },
  });
  assert.deepEqual(await status(after), [401, "Unauthorized"]);
});

Deno.test("cancel: the job ends at once with the server's error, its children with it, and never changes again", async () => {
  const begun = gate(), release = gate();
  let signal: AbortSignal | undefined;
  await using server = await openTestServer({
    files: {
      "f/parent": async (_, io: RunnerIo) => {
        signal = io.signal;
        begun.open();
        await release.opened;
        return "too late";
      },
      "f/child": () => new Promise(() => {}),
    },
  });
  const { jobs } = server.client;
  const parent = await jobs.start("f/parent");
  await begun.opened;
  const child = await jobs.start("f/child", {}, { parentJob: parent });
  const later = await jobs.start("f/child", {}, { parentJob: child, scheduledInSeconds: 3600 });
  assert.equal(await jobs.cancel(parent, { reason: "enough" }), parent);
  for (const id of [parent, child, later]) {
    const job = await jobs.get(id);
    const error = { message: "Job canceled: enough by admin", name: "Canceled", reason: "enough", canceler: "admin" };
    assert.deepEqual([job.type, job.success, job.canceled, job.result], ["CompletedJob", false, true, { error }]);
  }
  assert.equal(signal?.aborted, true);
  release.open();
  assert.match(await jobs.cancel(parent), /already completed/);
  assert.equal((await jobs.get(parent)).success, false);
  assert.equal((await server.ask("POST", `jobs_u/queue/cancel/${crypto.randomUUID()}`, {})).status, 404);
});

Deno.test("job_id: a start of an id that is taken is refused, and the client takes it for its own", async () => {
  await using server = await openTestServer({ files: { "f/a": () => 1 } });
  const jobId = crypto.randomUUID();
  assert.equal(await server.client.jobs.start("f/a", {}, { jobId }), jobId);
  const again = await server.ask("POST", `jobs/run/p/f/a?job_id=${jobId}`, {});
  assert.deepEqual(await status(again), [400, `Bad request: Id ${jobId} already exists`]);
  assert.equal(await server.client.jobs.start("f/a", {}, { jobId }), jobId);
  assert.equal(server.server.context.jobs.count({ offset: 0, limit: 1 }), 1);
});

Deno.test("Lists: filters, pages, counts, ids", async () => {
  const begun = gate();
  await using server = await openTestServer({
    jobs: { concurrency: 8 },
    files: {
      "f/ok": (args) => args,
      "f/bad": () => Promise.reject(new Error("no")),
      "f/sub/hang": () => {
        begun.open();
        return new Promise(() => {});
      },
    },
  });
  const { jobs } = server.client;
  const ok: string[] = [];
  for (let n = 0; n < 5; n++) ok.unshift(await jobs.start("f/ok", { n, tags: ["a", { b: n }], deep: { er: true } }));
  const bad = await jobs.start("f/bad");
  await Promise.all([...ok, bad].map((id) => jobs.wait(id).catch(() => {})));
  const hang = await jobs.start("f/sub/hang");
  const waiting = await jobs.start("f/ok", {}, { scheduledInSeconds: 3600, tag: "later" });
  await begun.opened;

  const list = async (query: string): Promise<string[]> => {
    const response = await server.ask("GET", `jobs/${query}`);
    assert.equal(response.status, 200);
    return (await response.json() as { readonly id: string }[]).map(({ id }) => id);
  };
  assert.deepEqual(await list("list"), [waiting, hang, bad, ...ok]);
  assert.deepEqual(await list("completed/list?success=true"), ok);
  assert.deepEqual(await list("list?success=false"), [bad]);
  assert.deepEqual(await list("list?status=failure"), [bad]);
  assert.deepEqual(await list("list?running=true"), [hang]);
  assert.deepEqual(await list("queue/list"), [waiting, hang]);
  assert.deepEqual(await list("queue/list?scheduled_for_before_now=true"), [hang]);
  assert.deepEqual(await list("list?script_path_exact=f/bad,f/sub/hang"), [hang, bad]);
  assert.deepEqual(await list("list?script_path_start=f/sub/"), [hang]);
  assert.deepEqual(await list("list?script_path_exact=!f/ok"), [hang, bad]);
  assert.deepEqual(await list("list?tag=lat*&allow_wildcards=true"), [waiting]);
  assert.deepEqual(await list("list?job_kinds=flow,preview"), []);
  assert.deepEqual(await list("list?created_by=nobody"), []);
  assert.deepEqual(await list("completed/list?per_page=2&page=2&script_path_exact=f/ok"), [ok[2], ok[3]]);
  assert.deepEqual(await list("completed/list?per_page=2&order_desc=false&success=true"), [ok[4], ok[3]]);
  const args = (value: unknown): string => encodeURIComponent(JSON.stringify(value));
  assert.deepEqual(await list(`list?args=${args({ n: 3 })}`), [ok[1]]);
  assert.deepEqual(await list(`list?args=${args({ tags: [{ b: 0 }], deep: { er: true } })}`), [ok[4]]);
  assert.deepEqual(await list(`list?args=${args({ deep: { er: 1 } })}`), []);
  assert.deepEqual(await list(`list?result=${args({ n: 4 })}`), [ok[0]]);
  assert.equal((await server.ask("GET", "jobs/list?running=perhaps")).status, 400);

  assert.deepEqual(await (await server.ask("GET", "jobs/list_filtered_uuids?success=false")).json(), [bad]);
  assert.deepEqual(await (await server.ask("GET", "jobs/completed/count")).json(), { database_length: 6 });
  assert.equal(await (await server.ask("GET", "jobs/completed/count_jobs?success=false")).json(), 1);
  const all: string[] = [];
  for await (const job of jobs.listAll({ perPage: 2 })) all.push(job.id);
  assert.deepEqual(all, [waiting, hang, bad, ...ok]);
  assert.deepEqual(await jobs.cancelMany([hang, bad, waiting]), [hang, waiting]);
});

Deno.test("Progress is whole and from 0 to 99; of what never said, null", async () => {
  const open = gate(), begun = gate();
  await using server = await openTestServer({
    files: {
      "f/long": async () => {
        begun.open();
        await open.opened;
      },
    },
  });
  const { jobs } = server.client;
  const jobId = await jobs.start("f/long");
  await begun.opened;
  assert.equal(await jobs.getProgress({ jobId }), null);
  await jobs.setProgress(42, { jobId });
  assert.equal(await jobs.getProgress({ jobId }), 42);
  await jobs.setProgress(1000, { jobId });
  assert.equal(await jobs.getProgress({ jobId }), 99);
  assert.equal((await server.ask("POST", `job_metrics/set_progress/${jobId}`, { percent: 1.5 })).status, 422);
  const key = `jobs/flow/user_states/${jobId}/k`;
  assert.deepEqual(await status(await server.ask("POST", key, 1)), [404, "Not found: Flow job not found"]);
  assert.deepEqual(await status(await server.ask("GET", key)), [200, "null"]);
  open.open();
  await jobs.wait(jobId);
});

Deno.test("A script with a preprocessor gets the event, unless the caller says not to; headers that let one in are left out", async () => {
  const content = "f/hook";
  await using server = await openTestServer({
    files: {
      [content]: { run: (args, _, job) => ({ args, preprocess: job.preprocess ?? false }), hasPreprocessor: true },
    },
  });
  const run = async (query = ""): Promise<Record<string, Record<string, Record<string, unknown>>>> =>
    await (await server.ask("POST", `jobs/run_wait_result/p/f/hook${query}`, { a: 1 }, { "x-from": "me" })).json();
  const { args, preprocess } = await run("?q=1");
  const event = args?.event ?? {};
  assert.equal(preprocess, true);
  assert.deepEqual([event.kind, event.body, event.raw_string, event.query], ["webhook", { a: 1 }, null, { q: "1" }]);
  const headers = event.headers as Record<string, string>;
  assert.deepEqual([headers["x-from"], headers.authorization], ["me", undefined]);
  assert.deepEqual(await run("?skip_preprocessor=true&include_header=X-From"), {
    args: { a: 1, x_from: "me" },
    preprocess: false,
  });
});

Deno.test("A preprocessor of the older kind gets all of the query and the headers by their names", async () => {
  await using server = await openTestServer({
    files: { "f/old": { run: () => 1, content: "function preprocessor(wm_trigger, q) {}", hasPreprocessor: true } },
    previews: { "function preprocessor(wm_trigger, q) {}": (args) => args },
  });
  const response = await server.ask("POST", "jobs/run_wait_result/p/f/old?q=1", { a: 1 }, { "x-from": "me" });
  const { a, q, wm_trigger, authorization, ...rest } = await response.json() as Record<string, unknown>;
  assert.deepEqual([a, q, wm_trigger, authorization], [1, "1", { kind: "webhook", webhook: {} }, undefined]);
  assert.equal(rest["x-from"], "me");
});

Deno.test("The token in an address lets in, as services need it that send webhooks, and is not for the script", async () => {
  await using server = await openTestServer({
    files: {
      "f/echo": (args) => args,
      "f/hook": { run: (args) => args, hasPreprocessor: true },
    },
  });
  const send = async (path: string, token: string, headers: Record<string, string> = {}): Promise<unknown> => {
    const separator = path.includes("?") ? "&" : "?";
    const url = `${server.url}/api/w/ws/jobs/run_wait_result/p/${path}${separator}token=${token}`;
    const response = await fetch(url, {
      method: "POST",
      body: '{"a":1}',
      headers: { "content-type": "application/json", ...headers },
    });
    return response.ok ? await response.json() : await status(response);
  };
  assert.deepEqual(await send("f/echo", server.token), { a: 1 });
  assert.deepEqual(await send("f/echo", "wrong"), [401, "Unauthorized"]);
  assert.deepEqual(await send("f/echo", server.token, { authorization: "Bearer wrong" }), [401, "Unauthorized"]);
  assert.deepEqual(await send("f/echo?include_query=token,b&b=2", server.token), { a: 1, b: "2" });
  const { event } = await send("f/hook?b=2", server.token) as { event: { query: unknown } };
  assert.deepEqual(event.query, { b: "2" });
  const authorization = `Bearer ${server.token}`;
  assert.deepEqual(await send("f/echo?include_query=token", "own", { authorization }), { a: 1, token: "own" });
  // Whoever sends it twice has let it be seen no more than others, and neither have proxies that repeat an address.
  assert.deepEqual(await send("f/echo?include_query=token", server.token, { authorization }), { a: 1 });
  const repeated = { "x-original-uri": `/x?token=${server.token}`, "x-own": "1" };
  assert.deepEqual(await send("f/echo?include_header=X-Original-URI,X-Own", server.token, repeated), {
    a: 1,
    x_own: "1",
  });
  const { event: { headers } } = await send("f/hook", server.token, repeated) as {
    readonly event: { readonly headers: Readonly<Record<string, string>> };
  };
  assert.deepEqual([headers["x-original-uri"], headers["x-own"]], [undefined, "1"]);
});

Deno.test("A result that is a page tells nobody the address with the token that it was opened by", async () => {
  const page = {
    windmill_content_type: "text/html",
    windmill_headers: { "referrer-policy": "unsafe-url" },
    result: '<img src="https://other.example/" referrerpolicy="unsafe-url">',
  };
  await using server = await openTestServer({ files: { "f/page": () => page } });
  const path = "jobs/run_wait_result/p/f/page";
  const response = await fetch(`${server.url}/api/w/ws/${path}?token=${server.token}`);
  assert.equal(await response.text(), page.result);
  assert.equal(response.headers.get("referrer-policy"), "no-referrer");
  assert.match(response.headers.get("content-security-policy") ?? "", /default-src 'none'/);
  const other = await server.ask("GET", path);
  assert.equal(await other.text(), page.result);
  assert.equal(other.headers.get("content-security-policy"), "sandbox");
});

Deno.test("Bodies: a form, files, an event, texts and bytes are arguments too", async () => {
  await using trial = await trialFolder({});
  await using server = await openTestServer({ files: { "f/echo": (args) => args }, objects: trial.objects });
  const post = (body: BodyInit, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${server.url}/api/w/ws/jobs/run_wait_result/p/f/echo`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.token}`, ...headers },
      body,
    });
  const send = (type: string, body: string | Uint8Array<ArrayBuffer>): Promise<Response> =>
    post(body, { "content-type": type });
  assert.deepEqual(await (await send("application/x-www-form-urlencoded", "a=1&b=x%20y")).json(), { a: "1", b: "x y" });
  assert.deepEqual(await (await send("text/plain", "hello")).json(), { raw_string: "hello" });
  assert.deepEqual(await (await send("application/json", "[1]")).json(), { body: [1] });
  assert.deepEqual((await status(await send("application/json", "{")))[0], 400);
  assert.deepEqual(await (await send("application/pdf", new Uint8Array([0xff, 0, 1]))).json(), { raw_string: "/wAB" });

  const about = { specversion: "1.0", type: "com.example.order", source: "/shop", id: "1" };
  const event = async (data: unknown): Promise<unknown> =>
    await (await send("application/cloudevents+json; charset=utf-8", JSON.stringify({ ...about, data }))).json();
  assert.deepEqual(await event({ sku: "tea" }), { sku: "tea", WEBHOOK__METADATA__: about });
  assert.deepEqual(await event(1.5), { body: 1.5, WEBHOOK__METADATA__: about });
  assert.match((await status(await send("application/cloudevents-batch+json", "[]")))[1], /batching is not supported/);

  const form = new FormData();
  form.append("name", "Ada");
  form.append("__proto__", "own");
  form.append("scan", new Blob(["one"], { type: "text/plain" }), "a.txt");
  form.append("scan", new Blob(["two"]), "b");
  const sent = await (await post(form)).json() as { name: string; scan: { s3: string }[] };
  assert.deepEqual([sent.name, Object.keys(sent)], ["Ada", ["name", "__proto__", "scan"]]);
  const [first, second] = sent.scan.map(({ s3 }) => s3);
  assert.match(first ?? "", /^windmill_uploads\/upload_\d+_[\da-f]{16}\.txt$/);
  assert.match(second ?? "", /^windmill_uploads\/upload_\d+_[\da-f]{16}$/);
  const stored = (key = ""): Promise<string | undefined> => textOf(trial.objects.storage(), key);
  assert.deepEqual([await stored(first), await stored(second)], ["one", "two"]);
  assert.deepEqual((await status(await send("multipart/form-data; boundary=x", "--y")))[0], 400);
  const file = `--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\na\r\n`;
  const keys = async (): Promise<number> =>
    (await trial.objects.storage().list({ prefix: "", limit: 5000 })).objects.length;
  const before = await keys();
  for (const boundary of ["x", '"x"']) {
    const [code, text] = await status(
      await send(`multipart/form-data; boundary=${boundary}`, `${file.repeat(1001)}--x--`),
    );
    assert.deepEqual([code, await keys()], [413, before]);
    assert.match(text, /bounded to 1000 parts/);
  }
});

Deno.test("What only the enterprise edition does is refused, and what nobody serves is named", async () => {
  await using server = await openTestServer();
  const id = crypto.randomUUID();
  const refused: [string, string][] = [
    ["POST", "oidc/token/sts.amazonaws.com"],
    ["POST", "oidc/token/https://vault/x"],
    ["GET", `jobs/slack_approval/${id}`],
    ["GET", `jobs/teams_approval/${id}`],
    ["POST", "kafka_triggers/commit_offsets/f/k/trigger"],
  ];
  for (const [method, path] of refused) {
    const [code, text] = await status(await server.ask(method, path));
    assert.equal(code, 400);
    assert.match(text, /Enterprise Edition/);
  }
  const [code, text] = await status(await server.ask("GET", "flows/list"));
  assert.equal(code, 404);
  assert.match(text, /^Windkit does not serve GET \/api\/w\/ws\/flows\/list/);
  assert.match(await server.client.version(), /^CE v1\.\d+\.\d+-windkit-/);
});

Deno.test("A language that has no runner fails the job with words that say so", async () => {
  await using server = await openTestServer({ files: { "f/py": { run: () => 1, language: "python3" } } });
  await assert.rejects(server.client.jobs.run("f/py"), /Windkit runs no scripts of language python3/);
});

Deno.test("A header that has the token of whoever asks is no argument", async () => {
  await using server = await openTestServer({ files: { "f/echo": (args) => args } });
  const path = "jobs/run_wait_result/p/f/echo?include_header=Authorization,cookie,x-own";
  const response = await server.ask("POST", path, {}, { cookie: "a=b", "x-own": "1" });
  assert.deepEqual(await response.json(), { x_own: "1" });
});

Deno.test("What holds a secret is encrypted in the table: lists that look into it go on, and without the key it is lost", async () => {
  const secret = "word-of-the-vault";
  await using server = await openTestServer({
    hidden: [secret],
    files: {
      "f/a": (args) => [args],
      "f/b": () => ({ n: 1 }),
      "f/c": { concurrentLimit: 1, concurrencyKey: "of $args[key]", run: (_, { signal }) => stopped(signal) },
    },
  });
  const { context: { jobs, database } } = server.server;
  const ids: string[] = [];
  for (const [path, args] of [["f/a", { key: secret }], ["f/b", { n: 1 }]] as const) {
    const id = await (await server.ask("POST", `jobs/run/p/${path}`, args)).text();
    await jobs.wait(id);
    ids.push(id);
  }
  const [held = "", plain = ""] = ids;
  assert.deepEqual([jobs.get(held)?.args, jobs.get(held)?.result], [{ key: secret }, [{ key: secret }]]);
  const row = (id: string) => JSON.stringify(database.get("SELECT * FROM jobs WHERE id = ?", id));
  assert(!row(held).includes(secret) && row(plain).includes('{\\"n\\":1}'), row(plain));
  for (const filter of [{ args: { n: 1 } }, { result: { n: 1 } }]) {
    assert.deepEqual(jobs.list({ ...filter, offset: 0, limit: 10 }).map(({ id }) => id), [plain]);
  }
  for (const filter of [{ args: { key: secret } }, { result: [{ key: secret }] }, { args: {}, result: [] }]) {
    assert.deepEqual(jobs.list({ ...filter, offset: 0, limit: 10 }).map(({ id }) => id), [held]);
  }
  assert.deepEqual(jobs.list({ args: { key: "another" }, offset: 0, limit: 10 }), []);
  database.run(`UPDATE jobs SET args = ' "sealed:?"', result = ' "sealed:?"' WHERE id = ?`, held);
  const { args, result } = jobs.get(held) ?? {};
  assert.deepEqual(args, {});
  assert(String(result).includes("encrypted with a key"), String(result));
  assert.deepEqual(jobs.list({ args: { key: secret }, offset: 0, limit: 10 }), []);
  const running = await (await server.ask("POST", "jobs/run/p/f/c", { key: secret })).text();
  const second = await (await server.ask("POST", "jobs/run/p/f/c", { key: secret })).text();
  assert.equal(jobs.get(running)?.concurrencyKey, jobs.get(second)?.concurrencyKey);
  for (const id of [second, running]) await jobs.cancel(id, "me", `it has ${secret}`);
  assert.equal(jobs.get(running)?.canceledReason, "it has ***");
  for (const id of [running, second]) assert(!row(id).includes(secret), row(id));
});

Deno.test("Lists look into what is encrypted, page by page, and as far as they may", async () => {
  const database = await openDatabase({ path: ":memory:" });
  const table = createJobTable(database, createStoredTexts(fakeSecrets(["hidden"])));
  const caller = { username: "me", email: "me@x", isAdmin: true };
  const insert = (id: string, args: Readonly<Record<string, Json>>, path = "f/a"): Job =>
    table.insert({ kind: "script", path, language: "bun", args, caller }, id, undefined, undefined, 1000);
  // Every third is encrypted, every second is wanted.
  for (let i = 0; i < 30; i++) {
    insert(`j${i}`, { wanted: i % 2 === 0, deep: { list: [i, "x"], s: i % 3 === 0 ? "hidden" : "seen" } });
  }
  const sealed = "SELECT count(*) AS n FROM jobs WHERE args LIKE ' \"sealed:%'";
  assert.equal(database.get<{ readonly n: number }>(sealed)?.n, 10);
  const wanted = Array.from({ length: 15 }, (_, i) => `j${28 - 2 * i}`);
  const pages = (query: Partial<JobQuery>): string[] => {
    const all: string[] = [];
    for (let offset = 0;; offset += 4) {
      const page = table.list({ ...query, offset, limit: 4 }, 2000);
      if (page.length === 0) return all;
      all.push(...page.map(({ id }) => id));
    }
  };
  assert.deepEqual(pages({ args: { wanted: true } }), wanted);
  assert.deepEqual(pages({ args: { wanted: true }, orderDesc: false }), wanted.toReversed());
  assert.equal(table.count({ args: { wanted: true }, offset: 0, limit: 1 }, 2000), 15);
  assert.deepEqual(pages({ args: { deep: { list: [9] } } }), ["j9"]);
  assert.deepEqual(pages({ args: { deep: { list: [9, "y"] } } }), []);
  assert.deepEqual(pages({ args: { deep: { s: "hidden" }, wanted: false } }), ["j27", "j21", "j15", "j9", "j3"]);
  assert.deepEqual(pages({ args: { wanted: true }, scriptPathExact: "f/b" }), []);
  // What ended with a secret in its result alone.
  table.move("j1", ["queued"], "running", 1500);
  assert(table.end("j1", { success: true, result: { r: "hidden", n: [1, 2] } }, 1600));
  assert.deepEqual(pages({ args: { wanted: false }, result: { n: [2] } }), ["j1"]);
  assert.deepEqual(pages({ args: { wanted: true }, result: { n: [2] } }), []);
  // As many as may be looked at, the newest first; what is not encrypted is found however old it is.
  database.transaction(() => {
    for (let i = 0; i < MAX_SEALED - 5; i++) insert(`k${i}`, { s: "hidden" });
  });
  assert.deepEqual(
    pages({ args: { wanted: true } }),
    wanted.filter((id) => [24, 18].includes(numberOf(id)) || numberOf(id) % 3 > 0),
  );
  assert.equal(
    table.count({ args: { wanted: true }, scriptPathExact: "f/a", createdBefore: 2000, offset: 0, limit: 1 }, 0),
    12,
  );
  // Long ones.
  insert("long", { s: "hidden", text: "x".repeat(MAX_SEALED_CHARACTERS), wanted: true }, "f/long");
  insert("short", { s: "hidden", wanted: true }, "f/long");
  assert.deepEqual(pages({ args: { wanted: true }, scriptPathExact: "f/long" }), ["short"]);
  database.close();
});

function numberOf(id: string): number {
  return Number(id.slice(1));
}

/** Settles when the job is stopped. */
function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
