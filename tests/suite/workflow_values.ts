/** Time, chance, versions, progress and log of a body: the same live, on replay, and after a crash between any two records. */
import {
  cancelSignal,
  log,
  NonRetryableError,
  now,
  parallel,
  patched,
  progress,
  random,
  RetryAfterError,
  sleep,
  sleepUntil,
  step,
  task,
  TaskError,
  taskInfo,
  uuid,
  workflow,
} from "@windkit/windmill-client/workflow";
import { createEngine, type Json } from "@windkit/windmill-client/engine";
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import { bothWays, createGate, fromEveryCut, runTrial, settledKeys } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { test } from "./harness.ts";

test("now(): is recorded: a replay, whenever it is, gives the first time again", async () => {
  const { value, records } = await bothWays(() => ({
    main: workflow(async () => {
      const first = now();
      await sleep(10);
      const second = now();
      await step("after", () => 1);
      return [second - first, now() - second];
    }),
  }));
  assertEquals(value, [10_000, 0]);
  assertEquals(records.filter((r) => r.t === "marker").length, 3);
});

test("now(): after a crash anywhere the recorded times stand, and the others are of then", async () => {
  await fromEveryCut(() => {
    const seen: number[] = [];
    return {
      main: workflow(async () => {
        const times = [now()];
        for (let i = 0; i < 3; i++) {
          await step("s", () => i);
          times.push(now());
        }
        seen.push(...times);
        return times.every((time, i) => i === 0 || time >= (times[i - 1] ?? 0));
      }),
    };
  });
});

test("now(): concurrent branches get their own markers back, in any order", async () => {
  await bothWays(() => ({
    main: workflow(async () =>
      await parallel([3, 1, 2], async (n) => {
        const before = now();
        await sleep(n);
        return now() - before;
      })
    ),
  }));
});

test("now(): a marker at another place is a mismatch that says so", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const make = (early: boolean) =>
    workflow(async () => {
      if (early) now();
      await step("a", () => 1);
      if (!early) now();
      await sleep(1000);
    });
  const engine = await createEngine({ storage, host, workflows: { main: make(false) } });
  const { id } = await host.drive(engine.start("main"));
  await host.settle();
  await engine.close();
  const later = await createEngine({ storage: storage.fork(), host, workflows: { main: make(true) } });
  const error = await host.drive((await later.run(id)).result().catch((e: Error) => e)) as Error;
  assertEquals(error.name, "ReplayMismatchError");
  assertIncludes(error.message, "now");
  await later.close();
});

test("random() and uuid(): are the run's own, the same on every replay, and differ between runs", async () => {
  const make = () => ({
    main: workflow(async () => {
      const drawn: Json[] = [random(), uuid()];
      await step("s", () => 1);
      drawn.push(random(), uuid());
      await sleep(5);
      return [...drawn, random()];
    }),
  });
  const first = await fromEveryCut(make);
  const values = first.value as readonly (number | string)[];
  assertEquals(new Set(values).size, 5);
  for (const value of values) {
    if (typeof value === "number") assert(value >= 0 && value < 1, `Expected a number below 1, found ${value}`);
    else assert(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(value), value);
  }
  const { value: other } = await runTrial(make());
  assert(JSON.stringify(other) !== JSON.stringify(values), "Expected two runs to draw different values");
  const { value: live } = await bothWays(() => ({
    // What is drawn decides about a call: drawn differently, it would be a mismatch.
    main: workflow(async () => await step(`s${Math.floor(random() * 1e9)}`, () => 1)),
    start: { runId: "same" },
    options: { host: { ...createVirtualHost(), random: (bytes: number) => new Uint8Array(bytes).fill(7) } },
  }));
  assertEquals(live, 1);
});

test("random(): its numbers are spread evenly", async () => {
  const { value } = await runTrial({
    main: workflow(() => {
      const buckets = Array.from({ length: 10 }, () => 0);
      for (let i = 0; i < 10_000; i++) buckets[Math.floor(random() * 10)]! += 1;
      return Promise.resolve(buckets);
    }),
  });
  // Each has 1,000 on average; 6 standard deviations are 180.
  for (const count of value as number[]) assert(Math.abs(count - 1000) < 180, `Expected about 1000, found ${count}`);
});

test("values: outside a run, and in the body of a step, they are plain", async () => {
  assert(Math.abs(now() - Date.now()) < 60_000, "Expected now() to be the time");
  assert(uuid() !== uuid(), "Expected two UUIDs to differ");
  assert(random() < 1, "Expected a number below 1");
  assertEquals([patched("x"), cancelSignal().aborted], [true, false]);
  progress({ done: 1 });
  const { records } = await runTrial({
    main: workflow(async () => {
      await step("s", () => {
        progress(1);
        return [now(), random(), uuid(), patched("x")].length;
      });
    }),
  });
  assertEquals(records.filter((r) => r.t === "marker").length, 0);
});

test("patched(): runs that are beyond it go the old way, others the new one; the first answer stands", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const old = workflow(async () => {
    const a = await step("a", () => "old");
    await sleep(100);
    return [a];
  });
  const patch = workflow(async () => {
    const a = patched("p") ? await step("a2", () => "new") : await step("a", () => "old");
    await sleep(100);
    const again = patched("p");
    return [a, again, patched("q")];
  });
  const first = await createEngine({ storage, host, workflows: { main: old } });
  const { id } = await host.drive(first.start("main"));
  await host.settle();
  await first.close();
  const second = await createEngine({ storage: storage.fork(), host, workflows: { main: patch } });
  const fresh = await host.drive(second.start("main"));
  // What comes after the recorded part is new: `q` is asked for there.
  assertEquals(await host.drive((await second.run(id)).result()), ["old", false, true]);
  assertEquals(await host.drive(fresh.result()), ["new", true, true]);
  await second.close();
  await fromEveryCut(() => ({ main: patch }));
});

test("patched(): wants an id", () => {
  let error: unknown;
  try {
    patched("");
  } catch (e) {
    error = e;
  }
  assertIncludes((error as Error).message, "must be text that is not empty");
});

test("log(): each line is told once, however often the body is replayed", async () => {
  const lines: string[] = [];
  const make = () => ({
    main: workflow(async () => {
      log("one", { n: 1 });
      await step("s", () => {
        log("in a step");
      });
      log("two", undefined, "warn");
      await sleep(10);
      log("three");
    }),
    options: {
      onEvent: (e: { readonly event: string; readonly message?: string; readonly level?: string }) => {
        if (e.event === "log") lines.push(`${e.level} ${e.message}`);
      },
    },
  });
  for (const replay of ["when-needed", "always"] as const) {
    lines.length = 0;
    await runTrial(make(), replay);
    assertEquals(lines, ["info one", "info in a step", "warn two", "info three"]);
  }
});

test("sleepUntil(): waits until the date, takes its three forms, and refuses others", async () => {
  const { value, records } = await bothWays(() => ({
    main: workflow(async () => {
      const start = now();
      await sleepUntil(new Date(start + 500));
      await sleepUntil(new Date(start + 1500).toISOString());
      await sleepUntil(start + 2000);
      await sleepUntil(start - 1000);
      return now() - start;
    }),
  }));
  assertEquals(value, 2000);
  assertEquals(settledKeys(records), ["sleep", "sleep_2", "sleep_3", "sleep_4"]);
  for (const bad of ["soon", NaN, new Date(NaN), Infinity] as const) {
    const error = await sleepUntil(bad).then(() => undefined, (e: Error) => e);
    assertIncludes(error?.message ?? "", "expected a date");
  }
});

test("step(): is repeated by its policy, under a task's keys", async () => {
  const { value, records } = await bothWays(() => {
    let tries = 0;
    return {
      main: workflow(async () =>
        await step("s", () => {
          tries++;
          if (taskInfo().attempt < 3) throw new Error(`no ${taskInfo().attempt}`);
          return taskInfo().attempt;
        }, { retry: { attempts: 3, delay: 2, multiplier: 2 } })
      ),
    };
  });
  assertEquals(value, 3);
  assertEquals(settledKeys(records), ["s", "s#retry2", "s#2", "s#retry3", "s#3"]);
});

test("step(): a policy out of range, or an undo that is no function, is refused before anything runs", async () => {
  let ran = 0;
  const { value } = await runTrial({
    main: workflow(async () => {
      const errors: string[] = [];
      for (const options of [{ retry: { attempts: 101 } }, { undo: 5 as never }, { undoRetry: { attempts: -1 } }]) {
        await step("s", () => ran++, options).catch((e: Error) => errors.push(e.message));
      }
      return errors;
    }),
  });
  assertEquals(ran, 0);
  assertEquals((value as string[]).map((text) => text.split(":")[0]), [
    "Cannot run a step",
    "Cannot use 'undo'",
    "Cannot repeat an undo",
  ]);
});

for (const kind of ["step", "task"] as const) {
  test(`${kind}: NonRetryableError ends the attempts, RetryAfterError lengthens the delay`, async () => {
    const { value, records } = await bothWays(() => ({
      main: workflow(async () => {
        const run = (name: string, fn: () => unknown) =>
          kind === "step"
            ? step(name, fn, { retry: { attempts: 3, delay: 1 } })
            : task(name, fn as () => Promise<unknown>, { retry: { attempts: 3, delay: 1 } })();
        const never = await run("never", () => {
          throw new NonRetryableError("expired");
        }).catch((e: unknown) => e instanceof TaskError ? e.message : "");
        const start = now();
        const late = await run("late", () => {
          if (taskInfo().attempt === 1) throw new RetryAfterError("busy", 6.5);
          return taskInfo().attempt;
        });
        return [never, late, now() - start];
      }),
    }));
    assertEquals(value, ["expired", 2, 7000]);
    assertEquals(settledKeys(records), ["never", "late", "late#retry2", "late#2"]);
  });
}

test("RetryAfterError: takes seconds or a date, and refuses others", () => {
  assertEquals(new RetryAfterError("x", 2).retryAfterMs, 2000);
  const { retryAfterMs } = new RetryAfterError("x", new Date(Date.now() + 60_000));
  assert(retryAfterMs > 50_000 && retryAfterMs <= 60_000, `Expected about a minute, found ${retryAfterMs}`);
  for (const bad of [-1, NaN, Infinity, new Date(NaN)]) {
    let message = "";
    try {
      new RetryAfterError("x", bad);
    } catch (error) {
      ({ message } = error as Error);
    }
    assertIncludes(message, "'after' must be");
  }
});

test("parallel(): collect runs all items and tells each one's end; concurrency holds", async () => {
  const { value } = await bothWays(() => {
    return {
      main: workflow(async () => {
        let running = 0;
        let most = 0;
        const ends = await parallel([1, 2, 3, 4, 5], async (n) => {
          most = Math.max(most, ++running);
          try {
            return await step(`s${n}`, () => {
              if (n % 2 === 0) throw new Error(`no ${n}`);
              return n;
            });
          } finally {
            running--;
          }
        }, { concurrency: 2, onError: "collect" });
        return [ends.map((e) => e.status === "fulfilled" ? e.value : (e.reason as Error).message), most];
      }),
    };
  });
  assertEquals(value, [[1, "no 2", 3, "no 4", 5], 2]);
});

test("parallel(): refuses an 'onError' that is neither", async () => {
  const error = await parallel([1], (n) => n, { onError: "stop" as never }).then(() => undefined, (e: Error) => e);
  assertIncludes(error?.message ?? "", '"fail-fast" or "collect"');
});

test("cancelSignal(): is aborted by a cancel, live and on replay, with its reason", async () => {
  const seen: unknown[] = [];
  const gate = createGate();
  const { error } = await runTrial({
    main: workflow(async () => {
      const signal = cancelSignal();
      signal.addEventListener("abort", () => seen.push((signal.reason as Error).name));
      await step("first", () => gate.open());
      await sleep(1000).catch((e: Error) => seen.push(e.name));
      seen.push(cancelSignal().aborted);
    }),
    during: async ({ host }, run) => {
      await host.drive(gate.promise);
      await host.settle();
      await host.drive(run.cancel("enough"));
    },
  });
  assertEquals(error?.name, "CancelledError");
  assertEquals(seen, ["CancelledError", "CancelledError", true]);
});
