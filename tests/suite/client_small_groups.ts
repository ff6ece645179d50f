/** Teams, Kafka, tokens, users, context, raw calls, base64: what they refuse and what they understand. */
import * as wmill from "@windkit/windmill-client";
import { createClient } from "@windkit/windmill-client";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { client, json, options, refuses, serve, stillClock, targets, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

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
  assertEquals(targets(stub, "/api/"), ["GET version"]);
  const silent = serve(() => text("no", 403));
  await assertRejects(() => client(silent).tokens.create({ readOnly: true }), "WINDMILL_API");
  assertEquals(targets(silent, "/api/"), ["GET version"]);
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
    // The client's own token is struck out of errors, also where it is a part of a word.
    const broken = client(serve(() => text(body)), { token: "s3cr3t" });
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
  assertEquals(targets(stub, "/api/"), ["GET users/whoami", "GET w/ws/users/whoami"]);
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
  await assertRejects(
    () => client(serve(() => text("<html>"))).users.usernameToEmail("a"),
    "WINDMILL_API",
    "other text",
  );
  assertEquals(targets(stub, "/api/")[0], "GET w/ws/users/username_to_email/a%2Fb%3F");
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
  assertEquals(targets(stub, "/api/"), ["GET version", "POST w/ws/x", "DELETE w/ws/y", "GET w/ws/z"]);
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
