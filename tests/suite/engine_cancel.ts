/** Cancelling, deadlines, timeouts: what ends a run or an attempt from outside. */
import { parallel, sleep, step, task, taskInfo, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import { bothWays, createGate, settledKeys, startedKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

// --- cancel() ---

for (
  const [what, body] of [
    ["sleeps", () => sleep(1000)],
    ["waits for an approval", () => waitForApproval()],
    ["waits for a task", () => task("t", () => createGate().promise)()],
    ["waits for a step", () => step("s", () => createGate().promise)],
    [
      "waits for several things",
      () => Promise.all([sleep(10), step("s", () => createGate().promise), waitForApproval()]),
    ],
    ["waits for a promise of its own", () => createGate().promise],
  ] as const satisfies readonly (readonly [string, () => Promise<unknown>])[]
) {
  test(`cancel(): ends a run that ${what}`, async () => {
    const { error } = await bothWays(() => ({
      main: workflow(body),
      during: async ({ engine, host, storage }, run) => {
        await host.settle();
        await host.drive(run.cancel("Changed my mind"));
        await assertRejects(() => host.drive(run.result()), "CANCELLED", "Changed my mind");
        const { state, status } = await run.row();
        assertEquals([state, status], ["closed", "cancelled"]);
        assertEquals(await storage.inbox(run.id, 10), []);
        await run.cancel("Again"); // an ended run is left as it is
        assertEquals(engine.failed, undefined);
      },
    }));
    assertIncludes(error?.message ?? "", "Changed my mind");
  });
}

test("cancel(): finally runs live and may not call", async () => {
  const { value: _value, error, records } = await bothWays(() => {
    const seen: string[] = [];
    return {
      main: workflow(async () => {
        try {
          await sleep(1000);
        } catch (e) {
          seen.push((e as Error).name);
          throw e;
        } finally {
          await Promise.resolve();
          for (const call of [() => step("s", () => 1), () => sleep(1), () => task("t", () => 1)(), waitForApproval]) {
            await call().catch((e: Error) => seen.push(`${e.name}: ${e.message}`));
          }
        }
      }),
      during: async ({ host }, run) => {
        await host.settle();
        await host.drive(run.cancel("Stop"));
        await run.result().catch(() => undefined);
        assertEquals(seen.slice(-5), ["CancelledError", ...Array(4).fill("CancelledError: Stop")]);
      },
    };
  });
  assertEquals([error?.name, settledKeys(records)], ["CancelledError", []]);
});

test("cancel(): a body that goes on regardless is dropped after its grace", async () => {
  await withEngine({
    workflows: {
      main: workflow(async () => {
        await sleep(1000).catch(() => undefined);
        await createGate().promise;
      }),
    },
    cancelGraceMs: 3000,
  }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.settle();
    await host.drive(run.cancel());
    const result = run.result();
    result.catch(() => undefined);
    await host.advance(2999);
    assertEquals((await run.row()).state, "active");
    await host.advance(1);
    await assertRejects(() => result, "CANCELLED");
  });
});

test("cancel(): a body that swallows it ends cancelled all the same", async () => {
  const { error } = await bothWays(() => ({
    main: workflow(async () => {
      await sleep(1000).catch(() => undefined);
      return "done";
    }),
    during: async ({ host }, run) => {
      await host.settle();
      await host.drive(run.cancel());
    },
  }));
  assertEquals(error?.name, "CancelledError");
});

test("cancel(): aborts the signals of what runs, with the reason", async () => {
  let reason: unknown;
  const t = task("t", async () => {
    const { signal } = taskInfo();
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    reason = signal.reason;
  });
  await withEngine({ workflows: { main: workflow(() => t()) } }, async ({ engine, host, events }) => {
    const run = await engine.start("main");
    await host.settle();
    await host.drive(run.cancel("Stop"));
    await assertRejects(() => host.drive(run.result()), "CANCELLED");
    assertEquals(`${reason}`, "CancelledError: Stop");
    await host.settle();
    assert(events.some((e) => e.event === "call_dropped" && e.key === "t"));
  });
});

test("cancel(): an outcome that arrives with the cancel is dropped, and the journal replays", async () => {
  for (const order of ["cancel first", "outcome first"]) {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    const gate = createGate();
    const main = workflow(async () => {
      try {
        await step("s", () => gate.promise);
        await sleep(5);
        await step("t", () => 1);
      } finally {
        await createGate().promise; // holds the run in its grace
      }
    });
    await withEngine({ workflows: { main }, storage, host, cancelGraceMs: 60_000 }, async ({ engine }) => {
      const run = await engine.start("main", {}, { runId: "r" });
      await host.settle();
      const cancel = run.cancel("Stop");
      // Both in the same commit, or in neighbouring ones.
      for (let i = 0; i < (order === "cancel first" ? 2 : 0); i++) await new Promise<void>((go) => host.hop(go));
      gate.open();
      await host.drive(cancel);
      await host.settle();
    });
    await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine, events }) => {
      const run = await engine.run("r");
      await assertRejects(() => host.drive(run.result()), "CANCELLED", "Stop");
      assertEquals(events.filter((e) => e.event === "run_stopped"), [], order);
    });
  }
});

test("cancel(): nothing is recorded between the cancel and the end", async () => {
  // The outcome lets the body make another call in the very moment in which the cancel is recorded.
  for (let hops = 0; hops < 8; hops++) {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    const gate = createGate();
    const main = workflow(async () => {
      await Promise.all([
        sleep(1000),
        step("s", () => gate.promise).then(() => Promise.all([sleep(7), step("t", () => 1)])),
      ]);
    });
    await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
      const run = await engine.start("main", {}, { runId: "r" });
      await host.settle();
      gate.open();
      for (let i = 0; i < hops; i++) await new Promise<void>((go) => host.hop(go));
      const cancel = run.cancel("Stop");
      await assertRejects(() => host.drive(run.result()), "CANCELLED");
      await cancel;
      const kinds = (await engine.journal("r")).map((r) => r.t);
      assertEquals(kinds.slice(kinds.indexOf("cancelling")), ["cancelling", "closed"], `after ${hops} hops`);
    });
  }
});

test("cancel(): survives a restart", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const main = workflow(async () => {
    try {
      await sleep(1000);
    } finally {
      await createGate().promise;
    }
  });
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    await host.settle();
    await host.drive(run.cancel("Stop"));
    await host.settle();
  });
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    const run = await engine.run("r");
    await assertRejects(() => host.drive(run.result()), "CANCELLED", "Stop");
  });
});

test("cancel(): ends a run that waits to begin", async () => {
  const gate = createGate();
  const main = workflow(async () => await step("s", () => gate.promise));
  await withEngine({ workflows: { main }, maxActiveRuns: 1 }, async ({ engine, host, events }) => {
    const first = await engine.start("main");
    const second = await engine.start("main");
    await host.drive(second.cancel("Not needed"));
    gate.open();
    await host.drive(first.result());
    await assertRejects(() => host.drive(second.result()), "CANCELLED", "Not needed");
    assertEquals(
      startedKeys(events.filter((e) => "run" in e && e.run === second.id && e.event === "call_settled")),
      [],
    );
  });
}, noAsyncLocalStorage);

test("cancel(): ends a parked run that is not in memory, and one whose workflow is not known", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const main = workflow(() => waitForApproval());
  await withEngine({ workflows: { main }, storage, host, maxParkedInMemory: 0 }, async ({ engine }) => {
    const run = await engine.start("main");
    await host.settle();
    assertEquals(engine.stats().live, 0);
    await host.drive(run.cancel("Stop"));
    await assertRejects(() => host.drive(run.result()), "CANCELLED");
    await engine.start("main", {}, { runId: "unknown" });
    await host.settle();
  });
  await withEngine({ workflows: {}, storage: storage.visit(), host }, async ({ engine }) => {
    const run = await engine.run("unknown");
    await host.advance(2_000_000); // its approval ends, and it becomes an orphan
    await host.drive(run.cancel("Stop"));
    await assertRejects(() => host.drive(run.result()), "CANCELLED", "Stop");
  });
});

// --- Deadlines ---

test("deadlineMs: a run that is late fails with DeadlineError, in memory, put aside and after a restart", async () => {
  const main = workflow(async () => {
    await sleep(1000);
  });
  for (const maxParkedInMemory of [10, 0]) {
    await withEngine({ workflows: { main }, maxParkedInMemory }, async ({ engine, host }) => {
      const start = host.now();
      const run = await engine.start("main", {}, { deadlineMs: 5000 });
      await assertRejects(() => host.drive(run.result()), "DEADLINE_EXCEEDED", "5000 ms after it was created");
      assertEquals(host.now() - start, 5000);
      assertEquals((await run.row()).status, "failed");
    });
  }
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r", deadlineMs: 5000 });
    await host.settle();
  });
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    await assertRejects(async () => await host.drive((await engine.run("r")).result()), "DEADLINE_EXCEEDED");
  });
});

test("deadlineMs: aborts what runs, and a body that ends in time is not touched", async () => {
  let aborted = "";
  const main = workflow(async (hang: boolean) => {
    if (!hang) return "in time";
    await step("s", () => {
      const { signal } = taskInfo();
      signal.addEventListener("abort", () => aborted = `${signal.reason}`, { once: true });
      return createGate().promise;
    });
  });
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    const quick = await engine.start("main", { hang: false }, { deadlineMs: 1000 });
    assertEquals(await host.drive(quick.result()), "in time");
    const late = await engine.start("main", { hang: true }, { deadlineMs: 1000 });
    await assertRejects(() => host.drive(late.result()), "DEADLINE_EXCEEDED");
    assertIncludes(aborted, "DeadlineError");
    await host.advance(10_000);
    assertEquals(engine.failed, undefined);
  });
}, noAsyncLocalStorage);

// --- Timeouts of tasks ---

test("timeout: an attempt that is late fails, its signal aborts, its late outcome is dropped", async () => {
  const signals: unknown[] = [];
  const gates = [createGate<string>(), createGate<string>()];
  const t = task("t", async () => {
    const { attempt, signal } = taskInfo();
    signal.addEventListener("abort", () => signals.push([attempt, (signal.reason as Error).message]), { once: true });
    return await gates[attempt - 1]?.promise;
  }, { timeout: 2, retry: { attempts: 1 } });
  const main = workflow(async () => await t());
  await withEngine({ workflows: { main } }, async ({ engine, host, events }) => {
    const run = await engine.start("main");
    await host.advance(2000);
    assertEquals(signals, [[1, 'Task "t" timed out after 2 s']]);
    gates[0]?.open("too late");
    await host.settle();
    gates[1]?.open("in time");
    assertEquals(await host.drive(run.result()), "in time");
    assertEquals(settledKeys(await engine.journal(run.id)), ["t", "t#2"]);
    assert(events.some((e) => e.event === "call_dropped" && e.key === "t" && e.why === "superseded"));
    await host.advance(10_000);
    assertEquals(signals.length, 1);
  });
});

test("timeout: counts from the attempt's start, not while it waits for a place", async () => {
  const gate = createGate();
  const main = workflow(async () => {
    const quick = task("quick", () => "quick", { timeout: 1 });
    return (await Promise.all([step("slow", () => gate.promise), quick()]))[1];
  });
  await withEngine({ workflows: { main }, concurrency: 1 }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.advance(5000);
    gate.open();
    assertEquals(await host.drive(run.result()), "quick");
  });
});

test("timeout: frees the place of the attempt", async () => {
  const hang = task("hang", () => createGate().promise, { timeout: 1 });
  const main = workflow(async () => {
    const all = await Promise.allSettled(await parallel([1, 2, 3], () => Promise.allSettled([hang()])));
    return all.length;
  });
  await withEngine({ workflows: { main }, concurrency: 1 }, async ({ engine, host }) => {
    const start = host.now();
    const run = await engine.start("main");
    assertEquals(await host.drive(run.result()), 3);
    assertEquals([host.now() - start, engine.stats().running], [3000, 0]);
  });
});
