/** The test kit: a Windmill server in memory. What it refuses, what fails on order, how it is installed; users and approvals. */
import * as wmill from "@windkit/windmill-client";
import { createClient } from "@windkit/windmill-client";
import { mockWindmill } from "@windkit/windmill-client/testing";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { stillClock } from "./_client_kit.ts";
import { ask, failure, said, start } from "./_mock_kit.ts";
import recorded from "./fixtures/official_requests.json" with { type: "json" };
import { test } from "./harness.ts";

test("mockWindmill(): a wrong token, another workspace and unknown requests are refused by name", async () => {
  const { mock } = start({ variables: { "f/a/b": "v" } });
  const wrong = createClient({ ...mock.options, token: "other" });
  assertEquals(await failure(wrong.variables.get("f/a/b")), "401 Unauthorized");
  assertEquals(
    await failure(createClient({ ...mock.options, token: null }).variables.get("f/a/b")),
    "401 Unauthorized",
  );
  const elsewhere = createClient({ ...mock.options, workspace: "other" });
  assertEquals(
    await failure(elsewhere.variables.get("f/a/b")),
    '401 Not authorized: this mock has the workspace "mock", not "other"',
  );
  assertEquals(
    await said(ask(mock, "GET", "scripts/list?page=1")),
    "404 Not found: mockWindmill() knows no GET /api/w/mock/scripts/list",
  );
  assertEquals(
    await said(mock.fetch("http://windmill.test/elsewhere")),
    "404 Not found: mockWindmill() knows no GET /elsewhere",
  );
  assertIncludes(
    await said(ask(mock, "POST", "variables/create", "{")),
    "400 Failed to parse the request body as JSON",
  );
  assertIncludes(await said(ask(mock, "POST", "variables/create", "[]")), "422 Failed to deserialize the JSON body");
  assertIncludes(await said(ask(mock, "POST", "variables/create", '{"path":"f/a/c"}')), "missing field `value`");
  assertIncludes(await said(ask(mock, "GET", "variables/get_value/f/%ff")), "400 Invalid URL");
});

test("mockWindmill(): route() answers what the mock does not know, or its own way", async () => {
  const { mock, client } = start({ variables: { "f/a/b": "v" } });
  mock.route("GET scripts/get/p/**", (request, path) => ({ path, page: request.query.get("page") }));
  mock.route("GET /healthz/*", (_request, part) => new Response(`${part} is well`));
  mock.route("GET variables/get_value/**", async (_request, path) => await Promise.resolve(`${path}!`));
  const script = await client.request("GET", "/w/{workspace}/scripts/get/p/f/a/script", { query: { page: 2 } });
  assertEquals(script.json(), { path: "f/a/script", page: "2" });
  assertEquals((await client.request("GET", "/healthz/db")).text, "db is well");
  assertEquals(await client.variables.get("f/a/b"), "f/a/b!");
});

test("mockWindmill(): fail() lets requests fail that match, so often, and no others", async () => {
  const { mock, client } = start({ variables: { "f/a/b": "v" }, resources: { "f/a/b": 1 } });
  mock.fail({ path: "variables/", status: 503, body: "busy", times: 2 });
  assertEquals(await client.resources.get("f/a/b"), 1);
  assertEquals(await client.variables.get("f/a/b"), "v");
  assertEquals(mock.requests.filter(({ path }) => path.includes("variables/")).length, 3);
  mock.fail({ path: /get_value\/f\/a\/b$/, after: 1, status: 418, body: "teapot" });
  assertEquals(await client.variables.get("f/a/b"), "v");
  assertEquals(await failure(client.variables.get("f/a/b")), "418 teapot");
  mock.fail({ method: "post" });
  assertEquals(await client.variables.exists("f/a/b"), true);
  assertEquals(
    await failure(client.request("POST", "/w/{workspace}/variables/create", { body: {} })),
    "500 Internal: mock failure",
  );
  mock.fail({ error: new TypeError("connection reset"), times: 3 });
  assertIncludes(
    (await assertRejects(() => client.variables.get("f/a/b"), "WINDMILL_API")).message,
    "connection reset",
  );
  mock.fail({ status: 204 });
  assertEquals((await ask(mock, "GET", "variables/list")).status, 204);
});

test("mockWindmill(): fail() lets requests hang or take long", async () => {
  const clock = stillClock();
  const { mock } = start({ clock, variables: { "f/a/b": "v" } });
  const client = createClient(mock.options);
  mock.fail({ hang: true });
  await assertRejects(() => clock.drive(client.variables.get("f/a/b", { timeoutMs: 1000 })), "DEADLINE_EXCEEDED");
  mock.fail({ delayMs: 5000 });
  const started = clock.now();
  assertEquals(await clock.drive(client.variables.get("f/a/b")), "v");
  assert(clock.now() - started >= 5000);
});

test("mockWindmill(): fetch takes addresses, URLs, requests and bodies of every kind, and hears an abort", async () => {
  const { mock } = start();
  const address = "http://windmill.test/api/w/mock/job_helpers/upload_s3_file?file_key=";
  const headers = { authorization: "Bearer mock-token" };
  const bodies: readonly [string, RequestInit["body"]][] = [
    ["text", "abc"],
    ["bytes", new Uint8Array([97, 98, 99])],
    ["buffer", new Uint8Array([97, 98, 99]).buffer],
    ["blob", new Blob(["abc"])],
    ["stream", new Blob(["abc"]).stream()],
  ];
  for (const [key, body] of bodies) {
    await mock.fetch(new URL(address + key), { method: "POST", headers, body: body ?? null });
    assertEquals(mock.s3.get(key)?.text(), "abc", key);
  }
  await mock.fetch(new Request(`${address}request`, { method: "POST", headers, body: "abc" }));
  assertEquals(mock.s3.get("request")?.text(), "abc");
  const count = mock.requests.length;
  await assertRejects(
    () => mock.fetch(`${address}x`, { signal: AbortSignal.abort(new Error("before")) }),
    undefined,
    "before",
  );
  assertEquals(mock.requests.length, count);
});

test("mockWindmill(): install() gives the top-level functions the mock, and takes it back", async () => {
  const outer = mockWindmill({ variables: { "f/a/b": "outer" } });
  const inner = mockWindmill({ variables: { "f/a/b": "inner" }, jobs: { "f/a/job": ({ x }) => x } });
  const first = outer.install();
  try {
    assertEquals(await wmill.getVariable("f/a/b"), "outer");
    const second = inner.install();
    assertEquals(await wmill.getVariable("f/a/b"), "inner");
    assertEquals(await wmill.runScriptByPath("f/a/job", { x: 1 }), 1);
    await wmill.setState({ n: 1 });
    assertEquals(await wmill.getState(), { n: 1 });
    assertEquals(wmill.getWorkspace(), "mock");
    // A script that calls it keeps to the mock.
    wmill.setClient("wrong");
    assertEquals(await failure(wmill.getVariable("f/a/b")), "401 Unauthorized");
    wmill.setClient();
    assertEquals(await wmill.getVariable("f/a/b"), "inner");
    second[Symbol.dispose]();
    assertEquals(await wmill.getVariable("f/a/b"), "outer");
  } finally {
    first.restore();
  }
  assertEquals(outer.requests.length, 2);
});

test("mockWindmill(): two mocks share nothing, and their ids are the same in each run", async () => {
  const one = start({ jobs: { "f/a/b": () => 1 } }), two = start({ jobs: { "f/a/b": () => 2 } });
  const id = await one.client.jobs.start("f/a/b");
  assertEquals(await two.client.jobs.start("f/a/b"), id);
  assertEquals([await one.client.jobs.wait(id), await two.client.jobs.wait(id)], [1, 2]);
});

test("mockWindmill(): every request that the official clients make finds an endpoint", async () => {
  const mock = mockWindmill({ workspace: "ws", token: "tok" });
  const unknown = new Set<string>();
  for (const { method, url, body } of [...recorded.typescript, ...recorded.python]) {
    const answer = await mock.fetch(`http://windmill.test${url}`, {
      method,
      headers: { authorization: "Bearer tok" },
      body: body === "" || method === "GET" ? null : body,
    });
    if ((await answer.text()).includes("knows no")) unknown.add(`${method} ${url}`);
  }
  assertEquals([...unknown], []);
});

test("mockWindmill(): users, tokens, version, OIDC and messages", async () => {
  const { mock, client } = start({ user: { email: "ada@example.com", username: "ada" }, version: "EE v9" });
  assertEquals((await client.request("GET", "/version")).text, "EE v9");
  const whoami = (await client.request("GET", "/users/whoami")).json() as Record<string, unknown>;
  assertEquals([whoami.email, whoami.username], ["ada@example.com", "ada"]);
  assertEquals((await client.request("GET", "/w/{workspace}/users/username_to_email/ada")).text, "ada@example.com");
  assertEquals(
    await failure(client.request("GET", "/w/{workspace}/users/username_to_email/bob")),
    "404 Not found: user not found at name bob",
  );
  const made = await client.request("POST", "/users/tokens/create", { body: { label: "l" } });
  assertEquals(made.status, 201);
  const other = createClient({ ...mock.options, token: made.text });
  assertEquals((await other.request("GET", "/version")).text, "EE v9");
  const jwt = (await client.request("POST", "/w/{workspace}/oidc/token/sts.amazonaws.com")).text;
  const claims = JSON.parse(atob((jwt.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")));
  assertEquals([claims.aud, claims.sub, claims.exp - claims.iat], ["sts.amazonaws.com", "ada@example.com", 172_800]);
  await client.request("POST", "/teams/activities", { body: { text: "hi" } });
  await client.request("POST", "/w/{workspace}/kafka_triggers/commit_offsets/f/k/t", { body: { offset: 1 } });
  assertEquals(mock.requests.slice(-2).map(({ path, json }) => [path, json()]), [
    ["teams/activities", { text: "hi" }],
    ["w/mock/kafka_triggers/commit_offsets/f/k/t", { offset: 1 }],
  ]);
});

test("mockWindmill(): addresses of approvals work, once they are as they were given", async () => {
  const { mock, client } = start({ currentJob: { flowPath: "f/a/flow" } });
  const job = mock.env.WM_JOB_ID ?? "", flow = mock.env.WM_FLOW_JOB_ID ?? "";
  const answer = await client.request("GET", `/w/{workspace}/jobs/resume_urls/${job}/7`, {
    query: { approver: "Ada L" },
  });
  const urls = answer.json() as { resume: string; cancel: string; approvalPage: string };
  assertIncludes(urls.resume, `http://windmill.test/api/w/mock/jobs_u/resume/${job}/7/`);
  assertIncludes(urls.approvalPage, `http://windmill.test/approve/mock/${flow}?token=`);
  assertEquals(await said(mock.fetch(urls.resume, { method: "POST", body: '{"n":1}' })), "200 resumed");
  assertEquals(await said(mock.fetch(`${urls.cancel}&payload=${btoa('{"n":2}')}`)), "200 canceled");
  assertEquals(
    await said(mock.fetch(urls.resume.replace("Ada", "Eve"))),
    "403 Permission denied: the signature is wrong",
  );
  const step = await client.request("GET", `/w/{workspace}/jobs/wac_approval_urls/${job}/manager`);
  await mock.fetch((step.json() as { resume: string }).resume);
  assertEquals(mock.approvals, [
    { jobId: job, key: "7", approved: true, approver: "Ada L", payload: { n: 1 } },
    { jobId: job, key: "7", approved: false, approver: "Ada L", payload: { n: 2 } },
    { jobId: job, key: "manager", approved: true, approver: undefined, payload: undefined },
  ]);
  assertIncludes(
    await failure(client.request("GET", `/w/{workspace}/jobs/resume_urls/${job}/4294967296`)),
    "400 Invalid URL",
  );
});
