/** Child workflows: begun, ended, cancelled and awaited, whichever commit the process dies after. */
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import {
  childWorkflow,
  continueAsNew,
  parallel,
  race,
  sleep,
  step,
  task,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import { everyCrash } from "./_crash_kit.ts";
import { createGate, settledKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

const double = workflow(async (n: number) => await step("double", () => n * 2));

test("childWorkflow(): gives the child's result, whichever commit the process dies after", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        const one = await childWorkflow<number>("double", { n: 1 });
        const both = await Promise.all([childWorkflow<number>("double", { n: one }), childWorkflow("slow")]);
        return [...both, await step("last", () => "end")];
      }),
      double,
      slow: workflow(async () => {
        await sleep(60);
        return "slow";
      }),
    },
  }));
  assertEquals(end.value, [4, "slow", "end"]);
  const [main, first] = [end.journals.get("r") ?? [], end.journals.get("r.1") ?? []];
  assertEquals(settledKeys(main), ["double", "double_2", "slow", "last"]);
  assert(first[0]?.t === "opened");
  assertEquals([first[0].header.parent, first[0].header.root], [{ run: "r", key: "double" }, "r"]);
  assertEquals(end.rows.map(({ id, parent }) => [id, parent]).toSorted(), [
    ["r", undefined],
    ["r.1", "r"],
    ["r.2", "r"],
    ["r.3", "r"],
  ]);
});

test("childWorkflow(): a failure keeps name and message, whichever commit the process dies after", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        const errors: unknown[] = [];
        for (const name of ["fails", "nested", "unknown"]) {
          await childWorkflow(name).catch((error) => {
            const { name, message, child_job_id: run } = error as Error & { child_job_id?: string };
            errors.push([name, (error as { result?: { error?: { name: string } } }).result?.error?.name, message, run]);
          });
        }
        return errors as string[];
      }),
      nested: workflow(async () => await childWorkflow("fails")),
      fails: workflow(async () => {
        await step("s", () => {
          throw Object.assign(new Error("No stock"), { name: "OutOfStock" });
        });
      }),
    },
  }));
  const [fails, nested, unknown] = end.value as unknown as readonly (readonly string[])[];
  assertIncludes(fails?.join() ?? "", "No stock");
  assertIncludes(nested?.join() ?? "", "No stock");
  assertIncludes(unknown?.join() ?? "", 'Cannot start workflow "unknown": it is not registered');
  assertEquals(unknown?.[1], "UnknownWorkflowError");
});

test("childWorkflow(): wrong arguments and a taken id fail the call, not the run", async () => {
  const main = workflow(async () => {
    const errors: string[] = [];
    const tell = (error: Error): void => void errors.push(error.message);
    await childWorkflow("double", { x: 1 }).catch(tell);
    await childWorkflow("double", { n: 1 }, { runId: "taken" }).catch(tell);
    await childWorkflow("double", { n: 1 }, { runId: "" }).catch(tell);
    await childWorkflow("double", { n: 1 }, { runId: "x".repeat(5000) }).catch(tell);
    return [...errors, await childWorkflow<number>("double", { n: 4 }, { runId: "mine" })];
  });
  await withEngine({ workflows: { main, double } }, async ({ engine, host }) => {
    await host.drive((await engine.start("double", { n: 1 }, { runId: "taken" })).result());
    const value = await host.drive((await engine.start("main")).result()) as string[];
    assertIncludes(value[0] ?? "", '"x" is no parameter of it');
    assertIncludes(value[1] ?? "", 'run "taken" exists');
    assertIncludes(value[2] ?? "", "1 to 4096 characters");
    assertIncludes(value[3] ?? "", "found 5000 characters");
    assertEquals(value[4], 8 as unknown as string);
    assertEquals(await (await engine.run("mine")).result(), 8);
    assertEquals(engine.failed, undefined);
  });
});

test("childWorkflow(): two that ask for one id at once: one gets it", async () => {
  const main = workflow(async () =>
    (await Promise.allSettled([1, 2].map((n) => childWorkflow("double", { n }, { runId: "same" })))).map((s) =>
      s.status
    )
  );
  await withEngine({ workflows: { main, double } }, async ({ engine, host }) => {
    const starts = Promise.allSettled([
      engine.start("main"),
      (async () => {
        await new Promise<void>((go) => host.hop(go));
        return await engine.start("double", { n: 7 }, { runId: "same" });
      })(),
    ]);
    const [run] = await host.drive(starts);
    assert(run?.status === "fulfilled");
    const statuses = await host.drive(run.value.result()) as string[];
    assert(statuses.filter((s) => s === "fulfilled").length <= 1);
    assertEquals(engine.failed, undefined);
  });
}, noAsyncLocalStorage);

// --- Cancel ---

test("childWorkflow(): is cancelled with its parent, whichever commit the process dies after", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        await Promise.all([childWorkflow("middle"), childWorkflow("quick")]);
      }),
      middle: workflow(async () => await childWorkflow("leaf")),
      leaf: workflow(async () => await waitForEvent("never")),
      quick: workflow(async () => await step("s", () => 1)),
    },
    during: async ({ engine, host }, id) => {
      await host.settle();
      await engine.cancel(id, "Enough");
    },
  }), ({ rows }) => {
    const statuses = Object.fromEntries(rows.map(({ workflow, status }) => [workflow, status]));
    assertEquals([statuses["main"], statuses["middle"], statuses["leaf"]], ["cancelled", "cancelled", "cancelled"]);
  });
  assertEquals(end.error?.message, "Enough");
});

test("childWorkflow(): a parent that fails, or has its deadline, ends its children", async () => {
  for (const deadlineMs of [undefined, 5000]) {
    const end = await everyCrash(() => ({
      workflows: {
        main: workflow(async () => {
          const child = childWorkflow("leaf");
          child.catch(() => undefined);
          if (deadlineMs === undefined) {
            await step("fails", () => {
              throw new Error("No");
            });
          }
          await child;
        }),
        leaf: workflow(async () => await waitForApproval({ timeout: 31_536_000 })),
      },
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    }), ({ rows }) => {
      assertEquals(rows.map(({ workflow, status }) => `${workflow} ${status}`).toSorted(), [
        "leaf cancelled",
        "main failed",
      ]);
    });
    assertEquals(end.error?.name, deadlineMs === undefined ? "RunFailedError" : "DeadlineError");
  }
});

test("childWorkflow(): the loser of a race is cancelled, and its late end does not matter", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        const { winner } = await race({ child: () => childWorkflow("leaf"), time: () => sleep(5) });
        return [winner, await childWorkflow<string>("quick")];
      }),
      leaf: workflow(async () => {
        await sleep(600);
        return "late";
      }),
      quick: workflow(async () => await step("s", () => "quick")),
    },
  }), ({ rows }) => {
    assertEquals(rows.map(({ workflow, status }) => `${workflow} ${status}`).toSorted(), [
      "leaf cancelled",
      "main completed",
      "quick completed",
    ]);
  });
  assertEquals(end.value, ["time", "quick"]);
}, noAsyncLocalStorage);

test("childWorkflow(): one that is cancelled by itself fails the parent's call", async () => {
  const main = workflow(async () =>
    await childWorkflow("leaf").catch((error: Error) => `${error.name}: ${error.message}`)
  );
  const leaf = workflow(async () => await waitForEvent("never"));
  await withEngine({ workflows: { main, leaf } }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    await host.settle();
    assertEquals((await run.row()).waits, ["child:leaf"]);
    await host.drive(engine.cancel("r.1", "By itself"));
    assertIncludes(String(await host.drive(run.result())), "By itself");
  });
}, noAsyncLocalStorage);

test(
  "childWorkflow(): a child that no longer fits its code is ended by a cancel, and the parent hears of it",
  async () => {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    const main = workflow(async () => await childWorkflow("leaf").catch((error: Error) => error.message));
    const leaf = (name: string) =>
      workflow(async () => {
        await step(name, () => 1);
        await waitForEvent("go");
      });
    await withEngine({ workflows: { main, leaf: leaf("old") }, storage, host }, async ({ engine }) => {
      await engine.start("main", {}, { runId: "r" });
      await host.settle();
    });
    await withEngine(
      { workflows: { main, leaf: leaf("new") }, storage: storage.visit(), host },
      async ({ engine, events }) => {
        await host.drive(engine.signal("r.1", "go"));
        await host.settle();
        assertEquals(events.filter((e) => e.event === "run_stopped").length, 1);
        await host.drive(engine.cancel("r.1", "Does not fit"));
        assertIncludes(String(await host.drive((await engine.run("r")).result())), "Does not fit");
      },
    );
  },
  noAsyncLocalStorage,
);

// --- Many, deep, chained ---

test("childWorkflow(): 1,000 children of one parent, with room for few at once", async () => {
  const count = 1000;
  for (const bounds of [{ maxActiveRuns: 4 }, { maxActiveRuns: 1, maxParkedInMemory: 0 }]) {
    const main = workflow(async () => {
      const all = await parallel(
        Array.from({ length: bounds.maxActiveRuns === 4 ? count : 50 }, (_, n) => n),
        (n) => childWorkflow<number>("double", { n }),
      );
      return all.reduce((sum, n) => sum + n, 0);
    });
    await withEngine({ workflows: { main, double }, ...bounds }, async ({ engine, host }) => {
      const n = bounds.maxActiveRuns === 4 ? count : 50;
      assertEquals(await host.drive((await engine.start("main")).result()), n * (n - 1));
    });
  }
}, noAsyncLocalStorage);

test("childWorkflow(): a hundred deep, with room for one at a time", async () => {
  const main = workflow(async (depth: number): Promise<number> =>
    depth === 0 ? 0 : 1 + await childWorkflow<number>("main", { depth: depth - 1 })
  );
  for (const options of [{ maxActiveRuns: 1 }, { maxActiveRuns: 1, maxParkedInMemory: 0 }, {}]) {
    await withEngine({ workflows: { main }, ...options }, async ({ engine, host }) => {
      assertEquals(await host.drive((await engine.start("main", { depth: 100 })).result()), 100);
    });
  }
});

test("childWorkflow(): without an end it fails, and the engine stands", async () => {
  const main = workflow(async (): Promise<unknown> => await childWorkflow("main"));
  await withEngine({ workflows: { main }, maxActiveRuns: 2 }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "x".repeat(1000) });
    const failed = await assertRejects(() => host.drive(run.result()), "RUN_FAILED");
    assertIncludes(failed.message, "without an end");
    assertEquals(engine.failed, undefined);
  });
});

test("childWorkflow(): the result of a child that continues is the one of its last run", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => await childWorkflow<number>("counts", { n: 0 })),
      counts: workflow(async (n: number) => {
        const next = await step("next", () => n + 1);
        if (next === 3) return next;
        return await continueAsNew({ n: next });
      }),
    },
  }));
  assertEquals(end.value, 3);
  assertEquals(end.rows.map(({ id, parent, status }) => [id, parent, status]).toSorted(), [
    ["r", undefined, "completed"],
    ["r.1", "r", "continued"],
    ["r.1~1", "r", "continued"],
    ["r.1~2", "r", "completed"],
  ]);
});

test("childWorkflow(): a child that continued is cancelled where it is now", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => await childWorkflow("counts", { n: 0 })),
      counts: workflow(async (n: number): Promise<unknown> => {
        if (n < 2) return await continueAsNew({ n: n + 1 });
        return await waitForEvent("never");
      }),
    },
    during: async ({ engine, host }, id) => {
      await host.settle();
      await engine.cancel(id, "Enough");
    },
  }), ({ rows }) => {
    assertEquals(rows.filter(({ status }) => status === "completed"), []);
  });
  assertEquals(end.error?.message, "Enough");
});

test("childWorkflow(): a large result of a child that cannot be handed over fails the call", async () => {
  const main = workflow(async () => await childWorkflow("large").catch((error: Error) => error.message));
  const large = workflow(async () => await Promise.resolve('"'.repeat(30_000)));
  const storage = createMemoryStorage({ maxRecordBytes: 70_000 });
  await withEngine({ workflows: { main, large }, storage }, async ({ engine, host }) => {
    assertIncludes(String(await host.drive((await engine.start("main")).result())), "Cannot hand over the result");
    assertEquals(engine.failed, undefined);
  });
});

test("childWorkflow(): a parent whose inbox is full still hears of its child", async () => {
  const gate = createGate();
  const main = workflow(async () => await childWorkflow("slow"));
  const slow = workflow(async () => await step("s", () => gate.promise));
  await withEngine({ workflows: { main, slow }, storage: createMemoryStorage({ maxMessages: 2 }) }, async (bench) => {
    const { engine, host } = bench;
    const run = await engine.start("main");
    await host.settle();
    for (const n of [1, 2]) await host.drive(run.signal("x", n));
    gate.open();
    assertEquals(await host.drive(run.result()), null);
  });
}, noAsyncLocalStorage);

test("childWorkflow(): a task beside it goes on, and the result waits for both", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        const t = task("t", async (n: number) => await Promise.resolve(n));
        return await Promise.all([t(1), childWorkflow<number>("double", { n: 2 }), sleep(1)]);
      }),
      double,
    },
  }));
  assertEquals(end.value, [1, 4, null]);
});
