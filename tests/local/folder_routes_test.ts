import { existsSync, readFileSync } from "node:fs";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { type Answer, trialFolder } from "./_folder_kit.ts";

const MAIN = "export async function main(name: string, times = 2) {\n  return name.repeat(times);\n}\n";

function answered(answer: Answer): readonly [number, string] {
  return [answer.status, answer.text];
}

/** Some fields of a record. */
function picked(value: unknown, ...names: readonly string[]): unknown[] {
  return names.map((name) => (value as Record<string, unknown>)[name]);
}

Deno.test("Whoever asks for what has a broken file is told of the file and what is wrong with it", async () => {
  await using trial = await trialFolder({
    "f/a/v.variable.yaml": "value: 's3cret-0\n",
    "f/a/r.resource.yaml": "value: [1\n",
    "f/a/two.variable.yaml": "value: a\n",
    "f/a/two.variable.json": '{"value":"b"}',
    "f/a/s.ts": new Uint8Array([0xff, 0xfe]),
    "f/a/s.variable.yaml": "value: fine\n",
    "c_t.resource-type.yaml": "schema: {a: 1\n",
  });
  const { ask } = trial;
  const broken = async (method: string, path: string, status: number, begin: string, body?: unknown): Promise<void> => {
    const answer = await ask(method, path, body);
    assertEquals(answer.status, status, answer.text);
    assertIncludes(answer.text, begin);
    assert(!answer.text.includes("s3cret"), "A message quotes no value");
  };
  const variable = "Not found: Variable f/a/v not found: f/a/v.variable.yaml: ";
  await broken("GET", "variables/get_value/f/a/v", 404, variable);
  await broken("GET", "variables/get/f/a/v", 404, variable);
  await broken(
    "GET",
    "variables/get_value/f/a/two",
    404,
    'Variable f/a/two not found: f/a/two.variable.json: "f/a/two" has 2 files',
  );
  await broken("POST", "variables/update/f/a/v", 404, "Variable not found at name f/a/v: f/a/v.variable.yaml: ", {});
  await broken("GET", "resources/get_value/f/a/r", 404, "Not found: Resource f/a/r not found: f/a/r.resource.yaml: ");
  await broken("GET", "resources/type/get/c_t", 404, "not found at name c_t: c_t.resource-type.yaml: ");
  await broken("POST", "jobs/run/p/f/a/s", 404, "script not found at name f/a/s: f/a/s.ts: ", {});
  await broken("GET", "scripts/get/p/f/a/s", 404, "Script not found at name f/a/s: f/a/s.ts: ");
  assertIncludes(
    await Promise.resolve().then(() => trial.folder.interpolate({ a: "$var:f/a/v" })).then(String, String),
    variable,
  );
  assertEquals((await ask("GET", "variables/get_value/f/a/none")).text, "Not found: Variable f/a/none not found");
});

Deno.test("Variables: statuses, bodies and error texts", async () => {
  await using trial = await trialFolder({ "f/a/v.variable.yaml": "value: plain\ndescription: d\n" });
  const { ask } = trial;
  assertEquals(answered(await ask("GET", "variables/get_value/f/a/v")), [200, '"plain"']);
  assertEquals((await ask("GET", "variables/get_value/f/a/v")).type, "application/json");
  assertEquals(answered(await ask("GET", "variables/get_value/f/a/no")), [404, "Not found: Variable f/a/no not found"]);
  assertEquals(answered(await ask("GET", "variables/get/f/a/no")), [404, "Not found: Variable f/a/no not found"]);
  assertEquals(answered(await ask("GET", "variables/exists/f/a/v")), [200, "true"]);
  assertEquals(answered(await ask("GET", "variables/exists/f/a/no")), [200, "false"]);
  const secret = { path: "u/me/s", value: "s3cret-0", is_secret: true, description: "e" };
  const created = await ask("POST", "variables/create", secret);
  assertEquals(answered(created), [201, "variable u/me/s created"]);
  assertIncludes(created.type, "text/plain");
  assertEquals(answered(await ask("POST", "variables/create", secret)), [
    400,
    "Bad request: Variable u/me/s already exists",
  ]);
  assertEquals(picked((await ask("GET", "variables/get/u/me/s")).json(), "value", "is_secret"), ["s3cret-0", true]);
  const shut = await ask("GET", "variables/get/u/me/s?decrypt_secret=false");
  assertEquals(picked(shut.json(), "value", "workspace_id", "description"), [null, "trial", "e"]);
  const sealed = (await ask("GET", "variables/get/u/me/s?decrypt_secret=false&include_encrypted=true")).json();
  const moved = { path: "u/me/t", value: picked(sealed, "value")[0], is_secret: true, description: "" };
  assertEquals((await ask("POST", "variables/create?already_encrypted=true", moved)).status, 201);
  assertEquals((await ask("GET", "variables/get_value/u/me/t")).text, '"s3cret-0"');
  assertEquals(
    answered(await ask("POST", "variables/update/u/me/s", { value: "s3cret-1" })),
    [200, 'variable u/me/s updated (npath: "u/me/s")'],
  );
  assertEquals((await ask("GET", "variables/get_value/u/me/s")).text, '"s3cret-1"');
  assertEquals(answered(await ask("POST", "variables/update/u/me/s", { is_secret: false })), [
    400,
    "Bad request: cannot change is_secret without updating value too",
  ]);
  assertEquals(answered(await ask("POST", "variables/update/f/a/no", { value: "x" })), [
    404,
    "Not found: Variable not found at name f/a/no",
  ]);
  assertEquals((await ask("POST", "variables/update/u/me/s", { path: "u/me/renamed" })).status, 200);
  assertEquals((await ask("GET", "variables/get_value/u/me/renamed")).text, '"s3cret-1"');
  assertEquals((await ask("GET", "variables/exists/u/me/s")).text, "false");
  const list = (await ask("GET", "variables/list")).json() as unknown[];
  assertEquals(list.map((one) => picked(one, "path", "value")), [
    ["f/a/v", "plain"],
    ["u/me/renamed", null],
    ["u/me/t", null],
  ]);
  assertEquals(((await ask("GET", "variables/list?path_start=u/&per_page=1&page=2")).json() as unknown[]).length, 1);
  assertEquals(answered(await ask("DELETE", "variables/delete/u/me/t")), [200, "variable u/me/t deleted"]);
  assertEquals(answered(await ask("DELETE", "variables/delete_bulk", { paths: ["f/a/v", "f/a/no"] })), [
    200,
    '["f/a/v"]',
  ]);
  assert(!existsSync(trial.path("f/a/v.variable.yaml")), "The file is removed");
  assertEquals((await ask("POST", "variables/create", { path: "f/a/x" })).status, 422);
  assertIncludes(
    (await ask("POST", "variables/create", { path: "../x/y", value: "", is_secret: false })).text,
    "Bad request",
  );
  const names = (await ask("GET", "variables/list_contextual")).json() as unknown[];
  assert(names.some((one) => picked(one, "name")[0] === "WM_JOB_ID"), "Contextual ones");
});

Deno.test("Paths with spaces, percent signs and questions are decoded once", async () => {
  await using trial = await trialFolder({
    "f/a/a b%2e.variable.yaml": "value: found\n",
    "f/a/ü.variable.yaml": "value: u\n",
  });
  assertEquals((await trial.ask("GET", "variables/get_value/f/a/a%20b%252e")).text, '"found"');
  assertEquals((await trial.ask("GET", "variables/get_value/f%2Fa%2F%C3%BC")).text, '"u"');
  assertEquals((await trial.ask("GET", "variables/get_value/f/a/..%2f..%2f..%2fetc%2fpasswd")).status, 404);
});

Deno.test("Resources: statuses, bodies and error texts", async () => {
  await using trial = await trialFolder({
    "f/a/r.resource.yaml":
      "value: {user: $WM_USERNAME, password: '$var:f/a/p'}\nresource_type: postgresql\ndescription: d\n",
    "f/a/p.variable.yaml": "value: pw-12345\nis_secret: true\n",
    "f/x/echo.ts": MAIN,
  });
  const { ask } = trial;
  assertEquals((await ask("GET", "resources/get_value/f/a/r")).json(), {
    user: "$WM_USERNAME",
    password: "$var:f/a/p",
  });
  assertEquals((await ask("GET", "resources/get_value_interpolated/f/a/r")).json(), {
    user: "$WM_USERNAME",
    password: "pw-12345",
  });
  const job = (await ask("POST", "jobs/run/p/f/x/echo", {})).text;
  assertEquals((await ask("GET", `resources/get_value_interpolated/f/a/r?job_id=${job}`)).json(), {
    user: "me",
    password: "pw-12345",
  });
  assertEquals(
    answered(await ask("GET", "resources/get_value_interpolated/f/a/r?job_id=01234567-89ab-7def-8123-456789abcdef")),
    [
      404,
      "Not found: Job not found at name 01234567-89ab-7def-8123-456789abcdef",
    ],
  );
  assertEquals(answered(await ask("GET", "resources/get_value/f/a/no")), [404, "Not found: Resource f/a/no not found"]);
  assertEquals(answered(await ask("GET", "resources/get/f/a/no")), [404, "Not found: Resource f/a/no not found"]);
  const made = { path: "f/a/new", value: { a: [1, null] }, resource_type: "c_type" };
  assertEquals(answered(await ask("POST", "resources/create", made)), [201, "resource f/a/new created"]);
  assertEquals(answered(await ask("POST", "resources/create", made)), [
    400,
    "Bad request: Resource f/a/new already exists",
  ]);
  assertEquals((await ask("POST", "resources/create?update_if_exists=true", { ...made, value: 2 })).status, 201);
  assertEquals((await ask("GET", "resources/get_value/f/a/new")).text, "2");
  assertEquals(answered(await ask("POST", "resources/update_value/f/a/new", { value: null })), [
    200,
    "value of resource f/a/new updated",
  ]);
  assertEquals((await ask("GET", "resources/get_value/f/a/new")).text, "null");
  assertEquals((await ask("POST", "resources/update_value/f/a/no", { value: 1 })).status, 200);
  assertEquals((await ask("GET", "resources/exists/f/a/no")).text, "false");
  assertEquals(
    answered(await ask("POST", "resources/update/f/a/new", { path: "f/a/moved", description: "m" })),
    [200, 'resource f/a/new updated (npath: "f/a/moved")'],
  );
  const list = (await ask("GET", "resources/list")).json() as unknown[];
  assertEquals(list.map((one) => picked(one, "path", "resource_type", "value", "description")), [
    ["f/a/moved", "c_type", null, "m"],
    ["f/a/r", "postgresql", null, "d"],
  ]);
  assertEquals(((await ask("GET", "resources/list?resource_type=postgresql,other")).json() as unknown[]).length, 1);
  assertEquals(((await ask("GET", "resources/list?resource_type_exclude=postgresql")).json() as unknown[]).length, 1);
  assertEquals((await ask("GET", "resources/list_names/postgresql")).json(), [{ name: "r", path: "f/a/r" }]);
  assertEquals(answered(await ask("DELETE", "resources/delete/f/a/moved")), [200, "resource f/a/moved deleted"]);
  // A state: by the same endpoints, and in no file.
  const state = { path: "f/x/echo/user", value: { n: 1 }, resource_type: "state" };
  assertEquals((await ask("POST", "resources/create", state)).status, 201);
  assertEquals((await ask("POST", "resources/update_value/f/x/echo/user", { value: { n: 2 } })).status, 200);
  assertEquals((await ask("GET", "resources/get_value_interpolated/f/x/echo/user")).text, '{"n":2}');
  assert(!existsSync(trial.path("f/x/echo")), "No file");
});

Deno.test("Resource types: statuses, bodies and error texts", async () => {
  await using trial = await trialFolder({ "c_one.resource-type.yaml": "schema: {type: object}\ndescription: one\n" });
  const { ask } = trial;
  assertEquals((await ask("GET", "resources/type/listnames")).json(), ["c_one"]);
  assertEquals((await ask("GET", "resources/type/exists/c_two")).text, "false");
  const two = {
    name: "c_two",
    schema: { type: "object", properties: {} },
    description: "two",
    format_extension: "toml",
  };
  assertEquals(answered(await ask("POST", "resources/type/create", two)), [201, "resource_type c_two created"]);
  assertEquals(answered(await ask("POST", "resources/type/create", two)), [
    400,
    "Bad request: Resource type c_two already exists",
  ]);
  assertEquals(
    picked((await ask("GET", "resources/type/get/c_two")).json(), "name", "description", "format_extension"),
    ["c_two", "two", "toml"],
  );
  assertEquals(answered(await ask("GET", "resources/type/get/c_no")), [
    404,
    "Not found: ResourceType not found at name c_no",
  ]);
  assertEquals(
    (await ask("POST", "resources/type/update/c_two", { description: "2" })).text,
    "resource_type c_two updated",
  );
  assertEquals((await ask("GET", "resources/file_resource_type_to_file_ext_map")).json(), { c_two: "toml" });
  assertEquals(((await ask("GET", "resources/type/list")).json() as unknown[]).length, 2);
  assertEquals((await ask("DELETE", "resources/type/delete/c_two")).text, "resource_type c_two deleted");
});

Deno.test("Scripts: get, list, raw code, versions and removal", async () => {
  await using trial = await trialFolder({
    "f/a/x.ts": `import { z } from "zod@4.1.0";\n${MAIN}`,
    "f/a/x.script.yaml": "summary: sums\nkind: script\ntag: t\n",
    "f/a/library.ts": "export const a = 1;\n",
    "f/b/q.pg.sql": "-- $1 id (int)\nselect $1",
  });
  const { ask } = trial;
  const script = (await ask("GET", "scripts/get/p/f/a/x")).json() as Record<string, unknown>;
  assertEquals(
    picked(
      script,
      "path",
      "language",
      "summary",
      "kind",
      "tag",
      "archived",
      "deleted",
      "has_preprocessor",
      "workspace_id",
      "parent_hashes",
    ),
    ["f/a/x", "bun", "sums", "script", "t", false, false, false, "trial", []],
  );
  assertEquals(answered(await ask("GET", "scripts/get/p/f/a/no")), [404, "Not found: Script not found at name f/a/no"]);
  assertEquals((await ask("GET", `scripts/get/h/${script.hash}`)).json(), script);
  assertEquals((await ask("GET", "scripts/get/h/00000000deadbeef")).status, 404);
  assertEquals((await ask("GET", "scripts/exists/p/f/a/x")).text, "true");
  assertIncludes((await ask("GET", "scripts/raw/p/f/a/x.ts")).text, 'from "zod@4.1.0"');
  assertIncludes((await ask("GET", "scripts/raw_unpinned/p/f/a/x.ts")).text, 'from "zod"');
  assertEquals((await ask("GET", `scripts/raw/h/${script.hash}.ts`)).text, script.content);
  assertEquals((await ask("GET", "scripts/raw/p/f/a/x")).status, 400);
  const paths = ((await ask("GET", "scripts/list")).json() as unknown[]).map((one) => picked(one, "path")[0]).sort();
  assertEquals(paths, ["f/a/x", "f/b/q"]);
  assertEquals(((await ask("GET", "scripts/list?include_without_main=true")).json() as unknown[]).length, 3);
  assertEquals(((await ask("GET", "scripts/list?path_start=f/b/")).json() as unknown[]).length, 1);
  assertEquals(((await ask("GET", "scripts/list_search")).json() as unknown[]).length, 3);
  assertEquals((await ask("GET", "scripts/list_paths")).json(), ["f/a/library", "f/a/x", "f/b/q"]);

  const next = {
    path: "f/a/x",
    content: MAIN,
    language: "bun",
    summary: "new",
    description: "",
    schema: { type: "object" },
  };
  assertEquals(answered(await ask("POST", "scripts/create", next)), [
    400,
    `Bad request: Path conflict for f/a/x with non-archived hash ${script.hash}`,
  ]);
  const created = await ask("POST", "scripts/create", { ...next, parent_hash: script.hash, tag: null, timeout: 5 });
  assertEquals(created.status, 201);
  assert(/^[0-9a-f]{16}$/.test(created.text) && created.text !== script.hash, created.text);
  assertIncludes(
    (await ask("POST", "scripts/create", { ...next, parent_hash: script.hash })).text,
    "lineage must be linear",
  );
  const second = (await ask("GET", "scripts/get/p/f/a/x")).json();
  assertEquals(picked(second, "hash", "summary", "tag", "timeout", "parent_hashes"), [created.text, "new", null, 5, [
    script.hash,
  ]]);
  assertEquals(readFileSync(trial.path("f/a/x.ts"), "utf8"), MAIN);
  assertEquals(picked((await ask("GET", `scripts/get/h/${script.hash}`)).json(), "archived", "content"), [
    true,
    script.content,
  ]);
  assertEquals((await ask("GET", "scripts/history/p/f/a/x")).json(), [
    { script_hash: created.text, deployment_msg: null },
    { script_hash: script.hash, deployment_msg: null },
  ]);
  assertEquals((await ask("POST", "scripts/create", { path: "../../x", content: "", language: "bun" })).status, 400);
  assertEquals((await ask("POST", "scripts/create", { path: "f/a/y", content: "", language: "cobol" })).status, 400);
  assertEquals((await ask("POST", "scripts/create", { path: "f/a/y" })).status, 422);

  const job = await ask("POST", `jobs/run/h/${script.hash}`, {});
  assertEquals(job.status, 201);
  assertEquals((await ask("POST", "scripts/archive/p/f/a/x")).status, 200);
  assertEquals((await ask("GET", "scripts/exists/p/f/a/x")).text, "false");
  assertEquals((await ask("GET", `scripts/raw/h/${created.text}.ts`)).text, MAIN);
  assertEquals(answered(await ask("POST", "scripts/delete/p/f/b/q")), [200, '"f/b/q"']);
  assert(!existsSync(trial.path("f/b/q.pg.sql")), "Removed");
});

Deno.test("Users, tokens and workspaces", async () => {
  await using trial = await trialFolder({ "f/a/x.ts": MAIN });
  const { ask } = trial;
  const me = (await ask("GET", "/users/whoami")).json();
  assertEquals(picked(me, "email", "username", "login_type", "disabled"), ["me@example.com", "me", "password", false]);
  assertEquals(picked((await ask("GET", "users/whoami")).json(), "workspace_id", "groups", "folders"), ["trial", [
    "all",
  ], ["a"]]);
  const email = await ask("GET", "users/username_to_email/me");
  assertEquals(answered(email), [200, "me@example.com"]);
  assertIncludes(email.type, "text/plain");
  assertEquals(answered(await ask("GET", "users/username_to_email/bob")), [
    404,
    "Not found: user not found at name bob",
  ]);
  assertEquals(((await ask("GET", "users/list")).json() as unknown[]).length, 1);
  const token = await ask("POST", "/users/tokens/create", { label: "refresh 1", expiration: "2999-01-01T00:00:00Z" });
  assertEquals(token.status, 201);
  assertEquals((await ask("GET", "/users/email", undefined, token.text)).text, "me@example.com");
  const listed = (await ask("GET", "/users/tokens/list")).json() as unknown[];
  assertEquals(listed.map((one) => picked(one, "label", "expiration")), [["refresh 1", "2999-01-01T00:00:00.000Z"]]);
  assert(!JSON.stringify(listed).includes(token.text), "A token is told once");
  assertEquals((await ask("DELETE", `/users/tokens/delete/${token.text.slice(0, 10)}`)).status, 200);
  assertEquals((await ask("GET", "/users/email", undefined, token.text)).status, 401);
  assertEquals((await ask("POST", "/users/tokens/create", { expiration: "tomorrow" })).status, 400);
  const job = trial.identity.issueJobToken("01234567-89ab-7def-8123-456789abcdef");
  assertEquals((await ask("GET", "/users/tokens/list", undefined, job)).status, 403);
  assertEquals(picked(((await ask("GET", "/workspaces/list")).json() as unknown[])[0], "id", "name"), [
    "trial",
    "trial",
  ]);
  assertEquals((await ask("POST", "/workspaces/exists", { id: "trial" })).text, "true");
  assertEquals((await ask("GET", "workspaces/get_workspace_name")).text, "trial");
  assertEquals((await ask("GET", "/w/other/users/whoami")).status, 401);
});

Deno.test("A job that reads a secret is told of, and no other", async () => {
  await using trial = await trialFolder({
    "f/a/s.variable.yaml": "value: s3cret-9\nis_secret: true\n",
    "f/a/v.variable.yaml": "value: plain\n",
    "f/a/r.resource.yaml": "value: {a: $var:f/a/s}\nresource_type: any\n",
    "f/a/p.resource.yaml": "value: {a: $var:f/a/v}\nresource_type: any\n",
  });
  const told: string[] = [];
  trial.server.context.jobs.hooks.readSecret = (job) => void told.push(job);
  const id = "01234567-89ab-7def-8123-456789abcdef";
  const token = trial.identity.issueJobToken(id);
  const counted = async (path: string, as?: string): Promise<number> => {
    const before = told.length;
    assertEquals((await trial.ask("GET", path, undefined, as)).status, 200);
    return told.length - before;
  };
  assertEquals(await counted("variables/get_value/f/a/v", token), 0);
  assertEquals(await counted("resources/get_value_interpolated/f/a/p", token), 0);
  assertEquals(await counted("resources/get_value/f/a/r", token), 0);
  assertEquals(await counted("variables/get/f/a/s?decrypt_secret=false", token), 0);
  assertEquals(await counted("variables/get_value/f/a/s"), 0);
  assertEquals(await counted("variables/get_value/f/a/s", token), 1);
  assertEquals(await counted("variables/get/f/a/s", token), 1);
  assertEquals(await counted("resources/get_value_interpolated/f/a/r", token), 1);
  assertEquals(new Set(told), new Set([id]));
});
