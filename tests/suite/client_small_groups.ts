/** Approvals, Teams, Kafka, tokens, users, version, context, raw calls, base64: what they refuse and what they understand. */
import * as wmill from "@windkit/windmill-client";
import { type Client, type ClientOptions, createClient } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { json, options, type Seen, serve, stillClock, type Stub, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

const urls = { approvalPage: "a", resume: "r", cancel: "c" };
const flow = { WM_JOB_ID: "job-self", WM_FLOW_JOB_ID: "flow-1", WM_FLOW_STEP_ID: "a" };
const slack = { slackResourcePath: "u/me/slack", channelId: "C1" };

function client(stub: Stub, more: Partial<ClientOptions> = {}): Client {
  return createClient(options(stub, more));
}

function targets(stub: Stub): string[] {
  return stub.seen.map(({ method, target }) => `${method} ${target.replace("/api/", "")}`);
}

async function refuses(call: () => unknown, kind: typeof TypeError | typeof RangeError, part: string): Promise<void> {
  const error = await assertRejects(call, undefined, part);
  assert(error instanceof kind, `Expected a ${kind.name}, found ${error.name}: ${error.message}`);
}

// Approvals

test("approvals.resumeUrls() draws another number of 32 bits for each call", async () => {
  const stub = serve(() => json(urls));
  const c = client(stub, { env: flow });
  for (let i = 0; i < 20; i++) assertEquals(await c.approvals.resumeUrls(), urls);
  const numbers = stub.seen.map(({ target }) => Number(target.split("/").at(-1)));
  assertEquals(new Set(numbers).size, 20);
  for (const number of numbers) assert(Number.isInteger(number) && number >= 0 && number < 2 ** 32, `${number}`);
  // 20 draws below 10^9 have a chance of 1 to 10^12.
  assert(numbers.some((number) => number > 1e9), `Expected numbers of 32 bits, found ${numbers}`);
});

test("approvals take the job that is given, and encode it, the key and the approver", async () => {
  const stub = serve(() => json(urls));
  const c = client(stub);
  await c.approvals.urls("a key?", { jobId: "j/1", approver: "ann & bob" });
  await c.approvals.urls(undefined, { jobId: "j" });
  assertEquals(targets(stub), [
    "GET w/ws/jobs/wac_approval_urls/j%2F1/a%20key%3F?approver=ann+%26+bob",
    "GET w/ws/jobs/wac_approval_urls/j/approval",
  ]);
});

test("approvals refuse, before any request, a missing job, a missing flow, and keys that cannot be one", async () => {
  const stub = serve(() => json(urls));
  for (const WM_JOB_ID of [undefined, ""]) {
    const outside = client(stub, { env: { ...flow, WM_JOB_ID } });
    for (
      const call of [
        () => outside.approvals.resumeUrls(),
        () => outside.approvals.urls(),
        () => outside.approvals.requestSlack(slack),
        () => outside.approvals.requestTeams({ teamName: "t", channelName: "c" }),
      ]
    ) await assertRejects(call, "CONFIGURATION", "WM_JOB_ID");
  }
  for (const name of ["WM_FLOW_JOB_ID", "WM_FLOW_STEP_ID"]) {
    for (const value of [undefined, ""]) {
      const c = client(stub, { env: { ...flow, [name]: value } });
      await assertRejects(() => c.approvals.requestSlack(slack), "CONFIGURATION", name);
    }
  }
  const c = client(stub, { env: flow });
  for (const key of ["", " ", "a/b", "a\\b", null as unknown as string]) {
    await refuses(() => c.approvals.urls(key), RangeError, "Expected a key");
  }
  for (const key of [".", "..", "\ud800"]) {
    await refuses(() => c.approvals.urls(key), RangeError, " key ");
  }
  const { channelId: _, ...without } = slack;
  for (const approval of [without as typeof slack, { ...slack, channelId: "" }]) {
    await refuses(() => c.approvals.requestSlack(approval), TypeError, "'channelId'");
  }
  assertEquals(stub.seen.length, 0);
});

test("approvals.urls() and resumeUrls() refuse answers that are no addresses", async () => {
  for (const body of ["", "<html>", "[]", "null", '{"approvalPage":"a","resume":"r"}', '{"approvalPage":']) {
    const c = client(serve(() => text(body)), { env: flow });
    await assertRejects(() => c.approvals.resumeUrls(), "WINDMILL_API", "approvalPage");
    await assertRejects(() => c.approvals.urls(), "WINDMILL_API", "approvalPage");
  }
});

test("a request for an approval is made once: neither status nor lost connection repeats it", async () => {
  const clock = stillClock();
  for (const fails of [() => text("busy", 503), () => text("wait", 429), () => Promise.reject(new Error("lost"))]) {
    const stub = serve(fails);
    const c = client(stub, { env: flow, clock });
    await assertRejects(() => clock.drive(c.approvals.requestSlack(slack)), "WINDMILL_API");
    await assertRejects(
      () => clock.drive(c.approvals.requestTeams({ teamName: "t", channelName: "c" })),
      "WINDMILL_API",
    );
    assertEquals(stub.seen.length, 2);
  }
});

test("approvals.requestTeams() sends the texts of the buttons, and nothing that was not asked for", async () => {
  const stub = serve(() => text(""));
  const approval = {
    teamName: "a b",
    channelName: "c",
    resumeButtonText: "Yes",
    cancelButtonText: "No",
    defaultArgsJson: {},
    stray: "s",
  };
  await client(stub, { env: flow }).approvals.requestTeams(approval);
  assertEquals(targets(stub), [
    "GET w/ws/jobs/teams_approval/job-self?team_name=a+b&channel_name=c&flow_step_id=a&default_args_json=%7B%7D" +
    "&resume_button_text=Yes&cancel_button_text=No",
  ]);
});

// Version

test("a call that the server does not know says which version has it", async () => {
  const old = (version: string) => serve(({ target }) => target === "/api/version" ? text(version) : text("", 404));
  for (const version of ["CE v1.735.0", "EE v1.735.0-12-gabcdef", "CE v1.99.999", "EE v1.770.9\n", "v0.999.0"]) {
    const stub = old(version);
    const error = await assertRejects(
      () => client(stub, { env: flow }).approvals.urls(),
      "HOST_UNSUPPORTED",
      `Cannot use getApprovalUrls() on this server: expected Windmill 1.771.0 or newer, found ${version.trim()}`,
    );
    assertEquals((error.cause as { status?: unknown }).status, 404);
    assertEquals(targets(stub).length, 2);
  }
  await assertRejects(
    () => client(old("CE v1.654.9")).kafka.commitOffset("f/k", { topic: "t", partition: 0, offset: 0 }),
    "HOST_UNSUPPORTED",
    "Cannot use commitKafkaOffsets() on this server: expected Windmill 1.655.0 or newer, found CE v1.654.9",
  );
});

test("a call that fails for another reason than the server's age ends with the server's own words", async () => {
  const cases: readonly [answer: (request: Seen) => Response | Promise<Response>, requests: number][] = [
    // What is not there, on a server that knows the call: its version is not asked for.
    [() => text("Not found: job", 404), 1],
    [() => text("no", 403), 1],
    // A server that is new enough, or whose version cannot be read.
    [({ target }) => target === "/api/version" ? text("CE v1.771.0") : text("", 404), 2],
    [({ target }) => target === "/api/version" ? text("EE v2.0.0") : text("", 404), 2],
    [({ target }) => target === "/api/version" ? text("nightly") : text("", 404), 2],
    [({ target }) => target === "/api/version" ? text("<html>") : text("<html>", 404), 2],
    [() => text("", 404), 2],
  ];
  for (const [answer, requests] of cases) {
    const stub = serve(answer);
    const error = await assertRejects(() => client(stub, { env: flow }).approvals.urls(), "WINDMILL_API");
    assertIncludes(error.message, "wac_approval_urls");
    assertEquals(stub.seen.length, requests);
  }
});

test("version() gives the text without its white space, needs no workspace, and refuses what is none", async () => {
  const bare = { workspace: "", env: {} };
  for (const [body, version] of [["CE v1.735.0", "CE v1.735.0"], ["  EE v1.2.3\n", "EE v1.2.3"]]) {
    const { workspace: _, ...rest } = options(serve(() => text(body as string)), bare);
    assertEquals(await createClient(rest).version(), version);
  }
  for (const body of ["", " \n", "<!doctype html>"]) {
    await assertRejects(() => client(serve(() => text(body))).version(), "WINDMILL_API", "a version");
  }
});

// Teams

test("teams.send() sends what is given, once, and refuses what is no text", async () => {
  const stub = serve(() => text("busy", 503));
  const c = client(stub, { clock: stillClock() });
  await assertRejects(() => c.teams.send("conv", "", { success: false, cardBlock: null }), "WINDMILL_API");
  assertEquals(stub.seen.map(({ body }) => body), [
    '{"conversation_id":"conv","text":"","success":false,"card_block":null}',
  ]);
  await refuses(() => c.teams.send("", "hi"), TypeError, "id of a conversation");
  await refuses(() => c.teams.send("conv", undefined as unknown as string), TypeError, "a text");
  assertEquals(stub.seen.length, 1);
});

// Kafka

test("kafka.commitOffset() sends every digit of an offset", async () => {
  const stub = serve(() => text(""));
  const c = client(stub);
  const offsets = [0, -0, 42, 0n, Number.MAX_SAFE_INTEGER, 2n ** 53n + 1n, 2n ** 63n - 1n];
  for (const offset of offsets) {
    await c.kafka.commitOffset("f/k/trig", { topic: 't"\n', partition: 2 ** 31 - 1, offset });
  }
  const start = '{"topic":"t\\"\\n","partition":2147483647,"offset":';
  assertEquals(
    stub.seen.map(({ body }) => body),
    ["0", "0", "42", "0", "9007199254740991", "9007199254740993", "9223372036854775807"].map((d) => `${start}${d}}`),
  );
  assertEquals(stub.seen[0]?.headers.get("content-type"), "application/json");
});

test("kafka.commitOffset() refuses numbers that are not whole, not exact or out of range, before any request", async () => {
  const stub = serve(() => text(""));
  const c = client(stub);
  const good = { topic: "t", partition: 0, offset: 0 };
  for (
    const offset of [-1, 1.5, NaN, Infinity, 2 ** 53, -1n, 2n ** 63n, "1" as unknown as number, undefined as never]
  ) {
    await refuses(
      () => c.kafka.commitOffset("f/k", { ...good, offset }),
      RangeError,
      "'offset' must be a whole number",
    );
  }
  for (const partition of [-1, 0.5, 2 ** 31, NaN]) {
    await refuses(() => c.kafka.commitOffset("f/k", { ...good, partition }), RangeError, "'partition' must be");
  }
  for (const topic of ["", undefined as unknown as string]) {
    await refuses(() => c.kafka.commitOffset("f/k", { ...good, topic }), TypeError, "'topic'");
  }
  for (const path of ["", "..", "f/../k", "f//k"]) {
    await refuses(() => c.kafka.commitOffset(path, good), RangeError, "Kafka trigger");
  }
  assertEquals(stub.seen.length, 0);
});

test("kafka.commitOffset() is repeated after a failure that passes: the highest offset counts", async () => {
  const clock = stillClock();
  const stub = serve(() => stub.seen.length < 2 ? text("busy", 503) : text(""));
  await clock.drive(client(stub, { clock }).kafka.commitOffset("f/k", { topic: "t", partition: 0, offset: 1n }));
  assertEquals(stub.seen.length, 2);
});

// Tokens

test("tokens.create() sends label, end in UTC and limits, and is made once", async () => {
  const clock = stillClock(Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  const stub = serve(({ target }) => target === "/api/version" ? text("CE v1.701.0") : text("tok\n", 201));
  const c = client(stub, { clock });
  assertEquals(await c.tokens.create({ durationSeconds: 60 }), "tok");
  await c.tokens.create({ expiration: new Date(Date.UTC(2027, 0, 1)), label: "ci", scopes: ["jobs:run"] });
  await c.tokens.create({ expiration: "2027-01-01T00:00:00+01:00", label: "", workspaceId: "w" });
  await c.tokens.create({ expiration: null, readOnly: true });
  await c.tokens.create({ readOnly: false, durationSeconds: 0.5 });
  assertEquals(stub.seen.map(({ body }) => body), [
    '{"label":"refresh 1767323105","expiration":"2026-01-02T03:05:05Z"}',
    '{"label":"ci","expiration":"2027-01-01T00:00:00Z","scopes":["jobs:run"]}',
    '{"label":"","expiration":"2026-12-31T23:00:00Z","workspace_id":"w"}',
    "",
    '{"label":"refresh","read_only":true}',
    '{"label":"refresh 1767323046","expiration":"2026-01-02T03:04:06Z","read_only":false}',
  ]);
  const busy = serve(() => text("busy", 503));
  await assertRejects(() => client(busy, { clock }).tokens.create(), "WINDMILL_API");
  assertEquals(busy.seen.length, 1);
});

test("tokens.create() asks no old server for a read-only token, which would be one that can do everything", async () => {
  const stub = serve(({ target }) => target === "/api/version" ? text("EE v1.700.2") : text("tok", 201));
  await assertRejects(
    () => client(stub).tokens.create({ readOnly: true }),
    "HOST_UNSUPPORTED",
    "Cannot use a read-only token on this server: expected Windmill 1.701.0 or newer, found EE v1.700.2",
  );
  assertEquals(targets(stub), ["GET version"]);
  const silent = serve(() => text("no", 403));
  await assertRejects(() => client(silent).tokens.create({ readOnly: true }), "WINDMILL_API");
  assertEquals(targets(silent), ["GET version"]);
});

test("tokens refuse times that are none or over, and answers that are no token", async () => {
  const stub = serve(() => text("tok"));
  const c = client(stub, { clock: stillClock(Date.UTC(2026, 0, 1)) });
  for (const durationSeconds of [0, -1, NaN, Infinity]) {
    await refuses(() => c.tokens.create({ durationSeconds }), RangeError, "'durationSeconds' must be > 0");
  }
  for (const expiration of [new Date(Date.UTC(2025, 0, 1)), new Date(NaN), "soon"]) {
    await refuses(() => c.tokens.create({ expiration }), RangeError, "'expiration' must be a time in the future");
  }
  for (const expiresInSeconds of [0, -5, 1.5, NaN]) {
    await refuses(() => c.tokens.getId("aud", { expiresInSeconds }), RangeError, "'expiresInSeconds' must be");
  }
  for (const audience of ["", ".", ".."]) await refuses(() => c.tokens.getId(audience), RangeError, "audience");
  assertEquals(stub.seen.length, 0);
  for (const body of ["", "<html>"]) {
    const broken = client(serve(() => text(body)));
    await assertRejects(() => broken.tokens.create(), "WINDMILL_API", "a token");
    await assertRejects(() => broken.tokens.getId("aud"), "WINDMILL_API", "a token");
  }
});

// Users

test("users: who the client is on the instance, which needs no workspace, and in its workspace", async () => {
  const global = { email: "e", super_admin: true, extra: 1 };
  const member = { email: "e", username: "u", groups: ["all"], is_admin: false };
  const stub = serve(({ target }) => json(target.includes("/w/") ? member : global));
  const { workspace: _, ...noWorkspace } = options(stub);
  assertEquals(await createClient(noWorkspace).users.whoami(), global);
  await assertRejects(() => createClient(noWorkspace).users.member(), "CONFIGURATION", "workspace");
  assertEquals(await client(stub).users.member(), member);
  assertEquals(targets(stub), ["GET users/whoami", "GET w/ws/users/whoami"]);
  for (const body of ["", "<html>", "[]", "{}", '{"email":1}']) {
    await assertRejects(() => client(serve(() => text(body))).users.whoami(), "WINDMILL_API", "a user");
  }
  await assertRejects(() => client(serve(() => json({ email: "e" }))).users.member(), "WINDMILL_API", "'username'");
});

test("users.usernameToEmail() encodes the name, and tells a member from nobody", async () => {
  const stub = serve(({ target }) => target.endsWith("nobody") ? text("Not found: user", 404) : text("a@b.c\n"));
  assertEquals(await client(stub).users.usernameToEmail("a/b?"), "a@b.c");
  await assertRejects(() => client(stub).users.usernameToEmail("nobody"), "WINDMILL_API", "answered 404");
  await refuses(() => client(stub).users.usernameToEmail(".."), RangeError, "username");
  await assertRejects(() => client(serve(() => text("<html>"))).users.usernameToEmail("a"), "WINDMILL_API", "HTML");
  assertEquals(targets(stub)[0], "GET w/ws/users/username_to_email/a%2Fb%3F");
});

// Context

const names: Readonly<Record<string, string>> = {
  workspace: "WM_WORKSPACE",
  jobId: "WM_JOB_ID",
  rootJobId: "WM_ROOT_JOB_ID",
  jobPath: "WM_JOB_PATH",
  flowJobId: "WM_FLOW_JOB_ID",
  rootFlowJobId: "WM_ROOT_FLOW_JOB_ID",
  flowPath: "WM_FLOW_PATH",
  flowStepId: "WM_FLOW_STEP_ID",
  schedulePath: "WM_SCHEDULE_PATH",
  email: "WM_EMAIL",
  username: "WM_USERNAME",
  endUserEmail: "WM_END_USER_EMAIL",
  permissionedAs: "WM_PERMISSIONED_AS",
  statePath: "WM_STATE_PATH",
  statePathNew: "WM_STATE_PATH_NEW",
  objectPath: "WM_OBJECT_PATH",
  runnableId: "WM_RUNNABLE_ID",
  testedRunnable: "WM_TESTED_RUNNABLE",
  workerGroup: "WM_WORKER_GROUP",
  mockedApiFile: "WM_MOCKED_API_FILE",
  rawApp: "WM_RAW_APP",
  baseInternalUrl: "BASE_INTERNAL_URL",
  baseUrl: "BASE_URL",
  publicBaseUrl: "WM_BASE_URL",
  mainOverride: "MAIN_OVERRIDE",
};

test("context() has every variable of a worker, and not the token", () => {
  const values = Object.fromEntries(Object.values(names).map((name) => [name, `value of ${name}`]));
  const env = {
    ...values,
    WM_TOKEN: "tok-0123",
    WM_PIPELINE: "true",
    WM_WAC_INLINE_FAST_PATH: " Off ",
    WM_SCHEDULED_FOR: "2026-01-02T03:04:05Z",
  };
  const found = createClient({ env }).context();
  const { scheduledFor, pipeline, inlineFastPath, ...texts } = found;
  assertEquals(texts, Object.fromEntries(Object.entries(names).map(([key, name]) => [key, `value of ${name}`])));
  assertEquals([scheduledFor, pipeline, inlineFastPath], [new Date(Date.UTC(2026, 0, 2, 3, 4, 5)), true, false]);
  assert(!JSON.stringify(found).includes("tok-0123"), "Expected a context without the token");
});

test("context() outside a worker: what is not set, or set to nothing, is undefined", () => {
  const nothing = { ...Object.fromEntries(Object.keys(names).map((key) => [key, undefined])), scheduledFor: undefined };
  const expected = { ...nothing, pipeline: false, inlineFastPath: true };
  assertEquals(createClient({ env: {} }).context(), expected);
  const empty = Object.fromEntries(
    [...Object.values(names), "WM_SCHEDULED_FOR", "WM_PIPELINE"].map((name) => [name, ""]),
  );
  assertEquals(createClient({ env: empty }).context(), expected);
});

test("context() reads the time in the forms that servers write, and no time as undefined", () => {
  const at = (value: string) =>
    createClient({ env: { WM_SCHEDULED_FOR: value } }).context().scheduledFor?.toISOString();
  assertEquals(at("2026-01-02 03:04:05.678901 UTC"), "2026-01-02T03:04:05.678Z");
  assertEquals(at("2026-01-02 03:04:05 UTC"), "2026-01-02T03:04:05.000Z");
  assertEquals(at("2026-01-02T03:04:05.678+01:00"), "2026-01-02T02:04:05.678Z");
  assertEquals(at("tomorrow"), undefined);
});

test("context() and getEnv() of the top level read the process's environment", async () => {
  await withEnvironment({ WM_EMAIL: "a@b.c", WM_USERNAME: "" }, serve(() => text("")), async () => {
    assertEquals([wmill.context().email, wmill.context().username], ["a@b.c", undefined]);
    assertEquals([wmill.getEnv("WM_EMAIL"), wmill.getEnv("WM_USERNAME"), wmill.getEnv("WM_NONE")], [
      "a@b.c",
      undefined,
      undefined,
    ]);
  });
}, noEnvironment);

// Raw calls

test("get() and post() take endpoints with a query, and any number of slashes before them", async () => {
  const stub = serve(() => json({ ok: 1 }));
  const c = client(stub, { workspace: "my ws" });
  const answer = await c.get("//w/{workspace}/jobs/list?running=true&tag=a&tag=b%20c", { query: { page: 2 } });
  assertEquals([answer.status, answer.json()], [200, { ok: 1 }]);
  await c.get("version");
  await c.get("/version?");
  await c.post("/w/{workspace}/jobs/run/p/f/a b", { x: 1 }, { query: new URLSearchParams("tag=x&tag=y") });
  await c.post("/w/w2/x");
  assertEquals(stub.seen.map(({ method, target, body }) => [method, target, body]), [
    ["GET", "/api/w/my%20ws/jobs/list?running=true&tag=a&tag=b+c&page=2", ""],
    ["GET", "/api/version", ""],
    ["GET", "/api/version", ""],
    ["POST", "/api/w/my%20ws/jobs/run/p/f/a%20b?tag=x&tag=y", '{"x":1}'],
    ["POST", "/api/w/w2/x", ""],
  ]);
});

test("get() and post() refuse endpoints that leave the API, and turn an error status into an error", async () => {
  const stub = serve(() => text("Not found: x", 404));
  const c = client(stub);
  for (const bad of ["", "/", "/../admin", "w//x", "?a=b"]) {
    await refuses(() => c.get(bad), RangeError, "Cannot use");
    await refuses(() => c.post(bad), RangeError, "Cannot use");
  }
  assertEquals(stub.seen.length, 0);
  await assertRejects(() => c.get("/w/ws/x"), "WINDMILL_API", "answered 404: Not found: x");
  await assertRejects(() => c.post("/w/ws/x"), "WINDMILL_API", "answered 404: Not found: x");
});

test("get(), post() and getClient() of the top level go where the environment says", async () => {
  const stub = serve(() => json(1));
  const ambient = { BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };
  await withEnvironment(ambient, stub, async () => {
    await wmill.get("/version");
    await wmill.post("/w/{workspace}/x", { a: 1 });
    const transport = wmill.getClient();
    assertEquals(transport.workspace(), "ws");
    await transport.request("DELETE", "/w/{workspace}/y");
    await transport.get("/w/{workspace}/z");
  });
  assertEquals(targets(stub), ["GET version", "POST w/ws/x", "DELETE w/ws/y", "GET w/ws/z"]);
}, noEnvironment);

test("initGlobalClient() runs the function only where the top-level functions can reach a server", async () => {
  const ambient = { BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };
  let runs = 0;
  const add = wmill.initGlobalClient((a: number, b: number) => {
    runs++;
    return a + b;
  });
  const stub = serve(() => text(""));
  await withEnvironment(ambient, stub, async () => assertEquals(add(1, 2), 3));
  for (const name of Object.keys(ambient)) {
    await withEnvironment({ ...ambient, [name]: "" }, stub, async () => {
      await assertRejects(() => add(1, 2), "CONFIGURATION", name);
    });
  }
  assertEquals([runs, stub.seen.length], [1, 0]);
}, noEnvironment);

function multiply(a: number, b: number): number {
  return a * b;
}

test("deprecate() warns once and names the replacement", () => {
  const said: unknown[] = [];
  const before = console.warn;
  console.warn = (...words: unknown[]) => said.push(words.join(" "));
  try {
    const marked = wmill.deprecate(multiply, "better()");
    assertEquals(said, []);
    assertEquals([marked(2, 3), marked(4, 5)], [6, 20]);
    wmill.deprecate(() => 1, "other()")();
  } finally {
    console.warn = before;
  }
  assertEquals(said, [
    "multiply is deprecated: use better() instead",
    "This function is deprecated: use other() instead",
  ]);
});

// Base64

test("base64 there and back: all bytes, all paddings, lengths around the pieces, a large input", () => {
  for (const length of [0, 1, 2, 3, 255, 24_575, 24_576, 24_577, 3_000_001]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);
    const encoded = wmill.uint8ArrayToBase64(bytes);
    assertEquals(encoded.length, Math.ceil(length / 3) * 4);
    const back = wmill.base64ToUint8Array(encoded);
    assert(back.length === length && back.every((byte, i) => byte === bytes[i]), `Expected the same ${length} bytes`);
  }
  assertEquals(wmill.uint8ArrayToBase64(new TextEncoder().encode("Ünicode ✓")), "w5xuaWNvZGUg4pyT");
  const window = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
  assertEquals(wmill.uint8ArrayToBase64(window), "AQID");
});

test("base64ToUint8Array() takes the URL-safe alphabet, white space and missing padding", () => {
  for (const text of ["+/8=", "-_8=", "-_8", "+/ 8\n=", " -_\t8\r\n"]) {
    assertEquals(wmill.base64ToUint8Array(text), new Uint8Array([251, 255]), text);
  }
});

test("base64ToUint8Array() refuses what is no base64, without quoting it", async () => {
  for (
    const [bad, part] of [
      ["se%cret", "a stray character at 2"],
      ["geheim✓", "a stray character at 6"],
      ["abcde", "ends in the middle"],
      ["YQ=", "its padding is wrong"],
      ["Y=Q=", "its padding is wrong"],
    ] as const
  ) {
    const error = await assertRejects(() => wmill.base64ToUint8Array(bad), undefined, part);
    assert(error instanceof SyntaxError && !error.message.includes(bad.slice(0, 4)), error.message);
  }
  await refuses(() => wmill.base64ToUint8Array(undefined as unknown as string), TypeError, "found a undefined");
  await refuses(() => wmill.uint8ArrayToBase64("x" as unknown as Uint8Array), TypeError, "a Uint8Array");
  await refuses(() => wmill.uint8ArrayToBase64([1] as unknown as Uint8Array), TypeError, "a Uint8Array");
});
