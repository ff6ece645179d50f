/** The language's own combinators over calls: they see every call, and the order of outcomes is recorded. */
import { parallel, sleep, step, task, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import { bothWays, createGate, type Ended, runTrial, settledKeys, type Trial, withEngine } from "./_engine_kit.ts";
import { assertEquals, assertIncludes } from "./assert.ts";
import { test } from "./harness.ts";

function ended(main: (...args: never[]) => unknown, options: Partial<Trial> = {}): Promise<Ended> {
  return bothWays(() => ({ main: workflow(main), ...options }));
}

const ok = task("ok", (n: number) => n);
const bad = task("bad", (n: number) => {
  throw new Error(`Refused ${n}`);
});
/** Resolves after `turns` microtasks, so that calls end in an order of the case's choosing. */
const late = task("late", async (n: number, turns: number) => {
  for (let i = 0; i < turns; i++) await Promise.resolve();
  return n;
});

test("Promise.all: gives all results", async () => {
  const { value } = await ended(() => Promise.all([ok(1), late(2, 9), step("s", () => 3), 4]));
  assertEquals(value, [1, 2, 3, 4]);
});

test("Promise.all: rejects with the first failure, and the others are recorded", async () => {
  const { error, records } = await ended(() => Promise.all([late(1, 9), bad(2), ok(3)]));
  assertEquals([error?.message, settledKeys(records).toSorted()], ["Refused 2", ["bad", "late", "ok"]]);
});

test("Promise.allSettled: sees every one of several tasks", async () => {
  const { value } = await ended(async () => {
    const all = await Promise.allSettled([bad(1), ok(2), late(3, 5), bad(4)]);
    return all.map((s) => s.status === "fulfilled" ? s.value : (s.reason as Error).message);
  });
  assertEquals(value, ["Refused 1", 2, 3, "Refused 4"]);
});

test("Promise.any: gives the first success of several tasks", async () => {
  assertEquals((await ended(() => Promise.any([bad(1), late(2, 20), ok(3)]))).value, 3);
});

test("Promise.any: rejects with all failures when there is no success", async () => {
  const { value } = await ended(async () => {
    try {
      return await Promise.any([bad(1), bad(2)]);
    } catch (e) {
      return (e as AggregateError).errors.map((x: Error) => x.message);
    }
  });
  assertEquals(value, ["Refused 1", "Refused 2"]);
});

test("Promise.race: gives what ended first, on every replay", async () => {
  const { value } = await ended(async () => {
    const first = await Promise.race([late(1, 40), late(2, 1)]);
    await step("s", () => 0);
    return first;
  });
  assertEquals(value, 2);
});

test("Promise.race: a sleep is a timeout for a task", async () => {
  const { value } = await bothWays(() => {
    const gate = createGate<number>();
    return {
      main: workflow(async () => {
        const winner = await Promise.race([task("slow", () => gate.promise)(), sleep(5).then(() => "timeout")]);
        await step("s", () => gate.open(1));
        return winner;
      }),
    };
  });
  assertEquals(value, "timeout");
});

test("Promise.race: an approval that loses is given up", async () => {
  const { value, records } = await ended(() => Promise.race([waitForApproval().then(() => 1), sleep(5).then(() => 2)]));
  assertEquals([value, settledKeys(records)], [2, ["sleep"]]);
});

test("await: calls made before and awaited later have run meanwhile", async () => {
  const { value } = await ended(async () => {
    const one = ok(1);
    const two = late(2, 3);
    const three = await step("s", () => 3);
    return [await two, await one, three];
  });
  assertEquals(value, [2, 1, 3]);
});

test("await: one call may be awaited many times, and by then, catch and finally", async () => {
  const { value } = await ended(async () => {
    const seen: unknown[] = [];
    const call = ok(1);
    seen.push(await call, await call, await call.then((n) => n + 1));
    const failing = bad(1);
    seen.push(await failing.catch((e: Error) => e.message), await failing.then(undefined, () => "second"));
    await call.finally(() => void seen.push("finally"));
    seen.push(call instanceof Promise, Object.prototype.toString.call(call));
    return seen;
  });
  assertEquals(value, [1, 1, 2, "Refused 1", "second", "finally", true, "[object Promise]"]);
});

test("branches: each goes on by itself, and a replay keeps their order", async () => {
  const { value } = await ended(async () => {
    const order: string[] = [];
    const branch = async (name: string, turns: number): Promise<void> => {
      for (let i = 0; i < 4; i++) {
        await late(i, turns);
        await step(`${name}${i}`, () => 0);
        order.push(`${name}${i}`);
      }
    };
    await Promise.all([branch("a", 1), branch("b", 7), branch("c", 3)]);
    return order.length;
  });
  assertEquals(value, 12);
});

test("branches: a branch that only computes between two calls is not overtaken on replay", async () => {
  const { value } = await ended(async () => {
    const order: string[] = [];
    const computing = async (): Promise<void> => {
      await ok(1);
      for (let i = 0; i < 500; i++) await null;
      order.push("computed");
      await step("computed", () => 0);
    };
    const calling = async (): Promise<void> => {
      await ok(2);
      await step("called", () => 0);
      order.push("called");
    };
    await Promise.all([computing(), calling()]);
    return order;
  });
  assertEquals(value, ["computed", "called"]);
});

test("generators: an async generator may call", async () => {
  const { value } = await ended(async () => {
    async function* squares(): AsyncGenerator<number> {
      for (let i = 1; i <= 3; i++) yield await step("square", () => i * i);
    }
    const all: number[] = [];
    for await (const n of squares()) all.push(n);
    return all;
  });
  assertEquals(value, [1, 4, 9]);
});

/** Warnings that a body causes live. */
async function notices(main: (...args: never[]) => unknown): Promise<readonly string[]> {
  const { events } = await runTrial({ main: workflow(main) });
  return events.flatMap((e) => e.event === "warning" ? [e.message] : []);
}

test("confluence: the same name in two branches after a wait is noticed once, with the cure", async () => {
  const found = await notices(async () => {
    const branch = async (n: number, turns: number): Promise<void> => {
      await late(n, turns);
      for (let i = 0; i < 3; i++) await step("save", () => n);
    };
    await Promise.all([branch(1, 5), branch(2, 1), branch(3, 3)]);
  });
  assertEquals(found.length, 1);
  assertIncludes(found[0] ?? "", '"save" is called from branches that run at the same time');
  assertIncludes(found[0] ?? "", "give each branch a name of its own");
});

test("confluence: a replay does not repeat the notice", async () => {
  const { events } = await runTrial({
    main: workflow(async () => {
      const branch = async (n: number): Promise<void> => {
        await late(n, n);
        await step("save", () => n);
      };
      await Promise.all([branch(1), branch(2)]);
      for (let i = 0; i < 3; i++) await sleep(1);
    }),
    options: { maxParkedInMemory: 0 },
  });
  assertEquals(events.filter((e) => e.event === "run_resumed").length, 3);
  assertEquals(events.filter((e) => e.event === "warning").length, 1);
});

for (
  const [what, main] of [
    ["sequential code", async () => {
      for (let i = 0; i < 5; i++) await step("save", () => i);
    }],
    ["parallel() over one task", () => parallel([1, 2, 3, 4, 5, 6], (n) => late(n, 7 - n), { concurrency: 2 })],
    ["calls made at once", async () => {
      await Promise.all([1, 2, 3].map((n) => late(n, 4 - n)));
      await Promise.all([1, 2, 3].map((n) => late(n, 4 - n)));
    }],
    ["branches with names of their own", async () => {
      await Promise.all([1, 2, 3].map(async (n) => {
        await late(n, 4 - n);
        await step(`save ${n}`, () => n);
      }));
    }],
    ["a loop in one branch beside another that calls other names", async () => {
      const loop = async (name: string): Promise<void> => {
        for (let i = 0; i < 4; i++) await step(name, () => i);
      };
      await Promise.all([loop("a"), loop("b")]);
    }],
    ["a task with retries", async () => {
      let runs = 0;
      const flaky = task("flaky", () => {
        if (runs++ % 2 === 0) throw new Error("Again");
      }, { retry: { attempts: 1 } });
      await flaky();
      await flaky();
    }],
  ] as const satisfies readonly (readonly [string, () => Promise<unknown>])[]
) {
  test(`confluence: nothing is noticed in ${what}`, async () => {
    assertEquals(await notices(main), []);
  });
}

test("confluence: a run that is not confluent agrees with itself on every replay", async () => {
  const main = workflow(async () => {
    const order: string[] = [];
    const branch = async (n: number): Promise<void> => {
      await late(n, (n * 7) % 5);
      order.push(await step("save", () => `${n}`));
    };
    await Promise.all([1, 2, 3, 4, 5].map(branch));
    await sleep(1);
    return order;
  });
  await withEngine({ workflows: { main }, maxParkedInMemory: 0 }, async ({ engine, host }) => {
    const run = await engine.start("main");
    const value = await host.drive(run.result());
    const records = await engine.journal(run.id);
    const saved = records.flatMap((r) =>
      r.t === "settled" && r.outcome.ok && r.key.startsWith("save") ? [r.outcome.value] : []
    );
    // The replay after the sleep gave each branch the key, and so the value, that it had before.
    assertEquals(JSON.stringify(value), `[${saved.join(",")}]`);
    assertEquals(engine.stats().replays, 1);
  });
});
