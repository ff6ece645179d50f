/**
 * The defects of the official client 1.818.0 (sdk-contract I), one case each, that show that this client has none of them.
 *
 * @module
 */
import * as wmill from "@windkit/windmill-client";
import { createClient, hasCode, TaskError } from "@windkit/windmill-client";
import { createApi, operations } from "@windkit/windmill-client/api";
import { JobService, OpenAPI, setClient, VariableService } from "@windkit/windmill-client/compat";
import { mockWindmill } from "@windkit/windmill-client/testing";
import { parallel, task, taskFlow, taskScript, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import {
  client,
  feed,
  json,
  options,
  type Seen,
  serve,
  settle,
  stillClock,
  type Stub,
  text,
  withEnvironment,
} from "./_client_kit.ts";
import { runTrial } from "./_engine_kit.ts";
import { s3Stub, storedText } from "./_s3_kit.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noEnvironment } from "./env.ts";
import { registered, test } from "./harness.ts";

const id = "00000000-0000-0000-0000-00000000c0de";

/** Runs `use` with the top level going to a server in memory. */
async function topLevel(handler: (request: Seen) => Response, use: (stub: Stub) => Promise<unknown>): Promise<void> {
  const stub = serve(handler);
  await through(stub, () => use(stub));
}

/** Runs `use` with the top level going to a stub. */
async function through(stub: Pick<Stub, "fetch">, use: () => Promise<unknown>): Promise<void> {
  const before = globalThis.fetch;
  globalThis.fetch = stub.fetch as typeof fetch;
  setClient("tok", "http://stub.test", "ws");
  try {
    await use();
  } finally {
    globalThis.fetch = before;
    setClient();
  }
}

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

test("I 3: bytes, Blobs and streams are stored as they are, and text has the kind that is given", async () => {
  const bytes = new Uint8Array([0, 123, 255]);
  const sources: readonly (() => wmill.S3Content)[] = [
    () => bytes,
    () => bytes.buffer,
    () => new Blob([bytes]),
    () => new Blob([bytes]).stream(),
  ];
  const stub = s3Stub();
  await through(stub, async () => {
    for (const source of sources) {
      await wmill.writeS3File("s3:///k", source());
      assertEquals(stub.objects.get("/k")?.bytes, bytes);
    }
    await wmill.writeS3File("s3:///t", "é", undefined, "text/csv");
  });
  assertEquals([storedText(stub, "/t"), stub.objects.get("/t")?.type], ["é", "text/csv"]);
});

test("I 4: content is read as it comes, and given up when the reader stops", async () => {
  const content = feed(undefined, "application/octet-stream");
  await topLevel(() => content.response, async () => {
    const object = await wmill.loadS3FileStream("s3:///k");
    const reader = object.stream().getReader();
    content.send("ab");
    assertEquals((await reader.read()).value, new Uint8Array([97, 98]));
    await reader.cancel();
    assert(content.cancelled());
  });
  await topLevel(() => text("abc"), async () => {
    assertEquals(await wmill.loadS3File("s3:///k"), new Uint8Array([97, 98, 99]));
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

test("I 6: a public address has its key encoded, and one slash after the base", async () => {
  await topLevel(() => json([{ s3: "a b?c#d/é", storage: "st", presigned: "exp=1&sig=2" }]), async () => {
    const base = { baseUrl: "https://pub.test/" };
    const end = "/api/w/ws/s3_proxy/st/a%20b%3Fc%23d/%C3%A9?exp=1&sig=2";
    const object = "s3://st/a b?c#d/é";
    assertEquals(await wmill.getPresignedS3PublicUrl(object, base), `https://pub.test${end}`);
    assertEquals(await wmill.getPresignedS3PublicUrls([object], base), [`https://pub.test${end}`]);
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

test("I 13: a deletion goes to the store of the resource that is given", async () => {
  await topLevel(() => json("deleted"), async (stub) => {
    await wmill.deleteS3File("s3:///k", undefined, { resourcePath: "$res:u/me/s3" });
    const { method, url } = stub.seen[0] as Seen;
    assertEquals([method, new URL(url).searchParams.get("s3_resource_path")], ["DELETE", "u/me/s3"]);
  });
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

test("I 16: an explicit cast is the statement's, whatever stands after it", () => {
  const lake = wmill.ducklake("lake");
  for (
    const [{ content }, type, end] of [
      [lake`SELECT CAST(${1} AS int)`, "BIGINT", "SELECT CAST($arg1 AS int)"],
      [lake`SELECT ${1}::int, y`, "BIGINT", "SELECT $arg1::int, y"],
      [lake`SELECT ${1}::double precision`, "BIGINT", "SELECT $arg1::double precision"],
      [lake`SELECT ${"x"}::varchar(3)`, "TEXT", "SELECT $arg1::varchar(3)"],
    ] as const
  ) {
    assertEquals(content, `-- $arg1 (${type})\nATTACH 'ducklake://lake' AS dl;USE dl;\n${end}`);
  }
});

test("I 17: names are quoted, and those that say something else than they mean are refused", async () => {
  const schema = 's"; DROP SCHEMA x; --';
  const quoted = '"s""; DROP SCHEMA x; --"';
  assertIncludes(wmill.datatable(`main:${schema}`)`SELECT 1`.content, `SET search_path TO ${quoted};`);
  assertIncludes(wmill.ducklake(`lake:${schema}`)`SELECT 1`.content, `USE dl.${quoted};`);
  const partition = { table: "my t", selectSql: "SELECT 1 AS id", partition: "p'1" };
  const { content, args } = wmill.appendPartition(partition);
  assertIncludes(content, 'dl."my t"');
  assert(!content.includes("p'1") && Object.values(args).includes("p'1"));
  await assertRejects(() => wmill.appendPartition({ ...partition, table: 't"; x' }), undefined, "without quotes");
  for (const name of ["x:", "a:b:c", "a'b"]) {
    for (const make of [wmill.datatable, wmill.ducklake, wmill.parseSqlClientName]) {
      const error = await assertRejects(() => make(name), undefined, JSON.stringify(name));
      assert(error instanceof RangeError);
    }
  }
});

test("I 18: undefined is refused with its position; bigint and bytes arrive, nested ones too", async () => {
  const bytes = new Uint8Array([0, 171]);
  const { content, args } = wmill.datatable()`SELECT ${bytes}, ${bytes.buffer}, ${{ a: [10n], b: bytes }}, ${[1n, 2n]}`;
  assertIncludes(content, "SELECT $1::TEXT::BYTEA, $2::TEXT::BYTEA, $3::JSON, $4::BIGINT[]");
  const { database: _, ...values } = args;
  assertEquals(Object.values(values), ["\\x00ab", "\\x00ab", { a: ["10"], b: "\\x00ab" }, ["1", "2"]]);
  assertIncludes(wmill.ducklake()`SELECT ${bytes}`.content, "unhex(");
  for (
    const make of [
      () => wmill.datatable()`SELECT ${1}, ${undefined}`,
      () => wmill.datatable().query("SELECT $1, $2", 1, undefined),
      () => wmill.ducklake()`SELECT ${1}, ${undefined}`,
    ]
  ) {
    assert(await assertRejects(make, undefined, "value 2") instanceof RangeError);
  }
});

test("I 19: an error of a statement has its status and the server's words, and execute() gives nothing", async () => {
  // A response has no text of its status here, as over HTTP/2.
  await topLevel(() => text('db error: relation "t" does not exist', 500), async () => {
    for (const make of [wmill.datatable(), wmill.ducklake()]) {
      const error = await assertRejects(() => make`SELECT * FROM t`.fetch(), "WINDMILL_API", 'relation "t"');
      const { status, query } = error as unknown as Record<string, unknown>;
      assertEquals([status, query], [500, "SELECT * FROM t"]);
    }
  });
  await topLevel(() => json([{ a: 1 }]), async () => {
    assertEquals(await wmill.datatable()`SELECT 1 AS a`.execute(), undefined);
  });
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

test("I 22: settings of a connection to S3 have the port and the token that the server sends", async () => {
  const sent = { bucket: "b", region: "r", endPoint: "e", useSSL: true, pathStyle: false, port: 9000, token: "t" };
  await topLevel(() => json(sent), async () => {
    const { port, token, ...rest } = await wmill.denoS3LightClientSettings(undefined);
    const typed: readonly [number | undefined, string | undefined] = [port ?? undefined, token ?? undefined];
    assertEquals([...typed, rest.bucket], [9000, "t", "b"]);
  });
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

test("I 36: a storage that is null is the default one", async () => {
  const object = { s3: "k", storage: null };
  const stub = s3Stub();
  await through(stub, async () => {
    await wmill.writeS3File(object, "x");
    assertEquals([...stub.objects.keys()], ["/k"]);
    assertEquals(new TextDecoder().decode(await wmill.loadS3File(object)), "x");
    assertEquals(await (await wmill.loadS3FileStream(object)).text(), "x");
  });
  assert(!stub.seen.some(({ url }) => url.searchParams.has("storage")));
  await topLevel(() => json([{ ...object, presigned: "sig=1" }]), async (asked) => {
    const url = await wmill.getPresignedS3PublicUrl(object, { baseUrl: "https://pub.test" });
    assertEquals(url, "https://pub.test/api/w/ws/s3_proxy/_default_/k?sig=1");
    assertEquals(asked.seen[0]?.body, '{"s3_objects":[{"s3":"k"}]}');
  });
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
