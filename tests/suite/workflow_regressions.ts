/** Cases that were found wrong once: mixtures of primitives at their edges. */
import {
  continueAsNew,
  patched,
  race,
  saga,
  sleep,
  step,
  taskInfo,
  taskScript,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import type { EngineEvent } from "@windkit/windmill-client/engine";
import { bothWays, createGate, fromEveryCut, runTrial, settledKeys, withEngine } from "./_engine_kit.ts";
import { createMemoryStorage, type MemoryStorage } from "@windkit/windmill-client/storage/memory";
import { assert, assertEquals } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

/** Calls back in a later macrotask, as the body's own I/O would. */
function channel(then: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    then();
  };
  port2.postMessage(undefined);
}

function fail(message: string): () => never {
  return () => {
    throw new Error(message);
  };
}

test("replay: a step that ends while its run is being replayed is not run again", async () => {
  let runs = 0;
  const { value, records } = await bothWays(() => {
    const gate = createGate();
    runs = 0;
    return {
      main: workflow(async () => {
        const second = step("second", () => {
          runs++;
          return gate.promise;
        });
        await step("first", () => 1);
        // Each time that the body comes here: with "always", in a replay.
        gate.open();
        await second;
        return runs;
      }),
    };
  });
  assertEquals([value, runs, settledKeys(records)], [1, 1, ["first", "second"]]);
});

test("undo: of a run that a failure nobody awaited has failed, after a crash within the undos", async () => {
  const { error, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      await step("a", () => 1, { undo: () => 1 });
      await step("b", () => 1, { undo: () => 1 });
      void step("lost", fail("Lost"));
    }),
  }));
  assertEquals(error?.message, "Lost");
  assertEquals(settledKeys(records), ["a", "b", "lost", "b#undo", "a#undo"]);
});

test("race(): a call that nobody awaits in a branch that has lost does not fail the run", async () => {
  for (const replay of ["when-needed", "always"] as const) {
    const { value } = await runTrial({
      main: workflow(async () => {
        const { winner } = await race({
          slow: async () => {
            void step("beside", () => new Promise(() => {}));
            await sleep(1000);
          },
          fast: () => step("fast", () => 1),
        });
        return winner;
      }),
    }, replay);
    assertEquals(value, "fast");
  }
}, noAsyncLocalStorage);

test(
  "saga(): a run that is cancelled while a failed saga waits for what runs in it does not wait for its grace",
  async () => {
    const began = createGate();
    const { error, records } = await runTrial({
      main: workflow(async () => {
        await saga(async () => {
          await step("a", () => 1, { undo: () => 1 });
          await step("b", () => 1, { undo: () => 1 });
          await Promise.all([
            step("slow", () => {
              began.open();
              return new Promise(() => {});
            }),
            step("bad", fail("Bad")),
          ]);
        });
      }),
      during: async ({ host }, run) => {
        await host.drive(began.promise);
        for (let turns = 0; turns < 20; turns++) await new Promise<void>((go) => channel(go));
        await host.drive(run.cancel("stop"));
      },
    });
    assertEquals(error?.message, "stop");
    assertEquals(records.some((r) => r.t === "dropped"), false);
    assertEquals(settledKeys(records), ["a", "b", "bad", "b#undo", "a#undo"]);
  },
  noAsyncLocalStorage,
);

test("race(): what its branch asks for in the moment it loses is not begun", async () => {
  const started: string[] = [];
  for (let turns = 0; turns < 12; turns++) {
    const { records, error } = await runTrial({
      main: workflow(async () => {
        const first = step("first", () => 1);
        const external = taskScript("f/external");
        await race({
          a: () => first,
          b: async () => {
            await first;
            for (let i = 0; i < turns; i++) await undefined;
            await external({});
          },
        });
        await sleep(1);
        if (started.length > 0) throw new Error(`${started} still runs`);
      }),
      options: {
        executor: {
          accepts: (call) => call.kind === "task",
          start: ({ key, info }) => {
            started.push(key);
            return new Promise((_, reject) => {
              info.signal.addEventListener("abort", () => reject(started.pop()), { once: true });
            });
          },
        },
      },
    });
    assertEquals([error, started, settledKeys(records)], [undefined, [], ["first", "sleep"]], `after ${turns} turns`);
  }
}, noAsyncLocalStorage);

test("saga(): one in another one that fails takes back its own first, and the other waits for it", async () => {
  const log: string[] = [];
  const { value, records } = await runTrial({
    main: workflow(async () => {
      const [began, failed] = [createGate(), createGate()];
      const make = (name: string) =>
        step(name, () => name, {
          undo: async () => {
            log.push(`begin ${name}`);
            for (let i = 0; i < 20; i++) await undefined;
            log.push(`end ${name}`);
          },
        });
      const inner = async () => {
        await make("b");
        await make("c");
        await step("bad", async () => {
          began.open();
          await failed.promise;
          throw new Error("Bad");
        });
      };
      const beside = async () => {
        await step("worse", async () => {
          await began.promise;
          throw new Error("Worse");
        }).finally(() => failed.open());
      };
      await saga(async () => {
        await make("a");
        await Promise.all([saga(inner), beside()]);
      }).catch(() => log.push("caught"));
      return log;
    }),
  });
  assertEquals(value, ["begin c", "end c", "begin b", "end b", "begin a", "end a", "caught"]);
  assertEquals(settledKeys(records).slice(-3), ["c#undo", "b#undo", "a#undo"]);
}, noAsyncLocalStorage);

test("continueAsNew(): after a race whose branches end in one commit", async () => {
  for (const replay of ["when-needed", "always"] as const) {
    const { value } = await runTrial({
      main: workflow(async (n = 0) => {
        await race([() => step("a", () => 1), () => step("b", () => 2)]);
        return n === 1 ? "went on" : await continueAsNew({ n: 1 });
      }),
    }, replay);
    assertEquals(value, "went on");
  }
}, noAsyncLocalStorage);

test("cancel: a run whose journal has the cancel ends as cancelled, also when its body ends while that is recorded", async () => {
  const main = workflow(async (fails: boolean) => {
    await step("first", () => 1, { undo: () => 1 });
    for (let i = 0; i < 4; i++) await step("next", () => i);
    if (fails) throw new Error("No");
  });
  for (const fails of [false, true]) {
    for (let after = 1; after <= 8; after++) {
      let commits = 0;
      let cancel: (() => Promise<void>) | undefined;
      const onEvent = ({ event }: EngineEvent): void => {
        if (event === "committed" && ++commits === after) void cancel?.();
      };
      await withEngine({ workflows: { main }, onEvent }, async ({ engine, host }) => {
        cancel = () => engine.cancel("a", "stop").catch(() => undefined);
        const run = await host.drive(engine.start("main", { fails }, { runId: "a" }));
        await host.drive(run.result().then(() => undefined, () => undefined));
        const records = await engine.journal("a");
        const ended = records.at(-1);
        const expected = records.some((r) => r.t === "cancelling") ? "cancelled" : fails ? "failed" : "completed";
        assertEquals(ended?.t === "closed" ? ended.status : undefined, expected, `after commit ${after}`);
      });
    }
  }
});

test("continueAsNew(): a failure that nobody awaited fails the run instead, and what was done is taken back", async () => {
  const make = () => ({
    main: workflow(async (n = 0) => {
      if (n === 1) return "went on";
      await step("a", () => 1, { undo: () => 1 });
      await step("b", () => 1, { undo: () => 1 });
      void step("lost", fail("Lost"), { retry: { attempts: 1, delay: 1 } });
      return await continueAsNew({ n: 1 });
    }),
  });
  const { error, records } = await fromEveryCut(make);
  assertEquals(error?.message, "Lost");
  assertEquals(settledKeys(records).slice(2), ["lost", "lost#retry2", "lost#2", "b#undo", "a#undo"]);
  assertEquals((await runTrial(make(), "always")).error?.message, "Lost");
});

test("waitForEvent(): an event that comes while the wait for it loses is the next one's", async () => {
  for (const replay of ["when-needed", "always"] as const) {
    const gate = createGate();
    const main = workflow(async () => {
      const { winner } = await race({
        step: () => step("step", () => gate.promise),
        event: () => waitForEvent("paid"),
      });
      return [winner, await waitForEvent("paid", { timeout: 5, onTimeout: "lost" })];
    });
    await withEngine({ workflows: { main }, replay }, async ({ engine, host }) => {
      const run = await host.drive(engine.start("main"));
      await host.settle();
      const sent = run.signal("paid", "came");
      gate.open();
      assertEquals(await host.drive(run.result()), ["step", "came"], replay);
      await sent;
    });
  }
}, noAsyncLocalStorage);

test("waitForEvent(): the same when the process ends before the event is given back", async () => {
  const storage = createMemoryStorage();
  let crash: MemoryStorage | undefined;
  const gate = createGate();
  const main = workflow(async () => {
    const { winner } = await race({ step: () => step("step", () => gate.promise), event: () => waitForEvent("paid") });
    return [winner, await waitForEvent("paid", { timeout: 5, onTimeout: "lost" })];
  });
  const onEvent = (event: EngineEvent): void => {
    if (event.event === "call_settled" && event.key === "paid") crash ??= storage.fork();
  };
  await withEngine({ workflows: { main }, storage, onEvent }, async ({ engine, host }) => {
    const run = await host.drive(engine.start("main", {}, { runId: "a" }));
    await host.settle();
    const sent = run.signal("paid", "came");
    gate.open();
    await host.drive(run.result());
    await sent;
  });
  assert(crash !== undefined, "The event was not recorded");
  await withEngine({ workflows: { main }, storage: crash }, async ({ engine, host }) => {
    const run = await engine.run("a");
    assertEquals(await host.drive(run.result()), ["step", "came"]);
  });
}, noAsyncLocalStorage);

test("patched(): is true in a run from after the patch, also when outcomes that came together are replayed", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => {
      const one = step("one", () => 1);
      const two = step("two", () => 2);
      await one;
      const isNew = patched("new");
      await two;
      return [isNew, await step("three", () => 3)];
    }),
  }));
  assertEquals(value, [true, 3]);
});

test("race(): branches that lose end, however many have called again before", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => {
      let ended = 0;
      for (let i = 0; i < 40; i++) {
        await race([
          () => step("first", () => i),
          async () => {
            const calls = Array.from({ length: 30 }, () => sleep(1000).catch(() => sleep(1000)).catch(() => ended++));
            await Promise.all(calls);
          },
        ]);
        await step("next", () => i);
      }
      return ended;
    }),
  }));
  assertEquals(value, 1200);
}, noAsyncLocalStorage);

test(
  "race(): a step with an undo that nobody awaits in a branch that has lost does not fail the run either",
  async () => {
    for (const replay of ["when-needed", "always"] as const) {
      const { value } = await runTrial({
        main: workflow(async () => {
          const { winner } = await race({
            slow: async () => {
              const stopped = () =>
                new Promise((_, reject) =>
                  taskInfo().signal.addEventListener("abort", () => reject(new Error("Stopped")))
                );
              void step("beside", stopped, { undo: () => 1 });
              await sleep(1000);
            },
            fast: () => step("fast", () => 1),
          });
          return winner;
        }),
      }, replay);
      assertEquals(value, "fast");
    }
  },
  noAsyncLocalStorage,
);
