/** What the calls of a workflow give, live and replayed: tasks, steps, sleeps, approvals, parallel(). */
import {
  parallel,
  sleep,
  step,
  task,
  taskFlow,
  taskInfo,
  taskScript,
  waitForApproval,
  workflow,
} from "@windkit/windmill-client/workflow";
import type { JournalRecord, Json } from "@windkit/windmill-client/engine";
import {
  bothWays,
  createGate,
  type Ended,
  runTrial,
  settledKeys,
  startedKeys,
  type Trial,
  withEngine,
} from "./_engine_kit.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

function ended(main: (...args: never[]) => unknown, options: Partial<Trial> = {}): Promise<Ended> {
  return bothWays(() => ({ main: workflow(main), ...options }));
}

async function valueOf(main: (...args: never[]) => unknown, options: Partial<Trial> = {}): Promise<Json | undefined> {
  const { value, error } = await ended(main, options);
  if (error !== undefined) throw error;
  return value;
}

// --- Arguments of a run ---

for (
  const [what, main, args, expected] of [
    ["by name, whatever their order", (a: number, b: number) => [a, b], { b: 2, a: 1 }, [1, 2]],
    ["an array by position", (a: number, b: number) => [a, b], [1, 2], [1, 2]],
    ["an object for one destructured parameter", ({ a }: { a: number }) => a, { a: 1 }, 1],
    ["no arguments for one destructured parameter", ({ a = 5 }: { a?: number }) => a, {}, 5],
    ["an object in a list, for one parameter", (input: Json) => input, [{ a: 1 }], { a: 1 }],
    ["null as none", (...all: Json[]) => all.length, null, 0],
    ["text as the only one", (a: string) => a, "x", "x"],
    ["a missing one as undefined, so that its default counts", (a: number, b = 7) => [a, b], { a: 1 }, [1, 7]],
  ] satisfies readonly (readonly [string, (...args: never[]) => unknown, Json, Json])[]
) {
  test(`workflow: takes ${what}`, async () => {
    assertEquals(await valueOf(main, { args }), expected);
  });
}

// --- Tasks ---

test("task: every form of the call gives its result", async () => {
  const named = task(async function named(n: number) {
    return await Promise.resolve(n + 1);
  });
  const withPath = task("f/folder/path", (n: number) => n + 2);
  const withOptions = task(function plain(n: number) {
    return n + 3;
  }, { tag: "gpu", priority: 2 });
  const all = task("f/x", (n: number) => n + 4, { retry: { attempts: 1 } });
  const { value, records } = await ended(
    async () => [await named(0), await withPath(0), await withOptions(0), await all(0)],
  );
  assertEquals(value, [1, 2, 3, 4]);
  assertEquals(settledKeys(records), ["named", "f/folder/path", "plain", "f/x"]);
});

test("task: what is no function is refused where the task is made", async () => {
  await assertRejects(
    () => task("f/x", undefined as never),
    undefined,
    'Cannot make a task "f/x": expected a function',
  );
});

for (
  const [option, value] of [["attempts", 101], ["attempts", -1], ["attempts", 1.5], ["delay", -1], [
    "max_delay",
    NaN,
  ]] as const
) {
  test(`task: refuses retry.${option} = ${value} where the task is made`, async () => {
    const error = await assertRejects(() => task("t", () => 1, { retry: { attempts: 1, [option]: value } }));
    assert(error instanceof RangeError);
    assertIncludes(error.message, `retry.${option}`);
  });
}

for (const timeout of [0, -1, NaN]) {
  test(`task: refuses timeout = ${timeout} where the task is made`, async () => {
    await assertRejects(
      () => task("t", () => 1, { timeout }),
      undefined,
      "'timeout' must be a number of seconds above 0",
    );
  });
}

test("task: its arguments are recorded, and changing them later changes nothing", async () => {
  const seen: Json[] = [];
  const t = task("t", async (list: number[]) => {
    await Promise.resolve();
    seen.push([...list]);
    list.push(9);
    return list;
  });
  const value = await valueOf(async () => {
    const list = [1];
    const call = t(list);
    list.push(2);
    return [await call, list];
  });
  assertEquals(value, [[1, 9], [1, 2]]);
  assertEquals(seen, [[1], [1]]);
});

test("task: a failed attempt is repeated after its back-off, and back-offs overlap", async () => {
  const flaky = task("flaky", (n: number) => {
    if (taskInfo().attempt < 3) throw new Error(`Refused ${n}`);
    return n;
  }, { retry: { attempts: 2, delay: 10, multiplier: 2 } });
  const times: number[] = [];
  const { value } = await bothWays(() => ({
    main: workflow(async () => await Promise.all([flaky(1), flaky(2), flaky(3)])),
    during: async ({ host }, run) => {
      const start = host.now();
      await host.drive(run.result());
      times.push(host.now() - start);
    },
  }));
  assertEquals(value, [1, 2, 3]);
  assertEquals(times, [30_000, 30_000]); // 10 s + 20 s, not three times that
});

test("task: the last failure is thrown when no attempt is left", async () => {
  const t = task("t", () => {
    throw new Error(`Attempt ${taskInfo().attempt}`);
  }, { retry: { attempts: 2 } });
  const { error, records } = await ended(() => t());
  assertIncludes(error?.message ?? "", "Attempt 3");
  assertEquals(settledKeys(records), ["t", "t#2", "t#3"]);
});

test("taskInfo(): tells run, key, attempt and an idempotency key that all attempts share", async () => {
  const seen: unknown[] = [];
  await runTrial({
    main: workflow(async () => {
      const t = task("t", () => {
        const { runId, key, attempt, idempotencyKey, signal } = taskInfo();
        seen.push([runId, key, attempt, idempotencyKey, signal.aborted]);
        if (attempt === 1) throw new Error("Again");
      }, { retry: { attempts: 1 } });
      await t();
      await step("s", () => void seen.push(taskInfo().idempotencyKey));
    }),
    start: { runId: "run-1" },
  });
  assertEquals(seen, [
    ["run-1", "t", 1, "run-1/t", false],
    ["run-1", "t#2", 2, "run-1/t", false],
    "run-1/s",
  ]);
});

test("taskInfo(): throws outside the body of a task", async () => {
  assertIncludes((await assertRejects(() => taskInfo())).message, "inside the body of a task or step");
  const { error } = await ended(() => taskInfo());
  assertIncludes(error?.message ?? "", "inside the body of a task or step");
});

test("task: outside a run it is a plain call whose result has the recorded form", async () => {
  const t = task("t", (when: Date) => ({ when, none: undefined }));
  assertEquals(await t(new Date(0)), { when: "1970-01-01T00:00:00.000Z", none: null });
  await assertRejects(() => taskScript("f/x")(), "HOST_UNSUPPORTED", 'Cannot call taskScript("f/x") outside a run');
  await assertRejects(() => taskFlow("f/x")(), "HOST_UNSUPPORTED", "outside a run");
  await assertRejects(() => waitForApproval(), "HOST_UNSUPPORTED", "outside a run");
});

const nested: readonly (readonly [string, () => Promise<unknown>])[] = [
  ["step", () => step("inner", () => 1)],
  ["task", () => task("inner", () => 1)()],
  ["taskScript", () => taskScript("f/x")()],
  ["sleep", () => sleep(1)],
  ["waitForApproval", () => waitForApproval()],
];
for (const [name, call] of nested) {
  test(`task: ${name} inside the body of a task or step is a clear error`, async () => {
    const inside = async (): Promise<string> => {
      await Promise.resolve();
      try {
        await call();
        return "no error";
      } catch (error) {
        return (error as Error).message;
      }
    };
    const t = task("outer", () => inside());
    const value = await valueOf(async () => [await t(), await step("step", inside)]) as readonly string[];
    for (const [i, outer] of ["outer", "step"].entries()) {
      assertIncludes(value[i] ?? "", `inside the body of "${outer}": a task or step is recorded as one outcome`);
    }
  }, noAsyncLocalStorage);
}

// --- Values ---

const cyclic: Record<string, unknown> = {};
cyclic.self = { cyclic };

for (
  const [what, value, expected] of [
    ["undefined as null at every depth", { a: undefined, b: [undefined] }, { a: null, b: [null] }],
    ["a bigint as text", 12345678901234567890n, "12345678901234567890"],
    ["a Date as ISO text", [new Date(86400000)], ["1970-01-02T00:00:00.000Z"]],
    ["an invalid Date as null", new Date(NaN), null],
    ["NaN and the infinities as null", [NaN, Infinity, -Infinity, -0], [null, null, null, 0]],
    ["a Map and a Set as empty objects", [new Map([[1, 2]]), new Set([1])], [{}, {}]],
    ["functions and symbols as nothing", { f: () => 1, s: Symbol("s"), n: 1 }, { n: 1 }],
    ["functions in lists as null", [() => 1, Symbol("s")], [null, null]],
    ["a function on its own as null", () => 1, null],
    ["boxed values unboxed", [Object(1), Object("x"), Object(true)], [1, "x", true]],
    ["what toJSON gives", { toJSON: () => ({ given: 1 }) }, { given: 1 }],
    ["a sparse list with nulls", [, 1], [null, 1]],
    ["bytes by index", new Uint8Array([7, 8]), { 0: 7, 1: 8 }],
    ["emoji and accents", "naïve 🚀 \u2028", "naïve 🚀 \u2028"],
  ] as const satisfies readonly (readonly [string, unknown, Json])[]
) {
  test(`values: records ${what}`, async () => {
    const t = task("t", (v: unknown) => v);
    // The same for a step's result, a task's argument and result, and the run's result.
    assertEquals(await valueOf(async () => [await step("s", () => value), await t(value), value]), [
      expected,
      expected,
      expected,
    ]);
  });
}

test("values: keys of objects come back in jsonb's order, live as in replay", async () => {
  const orders: string[] = [];
  await ended(async () => {
    const got = await step("s", () => ({ bb: 1, a: 2, B: 3, aaa: 4, "é": 5 }));
    orders.push(Object.keys(got).join());
  });
  assertEquals([...new Set(orders)], ["B,a,bb,é,aaa"]);
});

for (
  const [what, value, path] of [
    ["U+0000", { items: [{ "na me": "a\0b" }] }, 'value.items[0]["na me"]: it contains U+0000'],
    ["a lone surrogate", ["\ud800"], "value[0]: it contains a lone surrogate"],
    ["U+0000 in a key", { "a\0": 1 }, "it contains U+0000"],
    ["a cycle", cyclic, "value.self.cyclic: it contains itself"],
  ] as const
) {
  test(`values: ${what} is refused with the path to it`, async () => {
    const t = task("t", (v: unknown) => v);
    const messages = await valueOf(async () => {
      const found: string[] = [];
      for (const call of [() => step("s", () => value), () => t(value)]) {
        try {
          await call();
        } catch (error) {
          found.push((error as Error).message);
        }
      }
      return found;
    }) as readonly string[];
    assertEquals(messages.length, 2);
    assertIncludes(messages[0] ?? "", path);
    // A task's argument stands in the list of them.
    assertIncludes(messages[1] ?? "", path.replace("value", "value[0]"));
    const { error } = await ended(() => value);
    assertIncludes(error?.message ?? "", path);
  });
}

test("values: a result nested 2,000 deep is recorded", async () => {
  const value = await valueOf(async () => {
    let deep: unknown = "bottom";
    for (let i = 0; i < 2000; i++) deep = [deep];
    let got: unknown = await step("s", () => deep);
    let depth = 0;
    for (; Array.isArray(got); depth++) got = got[0];
    return [depth, got as string];
  });
  assertEquals(value, [2000, "bottom"]);
});

test("values: a result too deep to be written fails its call, and the run goes on", async () => {
  const value = await valueOf(async () => {
    try {
      await step("s", () => {
        let deep: unknown = 0;
        for (let i = 0; i < 200_000; i++) deep = { deep };
        return deep;
      });
      return "recorded";
    } catch (error) {
      return (error as Error).name;
    }
  });
  assertEquals(value, "TaskError");
});

// --- Suspension ---

test("suspension: try, catch and finally see nothing of it", async () => {
  const seen: string[] = [];
  const main = workflow(async () => {
    try {
      await sleep(60);
      await waitForApproval({ timeout: 60 });
      await step("s", () => 1);
      return "end";
    } catch (error) {
      seen.push(`catch ${error}`);
      throw error;
    } finally {
      seen.push("finally");
    }
  });
  const live = await runTrial({ main, options: { maxParkedInMemory: 0 } });
  assertEquals([live.value, seen], ["end", ["finally"]]);
  const replayed = await runTrial({ main }, "always");
  assertEquals([replayed.value, seen], ["end", ["finally", "finally"]]);
});

// --- Sleep ---

test("sleep(): ends after its time, to the millisecond, also below a second and beyond 24.8 days", async () => {
  const times: number[] = [];
  await bothWays(() => ({
    main: workflow(async (s: number) => void await sleep(s)),
    args: { s: 0.25 },
    during: async ({ engine, host }, run) => {
      const start = host.now();
      await host.drive(run.result());
      const long = await host.drive(engine.start("main", { s: 100 * 86400 }));
      const before = host.now();
      await host.drive(long.result());
      times.push(before - start, host.now() - before);
    },
  }));
  assertEquals(times, [250, 8_640_000_000, 250, 8_640_000_000]);
});

test("sleep(): sleeps overlap each other and tasks", async () => {
  const value = await valueOf(async () => {
    const order: string[] = [];
    const note = (name: string) => (): void => void order.push(name);
    await Promise.all([sleep(3).then(note("3")), sleep(1).then(note("1")), step("s", () => 1).then(note("s"))]);
    return order;
  });
  assertEquals(value, ["s", "1", "3"]);
});

for (const seconds of [-1, NaN, Infinity, "1" as unknown as number]) {
  test(`sleep(): refuses ${JSON.stringify(seconds)} of ${typeof seconds} (${seconds})`, async () => {
    const { error } = await ended(() => sleep(seconds));
    assertIncludes(error?.message ?? "", "'seconds' must be a number from 0 to 4294967295");
  });
}

test("sleep(0): is a call of its own that ends at once", async () => {
  assertEquals(settledKeys((await ended(() => sleep(0))).records), ["sleep"]);
});

// --- parallel() ---

test("parallel(): gives the results in the items' order", async () => {
  const t = task("t", async (n: number) => {
    for (let i = 0; i < 5 - n; i++) await Promise.resolve();
    return n * n;
  });
  assertEquals(await valueOf(() => parallel([1, 2, 3, 4], (n) => t(n), { concurrency: 3 })), [1, 4, 9, 16]);
});

for (const [concurrency, most] of [[undefined, 7], [0, 7], [-3, 7], [1, 1], [3, 3], [2.9, 2], [100, 7]] as const) {
  test(`parallel(): with concurrency ${concurrency} at most ${most} of 7 run at once`, async () => {
    let now = 0, highest = 0;
    const { value } = await bothWays(() => {
      now = highest = 0;
      const t = task("t", async (n: number) => {
        highest = Math.max(highest, ++now);
        await Promise.resolve();
        now--;
        return n;
      });
      return {
        main: workflow(async () =>
          await parallel([1, 2, 3, 4, 5, 6, 7], (n) => t(n), concurrency === undefined ? {} : { concurrency })
        ),
      };
    });
    assertEquals([value, highest], [[1, 2, 3, 4, 5, 6, 7], most]);
  });
}

test("parallel(): the window slides: the next begins when any ends", async () => {
  const started = startedKeys(
    (await runTrial({
      main: workflow(async () => {
        const gate = createGate();
        const t = task("t", (n: number) => {
          if (n === 4) gate.open();
          return n === 1 ? gate.promise : undefined;
        });
        await parallel([1, 2, 3, 4], (n) => t(n), { concurrency: 2 });
      }),
    })).events,
  );
  assertEquals(started, ["t", "t_2", "t_3", "t_4"]);
});

test("parallel(): after a failure nothing begins, and what runs is waited for", async () => {
  const { error, records } = await ended(async () => {
    const t = task("t", (n: number) => {
      if (n === 2) throw new Error("Refused 2");
      return n;
    });
    await parallel([1, 2, 3, 4, 5, 6], (n) => t(n), { concurrency: 2 });
  });
  assertIncludes(error?.message ?? "", "Refused 2");
  assert(settledKeys(records).length <= 3);
});

test("parallel(): no items run nothing", async () => {
  assertEquals(await valueOf(() => parallel([], () => step("s", () => 1))), []);
});

test("parallel(): refuses a concurrency that is no number", async () => {
  const { error } = await ended(() => parallel([1], () => 1, { concurrency: NaN }));
  assertIncludes(error?.message ?? "", "'concurrency' must be a number, found NaN");
});

// --- Approvals ---

function approvalRecord(records: readonly JournalRecord[], key: string): JournalRecord | undefined {
  return records.find((r) => r.t === "settled" && r.key === key);
}

test("waitForApproval(): gives what the approver entered", async () => {
  const { value, records } = await bothWays(() => ({
    main: workflow(() => waitForApproval({ form: { type: "object" }, description: "Pay?", skin: "minimal" })),
    during: async ({ engine, host, events }, run) => {
      await host.settle();
      assertEquals(await engine.approvals(run.id), [{
        run: run.id,
        workflow: "main",
        key: "approval",
        form: { type: "object" },
        options: { skin: "minimal", description: "Pay?" },
        expiresAt: host.now() + 1_800_000,
      }]);
      assertEquals((await run.row()).waits, ["approval:approval"]);
      assert(events.some((e) => e.event === "approval_waiting" && e.key === "approval"));
      await host.drive(engine.approve(run.id, undefined, { value: { n: 1 }, approver: "ada" }));
    },
  }));
  assertEquals(value, { value: { n: 1 }, approver: "ada", approved: true });
  const settled = approvalRecord(records, "approval");
  assert(settled?.t === "settled" && settled.inbox !== undefined, "Expected the message that settled it");
});

test("waitForApproval(): a rejection is a result", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(() => waitForApproval()),
    during: async ({ engine, host }, run) => {
      await host.settle();
      await host.drive(engine.approve(run.id, "approval", { approved: false }));
    },
  }));
  assertEquals(value, { value: null, approver: "anonymous", approved: false });
});

test("waitForApproval(): a timeout is a result without an approver", async () => {
  const times: number[] = [];
  const { value } = await bothWays(() => ({
    main: workflow(() => waitForApproval({ timeout: 90 })),
    during: async ({ host }, run) => {
      const start = host.now();
      await host.drive(run.result());
      times.push(host.now() - start);
    },
  }));
  assertEquals([value, times], [{ value: null, approver: null, approved: false }, [90_000, 90_000]]);
});

test("waitForApproval(): answers that come before are kept, each for its key", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => {
      await sleep(5);
      const one = await waitForApproval({ key: "one" });
      await sleep(5);
      return [one.value, (await waitForApproval({ key: "two" })).value];
    }),
    during: async ({ engine, host }, run) => {
      await host.drive(engine.approve(run.id, "two", { value: 2 }));
      await host.drive(engine.approve(run.id, "one", { value: 1 }));
    },
  }));
  assertEquals(value, [1, 2]);
});

test("start() refuses an argument that is no parameter, and names both", async () => {
  const main = workflow(async (name: string, year: number = 2014) => `${name} ${year}`);
  await withEngine({ workflows: { main } }, async ({ engine }) => {
    const error = await assertRejects(() => engine.start("main", { nane: "Ada" }));
    assertIncludes(error.message, '"nane" is no parameter of it. Parameters: "name", "year"');
    assertEquals(await engine.runs(), []);
  });
});

test("waitForApproval(): the first of two answers counts", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => (await waitForApproval()).value),
    during: async ({ engine, host }, run) => {
      await host.settle();
      const answers = [1, 2, 1].map((value) => engine.approve(run.id, "approval", { value }));
      const settled = await host.drive(Promise.allSettled(answers));
      // The same answer twice is one answer; another one learns that it came too late.
      assertEquals(settled.map((s) => s.status), ["fulfilled", "rejected", "fulfilled"]);
      assertIncludes(String((settled[1] as PromiseRejectedResult).reason), "answered already");
    },
  }));
  assertEquals(value, 1);
});

test("waitForApproval(): several are waited for at once, answered in any order", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => {
      const answers = await Promise.all(["a", "b", "c"].map((key) => waitForApproval({ key })));
      return answers.map((a) => a.value);
    }),
    during: async ({ engine, host }, run) => {
      await host.settle();
      await assertRejects(() => engine.approve(run.id), undefined, 'it waits for "a", "b", "c": say which');
      for (const key of ["c", "a", "b"]) await host.drive(engine.approve(run.id, key, { value: key }));
    },
  }));
  assertEquals(value, ["a", "b", "c"]);
});

test("approve(): says what is wrong with an answer that comes too late", async () => {
  await runTrial({
    main: workflow(async () => {
      await waitForApproval({ key: "one" });
      await waitForApproval({ key: "two" });
    }),
    during: async ({ engine, host }, run) => {
      await host.settle();
      await host.drive(engine.approve(run.id));
      await assertRejects(() => engine.approve(run.id, "one"), undefined, "it was answered already");
      await host.drive(engine.approve(run.id));
      await host.drive(run.result());
      await assertRejects(() => engine.approve(run.id), "NOT_WAITING", "it has ended (completed)");
    },
  });
});

for (const timeout of [-1, 1.5, 4294967296, NaN]) {
  test(`waitForApproval(): refuses timeout = ${timeout}`, async () => {
    const { error } = await ended(() => waitForApproval({ timeout }));
    assertIncludes(error?.message ?? "", "'timeout' must be a whole number of seconds");
  });
}

test("values: one that is nested too deeply is refused, and the body sees it", async () => {
  const { value } = await bothWays(() => ({
    main: workflow(async () => {
      try {
        return await step("deep", () => {
          let value: unknown = 1;
          for (let i = 0; i < 200_000; i++) value = [value];
          return value;
        });
      } catch (error) {
        return (error as Error).message;
      }
    }),
  }));
  assertEquals(value, "Cannot record value: it is nested too deeply");
});

test("step() and workflow() refuse what is no function", async () => {
  await assertRejects(() => step("x", 5 as unknown as () => void), undefined, 'Cannot run step "x"');
  await assertRejects(() => workflow(5 as unknown as () => void), undefined, "Cannot make a workflow");
});

test("task: an argument that is undefined at the end leaves its parameter its default, on every host", async () => {
  const withDefault = task("t", async (a: number, b: number | undefined = 7) => await Promise.resolve([a, b]));
  const { value } = await bothWays(() => ({ main: workflow(async () => await withDefault(1, undefined)) }));
  assertEquals(value, [1, 7]);
  assertEquals(await withDefault(1, undefined), [1, 7]);
});

test("step: a name with U+0000 or a lone surrogate is refused at the call", async () => {
  for (const name of ["a\0b", "\ud800"]) {
    const error = await step(name, () => 1).then(() => undefined, (e: Error) => e);
    assertIncludes(error?.message ?? "", "without U+0000 and lone surrogates");
  }
});
