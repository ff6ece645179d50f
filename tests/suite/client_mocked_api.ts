/** Variables and resources that stand in for the workspace's: as an option, and as the file of WM_MOCKED_API_FILE. */
import * as wmill from "@windkit/windmill-client";
import { type Client, type ClientOptions, createClient, type MockedApi } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { json, options, serve, type Stub, withEnvironment } from "./_client_kit.ts";
import { builtin, noFileSystem, withTemporaryFolder } from "./env.ts";
import { test } from "./harness.ts";

/** A client that has nothing but a mock: it could reach no server. */
function offline(mockedApi: MockedApi, more: Partial<ClientOptions> = {}): Client {
  return createClient({ env: {}, mockedApi, ...more });
}

/** A server that answers every call for a value, and notes it. */
function server(): Stub {
  return serve(({ target }) => json(target.includes("/exists/") ? true : `server: ${target.split("/").at(-1)}`));
}

function write(path: string, text: string): void {
  builtin<{ writeFileSync(path: string, text: string): void }>("node:fs")?.writeFileSync(path, text);
}

test("a mock answers for variables, resources and state, and nothing is asked for", async () => {
  const mock = { variables: { "f/a/v": "value" }, resources: { "f/a/r": { host: "h" }, "u/me/state": { n: 1 } } };
  const c = offline(mock, { env: { WM_STATE_PATH: "u/me/state" } });
  assertEquals(await c.variables.get("f/a/v"), "value");
  assertEquals(await c.variables.get("$var:f/a/v"), "value");
  assertEquals(await c.variables.get("var://f/a/v"), "value");
  assertEquals(await c.variables.exists("f/a/v"), true);
  assertEquals(await c.resources.get("f/a/r"), { host: "h" });
  assertEquals(await c.resources.get("$res:f/a/r", { raw: true }), { host: "h" });
  assertEquals(await c.resources.find("res://f/a/r"), { host: "h" });
  assertEquals(await c.resources.exists("f/a/r"), true);
  assertEquals(await c.state.get(), { n: 1 });
});

test("what is falsy in a mock is a value", async () => {
  const c = offline({ variables: { empty: "" }, resources: { zero: 0, no: false, nil: null, empty: "" } });
  assertEquals(await c.variables.get("empty"), "");
  for (const [path, value] of [["zero", 0], ["no", false], ["nil", null], ["empty", ""]] as const) {
    assertEquals(await c.resources.get(path), value);
    assertEquals(await c.resources.find(path), value);
    assertEquals(await c.resources.exists(path), true);
  }
});

test("names of JavaScript's own are names like others in a mock", async () => {
  const mock = JSON.parse('{"variables":{"__proto__":"v"},"resources":{"__proto__":{"a":1}}}') as MockedApi;
  const c = offline(mock);
  assertEquals(await c.variables.get("__proto__"), "v");
  assertEquals(await c.resources.get("__proto__"), { a: 1 });
  await c.variables.set("constructor", "c");
  assertEquals(await c.variables.get("constructor"), "c");
  for (const path of ["toString", "hasOwnProperty", "valueOf"]) {
    await assertRejects(() => c.variables.get(path), "CONFIGURATION", path);
    assertEquals(await c.resources.find(path), undefined);
  }
  assertEquals(Object.keys((await c.mockedApi())?.variables ?? {}).toSorted(), ["__proto__", "constructor"]);
  assertEquals(({} as { a?: unknown }).a, undefined);
});

test("what is not in a mock is an error that names it; what may be missing is undefined", async () => {
  const c = offline({ resources: {} }, { env: { WM_STATE_PATH: "u/me/state" } });
  await assertRejects(
    () => c.variables.get("$var:f/a/v"),
    "CONFIGURATION",
    "No variable \"f/a/v\" in option 'mockedApi': add it, or set 'strict' to false",
  );
  await assertRejects(() => c.resources.get("f/a/r"), "CONFIGURATION", 'No resource "f/a/r"');
  await assertRejects(() => c.resources.databaseUrl("f/a/r"), "CONFIGURATION", 'No resource "f/a/r"');
  assertEquals(await c.resources.find("f/a/r"), undefined);
  assertEquals(await c.state.get(), undefined);
  assertEquals([await c.variables.exists("v"), await c.resources.exists("r")], [false, false]);
});

test("a mock that is not strict leaves to the server what it does not have", async () => {
  const stub = server();
  const c = createClient(options(stub, { mockedApi: { variables: { mine: "m" }, resources: {}, strict: false } }));
  assertEquals(await c.variables.get("mine"), "m");
  assertEquals(await c.variables.get("other"), "server: other");
  assertEquals(await c.resources.get("r"), "server: r");
  assertEquals(await c.resources.find("r2"), "server: r2");
  assertEquals(await c.variables.exists("other"), true);
  await c.variables.set("other", "written");
  assertEquals(await c.variables.get("other"), "written");
  assertEquals(stub.seen.map(({ target }) => target.replace("/api/w/ws/", "")), [
    "variables/get_value/other",
    "resources/get_value_interpolated/r",
    "resources/get_value_interpolated/r2",
    "variables/exists/other",
  ]);
});

test("writes change the mock of one client, and nothing else", async () => {
  const mock = { variables: { v: "old" }, resources: { r: { list: [1] } } };
  const one = offline(mock, { env: { WM_STATE_PATH: "s" } }), two = offline(mock);
  await one.variables.set("var://v", "new");
  await one.variables.set("v2", "more", { isSecret: true });
  await one.resources.set("r", { list: [2] });
  await one.resources.set("$res:r2", undefined);
  await one.state.set({ at: new Date(0), gone: undefined });
  assertEquals(await one.mockedApi(), {
    variables: { v: "new", v2: "more" },
    resources: { r: { list: [2] }, r2: null, s: { at: "1970-01-01T00:00:00.000Z" } },
    strict: true,
  });
  assertEquals(await one.state.get(), { at: "1970-01-01T00:00:00.000Z" });
  assertEquals(await two.variables.get("v"), "old");
  assertEquals(mock, { variables: { v: "old" }, resources: { r: { list: [1] } } });
  await assertRejects(() => one.variables.set("v", 1 as unknown as string), undefined, "expected a string");
});

test("a value that was read from a mock is the caller's own", async () => {
  const c = offline({ resources: { r: { list: [1] } } });
  const first = await c.resources.get<{ list: number[] }>("r");
  first.list.push(2);
  assertEquals(await c.resources.get("r"), { list: [1] });
});

test("a mock that cannot be one is refused, and says why", async () => {
  for (
    const [mock, part] of [
      [[], "an object with 'variables' and 'resources'"],
      [{ variables: [] }, "an object of texts as 'variables'"],
      [{ variables: { "f/a/n": 5 } }, 'text as the value of variable "f/a/n"'],
      [{ resources: "r" }, "an object as 'resources'"],
      [{ strict: "no" }, "true or false as 'strict'"],
    ] as const
  ) {
    const c = offline(mock as unknown as MockedApi);
    await assertRejects(() => c.variables.get("v"), "CONFIGURATION", `Cannot use option 'mockedApi': expected ${part}`);
    await assertRejects(() => c.mockedApi(), "CONFIGURATION", part);
  }
});

test("other functions than those of variables, resources and state ask the server", async () => {
  const stub = serve(() => json([]));
  const c = createClient(options(stub, { mockedApi: { resources: { r: 1 } } }));
  assertEquals(await c.resources.list(), []);
  assertEquals(stub.seen.length, 1);
});

test("WM_MOCKED_API_FILE names a file that answers, without workspace, token or server", async () => {
  await withTemporaryFolder(async (folder) => {
    const path = `${folder}/mocks.json`;
    write(path, '\uFEFF{"variables":{"v":"from file"},"resources":{"u/me/r":{"a":1}}}');
    const stub = server();
    await withEnvironment({ WM_MOCKED_API_FILE: path, WM_STATE_PATH: "u/me/s" }, stub, async () => {
      assertEquals(await wmill.getVariable("v"), "from file");
      assertEquals(await wmill.getResource("$res:u/me/r"), { a: 1 });
      assertEquals(await wmill.resolveDefaultResource("$res:u/me/r"), { a: 1 });
      assertEquals(await wmill.getResource("u/me/none", true), undefined);
      assertEquals(await wmill.getState(), undefined);
      await wmill.setState([1]);
      assertEquals(await wmill.getState(), [1]);
      await wmill.setVariable("w", "x");
      await wmill.setResource({ b: 2 }, "u/me/r");
      assertEquals(await wmill.getMockedApi(), {
        variables: { v: "from file", w: "x" },
        resources: { "u/me/r": { b: 2 }, "u/me/s": [1] },
        strict: true,
      });
      const error = await assertRejects(() => wmill.getVariable("none"), "CONFIGURATION", 'No variable "none"');
      assertIncludes(error.message, path);
      assertEquals(await createClient().variables.get("v"), "from file");
    });
    assertEquals(stub.seen.length, 0);
  });
}, noFileSystem);

test("a file that says so is not strict, and is read once by a client", async () => {
  await withTemporaryFolder(async (folder) => {
    const path = `${folder}/mocks.json`;
    const stub = server();
    const { workspace, token, baseUrl, ...rest } = options(stub);
    const env = { WM_MOCKED_API_FILE: path, BASE_URL: baseUrl, WM_WORKSPACE: workspace, WM_TOKEN: token };
    write(path, '{"variables":{"v":"1"},"strict":false}');
    const c = createClient({ ...rest, env });
    const values = await Promise.all([c.variables.get("v"), c.variables.get("other"), c.variables.get("v")]);
    assertEquals(values, ["1", "server: other", "1"]);
    write(path, '{"variables":{"v":"2"}}');
    assertEquals(await c.variables.get("v"), "1");
    assertEquals(await createClient({ ...rest, env }).variables.get("v"), "2");
  });
}, noFileSystem);

test("a client that was told its workspace, or has a mock of its own, does not look at the file", async () => {
  const env = { WM_MOCKED_API_FILE: "/nowhere/mocks.json" };
  const stub = server();
  assertEquals(await createClient(options(stub, { env })).variables.get("v"), "server: v");
  assertEquals(await offline({ variables: { v: "own" } }, { env }).variables.get("v"), "own");
  assertEquals(await createClient({ env: { WM_MOCKED_API_FILE: "" } }).mockedApi(), undefined);
});

test("a file that cannot be used is an error that names it, not an empty mock", async () => {
  await withTemporaryFolder(async (folder) => {
    const path = `${folder}/mocks.json`;
    const c = createClient({ env: { WM_MOCKED_API_FILE: path } });
    const fails = async (part: string): Promise<void> => {
      const error = await assertRejects(() => c.variables.get("v"), "CONFIGURATION", part);
      assertIncludes(error.message, `the mocked API file ${JSON.stringify(path)} of WM_MOCKED_API_FILE`);
      assert(!error.message.includes("hunter2"), `Expected a message without values: ${error.message}`);
    };
    await fails("Cannot read");
    for (
      const [content, part] of [
        ["", "expected JSON, found nothing"],
        ['{"variables":{"v":"hunter2"', "expected JSON, found something else"],
        ["<html>hunter2", "expected JSON, found something else"],
        ["null", "an object with 'variables' and 'resources'"],
        ['["hunter2"]', "an object with 'variables' and 'resources'"],
        ['{"variables":{"v":["hunter2"]}}', 'text as the value of variable "v"'],
      ] as const
    ) {
      write(path, content);
      await fails(part);
    }
    // Repaired, it is read again.
    write(path, '{"variables":{"v":"good"}}');
    assertEquals(await c.variables.get("v"), "good");
  });
}, noFileSystem);

test("a file that is not there is a clear error, where there are files and where there are none", async () => {
  const c = createClient({ env: { WM_MOCKED_API_FILE: "/nowhere/mocks.json" } });
  await assertRejects(
    () => c.variables.get("v"),
    "CONFIGURATION",
    'Cannot read the mocked API file "/nowhere/mocks.json"',
  );
  await assertRejects(() => c.mockedApi(), "CONFIGURATION", 'Cannot read the mocked API file "/nowhere/mocks.json"');
});
