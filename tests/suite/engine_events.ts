/** Events: sent early, late, twice, too many, and such as do not fit. Answers to approvals that do not fit. */
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import {
  continueAsNew,
  defineEvent,
  log,
  now,
  parallel,
  progress,
  race,
  sleep,
  type StandardSchema,
  step,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import { everyCrash } from "./_crash_kit.ts";
import { bothWays, createGate, settledKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

const amount: StandardSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => typeof value === "number" ? { value } : { issues: [{ message: "Expected a number" }] },
  },
};

// --- Taking ---

test("waitForEvent(): each wait takes one, the oldest first, by name", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => {
      const a = await waitForEvent("a");
      const b = await waitForEvent("b");
      return [a, b, await waitForEvent("a"), await Promise.all([waitForEvent("a"), waitForEvent("a")])];
    }),
    during: async ({ engine, host }, run) => {
      for (const n of [1, 2, 3]) await host.drive(run.signal("a", n));
      await host.drive(engine.signal(run.id, "b", { ok: true }));
      await host.drive(run.signal("a", 4));
    },
  }));
  assertEquals(value, [1, { ok: true }, 2, [3, 4]]);
});

test("waitForEvent(): a run that waits is parked, and says for what", async () => {
  const main = workflow(async () => await Promise.all([waitForEvent("b"), waitForEvent("a"), waitForApproval()]));
  await withEngine({ workflows: { main }, maxParkedInMemory: 0 }, async ({ engine, host, events }) => {
    const run = await engine.start("main");
    await host.settle();
    const row = await run.row();
    assertEquals([row.state, row.waits], ["parked", ["approval:approval", "event:a", "event:b"]]);
    assertEquals(events.flatMap((e) => e.event === "event_waiting" ? [[e.key, e.name, e.expiresAt]] : []), [
      ["b", "b", undefined],
      ["a", "a", undefined],
    ]);
    await host.drive(run.signal("c", 0)); // wakes nobody
    assertEquals(engine.stats().replays, 0);
    await host.drive(run.signal("a", 1));
    await host.drive(engine.approve(run.id));
    await host.drive(run.signal("b", 2));
    assertEquals((await host.drive(run.result()) as unknown[]).slice(0, 2), [2, 1]);
    assertEquals(engine.stats().replays, 3);
  });
});

test("waitForEvent(): a timeout gives what it should give, after a restart too", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        const first = await waitForEvent("never", { timeout: 60, onTimeout: "too late" });
        const second = await waitForEvent("never", { timeout: 0.5 }).catch((error: Error) => error.name);
        return [first, second];
      }),
    },
  }));
  assertEquals(end.value, ["too late", "WaitTimeoutError"]);
});

test("signal(): the run's crash at any commit loses no event and takes none twice", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        const got: unknown[] = [await waitForEvent("x")];
        got.push(await step("between", () => "s"));
        got.push(await waitForEvent("x"));
        await sleep(1);
        got.push(...await Promise.all([waitForEvent("x"), waitForEvent("y")]));
        return got as string[];
      }),
    },
    during: async ({ engine, host }, id) => {
      for (const [i, name] of ["x", "y", "x", "x"].entries()) {
        await engine.signal(id, name, i, { id: `${i}` }).catch((error: Error) =>
          assertIncludes(error.message, "ended")
        );
        if (i === 1) await host.settle();
      }
    },
  }));
  assertEquals(end.value, [0, "s", 2, 3, 1]);
});

test("signal(): an event of an id that is known is not sent again", async () => {
  const main = workflow(async () => [await waitForEvent("x"), await waitForEvent("x")]);
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    const run = await engine.start("main");
    for (const id of ["a", "a", "b", "a"]) await host.drive(run.signal("x", id, { id }));
    assertEquals(await host.drive(run.result()), ["a", "b"]);
    await assertRejects(() => run.signal("x"), "NOT_WAITING", "it has ended (completed)");
    await assertRejects(() => engine.signal("none", "x"), "UNKNOWN_RUN");
    await assertRejects(() => engine.signal(run.id, ""), undefined, "must be text and not empty");
  });
});

test("signal(): events of another process come in order, also under strange names", async () => {
  for (const name of ["__proto__", "constructor", "a b", "é", "x".repeat(1024)]) {
    const storage = createMemoryStorage();
    const main = workflow(async () => [await waitForEvent(name), await waitForEvent(name)]);
    await withEngine({ workflows: { main }, storage, maxParkedInMemory: 0 }, async ({ engine, host }) => {
      const run = await engine.start("main");
      await host.settle();
      for (const i of [1, 2]) {
        const message = { id: `m${i}`, run: run.id, kind: "event", name, payload: `${i}`, at: i } as const;
        await storage.visit().commit([{ w: "post", message }]);
      }
      assertEquals(await host.drive(run.result()), [1, 2]);
    });
  }
});

test("signal(): as many as the storage takes are kept, and one more is refused to its sender", async () => {
  const gate = createGate();
  const main = workflow(async () => {
    await step("hold", () => gate.promise);
    return [await waitForEvent("x"), await waitForEvent("x")];
  });
  const storage = createMemoryStorage({ maxMessages: 3 });
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    const run = await engine.start("main");
    const sent = await host.drive(Promise.allSettled([1, 2, 3, 4, 5].map((n) => run.signal("x", n))));
    assertEquals(sent.map(({ status }) => status), ["fulfilled", "fulfilled", "fulfilled", "rejected", "rejected"]);
    assertIncludes(String((sent[3] as PromiseRejectedResult).reason), "3 messages wait for run");
    assertEquals(engine.failed, undefined);
    gate.open();
    assertEquals(await host.drive(run.result()), [1, 2]);
    const other = await engine.start("main");
    await host.drive(other.cancel()); // however full the inbox is
  });
});

test("signal(): a run that is full can be cancelled", async () => {
  const main = workflow(async () => await createGate().promise);
  await withEngine(
    { workflows: { main }, storage: createMemoryStorage({ maxMessages: 1 }) },
    async ({ engine, host }) => {
      const run = await engine.start("main");
      await host.drive(run.signal("x"));
      await assertRejects(() => host.drive(run.signal("x")), "STORAGE_FAILED");
      await host.drive(run.cancel());
      await assertRejects(() => host.drive(run.result()), "CANCELLED");
    },
  );
});

test("signal(): 2,000 events of one run, before and while it takes them", async () => {
  const count = 2000;
  const main = workflow(async () => {
    let sum = 0;
    for (let i = 0; i < 2 * count; i++) sum += await waitForEvent("n") as number;
    return sum;
  });
  const storage = createMemoryStorage();
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.drive(Promise.all(Array.from({ length: count }, () => run.signal("n", 1))));
    await host.drive(Promise.all(Array.from({ length: count }, () => run.signal("n", 2))));
    assertEquals(await host.drive(run.result()), 3 * count);
    assertEquals(await storage.inbox(run.id, 1), []);
  });
});

test("waitForEvent(): one that is given up leaves its event to the next wait", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => {
      const { winner } = await race({ late: () => waitForEvent("x"), time: () => sleep(5) });
      await step("ready", () => 1);
      return [winner, await waitForEvent("x")];
    }),
    during: async ({ host, engine }, run) => {
      await host.advance(6000);
      await host.drive(engine.signal(run.id, "x", "kept"));
    },
  }));
  assertEquals(value, ["time", "kept"]);
}, noAsyncLocalStorage);

// --- What does not fit ---

test("signal(): a payload that does not fit is refused to its sender, and the run still waits", async () => {
  const paid = defineEvent("paid", amount);
  for (const maxParkedInMemory of [0, 9]) {
    for (const replay of ["always", "when-needed"] as const) {
      const main = workflow(async () => await waitForEvent(paid) * 2);
      await withEngine(
        { workflows: { main }, maxParkedInMemory, replay },
        async ({ engine, host, events, storage }) => {
          const run = await engine.start("main");
          await host.settle();
          const refused = await assertRejects(
            () => host.drive(run.signal("paid", "much", { id: "a" })),
            "VALIDATION_FAILED",
          );
          assertIncludes(refused.message, '"paid"');
          assertIncludes(refused.message, "still waits");
          assertEquals((await run.row()).waits, ["event:paid"]);
          const records = await engine.journal(run.id);
          const [record] = records.filter((r) => r.t === "refused");
          assert(record?.t === "refused" && record.key === "paid" && record.inbox.endsWith(":a"));
          assertEquals(events.flatMap((e) => e.event === "answer_refused" ? [e.key, e.kind] : []), ["paid", "event"]);
          assertEquals(await storage.inbox(run.id, 9), []);
          await host.drive(run.signal(paid, 21));
          assertEquals(await host.drive(run.result()), 42);
        },
      );
    }
  }
});

test("signal(): one that was kept is checked when the run waits for it, and the next is taken", async () => {
  const { value, records } = await bothWays(() => {
    const gate = createGate();
    return {
      main: workflow(async () => {
        await step("hold", () => gate.promise);
        return await waitForEvent("paid", { schema: amount });
      }),
      during: async ({ host }, run) => {
        for (const payload of ["a", null, 3, 4]) await host.drive(run.signal("paid", payload));
        gate.open();
      },
    };
  });
  assertEquals(value, 3);
  assertEquals(records.filter((r) => r.t === "refused").length, 2);
});

test("signal(): a crash at any commit refuses each once", async () => {
  await everyCrash(() => ({
    workflows: { main: workflow(async () => await waitForEvent("paid", { schema: amount })) },
    during: async ({ engine }, id) => {
      for (const [i, payload] of ["a", "b", 3].entries()) {
        await engine.signal(id, "paid", payload, { id: `${i}` }).catch((error: Error) =>
          assertIncludes(error.message, i < 2 ? "" : "has ended")
        );
      }
    },
  }), ({ value, journals }) => {
    assertEquals(value, 3);
    const refused = (journals.get("r") ?? []).flatMap((r) => r.t === "refused" ? [r.inbox] : []);
    assertEquals(refused, ["event:r:0", "event:r:1"]);
  });
});

test("waitForEvent(): an event that is being checked when the time is over is left to the next wait", async () => {
  for (const maxParkedInMemory of [0, 9]) {
    const gates = [createGate(), createGate()];
    let checks = 0;
    const slow: StandardSchema<number> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: async (value) => {
          await gates[checks++]?.promise;
          return { value: value as number };
        },
      },
    };
    const main = workflow(async () => {
      const first = await waitForEvent("x", { schema: slow, timeout: 5, onTimeout: "late" });
      return [first, await waitForEvent("x"), await waitForEvent("x")];
    });
    const storage = createMemoryStorage();
    await withEngine({ workflows: { main }, storage, maxParkedInMemory }, async ({ engine, host }) => {
      const run = await engine.start("main");
      await host.settle();
      const sent = run.signal("x", 1);
      await host.settle();
      await host.advance(6000);
      gates[0]?.open();
      await host.drive(sent);
      await host.drive(run.signal("x", 2));
      gates[1]?.open();
      assertEquals(await host.drive(run.result()), ["late", 1, 2]);
      assertEquals(await storage.inbox(run.id, 9), []);
    });
  }
});

test("approve(): an answer that does not fit is refused, and another one is taken", async () => {
  const slow: StandardSchema<number> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: async (value) => {
        await Promise.resolve();
        return typeof value === "number" ? { value } : { issues: [{ message: "Expected a number" }] };
      },
    },
  };
  for (const maxParkedInMemory of [0, 9]) {
    for (const replay of ["always", "when-needed"] as const) {
      const main = workflow(async () => {
        const { approved, value } = await waitForApproval({
          form: { schema: slow, jsonSchema: { type: "object", properties: {} } },
        });
        return [approved, value] as const;
      });
      await withEngine({ workflows: { main }, maxParkedInMemory, replay }, async ({ engine, host, storage }) => {
        const run = await engine.start("main");
        await host.settle();
        for (const value of ["x", null]) {
          const refused = await assertRejects(
            () => host.drive(engine.approve(run.id, undefined, { value })),
            "VALIDATION_FAILED",
          );
          assertIncludes(refused.message, 'what "approval" of run');
        }
        assertEquals((await run.row()).waits, ["approval:approval"]);
        assertEquals((await engine.approvals(run.id)).length, 1);
        await host.drive(engine.approve(run.id, undefined, { value: 3 }));
        assertEquals(await host.drive(run.result()), [true, 3]);
        assertEquals(await storage.inbox(run.id, 9), []);
        const other = await engine.start("main");
        await host.settle();
        // A rejection has no value to check.
        await host.drive(engine.approve(other.id, undefined, { approved: false, value: "no" }));
        assertEquals(await host.drive(other.result()), [false, "no"]);
      });
    }
  }
});

test("approve(): the first answer counts, whoever comes at once", async () => {
  const main = workflow(async () => (await waitForApproval()).value);
  const storage = createMemoryStorage();
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.settle();
    const answers = await host.drive(
      Promise.allSettled([1, 2, 3].map((value) => engine.approve(run.id, "approval", { value }))),
    );
    assertEquals(answers.map(({ status }) => status), ["fulfilled", "rejected", "rejected"]);
    for (const answer of answers.slice(1)) {
      assert(/answered already|has ended/.test(String((answer as PromiseRejectedResult).reason)));
    }
    assertEquals(await host.drive(run.result()), 1);
    assertEquals(await storage.inbox(run.id, 9), []);
  });
});

test("approve(): answers of other processes that come too late are thrown away", async () => {
  const storage = createMemoryStorage();
  const main = workflow(
    async () => [(await waitForApproval({ key: "a" })).value, (await waitForApproval({ key: "b" })).value],
  );
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    const run = await engine.start("main");
    await host.settle();
    const post = (id: string, name: string, value: number): Promise<void> =>
      storage.visit().commit([{
        w: "post",
        message: { id, run: run.id, kind: "approval", name, payload: JSON.stringify({ approved: true, value }), at: 1 },
      }]);
    await Promise.all([post("1", "a", 1), post("2", "a", 2), post("3", "b", 3)]);
    assertEquals(await host.drive(run.result()), [1, 3]);
    assertEquals(await storage.inbox(run.id, 9), []);
  });
});

// --- What is told beside calls ---

test("progress(): the last value is known live, replayed, parked and after the end", async () => {
  const main = workflow(async () => {
    progress(1);
    await step("s", () => 1);
    progress({ done: 2 });
    await waitForEvent("go");
    progress("all");
  });
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  await withEngine({ workflows: { main }, storage, host }, async ({ engine, events }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    await host.settle();
    assertEquals(await run.progress(), { done: 2 });
    assertEquals(events.flatMap((e) => e.event === "progress" ? [e.value] : []), [1, { done: 2 }]);
  });
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine, events }) => {
    assertEquals(await engine.progress("r"), { done: 2 });
    await host.drive(engine.signal("r", "go"));
    assertEquals(await host.drive((await engine.run("r")).result()), null);
    assertEquals(await engine.progress("r"), "all");
    assertEquals(events.flatMap((e) => e.event === "progress" ? [e.value] : []), ["all"]);
    await assertRejects(() => engine.progress("none"), "UNKNOWN_RUN");
  });
});

test("log(): is told once, not again on replay", async () => {
  const { events } = await bothWays(() => ({
    main: workflow(async () => {
      log("begins", { n: 1 });
      await step("s", () => 1);
      log("ends", undefined, "warn");
    }),
  }));
  assertEquals(events.flatMap((e) => e.event === "log" ? [[e.level, e.message, e.data]] : []), [
    ["info", "begins", { n: 1 }],
    ["warn", "ends", undefined],
  ]);
});

test("now(): a marker is durable before what follows it, whatever the commit", async () => {
  const seen = new Map<string, Set<number>>();
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async () => {
        const all = await parallel(["a", "b"], async (name) => {
          const before = now();
          // What is recorded must never have been made with another time.
          const during = await step(name, () => before);
          await sleep(1);
          const after = now();
          return [before === during, await step(`${name} again`, () => after) === after];
        });
        return all.flat();
      }),
    },
  }), undefined);
  assertEquals(seen.size, 0);
  assertEquals(end.value, [true, true, true, true]);
});

test("continueAsNew(): keeps an event that the run was about to take", async () => {
  const end = await everyCrash(() => ({
    workflows: {
      main: workflow(async (got: number[] = []) => {
        if (got.length === 3) return got;
        return await continueAsNew({ got: [...got, await waitForEvent("n")] });
      }),
    },
    during: async ({ engine }, id) => {
      for (const n of [1, 2, 3]) await engine.signal(id, "n", n, { id: `${n}` }).catch(() => undefined);
    },
  }));
  assertEquals(end.value, [1, 2, 3]);
  assertEquals(settledKeys(end.journals.get("r~1") ?? []), ["n"]);
});
