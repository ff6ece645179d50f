/** Scripts, flows and work that goes on elsewhere: the executor's part, and what no record can hold. */
import type { Executor, Outcome, Work } from "@windkit/windmill-client/engine";
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import { step, task, taskFlow, taskScript, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import { bothWays, createGate, runTrial, settledKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost, type VirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

for (const [name, make] of [["taskScript", taskScript], ["taskFlow", taskFlow]] as const) {
  test(`${name}(): without an executor the call fails with what to do`, async () => {
    const { value } = await bothWays(() => ({
      main: workflow(async () => {
        try {
          await make("f/a/b", { retry: { attempts: 3 } })({ n: 1 });
        } catch (error) {
          return [(error as Error).name, (error as Error).message];
        }
      }),
    }));
    const [kind, message] = value as readonly string[];
    assertEquals(kind, "HostUnsupportedError");
    assertIncludes(message ?? "", `Cannot run ${name}("f/a/b"): this engine has no executor`);
  });
}

/** What the executor got. */
async function workOf(...args: readonly unknown[]): Promise<Work> {
  const works: Work[] = [];
  await runTrial({
    main: workflow(() => taskScript("f/a/b", { tag: "gpu", timeout: 9 })(...args)),
    start: { runId: "r" },
    options: {
      executor: { accepts: () => true, start: (work) => (works.push(work), Promise.resolve({ ok: true, value: "1" })) },
    },
  });
  const [work] = works;
  assert(work !== undefined);
  return work;
}

for (
  const [what, args, expected] of [
    ["one object by name", [{ b: 1, a: 2 }], '{"a":2,"b":1}'],
    ["several by position", [1, "x"], '{"arg0":1,"arg1":"x"}'],
    ["a list by position", [[1, 2]], '{"arg0":[1,2]}'],
    ["none", [], "{}"],
  ] as const
) {
  test(`taskScript(): passes ${what}`, async () => {
    const { run, key, call, info, invoke } = await workOf(...args);
    assert(call.kind === "task");
    assertEquals([run, key, call.via, call.script, call.args, call.options, invoke], [
      "r",
      "b",
      "script",
      "f/a/b",
      expected,
      { timeoutS: 9, tag: "gpu" },
      undefined,
    ]);
    assertEquals([info.runId, info.key, info.attempt, info.idempotencyKey], ["r", "b", 1, "r/b"]);
  });
}

test("Executor: may run inline tasks itself, and takes only what it accepts", async () => {
  const taken: string[] = [];
  const { value } = await bothWays(() => ({
    main: workflow(async () => [await task("t", (n: number) => n + 1)(1), await step("s", () => 3)]),
    options: {
      executor: {
        accepts: (call) => call.kind === "task",
        start: (work) => {
          taken.push(work.key);
          return work.invoke?.() ?? Promise.reject(new Error("No function"));
        },
      },
    },
  }));
  assertEquals([value, taken], [[2, 3], ["t", "t"]]);
});

for (
  const [what, executor] of [
    ["that rejects", { accepts: () => true, start: () => Promise.reject(new Error("Broken")) }],
    ["that throws", {
      accepts: () => true,
      start: () => {
        throw new Error("Broken");
      },
    }],
    ["that throws when it is asked", {
      accepts: () => {
        throw new Error("Broken");
      },
      start: () => Promise.reject(new Error("Not reached")),
    }],
  ] as const satisfies readonly (readonly [string, Executor])[]
) {
  test(`Executor: one ${what} fails the call, and the call is repeated as its retry says`, async () => {
    const { error, records } = await bothWays(() => ({
      main: workflow(() => taskScript("f/x", { retry: { attempts: 1 } })()),
      options: { executor },
    }));
    assertEquals([error?.message, settledKeys(records)], ["Broken", ["x", "x#2"]]);
  });
}

for (const timesItself of [true, false]) {
  test(`Executor: an attempt that is late ${timesItself ? "is its own affair when it says so" : "is ended by the engine"}`, async () => {
    const host = createVirtualHost();
    const { value, error } = await runTrial({
      main: workflow(() => taskScript("f/x", { timeout: 2 })()),
      options: {
        host,
        executor: {
          timesItself,
          accepts: () => true,
          start: () => new Promise((resolve) => host.timer(host.now() + 9000, () => resolve({ ok: true, value: "1" }))),
        },
      },
    });
    assertEquals([value, error?.message], timesItself ? [1, undefined] : [undefined, 'Task "x" timed out after 2 s']);
  });
}

test("Executor: a failure that says so is not repeated", async () => {
  const failure = { message: "No", stepKey: "x", retryable: false, error: { name: "Error", message: "No" } };
  const { records } = await bothWays(() => ({
    main: workflow(() => taskScript("f/x", { retry: { attempts: 5 } })()),
    options: { executor: { accepts: () => true, start: () => Promise.resolve({ ok: false, failure }) } },
  }));
  assertEquals(settledKeys(records), ["x"]);
});

// --- Work that goes on without this process ---

interface Detached extends Executor {
  readonly told: string[];
}

function detached(found: Outcome | "running" | "lost" = "running"): Detached {
  const told: string[] = [];
  return {
    told,
    accepts: (call) => call.kind === "task",
    start: (work) => {
      told.push(`start ${work.key}`);
      return Promise.resolve({ ref: `job ${work.key}` });
    },
    reattach: (ref) => {
      told.push(`reattach ${ref}`);
      return Promise.resolve(found);
    },
    cancel: (ref) => {
      told.push(`cancel ${ref}`);
      return Promise.resolve();
    },
  };
}

const SETTLED = JSON.stringify({ ok: true, value: '"done"' });
const script = workflow(async () => await taskScript("f/x", { timeout: 100 })());

test("detached: work ends by a message, whichever way it is replayed", async () => {
  const { value, records } = await bothWays(() => ({
    main: script,
    options: { executor: detached() },
    during: async ({ engine, host }, run) => {
      await host.settle();
      const { length } = (await engine.journal(run.id)).filter((r) => r.t === "called" && r.ref === "job x");
      assertEquals(length, 1);
      await host.drive(engine.post({ id: "job x", run: run.id, kind: "settle", name: "x", payload: SETTLED }));
      await host.drive(engine.post({ id: "job x", run: run.id, kind: "settle", name: "x", payload: SETTLED }));
    },
  }));
  assertEquals([value, settledKeys(records)], ["done", ["x"]]);
});

test("detached: work that is cancelled, late or not needed any more is told so", async () => {
  for (const how of ["cancel", "timeout", "cancel after a restart", "timeout after a restart"]) {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    let executor = detached();
    await withEngine({ workflows: { script }, storage, host, executor }, async ({ engine }) => {
      await engine.start("script", {}, { runId: "r" });
      await host.settle();
      if (!how.endsWith("restart")) await end(engine, host, how);
    });
    if (how.endsWith("restart")) {
      // Closing an engine ends nothing that goes on without it.
      assertEquals(executor.told, ["start x"], how);
      executor = detached();
      await withEngine({ workflows: { script }, storage: storage.visit(), host, executor }, async ({ engine }) => {
        await host.settle();
        await end(engine, host, how);
      });
      assertEquals(executor.told, ["reattach job x", "cancel job x"], how);
    } else {
      assertEquals(executor.told, ["start x", "cancel job x"], how);
    }
  }
});

async function end(
  engine: Parameters<Parameters<typeof withEngine>[1]>[0]["engine"],
  host: VirtualHost,
  how: string,
): Promise<void> {
  const run = await engine.run("r");
  if (how.startsWith("cancel")) await host.drive(run.cancel());
  const error = await assertRejects(() => host.drive(run.result()));
  if (how.startsWith("timeout")) assertIncludes(error.message, 'Task "x" timed out after 100 s');
}

for (
  const [found, expected, told] of [
    ["running", "done", ["reattach job x"]],
    ["lost", "again", ["reattach job x", "start x"]],
    [{ ok: true, value: '"found"' }, "found", ["reattach job x"]],
  ] as const
) {
  const shown = typeof found === "string" ? found : "an outcome";
  test(`detached: after a restart, work that the executor calls ${shown}`, async () => {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    await withEngine({ workflows: { script }, storage, host, executor: detached() }, async ({ engine }) => {
      await engine.start("script", {}, { runId: "r" });
      await host.settle();
    });
    const executor = detached(found);
    await withEngine({ workflows: { script }, storage: storage.visit(), host, executor }, async ({ engine }) => {
      await host.settle();
      assertEquals(executor.told, told);
      if (expected !== "found") {
        const payload = JSON.stringify({ ok: true, value: JSON.stringify(expected) });
        await host.drive(engine.post({ id: "job x", run: "r", kind: "settle", name: "x", payload }));
      }
      assertEquals(await host.drive((await engine.run("r")).result()), expected);
    });
  });
}

test("detached: what it left while no engine ran is taken, whatever the executor remembers", async () => {
  for (const executor of [detached("lost"), { accepts: () => true, start: () => Promise.reject(new Error("Again")) }]) {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    await withEngine({ workflows: { script }, storage, host, executor: detached() }, async ({ engine }) => {
      await engine.start("script", {}, { runId: "r" });
      await host.settle();
    });
    // Another process leaves it: it need not drive the storage.
    const message = { id: "job x", run: "r", kind: "settle", name: "x", payload: SETTLED, at: host.now() } as const;
    await storage.visit().commit([{ w: "post", message }]);
    await withEngine({ workflows: { script }, storage: storage.visit(), host, executor }, async ({ engine }) => {
      assertEquals(await host.drive((await engine.run("r")).result()), "done");
    });
  }
});

// --- Messages of other processes ---

test("messages: those of another process reach a run in memory and one that is put aside", async () => {
  const main = workflow(async () => (await waitForApproval()).value);
  for (const maxParkedInMemory of [10, 0]) {
    const storage = createMemoryStorage();
    await withEngine({ workflows: { main }, storage, maxParkedInMemory }, async ({ engine, host }) => {
      const run = await engine.start("main");
      await host.settle();
      const payload = JSON.stringify({ approved: true, value: 7, approver: "ada" });
      const message = { id: "m", run: run.id, kind: "approval", name: "approval", payload, at: 1 } as const;
      await storage.visit().commit([{ w: "post", message }]);
      assertEquals(await host.drive(run.result()), 7);
    });
  }
});

test("messages: rubbish of another process is thrown away with a warning", async () => {
  const main = workflow(async () => (await waitForApproval({ timeout: 9 })).approved);
  const storage = createMemoryStorage();
  await withEngine({ workflows: { main }, storage }, async ({ engine, host, events }) => {
    const run = await engine.start("main");
    await host.settle();
    for (const [i, payload] of ["not json", "null", "[]", '{"approved":"yes"}'].entries()) {
      const message = { id: `m${i}`, run: run.id, kind: "approval", name: "approval", payload, at: 1 } as const;
      await storage.visit().commit([{ w: "post", message }]);
    }
    await host.settle();
    assertEquals(events.filter((e) => e.event === "warning").length, 4);
    assertEquals(await host.drive(run.result()), false);
    assertEquals(await storage.inbox(run.id, 10), []);
  });
});

// --- Limits ---

test("limits: a result of almost 16 MB is recorded and comes back", async () => {
  const size = 16 * 1024 * 1024 - 8192;
  let ran = 0;
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const main = workflow(async () => {
    const text = await step("big", () => (ran++, "x".repeat(size)));
    await waitForApproval();
    return text.length;
  });
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r" });
    await host.settle();
  });
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    await host.drive(engine.approve("r"));
    assertEquals([await host.drive((await engine.run("r")).result()), ran], [size, 1]);
  });
});

const limited = { maxRecordBytes: 100_000 };
const big = "é".repeat(60_000);
for (
  const [what, body] of [
    ["a step's result", () => step("s", () => big)],
    ["a task's result", () => task("t", () => big)()],
    ["a task's arguments", () => task("t", (s: string) => s.length)(big)],
    ["a script's arguments", () => taskScript("f/x")({ big })],
    ["an approval's form", () => waitForApproval({ form: big })],
  ] as const satisfies readonly (readonly [string, () => Promise<unknown>])[]
) {
  test(`limits: ${what} that is too large fails its call alone`, async () => {
    const { value } = await runTrial({
      main: workflow(async () => {
        try {
          await body();
          return "recorded";
        } catch (error) {
          return (error as Error).message.slice(0, 40);
        }
      }),
      options: {
        storage: createMemoryStorage(limited),
        executor: {
          accepts: (call) => call.kind === "task" && call.via === "script",
          start: () => createGate<Outcome>().promise,
        },
      },
    });
    assertIncludes(String(value), "Cannot record the ");
  });
}

test("limits: a run's arguments beyond the limit are refused", async () => {
  const main = workflow((s: string) => s.length);
  await withEngine({ workflows: { main }, storage: createMemoryStorage(limited) }, async ({ engine, host }) => {
    await assertRejects(() => engine.start("main", { s: big }), "PAYLOAD_TOO_LARGE", "the limit is 100000");
    assertEquals(await host.drive((await engine.start("main", { s: "x" })).result()), 1);
  });
});

test("limits: names have at most 1,024 characters", async () => {
  const long = "x".repeat(1025);
  assertEquals((await bothWays(() => ({ main: workflow(() => step(long.slice(1), () => 1)) }))).value, 1);
  const { error } = await bothWays(() => ({ main: workflow(() => step(long, () => 1)) }));
  assertIncludes(error?.message ?? "", "'name' must be text of at most 1024 characters, found one of 1025");
  await assertRejects(() => task(long, () => 1), undefined, "at most 1024 characters");
  await assertRejects(() => taskScript(long), undefined, "at most 1024 characters");
});

test("limits: a run's result that is too large fails the run", async () => {
  const { error } = await runTrial({ main: workflow(() => big), options: { storage: createMemoryStorage(limited) } });
  assertIncludes(error?.message ?? "", "Cannot record the result of");
});

test("limits: an answer, a reason and a message that are too large are refused, and the engine goes on", async () => {
  const main = workflow(async () => (await waitForApproval({ timeout: 9 })).approved);
  await withEngine({ workflows: { main }, storage: createMemoryStorage(limited) }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.settle();
    const huge = "x".repeat(200_000);
    for (
      const ask of [
        () => engine.approve(run.id, undefined, { value: huge }),
        () => run.cancel(huge),
        () => engine.post({ id: "m", run: run.id, kind: "event", name: "e", payload: JSON.stringify(huge) }),
      ]
    ) await assertRejects(() => host.drive(ask()), "PAYLOAD_TOO_LARGE");
    assertEquals(await host.drive(run.result()), false);
  });
});
