/** Replay: runs that are put aside and come back, and code that no longer fits a journal. */
import type { JournalRecord, WorkflowFunction } from "@windkit/windmill-client/engine";
import { createMemoryStorage, type MemoryStorage } from "@windkit/windmill-client/storage/memory";
import { parallel, sleep, step, task, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import { createGate, settledKeys, startedKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost, type VirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

// --- Putting aside ---

test("eviction: parked runs leave memory and come back for a timer, an approval, a cancel", async () => {
  let ran = 0;
  const main = workflow(async (n: number) => {
    const a = await step("a", () => (ran++, n));
    await sleep(10);
    const { value } = await waitForApproval();
    return [a, value, await step("b", () => (ran++, n * 2))];
  });
  await withEngine({ workflows: { main }, maxParkedInMemory: 0 }, async ({ engine, host }) => {
    const runs = await Promise.all([1, 2, 3].map((n) => engine.start("main", { n })));
    await host.settle();
    assertEquals([engine.stats().live, ran], [0, 3]);
    await host.advance(10_000);
    assertEquals(engine.stats().live, 0);
    for (const run of runs.slice(0, 2)) await host.drive(engine.approve(run.id, undefined, { value: run.id }));
    await host.drive(runs[2]?.cancel() ?? Promise.reject(new Error("No run")));
    for (const [i, run] of runs.slice(0, 2).entries()) {
      assertEquals(await host.drive(run.result()), [i + 1, run.id, (i + 1) * 2]);
    }
    await assertRejects(() => host.drive(runs[2]?.result() ?? Promise.resolve(null)), "CANCELLED");
    assertEquals(ran, 5);
    assertEquals(engine.stats().replays, 6);
  });
}, noAsyncLocalStorage);

test("eviction: the longest parked leaves first, and those in memory go on without a replay", async () => {
  const main = workflow(async () => (await waitForApproval()).value);
  await withEngine({ workflows: { main }, maxParkedInMemory: 2 }, async ({ engine, host }) => {
    for (const runId of ["a", "b", "c", "d"]) {
      await engine.start("main", {}, { runId });
      await host.settle();
    }
    assertEquals(engine.stats().live, 2);
    for (const [id, replays] of [["d", 0], ["c", 0], ["a", 1], ["b", 2]] as const) {
      await host.drive(engine.approve(id, undefined, { value: id }));
      assertEquals(await host.drive((await engine.run(id)).result()), id);
      assertEquals(engine.stats().replays, replays);
    }
  });
}, noAsyncLocalStorage);

test("eviction: an answer that comes in the moment of it is not lost", async () => {
  const main = workflow(async () => (await waitForApproval({ timeout: 4_000_000 })).value);
  await withEngine({ workflows: { main }, maxParkedInMemory: 1 }, async ({ engine, host }) => {
    const first = await engine.start("main", {}, { runId: "first" });
    await host.settle();
    for (let hops = 0; hops < 6; hops++) {
      const run = hops === 0 ? first : await engine.run(`other ${hops - 1}`);
      // Another run parks, which puts this one aside, while its answer is on the way.
      const answer = engine.approve(run.id, undefined, { value: run.id });
      for (let i = 0; i < hops; i++) await new Promise<void>((go) => host.hop(go));
      await Promise.all([answer, engine.start("main", {}, { runId: `other ${hops}` })]);
      await host.settle();
      assertEquals((await run.row()).state, "closed", `after ${hops} hops`);
    }
  });
}, noAsyncLocalStorage);

test("eviction: a run whose body has ended beside a sleep of a year is closed, not put aside until then", async () => {
  const main = workflow(async () => {
    await step("first", () => 1);
    return await Promise.race([step("second", () => 2), sleep(31_536_000)]);
  });
  await withEngine({ workflows: { main }, maxParkedInMemory: 0 }, async ({ engine, host, events }) => {
    const run = await engine.start("main", {});
    await host.settle();
    assertEquals((await run.row()).state, "closed");
    assertEquals(await run.result(), 2);
    assertEquals(events.filter(({ event }) => event === "run_parked"), []);
  });
});

test("eviction: 300 runs that are due at once all come back", async () => {
  const main = workflow(async (n: number) => {
    await sleep(60);
    return n;
  });
  await withEngine({ workflows: { main }, maxParkedInMemory: 0, maxActiveRuns: 16 }, async ({ engine, host }) => {
    const numbers = Array.from({ length: 300 }, (_, n) => n);
    const runs = await host.drive(Promise.all(numbers.map((n) => engine.start("main", { n }))));
    assertEquals(await host.drive(Promise.all(runs.map((run) => run.result()))), numbers);
  });
}, noAsyncLocalStorage);

test("recovery: parked runs are not replayed before their time", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const gate = createGate();
  const main = workflow(async (n: number) => {
    if (n === 0) await step("s", () => gate.promise);
    await sleep(1000 * n);
    return n;
  });
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    for (const n of [0, 1, 2, 3]) await engine.start("main", { n }, { runId: `r${n}` });
    await host.settle();
  });
  gate.open();
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    await host.settle();
    assertEquals(engine.stats().replays, 1); // the one that was active
    await host.advance(1_000_000);
    assertEquals(engine.stats().replays, 2);
    for (const n of [0, 1, 2, 3]) assertEquals(await host.drive((await engine.run(`r${n}`)).result()), n);
    assertEquals(engine.stats().replays, 4);
  });
}, noAsyncLocalStorage);

test("recovery: a time that passed while no engine ran counts at once", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const main = workflow(async () => {
    await sleep(60);
    const { approved } = await waitForApproval({ timeout: 60 });
    return approved;
  });
  await withEngine({ workflows: { main }, storage, host }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r" });
    await host.settle();
  });
  await host.advance(3_600_000);
  const before = host.now();
  await withEngine({ workflows: { main }, storage: storage.visit(), host }, async ({ engine }) => {
    await host.settle();
    await host.advance(200);
    assertEquals((await (await engine.run("r")).row()).waits, ["approval:approval"]);
    assertEquals(await host.drive((await engine.run("r")).result()), false);
    assert(host.now() - before >= 60_000, "The approval's time begins when it is asked for");
  });
});

// --- Live against replay ---

test("replay: a run goes on without one while it is in memory", async () => {
  const main = workflow(async () => {
    for (let i = 0; i < 20; i++) await step("s", () => i);
    await sleep(1);
    return await waitForApproval({ timeout: 1 });
  });
  await withEngine({ workflows: { main } }, async ({ engine, host }) => {
    await host.drive((await engine.start("main")).result());
    assertEquals(engine.stats().replays, 0);
  });
}, noAsyncLocalStorage);

test("replay: at every point of a run, an engine that starts there ends it the same, and runs nothing twice", async () => {
  const counts = new Map<string, number>();
  const count = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  const t = task("t", async (n: number) => {
    for (let i = 0; i < 7 - n; i++) await Promise.resolve();
    count(`t ${n}`);
    if (n === 3) throw new Error("Three");
    return n * n;
  });
  const main = workflow(async () => {
    const a = await step("a", () => (count("a"), 1));
    const list = await Promise.allSettled([1, 2, 3, 4].map((n) => t(n)));
    await Promise.all([sleep(5), sleep(1).then(() => step("after", () => count("after")))]);
    const rest = await parallel([5, 6, 7], (n) => t(n), { concurrency: 2 });
    return [a, list.map((s) => s.status), rest];
  });
  const expected = [1, ["fulfilled", "fulfilled", "rejected", "fulfilled"], [25, 36, 49]];
  const forks: MemoryStorage[] = [];
  const journals: (readonly JournalRecord[])[] = [];
  const host = createVirtualHost();
  const storage = createMemoryStorage();
  await withEngine({
    workflows: { main },
    storage,
    host,
    onEvent: (e) => e.event === "committed" && forks.push(storage.fork()),
  }, async ({ engine }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    assertEquals(await host.drive(run.result()), expected);
    journals.push(await engine.journal("r"));
  });
  assert(forks.length > 8, `Expected many commits, found ${forks.length}`);
  for (const [i, fork] of forks.entries()) {
    counts.clear();
    const later = createVirtualHost(host.now());
    await withEngine({ workflows: { main }, storage: fork, host: later }, async ({ engine }) => {
      const run = await engine.run("r");
      const before = settledKeys(await engine.journal("r"));
      assertEquals(await later.drive(run.result()), expected, `after commit ${i}`);
      const all = settledKeys(await engine.journal("r"));
      assertEquals(all.slice(0, before.length), before);
      assertEquals(all.toSorted(), settledKeys(journals[0] ?? []).toSorted());
      // Seven tasks and two steps that count: what was recorded did not run again.
      const counted = before.filter((key) => !key.startsWith("sleep")).length;
      assertEquals([...counts.values()].reduce((a, b) => a + b, 0), 9 - counted, `after commit ${i}`);
    });
  }
});

// --- Code that no longer fits ---

interface Stage {
  readonly storage: MemoryStorage;
  readonly host: VirtualHost;
}

/** Runs `before` until it waits for an approval, then opens another engine with `after` on the same data. */
async function change(
  before: WorkflowFunction,
  after: WorkflowFunction,
  use: (error: Error, stage: Stage) => unknown,
): Promise<void> {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  await withEngine({ workflows: { main: before }, storage, host }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r" });
    await host.advance(1);
    assertEquals((await engine.runs())[0]?.waits, ["approval:approval"]);
  });
  const journal = await dump(storage.visit());
  await withEngine({ workflows: { main: after }, storage: storage.visit(), host }, async ({ engine, events }) => {
    const run = await engine.run("r");
    await host.drive(engine.approve("r", "approval"));
    const error = await assertRejects(() => host.drive(run.result()), "REPLAY_MISMATCH", 'Cannot replay run "r"');
    assert(events.some((e) => e.event === "run_stopped" && e.run === "r" && e.error === error));
    assertEquals(await dump(storage.visit()), journal, "The journal was changed");
    assertEquals((await run.row()).state === "closed", false);
    await assertRejects(() => run.result(), "REPLAY_MISMATCH");
    await use(error, { storage, host });
  });
  // The code that began it ends it.
  await withEngine({ workflows: { main: before }, storage: storage.visit(), host }, async ({ engine }) => {
    assertEquals(await host.drive((await engine.run("r")).result()), "end");
  });
}

async function dump(storage: MemoryStorage): Promise<readonly string[]> {
  const texts: string[] = [];
  for await (const page of storage.journal("r")) texts.push(...page.map((r) => r.text));
  return texts;
}

function body(calls: () => Promise<unknown>): WorkflowFunction {
  return workflow(async () => {
    await calls();
    await waitForApproval({ timeout: 86_400 });
    return "end";
  });
}

const charge = task("charge", (card: { number: string; amount: number }) => card.amount);
const refund = task("refund", (card: { number: string; amount: number }) => card.amount);
const slow = task("slow", async (n: number) => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  return n;
});
const card = { number: "4000 0000 0000 0002", amount: 10 };

for (
  const [what, before, after, texts] of [
    ["a renamed step", () => step("load", () => 1), () => step("fetch", () => 1), [
      'recorded: record 1, step "load"',
      'asked:    step "fetch"',
    ]],
    ["other arguments", () => charge(card), () => charge({ ...card, amount: 11 }), [
      'task "charge" with [{"amount":10,',
      'task "charge" with [{"amount":11,',
      "differs:  the arguments, from character 12:",
    ]],
    ["another kind", () => step("charge", () => 1), () => charge(card), [
      'recorded: record 1, step "charge"',
      "differs:  the kind: step was recorded, task is asked for",
    ]],
    ["another sleep", () => sleep(0), () => sleep(60), ["sleep", "with 0", "with 60000"]],
    [
      "a removed call",
      async () => {
        await step("a", () => 1);
        await step("b", () => 1);
      },
      () => step("a", () => 1),
      ['step "b"', 'asked:    approval "approval"'],
    ],
    ["all calls removed", () => step("a", () => 1), () => Promise.resolve(), ['step "a"', 'approval "approval"']],
    ["an added call", () => step("b", () => 1), async () => {
      await step("a", () => 1);
      await step("b", () => 1);
    }, ['recorded: record 1, step "b"', 'asked:    step "a"']],
    ["reordered calls", async () => {
      await step("a", () => 1);
      await step("b", () => 1);
    }, async () => {
      await step("b", () => 1);
      await step("a", () => 1);
    }, ['recorded: record 1, step "a"', 'asked:    step "b"']],
    ["another task at the same place", () => charge(card), () => refund(card), ['task "charge"', 'task "refund"']],
    [
      "a call in a branch beside others",
      () => Promise.all([charge(card), step("x", () => 1), step("y", () => 2)]),
      () => Promise.all([charge(card), step("x", () => 1), step("z", () => 2)]),
      ['step "y"', 'asked:    step "z"'],
    ],
    [
      "a renamed call beside one that ended later",
      () => Promise.all([slow(1), step("x", () => 1)]),
      () => Promise.all([slow(1), step("y", () => 1)]),
      ['recorded: record 1, step "x"', 'asked:    step "y"'],
    ],
    [
      "other long arguments",
      () => charge({ number: "x".repeat(600), amount: 1 }),
      () => charge({ number: "y".repeat(600), amount: 1 }),
      ["arguments of digest", "too long to be kept in the journal"],
    ],
    ["a name that another call has now", () => task("a", () => 1)(), () => step("a", () => 1), [
      "differs:  the kind: task was recorded, step is asked for",
    ]],
  ] as const satisfies readonly (readonly [
    string,
    () => Promise<unknown>,
    () => Promise<unknown>,
    readonly string[],
  ])[]
) {
  test(`mismatch: ${what} stops the run with both sides and leaves the journal as it is`, async () => {
    await change(body(before), body(after), (error) => {
      for (const text of texts) assertIncludes(error.message, text);
      assertIncludes(error.message, "Put that into a step()");
    });
  });
}

test("mismatch: names where the call was made when it was recorded", async () => {
  await change(body(() => step("load", () => 1)), body(() => step("fetch", () => 1)), (error) => {
    assert(/step "load" at \S+:\d+:\d+/.test(error.message), `Expected a call site, found ${error.message}`);
  });
});

test("mismatch: a body that ends too early is one", async () => {
  const before = body(() => step("a", () => 1));
  await change(before, workflow(() => Promise.resolve("end")), (error) => {
    assertIncludes(error.message, "asked:    nothing at this point");
  });
});

test("mismatch: a body that waits for something else is given up, and says what is missing", async () => {
  const before = body(() => step("a", () => 1));
  await change(before, workflow(() => createGate().promise), (error) => {
    assertIncludes(error.message, 'recorded: record 1, step "a"');
  });
});

test("mismatch: stops one run, and the others go on", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  const before = body(() => step("a", () => 1));
  await withEngine({ workflows: { main: before, other: before }, storage, host }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r" });
    await engine.start("other", {}, { runId: "s" });
    await host.settle();
  });
  const after = body(() => step("b", () => 1));
  await withEngine(
    { workflows: { main: after, other: before }, storage: storage.visit(), host },
    async ({ engine }) => {
      for (const id of ["r", "s"]) await host.drive(engine.approve(id, "approval"));
      const [stopped, other] = [await engine.run("r"), await engine.run("s")];
      await assertRejects(() => host.drive(stopped.result()), "REPLAY_MISMATCH");
      assertEquals(await host.drive(other.result()), "end");
      await host.drive(engine.idle());
      // A run that cannot go on can still be ended.
      await host.drive(stopped.cancel("Not worth it"));
      await assertRejects(() => host.drive(stopped.result()), "CANCELLED", "Not worth it");
    },
  );
}, noAsyncLocalStorage);

test("mismatch: new calls after what is recorded are no mismatch", async () => {
  const storage = createMemoryStorage();
  const host = createVirtualHost();
  await withEngine({ workflows: { main: body(() => step("a", () => 1)) }, storage, host }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r" });
    await host.settle();
  });
  const longer = workflow(async () => {
    await step("a", () => 1);
    await waitForApproval({ timeout: 86_400 });
    return await step("more", () => "more");
  });
  await withEngine({ workflows: { main: longer }, storage: storage.visit(), host }, async (bench) => {
    await host.drive(bench.engine.approve("r", "approval"));
    assertEquals(await host.drive((await bench.engine.run("r")).result()), "more");
    assertEquals(startedKeys(bench.events), ["more"]);
  });
});
