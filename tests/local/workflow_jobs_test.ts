/** Workflows as code as jobs: bodies in boxed processes, runs on the engine, tasks as children. */
import { deepStrictEqual as equal, match, ok, throws } from "node:assert/strict";
import { join } from "node:path";
import { removeOld } from "../../src/engine/removal.ts";
import type { Job } from "../../src/server/ports.ts";
import { createLineReader } from "../../src/server/workflow_jobs/from_body.ts";
import { openSqliteStorage } from "../../src/storage/sqlite.ts";
import { type WorkflowServer, workflowServer } from "./_workflow_kit.ts";

type Fields = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const server = await workflowServer();
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

function test(name: string, fn: (server: WorkflowServer) => Promise<void>): void {
  Deno.test({
    name: `workflow jobs: ${name}`,
    fn: async () => {
      await fn(server);
      equal(server.reported, []);
    },
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

function statusOf(job: Job): Fields {
  return job.workflowAsCodeStatus as unknown as Fields;
}
function errorOf(job: Job): Readonly<Record<string, unknown>> {
  return (job.result as unknown as Fields).error ?? {};
}
function childrenOf(job: Job): readonly Job[] {
  return server.list({ parent: job.id, orderDesc: false });
}
function logOf(job: Job): string {
  return server.server.context.jobs.log(job.id);
}

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

test("a task's failure is the parent's to catch; one that leaves the body is the job's, with all that it says", async () => {
  const code = (body: string): string => `
import { task, workflow } from "windmill-client";
const fails = task(async () => { throw Object.assign(new RangeError("Out of beans"), { left: 0 }); });
export const main = workflow(async () => { ${body} });`;
  const caught = await server.run(
    code(`try { await fails(); } catch (e) { return [e.name, e.message, e.step_key, e.child_job_id, e.result]; }`),
  );
  const [child] = childrenOf(caught);
  const [name, message, key, id, result] = caught.result as unknown as readonly unknown[];
  equal([name, message, key, id], ["TaskError", "Out of beans", "fails", child?.id]);
  equal((result as Fields).error?.name, "RangeError");
  equal((result as Fields).error?.extra, { left: 0 });
  const failed = await server.run(code("await fails();"));
  equal(failed.success, false);
  const error = errorOf(failed);
  equal([error.name, error.message], ["TaskError", "Out of beans"]);
  equal((error.extra as Fields & { step_key: string }).step_key, "fails");
  const stacks = JSON.stringify(failed.result) + JSON.stringify(childrenOf(failed)[0]?.result);
  ok(/main\.ts:\d+:\d+/.test(stacks) && !/\/src\/|file:/.test(stacks), stacks);
  equal(childrenOf(failed).map(({ success }) => success), [false]);
});

test("retries are children of their own, with their backoffs between them", async () => {
  const job = await server.run(`
import { task, taskInfo, workflow } from "windmill-client";
const flaky = task(async () => { if (taskInfo().attempt < 3) throw new Error("again"); return taskInfo().idempotencyKey; },
  { retry: { attempts: 2, delay: 1 } });
export const main = workflow(async () => await flaky());`);
  equal(job.result, `${job.id}/flaky`);
  equal(childrenOf(job).map(({ success }) => success), [false, false, true]);
  ok(logOf(job).includes("--- WAC: sleep(flaky#retry2, 1s) before retrying flaky ---"), logOf(job));
});

test("taskScript runs modules of the workflow's version as jobs below it; unknown ones fail as on a cluster", async () => {
  const yaml = "summary: ''\n";
  server.put({
    "f/mods/flow__mod/script.ts": `
import { step, task, taskScript, waitForEvent, workflow } from "windmill-client";
import { name } from "./names";
const near = task(async () => name);
export const main = workflow(async (n: number) => {
  const one = await taskScript("./add.ts", { timeout: 60 })({ a: n, b: 1 });
  await waitForEvent("go");
  const two = await taskScript("./more/add")({ a: one, b: 1 });
  const caught = [];
  for (const name of ["./none", "./none.ts", "./more"]) {
    try { await taskScript(name)({}); } catch (error) { caught.push(error.message); }
  }
  return [one, two, await near(), await step("s", () => name), caught];
});`,
    "f/mods/flow__mod/script.yaml": yaml,
    "f/mods/flow__mod/names.ts": "export const name = 'first';",
    "f/mods/flow__mod/add.ts": "export const main = (a: number, b: number) => a + b;",
    "f/mods/flow__mod/more/add.ts":
      `import { ten } from "/f/mods/ten";\nexport const main = (a: number, b: number) => ten * (a + b);`,
    "f/mods/ten.ts": "export const ten = 10;",
    "f/mods/add.ts": "export const main = () => 'of the workspace';",
  });
  const id = await server.start("f/mods/flow", { n: 1 });
  await server.when(id, ({ suspended }) => suspended);
  // What is saved now is for the next job.
  server.put({
    "f/mods/flow__mod/names.ts": "export const name = 'second';",
    "f/mods/flow__mod/more/add.ts": "export const main = () => 'new';",
  });
  equal((await server.ask("POST", `windkit/workflows/${id}/events/go`, {})).ok, true);
  const job = await server.ended(id);
  const missing = (name: string): string => `Module '${name}' not found in script modules`;
  equal(job.result, [2, 30, "first", "first", [missing("none"), missing("none.ts"), missing("more")]], logOf(job));
  const [one, two] = childrenOf(job);
  equal([one?.kind, one?.path, one?.args, one?.timeoutS, one?.language], [
    "preview",
    "f/mods/flow",
    { a: 1, b: 1 },
    60,
    "bun",
  ]);
  equal(two?.args, { a: 2, b: 1 });
  const next = await server.start("f/mods/flow", { n: 1 });
  await server.when(next, ({ suspended }) => suspended);
  await (await server.ask("POST", `windkit/workflows/${next}/events/go`, {})).text();
  equal(((await server.ended(next)).result as unknown as readonly unknown[]).slice(0, 4), [
    2,
    "new",
    "second",
    "second",
  ]);
});

test("code that is not deployed has the modules that it is sent with, as long as its job is kept", async () => {
  const bun = (content: string) => ({ content, language: "bun", lock: null });
  const preview = async (body: object, query = ""): Promise<Job> => {
    const sent = { language: "bun", path: "f/mods/draft", args: { n: 2 }, ...body };
    const response = await server.ask("POST", `jobs/run/preview${query}`, sent);
    return await server.ended(await response.text());
  };
  const content = `
import { taskScript, task, workflow } from "windmill-client";
import { twice } from "./lib/math";
const kept = task(async (n: number) => twice(n), { cache_ttl: 600 });
export const main = workflow(async (n: number) => [await kept(n), await taskScript("./add.ts")({ n })]);`;
  const modules = {
    "lib/math.ts": bun("export const twice = (n: number) => 2 * n;"),
    "add.ts": bun("export const main = (n: number) => n + 1;"),
  };
  const job = await preview({ content, modules });
  equal(job.result, [4, 3], logOf(job));
  const other = await preview({
    content,
    modules: { ...modules, "lib/math.ts": bun("export const twice = () => 0;") },
  });
  equal(other.result, [0, 3]);
  const plain = 'import { n } from "./m"; export const main = () => n;';
  for (const n of [1, 2]) {
    const { result } = await preview(
      { content: plain, modules: { "m.ts": bun(`export const n = ${n};`) } },
      "?cache_ttl=60",
    );
    equal(result, n);
  }
  const random = { content: 'import "./m"; export const main = () => Math.random();' };
  const drawn: unknown[] = [];
  for (const n of [1, 1, 2]) {
    drawn.push(
      (await preview({ ...random, modules: { "m.ts": bun(`export const n = ${n};`) } }, "?cache_ttl=60")).result,
    );
  }
  equal([drawn[0] === drawn[1], drawn[1] === drawn[2]], [true, false]);
  match(String(errorOf(await preview({ content: plain })).message), /there is no script "f\/mods\/m"/);
  const wrong = await server.ask("POST", "jobs/run/preview", {
    content: plain,
    language: "bun",
    modules: { "m.ts": {} },
  });
  equal([wrong.status, /expected "content"/.test(await wrong.text())], [400, true]);
  const out = await preview({
    content: 'import "../../x"; export const main = 1;',
    modules: { "../../x.ts": bun("") },
  });
  match(String(errorOf(out).message), /leads out of the script's modules/);
  const { database, jobs } = server.server.context;
  const count = (): number => database.get<{ n: number }>("SELECT count(*) AS n FROM preview_modules")?.n ?? 0;
  const before = count();
  ok(before >= 5);
  jobs.erase(job.id);
  equal(count(), before - 1);
});

test("taskScript runs other scripts of the folder, also beside the workflow; taskFlow is refused", async () => {
  server.put({
    "f/kit/add.ts": "export async function main(a: number, b: number) { return a + b }",
    "f/kit/sum.ts": `
import { taskFlow, taskScript, workflow } from "windmill-client";
export const main = workflow(async (n: number) => {
  const one = await taskScript("f/kit/add", { tag: "chosen", priority: 3 })({ a: n, b: 1 });
  const two = await taskScript("./add.ts")({ a: one, b: 1 });
  const errors = [];
  for (const call of [() => taskFlow("f/kit/flow")({}), () => taskScript("./none")({}), () => taskScript("f/kit/none")({})]) {
    try { await call(); } catch (e) { errors.push(e.message); }
  }
  return { two, errors };
});`,
  });
  await until(() => server.server.context.folder.script("f/kit/sum")?.autoKind === "wac");
  const job = await server.run("f/kit/sum", { n: 1 });
  const { two, errors } = job.result as unknown as { readonly two: number; readonly errors: readonly string[] };
  equal(two, 3);
  match(errors[0] ?? "", /^Cannot run taskFlow\("f\/kit\/flow"\).*no flows$/);
  equal(errors[1], "Module 'none' not found in script modules");
  match(errors[2] ?? "", /script not found at name f\/kit\/none/);
  equal(
    childrenOf(job).map(({ path, tag, priority, args, kind }) => ({ path, tag, priority, args, kind })),
    [
      { path: "f/kit/add", tag: "chosen", priority: 3, args: { a: 1, b: 1 }, kind: "script" },
      { path: "f/kit/add", tag: "bun", priority: undefined, args: { a: 2, b: 1 }, kind: "script" },
    ],
  );
});

test("childWorkflow starts another workflow of the folder: a job of its own below this one, cancelled with it", async () => {
  server.put({
    "f/kit/child.ts": `
import { sleep, step, workflow } from "windmill-client";
export const main = workflow(async (n: number, at?: Date) => {
  await sleep(n > 100 ? 3600 : 1);
  if (n < 0) throw Object.assign(new Error("too small"), { name: "TooSmall" });
  return [await step("double", () => n * 2), at?.getTime()];
});`,
  });
  await until(() => server.server.context.folder.script("f/kit/child")?.autoKind === "wac");
  const parent = (n: string): string => `
import { childWorkflow, workflow } from "@windkit/windmill-client/workflow";
export const main = workflow(async () => {
  const given = await childWorkflow("f/kit/child", { n: 1, at: new Date(5) });
  const failed = await childWorkflow("f/kit/child", { n: -1 }).catch((error) => [error.name, error.message, error.result.error.name]);
  const none = await childWorkflow("f/kit/none").catch((error) => error.message);
  return [given, failed, none, await childWorkflow("f/kit/child", { n: ${n} })];
});`;
  const job = await server.run(parent("2"));
  equal(job.result, [
    [2, 5],
    ["TaskError", "too small", "TooSmall"],
    "Not found: script not found at name f/kit/none",
    [4, null],
  ]);
  const children = server.list({ parent: job.id });
  equal(children.map(({ path, root, success }) => [path, root, success]).sort(), [
    ["f/kit/child", job.id, false],
    ["f/kit/child", job.id, true],
    ["f/kit/child", job.id, true],
  ]);
  // Each is a workflow with steps of its own, and one entry of its parent's timeline.
  ok(children.every(({ id }) => Object.hasOwn(job.workflowAsCodeStatus as object, id)));
  ok(children.some(({ workflowAsCodeStatus }) => Object.hasOwn(workflowAsCodeStatus as object, "_step/double")));

  const id = await server.start(parent("1000"));
  const { jobs } = server.server.context;
  const sleeps = Promise.withResolvers<Job>();
  using _ = jobs.watchAll((one) => {
    const child = jobs.get(one);
    if (child?.parent === id && child.args.n === 1000 && child.suspended) sleeps.resolve(child);
  });
  const sleeper = await sleeps.promise;
  await jobs.cancel(id, "ann", "enough");
  await server.ended(id);
  equal((await server.ended(sleeper.id)).canceled, true);
  equal(childrenOf(jobs.get(id) as Job).map(({ success }) => success), [true, false, false]);
});

test("a task's time, cache and limit are its job's", async () => {
  const job = await server.run(`
import { task, taskInfo, workflow } from "windmill-client";
const slow = task(async () => {
  const { signal } = taskInfo();
  await new Promise((_, reject) => signal.addEventListener("abort", () => { console.log("heard:", signal.reason.message); reject(new Error("late")); }));
}, { timeout: 1 });
const kept = task(async (n: number) => Math.random(), { cache_ttl: 600 });
const one = task(async (n: number) => n, { concurrency_limit: 1 });
export const main = workflow(async () => {
  const caught = await slow().catch((e) => e.message);
  const values = await Promise.all([one(1), one(2), one(3)]);
  return { caught, values, kept: await kept(1) };
});`);
  const { caught, values } = job.result as unknown as { readonly caught: string; readonly values: readonly number[] };
  equal([caught, values], [`Task "slow" timed out after 1 s`, [1, 2, 3]], JSON.stringify(job.result));
  match(logOf(job), /heard: Task "slow" timed out/);
  const tasks = childrenOf(job).slice(1, 4);
  equal(new Set(tasks.map(({ concurrencyKey }) => concurrencyKey)).size, 1);
  // One began when the one before it had ended.
  const times = tasks.map(({ startedAt = 0, completedAt = 0 }) => [startedAt, completedAt] as const).sort(([a], [b]) =>
    a - b
  );
  for (const [i, [started]] of times.entries()) ok(i === 0 || started >= (times[i - 1]?.[1] ?? 0));
  const again = await server.run(job.content ?? "");
  equal((again.result as unknown as Fields).kept, (job.result as unknown as Fields).kept);
});

test("cancelling ends a workflow and its tasks, and takes back what it did", async () => {
  const id = await server.start(`
import { step, task, taskInfo, workflow } from "windmill-client";
const hang = task(async () => await new Promise((_, reject) => taskInfo().signal.addEventListener("abort", () => reject(new Error("told")))));
export const main = workflow(async () => {
  await step("book", () => "room 1", { undo: (room) => console.log("gave back", room) });
  await hang();
});`);
  await server.when(id, () => server.list({ parent: id, running: true }).some(({ running }) => running));
  const response = await server.ask("POST", `jobs_u/queue/cancel/${id}`, { reason: "of the test" });
  equal(await response.text(), id);
  const job = await server.ended(id);
  equal([job.success, job.canceled, job.canceledBy, job.canceledReason], [false, true, "admin", "of the test"]);
  equal(errorOf(job), {
    name: "Canceled",
    message: "Job canceled: of the test by admin",
    reason: "of the test",
    canceler: "admin",
  });
  match(logOf(job), /gave back room 1/);
  equal(childrenOf(job).map(({ completedAt, success }) => [completedAt !== undefined, success]), [[true, false]]);
});

test("a workflow that is cancelled by force has ended at once, and its run does not go on", async () => {
  const id = await server.start(`
import { step, workflow } from "windmill-client";
export const main = workflow(async () => { await step("wait", () => new Promise(() => { console.log("here"); })); });`);
  await server.when(id, (job) => logOf(job).includes("here"));
  await server.server.context.jobs.cancel(id, "me", "now", true);
  equal(server.server.context.jobs.get(id)?.canceledReason, "now");
  const engine = await server.server.context.workflows?.engine;
  await (await engine?.run(id))?.result().catch(() => undefined);
  equal((await (await engine?.run(id))?.row())?.state, "closed");
});

test("a sleeping workflow is cancelled at once, and one whose body is busy soon", async () => {
  const asleep = await server.start(`
import { sleep, workflow } from "windmill-client";
export const main = workflow(async () => { await sleep(1000); });`);
  await server.when(asleep, ({ suspended }) => suspended);
  equal(await server.server.context.jobs.cancel(asleep, "me", "enough"), true);
  equal((await server.ended(asleep)).canceledReason, "enough");
  const busy = await server.start(`
import { step, workflow } from "windmill-client";
export const main = workflow(async () => { await step("spin", () => { console.log("spinning"); for (;;); }); });`);
  await server.when(busy, (job) => logOf(job).includes("spinning"));
  await server.server.context.jobs.cancel(busy, "me", "enough");
  const job = await server.ended(busy);
  equal([job.success, job.canceledBy], [false, "me"]);
});

test("a process that dies fails its workflow and what ran in it", async () => {
  const job = await server.run(`
import { task, workflow } from "windmill-client";
const die = task(async () => { console.log("the end"); await new Promise((r) => setTimeout(r, 30)); Deno.exit(3); });
export const main = workflow(async () => { await die(); });`);
  const error = errorOf(job);
  equal([job.success, error.name, error.exit_code], [false, "ExecutionErr", 3]);
  match(String(error.message), /exit code for "deno run": 3, last log lines:\n[^]*the end/);
  equal(childrenOf(job).map(({ success }) => success), [false]);
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

test("arguments that refer to variables are filled in, and their values are in no journal", async () => {
  const path = "f/kit/pass", value = "hunter-2-hunter";
  server.server.context.folder.writeVariable({ path, value, isSecret: true, description: "" });
  const job = await server.run(
    `
import { step, workflow } from "windmill-client";
export const main = workflow(async (pass: string) => { await step("look", () => pass.length); return pass.length; });`,
    { pass: "$var:f/kit/pass" },
  );
  equal(job.result, 15);
  equal(await storedText(), "");
});

test("what a workflow records after it has read a secret is encrypted in the file, and replayed all the same", async () => {
  const path = "f/kit/key", value = "correct-horse-battery";
  server.server.context.folder.writeVariable({ path, value, isSecret: true, description: "" });
  const job = await server.run(`
import { getVariable, sleep, step, workflow } from "windmill-client";
export const main = workflow(async () => {
  const key = await step("read", async () => await getVariable("f/kit/key"));
  await sleep(1);
  return key.length;
});`);
  equal(job.result, value.length, logOf(job));
  const journal = await (await server.server.context.workflows?.engine)?.journal(job.id);
  ok(JSON.stringify(journal).includes(value), "the journal has not what a replay needs");
  equal(await storedText(), "");
});

test("a secret that comes to a task's script through its arguments or a resource is one that its workflow has read", async () => {
  const { folder } = server.server.context;
  folder.writeVariable({ path: "f/kit/argued", value: "argued-secret-word", isSecret: true, description: "" });
  folder.writeResource({
    path: "f/kit/held",
    value: { of: "$var:f/kit/argued" },
    resourceType: "any",
    description: "",
  });
  server.put({ "f/kit/echo.ts": `export async function main(word: unknown) { return [...JSON.stringify(word)]; }\n` });
  await until(() => folder.script("f/kit/echo") !== undefined);
  for (const word of ["$var:f/kit/argued", "$res:f/kit/held"]) {
    const job = await server.run(`
import { taskScript, workflow } from "windmill-client";
const echo = taskScript("f/kit/echo");
export const main = workflow(async () => (await echo({ word: ${JSON.stringify(word)} })).length);`);
    ok(Number(job.result) >= 20, logOf(job));
    // By no value in them: letter by letter it can be read, and not found.
    equal(await storedText([`"a\\",\\"r\\",\\"g\\"`, '"a","r","g"']), "");
  }
});

test("a secret that a workflow was given without asking for it is encrypted in its journal as well", async () => {
  const value = "given-in-plain-words";
  server.server.context.folder.writeVariable({ path: "f/kit/given", value, isSecret: true, description: "" });
  const job = await server.run(
    `
import { step, workflow } from "windmill-client";
export const main = workflow(async (word: string) => await step("take", () => ({ word })));`,
    { word: value },
  );
  equal([job.result, job.args], [{ word: value }, { word: value }], logOf(job));
  equal(await storedText([value]), "");
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

Deno.test("a run that goes on as others is its job's after retention has removed some of them", async () => {
  const root = Deno.makeTempDirSync({ prefix: "windkit-retention-" });
  try {
    let id: string;
    {
      await using before = await workflowServer({ root });
      id = await before.start(
        `
import { continueAsNew, waitForEvent, workflow } from "windmill-client";
export const main = workflow(async (n: number) => n < 4 ? await continueAsNew({ n: n + 1 }) : await waitForEvent("paid"));`,
        { n: 1 },
      );
      await before.when(id, ({ suspended }) => suspended);
    }
    {
      await using runs = await openSqliteStorage({ dir: join(root, ".windkit", "runs") });
      await runs.own({ name: "retention" });
      const closedBefore = Date.now() + 1000;
      equal(await removeOld(runs, { closedBefore, now: Date.now, commit: (writes) => runs.commit(writes) }), 2);
    }
    await using after = await workflowServer({ root });
    equal((await after.ask("POST", `windkit/workflows/${id}/events/paid`, 5)).status, 201);
    const { success, result } = await after.ended(id);
    equal([success, result], [true, 5]);
    equal(after.reported, []);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
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

test("a running workflow keeps the code that it began with, also of what it imports", async () => {
  const flow = (word: string): string => `
import { sleep, workflow } from "windmill-client";
import { word } from "./word.ts";
export const main = workflow(async () => { await sleep(1); return "${word} " + word; });`;
  server.put({ "f/kit/word.ts": `export const word = "old";`, "f/kit/talk.ts": flow("old") });
  await until(() => server.server.context.folder.script("f/kit/talk") !== undefined);
  const id = await server.start("f/kit/talk");
  await server.when(id, ({ suspended }) => suspended);
  server.put({ "f/kit/word.ts": `export const word = "new";`, "f/kit/talk.ts": flow("new") });
  await until(() => server.server.context.folder.script("f/kit/talk")?.content.includes('"new "') === true);
  equal((await server.ended(id)).result, "old old");
  equal((await server.run("f/kit/talk")).result, "new new");
});

test("scripts and workflows import data files of the folder, as JSON and as text", async () => {
  server.put({
    "f/kit/prices.json": '{"tea":3}',
    "f/kit/mail.txt": "Hello",
    "f/kit/bill.ts": `import prices from "./prices.json" with { type: "json" };
import again from "/f/kit/prices.json";
import mail from "./mail.txt" with { type: "text" };
export async function main() { return [prices.tea, again.tea, mail]; }`,
    "f/kit/later.ts": `import { sleep, workflow } from "windmill-client";
import prices from "./prices.json";
export const main = workflow(async () => { await sleep(1); return prices.tea; });`,
    "f/kit/leak.ts": `import key from "./key.variable.json";\nexport function main() { return key; }`,
    "f/kit/key.variable.json": '{"value":"s3cret"}',
  });
  await until(() => server.server.context.folder.script("f/kit/leak") !== undefined);
  equal((await server.run("f/kit/bill")).result, [3, 3, "Hello"]);
  const id = await server.start("f/kit/later");
  await server.when(id, ({ suspended }) => suspended);
  server.put({ "f/kit/prices.json": '{"tea":4}' });
  // What it began with.
  equal((await server.ended(id)).result, 3);
  equal((await server.run("f/kit/bill")).result, [4, 4, "Hello"]);
  const { result } = await server.run("f/kit/leak");
  ok(JSON.stringify(result).includes("in the workspace"), JSON.stringify(result));
});

test("a step's checkpoint and a task of a plain script are taken of the job itself alone", async () => {
  const { jobs, identity } = server.server.context;
  const id = await server.start(
    "export async function main() { await new Promise((r) => setTimeout(r, 600_000)); }\nexport async function helper(n: number) { return n + 1; }",
  );
  await server.when(id, ({ running }) => running);
  const own = identity.issueJobToken(id), other = identity.issueJobToken("01a214c3-3255-7de1-9e84-9af2dda1ba92");
  const path = `jobs/wac/inline_checkpoint/${id}`;
  const failure = { __wmill_error: true, message: "no", step_key: "s", result: { error: { message: "" } } };
  for (const token of [server.token, other]) {
    equal((await server.ask("POST", path, { key: "s", result: 1 }, token)).status, 403);
  }
  equal(
    await (await server.ask("POST", path, {
      key: "s",
      result: { b: 1, a: null },
      started_at: "2026-01-01T00:00:00.000Z",
      duration_ms: 3,
    }, own)).json(),
    { failure: null },
  );
  const { failure: kept } = await (await server.ask("POST", path, { key: "bad", result: failure }, own)).json() as {
    failure: Fields;
  };
  equal(kept.result, { error: { name: "Error", message: "WAC step 'bad' failed" } });
  equal((await server.ask("POST", path, { key: 5, result: 1 }, own)).status, 422);
  const { _checkpoint, "_step/bad": bad, "_step/s": good } = statusOf(jobs.get(id) as Job);
  equal([bad?.failed, good?.failed, good?.duration_ms], [true, undefined, 3]);
  equal(Object.keys(_checkpoint?.completed_steps as object).sort(), ["bad", "s"]);
  const v1 = `jobs/run/workflow_as_code/${id}/helper`;
  equal((await server.ask("POST", v1, { args: { n: 1 } }, other)).status, 403);
  equal((await server.ask("POST", `jobs/run/workflow_as_code/${id}/no-name`, { args: {} }, own)).status, 400);
  const started = await server.ask("POST", v1, { args: { n: 1 } }, own);
  equal(started.status, 201);
  const child = await server.ended(await started.text());
  equal([child.result, child.parent], [2, id]);
  equal(statusOf(jobs.get(id) as Job)[child.id]?.name, "helper");
  await jobs.cancel(id, "me", "it has been asked enough");
  await server.ended(id);
  equal((await server.ask("POST", v1, { args: { n: 1 } })).status, 404);
});

test("a task that a plain script calls outside a workflow is a job", async () => {
  const job = await server.run(
    `
import { task } from "windmill-client";
export async function inner(n: number) { return n * 3; }
export async function main(n: number) { return await task(inner)(n); }`,
    { n: 2 },
  );
  equal(job.result, 6, logOf(job));
  equal(childrenOf(job).map(({ entrypoint }) => entrypoint), ["inner"]);
});

test("a job is told that its server stops, and may end early", async () => {
  await using own = await workflowServer();
  const path = (id: string): string => `jobs/worker_is_draining/${id}`;
  const id = await own.start(`export async function main() {
  const { BASE_URL, WM_WORKSPACE, WM_JOB_ID, WM_TOKEN } = Deno.env.toObject();
  const url = BASE_URL + "/api/w/" + WM_WORKSPACE + "/jobs/worker_is_draining/" + WM_JOB_ID;
  for (const seen = [];;) {
    const answer = await (await fetch(url, { headers: { authorization: "Bearer " + WM_TOKEN } })).json();
    if (!seen.includes(answer)) seen.push(answer);
    if (answer) return seen;
    console.log("asked");
    await new Promise((done) => setTimeout(done, 5));
  }
}`);
  const asked = Promise.withResolvers<void>();
  const { jobs } = own.server.context;
  using _ = jobs.watch(id, ({ event }) => event === "log" && asked.resolve());
  await asked.promise;
  equal([(await own.ask("GET", path(crypto.randomUUID()))).status, (await own.ask("GET", path("x"))).status], [
    404,
    400,
  ]);
  const closed = own.server.close({ drainMs: 20_000 });
  equal((await own.ended(id)).result, [false, true]);
  equal(await (await own.ask("GET", path(id))).json(), false);
  await closed;
});

test("a server that stops lets workflows go on in the next one, one place or not", async () => {
  const root = await Deno.makeTempDir();
  try {
    const code = `
import { sleep, step, task, taskInfo, workflow } from "windmill-client";
const hangs = task(async (n: number) => {
  if (n > 0) return n;
  console.log("waiting");
  await new Promise((resolve) => { const { signal } = taskInfo(); signal.addEventListener("abort", resolve); setTimeout(resolve, 300); });
  return n;
});
export const main = workflow(async () => {
  const first = await step("first", () => crypto.randomUUID());
  const all = await Promise.all([hangs(0), hangs(1), hangs(2)]);
  await sleep(1);
  return { first, again: await step("again", () => first), all };
});`;
    const options = { root, jobs: { concurrency: 1 } };
    let ids: readonly string[];
    let first: unknown;
    {
      await using one = await workflowServer(options);
      ids = [await one.start(code), await one.start(code)];
      const [id = ""] = ids;
      await one.when(id, () => one.server.context.jobs.log(id).includes("waiting"));
      const journal = await (await one.server.context.workflows?.engine)?.journal(id) ?? [];
      first = journal.find((record) => record.t === "settled" && record.key === "first");
      equal(one.reported, []);
    }
    await using two = await workflowServer(options);
    for (const id of ids) {
      const job = await two.ended(id);
      const { first: made, again, all } = job.result as unknown as Readonly<Record<string, unknown>>;
      equal([again, all], [made, [0, 1, 2]], two.server.context.jobs.log(id));
      if (id === ids[0]) match(JSON.stringify(first), new RegExp(String(made)));
    }
    equal(two.list({ completed: false }), []);
    equal(two.reported, []);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
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

async function until(is: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = server.server.context.folder.watch(() => {
    if (is()) resolve();
  });
  if (is()) return;
  await promise;
}

/** Secrets of these tests that the engine's files have. */
async function storedText(words = ["hunter-2-hunter", "correct-horse-battery"]): Promise<string> {
  let found = "";
  for await (const { name } of Deno.readDir(`${server.root}/.windkit/runs`)) {
    const text = new TextDecoder("latin1").decode(await Deno.readFile(`${server.root}/.windkit/runs/${name}`));
    for (const word of words) {
      if (text.includes(word)) found += `${name}: ${word}\n`;
    }
  }
  return found;
}

test("a workflow whose run was removed fails, and does not begin again", async () => {
  const root = await Deno.makeTempDir();
  try {
    let id: string;
    {
      await using one = await workflowServer({ root });
      id = await one.start(`
import { sleep, step, workflow } from "windmill-client";
export const main = workflow(async () => { await step("pay", () => 1); await sleep(600); });`);
      await one.when(id, ({ suspended }) => suspended);
    }
    await Deno.remove(`${root}/.windkit/runs`, { recursive: true });
    await using two = await workflowServer({ root });
    const job = await two.ended(id);
    match(String(errorOf(job).message), /^The run of job .* is gone/);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
