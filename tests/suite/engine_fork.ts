/** fork(): a run that takes another way from one of its calls on. And changed code: what the engine's modes take. */
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import {
  childWorkflow,
  now,
  sleep,
  step,
  task,
  uuid,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import { settledKeys, startedKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

test("fork(): goes its own way from a call on, and what came before it is not run again", async () => {
  let price = 1;
  const main = workflow(async () => {
    const id = uuid();
    const at = now();
    const a = await step("a", () => "a");
    const b = await step("price", () => price);
    return [id, at, a, b, await step("c", () => b * 2)];
  });
  await withEngine({ workflows: { main } }, async ({ engine, host, events }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    const first = await host.drive(run.result()) as unknown[];
    price = 5;
    await host.advance(1000);
    const fork = await engine.fork("r", { from: "price", runId: "f" });
    assertEquals(await host.drive(fork.result()), [...first.slice(0, 3), 5, 10]);
    assertEquals(startedKeys(events), ["a", "price", "c", "price", "c"]);
    const [opened, ...rest] = await engine.journal("f");
    assert(opened?.t === "opened");
    assertEquals(opened.header.forkedFrom, { run: "r", key: "price" });
    assertEquals(settledKeys(rest), ["a", "price", "c"]);
    assertEquals(await run.result(), first); // stands as it was
    const again = await engine.fork("f", { from: "c" });
    assertEquals(await host.drive(again.result()), [...first.slice(0, 3), 5, 10]);
  });
});

test("fork(): of a run that has not ended begins its own work, timers and children", async () => {
  const main = workflow(async (n: number) => {
    const first = await step("first", () => n);
    const [slept, child, got] = await Promise.all([
      sleep(60).then(() => "slept"),
      childWorkflow<number>("leaf", { n: first }),
      waitForEvent("go"),
    ]);
    return [first, slept, child, got];
  });
  const leaf = workflow(async (n: number) => {
    await waitForApproval({ timeout: 31_536_000 });
    return n;
  });
  await withEngine({ workflows: { main, leaf } }, async ({ engine, host }) => {
    const run = await engine.start("main", { n: 1 }, { runId: "r" });
    await host.settle();
    const fork = await host.drive(engine.fork("r", { from: "leaf", runId: "f" }));
    const other = await host.drive(engine.fork("r", { from: "first", runId: "g", args: { n: 2 } }));
    await host.settle();
    const parents = (await engine.runs()).map(({ id, parent }) => [id, parent]).toSorted();
    assertEquals(parents, [["f", undefined], ["f.3", "f"], ["g", undefined], ["g.3", "g"], ["r", undefined], [
      "r.3",
      "r",
    ]]);
    for (const id of ["f", "g", "r"]) {
      await host.drive(engine.signal(id, "go", id));
      await host.drive(engine.approve(`${id}.3`));
    }
    assertEquals(await host.drive(fork.result()), [1, "slept", 1, "f"]);
    assertEquals(await host.drive(other.result()), [2, "slept", 2, "g"]);
    assertEquals(await host.drive(run.result()), [1, "slept", 1, "r"]);
  });
}, noAsyncLocalStorage);

test("fork(): a retry, a failure and a cancelled run; the fork outlives a restart", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  let broken = true;
  const t = task("t", () => {
    if (broken) throw new Error("Broken");
    return "whole";
  }, { retry: { attempts: 1, delay: 5 } });
  const main = workflow(async () => {
    const value = await t();
    await waitForEvent("go");
    return value;
  });
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    await assertRejects(
      async () => await host.drive((await engine.start("main", {}, { runId: "r" })).result()),
      "RUN_FAILED",
    );
    broken = false;
    await engine.fork("r", { from: "t#2", runId: "f" });
    const second = await engine.fork("r", { from: "t", runId: "g" });
    await host.settle();
    await host.drive(second.cancel());
    await assertRejects(() => host.drive(second.result()), "CANCELLED");
    await engine.fork("g", { from: "go", runId: "h" });
    await host.settle();
  });
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    for (const id of ["f", "h"]) {
      await host.drive(engine.signal(id, "go"));
      assertEquals(await host.drive((await engine.run(id)).result()), "whole");
    }
    assertEquals(settledKeys(await engine.journal("f")), ["t", "t#retry2", "t#2", "go"]);
  });
}, noAsyncLocalStorage);

test("fork(): a call that the run does not have is an error that names near ones", async () => {
  const main = workflow(async () => {
    for (const name of ["load_orders", "load_users", "send", "a", "b", "c", "d"]) await step(name, () => 1);
  });
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    await host.drive((await engine.start("main", {}, { runId: "r" })).result());
    const { message } = await assertRejects(() => engine.fork("r", { from: "load_order" }));
    assertIncludes(message, 'Cannot fork run "r" from "load_order"');
    assertIncludes(message, '"load_orders", "load_users"');
    assertIncludes(message, "and 2 more");
    await assertRejects(() => engine.fork("none", { from: "a" }), "UNKNOWN_RUN");
    await assertRejects(() => engine.fork("r", { from: "a", runId: "r" }), "RUN_EXISTS");
    await assertRejects(() => engine.fork("r", { from: "a", runId: "" }), undefined, "'runId' must have");
    assertEquals((await engine.runs()).length, 1);
    assertEquals(engine.failed, undefined);
  });
});

test("fork(): with arguments that ask for something else, the mismatch says what and where", async () => {
  const main = workflow(async (n: number) => {
    const t = task("t", async (m: number) => await Promise.resolve(m));
    return [await t(n), await step("s", () => 1)];
  });
  for (const callSites of [true, false]) {
    await withEngine({ workflows: { main }, callSites }, async ({ engine, host }) => {
      await host.drive((await engine.start("main", { n: 1 }, { runId: "r" })).result());
      const fork = await engine.fork("r", { from: "s", args: { n: 2 } });
      const { message } = await assertRejects(() => host.drive(fork.result()), "REPLAY_MISMATCH");
      assertIncludes(message, "[1] was recorded, [2] is asked for");
      // The line that asks is looked for when it is needed.
      assertEquals(/asked:.* at \S+:\d+:\d+/.test(message), callSites, message);
      assertEquals(/recorded:.* at \S+:\d+:\d+/.test(message), callSites, message);
    });
  }
});

test("changes: arguments that differ fail the replay, warn, or are followed", async () => {
  for (const mode of ["fail", "warn", "follow"] as const) {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    const main = (n: number) =>
      workflow(async () => {
        const t = task("t", async (m: number) => await Promise.resolve(m));
        const first = await t(n);
        await waitForEvent("go");
        return first;
      });
    await withEngine({ workflows: { main: main(1) }, storage, host }, async ({ engine }) => {
      await engine.start("main", {}, { runId: "r" });
      await host.settle();
    });
    const options = { workflows: { main: main(2) }, storage: storage.visit(), host, changes: { arguments: mode } };
    await withEngine(options, async ({ engine, events }) => {
      const run = await engine.run("r");
      await host.drive(engine.signal("r", "go"));
      const ended = await host.drive(run.result().catch((error: Error) => error.name));
      assertEquals(ended, mode === "fail" ? "ReplayMismatchError" : 1);
      const warnings = events.flatMap((e) => e.event === "warning" ? [e.message] : []);
      assertEquals(warnings.length, mode === "warn" ? 1 : 0);
      if (mode === "warn") assertIncludes(warnings[0] ?? "", 'The arguments of "t" have changed');
    });
  }
});

test("changes: a function that differs is followed, warned of, or refused", async () => {
  for (const mode of ["fail", "warn", "follow"] as const) {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    const main = (fn: () => number) =>
      workflow(async () => {
        const first = await step("s", fn);
        await waitForEvent("go");
        return first;
      });
    await withEngine({ workflows: { main: main(() => 1) }, storage, host }, async ({ engine }) => {
      await engine.start("main", {}, { runId: "r" });
      await host.settle();
    });
    const options = { workflows: { main: main(() => 2) }, storage: storage.visit(), host, changes: { code: mode } };
    await withEngine(options, async ({ engine, events }) => {
      const run = await engine.run("r");
      await host.drive(engine.signal("r", "go"));
      const ended = await host.drive(run.result().catch((error: Error) => error.name));
      assertEquals(ended, mode === "fail" ? "ReplayMismatchError" : 1);
      assertEquals(events.filter((e) => e.event === "warning").length, mode === "warn" ? 1 : 0);
    });
  }
});
