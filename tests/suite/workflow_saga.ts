/** Undo: what was done is taken back, newest first, when the workflow or a saga fails, after any crash, each once. */
import { race, saga, sleep, step, task, taskInfo, workflow } from "@windkit/windmill-client/workflow";
import { hasCode, type RunFailedError } from "@windkit/windmill-client/errors";
import { bothWays, createGate, fromEveryCut, runTrial, settledKeys } from "./_engine_kit.ts";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

function fail(message: string): () => never {
  return () => {
    throw new Error(message);
  };
}

test("undo: a failed workflow takes back what it did, newest first, before it ends", async () => {
  const { error, records } = await fromEveryCut(() => {
    const done = new Set<string>();
    const make = (name: string) => step(name, () => name, { undo: (result) => void done.delete(result) });
    return {
      main: workflow(async () => {
        await make("flight");
        await make("hotel");
        await step("plain", () => 1);
        await step("car", fail("No car"));
      }),
    };
  });
  assertEquals(error?.message, "No car");
  assertEquals(settledKeys(records), ["flight", "hotel", "plain", "car", "hotel#undo", "flight#undo"]);
});

test("undo: nothing runs when the workflow succeeds, also after a failure that it caught", async () => {
  const { value, records } = await bothWays(() => ({
    main: workflow(async () => {
      await step("a", () => 1, { undo: fail("never") });
      await step("b", fail("No")).catch(() => undefined);
      return "fine";
    }),
  }));
  assertEquals(value, "fine");
  assertEquals(settledKeys(records), ["a", "b"]);
});

test("undo: of a task gets the recorded result and the arguments", async () => {
  const seen: unknown[] = [];
  await runTrial({
    main: workflow(async () => {
      const book = task("book", (seat: string, when: Date) => Promise.resolve({ seat, when }), {
        undo: (result, seat, when) => void seen.push(result, seat, when),
      });
      await book("3A", new Date(0));
      throw new Error("No");
    }),
  });
  const when = "1970-01-01T00:00:00.000Z";
  assertEquals(seen, [{ seat: "3A", when }, "3A", when]);
});

test("undo: what still runs when the workflow fails is waited for and taken back too", async () => {
  const { error, records } = await bothWays(() => {
    const gate = createGate();
    return {
      main: workflow(async () => {
        await Promise.all([
          step("slow", () => gate.promise, { undo: () => 1 }),
          step("bad", () => {
            gate.open();
            throw new Error("No");
          }),
        ]);
      }),
    };
  });
  assertEquals(error?.message, "No");
  assertEquals(settledKeys(records).toSorted(), ["bad", "slow", "slow#undo"]);
});

test("undo: is repeated when it fails; three times by default", async () => {
  const { error, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      await step("a", () => 1, {
        undo: () => {
          if (taskInfo().attempt < 3) throw new Error("again");
        },
      });
      throw new Error("No");
    }),
  }));
  assertEquals(error?.message, "No");
  assertEquals(settledKeys(records), ["a", "a#undo", "a#undo#retry2", "a#undo#2", "a#undo#retry3", "a#undo#3"]);
});

test("undo: one that fails for good stops the others; the run fails with both errors", async () => {
  const { error, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      await step("a", () => 1, { undo: () => 1 });
      await step("b", () => 2, { undo: fail("stuck"), undoRetry: { attempts: 0 } });
      throw new RangeError("No");
    }),
  }));
  const failed = error as RunFailedError;
  assertEquals(failed.errorName, "CompensationError");
  assertIncludes(failed.message, "No; and");
  assertIncludes(failed.message, "stuck");
  assertEquals(settledKeys(records), ["a", "b", "b#undo"]);
});

test("undo: its idempotency key is its own and the same in every attempt", async () => {
  const keys: string[] = [];
  await runTrial({
    main: workflow(async () => {
      await step("a", () => 1, {
        undo: () => {
          keys.push(taskInfo().idempotencyKey);
          if (keys.length < 2) throw new Error("again");
        },
      });
      throw new Error("No");
    }),
    start: { runId: "r" },
  });
  assertEquals(keys, ["r/a#undo", "r/a#undo"]);
});

test("saga(): takes back its own part and throws on; what came before stays", async () => {
  const { value, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      await step("before", () => 1, { undo: () => 1 });
      const message = await saga(async () => {
        await step("one", () => 1, { undo: () => 1 });
        await sleep(1);
        await step("two", () => 2, { undo: () => 1 });
        await step("bad", fail("No"));
      }).then(() => "", (e: Error) => e.message);
      await step("after", () => 1);
      return message;
    }),
  }));
  assertEquals(value, "No");
  assertEquals(settledKeys(records), ["before", "one", "sleep", "two", "bad", "two#undo", "one#undo", "after"]);
}, noAsyncLocalStorage);

test("saga(): a part that succeeded is taken back when the workflow fails later", async () => {
  const { error, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      await saga(() => step("one", () => 1, { undo: () => 1 }));
      throw new Error("Later");
    }),
  }));
  assertEquals(error?.message, "Later");
  assertEquals(settledKeys(records), ["one", "one#undo"]);
}, noAsyncLocalStorage);

test("saga(): waits for what runs in it, gives up its waits, begins nothing else", async () => {
  const { value, records } = await bothWays(() => {
    const gate = createGate();
    return {
      main: workflow(async () => {
        const message = await saga(async () => {
          await Promise.all([
            step("slow", () => gate.promise, { undo: () => 1 }).then(() => step("next", () => 1)),
            sleep(1000),
            step("bad", () => {
              gate.open();
              throw new Error("No");
            }),
          ]);
        }).then(() => "", (e: Error) => e.message);
        await sleep(1);
        return message;
      }),
    };
  });
  assertEquals(value, "No");
  assertEquals(settledKeys(records).filter((key) => key !== "sleep_2").toSorted(), ["bad", "slow", "slow#undo"]);
}, noAsyncLocalStorage);

test("saga(): an undo that fails for good gives CompensationError with both, and the rest is left", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => {
      const error = await saga(async () => {
        await step("a", () => 1, { undo: fail("stuck"), undoRetry: { attempts: 1 } });
        throw new TypeError("No");
      }).catch((e: unknown) => e);
      if (!hasCode(error, "COMPENSATION_FAILED")) return "other";
      return [error.message, (error.cause as Error).name];
    }),
  }));
  // What could not be taken back is tried again when the workflow ends: it ends well here.
  assertEquals(value, ["No; and what takes back what was done failed too: stuck", "TypeError"]);
}, noAsyncLocalStorage);

test("saga(): in a race that it loses, what it did stays until the workflow fails", async () => {
  const { error, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      await race({
        loser: () =>
          saga(async () => {
            await step("a", () => 1, { undo: () => 1 });
            await sleep(100);
          }),
        winner: () => sleep(1),
      });
      await sleep(1);
      throw new Error("No");
    }),
  }));
  assertEquals(error?.message, "No");
  assertEquals(settledKeys(records).filter((key) => key === "a#undo").length, 1);
}, noAsyncLocalStorage);

test("saga(): outside a run it is a call", async () => {
  assertEquals(await saga(() => step("a", () => 1, { undo: fail("never") })), 1);
  const error = await saga(5 as never).then(() => undefined, (e: Error) => e);
  assert(error instanceof TypeError, "Expected a TypeError");
});

for (const how of ["cancel", "race"] as const) {
  test(
    `undo: a step that runs when its ${
      how === "race" ? "race is lost" : "run is cancelled"
    } is waited for, and taken back`,
    async () => {
      const begun = createGate();
      const told: string[] = [];
      const { error, records } = await runTrial({
        main: workflow(async () => {
          const booking = () =>
            step("book", async () => {
              const { signal } = taskInfo();
              begun.open();
              // It ends of itself when it is told to hurry; its effect is there by then.
              if (!signal.aborted) {
                await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
              }
              told.push((signal.reason as Error).name);
              return "booked";
            }, { undo: (result) => void told.push(`undo ${result}`) });
          if (how === "cancel") await booking();
          await race([booking, () => sleep(1)]);
          throw new Error("No");
        }),
        during: async ({ host }, run) => {
          if (how !== "cancel") return;
          await host.drive(begun.promise);
          await host.drive(run.cancel("enough"));
        },
      });
      assertEquals(error?.message, how === "cancel" ? "enough" : "No");
      assertEquals(told, ["CancelledError", "undo booked"]);
      assertEquals(settledKeys(records).filter((key) => key.startsWith("book")), ["book", "book#undo"]);
    },
    noAsyncLocalStorage,
  );
}

test("a body that swallows its cancellation and calls on, in a loop, does not keep the process", async () => {
  let calls = 0;
  const { error } = await runTrial({
    main: workflow(async () => {
      await sleep(1).catch(() => undefined);
      for (;;) await step("s", () => calls++).catch(() => undefined);
    }),
    options: { cancelGraceMs: 1000 },
    during: async ({ host }, run) => {
      await host.settle();
      await host.drive(run.cancel("enough"));
    },
  });
  assertEquals([error?.message, calls], ["enough", 0]);
});

test("a branch that swallows the end of its race and calls on, in a loop, does not keep the process", async () => {
  const { value } = await runTrial({
    main: workflow(async () => {
      await race({
        stubborn: async () => {
          for (;;) await sleep(100).catch(() => undefined);
        },
        quick: () => sleep(1),
      });
      await sleep(5);
      return "on";
    }),
  });
  assertEquals(value, "on");
}, noAsyncLocalStorage);
