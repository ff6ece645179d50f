/** Which jobs run when: places, priorities, times, limits, caches, workflows that wait. */
import assert from "node:assert/strict";
import { createFakeClock } from "./_clock.ts";
import type { JobHooks } from "../../src/server/ports.ts";
import { fakeFolder, hashOf } from "./_fakes.ts";
import { openTestServer } from "./_server.ts";

/** Scripts that run until they are told to end, and what became of them. */
function held(): {
  readonly begun: string[];
  readonly run: (args: Readonly<Record<string, unknown>>) => Promise<string>;
  readonly end: (name: string) => void;
  readonly until: (count: number) => Promise<void>;
} {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  return {
    begun,
    run: ({ name }) => {
      begun.push(String(name));
      for (const { count, resolve } of waiting) if (begun.length >= count) resolve();
      return new Promise((resolve) => ends.set(String(name), () => resolve(String(name))));
    },
    end: (name) => ends.get(name)?.(),
    until: (count) =>
      new Promise((resolve) => {
        if (begun.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
  };
}

Deno.test("No more jobs run at a time than there are places, the most urgent first", async () => {
  const { begun, run, end, until } = held();
  await using server = await openTestServer({
    jobs: { concurrency: 1 },
    files: { "f/low": { run }, "f/high": { run, priority: 10 } },
  });
  const { jobs } = server.client;
  const ids = [await jobs.start("f/low", { name: "a" })];
  await until(1);
  for (const [path, name] of [["f/low", "b"], ["f/high", "c"], ["f/low", "d"]] as const) {
    ids.push(await jobs.start(path, { name }));
  }
  assert.deepEqual(begun, ["a"]);
  for (let at = 0; at < ids.length; at++) {
    await until(at + 1);
    const name = begun[at] ?? "";
    end(name);
    await jobs.wait(ids[["a", "b", "c", "d"].indexOf(name)] ?? "");
  }
  assert.deepEqual(begun, ["a", "c", "b", "d"]);
});

Deno.test("Scripts that wait for scripts never take all places from them", async () => {
  await using server = await openTestServer({
    jobs: { concurrency: 1 },
    files: {
      "f/deep": async ({ n }, _, job) => {
        if (n === 0) return "bottom";
        const response = await fetch(
          `${job.env.BASE_URL}/api/w/ws/jobs/run_wait_result/p/f/deep?parent_job=${job.id}`,
          {
            method: "POST",
            body: JSON.stringify({ n: Number(n) - 1 }),
            headers: { authorization: `Bearer ${job.env.WM_TOKEN}`, "content-type": "application/json" },
          },
        );
        return await response.json();
      },
    },
  });
  const { jobs } = server.client;
  const both = await Promise.all([jobs.run("f/deep", { n: 3 }), jobs.run("f/deep", { n: 3 })]);
  assert.deepEqual(both, ["bottom", "bottom"]);
});

Deno.test("A job of a later time begins then, or when somebody says now", async () => {
  const clock = createFakeClock();
  await using server = await openTestServer({ clock, files: { "f/a": ({ x }) => x } });
  const { context } = server.server;
  const late = await server.client.jobs.start("f/a", { x: 1 }, { scheduledInSeconds: 60 });
  const later = await server.client.jobs.start("f/a", { x: 2 }, { scheduledFor: new Date(clock.now() + 7_200_000) });
  clock.advance(59_000);
  assert.equal(context.jobs.get(late)?.startedAt, undefined);
  clock.advance(1_000);
  assert.equal((await context.jobs.wait(late)).result, 1);
  assert.equal((await server.ask("POST", `jobs/queue/run_now/${later}`)).status, 200);
  assert.equal((await context.jobs.wait(later)).result, 2);
});

Deno.test("A concurrency limit holds for its key, and for its time", async () => {
  const { begun, run, end, until } = held();
  const clock = createFakeClock();
  await using server = await openTestServer({
    clock,
    files: { "f/limited": { run, concurrentLimit: 1, concurrencyWindowS: 10, concurrencyKey: "user-$args[user]" } },
  });
  const { jobs } = server.client;
  const first = await jobs.start("f/limited", { name: "a1", user: "a" });
  const second = await jobs.start("f/limited", { name: "a2", user: "a" });
  await jobs.start("f/limited", { name: "b1", user: "b" });
  await until(2);
  assert.deepEqual(begun, ["a1", "b1"]);
  const groups = await fetch(`${server.url}/api/concurrency_groups/list`, {
    headers: { authorization: `Bearer ${server.token}` },
  });
  assert.deepEqual(await groups.json(), [
    { concurrency_key: "user-a", total_running: 1 },
    { concurrency_key: "user-b", total_running: 1 },
  ]);
  end("a1");
  await server.server.context.jobs.wait(first);
  clock.advance(9_999);
  assert.deepEqual(begun, ["a1", "b1"]);
  clock.advance(1);
  await until(3);
  assert.deepEqual(begun, ["a1", "b1", "a2"]);
  end("a2");
  await server.server.context.jobs.wait(second);
});

Deno.test("Jobs that fall due together begin in their order, however many among them may not", async () => {
  const { begun, run, end, until } = held();
  const clock = createFakeClock();
  await using server = await openTestServer({
    clock,
    jobs: { concurrency: 60 },
    files: { "f/limited": { run, concurrentLimit: 1 }, "f/free": { run } },
  });
  const { jobs } = server.client;
  const count = 50;
  const numbers = Array.from({ length: count }, (_, no) => no);
  for (const path of ["f/limited", "f/free"]) {
    for (const no of numbers) await jobs.start(path, { name: `${path} ${no}` }, { scheduledInSeconds: 1 });
  }
  clock.advance(1_000);
  await until(1 + count);
  assert.deepEqual(begun, ["f/limited 0", ...numbers.map((no) => `f/free ${no}`)]);
  for (const name of begun.slice()) end(name);
  await until(2 + count);
  assert.equal(begun.at(-1), "f/limited 1");
  end("f/limited 1");
});

Deno.test("A cached result is given to equal jobs for its time, and never that of a failure", async () => {
  const clock = createFakeClock();
  let runs = 0;
  await using server = await openTestServer({
    clock,
    files: {
      "f/cached": {
        cacheTtlS: 10,
        run: ({ fail }) => {
          runs++;
          if (fail === true) throw new Error("no");
          return runs;
        },
      },
    },
  });
  const { context } = server.server;
  const run = async (args: Record<string, unknown>): Promise<unknown> =>
    (await context.jobs.wait(await server.client.jobs.start("f/cached", args))).result;
  assert.equal(await run({ a: 1, b: 2 }), 1);
  assert.equal(await run({ b: 2, a: 1 }), 1);
  assert.equal(await run({ a: 2 }), 2);
  clock.advance(10_000);
  assert.equal(await run({ a: 1, b: 2 }), 3);
  await run({ fail: true });
  await run({ fail: true });
  assert.equal(runs, 5);
});

Deno.test("A job that takes too long is ended, although its runner does not", async () => {
  const clock = createFakeClock();
  const { run, until } = held();
  await using server = await openTestServer({ clock, files: { "f/slow": { run, timeoutS: 2 } } });
  const id = await server.client.jobs.start("f/slow", { name: "x" });
  await until(1);
  clock.advance(7_000);
  const job = await server.server.context.jobs.wait(id);
  assert.deepEqual(job.result, { error: { name: "ExecutionErr", message: "Job timed out after 2s" } });
});

Deno.test("Hooks: a job that is suspended goes on when it is resumed, also when that came first", async () => {
  let rounds = 0;
  const seen: string[] = [];
  await using server = await openTestServer({ files: { "f/flow": () => null, "f/plain": () => "plain" } });
  const { jobs, database } = server.server.context;
  database.migrate("test", [["CREATE TABLE ends(job TEXT PRIMARY KEY)"]]);
  const hooks: JobHooks = {
    run: (job) => {
      if (job.path !== "f/flow") return undefined;
      rounds++;
      // The second round is resumed before it is suspended.
      if (rounds === 2) jobs.resume(job.id);
      return Promise.resolve(rounds < 3 ? "suspended" : { ok: true, result: rounds });
    },
    ended: (job) => {
      database.run("INSERT INTO ends VALUES (?)", job.id);
      if (job.path === "f/plain") throw new Error("a hook that fails");
    },
  };
  Object.assign(jobs.hooks, hooks);
  const id = crypto.randomUUID();
  const suspended = Promise.withResolvers<void>();
  using _ = jobs.watch(id, ({ event }) => {
    seen.push(event);
    if (event === "suspended") suspended.resolve();
  });
  await server.client.jobs.start("f/flow", {}, { jobId: id });
  await suspended.promise;
  const record = await server.client.jobs.get(id);
  assert.deepEqual([record.running, record.suspend], [false, 1]);
  assert.equal(jobs.resume(id), true);
  assert.equal((await jobs.wait(id)).result, 3);
  assert.deepEqual(seen.slice(-1), ["completed"]);
  assert.equal(jobs.resume(id), false);
  // A hook that fails takes back what it wrote, and the job ends.
  assert.equal(await server.client.jobs.run("f/plain"), "plain");
  assert.deepEqual(database.all<{ readonly job: string }>("SELECT job FROM ends").map(({ job }) => job), [id]);
  assert.match(String(server.reported[0]), /a hook that fails/);
});

Deno.test("The status of a workflow: people see it, and not the checkpoint", async () => {
  const { run, end, until } = held();
  await using server = await openTestServer({ files: { "f/a": run } });
  const { jobs } = server.server.context;
  const id = await server.client.jobs.start("f/a", { name: "x" });
  await until(1);
  jobs.updateStatus(id, () => ({ _checkpoint: { completed_steps: {} }, "_step/a": { name: "a" } }));
  assert.deepEqual((await server.client.jobs.get(id)).workflow_as_code_status, { "_step/a": { name: "a" } });
  end("x");
  await jobs.wait(id);
});

Deno.test("Ended jobs are kept for their time, with those that belong to jobs that have not ended", async () => {
  const clock = createFakeClock();
  const { run, until } = held();
  const files = { "f/a": () => 1, "f/hang": { run }, "f/other": () => 2 };
  const asked: unknown[] = [];
  await using server = await openTestServer({
    clock,
    jobs: { retentionS: 100 },
    files,
    folder: {
      ...fakeFolder(files),
      forgetVersions: (before, used) => asked.push([before - clock.now(), [...used()].sort()]),
    },
  });
  const { jobs } = server.server.context;
  const start = (path: string, parentJob?: string): Promise<string> =>
    server.client.jobs.start(path, { name: path }, { parentJob: parentJob ?? null });
  const old = await start("f/other"), parent = await start("f/a");
  const child = await start("f/hang", parent);
  await until(1);
  for (const id of [old, parent]) await jobs.wait(id);
  clock.advance(3_600_000);
  assert.deepEqual([old, parent, child].map((id) => jobs.get(id) !== undefined), [false, true, true]);
  // Versions of scripts go with the jobs that have run them.
  assert.deepEqual(asked, [[-100_000, []], [-100_000, [hashOf("f/a"), hashOf("f/hang")].sort()]]);
});

Deno.test("A server that stops lets jobs end for a while; what is left is begun again by the next, or fails", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const { run, end, until } = held();
    const files = { "f/a": run };
    const first = await openTestServer({ dir, files, drainMs: 10_000 });
    const ids: string[] = [];
    for (const name of ["quick", "waits"]) ids.push(await first.client.jobs.start("f/a", { name }));
    const [quick = "", waits = ""] = ids;
    await until(2);
    const stopped = first.stop();
    end("quick");
    end("waits");
    await stopped;
    {
      await using second = await openTestServer({ dir, files });
      const found = second.server.context.jobs;
      assert.deepEqual([quick, waits].map((id) => found.get(id)?.result), ["quick", "waits"]);
      ids.push(await second.client.jobs.start("f/a", { name: "left" }));
      await until(3);
    }
    const left = ids[2] ?? "";
    {
      await using third = await openTestServer({ dir, files });
      await until(4);
      assert.equal(third.server.context.jobs.get(left)?.restarts, 1);
    }
    await using fourth = await openTestServer({ dir, files, jobs: { interrupted: "fail" } });
    const job = await fourth.server.context.jobs.wait(left);
    assert.deepEqual([job.success, job.restarts], [false, 1]);
    assert.match(JSON.stringify(job.result), /JobInterrupted/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("A script that starts itself without end is stopped at a depth, and the server goes on", async () => {
  await using server = await openTestServer({
    files: {
      "f/again": async (_, __, { env, id }) => {
        const response = await fetch(`${env["BASE_URL"]}/api/w/ws/jobs/run_wait_result/p/f/again?parent_job=${id}`, {
          method: "POST",
          headers: { authorization: `Bearer ${env["WM_TOKEN"]}` },
        });
        // A part of it: each level would escape the one below once more.
        const text = await response.text();
        throw new Error(/at most 50 jobs above it/.exec(text)?.[0] ?? text.slice(0, 100));
      },
    },
  });
  const response = await server.ask("POST", "jobs/run_wait_result/p/f/again", {});
  const text = await response.text();
  assert.deepEqual([response.status, /at most 50 jobs above it/.test(text)], [422, true], text);
  assert.equal(server.server.context.jobs.count({ offset: 0, limit: 1 }), 51);
  assert.deepEqual(server.reported, []);
});
