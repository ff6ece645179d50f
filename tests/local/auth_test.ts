/** Who gets in, and as whom; and where tokens are kept. */
import assert from "node:assert/strict";
import { Hono } from "hono";
import { isInScope } from "../../src/server/auth.ts";
import { openDatabase } from "../../src/server/database.ts";
import { createIdentity } from "../../src/server/identity.ts";
import { openTestServer, type TestServer } from "./_server.ts";

/** Asks without a listener: headers as a hostile browser, or none, would send them. */
async function ask(
  { server, url }: TestServer,
  path: string,
  headers: Record<string, string>,
  init: RequestInit = {},
): Promise<[number, string]> {
  const response = await server.fetch(new Request(`${url}${path}`, { ...init, headers }));
  return [response.status, await response.text()];
}

const LIST = "/api/w/ws/jobs/list";

Deno.test("Without a token, or with a wrong one, only the version is told", async () => {
  await using server = await openTestServer();
  assert.equal((await ask(server, "/api/version", {}))[0], 200);
  for (const headers of [{}, { authorization: "Bearer x" }, { authorization: `Basic ${server.token}` }]) {
    assert.deepEqual(await ask(server, LIST, headers), [401, "Unauthorized"]);
  }
  const bearer = { authorization: `Bearer ${server.token}` };
  assert.deepEqual(await ask(server, LIST, bearer), [200, "[]"]);
  assert.equal((await ask(server, "/api/w/other/jobs/list", bearer))[0], 401);
  // As on a Windmill server: an EventSource and services that send webhooks can say it nowhere else.
  assert.equal((await ask(server, `${LIST}?token=${server.token}`, {}))[0], 200);
  assert.equal((await ask(server, `${LIST}?token=${server.token}x`, {}))[0], 401);
});

Deno.test("Names that lead here, and pages of other origins, are refused with the best of tokens", async () => {
  await using server = await openTestServer({ hosts: ["lab.example"], origins: ["https://app.example"] });
  const authorization = `Bearer ${server.token}`;
  const code = async (headers: Record<string, string>, path = LIST): Promise<number> =>
    (await ask(server, path, { authorization, ...headers }))[0];
  assert.equal(await code({ host: "evil.example:8000" }), 403);
  assert.equal(await code({ host: "127.0.0.1.evil.example" }), 403);
  assert.equal(await code({ host: "evil.example" }, "/api/version"), 403);
  assert.equal(await code({ host: "LOCALHOST:8000" }), 200);
  assert.equal(await code({ host: "[::1]:8000" }), 200);
  assert.equal(await code({ host: "lab.example" }), 200);
  assert.equal(await code({ origin: "https://evil.example" }), 403);
  assert.equal(await code({ origin: "null" }), 403);
  assert.equal(await code({ origin: server.url.replace(/\d+$/, "1") }), 403);
  assert.equal(await code({ origin: server.url }), 200);
  assert.equal(await code({ "sec-fetch-site": "cross-site" }), 403);
  assert.equal(await code({ origin: "https://app.example" }), 200);
  const preflight = await server.server.fetch(
    new Request(`${server.url}${LIST}`, {
      method: "OPTIONS",
      headers: { origin: "https://app.example", "access-control-request-method": "POST" },
    }),
  );
  assert.equal(preflight.headers.get("access-control-allow-origin"), "https://app.example");
});

Deno.test("A page's cookie: in exchange for the token, of no use to other ports and origins", async () => {
  await using server = await openTestServer({ pages: () => new Hono().get("/", (c) => c.text("page")) });
  assert.equal((await ask(server, "/", {}))[0], 401);
  assert.equal((await ask(server, "/?token=wrong", {}))[0], 401);
  const opened = await server.server.fetch(new Request(`${server.url}/?token=${server.token}&x=1`));
  assert.deepEqual([opened.status, opened.headers.get("location")], [303, "/?x=1"]);
  const set = opened.headers.get("set-cookie") ?? "";
  assert.match(set, /^windkit_\d+=[\da-f]{64}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
  assert.ok(!set.includes(server.token));
  const [cookie = ""] = set.split(";");
  assert.deepEqual(await ask(server, "/", { cookie }), [200, "page"]);
  assert.equal((await ask(server, LIST, { cookie, "sec-fetch-site": "same-origin" }))[0], 200);
  assert.equal((await ask(server, LIST, { cookie, "sec-fetch-site": "same-site" }))[0], 403);
  // A browser that says nothing of the site may have been led here by another one, and GET starts jobs too.
  assert.equal((await ask(server, "/api/w/ws/jobs/run_wait_result/p/f/a", { cookie }))[0], 403);
  assert.equal((await ask(server, LIST, { cookie }))[0], 403);
  assert.equal((await ask(server, LIST, { cookie, origin: server.url }))[0], 200);
  const post = (headers: Record<string, string>): Promise<[number, string]> =>
    ask(server, "/api/w/ws/jobs/queue/cancel_selection", { cookie, ...headers }, { method: "POST", body: "[]" });
  assert.equal((await post({}))[0], 403);
  assert.equal((await post({ origin: server.url }))[0], 200);
  assert.equal((await post({ "sec-fetch-site": "same-origin" }))[0], 200);
});

Deno.test("Bodies are bounded, with a length and without", async () => {
  await using server = await openTestServer({ maxBodyBytes: 1000, files: { "f/a": () => 1 } });
  const authorization = `Bearer ${server.token}`;
  const path = "/api/w/ws/jobs/run/p/f/a";
  const large = JSON.stringify({ x: "x".repeat(1000) });
  const sized = await ask(server, path, { authorization, "content-length": `${large.length}` }, {
    method: "POST",
    body: large,
  });
  assert.equal(sized[0], 413);
  const pieces = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(100).fill(32)),
  });
  const init = { method: "POST", body: pieces, duplex: "half" } as RequestInit;
  assert.equal((await ask(server, path, { authorization }, init))[0], 413);
});

Deno.test("A job's token is good for that job and those that belong together with it", async () => {
  const codes: number[] = [];
  await using server = await openTestServer({
    files: {
      "f/hang": () => new Promise(() => {}),
      "f/meddle": async ({ other }, _, job) => {
        for (const id of [String(other), job.id]) {
          const response = await fetch(`${job.env.BASE_URL}/api/w/ws/job_metrics/set_progress/${id}`, {
            method: "POST",
            body: JSON.stringify({ percent: 50 }),
            headers: { authorization: `Bearer ${job.env.WM_TOKEN}`, "content-type": "application/json" },
          });
          await response.body?.cancel();
          codes.push(response.status);
          const adopted = await fetch(`${job.env.BASE_URL}/api/w/ws/jobs/run/p/f/hang?parent_job=${id}`, {
            method: "POST",
            headers: { authorization: `Bearer ${job.env.WM_TOKEN}` },
          });
          await adopted.body?.cancel();
          codes.push(adopted.status);
        }
      },
    },
  });
  const other = await server.client.jobs.start("f/hang");
  await server.client.jobs.run("f/meddle", { other });
  assert.deepEqual(codes, [403, 403, 200, 201]);
});

Deno.test("Scopes: what they name, and nothing else", () => {
  const run = "/api/w/ws/jobs/run/p/f/team/a";
  const cases: [string[], string, string, boolean][] = [
    [["jobs:run"], "POST", run, true],
    [["jobs:run:scripts:f/team/*"], "POST", run, true],
    [["jobs:run:scripts:f/other/*"], "POST", run, false],
    [["jobs:run:flows:*"], "POST", run, false],
    [["jobs:read"], "POST", run, false],
    [["jobs:read"], "GET", "/api/w/ws/jobs_u/get/x", true],
    [["jobs:read"], "GET", "/api/w/ws/jobs/run_wait_result/p/f/team/a", false],
    [["variables:read"], "GET", "/api/w/ws/resources/list", false],
    [["variables:write"], "GET", "/api/w/ws/variables/get/u/me/v", true],
    [["*:read"], "POST", "/api/w/ws/variables/create", false],
    [["*"], "POST", run, false],
    [[], "GET", "/api/w/ws/jobs/list", false],
  ];
  for (const [scopes, method, path, expected] of cases) {
    assert.equal(isInScope(scopes, method, path), expected, `${scopes} ${method} ${path}`);
  }
});

Deno.test("Identity: the owner's token is one file that only the owner reads; others are kept as hashes", async () => {
  const dir = await Deno.makeTempDir();
  try {
    let now = 1_000;
    using database = await openDatabase({ path: ":memory:" });
    const identity = createIdentity({ database, dir, now: () => now });
    const mode = async (): Promise<number> => ((await Deno.stat(`${dir}/token`)).mode ?? 0) & 0o777;
    assert.equal(await mode(), 0o600);
    await Deno.chmod(`${dir}/token`, 0o644);
    assert.equal(createIdentity({ database, dir }).ownerToken, identity.ownerToken);
    assert.equal(await mode(), 0o600);
    assert.deepEqual(identity.callerOf(identity.ownerToken), identity.owner);

    const made = identity.createToken(identity.owner, { label: "ci", expiresAt: 2_000, scopes: ["jobs:read"] });
    assert.deepEqual(identity.callerOf(made)?.scopes, ["jobs:read"]);
    assert.deepEqual(identity.tokens().map(({ label, prefix }) => [label, prefix]), [["ci", made.slice(0, 10)]]);
    assert.ok(!JSON.stringify(database.all("SELECT * FROM tokens")).includes(made));
    const narrow = identity.callerOf(made) ?? identity.owner;
    assert.throws(() => identity.createToken(narrow, { scopes: ["jobs:run"] }), /'scopes' should be among/);
    assert.deepEqual(identity.callerOf(identity.createToken(narrow, {}))?.scopes, ["jobs:read"]);
    now = 2_000;
    assert.equal(identity.callerOf(made), undefined);

    const job = identity.issueJobToken("j");
    const caller = identity.callerOf(job);
    assert.equal(caller?.job, "j");
    const ofJob = identity.createToken(caller ?? identity.owner, {});
    assert.equal(identity.callerOf(ofJob)?.job, "j");
    identity.endJobToken("j");
    assert.deepEqual([identity.callerOf(job), identity.callerOf(ofJob)], [undefined, undefined]);

    await Deno.writeTextFile(`${dir}/token`, "short");
    assert.throws(() => createIdentity({ database, dir }), /expected 20 to 200 letters/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("A Host or a path that makes no address is a bad request, and nothing is reported", async () => {
  await using server = await openTestServer();
  const { hostname, port } = new URL(server.url);
  async function raw(target: string, host: string): Promise<string> {
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const lines = [
      `GET ${target} HTTP/1.1`,
      `Host: ${host}`,
      `Authorization: Bearer ${server.token}`,
      "Connection: close",
    ];
    await connection.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`));
    return await new Response(connection.readable).text();
  }
  for (const host of ["127.0.0.1:99999", "a b", "[::1", `127.0.0.1:${port}:1`, "127.0.0.1:x", "%"]) {
    const text = await raw("/api/version", host);
    assert.match(text, /^HTTP\/1\.1 40[03] /, host);
    assert.doesNotMatch(text, /\n\s+at /, host);
  }
  const host = `127.0.0.1:${port}`;
  // The routes see what was sent, and would find another one than the gate has let in.
  for (
    const path of [
      "scripts/raw/p/../../../../../version",
      "jobs/list/%2e%2E/x",
      "jobs/list\\..\\..\\..\\..\\version",
    ]
  ) {
    assert.match(await raw(`/api/w/ws/${path}`, host), /^HTTP\/1\.1 400 /, path);
  }
  assert.match(await raw("/api/w/ws/jobs/list", host), /^HTTP\/1\.1 200 /);
  assert.deepEqual(server.reported, []);
});

Deno.test("Scopes are those of the route, however its address is encoded", async () => {
  await using server = await openTestServer({ files: { "f/a": () => 1 } });
  const { identity } = server.server.context;
  const reads = identity.createToken(identity.owner, { scopes: ["*:read"] });
  const authorization = `Bearer ${reads}`;
  assert.equal((await ask(server, LIST, { authorization }))[0], 200);
  for (const path of ["jobs/run_wait_result/p/f/a", "jobs/%72un_wait_result/p/f/a", "%6aobs/run_wait_result/p/f/a"]) {
    assert.equal((await ask(server, `/api/w/ws/${path}`, { authorization }))[0], 403, path);
  }
});
