/** Workflows as code as jobs: cancelled, killed, stopped with their server, and gone on with in the next one. */
import { deepStrictEqual as equal, match } from "node:assert/strict";
import { join } from "node:path";
import { removeOld } from "../../src/engine/removal.ts";
import { openSqliteStorage } from "../../src/storage/sqlite.ts";
import { errorOf, workflowServer, workflowTests } from "./_workflow_kit.ts";

const { server, test, childrenOf, logOf } = await workflowTests();

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
