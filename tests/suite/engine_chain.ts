/** continueAsNew(): one chain of runs, one result, no event lost, whichever commit the process dies after. */
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import {
  continueAsNew,
  progress,
  sleep,
  step,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import { everyCrash } from "./_crash_kit.ts";
import { createGate, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

const count = workflow(async (n = 0): Promise<number> => {
  const next = await step("next", () => n + 1);
  progress(next);
  if (next >= 4) return next;
  await sleep(1);
  return await continueAsNew({ n: next });
});

test("continueAsNew(): the result of any run of the chain is the last one's, whatever the crash", async () => {
  const end = await everyCrash(() => ({
    workflows: { main: count },
    during: async ({ engine, host }, id) => {
      await host.settle();
      for (const run of [id, `${id}~1`, `${id}~2`]) {
        const handle = await engine.run(run).catch(() => undefined);
        handle?.result().then((value) => assertEquals(value, 4), () => undefined);
      }
    },
  }));
  assertEquals(end.value, 4);
  assertEquals(end.rows.map(({ id, status }) => `${id} ${status}`).toSorted(), [
    "r continued",
    "r~1 continued",
    "r~2 continued",
    "r~3 completed",
  ]);
  for (const [id, records] of end.journals) {
    const [first] = records;
    assert(first?.t === "opened");
    assertEquals(first.header.chain, id === "r" ? undefined : { first: "r", n: Number(id.slice(2)) });
    const last = records.at(-1);
    assertEquals(last?.t === "closed" ? last.next : "", id === "r~3" ? undefined : `r~${Number(id.slice(2) || 0) + 1}`);
  }
});

test("continueAsNew(): a run of the chain is asked for long after its end", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  await withEngine({ workflows: { main: count }, storage, host }, async ({ engine }) => {
    assertEquals(await host.drive((await engine.start("main", {}, { runId: "r" })).result()), 4);
  });
  await withEngine({ workflows: { main: count }, storage: storage.visit(), host }, async ({ engine }) => {
    for (const id of ["r", "r~1", "r~3"]) {
      const run = await engine.run(id);
      assertEquals([await run.result(), await run.progress()], [4, 4]);
      await run.cancel(); // has ended: nothing happens
    }
    assertEquals(await (await engine.start("main", {}, { runId: "r" })).result(), 4);
    await assertRejects(() => engine.signal("r", "x"), "NOT_WAITING", 'run "r~3": it has ended (completed)');
  });
});

test("continueAsNew(): what is sent to any run of the chain reaches the one that goes on", async () => {
  const main = workflow(async (got: string[] = []): Promise<string[]> => {
    if (got.length < 2) return await continueAsNew({ got: [...got, await waitForEvent("x")] });
    return [...got, (await waitForApproval()).value as string];
  });
  for (const maxParkedInMemory of [0, 9]) {
    const storage = createMemoryStorage();
    await withEngine({ workflows: { main }, storage, maxParkedInMemory }, async ({ engine, host }) => {
      const run = await engine.start("main", {}, { runId: "r" });
      await host.settle();
      await host.drive(run.signal("x", "a"));
      await host.settle();
      assertEquals((await engine.runs()).map(({ id }) => id), ["r~1", "r"]);
      // Another process knows the first id alone.
      const message = { id: "m", run: "r", kind: "event", name: "x", payload: '"b"', at: 1 } as const;
      await storage.visit().commit([{ w: "post", message }]);
      await host.settle();
      assertEquals((await engine.approvals("r")).map((a) => a.run), ["r~2"]);
      await host.drive(engine.approve("r", undefined, { value: "c" }));
      assertEquals(await host.drive(run.result()), ["a", "b", "c"]);
      for (const { id } of await engine.runs()) assertEquals(await storage.inbox(id, 9), []);
    });
  }
});

test("continueAsNew(): an event of an id that an earlier run took is not sent again", async () => {
  const main = workflow(async (got: number[] = []): Promise<number[]> => {
    const all = [...got, await waitForEvent("x") as number];
    return all.length === 3 ? all : await continueAsNew({ got: all });
  });
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    for (const [id, n] of [["a", 1], ["a", 1], ["b", 2], ["a", 1], ["b", 2], ["c", 3]] as const) {
      await host.drive(run.signal("x", n, { id }));
      await host.settle();
    }
    assertEquals(await host.drive(run.result()), [1, 2, 3]);
  });
});

test("continueAsNew(): a cancel ends the chain, whenever it comes", async () => {
  for (let hops = 0; hops < 25; hops++) {
    const storage = createMemoryStorage();
    const main = workflow(async (n: number): Promise<unknown> => {
      if (n % 2 === 0) await step("s", () => 1);
      return await continueAsNew({ n: n + 1 });
    });
    await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
      const run = await engine.start("main", { n: 0 }, { runId: "r" });
      for (let i = 0; i < hops; i++) await new Promise<void>((go) => host.hop(go));
      let ended = false;
      const result = run.result().then(() => "completed", (error: Error) => error.name).finally(() => ended = true);
      await run.cancel();
      for (let i = 0; i < 1000 && !ended; i++) await new Promise<void>((go) => host.hop(go));
      assert(ended, `after ${hops} hops the chain goes on`);
      assertEquals(await result, "CancelledError");
      assertEquals(engine.failed, undefined);
    });
  }
});

test("continueAsNew(): steps that run are waited for, and waits are given up", async () => {
  const gate = createGate();
  const main = workflow(async (n = 0): Promise<unknown> => {
    if (n === 1) return "next";
    const slow = step("slow", () => gate.promise);
    slow.catch(() => undefined);
    sleep(1000).catch(() => undefined);
    await step("quick", () => 1);
    return await continueAsNew({ n: 1 });
  });
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    await host.settle();
    assertEquals((await run.row()).state, "active");
    gate.open();
    assertEquals(await host.drive(run.result()), "next");
    const kinds = (await engine.journal("r")).map((r) => "key" in r ? `${r.t} ${r.key}` : r.t);
    assertEquals(kinds.slice(-3), ["settled slow", "abandoned sleep", "closed"]);
  });
});

test("continueAsNew(): arguments that are too large, or an id that is taken, fail the run", async () => {
  const main = workflow(async (size: number): Promise<unknown> => await continueAsNew({ size: "x".repeat(size) }));
  const storage = createMemoryStorage({ maxRecordBytes: 20_000 });
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    const large = await engine.start("main", { size: 50_000 });
    assertIncludes((await assertRejects(() => host.drive(large.result()), "RUN_FAILED")).message, "the limit is 20000");
    const first = await engine.start("main", { size: 50_000 }, { runId: "b~1" });
    await host.drive(first.result().catch(() => undefined));
    const taken = await engine.start("main", { size: 3 }, { runId: "b" });
    assertIncludes((await assertRejects(() => host.drive(taken.result()), "RUN_FAILED")).message, 'as "b~1"');
    assertEquals(engine.failed, undefined);
  });
});

test("continueAsNew(): the deadline is the whole chain's", async () => {
  const main = workflow(async (n = 0): Promise<unknown> => {
    await sleep(1);
    return await continueAsNew({ n: n + 1 });
  });
  const end = await everyCrash(() => ({ workflows: { main }, deadlineMs: 3500 }));
  assertEquals(end.error?.name, "DeadlineError");
  assertEquals(end.rows.map(({ status }) => status).toSorted(), ["continued", "continued", "continued", "failed"]);
});

test("continueAsNew(): a chain of a thousand runs, and old ones are pruned", async () => {
  const main = workflow(async (n = 0): Promise<unknown> => n < 1000 ? await continueAsNew({ n: n + 1 }) : n);
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    assertEquals(await host.drive(run.result()), 1000);
    assertEquals(await host.drive(run.result()), 1000);
    await host.advance(10_000);
    assertEquals(await host.drive(engine.prune(5000)), 1001);
    await assertRejects(() => run.result(), "UNKNOWN_RUN");
  });
}, noAsyncLocalStorage);
