/** Runs as their callers see them: starting, asking, bounds, closing and going on. */
import {
  createEngine,
  type EngineEvent,
  type Json,
  type WorkflowFunction,
  type Write,
} from "@windkit/windmill-client/engine";
import type { RunExistsError, UnknownWorkflowError } from "@windkit/windmill-client/errors";
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import { parallel, sleep, step, task, taskInfo, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import { createGate, settledKeys, startedKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

const hello = workflow(async (name: string) => await step("greeting", () => `Hello ${name}`));

// --- start() ---

test("start(): the same id with the same workflow and arguments is the run that exists", async () => {
  await withEngine({ workflows: { hello } }, async ({ engine, host, events }) => {
    const first = await engine.start("hello", { name: "Ada" }, { runId: "r" });
    assertEquals(await host.drive(first.result()), "Hello Ada");
    const again = await engine.start("hello", { name: "Ada" }, { runId: "r" });
    assertEquals(await again.result(), "Hello Ada");
    assertEquals(startedKeys(events), ["greeting"]);
  });
});

test("start(): two starts of one id at the same time are one run", async () => {
  await withEngine({ workflows: { hello } }, async ({ engine, host, events }) => {
    const starts = Array.from({ length: 5 }, () => engine.start("hello", { name: "Ada" }, { runId: "r" }));
    const runs = await host.drive(Promise.all(starts));
    const results = await host.drive(Promise.all(runs.map((run) => run.result())));
    assertEquals([results, startedKeys(events)], [Array(5).fill("Hello Ada"), ["greeting"]]);
    assertEquals(events.filter((e) => e.event === "run_started").length, 1);
  });
});

test("start(): a start that gave up does not take those of the same id with it", async () => {
  await withEngine(
    { workflows: { wait: () => sleep(10), hello }, maxActiveRuns: 1, maxQueuedRuns: 1 },
    async (bench) => {
      const { engine, host } = bench;
      const gate = createGate();
      const holding = await engine.start("hello", { name: "x" }, { runId: "first" });
      await host.drive(holding.result());
      const controller = new AbortController();
      controller.abort(new Error("Given up"));
      const one = engine.start("hello", { name: "Ada" }, { runId: "r", signal: controller.signal });
      const two = engine.start("hello", { name: "Ada" }, { runId: "r" });
      const three = engine.start("hello", { name: "Ada" }, { runId: "r" });
      await assertRejects(() => one, undefined, "Given up");
      assertEquals(await host.drive((await host.drive(two)).result()), "Hello Ada");
      assertEquals(await host.drive((await host.drive(three)).result()), "Hello Ada");
      gate.open();
    },
  );
});

for (
  const [what, workflow, args, differs] of [
    ["arguments", "hello", { name: "Bob" }, ["args"]],
    ["workflow", "other", { name: "Ada" }, ["workflow"]],
    ["arguments and workflow", "other", { name: "Bob" }, ["workflow", "args"]],
  ] as const
) {
  test(`start(): a known id with another ${what} says what differs`, async () => {
    await withEngine({ workflows: { hello, other: hello } }, async ({ engine, host }) => {
      await host.drive((await engine.start("hello", { name: "Ada" }, { runId: "r" })).result());
      const error = await assertRejects(() => engine.start(workflow, args, { runId: "r" }), "RUN_EXISTS", 'Run "r"');
      assertEquals((error as RunExistsError).differs, differs);
      if (differs.some((d) => d === "args")) {
        assertIncludes(error.message, 'recorded {"name":"Ada"}, asked for {"name":"Bob"}');
      }
      if (differs.some((d) => d === "workflow")) assertIncludes(error.message, 'recorded "hello", asked for "other"');
    });
  });
}

test("start(): an unknown workflow is refused with the known ones", async () => {
  await withEngine({ workflows: { hello } }, async ({ engine }) => {
    const error = await assertRejects(() => engine.start("helo"), "UNKNOWN_WORKFLOW", 'Registered: "hello"');
    assert((error as UnknownWorkflowError).name === "UnknownWorkflowError");
    await assertRejects(() => engine.start("constructor"), "UNKNOWN_WORKFLOW");
  });
});

for (const runId of ["", "__windkit/x", "a\0b", "\ud800", "x".repeat(2000)]) {
  test(`start(): the run id ${JSON.stringify(runId.slice(0, 20))} of ${runId.length} is refused, and the engine goes on`, async () => {
    await withEngine({ workflows: { hello } }, async ({ engine, host }) => {
      const error = await assertRejects(() => host.drive(engine.start("hello", {}, { runId })));
      assertIncludes(error.message, "'runId'");
      assertEquals(await host.drive((await engine.start("hello", { name: "Ada" })).result()), "Hello Ada");
    });
  });
}

test("start(): arguments that cannot be recorded are refused", async () => {
  await withEngine({ workflows: { hello } }, async ({ engine }) => {
    await assertRejects(() => engine.start("hello", { name: "\ud800" }), undefined, "value.name: it contains a lone");
  });
});

test("start(): resolves when the run is stored, before its result", async () => {
  const gate = createGate();
  await withEngine({ workflows: { main: () => step("s", () => gate.promise) } }, async ({ engine, host }) => {
    const run = await engine.start("main");
    const row = await run.row();
    assertEquals([row.id, row.workflow, row.state, row.createdAt], [run.id, "main", "active", host.now()]);
    gate.open();
    await host.drive(run.result());
    const ended = await run.row();
    assertEquals([ended.state, ended.status, ended.closedAt], ["closed", "completed", host.now()]);
  });
});

test("start(): waits while the queue is full, however many start at once", async () => {
  const gate = createGate();
  const main = workflow(() => step("s", () => gate.promise));
  await withEngine({ workflows: { main }, maxActiveRuns: 2, maxQueuedRuns: 3 }, async ({ engine, host, storage }) => {
    let started = 0;
    const starts = Array.from({ length: 20 }, async () => {
      const run = await engine.start("main");
      started++;
      return run;
    });
    await host.settle();
    assertEquals([started, engine.stats().live, engine.stats().queued], [5, 2, 3]);
    assertEquals((await storage.runs({ limit: 100 })).length, 5);
    gate.open();
    const runs = await host.drive(Promise.all(starts));
    await host.drive(Promise.all(runs.map((run) => run.result())));
    assertEquals(engine.stats().queued, 0);
  });
}, noAsyncLocalStorage);

test("start(): a caller may give up waiting for the queue", async () => {
  const gate = createGate();
  const main = workflow(() => step("s", () => gate.promise));
  await withEngine({ workflows: { main }, maxActiveRuns: 1, maxQueuedRuns: 1 }, async ({ engine, host, storage }) => {
    const runs = [await engine.start("main"), await engine.start("main")];
    const controller = new AbortController();
    const waiting = engine.start("main", {}, { signal: controller.signal });
    const next = engine.start("main");
    await host.settle();
    controller.abort(new Error("Given up"));
    await assertRejects(() => waiting, undefined, "Given up");
    gate.open();
    runs.push(await host.drive(next));
    await host.drive(Promise.all(runs.map((run) => run.result())));
    assertEquals((await storage.runs({ limit: 100 })).length, 3);
  });
}, noAsyncLocalStorage);

test("start(): closing the engine wakes those that wait for the queue", async () => {
  const main = workflow(() => step("s", () => createGate().promise));
  await withEngine({ workflows: { main }, maxActiveRuns: 1, maxQueuedRuns: 1 }, async ({ engine, host }) => {
    await engine.start("main");
    await engine.start("main");
    const waiting = engine.start("main");
    await host.settle();
    await engine.close();
    await assertRejects(() => waiting, "ENGINE_CLOSED");
  });
}, noAsyncLocalStorage);

test("start(): a run whose place is free before it is stored begins all the same", async () => {
  const gate = createGate();
  const main = workflow((n: number) => n === 0 ? step("s", () => gate.promise) : n);
  const memory = createMemoryStorage();
  let ending: (() => void) | undefined;
  const storage = {
    ...memory,
    // The next start is made while the commit that ends the first run is under way.
    async commit(writes: readonly Write[]): Promise<void> {
      await memory.commit(writes);
      if (writes.some((w) => w.w === "append" && w.row?.state === "closed")) ending?.();
      for (let i = 0; i < 20; i++) await Promise.resolve();
    },
  };
  await withEngine({ workflows: { main }, storage, maxActiveRuns: 1 }, async ({ engine, host }) => {
    const first = await engine.start("main", { n: 0 });
    const second = new Promise<Json>((resolve, reject) => {
      ending = () => {
        ending = undefined;
        engine.start("main", { n: 1 }).then((run) => run.result()).then(resolve, reject);
      };
    });
    gate.open();
    await host.drive(first.result());
    assertEquals(await host.drive(second), 1);
  });
}, noAsyncLocalStorage);

test("maxActiveRuns: no more runs are under way, parked ones do not count, all end", async () => {
  let now = 0, highest = 0;
  const main = workflow(async (n: number) => {
    highest = Math.max(highest, ++now);
    await step("s", () => n);
    now--;
    await sleep(10);
    highest = Math.max(highest, ++now);
    await step("t", () => n);
    now--;
    return n;
  });
  await withEngine({ workflows: { main }, maxActiveRuns: 3, maxParkedInMemory: 0 }, async ({ engine, host }) => {
    const runs = await host.drive(
      Promise.all(Array.from({ length: 12 }, (_, n) => engine.start("main", { n }))),
    );
    const results = await host.drive(Promise.all(runs.map((run) => run.result())));
    assertEquals(results, Array.from({ length: 12 }, (_, n) => n));
    assert(highest <= 3, `Expected at most 3 runs at once, found ${highest}`);
  });
}, noAsyncLocalStorage);

test("concurrency: no more attempts run at once, over all runs", async () => {
  let now = 0, highest = 0;
  const t = task("t", async () => {
    highest = Math.max(highest, ++now);
    await Promise.resolve();
    now--;
  });
  const main = workflow(() => parallel([1, 2, 3, 4, 5], () => t()));
  await withEngine({ workflows: { main }, concurrency: 4 }, async ({ engine, host }) => {
    const runs = await Promise.all([1, 2, 3].map(() => engine.start("main")));
    await host.drive(Promise.all(runs.map((run) => run.result())));
    assertEquals(highest, 4);
  });
}, noAsyncLocalStorage);

for (const option of ["concurrency", "maxActiveRuns", "maxQueuedRuns"]) {
  test(`createEngine(): refuses ${option}: 0`, async () => {
    const options = { storage: createMemoryStorage(), workflows: {}, [option]: 0 };
    await assertRejects(() => createEngine(options), undefined, `'${option}'`);
  });
}

test("context: 2,000 runs at once never see each other", async () => {
  const echo = task("echo", async (n: number) => {
    await Promise.resolve();
    return [n, taskInfo().runId];
  });
  const main = workflow(async (n: number) => {
    await null;
    const [one, two] = await Promise.all([echo(n), step("own", () => taskInfo().runId)]);
    await sleep(n % 7);
    return [one, two, await step("last", () => taskInfo().runId)];
  });
  await withEngine({ workflows: { main }, maxActiveRuns: 2000, maxParkedInMemory: 500 }, async ({ engine, host }) => {
    const numbers = Array.from({ length: 2000 }, (_, n) => n);
    const runs = await host.drive(Promise.all(numbers.map((n) => engine.start("main", { n }, { runId: `run-${n}` }))));
    const results = await host.drive(Promise.all(runs.map((run) => run.result())));
    assertEquals(results, numbers.map((n) => [[n, `run-${n}`], `run-${n}`, `run-${n}`]));
  });
}, noAsyncLocalStorage);

// --- result() ---

test("result(): gives up when its signal aborts, and the run goes on", async () => {
  const gate = createGate();
  await withEngine({ workflows: { main: () => step("s", () => gate.promise) } }, async ({ engine, host }) => {
    const run = await engine.start("main");
    const controller = new AbortController();
    const waiting = run.result({ signal: controller.signal });
    await host.settle();
    controller.abort(new Error("Given up"));
    await assertRejects(() => waiting, undefined, "Given up");
    await assertRejects(() => run.result({ signal: controller.signal }), undefined, "Given up");
    gate.open();
    assertEquals(await host.drive(run.result()), null);
  });
});

test("result(): an engine that ran none of it gives the recorded result, without running code", async () => {
  let runs = 0;
  const main = workflow(async () => (runs++, await step("s", () => ({ n: 1 }))));
  const storage = createMemoryStorage();
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    await host.drive((await engine.start("main", {}, { runId: "r" })).result());
  });
  await withEngine({ workflows: {}, storage: storage.visit() }, async ({ engine }) => {
    assertEquals(await (await engine.run("r")).result(), { n: 1 });
  });
  assertEquals(runs, 1);
});

test("result(): a recorded failure is thrown again, equal", async () => {
  const main = workflow(() =>
    step("s", () => {
      throw new RangeError("Too many");
    })
  );
  const storage = createMemoryStorage();
  const errors: Error[] = [];
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    errors.push(await assertRejects(() => host.drive(run.result()), "RUN_FAILED"));
  });
  await withEngine({ workflows: { main }, storage: storage.visit() }, async ({ engine }) => {
    errors.push(await assertRejects(async () => await (await engine.run("r")).result(), "RUN_FAILED"));
  });
  assertEquals(JSON.stringify(errors[1]), JSON.stringify(errors[0]));
  assertEquals(errors[1]?.message, "Too many");
});

test("run(): an unknown run is refused, as are its journal, approvals, cancel and messages", async () => {
  await withEngine({ workflows: {} }, async ({ engine }) => {
    const message = { id: "m", run: "none", kind: "event", name: "e", payload: "1" } as const;
    for (
      const ask of [
        () => engine.run("none"),
        () => engine.journal("none"),
        () => engine.approvals("none"),
        () => engine.approve("none"),
        () => engine.cancel("none"),
        () => engine.post(message),
      ]
    ) await assertRejects(ask, "UNKNOWN_RUN", '"none"');
  });
});

for (const payload of ["not json", "null", "7"]) {
  test(`post(): a message with the payload ${payload} harms neither the run nor the engine`, async () => {
    const main = workflow(async () => (await waitForApproval({ timeout: 60 })).approved);
    await withEngine({ workflows: { main } }, async ({ engine, host }) => {
      const run = await engine.start("main");
      await host.settle();
      for (const kind of ["approval", "cancel", "settle", "event"] as const) {
        const post = engine.post({
          id: `m ${kind}`,
          run: run.id,
          kind,
          name: kind === "cancel" ? "" : "approval",
          payload,
        });
        await host.drive(post.catch((error: Error) => assertIncludes(error.message, "payload")));
      }
      assertEquals(await host.drive(run.result()), false);
      assertEquals(engine.failed, undefined);
    });
  });
}

test("post(): a full inbox refuses the message, and the engine goes on", async () => {
  const main = workflow(async () => (await waitForApproval({ timeout: 60 })).approved);
  const storage = createMemoryStorage({ maxMessages: 3 });
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    const run = await engine.start("main");
    const post = (id: number): Promise<void> =>
      engine.post({ id: `m${id}`, run: run.id, kind: "event", name: "e", payload: "1" });
    for (const id of [1, 2, 3]) await host.drive(post(id));
    await assertRejects(() => host.drive(post(4)), undefined, "3 messages wait for run");
    assertEquals(await host.drive(run.result()), false);
  });
});

// --- Listing and pruning ---

test("runs(): lists newest first, by state and by page", async () => {
  const wait = workflow(() => waitForApproval());
  await withEngine({ workflows: { hello, wait } }, async ({ engine, host }) => {
    for (const id of ["a", "b", "c"]) {
      const run = await engine.start("hello", { name: id }, { runId: id });
      await host.drive(run.result());
    }
    await engine.start("wait", {}, { runId: "d" });
    await host.settle();
    const ids = async (query: Parameters<typeof engine.runs>[0]): Promise<string> =>
      (await engine.runs(query)).map((row) => row.id).join();
    assertEquals(await ids({}), "d,c,b,a");
    assertEquals(await ids({ state: "closed" }), "c,b,a");
    assertEquals(await ids({ workflow: "wait" }), "d");
    assertEquals(await ids({ limit: 2 }), "d,c");
    assertEquals(await ids({ limit: 2, after: "c" }), "b,a");
  });
});

test("prune(): removes what ended before, and nothing else", async () => {
  const wait = workflow(() => waitForApproval({ timeout: 4_000_000 }));
  await withEngine({ workflows: { hello, wait } }, async ({ engine, host }) => {
    await host.drive((await engine.start("hello", { name: "a" }, { runId: "old" })).result());
    await engine.start("wait", {}, { runId: "waiting" });
    await host.advance(60_000);
    await host.drive((await engine.start("hello", { name: "b" }, { runId: "new" })).result());
    assertEquals(await host.drive(engine.prune(30_000)), 1);
    assertEquals((await engine.runs()).map((row) => row.id), ["new", "waiting"]);
    await assertRejects(() => engine.run("old"), "UNKNOWN_RUN");
    // The id is free again.
    assertEquals(
      await host.drive((await engine.start("hello", { name: "c" }, { runId: "old" })).result()),
      "Hello c",
    );
  });
});

test("prune(): removes more runs than one page", async () => {
  await withEngine({ workflows: { hello } }, async ({ engine, host }) => {
    for (let i = 0; i < 300; i++) await host.drive((await engine.start("hello", { name: "x" })).result());
    await host.advance(1000);
    assertEquals(await host.drive(engine.prune(500)), 300);
    assertEquals(await engine.runs(), []);
  });
});

test("retentionMs: closed runs are removed while the engine runs", async () => {
  await withEngine({ workflows: { hello }, retentionMs: 120_000 }, async ({ engine, host }) => {
    await host.drive((await engine.start("hello", { name: "x" })).result());
    await host.advance(60_000);
    assertEquals((await engine.runs()).length, 1);
    await host.advance(180_000);
    assertEquals((await engine.runs()).length, 0);
  });
});

// --- Orphans ---

test("orphan: a run whose workflow is not registered waits, is listed, and goes on when it is", async () => {
  const storage = createMemoryStorage();
  const main = workflow(async () => {
    await step("s", () => 1);
    await sleep(10);
    return "end";
  });
  const host = createVirtualHost();
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r" });
    await host.settle();
  });
  await withEngine({ workflows: {}, storage: storage.visit(), host }, async ({ engine, events }) => {
    await host.advance(20_000);
    assertEquals((await engine.runs({ state: "orphan" })).map((row) => row.id), ["r"]);
    assert(events.some((e) => e.event === "warning" && e.message.includes('workflow "main", which is not registered')));
    assertEquals(engine.failed, undefined);
  });
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    assertEquals(await host.drive((await engine.run("r")).result()), "end");
  });
});

// --- Closing and going on ---

test("close(): aborts what runs; another engine goes on from what is recorded", async () => {
  const storage = createMemoryStorage();
  const ran: string[] = [];
  let aborted: unknown;
  let hang = true;
  const main = workflow(async () => {
    const a = await step("a", () => void ran.push("a"));
    const b = await step("b", () => {
      ran.push("b");
      if (!hang) return "b";
      const { signal } = taskInfo();
      signal.addEventListener("abort", () => aborted = signal.reason, { once: true });
      return createGate<string>().promise;
    });
    return [a, b];
  });
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    const waiting = run.result();
    waiting.catch(() => undefined);
    await host.settle();
    await engine.close();
    await assertRejects(() => waiting, "ENGINE_CLOSED");
    await assertRejects(() => run.result(), "ENGINE_CLOSED");
    await assertRejects(() => engine.start("main"), "ENGINE_CLOSED");
    await assertRejects(() => engine.idle(), "ENGINE_CLOSED");
    assertIncludes(`${aborted}`, "The engine was closed");
  });
  hang = false;
  await withEngine({ workflows: { main }, storage: storage.visit() }, async ({ engine, host, events }) => {
    assertEquals(await host.drive((await engine.run("r")).result()), [null, "b"]);
    assertEquals(ran, ["a", "b", "b"]);
    assert(events.some((e) => e.event === "run_resumed" && e.run === "r"));
  });
});

test("close(): at once after a start runs nothing more, and the run is there afterwards", async () => {
  const storage = createMemoryStorage();
  let began = 0;
  const main = workflow(async () => (began++, await step("s", () => 1)));
  await withEngine({ workflows: { main }, storage }, async ({ engine }) => {
    const starting = engine.start("main", {}, { runId: "r" });
    await Promise.resolve();
    await Promise.all([engine.close(), starting.catch(() => undefined)]);
  });
  assertEquals(began, 0);
  await withEngine({ workflows: { main }, storage: storage.visit() }, async ({ engine, host }) => {
    if (await storage.visit().run("r") === undefined) return; // the start was not acknowledged
    assertEquals(await host.drive((await engine.run("r")).result()), 1);
  });
});

test("close(): may be called twice, and in the middle of everything", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const t = task("t", (n: number) => n, { retry: { attempts: 1 } });
  const main = workflow(async (n: number) => {
    const list = await parallel([1, 2, 3], (i) => t(n * i), { concurrency: 2 });
    await sleep(n);
    return list;
  });
  const ids = Array.from({ length: 10 }, (_, n) => `r${n}`);
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    for (const [n, runId] of ids.entries()) await engine.start("main", { n }, { runId });
    await Promise.all([engine.close(), engine.close()]);
  });
  for (let round = 0; round < 5; round++) {
    await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
      for (let i = 0; i <= round; i++) await new Promise<void>((resolve) => host.hop(resolve));
      await engine.close();
    });
  }
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    for (const [n, id] of ids.entries()) {
      assertEquals(await host.drive((await engine.run(id)).result()), [n, 2 * n, 3 * n]);
    }
  });
}, noAsyncLocalStorage);

test("two engines: each in its own storage, in one process, nested too", async () => {
  const inner = workflow(async (n: number) => await step("inner", () => n * 2));
  await withEngine({ workflows: { inner } }, async (one) => {
    const outer = workflow(async (n: number) => {
      const got = await step("outer", async () => {
        const run = await one.engine.start("inner", { n });
        return await run.result();
      });
      return [got, await step("after", () => taskInfo().runId)];
    });
    await withEngine({ workflows: { outer }, host: one.host }, async (two) => {
      const run = await two.engine.start("outer", { n: 4 }, { runId: "outer-run" });
      assertEquals(await one.host.drive(run.result()), [8, "outer-run"]);
      assertEquals(settledKeys(await two.engine.journal(run.id)), ["outer", "after"]);
      assertEquals((await one.engine.runs()).length, 1);
    });
  });
}, noAsyncLocalStorage);

test("two engines: one storage has one driver", async () => {
  const storage = createMemoryStorage();
  await withEngine({ workflows: {}, storage, name: "first" }, async () => {
    await assertRejects(
      () => createEngine({ storage: storage.visit(), workflows: {} }),
      "STORAGE_LOCKED",
      '"first"',
    );
  });
  await withEngine({ workflows: {}, storage: storage.visit() }, ({ engine }) => assertEquals(engine.failed, undefined));
});

// --- Hooks ---

test("onEvent: what it throws, at once or later, changes nothing", async () => {
  for (
    const onEvent of [
      () => {
        throw new Error("Hook");
      },
      (async () => await Promise.reject(new Error("Hook"))) as (event: EngineEvent) => void,
    ]
  ) {
    await withEngine({ workflows: { hello }, onEvent }, async ({ engine, host }) => {
      assertEquals(await host.drive((await engine.start("hello", { name: "Ada" })).result()), "Hello Ada");
    });
  }
});

test("onEvent: tells a run from its start to its end", async () => {
  const main = workflow(async () => {
    await step("s", () => 1);
    await sleep(2);
    await waitForApproval({ timeout: 3 });
  });
  await withEngine({ workflows: { main } }, async ({ engine, host, events }) => {
    const run = await engine.start("main");
    await host.drive(run.result());
    const told = events.flatMap((e) => e.event === "committed" ? [] : ["key" in e ? `${e.event} ${e.key}` : e.event]);
    assertEquals(told, [
      "run_started",
      "call_started s",
      "call_settled s",
      "sleep_started sleep",
      "run_parked",
      "call_settled sleep",
      "approval_waiting approval",
      "run_parked",
      "call_settled approval",
      "run_closed",
    ]);
  });
}, noAsyncLocalStorage);

// --- idle() ---

test("idle(): resolves when every run is parked or closed", async () => {
  const main = workflow(async () => {
    // Two sleeps that end together, beside a wait that goes on.
    const waiting = waitForApproval({ timeout: 3600 });
    await Promise.all([sleep(1), sleep(1)]);
    return await waiting;
  });
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.drive(engine.idle());
    await host.advance(1000);
    await host.drive(Promise.race([engine.idle(), host.settle().then(() => Promise.reject(new Error("Not idle")))]));
    const { state, waits } = await run.row();
    assertEquals([state, waits], ["parked", ["approval:approval"]]);
  });
});

test("createEngine() refuses to begin without a storage or workflows, by name", async () => {
  const storage = createMemoryStorage();
  for (
    const [options, part] of [
      [undefined, "'storage' must be a storage, such as createMemoryStorage() gives, found undefined"],
      [{}, "'storage' must be a storage, such as createMemoryStorage() gives, found undefined"],
      [{ storage: Promise.resolve(storage), workflows: {} }, "found a promise: await it"],
      [{ storage }, "'workflows' must be an object of workflows by name, found undefined"],
    ] as const
  ) {
    await assertRejects(() => createEngine(options as never), undefined, part);
  }
  await storage.close();
});

test("createEngine() refuses a workflow that is no function, and a generator, before it takes the storage", async () => {
  const wrong: readonly (readonly [unknown, string])[] = [
    [5, "found number"],
    [null, "found object"],
    ["main", "found string"],
    [workflow(function* () {}), "generator"],
    [workflow(async function* () {}), "generator"],
  ];
  const storage = createMemoryStorage();
  for (const [main, part] of wrong) {
    const error = await assertRejects(
      () => createEngine({ storage, workflows: { main: main as WorkflowFunction } }),
      undefined,
      part,
    );
    assertIncludes(error.message, `"main"`);
  }
  await (await createEngine({ storage, workflows: {} })).close();
});

test("onEvent: a call that comes after its run has ended is told, and does nothing", async () => {
  const gate = createGate();
  const main = workflow(async () => {
    void gate.promise.then(() => step("late", () => 2)); // in the run's context, after its end
    return await step("s", () => 1);
  });
  await withEngine({ workflows: { main } }, async ({ engine, host, events }) => {
    const run = await host.drive(engine.start("main"));
    assertEquals(await host.drive(run.result()), 1);
    gate.open();
    await host.settle();
    const warnings = events.filter((e) => e.event === "warning").map((e) => e.message);
    assertEquals(warnings.length, 1);
    assertIncludes(warnings[0] ?? "", "after the run had ended");
    assertEquals((await engine.journal(run.id)).length, 3);
  });
}, noAsyncLocalStorage);
