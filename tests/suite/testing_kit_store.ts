/** The test kit: variables, resources and state, under the client and under plain requests. */
import { assertEquals, assertIncludes } from "./assert.ts";
import { ask, failure, said, start } from "./_mock_kit.ts";
import { test } from "./harness.ts";

test("mockWindmill(): variables are read, written, created and listed", async () => {
  const { mock, client } = start({ variables: { "f/a/b": "old", "u/me/key": { value: "s3cr3t", isSecret: true } } });
  assertEquals(await client.variables.get("f/a/b"), "old");
  assertEquals(await client.variables.get("$var:u/me/key"), "s3cr3t");
  assertEquals(await failure(client.variables.get("f/a/nothing")), "404 Not found: Variable f/a/nothing not found");
  await client.variables.set("f/a/b", "new");
  await client.variables.set("f/a/c", "made", { isSecret: true, description: "why" });
  assertEquals(mock.variables.get("f/a/b"), { value: "new", isSecret: false, description: "" });
  assertEquals(mock.variables.get("f/a/c"), { value: "made", isSecret: true, description: "why" });
  assertEquals(await client.variables.exists("f/a/c"), true);
  const list = JSON.parse((await client.request("GET", "/w/{workspace}/variables/list")).text);
  assertEquals(list.map((v: { path: string; value: string | null }) => [v.path, v.value]), [
    ["f/a/b", "new"],
    ["f/a/c", null],
    ["u/me/key", null],
  ]);
  const body = JSON.stringify({ path: "f/a/c", value: "again", is_secret: false, description: "" });
  assertEquals(
    await said(ask(mock, "POST", "variables/create", body)),
    "400 Bad request: Variable f/a/c already exists",
  );
  assertEquals(
    await said(ask(mock, "POST", "variables/update/f/a/c", '{"is_secret":false}')),
    "400 Bad request: cannot change is_secret without updating value too",
  );
  assertEquals(
    await said(ask(mock, "POST", "variables/update/f/a/c", '{"value":"x"}')),
    '200 variable f/a/c updated (npath: "f/a/c")',
  );
  assertEquals(mock.variables.get("f/a/c"), { value: "x", isSecret: true, description: "why" });
  assertEquals(
    await said(ask(mock, "POST", "variables/update/f/a/none", '{"value":"x"}')),
    "404 Not found: Variable not found at name f/a/none",
  );
  assertEquals(await said(ask(mock, "DELETE", "variables/delete/f/a/c")), "200 variable f/a/c deleted");
  assertEquals(mock.variables.has("f/a/c"), false);
});

test("mockWindmill(): paths with signs of addresses name what they say", async () => {
  const path = "f/a b/c?d#e%f/ü";
  const { client } = start({ variables: { [path]: "found" }, resources: { [path]: 7 } });
  assertEquals(await client.variables.get(path), "found");
  assertEquals(await client.resources.get(path), 7);
});

test("mockWindmill(): resources are interpolated as the server does, and raw when asked", async () => {
  const { mock, client } = start({
    variables: { "u/me/password": "p" },
    resources: {
      "u/me/db": { host: "h", password: "$var:u/me/password", not: "a $var:u/me/password" },
      "u/me/all": { db: "$res:u/me/db", list: ["$var:u/me/password", [["$var:u/me/password"]]], job: "$WM_JOB_PATH" },
      "u/me/broken": { db: "$res:u/me/nothing" },
      "u/me/wrong": "$var:u/me/nothing",
      "u/me/null": null,
    },
    resourceTypes: { "u/me/db": "postgresql" },
  });
  const db = { host: "h", password: "p", not: "a $var:u/me/password" };
  assertEquals(await client.resources.get("u/me/db"), db);
  assertEquals(await client.resources.get("u/me/db", { raw: true }), mock.resources.get("u/me/db")?.value);
  assertEquals(await client.resources.get("u/me/all"), {
    db,
    // Arrays further down are left as they are.
    list: ["p", [["$var:u/me/password"]]],
    job: "$WM_JOB_PATH",
  });
  const [id = ""] = [...mock.jobs.keys()];
  const inJob = await client.resources.get<{ job: string }>("u/me/all", { jobId: id });
  assertEquals(inJob.job, "u/mock/script");
  assertEquals(await client.resources.get("u/me/null"), null);
  assertEquals(await failure(client.resources.get("u/me/none")), "404 Not found: Resource u/me/none not found");
  assertEquals(await failure(client.resources.get("u/me/wrong")), "404 Not found: Variable u/me/nothing not found");
  assertIncludes(
    await failure(client.resources.get("u/me/broken")),
    "404 Not found: Resource not found at name u/me/nothing",
  );
  assertEquals(await client.resources.find("u/me/none"), undefined);
});

test("mockWindmill(): resources are listed page by page, created and updated", async () => {
  const resources = Object.fromEntries(Array.from({ length: 45 }, (_, at) => [`f/r/${`${at}`.padStart(2, "0")}`, at]));
  const { mock, client } = start({ resources, resourceTypes: { "f/r/07": "postgresql" } });
  assertEquals((await client.resources.list()).length, 30);
  assertEquals((await client.resources.list({ page: 2 })).map(({ path }) => path).at(-1), "f/r/44");
  const all: string[] = [];
  for await (const { path } of client.resources.listAll({ perPage: 20 })) all.push(path);
  assertEquals(all.length, 45);
  const [only] = await client.resources.list({ resourceType: "postgresql" });
  assertEquals([only?.path, only?.value], ["f/r/07", null]);
  assertEquals((await client.resources.list({ pathStart: "f/r/4" })).length, 5);
  await client.resources.set("f/r/07", { host: "h" });
  assertEquals(mock.resources.get("f/r/07"), { value: { host: "h" }, resourceType: "postgresql" });
  await client.resources.set("u/me/new", [1], { resourceType: "list", description: "d" });
  assertEquals(mock.resources.get("u/me/new"), { value: [1], resourceType: "list", description: "d" });
  const body = JSON.stringify({ path: "u/me/new", value: 2, resource_type: "list" });
  assertEquals(
    await said(ask(mock, "POST", "resources/create", body)),
    "400 Bad request: Resource u/me/new already exists",
  );
  assertEquals(
    await said(ask(mock, "POST", "resources/create?update_if_exists=true", body)),
    "201 resource u/me/new created",
  );
  assertEquals(mock.resources.get("u/me/new")?.value, 2);
});

test("mockWindmill(): state of the script, and of the flow that it is in", async () => {
  const alone = start();
  assertEquals(alone.client.state.path(), "u/mock/script/user");
  assertEquals(await alone.client.state.get(), undefined);
  await alone.client.state.set({ n: 1 });
  assertEquals(await alone.client.state.get(), { n: 1 });
  assertEquals(alone.mock.resources.get("u/mock/script/user")?.resourceType, "state");
  assertEquals(await failure(alone.client.state.setFlow("k", 1)), "404 Not found: Flow job not found");
  assertEquals(await alone.client.state.getFlow("k"), null);

  const { mock, client } = start({ currentJob: { flowPath: "f/a/flow", stepId: "b" } });
  assertEquals(client.state.path(), "f/a/flow/b_user");
  await client.state.setFlow("k", { n: 2 });
  assertEquals(await client.state.getFlow("k"), { n: 2 });
  assertEquals(await client.state.getFlow("other"), null);
  const [flow] = [...mock.jobs.values()];
  assertEquals([flow?.kind, flow?.userStates.get("k")], ["flow", { n: 2 }]);
  await client.jobs.setProgress(140.5);
  assertEquals([await client.jobs.getProgress(), mock.jobs.get(mock.env.WM_JOB_ID ?? "")?.progress], [99, 99]);
  assertEquals(JSON.parse(mock.requests.find(({ path }) => path.includes("set_progress"))?.text() ?? ""), {
    percent: 140,
    flow_job_id: flow?.id,
  });
});
