/** Workflows as code as jobs: tasks as children, other scripts and workflows below one, and tasks of plain scripts. */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import type { Job } from "../../src/server/ports.ts";
import { errorOf, type Fields, statusOf, workflowTests } from "./_workflow_kit.ts";

const { server, test, childrenOf, logOf, until } = await workflowTests();

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
