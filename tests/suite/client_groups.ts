/** What the groups of a client do beyond one request: configuration, paths, races, pages, defaults. */
import * as wmill from "@windkit/windmill-client";
import { type ClientOptions, createClient } from "@windkit/windmill-client";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { client, json, options, type Seen, serve, type Stub, targets, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

const id = "00000000-0000-0000-0000-00000000c0de";
const ambient = { BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };

/** Answers by the start of the target below the workspace. */
function routes(table: Readonly<Record<string, (request: Seen) => Response>>): Stub {
  return serve((request) => {
    const target = request.target.replace("/api/w/ws/", "");
    const key = Object.keys(table).find((start) => target.startsWith(start));
    return key === undefined ? text(`No route for ${target}`, 404) : (table[key] as (r: Seen) => Response)(request);
  });
}

// Configuration

test("configuration: what is missing is named, with option and variable, before any request", async () => {
  const stub = serve(() => json("v"));
  const full = { baseUrl: "http://stub.test", workspace: "ws", token: "tok" };
  for (
    const [option, variables] of [
      ["baseUrl", ["BASE_INTERNAL_URL", "BASE_URL", "WM_BASE_URL"]],
      ["workspace", ["WM_WORKSPACE"]],
      ["token", ["WM_TOKEN"]],
    ] as const
  ) {
    const { [option]: _, ...rest } = full;
    for (const env of [{}, Object.fromEntries(variables.map((name) => [name, ""]))]) {
      const call = () => createClient({ ...rest, env, fetch: stub.fetch }).variables.get("a");
      const error = await assertRejects(call, "CONFIGURATION", `'${option}'`);
      for (const name of variables) assert(error.message.includes(name), `Expected ${name} in: ${error.message}`);
      assert(error.message.includes("found nothing"), error.message);
    }
  }
  assertEquals(stub.seen.length, 0);
});

test("configuration: BASE_INTERNAL_URL goes before BASE_URL, and that before WM_BASE_URL; options go before all", async () => {
  const stub = serve(() => json("v"));
  const env = { WM_BASE_URL: "http://c.test/", BASE_URL: "http://b.test", BASE_INTERNAL_URL: "http://a.test/sub/" };
  const { BASE_INTERNAL_URL: _a, ...second } = env;
  const { BASE_URL: _b, ...third } = second;
  for (const given of [env, second, third, { ...third, BASE_URL: "", BASE_INTERNAL_URL: "" }]) {
    await createClient({ env: given, workspace: "w", token: "t", fetch: stub.fetch }).variables.get("v");
  }
  await createClient({ env, baseUrl: "http://o.test//", workspace: "w", token: "t", fetch: stub.fetch }).variables.get(
    "v",
  );
  assertEquals(
    stub.seen.map(({ url }) => url.replace("/api/w/w/variables/get_value/v", "")),
    ["http://a.test/sub", "http://b.test", "http://c.test", "http://c.test", "http://o.test"],
  );
});

test("configuration: bindings that are no text count as unset", async () => {
  const env = { WM_TOKEN: { get: () => "t" }, WM_WORKSPACE: 7 };
  const stub = serve(() => json("v"));
  const call = () => createClient({ baseUrl: "http://stub.test", env, fetch: stub.fetch }).variables.get("v");
  await assertRejects(call, "CONFIGURATION", "found nothing");
});

test("configuration: the environment is read at the call, not at import or creation", async () => {
  const env: Record<string, string> = {};
  const stub = serve(() => json("v"));
  const c = createClient({ env, fetch: stub.fetch });
  await assertRejects(() => c.variables.get("v"), "CONFIGURATION");
  Object.assign(env, { BASE_URL: "http://stub.test", WM_WORKSPACE: "one", WM_TOKEN: "t1" });
  await c.variables.get("v");
  Object.assign(env, { WM_WORKSPACE: "two", WM_TOKEN: "t2" });
  await c.variables.get("v");
  assertEquals(stub.seen.map(({ target, headers }) => [target.slice(0, 11), headers.get("authorization")]), [
    ["/api/w/one/", "Bearer t1"],
    ["/api/w/two/", "Bearer t2"],
  ]);
  assertEquals(c.workspace(), "two");
});

test("configuration: options that change after createClient() do not change the client", async () => {
  const stub = serve(() => json("v"));
  const given = { ...options(stub) } as { -readonly [K in keyof ClientOptions]: ClientOptions[K] };
  const c = createClient(given);
  given.token = "other";
  given.workspace = "other";
  await c.variables.get("v");
  assertEquals([stub.seen[0]?.target, stub.seen[0]?.headers.get("authorization")], [
    "/api/w/ws/variables/get_value/v",
    "Bearer tok",
  ]);
});

test("configuration: the empty text in the process's environment is unset", async () => {
  const stub = serve(() => text(id, 201));
  const env = { ...ambient, BASE_INTERNAL_URL: "", WM_JOB_ID: "", WM_ROOT_FLOW_JOB_ID: "" };
  await withEnvironment(env, stub, async () => {
    await wmill.runScriptByPathAsync("f/a");
    await assertRejects(() => wmill.getRootJobId(), "CONFIGURATION", "WM_JOB_ID");
  });
  assertEquals(stub.seen.map(({ url }) => url), ["http://stub.test/api/w/ws/jobs/run/p/f/a"]);
}, noEnvironment);

test("setClient() goes over the environment, and back to it without arguments", async () => {
  const stub = serve(() => json("v"));
  const env = { BASE_URL: "http://env.test", WM_WORKSPACE: "env", WM_TOKEN: "env" };
  await withEnvironment(env, stub, async () => {
    try {
      await wmill.getVariable("v");
      wmill.setClient("mine", "http://mine.test");
      assertEquals(wmill.getWorkspace(), "env");
      await wmill.getVariable("v");
      wmill.setClient("mine", "http://mine.test", "acme");
      assertEquals(wmill.getWorkspace(), "acme");
      await wmill.getVariable("v");
    } finally {
      wmill.setClient();
    }
    await wmill.getVariable("v");
  });
  assertEquals(stub.seen.map(({ url, headers }) => `${url.split("/variables")[0]} ${headers.get("authorization")}`), [
    "http://env.test/api/w/env Bearer env",
    "http://mine.test/api/w/env Bearer mine",
    "http://mine.test/api/w/acme Bearer mine",
    "http://env.test/api/w/env Bearer env",
  ]);
}, noEnvironment);

test("getWorkspace(), getStatePath() and statePath() say what is missing", async () => {
  await withEnvironment(
    { WM_WORKSPACE: "", WM_STATE_PATH: "", WM_STATE_PATH_NEW: "" },
    serve(() => json("v")),
    async () => {
      await assertRejects(() => wmill.getWorkspace(), "CONFIGURATION", "WM_WORKSPACE");
      await assertRejects(() => wmill.getStatePath(), "CONFIGURATION", "WM_STATE_PATH");
      await assertRejects(() => wmill.statePath(), "CONFIGURATION", "WM_STATE_PATH_NEW");
    },
  );
  await withEnvironment({ WM_STATE_PATH: "old", WM_STATE_PATH_NEW: "new" }, serve(() => json("v")), () => {
    assertEquals([wmill.getStatePath(), wmill.statePath()], ["new", "new"]);
    return Promise.resolve();
  });
}, noEnvironment);

// Paths

const paths: readonly (readonly [string, string])[] = [
  ["u/me/v", "u/me/v"],
  ["f/a b/ü€", "f/a%20b/%C3%BC%E2%82%AC"],
  ["u/me/a?b#c", "u/me/a%3Fb%23c"],
  ["u/me/100%", "u/me/100%25"],
  ["u/me/%2e%2e", "u/me/%252e%252e"],
  ["u/me/a\\b", "u/me/a%5Cb"],
  ["u/me/...", "u/me/..."],
  ["u/me/.hidden", "u/me/.hidden"],
  ["u/me/a&b=c;d", "u/me/a%26b%3Dc%3Bd"],
  ["u/me/line\nbreak", "u/me/line%0Abreak"],
];

test("paths: every character arrives as it was meant", async () => {
  const stub = serve(() => json("v"));
  for (const [path] of paths) await client(stub).variables.get(path);
  assertEquals(
    stub.seen.map(({ target }) => target),
    paths.map(([, encoded]) => `/api/w/ws/variables/get_value/${encoded}`),
  );
  assertEquals(
    stub.seen.map(({ target }) => decodeURIComponent(target.replace("/api/w/ws/variables/get_value/", ""))),
    paths.map(([path]) => path),
  );
});

test("paths: empty and dotted segments, and what is no text, are refused before any request", async () => {
  const stub = serve(() => json("v"));
  const c = client(stub);
  for (const bad of ["", "/u/me", "u/me/", "u//v", "..", ".", "u/../v", "u/./v", "u/me/..", "$var:", "var://../x"]) {
    for (const call of [c.variables.get, c.resources.get, c.variables.exists, (p: string) => c.jobs.start(p)]) {
      const error = await assertRejects(() => call(bad.replace("$var:", "").replace("var://", "")));
      assert(error instanceof RangeError, `Expected a RangeError for ${JSON.stringify(bad)}, found ${error}`);
    }
  }
  for (const bad of [undefined, null, 7, {}]) {
    const error = await assertRejects(() => c.variables.get(bad as unknown as string));
    assert(error instanceof RangeError, `${error}`);
  }
  assertEquals(stub.seen.length, 0);
});

test("paths: a lone surrogate is refused before any request", async () => {
  const stub = serve(() => json("v"));
  await assertRejects(() => client(stub).variables.get("u/me/\ud800"));
  assertEquals(stub.seen.length, 0);
});

test("paths: ids and hashes are one segment: a slash in one is encoded", async () => {
  const stub = serve(() => json({ completed: false, result: null }));
  await client(stub).jobs.resultMaybe("a/../b?c");
  assertEquals(targets(stub), ["GET jobs_u/completed/get_result_maybe/a%2F..%2Fb%3Fc"]);
});

test("paths: a workspace is one segment too", async () => {
  const stub = serve(() => json("v"));
  await client(stub, { workspace: "a/b ü" }).variables.get("v");
  assertEquals(stub.seen[0]?.target, "/api/w/a%2Fb%20%C3%BC/variables/get_value/v");
  const error = await assertRejects(() => client(stub, { workspace: ".." }).variables.get("v"));
  assert(error instanceof RangeError);
});

// Variables

test("variables.set() updates secrecy and description when they are given, unless it shall keep them", async () => {
  const stub = routes({ "variables/exists": () => json(true), "variables/update": () => text("ok") });
  const c = client(stub);
  await c.variables.set("$var:a", "v", { isSecret: true, description: "d" });
  await c.variables.set("a", "v", { isSecret: true, description: "d", keepExisting: true });
  await c.variables.set("a", "v");
  assertEquals(stub.seen.filter(({ method }) => method === "POST").map(({ body }) => JSON.parse(body)), [
    { value: "v", is_secret: true, description: "d" },
    { value: "v" },
    { value: "v" },
  ]);
});

test("variables.set() creates under the bare path, not secret and without description unless told", async () => {
  const stub = routes({ "variables/exists": () => json(false), "variables/create": () => text("ok", 201) });
  await client(stub).variables.set("var://u/me/a", "v");
  assertEquals(JSON.parse(stub.seen[1]?.body ?? ""), { path: "u/me/a", value: "v", is_secret: false, description: "" });
});

test("variables.set() updates one that somebody else creates in between", async () => {
  let exists = false;
  const stub = routes({
    "variables/exists": () => json(exists),
    "variables/create": () => {
      exists = true;
      return text("Bad request: already exists", 400);
    },
    "variables/update": () => text("ok"),
  });
  await client(stub).variables.set("a", "v");
  assertEquals(targets(stub), [
    "GET variables/exists/a",
    "POST variables/create",
    "GET variables/exists/a",
    "POST variables/update/a",
  ]);
});

test("variables.set() passes on a refusal to create", async () => {
  for (const status of [400, 403]) {
    const stub = routes({ "variables/exists": () => json(false), "variables/create": () => text("no", status) });
    await assertRejects(() => client(stub).variables.set("a", "v"), "WINDMILL_API", `answered ${status}`);
  }
});

test("variables.set() refuses what is no text before any request", async () => {
  const stub = serve(() => json(true));
  const error = await assertRejects(
    () => client(stub).variables.set("a", { b: 1 } as unknown as string),
    undefined,
    "object",
  );
  assert(error instanceof TypeError && stub.seen.length === 0);
});

test("variables.exists() tells", async () => {
  const stub = routes({ "variables/exists/yes": () => json(true), "variables/exists/no": () => json(false) });
  assertEquals([await client(stub).variables.exists("yes"), await client(stub).variables.exists("$var:no")], [
    true,
    false,
  ]);
});

test("parseVariableSyntax() and parseResourceSyntax() give the path of a reference and nothing else", () => {
  assertEquals(["var://a/b", "$var:a/b", "a/b", "$res:a", ""].map(wmill.parseVariableSyntax), [
    "a/b",
    "a/b",
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(["res://a/b", "$res:a/b", "a/b", "$var:a", "", null, undefined].map(wmill.parseResourceSyntax), [
    "a/b",
    "a/b",
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

// Resources

test("resources.get() gives any JSON, passes the job and the cache on, and reads raw values on request", async () => {
  for (const value of [null, 0, "", false, { a: [1] }]) {
    const stub = serve(() => json(value));
    assertEquals(await client(stub).resources.get("res://a", { jobId: "j 1", allowCache: true }), value);
    assertEquals(await client(stub).resources.get("a", { raw: true, jobId: "j" }), value);
    assertEquals(targets(stub), [
      "GET resources/get_value_interpolated/a?job_id=j+1&allow_cache=true",
      "GET resources/get_value/a",
    ]);
  }
});

test("resources.find() gives undefined for 404 only", async () => {
  assertEquals(await client(serve(() => text("no", 404))).resources.find("a"), undefined);
  assertEquals(await client(serve(() => json(null))).resources.find("a"), null);
  for (const status of [401, 403, 500]) {
    await assertRejects(() => client(serve(() => text("no", status))).resources.find("a"), "WINDMILL_API");
  }
});

test("resources.exists() tells", async () => {
  const stub = routes({ "resources/exists/yes": () => json(true), "resources/exists/no": () => json(false) });
  assertEquals([await client(stub).resources.exists("$res:yes"), await client(stub).resources.exists("no")], [
    true,
    false,
  ]);
});

test("resources.set() creates only with a type, sends undefined as null, and survives a race", async () => {
  const absent = routes({ "resources/exists": () => json(false), "resources/create": () => text("ok", 201) });
  await assertRejects(() => client(absent).resources.set("a", 1), "CONFIGURATION", "resourceType");
  assertEquals(absent.seen.length, 1);
  await client(absent).resources.set("$res:u/a", undefined, { resourceType: "t", description: "d" });
  assertEquals(JSON.parse(absent.seen[2]?.body ?? ""), {
    path: "u/a",
    value: null,
    resource_type: "t",
    description: "d",
  });
  let exists = false;
  const race = routes({
    "resources/exists": () => json(exists),
    "resources/create": () => {
      exists = true;
      return text("exists", 400);
    },
    "resources/update_value": () => text("ok"),
  });
  await client(race).resources.set("a", { v: 1 }, { resourceType: "t" });
  assertEquals(targets(race).at(-1), "POST resources/update_value/a");
  assertEquals(race.seen.at(-1)?.body, '{"value":{"v":1}}');
});

function pages(total: number): Stub {
  const all = Array.from({ length: total }, (_, n) => ({ path: `f/r${n}`, resource_type: "t", extra: n }));
  return serve(({ url }) => {
    const { searchParams } = new URL(url);
    const per = Number(searchParams.get("per_page") ?? 30), page = Number(searchParams.get("page") ?? 1);
    return json(all.slice((page - 1) * per, page * per));
  });
}

test("resources.listAll() reads page after page, and stops at the first short one", async () => {
  for (const [total, requests] of [[0, 1], [99, 1], [100, 2], [250, 3]] as const) {
    const stub = pages(total);
    const found: string[] = [];
    for await (const { path } of client(stub).resources.listAll({ resourceType: "t" })) found.push(path);
    assertEquals([found.length, new Set(found).size, stub.seen.length], [total, total, requests]);
  }
});

test("resources.listAll() asks for no page that nobody reads", async () => {
  const stub = pages(250);
  for await (const { extra } of client(stub).resources.listAll()) if (extra === 120) break;
  assertEquals(stub.seen.length, 2);
});

test("resources.list() narrows by type and path, and refuses pages that cannot be", async () => {
  const stub = pages(3);
  await client(stub).resources.list({ resourceType: "a b", pathStart: "f/", page: 2, perPage: 1 });
  assertEquals(targets(stub), ["GET resources/list?resource_type=a+b&page=2&per_page=1&path_start=f%2F"]);
  for (const bad of [{ page: 0 }, { page: NaN }, { perPage: 0 }, { perPage: 101 }, { page: Infinity }]) {
    const error = await assertRejects(() => client(stub).resources.list(bad));
    assert(error instanceof RangeError);
  }
  assertEquals(stub.seen.length, 1);
});

test("resources.databaseUrl() encodes every part and names what is missing", async () => {
  const full = { user: "m@e", password: "p:/?#ö", host: "db.test", port: 5432, dbname: "a b", sslmode: "require" };
  const url = "postgresql://m%40e:p%3A%2F%3F%23%C3%B6@db.test:5432/a%20b?sslmode=require";
  assertEquals(await client(serve(() => json(full))).resources.databaseUrl("a"), url);
  const { port: _p, sslmode: _s, ...short } = full;
  const six = { ...short, host: "::1", options: "-c a=b" };
  assertEquals(
    await client(serve(() => json(six))).resources.databaseUrl("a"),
    "postgresql://m%40e:p%3A%2F%3F%23%C3%B6@[::1]/a%20b?options=-c%20a%3Db",
  );
  for (const name of ["user", "password", "host", "dbname"]) {
    const stub = serve(() => json({ ...full, [name]: undefined }));
    await assertRejects(() => client(stub).resources.databaseUrl("a"), "CONFIGURATION", `'${name}'`);
  }
  for (const value of [null, "text", []]) {
    await assertRejects(() => client(serve(() => json(value))).resources.databaseUrl("a"), "CONFIGURATION");
  }
});

test(
  "resolveDefaultResource() reads what a reference names, in both forms, and leaves other values alone",
  async () => {
    const stub = serve(() => json({ r: 1 }));
    const env = { BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };
    await withEnvironment(env, stub, async () => {
      assertEquals(await wmill.resolveDefaultResource("$res:a"), { r: 1 });
      assertEquals(await wmill.resolveDefaultResource("res://a"), { r: 1 });
      for (const value of ["a", 7, null, { host: "h" }]) assertEquals(await wmill.resolveDefaultResource(value), value);
    });
    assertEquals(stub.seen.length, 2);
  },
  noEnvironment,
);

// State

test("state: is kept at the environment's path or at the one that is given, and is undefined when there is none", async () => {
  const stub = routes({
    "resources/get_value_interpolated/s/new": () => json({ n: 1 }),
    "resources/get_value_interpolated/s/other": () => text("no", 404),
    "resources/exists": () => json(false),
    "resources/create": () => text("ok", 201),
  });
  const env = { WM_STATE_PATH: "s/old", WM_STATE_PATH_NEW: "s/new" };
  const c = client(stub, { env });
  assertEquals(c.state.path(), "s/new");
  assertEquals(await c.state.get(), { n: 1 });
  assertEquals(await c.state.get({ path: "s/other" }), undefined);
  await c.state.set({ n: 2 });
  assertEquals(JSON.parse(stub.seen.at(-1)?.body ?? ""), { path: "s/new", value: { n: 2 }, resource_type: "state" });
  await c.state.set(undefined, { path: "s/other" });
  assertEquals(JSON.parse(stub.seen.at(-1)?.body ?? ""), { path: "s/other", value: null, resource_type: "state" });
  await assertRejects(() => client(stub).state.get(), "CONFIGURATION", "WM_STATE_PATH");
  await assertRejects(() => client(serve(() => text("no", 500)), { env }).state.get(), "WINDMILL_API");
});

test("state of a flow: errors are errors, in the official function only if it is told otherwise not", async () => {
  const stub = serve(() => text("Not found: no flow", 404));
  await assertRejects(() => client(stub, { env: { WM_JOB_ID: "j" } }).state.getFlow("k"), "WINDMILL_API");
  await assertRejects(() => client(stub).state.setFlow("k", 1), "CONFIGURATION", "WM_JOB_ID");
  const env = { BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok", WM_JOB_ID: "j" };
  const said: unknown[] = [];
  const before = console.error;
  console.error = (...words: unknown[]) => said.push(words);
  try {
    await withEnvironment(env, stub, async () => {
      await assertRejects(() => wmill.getFlowUserState("k"), "WINDMILL_API");
      await assertRejects(() => wmill.setFlowUserState("k", 1), "WINDMILL_API");
      assertEquals(said.length, 0);
      assertEquals(await wmill.getFlowUserState("k", false), undefined);
      await wmill.setFlowUserState("k", 1, false);
    });
  } finally {
    console.error = before;
  }
  assertEquals(said.length, 2);
}, noEnvironment);

// Jobs

test("jobs.start() sends every option, and nothing for what is not given", async () => {
  const stub = serve(() => text(`${id}\n`, 201));
  const c = client(stub);
  assertEquals(await c.jobs.start("f/a"), id);
  await c.jobs.start("f/a", null, {
    tag: "gpu",
    scheduledFor: new Date(0),
    scheduledInSeconds: 5,
    jobId: id,
    parentJob: "p",
    rootJob: "r",
    invisibleToOwner: true,
    skipPreprocessor: false,
    cacheTtlSeconds: 60,
    timeoutSeconds: 9,
    memoryId: "m",
  });
  assertEquals(targets(stub), [
    "POST jobs/run/p/f/a",
    "POST jobs/run/p/f/a?scheduled_for=1970-01-01T00%3A00%3A00.000Z&scheduled_in_secs=5&tag=gpu" +
    `&job_id=${id}&parent_job=p&root_job=r&invisible_to_owner=true&skip_preprocessor=false&cache_ttl=60` +
    "&timeout=9&memory_id=m",
  ]);
  assertEquals(stub.seen.map(({ body }) => body), ["{}", "{}"]);
});

test("jobs.start() ties scripts to the running job unless told otherwise, flows only when told", async () => {
  const stub = serve(() => text(id, 201));
  const c = client(stub, { env: { WM_JOB_ID: "self", WM_ROOT_FLOW_JOB_ID: "" } });
  await c.jobs.start("f/a", {}, { scheduledInSeconds: 0 });
  await c.jobs.start("f/a", {}, { parentJob: null });
  await c.jobs.startByHash("abc");
  await c.jobs.startFlow("f/a");
  await c.jobs.startFlow("f/a", {}, { parentJob: "self" });
  assertEquals(targets(stub), [
    "POST jobs/run/p/f/a?parent_job=self",
    "POST jobs/run/p/f/a",
    "POST jobs/run/h/abc?parent_job=self",
    "POST jobs/run/f/f/a",
    "POST jobs/run/f/f/a?parent_job=self",
  ]);
});

test("jobs.start() refuses arguments that have no names", async () => {
  const stub = serve(() => text(id, 201));
  for (const args of [[1], "x", 7]) {
    const error = await assertRejects(() => client(stub).jobs.start("f/a", args as unknown as Record<string, unknown>));
    assert(error instanceof TypeError);
  }
  assertEquals(stub.seen.length, 0);
});

test("jobs: functions need no receiver", async () => {
  const stub = serve(() => json("v"));
  const { get } = client(stub).variables;
  assertEquals(await get("a"), "v");
});

test("jobs.get() gives the record as it is, and leaves out logs and code on request", async () => {
  const record = { id: "j", type: "CompletedJob", success: true, result: 1, flow_status: { step: 2 } };
  const stub = serve(() => json(record));
  assertEquals(await client(stub).jobs.get("j", { noLogs: true, noCode: true }), record);
  assertEquals(targets(stub), ["GET jobs_u/get/j?no_logs=true&no_code=true"]);
});

test("jobs.status() tells the three apart", async () => {
  for (
    const [record, status] of [
      [{ type: "QueuedJob", running: false }, "WAITING"],
      [{ type: "QueuedJob" }, "WAITING"],
      [{ type: "QueuedJob", running: true }, "RUNNING"],
      [{ type: "CompletedJob", success: false }, "COMPLETED"],
    ] as const
  ) assertEquals(await client(serve(() => json({ id: "j", ...record }))).jobs.status("j"), status);
});

test("jobs.resultMaybe() asks whether the job started on request", async () => {
  const stub = serve(() => json({ completed: false, started: true, success: null, result: null }));
  assertEquals(await client(stub).jobs.resultMaybe("j", { getStarted: true }), {
    completed: false,
    started: true,
    success: null,
    result: null,
  });
  assertEquals(targets(stub), ["GET jobs_u/completed/get_result_maybe/j?get_started=true"]);
});

test("jobs.cancel() gives the reason and the server's words, and may be repeated", async () => {
  let attempts = 0;
  const stub = serve(() => ++attempts < 2 ? text("later", 503, { "retry-after": "0" }) : text("cancelled j"));
  assertEquals(await client(stub).jobs.cancel("j", { reason: "too slow" }), "cancelled j");
  assertEquals(stub.seen.map(({ body }) => body), ['{"reason":"too slow"}', '{"reason":"too slow"}']);
});

test("jobs.cancelRunning() goes through all pages, spares the running job, and goes on after a failure", async () => {
  const all = Array.from({ length: 230 }, (_, n) => ({ id: n === 150 ? "self" : `j${n}` }));
  const stub = serve(({ url, target }) => {
    if (target.includes("/cancel/")) return target.endsWith("/j7") ? text("no", 403) : text("ok");
    const page = Number(new URL(url).searchParams.get("page"));
    return json(all.slice((page - 1) * 100, page * 100));
  });
  const env = { WM_JOB_PATH: "f/me", WM_JOB_ID: "self" };
  const outcomes = await client(stub, { env }).jobs.cancelRunning({ reason: "over" });
  assertEquals(Object.keys(outcomes).length, 229);
  assert(!Object.hasOwn(outcomes, "self"), "Expected the running job to be spared");
  assertEquals(Object.entries(outcomes).filter(([, o]) => "error" in o).map(([name]) => name), ["j7"]);
  assertEquals(outcomes.j0, { message: "ok" });
  assertEquals(stub.seen.filter(({ target }) => target.includes("/list")).length, 3);
});

test("jobs.cancelRunning() ends with a server that knows no pages, and needs to know who it is", async () => {
  const same = Array.from({ length: 100 }, (_, n) => ({ id: `j${n}` }));
  const stub = serve(({ target }) => target.includes("/cancel/") ? text("ok") : json(same));
  const outcomes = await client(stub, { env: { WM_JOB_PATH: "p", WM_JOB_ID: "self" } }).jobs.cancelRunning();
  assertEquals([Object.keys(outcomes).length, stub.seen.length], [100, 102]);
  await assertRejects(
    () => client(stub, { env: { WM_JOB_ID: "self" } }).jobs.cancelRunning(),
    "CONFIGURATION",
    "WM_JOB_PATH",
  );
  await assertRejects(
    () => client(stub, { env: { WM_JOB_PATH: "p" } }).jobs.cancelRunning(),
    "CONFIGURATION",
    "WM_JOB_ID",
  );
});

test("jobs.setProgress() rounds down, and knows its flow only when there is one", async () => {
  const stub = routes({
    "job_metrics/set_progress": () => json(null),
    "jobs_u/get/": () => json({ id: "x", type: "QueuedJob", parent_job: null }),
  });
  const c = client(stub, { env: { WM_JOB_ID: "self", WM_FLOW_JOB_ID: "" } });
  await c.jobs.setProgress(99.9);
  await c.jobs.setProgress(0, { jobId: "x" });
  assertEquals(stub.seen.filter(({ method }) => method === "POST").map(({ body }) => body), [
    '{"percent":99}',
    '{"percent":0}',
  ]);
  for (const bad of [NaN, Infinity]) {
    const error = await assertRejects(() => c.jobs.setProgress(bad));
    assert(error instanceof RangeError);
  }
  await assertRejects(() => client(stub).jobs.setProgress(1), "CONFIGURATION", "WM_JOB_ID");
});

test("jobs.getProgress() gives null for a job that never said", async () => {
  assertEquals(await client(serve(() => json(null))).jobs.getProgress({ jobId: "j" }), null);
  assertEquals(await client(serve(() => json(42))).jobs.getProgress({ jobId: "j" }), 42);
});

// Official functions

test("runScript() and runScriptAsync() take a path or a hash, one of them", async () => {
  const stub = serve(({ target }) =>
    target.includes("/run/") ? text(id, 201) : json({ completed: true, success: true, result: 7 })
  );
  await withEnvironment(ambient, stub, async () => {
    assertEquals(await wmill.runScriptAsync("f/a", null, { x: 1 }, 0, null), id);
    assertEquals(await wmill.runScriptAsync(null, "abc", null, 3, "gpu"), id);
    assertEquals(await wmill.runScript("f/a", null, { x: 1 }), 7);
    assertEquals(await wmill.runScript(null, "abc"), 7);
    for (
      const call of [
        () => wmill.runScript(),
        () => wmill.runScript("f/a", "abc"),
        () => wmill.runScriptAsync(null, null, null),
        () => wmill.runScriptAsync("f/a", "abc", null),
        () => wmill.runFlow(),
        () => wmill.runFlowAsync(null),
      ]
    ) {
      const error = await assertRejects(call);
      assert(error instanceof TypeError, `${error}`);
    }
  });
  assertEquals(targets(stub).filter((t) => t.includes("/run/")), [
    "POST jobs/run/p/f/a",
    "POST jobs/run/h/abc?scheduled_in_secs=3&tag=gpu",
    "POST jobs/run/p/f/a",
    "POST jobs/run/h/abc",
  ]);
}, noEnvironment);

test("runScriptByHashAsync(), getInternalState() and setInternalState() do what their names say", async () => {
  const stub = serve(({ target }) =>
    target.includes("/run/") ? text(id, 201) : target.includes("/exists/") ? json(true) : json(1)
  );
  await withEnvironment({ ...ambient, WM_STATE_PATH: "s" }, stub, async () => {
    assertEquals(await wmill.runScriptByHashAsync("abc", { x: 1 }), id);
    assertEquals(await wmill.getInternalState(), 1);
    await wmill.setInternalState({ a: 1 });
  });
  assertEquals(targets(stub), [
    "POST jobs/run/h/abc",
    "GET resources/get_value_interpolated/s",
    "GET resources/exists/s",
    "POST resources/update_value/s",
  ]);
}, noEnvironment);

test("verbose runs and waits write one line each", async () => {
  const stub = serve(({ target }) =>
    target.includes("/run/") ? text(id, 201) : json({ completed: true, success: true, result: 7 })
  );
  const said: unknown[] = [];
  const before = console.info;
  console.info = (...words: unknown[]) => said.push(words.join(" "));
  try {
    await withEnvironment(ambient, stub, async () => {
      await wmill.runScriptByPath("f/a");
      await wmill.waitJob("j");
      assertEquals(said, []);
      await wmill.runScriptByPath("f/a", {}, true);
      await wmill.waitJob("j", true);
    });
  } finally {
    console.info = before;
  }
  assertEquals(said, ['Running "f/a" and waiting for its result', 'Waiting for job "j"']);
}, noEnvironment);

// Raw requests

test("request() reaches what no function speaks for", async () => {
  const stub = serve(({ target }) => target === "/api/version" ? text("CE v1.735.0") : json([1], 201));
  const c = client(stub, { workspace: "my ws" });
  assertEquals((await c.request("GET", "/version")).text, "CE v1.735.0");
  const answer = await c.request("post", "/w/{workspace}/scripts/list search", {
    query: { page: 2, starred: false, none: undefined, nil: null },
    body: { a: 1 },
    accept: "text/plain",
    headers: { "x-a": "b" },
  });
  assertEquals([answer.status, answer.json(), answer.headers.get("content-type")], [201, [1], "application/json"]);
  const seen = stub.seen[1];
  assertEquals(
    [seen?.method, seen?.target, seen?.body, seen?.headers.get("accept"), seen?.headers.get("x-a")],
    ["POST", "/api/w/my%20ws/scripts/list%20search?page=2&starred=false", '{"a":1}', "text/plain", "b"],
  );
});

test("request() refuses paths that leave the API, and needs no workspace where the path has none", async () => {
  const stub = serve(() => text("v"));
  const c = createClient({ baseUrl: "http://stub.test", token: "tok", env: {}, fetch: stub.fetch });
  for (const bad of ["/../admin", "//evil.test/x", "/w/../../x", ""]) {
    const error = await assertRejects(() => c.request("GET", bad));
    assert(error instanceof RangeError, `${bad}: ${error}`);
  }
  assertEquals(stub.seen.length, 0);
  await c.request("GET", "version");
  await client(stub, { workspace: "a/b" }).request("GET", "/w/{workspace}/x");
  assertEquals(stub.seen.map(({ target }) => target), ["/api/version", "/api/w/a%2Fb/x"]);
  await assertRejects(() => c.request("GET", "/w/{workspace}/x"), "CONFIGURATION", "workspace");
});
