/** Requests that no client sends: every route answers them with a text of its own, and none is an error of the server. */
import assert from "node:assert/strict";
import { Hono } from "hono";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { PAGES, ROUTES as DEV_ROUTES } from "../../src/cli/dev_parts.ts";
import { ROUTES } from "../../src/server/app.ts";
import { type Local, openLocal } from "../e2e/_local_dev.ts";
import { openTestServer } from "./_server.ts";

const FILES = {
  "wmill.yaml": "",
  "f/a/fine.ts": 'export function main() { return "fine"; }\n',
  "f/a/r.resource.yaml": "value: { a: 1 }\nresource_type: any\n",
  "f/a/v.variable.yaml": "value: v\nis_secret: false\n",
};

const DEEP = "[".repeat(200_000) + "]".repeat(200_000);

/** In place of every parameter of a path. */
const VALUES = [
  "x",
  "f/a/none",
  "f/linked/x",
  "f/a/linked",
  "%00",
  "%ff",
  "f/a/%0a",
  `f/a/${"x".repeat(300)}`,
  "99999999999999999999",
  "__proto__",
  "0190f7a0-0000-7000-8000-000000000000",
  "%F0%9F%98%80",
];

const BODIES = [
  "",
  "null",
  "[]",
  "[[]]",
  '"x"',
  "{",
  '{"paths":["../x", 1]}',
  '{"paths":["f/linked/x","__proto__"]}',
  '{"path":"f/linked/x","value":"v","resource_type":"any","content":1,"language":"bun"}',
  '{"path":"f/a/z","value":"v","resource_type":"../../c_x","content":"x","language":"../../x","schema":5}',
  '{"name":"../x","schema":{}}',
  '{"__proto__":{"a":1},"constructor":1,"args":[1]}',
  '{"expiration":"x","scopes":[1],"label":"\\u0000"}',
  '{"percent":1e99}',
  '{"s3_objects":[{"s3":"../x"},1,null],"s3_resource_path":"__proto__","storage":"../x"}',
  '{"value":"\\ud800","path":"f/a/\\ud800","resource_type":"any","content":"\\ud800","language":"bun"}',
  DEEP,
  `{"value":${DEEP},"path":"f/a/deep","resource_type":"any","args":${DEEP}}`,
];

const QUERIES = [
  "?file_key=../../x&page=-1&per_page=99999&scheduled_for=x&args={&result=[",
  `?args=${"%7B%22a%22:".repeat(25)}1${"%7D".repeat(25)}`,
  "?args=%7B%22a%5B%22:1%7D&result=%5B%22%5Cu0000%22%5D",
  "?file_key=a%00b&storage=%00&s3_resource_path=..",
  "?job_id=x&parent_job=..&root_job=x",
  "?timeout=-1&cache_ttl=-5&scheduled_in_secs=999999999999999",
  "?tag=*[&allow_wildcards=true&script_path_start=!,,&job_kinds=x&created_by=!",
  "?log_offset=-5&stream_offset=999999999999&payload=%ff",
  "?include_header=%ff,%00,content-type&include_query=__proto__",
  "?file_key=a&dest_file_key=a&read_bytes_from=-9&read_bytes_length=999999999999999&csv_separator=%00",
];

/** Asks with the owner's token, in this process; what is streamed is not waited for. */
async function ask(
  { dev, url, token }: Local,
  method: string,
  path: string,
  body?: string,
): Promise<readonly [number, string]> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const sent = method === "GET" || body === undefined ? {} : { body };
  const response = await dev.server.fetch(new Request(url + path, { method, headers, ...sent }));
  if (response.headers.get("content-type") !== "text/event-stream") return [response.status, await response.text()];
  await response.body?.cancel();
  return [response.status, ""];
}

Deno.test("No route has an error of its own, whatever is sent to it", async () => {
  await using local = await openLocal({ files: FILES, poolSize: 0 });
  symlinkSync("/tmp", join(local.dir, "f/linked"));
  symlinkSync("/tmp/none.ts", join(local.dir, "f/a/linked.ts"));
  const { context } = local.dev.server;
  const api = [...ROUTES, ...DEV_ROUTES].flatMap((module) => module(context).routes);
  const routes = [
    ...api.map(({ method, path }) => ({ method, path: `/api${path}` })),
    ...PAGES(context).routes,
  ];
  let asked = 0;
  for (const { method: declared, path } of routes) {
    const method = declared === "ALL" ? "GET" : declared;
    const at = (value: string): string =>
      path.replace(":workspace", local.workspace).replace(/\*$/, value).replace(
        /:\w+(\{[^}]*\})?/g,
        (_, rest?: string) => rest === undefined ? value.replaceAll("/", "%2F") : rest === "{\\d+}" ? "5" : value,
      );
    const hasValue = /:(?!workspace)|\*$/.test(path);
    const tries: readonly (readonly [string, string?])[] = [
      ...(hasValue ? VALUES : ["x"]).map((value) => [at(value), "{}"] as const),
      ...(method === "GET" ? [] : BODIES).map((body) => [at("x"), body] as const),
      ...QUERIES.map((query) => [at("f/a/none") + query, "{}"] as const),
    ];
    for (const [target, body] of tries) {
      const [status, text] = await ask(local, method, target, body);
      asked++;
      const what = `${method} ${target} ${body?.slice(0, 80)}: ${status} ${text.slice(0, 200)}`;
      // An inline run answers so when its code fails, as a server does.
      assert.ok(status < 500 || /run_inline/.test(path) || /^OIDC/.test(text), what);
      assert.doesNotMatch(text, /\n\s+at .*(?:\/src\/|node_modules|ext:)/, what);
      assert.deepEqual(local.reported, [], what);
    }
  }
  assert.ok(asked > 3_000, `${asked}`);
});

Deno.test("Names that a folder cannot have everywhere, and that lead out of it, are refused", async () => {
  await using local = await openLocal({ files: FILES, poolSize: 0 });
  symlinkSync("/tmp", join(local.dir, "f/linked"));
  const start = `/api/w/${local.workspace}`;
  const create = (what: string, fields: Record<string, unknown>): Promise<readonly [number, string]> =>
    ask(local, "POST", `${start}/${what}/create`, JSON.stringify(fields));
  for (
    const path of [
      "f/a/CON",
      "f/a/nul",
      "f/Aux/x",
      "f/a/com1",
      "f/LPT9.x/x",
      "f/a/x ",
      "f/a./x",
      "f/linked/x",
      "f/a/\ud800",
    ]
  ) {
    for (
      const [what, more] of [
        ["scripts", { content: "x", language: "bun", summary: "" }],
        ["variables", { value: "v", is_secret: false }],
        ["resources", { value: 1, resource_type: "any" }],
      ] as const
    ) assert.equal((await create(what, { path, ...more }))[0], 400, `${what} ${path}`);
  }
  for (const type of ["../../c_x", "c_x/y", "", "c x", "NUL"]) {
    const [status, text] = await create("resources", { path: "f/a/new", value: 1, resource_type: type });
    assert.deepEqual([status, /of a resource type/.test(text)], [400, true], type);
    assert.equal((await create("resources/type", { name: type, schema: {} }))[0], 400, type);
  }
  assert.equal((await create("resources", { path: "f/a/new", value: 1, resource_type: "c_x" }))[0], 201);
  assert.equal((await create("variables", { path: "f/a/console", value: "v", is_secret: false }))[0], 201);
});

Deno.test("JSON that is too deep is refused, and what a script made so deep leaves the lists alone", async () => {
  const code = "export function main() { let x = 1; for (let no = 0; no < 2000; no++) x = [x]; return x; }\n";
  await using local = await openLocal({ files: { ...FILES, "f/a/deep.ts": code }, poolSize: 0 });
  const start = `/api/w/${local.workspace}`;
  for (const body of [DEEP, `{"x":${DEEP}}`]) {
    const [status, text] = await ask(local, "POST", `${start}/jobs/run/p/f/a/fine`, body);
    assert.deepEqual([status, /nested deeper than 500 levels/.test(text)], [400, true]);
  }
  const shallow = JSON.stringify({ x: `${"[".repeat(1_000)}\\"`, y: Array(1_000).fill([]) });
  assert.equal((await ask(local, "POST", `${start}/jobs/run/p/f/a/fine`, shallow))[0], 201);
  await ask(local, "POST", `${start}/jobs/run_wait_result/p/f/a/deep`, "{}");
  assert.equal((await ask(local, "GET", `${start}/jobs/list?result=%7B%22a%22:1%7D`))[0], 200);
  assert.deepEqual(local.reported, []);
});

Deno.test("A time that no calendar has, and numbers of metadata that nobody can read, leave the queue as it was", async () => {
  const meta = "summary: ''\npriority: 100000000000000000\nconcurrent_limit: 100000000000000000\nlock: ''\n";
  await using local = await openLocal({ files: { ...FILES, "f/a/fine.script.yaml": meta }, poolSize: 0 });
  const start = `/api/w/${local.workspace}/jobs`;
  const late = await ask(local, "POST", `${start}/run/p/f/a/fine?scheduled_in_secs=999999999999999`, "{}");
  assert.equal(late[0], 400);
  assert.equal((await local.run("f/a/fine")).body, "fine");
  assert.equal((await ask(local, "GET", `${start}/list`))[0], 200);
  assert.deepEqual(local.reported, []);
  assert.ok(existsSync(join(local.dir, "f/a/fine.ts")) && readFileSync(join(local.dir, "f/a/fine.ts"), "utf8") !== "");
});

Deno.test("An error that nobody expected is one line, without the places that it went through", async () => {
  const trace = "Boom of the test\n    at secret (file:///home/me/src/server/app.ts:1:1)";
  await using server = await openTestServer({
    routes: [() =>
      new Hono().get("/boom", () => {
        throw new TypeError(trace);
      })],
  });
  const response = await fetch(`${server.url}/api/boom`, { headers: { authorization: `Bearer ${server.token}` } });
  assert.deepEqual([response.status, await response.text()], [500, "Internal: Boom of the test"]);
  assert.equal(server.reported.length, 1);
});

Deno.test("Headers of a result change nothing of this server's own safety, and one that is none is said in one line", async () => {
  const given = {
    "Set-Cookie": "windkit_8000=x",
    "clear-site-data": '"*"',
    "Access-Control-Allow-Origin": "*",
    "content-security-policy": "default-src *",
    "content-length": "1",
    "transfer-encoding": "chunked",
    "connection": "upgrade",
    "content-encoding": "gzip",
    "refresh": "0; url=https://evil.example",
    "x-own": "kept",
    "location": "/elsewhere",
  };
  await using server = await openTestServer({ files: { "f/answer": ({ result }) => result } });
  const run = async (result: unknown): Promise<Response> =>
    await server.ask("POST", "jobs/run_wait_result/p/f/answer", { result });
  const response = await run({ windmill_headers: given, result: "a text" });
  assert.equal(await response.text(), '"a text"');
  const headers = Object.fromEntries(response.headers);
  for (const name of ["set-cookie", "clear-site-data", "access-control-allow-origin", "refresh", "content-encoding"]) {
    assert.equal(headers[name], undefined, name);
  }
  assert.deepEqual(
    [headers["content-security-policy"], headers["x-own"], headers["location"]],
    ["sandbox", "kept", "/elsewhere"],
  );
  for (
    const result of [
      { windmill_headers: { "a b": "x" } },
      { windmill_headers: { "": "x" } },
      { windmill_headers: { a: "x\r\ny: z" } },
      { windmill_headers: { a: "\u2028" } },
      { windmill_content_type: "text/html\nx: y", result: 1 },
      { windmill_status_code: 99 },
      { windmill_status_code: "x" },
    ]
  ) {
    const refused = await run(result);
    const text = await refused.text();
    assert.deepEqual([refused.status, /^(?:Internal: )?Invalid [^\n]*$/.test(text)], [500, true], text);
  }
  assert.deepEqual(server.reported, []);
});
