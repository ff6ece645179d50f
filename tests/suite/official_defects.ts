/**
 * The defects of the official client 1.818.0 (sdk-contract I), one case each, that show that this client has none of them. Those
 * about S3 and SQL are in `official_defects_data.ts`.
 *
 * @module
 */
import * as wmill from "@windkit/windmill-client";
import { createClient, hasCode, TaskError } from "@windkit/windmill-client";
import { createApi, operations } from "@windkit/windmill-client/api";
import { JobService, OpenAPI, VariableService } from "@windkit/windmill-client/compat";
import { mockWindmill } from "@windkit/windmill-client/testing";
import { parallel, task, taskFlow, taskScript, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import { client, feed, json, options, serve, settle, stillClock, text, withEnvironment } from "./_client_kit.ts";
import { runTrial } from "./_engine_kit.ts";
import { topLevel } from "./_defects_kit.ts";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { noEnvironment } from "./env.ts";
import { registered, test } from "./harness.ts";

const id = "00000000-0000-0000-0000-00000000c0de";

test("I 1: a start that the server refuses is an error with its status, not an id", async () => {
  await topLevel(() => text("Not found: script not found", 404), async () => {
    for (
      const start of [
        () => wmill.runScriptAsync("f/a", null, {}),
        () => wmill.runScriptByPathAsync("f/a"),
        () => wmill.runScriptByHashAsync("abc"),
        () => wmill.runFlowAsync("f/a"),
        () => wmill.runScript("f/a"),
        () => wmill.runScriptByPath("f/a"),
        () => wmill.runFlow("f/a"),
      ]
    ) {
      await assertRejects(start, "WINDMILL_API", "404");
    }
  });
});

test("I 2: a task outside a run calls its function: no request whose status could be missed, no token", async () => {
  await topLevel(() => text("Not authorized", 401), async (stub) => {
    const add = task(function add(a: number, b: number, ...more: number[]) {
      return [a + b, ...more];
    }, { tag: "gpu" });
    assertEquals(await add(1, 2, 3), [3, 3]);
    assertEquals(stub.seen.length, 0);
  });
});

test("I 5: ? and # in a path arrive, and dots are refused", async () => {
  const stub = serve(() => json("v"));
  const { variables, resources, tokens, users } = client(stub);
  await variables.get("f/a?b#c d%");
  await resources.get("f/a?b#c");
  await tokens.getId("https://x/?y#z");
  await users.usernameToEmail("a?b");
  for (const { url } of stub.seen) assertEquals(new URL(url).search + new URL(url).hash, "");
  assert(stub.seen[0]?.target.endsWith("/f/a%3Fb%23c%20d%25"));
  for (const path of ["..", "f/../x", "f//x", ""]) {
    assert(await assertRejects(() => variables.get(path)) instanceof RangeError);
  }
  await topLevel(() => json("v"), async (asked) => {
    await VariableService.getVariableValue({ workspace: "ws", path: "f/a?b#c" });
    assertEquals(asked.seen[0]?.target, "/api/w/ws/variables/get_value/f/a%3Fb%23c");
  });
});

test("I 7: waiting has a limit and a signal, cancels when asked to, and its error keeps name, message and result", async () => {
  const clock = stillClock();
  const stub = serve(({ target }) =>
    target.includes("/cancel/") ? text("cancelled") : json({ completed: false, success: null, result: null })
  );
  const { jobs } = client(stub, { clock });
  const cancelled = () => stub.seen.filter(({ target }) => target.includes("/cancel/")).length;
  await clock.drive(assertRejects(() => jobs.wait(id, { timeoutMs: 5000 }), "DEADLINE_EXCEEDED"));
  assertEquals(cancelled(), 0);
  await clock.drive(assertRejects(() => jobs.wait(id, { timeoutMs: 5000, cancelJob: true }), "DEADLINE_EXCEEDED"));
  assertEquals(cancelled(), 1);
  const stop = new AbortController();
  const waiting = jobs.wait(id, { signal: stop.signal }).then(() => "", (error: unknown) => error);
  await settle();
  stop.abort("enough");
  assertEquals([await clock.drive(waiting), cancelled()], ["enough", 1]);
  const results = [null, { error: { name: "TypeError", message: "x is not a function", stack: "at main" } }];
  for (const result of results) {
    const failed = client(serve(() => json({ completed: true, success: false, result }))).jobs;
    const error = await assertRejects(() => failed.wait(id), "JOB_FAILED");
    const { result: kept, errorName, jobId } = error as unknown as Record<string, unknown>;
    assertEquals([kept, errorName, jobId], [result, result?.error.name, id]);
  }
});

test("I 8: a failure keeps its status: not everything is 'not found'", async () => {
  for (const [status, body] of [[401, "Not authorized"], [403, "Permission denied"], [404, "Not found: x"]] as const) {
    const { variables, resources } = client(serve(() => text(body, status)));
    for (const read of [() => variables.get("f/a"), () => resources.get("f/a")]) {
      const error = await assertRejects(read, "WINDMILL_API");
      const { status: found, body: words } = error as unknown as Record<string, unknown>;
      assertEquals([found, words], [status, body]);
    }
  }
});

test("I 9: state of a flow: errors are errors, by default too, and what is not set is null", async () => {
  const mock = mockWindmill({ currentJob: { flowPath: "f/flow" } });
  using _ = mock.install();
  assertEquals(await wmill.getFlowUserState("k"), null);
  await wmill.setFlowUserState("k", { a: 1 });
  assertEquals(await wmill.getFlowUserState("k"), { a: 1 });
  mock.fail({ path: "get_root_job_id", status: 403 });
  await assertRejects(() => wmill.getFlowUserState("k"), "WINDMILL_API", "403");
  mock.fail({ path: "user_states", status: 400 });
  await assertRejects(() => wmill.setFlowUserState("k", 1), "WINDMILL_API", "400");
  mock.close();
});

test("I 10: a mock has empty and null values, and one that cannot be used is an error", async () => {
  const mockedApi = { variables: { empty: "" }, resources: { none: null, zero: 0, no: false } };
  const { variables, resources } = createClient({ env: {}, mockedApi });
  assertEquals(await variables.get("empty"), "");
  assertEquals([await resources.get("none"), await resources.get("zero"), await resources.get("no")], [null, 0, false]);
  await assertRejects(() => variables.get("missing"), "CONFIGURATION", "missing");
  // `as`: a file may hold anything.
  const bad = createClient({ env: {}, mockedApi: { variables: [] } as never });
  await assertRejects(() => bad.variables.get("a"), "CONFIGURATION");
});

test("I 11: what is missing is a local error that names it: no placeholder is sent", async () => {
  const stub = serve(() => json("sent"));
  const c = client(stub);
  for (
    const [call, name] of [
      [() => c.jobs.setProgress(1), "WM_JOB_ID"],
      [() => c.jobs.getProgress(), "WM_JOB_ID"],
      [() => c.approvals.resumeUrls(), "WM_JOB_ID"],
      [() => c.approvals.urls("k"), "WM_JOB_ID"],
      [() => c.approvals.requestSlack({ slackResourcePath: "u/a/b", channelId: "c" }), "WM_FLOW_JOB_ID"],
      [() => createClient({ env: {} }).workspace(), "WM_WORKSPACE"],
      [() => createClient({ ...options(stub), token: "" }), "WM_TOKEN"],
    ] as const
  ) {
    await assertRejects(call, "CONFIGURATION", name);
  }
  assertEquals(stub.seen.length, 0);
});

test("I 12: variables that are set to nothing are not set", async () => {
  const env = { WM_JOB_ID: "", WM_ROOT_FLOW_JOB_ID: "" };
  const stub = serve(() => text(id, 201));
  await client(stub, { env }).jobs.start("f/a");
  assertEquals(stub.seen[0]?.target, "/api/w/ws/jobs/run/p/f/a");
  await assertRejects(() => client(stub, { env }).jobs.rootJobId(), "CONFIGURATION", "WM_JOB_ID");
});

test("I 14: a request for an approval in Teams has texts of its buttons", async () => {
  const stub = serve(() => text("sent"));
  const env = { WM_JOB_ID: id, WM_FLOW_JOB_ID: id, WM_FLOW_STEP_ID: "a" };
  const approval = { teamName: "t", channelName: "c", resumeButtonText: "Go on", cancelButtonText: "Stop" };
  await client(stub, { env }).approvals.requestTeams(approval);
  const query = new URL(stub.seen[0]?.url ?? "").searchParams;
  assertEquals([query.get("resume_button_text"), query.get("cancel_button_text")], ["Go on", "Stop"]);
});

test("I 15: parallel() with a concurrency of 0 or less runs everything", async () => {
  for (const concurrency of [0, -1]) {
    assertEquals(await parallel([1, 2, 3], (n) => Promise.resolve(n * 2), { concurrency }), [2, 4, 6]);
  }
});

test("I 20: parameters keep their places and names, whatever they look like", async () => {
  const main = workflow(({ a }: { a: number }, b: number[] = [Math.max(1, 2), 3], c: string = "(,)") => [a, b, c]);
  const { value, error } = await runTrial({ main, args: [{ a: 1 }, [5], "x"] });
  assertEquals([value, error], [[1, [5], "x"], undefined]);
  const named = workflow((b: number[] = [Math.max(1, 2), 3], c: string = "(,)", d = { e: 1 }) => [b, c, d]);
  assertEquals((await runTrial({ main: named, args: { d: 4, c: "x" } })).value, [[2, 3], "x", 4]);
});

test("I 21: a database's address has every part encoded, and what is missing is an error", async () => {
  const resource = { host: "h", port: 5432, user: "u@x", password: "p/w:?#", dbname: "my db", sslmode: "require" };
  const url = await client(serve(() => json(resource))).resources.databaseUrl("f/pg");
  assertEquals(url, "postgresql://u%40x:p%2Fw%3A%3F%23@h:5432/my%20db?sslmode=require");
  assertEquals(decodeURIComponent(new URL(url).password), "p/w:?#");
  const { password: _, ...rest } = resource;
  await assertRejects(
    () => client(serve(() => json(rest))).resources.databaseUrl("f/pg"),
    "CONFIGURATION",
    "'password'",
  );
});

test("I 23: events come as they are sent, not when the stream has ended", async () => {
  const updates = feed();
  await topLevel(() => updates.response, async () => {
    const events = await JobService.getJobUpdatesSse({ workspace: "ws", id });
    updates.event({ n: 1 });
    assertEquals((await events.next()).value, '{"n":1}');
    await events.return();
  });
});

test("I 24: a task of a script is started on the route that the server has", async () => {
  await topLevel(() => text(id, 201), async (stub) => {
    await JobService.runCodeWorkflowTask({ workspace: "ws", jobId: id, entrypoint: "main", requestBody: { args: {} } });
    assertEquals(stub.seen[0]?.target, `/api/w/ws/jobs/run/workflow_as_code/${id}/main`);
  });
});

test("I 25: an answer that cannot be read is an error, and one that does not say what it is is read", async () => {
  for (const body of ['{"a":', "", "<html>"]) {
    const answer = () => new Response(body, { headers: { "content-type": "application/json" } });
    await assertRejects(() => client(serve(answer)).resources.get("f/a"), "WINDMILL_API", "expected");
    await topLevel(answer, async () => {
      const error = await assertRejects(() => JobService.getJob({ workspace: "ws", id }), "WINDMILL_API", "expected");
      assertEquals(error.name, "ApiError");
    });
  }
  const bare = () => new Response(new TextEncoder().encode('{"a":1}'));
  assertEquals(await client(serve(bare)).resources.get("f/a"), { a: 1 });
  await topLevel(bare, async () => {
    const job: unknown = await JobService.getJob({ workspace: "ws", id });
    assertEquals(job, { a: 1 });
  });
});

test("I 26: two clients in one process go to their own address, as themselves, to their own workspace", async () => {
  const stub = serve(() => json("v"));
  const clients = ["a", "b"].map((name) =>
    createClient({ baseUrl: `http://${name}.test`, token: `t-${name}`, workspace: name, env: {}, fetch: stub.fetch })
  );
  await Promise.all(clients.map((c) => c.variables.get("f/x")));
  assertEquals(
    stub.seen.map(({ url, headers }) => `${url} ${headers.get("authorization")}`).sort(),
    ["a", "b"].map((name) => `http://${name}.test/api/w/${name}/variables/get_value/f/x Bearer t-${name}`),
  );
});

test("I 27: address and token are read at each call, WM_BASE_URL among them", async () => {
  const stub = serve(() => json("v"));
  for (const token of ["one", "two"]) {
    const variables = { WM_BASE_URL: `http://${token}.test/`, WM_TOKEN: token, WM_WORKSPACE: "ws" };
    await withEnvironment(variables, stub, () => wmill.getVariable("f/a"));
  }
  assertEquals(
    stub.seen.map(({ url, headers }) => `${new URL(url).host} ${headers.get("authorization")}`),
    ["one.test Bearer one", "two.test Bearer two"],
  );
}, noEnvironment);

test("I 28: no cookies are sent unless that is asked for", async () => {
  const known = "credentials" in Request.prototype;
  await topLevel(() => json("v"), async (stub) => {
    await wmill.getVariable("f/a");
    await VariableService.getVariableValue({ workspace: "ws", path: "f/a" });
    assertEquals(OpenAPI.WITH_CREDENTIALS, false);
    for (const { init } of stub.seen) assertEquals(init.credentials, known ? "omit" : undefined);
  });
});

test("I 29: outside a run, calls of a workflow reject: they do not throw", async () => {
  for (const call of [() => waitForApproval(), () => taskScript("f/a")(), () => taskFlow("f/a")()]) {
    const promise = call();
    assert(promise instanceof Promise);
    await assertRejects(() => promise, undefined, "outside a run");
  }
});

test("I 30: a backslash before an n stays one, and a new line can be asked for", () => {
  const lines: string[] = [];
  const before = console.log;
  console.log = (line: string) => void lines.push(line);
  try {
    wmill.appendToResultStream("C:\\new\nline");
    wmill.appendToResultStream("x", { freshLine: true });
  } finally {
    console.log = before;
  }
  const read = lines.join("\n").split("\n").filter((line) => line.startsWith("WM_STREAM: "))
    .map((line) => line.slice(11).replaceAll("\\n", "\n"));
  assertEquals(read.join(""), "C:\\new\nlinex");
});

test("I 31: the number of a resume address is drawn by what is made for secrets", async () => {
  const urls = { approvalPage: "p", resume: "r", cancel: "c" };
  const stub = serve(() => json(urls));
  const before = Math.random;
  Math.random = () => {
    throw new Error("Math.random was asked");
  };
  try {
    for (let time = 0; time < 8; time++) await client(stub, { env: { WM_JOB_ID: id } }).approvals.resumeUrls();
  } finally {
    Math.random = before;
  }
  const drawn = stub.seen.map(({ target }) => Number(target.split("/").at(-1)));
  assert(drawn.every((nonce) => Number.isInteger(nonce) && nonce >= 0 && nonce < 2 ** 32));
  assertEquals(new Set(drawn).size, drawn.length);
});

test("I 32: a GET that posts a message is made once: a failure that passes does not post it twice", async () => {
  const env = { WM_JOB_ID: id, WM_FLOW_JOB_ID: id, WM_FLOW_STEP_ID: "a" };
  const clock = stillClock();
  const stub = serve(() => text("Bad gateway", 502));
  const asking = client(stub, { env, clock }).approvals.requestSlack({ slackResourcePath: "u/a/b", channelId: "c" });
  await clock.drive(assertRejects(() => asking, "WINDMILL_API", "502"));
  assertEquals(stub.seen.length, 1);
});

test("I 33: a variable that somebody else creates meanwhile is written, secrecy and description can be updated", async () => {
  const mock = mockWindmill({ variables: { "f/a": { value: "1", isSecret: false } } });
  const { variables, resources } = createClient(mock.options);
  await variables.set("f/a", "2", { isSecret: true, description: "new" });
  assertEquals(mock.variables.get("f/a"), { value: "2", isSecret: true, description: "new" });
  // The server says that there is none, and then that there is one.
  mock.resources.set("f/r", { value: 1, resourceType: "t" });
  mock.fail({ path: "variables/exists/", status: 200, body: "false" });
  await variables.set("f/a", "4");
  mock.fail({ path: "resources/exists/", status: 200, body: "false" });
  await resources.set("f/r", 2, { resourceType: "t" });
  assertEquals([mock.variables.get("f/a")?.value, mock.resources.get("f/r")?.value], ["4", 2]);
  mock.close();
});

test("I 34: TaskError is a class that the package exports, with name and code", () => {
  const error = new TaskError("no", "k", { error: { name: "Error", message: "no" } });
  assert(error instanceof wmill.TaskError && hasCode(error, "TASK_FAILED"));
  assertEquals([error.name, error.step_key], ["TaskError", "k"]);
});

test("I 35: a resource can be read as it is stored, for a job, and from the cache", async () => {
  const stub = serve(() => json({ password: "$var:f/p" }));
  const { resources } = client(stub);
  await resources.get("f/a", { raw: true });
  await resources.get("f/a", { jobId: id, allowCache: true });
  assertEquals(stub.seen.map(({ target }) => target.replace("/api/w/ws/resources/", "")), [
    "get_value/f/a",
    `get_value_interpolated/f/a?job_id=${id}&allow_cache=true`,
  ]);
});

test("I 37: calls have repetition, limits of time, signals and headers, and can be watched", async () => {
  const clock = stillClock(), log: string[] = [];
  const stub = serve(() => stub.seen.length === 1 ? text("later", 503) : json("v"));
  const c = client(stub, {
    clock,
    fetch: async (url, init) => {
      const response = await stub.fetch(url, init);
      log.push(`${init.method} ${response.status}`);
      return response;
    },
  });
  assertEquals(await clock.drive(c.variables.get("f/a", { headers: { "x-trace": "1" } })), "v");
  assertEquals([log, stub.seen[1]?.headers.get("x-trace")], [["GET 503", "GET 200"], "1"]);
  const never = client(serve(() => new Promise<Response>(() => {})), { clock });
  await clock.drive(assertRejects(() => never.variables.get("f/a", { timeoutMs: 10 }), "DEADLINE_EXCEEDED"));
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => never.variables.get("f/a", { signal }), undefined, "enough");
});

test("I 38: operations that are described twice are there once, and endpoints that are not described can be called", async () => {
  const stub = serve(() => json(1));
  const api = createApi(options(stub), operations);
  await api.call("getUser", { params: { path: { username: "me" } } });
  await api.GET("/w/{workspace}/concurrency_groups/list_jobs", untyped({}));
  const c = client(stub);
  const routes = ["assets/record_materialization", "jobs/wac/inline_checkpoint/x", "jobs/run/workflow_as_code/x/main"];
  for (const route of routes) await c.post(`w/{workspace}/${route}`, {});
  await c.get("w/{workspace}/s3_proxy/bucket/key");
  assertEquals(stub.seen.map(({ target }) => target.replace("/api/w/ws/", "")), [
    "users/get/me",
    "concurrency_groups/list_jobs",
    ...routes,
    "s3_proxy/bucket/key",
  ]);
});

/** A call that no type allows: programs without types make it. */
function untyped(value: unknown): never {
  // `as`: that is what it is for.
  return value as never;
}

test("I: every row has a case", () => {
  const here = registered().map(({ name }) => Number(/^I (\d+):/.exec(name)?.[1] ?? 0)).filter((row) => row > 0);
  const all = Array.from({ length: 38 }, (_, at) => at + 1);
  assertEquals(here.toSorted((a, b) => a - b), all);
});
