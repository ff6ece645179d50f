/** Workflows as code as jobs: bodies in boxed processes, runs on the engine, what reaches them and what they tell. */
import { deepStrictEqual as equal, match, ok, throws } from "node:assert/strict";
import { createLineReader } from "../../src/server/workflow_jobs/from_body.ts";
import { errorOf, type Fields, statusOf, workflowTests } from "./_workflow_kit.ts";

const { server, test, childrenOf, logOf, until } = await workflowTests();

for (const name of ["windmill-client", "@windkit/windmill-client"]) {
  test(`a workflow that imports ${name} runs to its end, its tasks are jobs below it, and its timeline has all`, async () => {
    const job = await server.run(
      `
import { sleep, step, task, workflow } from "${name}";
const double = task(async (n: number) => { console.log("doubling", n); return n * 2; });
export const main = workflow(async (n: number) => {
  const a = await step("one", () => n + 1);
  const [b, c] = await Promise.all([double(a), double(10)]);
  await sleep(1);
  return { a, b, c, d: await step("two", () => b + c) };
});`,
      { n: 1 },
    );
    equal(job.result, { a: 2, b: 4, c: 20, d: 24 }, logOf(job));
    const children = childrenOf(job);
    equal(children.map(({ kind, parent, root, success, result }) => ({ kind, parent, root, success, result })), [
      { kind: "preview", parent: job.id, root: job.id, success: true, result: 4 },
      { kind: "preview", parent: job.id, root: job.id, success: true, result: 20 },
    ]);
    const status = statusOf(job);
    equal(children.map(({ id }) => status[id]?.name), ["double", "double_2"]);
    for (const entry of ["_step/one", "_step/two", ...children.map(({ id }) => id)]) {
      const { scheduled_for, started_at, duration_ms } = status[entry] ?? {};
      match(`${scheduled_for} ${started_at}`, /^\d{4}-.*Z \d{4}-.*Z$/);
      equal(typeof duration_ms, "number", entry);
    }
    equal(status["_step/sleep"]?.sleep_duration_s, 1);
    const log = logOf(job);
    for (
      const line of [
        "--- WAC: one ---",
        "--- WAC: double ---",
        "doubling 2",
        "--- WAC: sleep(sleep, 1s) ---",
        "--- WAC: complete ---",
      ]
    ) {
      ok(log.includes(line), `${line} is not in the log:\n${log}`);
    }
    match(log, /WM_WAC_STEP: \{"key":"one","started_at":"/);
    const record = await (await server.ask("GET", `jobs_u/get/${job.id}`)).json() as Fields;
    ok(!("_checkpoint" in (record.workflow_as_code_status ?? {})));
  });
}

test("a sleeping workflow is suspended, and has no process", async () => {
  const id = await server.start(`
import { sleep, workflow } from "windmill-client";
export const main = workflow(async () => { await sleep(1); return Deno.pid; });`);
  const job = await server.when(id, ({ suspended }) => suspended);
  equal([job.running, job.suspended, job.completedAt], [false, true, undefined]);
  equal((await server.ended(id)).success, true);
});

test("a file that does not load, or that has no workflow, is the job's error", async () => {
  const broken = await server.run(
    `import { workflow } from "windmill-client";\nexport const main = workflow(async () => 1);\nthrow new TypeError("at the top");`,
  );
  equal([errorOf(broken).name, errorOf(broken).message], ["TypeError", "at the top"]);
  const none = await server.run(
    `import { workflow } from "windmill-client";\nexport async function main() { return workflow; }`,
  );
  match(String(errorOf(none).message), /^No workflow\(\) entrypoint found/);
});

test("a preprocessor runs once, and what it makes are the job's arguments", async () => {
  server.put({
    "f/kit/hook.ts": `
import { sleep, workflow } from "windmill-client";
export async function preprocessor(event: { body: { n: number } }) { console.log("preprocessing"); return { n: event.body.n * 10 }; }
export const main = workflow(async (n: number) => { await sleep(1); return n + 1; });`,
  });
  await until(() => server.server.context.folder.script("f/kit/hook")?.hasPreprocessor === true);
  const job = await server.run("f/kit/hook", { n: 4 });
  equal([job.result, job.args], [41, { n: 40 }], logOf(job));
  equal(logOf(job).split("preprocessing").length, 2);
});

test("what a workflow types as a Date is one, whatever makes its arguments", async () => {
  const content = (head: string): string =>
    `import { sleep, step, workflow } from "windmill-client";
export async function preprocessor(event: { kind: string }) { return { name: "Ada", from: "2020-01-01", to: 86400000 }; }
async function between(name: string, from: Date, to?: Date, later: Date = new Date(1)) {
  await sleep(1);
  return [name, from.getTime(), to?.toISOString(), await step("later", () => later.getTime())];
}
${head}`;
  for (const head of ["export const main = workflow(between);", "export default workflow(between);"]) {
    const { result } = await server.run(content(head), { name: "Ada", from: "2020-01-01", to: null });
    equal(result, ["Ada", 1577836800000, null, 1]);
  }
  server.put({ "f/kit/date.ts": content("export const main = workflow(between);") });
  await until(() => server.server.context.folder.script("f/kit/date")?.hasPreprocessor === true);
  const { result } = await server.run("f/kit/date", { any: 1 });
  equal(result, ["Ada", 1577836800000, "1970-01-02T00:00:00.000Z", 1]);
});

test("progress, log lines and a run that goes on as another are the job's", async () => {
  const job = await server.run(
    `
import { continueAsNew, log, progress, workflow } from "windmill-client";
export const main = workflow(async (n: number) => {
  progress(n * 10);
  log("round", { n });
  if (n < 3) return await continueAsNew({ n: n + 1 });
  return n;
});`,
    { n: 1 },
  );
  equal([job.result, job.progress], [3, 30], logOf(job));
  for (const n of [1, 2, 3]) ok(logOf(job).includes(`[info] round {"n":${n}}`), logOf(job));
});

test("events reach a workflow through the endpoint that is Windkit's own", async () => {
  const id = await server.start(`
import { waitForEvent, workflow } from "windmill-client";
export const main = workflow(async () => await waitForEvent("paid"));`);
  await server.when(id, ({ suspended }) => suspended);
  const path = `windkit/workflows/${id}/events/paid`;
  equal((await server.ask("POST", path, { amount: 3 })).status, 201);
  equal((await server.ended(id)).result, { amount: 3 });
  const late = await server.ask("POST", path, {});
  equal([late.status, /has ended/.test(await late.text())], [400, true]);
});

test("lines of a process are taken when a body can say them, and no others", async () => {
  const read = createLineReader();
  const state = {
    heard: 1,
    busy: false,
    calls: 1,
    pending: 1,
    replaying: false,
    undos: 0,
    seeded: false,
    compensating: false,
  };
  const fp = { kind: "step", name: "a", digest: "" };
  const call = { c: "call", n: 1, key: "a", call: { kind: "step", name: "a", base: "a", attempt: 1 }, fp };
  const said = (command: unknown): string => JSON.stringify({ state, commands: [command] });
  ok("commands" in read(said(call)));
  const failure = { message: "", stepKey: "", error: { name: "", message: "" } };
  const wrong: readonly unknown[] = [
    { ...call, key: 1 },
    { ...call, call: { kind: "child", workflow: "job", args: "{}", runId: "x" } },
    { ...call, call: { kind: "constructor" } },
    { ...call, call: { kind: "sleep", ms: null } },
    { ...call, fp: { ...fp, kind: "task" } },
    { c: "undoable", key: "a" },
    { c: "close", status: "completed" },
    { c: "close", status: "completed", outcome: { ok: true, value: "{" } },
    { c: "close", status: "completed", outcome: { ok: false, failure } },
    { c: "abandon", key: "a", why: "else" },
    { c: "__proto__" },
    null,
  ];
  for (const command of wrong) throws(() => read(said(command)), /Cannot drive the workflow/, JSON.stringify(command));
  for (const line of ["", "null", "{}", "{", `{"state":{},"commands":[]}`, `{"ran":"a","outcome":{}}`]) {
    throws(() => read(line));
  }
  ok("ran" in read(JSON.stringify({ ran: "a", outcome: { ok: false, failure } })));
  await Promise.resolve();
});
