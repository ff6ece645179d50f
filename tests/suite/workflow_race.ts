/** race() and withTimeout(): the first counts, the rest is given up, on every replay alike. */
import { race, sleep, step, task, taskInfo, withTimeout, workflow } from "@windkit/windmill-client/workflow";
import { hasCode } from "@windkit/windmill-client/errors";
import { bothWays, createGate, fromEveryCut, runTrial, settledKeys } from "./_engine_kit.ts";
import { assertEquals, assertIncludes } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

test("race(): gives the first branch to finish, by name, and gives the others up", async () => {
  const { value, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      const first = await race({
        slow: async () => {
          await sleep(60);
          await step("never", () => 1);
          return "slow";
        },
        fast: async () => {
          await sleep(1);
          return "fast";
        },
      });
      await sleep(120);
      return first;
    }),
  }));
  assertEquals(value, { winner: "fast", value: "fast" });
  assertEquals(settledKeys(records), ["sleep_2", "sleep_3"]);
  assertEquals(records.flatMap((r) => r.t === "abandoned" ? [[r.key, r.why]] : []), [["sleep", "race"]]);
}, noAsyncLocalStorage);

test("race(): an array's winner is an index; live and replayed agree", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => await race([() => sleep(3), () => sleep(2), () => step("s", () => 7)])),
  }));
  assertEquals(value, { winner: 2, value: 7 });
}, noAsyncLocalStorage);

test("race(): the first to fail fails it; the others are given up", async () => {
  const { value } = await fromEveryCut(() => ({
    main: workflow(async () => {
      const message = await race({
        ends: () => sleep(5),
        fails: () =>
          step("bad", () => {
            throw new Error("No");
          }),
      }).then(() => "", (e: Error) => e.message);
      await sleep(10);
      return message;
    }),
  }));
  assertEquals(value, "No");
}, noAsyncLocalStorage);

test("race(): a loser's running task is aborted and its outcome does not count", async () => {
  const begun = createGate();
  const released = createGate();
  const reasons: string[] = [];
  const { value, records, events } = await runTrial({
    main: workflow(async () => {
      const first = await race({
        task: task("long", async () => {
          const { signal } = taskInfo();
          signal.addEventListener("abort", () => reasons.push((signal.reason as Error).name));
          begun.open();
          await released.promise;
          return "late";
        }),
        timer: () => sleep(1),
      });
      released.open();
      await step("after", () => 1);
      return first.winner;
    }),
    during: () => begun.promise,
  });
  assertEquals(value, "timer");
  assertEquals(reasons, ["CancelledError"]);
  assertEquals(settledKeys(records), ["sleep", "after"]);
  assertEquals(events.flatMap((e) => e.event === "call_dropped" ? [[e.key, e.why]] : []), [["long", "superseded"]]);
}, noAsyncLocalStorage);

test("race(): what loses sees CancelledError, cleans up, and can call nothing", async () => {
  const { value, records } = await fromEveryCut(() => {
    const seen: string[] = [];
    return {
      main: workflow(async () => {
        seen.length = 0;
        await race({
          loser: async () => {
            try {
              await sleep(100);
            } catch (error) {
              seen.push((error as Error).name);
              await step("too late", () => 1).catch((e: Error) => seen.push(e.name));
            } finally {
              seen.push("finally");
            }
          },
          winner: () => step("quick", () => 1),
        });
        await sleep(1);
        return seen;
      }),
    };
  });
  assertEquals(value, ["CancelledError", "CancelledError", "finally"]);
  assertEquals(settledKeys(records), ["quick", "sleep_2"]);
}, noAsyncLocalStorage);

test("race(): one within another, retries within a branch", async () => {
  const { value } = await fromEveryCut(() => ({
    main: workflow(async () => {
      const outer = await race({
        inner: () =>
          race([
            () => sleep(30),
            () =>
              step("flaky", () => {
                if (taskInfo().attempt < 2) throw new Error("again");
                return taskInfo().attempt;
              }, { retry: { attempts: 2, delay: 10 } }),
          ]),
        timer: () => sleep(20),
      });
      await sleep(60);
      return outer;
    }),
  }));
  assertEquals(value, { winner: "inner", value: { winner: 1, value: 2 } });
}, noAsyncLocalStorage);

test("race(): a branch that loses while it backs off is not tried again", async () => {
  const { value, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      const { winner } = await race({
        flaky: () =>
          step("flaky", () => {
            throw new Error("again");
          }, { retry: { attempts: 5, delay: 10 } }),
        timer: () => sleep(15),
      });
      await sleep(100);
      return winner;
    }),
  }));
  assertEquals(value, "timer");
  assertEquals(settledKeys(records), ["flaky", "flaky#retry2", "flaky#2", "sleep", "sleep_2"]);
}, noAsyncLocalStorage);

test("race(): refuses no branch, and a branch that is no function", async () => {
  const refused = async (run: () => Promise<unknown>): Promise<string> =>
    await run().then(() => "", (e: Error) => e.message);
  assertIncludes(await refused(() => race({})), "at least one branch");
  assertIncludes(await refused(() => race([sleep(0) as never])), 'branch "0" must be a function');
});

test("race() and withTimeout(): outside a run they are plain", async () => {
  assertEquals(await race({ a: () => Promise.resolve(1), b: () => new Promise(() => {}) }), { winner: "a", value: 1 });
  assertEquals(await withTimeout(60, () => Promise.resolve(2)), 2);
  assertEquals(await withTimeout(0, () => new Promise(() => {}), { onTimeout: 3 }), 3);
});

test("withTimeout(): gives what the function gives, and forgets its timer", async () => {
  const { value, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      const done = await withTimeout(10, async () => {
        await sleep(5);
        return await step("s", () => "done");
      });
      await sleep(20);
      return done;
    }),
  }));
  assertEquals(value, "done");
  assertEquals(records.flatMap((r) => r.t === "abandoned" ? [[r.key, r.why]] : []), [["timeout", "race"]]);
}, noAsyncLocalStorage);

test("withTimeout(): is over after its time, with an error of its own or a value", async () => {
  const { value } = await fromEveryCut(() => ({
    main: workflow(async () => {
      const error = await withTimeout(0.25, () => sleep(5)).catch((e: unknown) => e);
      const given = await withTimeout(1, () => sleep(5), { onTimeout: null });
      return [hasCode(error, "WAIT_TIMEOUT"), (error as Error).message, given];
    }),
  }));
  assertEquals(value, [true, "The time of 0.25 s was over", null]);
}, noAsyncLocalStorage);

test("withTimeout(): one that nobody catches fails the run by its name", async () => {
  const { error } = await bothWays(() => ({ main: workflow(async () => await withTimeout(1, () => sleep(5))) }));
  assertIncludes(error?.message ?? "", "The time of 1 s was over");
}, noAsyncLocalStorage);

test("withTimeout(): refuses a time that is none", async () => {
  for (const bad of [-1, NaN, Infinity, "1" as never]) {
    const error = await withTimeout(bad, () => 1).then(() => undefined, (e: Error) => e);
    assertIncludes(error?.message ?? "", "'seconds' must be");
  }
});

test("race(): an outcome that arrives together with the winner's is passed over on replay", async () => {
  // Both settle in one commit: the second record is there, and the body has given its call up.
  for (let i = 0; i < 3; i++) {
    const { value } = await fromEveryCut(() => {
      const gate = createGate();
      return {
        main: workflow(async () => {
          const first = await race([
            () => step("a", () => gate.promise),
            () => step("b", () => gate.promise),
            () => step("c", () => gate.open()),
          ]);
          await sleep(1);
          return first.winner >= 0;
        }),
      };
    });
    assertEquals(value, true);
  }
}, noAsyncLocalStorage);
