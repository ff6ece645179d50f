/** Undo when a run is cancelled, given up after its grace, opened again; whichever commit the process dies after. */
import type { EngineOptions } from "@windkit/windmill-client/engine";
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import {
  cancelSignal,
  childWorkflow,
  saga,
  sleep,
  step,
  task,
  taskInfo,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import { everyCrash } from "./_crash_kit.ts";
import { type BenchOptions, createGate, settledKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

function keysOf(
  journals: ReadonlyMap<string, readonly { readonly t: string; readonly key?: string }[]>,
  id = "r",
): string {
  return (journals.get(id) ?? []).flatMap((r) => r.t === "settled" ? [r.key ?? ""] : []).join(" ");
}

test("undo: a cancelled run takes back what it did, whichever commit the process dies after", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        await step("flight", () => 1, { undo: () => "gone" });
        await step("hotel", () => 2, { undo: () => "gone" });
        await Promise.all([waitForEvent("never"), sleep(1_000_000)]);
      }),
    },
    during: async ({ engine, host }, id) => {
      // What was done before the cancel is all the same in each life.
      while ((await engine.run(id).then((run) => run.row())).state === "active") await host.settle();
      await engine.cancel(id, "Enough");
    },
  }), ({ journals, rows }) => {
    assertEquals(keysOf(journals), "flight hotel hotel#undo flight#undo");
    assertEquals(rows[0]?.status, "cancelled");
  });
  assertEquals([end.error?.name, end.error?.message], ["CancelledError", "Enough"]);
});

test("undo: an attempt knows itself, is repeated after a wait, and the wait outlives a crash", async () => {
  const seen = new Set<string>();
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        await step("a", () => 1, {
          retry: { attempts: 0 },
          undo: () => {
            const { attempt, key, idempotencyKey } = taskInfo();
            seen.add(`${attempt} ${key} ${idempotencyKey}`);
            if (attempt < 3) throw new Error("Not yet");
          },
        });
        await sleep(60);
        throw new Error("No");
      }),
    },
  }), ({ journals }) => {
    assertEquals(keysOf(journals), "a sleep a#undo a#undo#retry2 a#undo#2 a#undo#retry3 a#undo#3");
  });
  assertEquals(end.error?.message, "No");
  assertEquals([...seen], ["1 a#undo r/a#undo", "2 a#undo#2 r/a#undo", "3 a#undo#3 r/a#undo"]);
});

test("undo: the wait between attempts of a cancelled run outlives a crash too", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        await step("a", () => 1, {
          undo: () => {
            if (taskInfo().attempt < 2) throw new Error("Not yet");
          },
        });
        await waitForEvent("never");
      }),
    },
    options: { cancelGraceMs: 500 }, // shorter than the wait
    during: async ({ engine, host }, id) => {
      while ((await engine.run(id).then((run) => run.row())).state === "active") await host.settle();
      await engine.cancel(id, "Enough");
    },
  }), ({ journals }) => assertEquals(keysOf(journals), "a a#undo a#undo#retry2 a#undo#2"));
  assertEquals(end.error?.name, "CancelledError");
});

test("undo: a body that does not end in its grace is given up, and its undos run", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        await step("a", () => 1, { undo: () => "gone" });
        await sleep(1000).catch(() => undefined);
        await createGate().promise; // for ever
      }),
    },
    during: async ({ engine, host }, id) => {
      while ((await engine.run(id).then((run) => run.row())).state === "active") await host.settle();
      await engine.cancel(id, "Enough");
    },
  }), ({ journals }) => {
    const kinds = (journals.get("r") ?? []).map((r) => "key" in r ? `${r.t} ${r.key}` : r.t);
    assertEquals(kinds.slice(-4), ["cancelling", "dropped", "settled a#undo", "closed"]);
  });
  assertEquals(end.error?.name, "CancelledError");
});

test("undo: without any a body that does not end is given up as before", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        await step("a", () => 1);
        await sleep(1000).catch(() => undefined);
        await createGate().promise;
      }),
    },
    during: async ({ engine, host }, id) => {
      while ((await engine.run(id).then((run) => run.row())).state === "active") await host.settle();
      await engine.cancel(id, "Enough");
    },
  }));
  assertEquals(end.error?.name, "CancelledError");
});

test("undo: a cancel while they run changes nothing", async () => {
  for (const replay of ["always", "when-needed"] as const) {
    const gate = createGate();
    let aborted = false;
    const main = workflow(async () => {
      const run = async (): Promise<void> => {
        taskInfo().signal.addEventListener("abort", () => aborted = true);
        await gate.promise;
      };
      await step("a", () => 1, { undo: run });
      await step("b", () => 1, { undo: run });
      throw new Error("No");
    });
    const storage = createMemoryStorage();
    await withEngine({ workflows: { main }, replay, storage }, async ({ engine, host }) => {
      const run = await engine.start("main");
      await host.settle();
      await host.drive(run.cancel());
      await host.advance(60_000);
      gate.open();
      const failed = await assertRejects(() => host.drive(run.result()), "RUN_FAILED");
      assertEquals([failed.message, aborted], ["No", false]);
      assertEquals(settledKeys(await engine.journal(run.id)), ["a", "b", "b#undo", "a#undo"]);
      assertEquals(await storage.inbox(run.id, 9), []);
    });
  }
});

test("undo: a cancel while a saga in the body takes back lets it end, and takes back the rest", async () => {
  for (const replay of ["always", "when-needed"] as const) {
    const gate = createGate();
    const main = workflow(async () => {
      await step("before", () => 1, { undo: () => "gone" });
      await saga(async () => {
        await step("inner", () => 1, { undo: () => gate.promise });
        throw new Error("Inner");
      }).catch(() => undefined);
      await sleep(1000);
    });
    await withEngine({ workflows: { main }, replay }, async ({ engine, host }) => {
      const run = await engine.start("main");
      await host.settle();
      await host.drive(run.cancel("Stop"));
      await host.settle();
      gate.open();
      await assertRejects(() => host.drive(run.result()), "CANCELLED", "Stop");
      assertEquals(settledKeys(await engine.journal(run.id)), ["before", "inner", "inner#undo", "before#undo"]);
    });
  }
}, noAsyncLocalStorage);

test("undo: a deadline takes back what was done, and the run fails with it", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        await step("a", () => 1, { undo: () => "gone" });
        await sleep(1000);
      }),
    },
    deadlineMs: 5000,
  }), ({ journals }) => assertEquals(keysOf(journals), "a a#undo"));
  assertEquals(end.error?.name, "DeadlineError");
});

test("undo: a parent that fails waits for no child, and takes back", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        await step("a", () => 1, { undo: () => "gone" });
        const child = childWorkflow("leaf");
        child.catch(() => undefined);
        await step("bad", () => {
          throw new Error("No");
        });
        await child;
      }),
      leaf: workflow(async () => {
        await step("of child", () => 1, { undo: () => "gone" });
        await waitForEvent("never");
      }),
    },
  }), ({ journals }) => {
    assert(keysOf(journals).startsWith("a bad a#undo"));
    // The child may have been cancelled before it did anything.
    assert(["of child of child#undo", ""].includes(keysOf(journals, "r.2")), keysOf(journals, "r.2"));
  });
  assertEquals(end.error?.message, "No");
});

test("undo: what a task without one did while the run was cancelled is not taken for done", async () => {
  const gate = createGate();
  const main = workflow(async () => {
    const t = task("t", () => gate.promise);
    await t();
  });
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.settle();
    await host.drive(run.cancel());
    gate.open();
    await assertRejects(() => host.drive(run.result()), "CANCELLED");
    assertEquals(settledKeys(await engine.journal(run.id)), []);
  });
});

test("undo: what has one and does not end in time after a cancel is given up with the body", async () => {
  const main = workflow(async () => {
    await step("done", () => 1, { undo: () => "gone" });
    await step("stuck", () => new Promise<never>(() => {}), { undo: () => "never" });
  });
  await withEngine({ workflows: { main }, cancelGraceMs: 1000 }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.settle();
    await host.drive(run.cancel());
    await assertRejects(() => host.drive(run.result()), "CANCELLED");
    const records = await engine.journal(run.id);
    assertEquals(settledKeys(records), ["done", "done#undo"]);
    assertEquals(records.some((r) => r.t === "dropped"), true);
  });
});

// --- resumeUndo() ---

test("resumeUndo(): goes on with the undo that failed, under a key of its own", async () => {
  for (const options of [{}, { replay: "always" }, { maxParkedInMemory: 0 }] as readonly Partial<BenchOptions>[]) {
    let broken = true;
    let undone = 0;
    const main = workflow(async () => {
      await step("first", () => 1, { undo: () => void undone++ });
      await step("third", () => 3, {
        undo: () => {
          if (broken) throw new Error("Still broken");
        },
      });
      throw new Error("No");
    });
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    await withEngine({ workflows: { main }, storage, host, ...options }, async ({ engine }) => {
      const run = await engine.start("main", {}, { runId: "r" });
      const failed = await assertRejects(() => host.drive(run.result()), "RUN_FAILED");
      assertIncludes(failed.message, "Still broken");
      assertEquals(undone, 0);
      // Again in vain: the run ends once more, with both failures.
      const again = await host.drive(engine.resumeUndo("r"));
      assertIncludes((await assertRejects(() => host.drive(again.result()), "RUN_FAILED")).message, "Still broken");
      assertEquals((await run.row()).status, "failed");
    });
    broken = false;
    await withEngine({ workflows: { main }, storage: storage.visit(), host, ...options }, async ({ engine }) => {
      await assertRejects(async () => await (await engine.run("r")).result(), "RUN_FAILED");
      const both = await host.drive(Promise.allSettled([engine.resumeUndo("r"), engine.resumeUndo("r")]));
      assertEquals(both.map(({ status }) => status), ["fulfilled", "rejected"]);
      const failed = await assertRejects(async () => await host.drive((await engine.run("r")).result()), "RUN_FAILED");
      assertEquals([failed.message, undone], ["No", 1]);
      const keys = settledKeys(await engine.journal("r")).filter((key) => !key.includes("retry"));
      assertEquals(keys.slice(-3), ["third#undo_2#4", "third#undo_3", "first#undo"]);
      const { state, status, closedAt } = await (await engine.run("r")).row();
      assertEquals([state, status, typeof closedAt], ["closed", "failed", "number"]);
      await assertRejects(() => engine.resumeUndo("r"), undefined, "no undo of it has failed, it has ended (failed)");
    });
  }
});

test("resumeUndo(): a crash at any commit afterwards comes to the same end", async () => {
  let broken = true;
  const make = () =>
    workflow(async () => {
      await step("a", () => 1, { undo: () => "gone" });
      await step("b", () => 2, {
        undo: () => {
          if (broken) throw Object.assign(new Error("Broken"), { name: "NonRetryableError" });
        },
      });
      await waitForEvent("never");
    });
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  await withEngine({ workflows: { main: make() }, storage, host }, async ({ engine }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    await host.settle();
    await host.drive(run.cancel("Enough"));
    assertIncludes((await assertRejects(() => host.drive(run.result()), "RUN_FAILED")).message, "Broken");
  });
  broken = false;
  for (const replay of ["always", "when-needed"] as const) {
    for (let dieAfter = 1, died = true; died; dieAfter++) {
      died = false;
      const start = storage.fork();
      let disk = start;
      let commits = 0;
      const onEvent: EngineOptions["onEvent"] = (event) => {
        if (event.event === "committed" && ++commits === dieAfter) {
          died = true;
          disk = start.fork();
        }
      };
      await withEngine({ workflows: { main: make() }, storage: start, host, replay, onEvent }, async ({ engine }) => {
        await host.drive(engine.resumeUndo("r"));
        await host.drive((await engine.run("r")).result().catch(() => undefined));
      });
      if (!died) break;
      await withEngine({ workflows: { main: make() }, storage: disk, host, replay }, async ({ engine }) => {
        const run = await engine.run("r");
        await assertRejects(() => host.drive(run.result()), "CANCELLED", "Enough");
        assertEquals(settledKeys(await engine.journal("r")), ["a", "b", "b#undo", "b#undo_2", "a#undo"]);
      });
    }
  }
});

test("resumeUndo(): of anything else says what it found", async () => {
  const main = workflow(async (fails: boolean) => {
    if (fails) throw new Error("No");
    await waitForEvent("never");
  });
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    await host.drive(
      (await engine.start("main", { fails: true }, { runId: "failed" })).result().catch(() => undefined),
    );
    await engine.start("main", { fails: false }, { runId: "waits" });
    await host.settle();
    await assertRejects(() => engine.resumeUndo("failed"), undefined, "no undo of it has failed");
    await assertRejects(() => engine.resumeUndo("waits"), undefined, "it has not ended (parked)");
    await assertRejects(() => engine.resumeUndo("none"), "UNKNOWN_RUN");
  });
}, noAsyncLocalStorage);

// --- cancelSignal() ---

test("cancelSignal(): the body sees the cancel, and has its grace, also after a restart", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const seen: string[] = [];
  const main = workflow(async () => {
    const signal = cancelSignal();
    signal.addEventListener("abort", () => seen.push((signal.reason as Error).message), { once: true });
    await step("a", () => 1);
    await waitForEvent("never").catch(() => undefined);
    seen.push(`aborted ${signal.aborted}`);
  });
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r" });
    await host.settle();
  });
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    const run = await engine.run("r");
    await host.drive(run.cancel("Stop"));
    await assertRejects(() => host.drive(run.result()), "CANCELLED");
    assertEquals(seen, ["Stop", "aborted true"]);
  });
});
