/**
 * What goes over the wire, compared request by request with what the official clients sent (`fixtures/official_requests.json`,
 * recorded from windmill-client 1.818.0 and wmill 1.735.0).
 */
import * as wmill from "@windkit/windmill-client";
import { createClient } from "@windkit/windmill-client";
import { task } from "@windkit/windmill-client/workflow";
import { assertEquals } from "./assert.ts";
import { json, options, type Seen, serve, text } from "./_client_kit.ts";
import { type WireCase, wireCases, wireEnvironment } from "./_wire_kit.ts";
import recorded from "./fixtures/official_requests.json" with { type: "json" };
import { test } from "./harness.ts";

const job = "00000000-0000-0000-0000-00000000c0de";

/** Answers as the server did that the requests were recorded from. */
function answer({ method, target }: Seen): Response {
  const path = target.replace(/^\/api\/w\/ws\//, "").replace(/\?.*$/, "");
  if (/missing$/.test(path)) return text("Not found: thing", 404);
  if (/boom$/.test(path)) return text("Internal: kaboom", 500);
  if (/^(variables|resources)\/exists\//.test(path)) return json(!path.endsWith("absent"));
  if (/^variables\/get_value\//.test(path) || /^resources\/get_value/.test(path)) return json("value");
  if (path === "resources/list") return json([{ path: "u/me/db", resource_type: "postgresql" }]);
  if (path === "jobs/list") return json([{ id: "job-self" }, { id: "other-1" }]);
  if (/^jobs\/run\//.test(path)) return text(job, 201);
  if (/^jobs_u\/getupdate_sse\//.test(path)) return text('data: {"type":"update","completed":true}\n\n');
  if (/get_result_maybe\/fail/.test(path)) {
    return json({ started: true, success: false, completed: true, result: { error: { name: "E", message: "bad" } } });
  }
  if (/get_result_maybe\//.test(path)) {
    return json({ started: true, success: true, completed: true, result: { ok: 1 } });
  }
  if (/completed\/get_result\//.test(path)) return json({ r: 1 });
  if (/get_root_job_id\//.test(path)) return json("root-1");
  if (/^jobs_u\/get\//.test(path)) {
    return json({ id: "job-2", type: "QueuedJob", running: true, parent_job: "parent-1" });
  }
  if (/get_progress\//.test(path)) return json(5);
  if (/user_states\//.test(path) && method === "GET") return json({ s: 1 });
  return text("done");
}

/** Version 1 of the protocol sent a task to the server. */
const addOne = task(function addOne(a: number) {
  return a + 1;
});

const localTask: WireCase = { top: () => addOne(4) };

const typescript: Readonly<Record<string, WireCase>> = {
  "getVariable": { client: (c) => c.variables.get("u/me/v"), top: () => wmill.getVariable("u/me/v") },
  "getVariable var://": {
    client: (c) => c.variables.get("var://u/me/v"),
    top: () => wmill.getVariable("var://u/me/v"),
  },
  "getVariable $var:": { client: (c) => c.variables.get("$var:u/me/v"), top: () => wmill.getVariable("$var:u/me/v") },
  "getVariable missing": {
    client: (c) => c.variables.get("u/me/missing"),
    top: () => wmill.getVariable("u/me/missing"),
  },
  "getVariable special": { client: (c) => c.variables.get("u/me/a b?c"), top: () => wmill.getVariable("u/me/a b?c") },
  "setVariable exists": {
    client: (c) => c.variables.set("u/me/v", "x"),
    top: () => wmill.setVariable("u/me/v", "x", true, "desc"),
  },
  "setVariable absent": {
    client: (c) => c.variables.set("u/me/absent", "x", { isSecret: true, description: "desc" }),
    top: () => wmill.setVariable("u/me/absent", "x", true, "desc"),
  },
  "getResource": { client: (c) => c.resources.get("u/me/r"), top: () => wmill.getResource("u/me/r") },
  "getResource $res:": { client: (c) => c.resources.get("$res:u/me/r"), top: () => wmill.getResource("$res:u/me/r") },
  "getResource missing": {
    client: (c) => c.resources.get("u/me/missing"),
    top: () => wmill.getResource("u/me/missing"),
  },
  "getResource missing undefinedIfEmpty": {
    client: (c) => c.resources.find("u/me/missing"),
    top: () => wmill.getResource("u/me/missing", true),
  },
  "getResource boom undefinedIfEmpty": {
    client: (c) => c.resources.find("u/me/boom"),
    top: () => wmill.getResource("u/me/boom", true),
  },
  "setResource exists": {
    client: (c) => c.resources.set("u/me/r", { a: 1 }),
    top: () => wmill.setResource({ a: 1 }, "u/me/r"),
  },
  "setResource absent": {
    client: (c) => c.resources.set("u/me/absent", { a: 1 }, { resourceType: "mytype" }),
    top: () => wmill.setResource({ a: 1 }, "u/me/absent", "mytype"),
  },
  "setResource absent notype": {
    client: (c) => c.resources.set("u/me/absent", { a: 1 }),
    top: () => wmill.setResource({ a: 1 }, "u/me/absent"),
  },
  "getState": { client: (c) => c.state.get(), top: () => wmill.getState() },
  "setState": { client: (c) => c.state.set({ s: 1 }), top: () => wmill.setState({ s: 1 }) },
  "setProgress": { client: (c) => c.jobs.setProgress(12.7), top: () => wmill.setProgress(12.7) },
  "setProgress jobId": {
    client: (c) => c.jobs.setProgress(12.7, { jobId: "job-2" }),
    top: () => wmill.setProgress(12.7, "job-2"),
  },
  "getProgress": { client: (c) => c.jobs.getProgress(), top: () => wmill.getProgress() },
  "setFlowUserState": {
    client: (c) => c.state.setFlow("k", { v: 1 }),
    top: () => wmill.setFlowUserState("k", { v: 1 }),
  },
  "setFlowUserState string": {
    client: (c) => c.state.setFlow("k", "str"),
    top: () => wmill.setFlowUserState("k", "str"),
  },
  "setFlowUserState undefined": {
    client: (c) => c.state.setFlow("k", undefined),
    top: () => wmill.setFlowUserState("k", undefined),
  },
  "getFlowUserState": { client: (c) => c.state.getFlow("k"), top: () => wmill.getFlowUserState("k") },
  "cancelJob": { client: (c) => c.jobs.cancel("job-9"), top: () => wmill.cancelJob("job-9") },
  "runScriptByPath": {
    client: (c) => c.jobs.run("u/me/s", { x: 1 }),
    top: () => wmill.runScriptByPath("u/me/s", { x: 1 }),
  },
  "runScriptByHash": {
    client: (c) => c.jobs.runByHash("abc", { x: 1 }, { tag: "gpu" }),
    top: () => wmill.runScriptByHash("abc", { x: 1 }, false, "gpu"),
  },
  "runScriptByPathAsync": {
    client: (c) => c.jobs.start("u/me/s", { x: 1 }, { scheduledInSeconds: 30, tag: "gpu" }),
    top: () => wmill.runScriptByPathAsync("u/me/s", { x: 1 }, 30, "gpu"),
  },
  "runScriptByPathAsync http404": {
    client: (c) => c.jobs.start("missing"),
    top: () => wmill.runScriptByPathAsync("missing"),
  },
  "runFlow": { client: (c) => c.jobs.runFlow("u/me/f", { x: 1 }), top: () => wmill.runFlow("u/me/f", { x: 1 }) },
  "runFlowAsync": {
    client: (c) => c.jobs.startFlow("u/me/f", { x: 1 }),
    top: () => wmill.runFlowAsync("u/me/f", { x: 1 }),
  },
  "waitJob fail": { client: (c) => c.jobs.wait("fail"), top: () => wmill.waitJob("fail") },
  "waitJob failstr": { client: (c) => c.jobs.wait("failstr"), top: () => wmill.waitJob("failstr") },
  "getResult": { client: (c) => c.jobs.result("job-9"), top: () => wmill.getResult("job-9") },
  "getResultMaybe": { client: (c) => c.jobs.resultMaybe("job-9"), top: () => wmill.getResultMaybe("job-9") },
  "getRootJobId": { client: (c) => c.jobs.rootJobId(), top: () => wmill.getRootJobId() },
  "resolveDefaultResource": {
    client: (c) => c.resources.get("$res:u/me/r"),
    top: () => wmill.resolveDefaultResource("$res:u/me/r"),
  },
  "databaseUrlFromResource": {
    client: (c) => c.resources.databaseUrl("u/me/r"),
    top: () => wmill.databaseUrlFromResource("u/me/r"),
  },
  "task v1": localTask,
};

/** Functions that the Python client has and the TypeScript client lacks. */
const python: Readonly<Record<string, WireCase>> = {
  "task v1": localTask,
  "run_flow_async track": {
    client: (c) => c.jobs.startFlow("u/me/f", { x: 1 }, { parentJob: "job-self", rootJob: "rootflow" }),
    top: () => wmill.runFlowAsync("u/me/f", { x: 1 }, null, false),
  },
  "run_flow_async": {
    client: (c) => c.jobs.startFlow("u/me/f", { x: 1 }),
    top: () => wmill.runFlowAsync("u/me/f", { x: 1 }),
  },
  "run_script_by_path_async": {
    client: (c) => c.jobs.start("u/me/s", { x: 1 }, { scheduledInSeconds: 30 }),
    top: () => wmill.runScriptByPathAsync("u/me/s", { x: 1 }, 30),
  },
  "run_script_by_path_async 404": {
    client: (c) => c.jobs.start("missing"),
    top: () => wmill.runScriptByPathAsync("missing"),
  },
  "run_script_by_hash": {
    client: (c) => c.jobs.runByHash("abc", { x: 1 }),
    top: () => wmill.runScriptSync("abc", { x: 1 }),
  },
  "run_inline_script_preview": {
    client: (c) => c.jobs.runPreview({ content: "select 1", language: "postgresql", args: {} }),
    top: () => wmill.runInlineScriptPreview("select 1", "postgresql"),
    env: { BASE_INTERNAL_URL: "http://localhost:8000" },
  },
  "wait_job fail": { client: (c) => c.jobs.wait("fail"), top: () => wmill.waitJob("fail") },
  "cancel_job": { client: (c) => c.jobs.cancel("job-9"), top: () => wmill.cancelJob("job-9") },
  "get_root_job_id": { client: (c) => c.jobs.rootJobId(), top: () => wmill.getRootJobId() },
  "get_result": { client: (c) => c.jobs.result("job-9"), top: () => wmill.getResult("job-9") },
  "set_progress": {
    client: (c) => c.jobs.setProgress(12, { jobId: "job-self" }),
    top: () => wmill.setProgress(12, "job-self"),
  },
  "get_progress": { client: (c) => c.jobs.getProgress(), top: () => wmill.getProgress() },
  "cancel_running": { client: (c) => c.jobs.cancelRunning(), top: () => wmill.cancelRunning() },
  "get_job": { client: (c) => c.jobs.get("job-9"), top: () => wmill.getJob("job-9") },
  "get_job_status": { client: (c) => c.jobs.status("job-9"), top: () => wmill.getJobStatus("job-9") },
  "list_resources": {
    client: (c) => c.resources.list({ resourceType: "postgresql", page: 1, perPage: 50 }),
    top: () => wmill.listResources("postgresql", 1, 50),
  },
  "list_resources none": { client: (c) => c.resources.list(), top: () => wmill.listResources() },
  "get_resource raw": {
    client: (c) => c.resources.get("u/me/r", { raw: true }),
    top: () => wmill.getResource("u/me/r", false, { raw: true }),
  },
};

wireCases({ typescript, python, recordings: recorded, answer });

test("wire: the answers of the recorded server give what the official client gave, or a typed error", async () => {
  const client = createClient({ ...options(serve(answer)), env: wireEnvironment });
  assertEquals(await client.variables.get("u/me/v"), "value");
  assertEquals(await client.resources.find("u/me/missing"), undefined);
  assertEquals(await client.jobs.getProgress(), 5);
  assertEquals(await client.state.getFlow("k"), { s: 1 });
  assertEquals(await client.jobs.cancel("job-9"), "done");
  assertEquals(await client.jobs.run("u/me/s"), { ok: 1 });
  assertEquals(await client.jobs.start("u/me/s"), job);
  assertEquals(await client.jobs.rootJobId(), "root-1");
  assertEquals(await client.jobs.resultMaybe("x"), {
    started: true,
    success: true,
    completed: true,
    result: { ok: 1 },
  });
  assertEquals(await client.jobs.status("x"), "RUNNING");
  assertEquals(await client.jobs.cancelRunning(), { "other-1": { message: "done" } });
});
