/**
 * Removing what ended long ago, on any storage: what is still asked for by an id stays, and what is gone is gone whole.
 *
 * @module
 */
import {
  createEngine,
  type Engine,
  type EngineOptions,
  exportLines,
  type RunRow,
  type Storage,
  type WorkflowFunction,
  type Write,
} from "@windkit/windmill-client/engine";
import {
  childWorkflow,
  continueAsNew,
  parallel,
  saga,
  sleep,
  step,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import { createGate } from "./_engine_kit.ts";
import { createVirtualHost, type VirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";

/** Where the cases keep their runs. */
export interface PrunePlace {
  /** The same data again, as another process opens it; the first time, empty. */
  open(): Promise<Storage>;
}

/** One case. */
export interface PruneCase {
  readonly name: string;
  readonly run: (place: PrunePlace) => Promise<void>;
}

interface Bench {
  readonly engine: Engine;
  readonly host: VirtualHost;
  readonly storage: Storage;
}

async function withRuns(
  place: PrunePlace,
  workflows: Readonly<Record<string, WorkflowFunction>>,
  use: (bench: Bench) => Promise<void>,
  options: Partial<EngineOptions> & { readonly host?: VirtualHost } = {},
): Promise<void> {
  const { host = createVirtualHost(), ...rest } = options;
  const storage = await place.open();
  const engine = await createEngine({ workflows, ...rest, storage, host });
  try {
    await use({ engine, host, storage });
    assertEquals(engine.failed, undefined);
  } finally {
    await engine.close();
  }
}

/** Goes on as another run with each event, and ends with "end". */
function chainOf(begun: () => void = () => undefined): WorkflowFunction {
  return workflow(async (n = 0): Promise<unknown> => {
    await step("begin", begun);
    const said = await waitForEvent("go");
    return said === "end" ? n : await continueAsNew({ n: n + 1 });
  });
}

async function ids(engine: Engine): Promise<string> {
  return (await engine.runs()).map(({ id }) => id).join();
}

/** A promise that is waited for later, if the case comes so far. */
function awaited<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** A chain of runs, each of which ended ten seconds after the one before. */
async function goOn({ engine, host }: Bench, id: string, times: number): Promise<void> {
  await host.settle();
  for (let i = 0; i < times; i++) {
    await host.advance(10_000);
    await host.drive(engine.signal(id, "go"));
    await host.settle();
  }
}

const never = workflow(async () => await waitForEvent("never"));

/** The cases. */
export const PRUNE_CASES: readonly PruneCase[] = [];
const cases = PRUNE_CASES as PruneCase[];
function add(name: string, run: PruneCase["run"]): void {
  cases.push({ name: `prune(): ${name}`, run });
}

// --- Chains ---

add("a chain that goes on keeps its first run and what has not been removed, and is not begun again", async (place) => {
  let begun = 0;
  const host = createVirtualHost();
  const main = chainOf(() => void begun++);
  await withRuns(place, { main }, async (bench) => {
    const { engine } = bench;
    const run = await engine.start("main", {}, { runId: "r" });
    const result = awaited(run.result());
    await goOn(bench, "r", 6);
    assertEquals(begun, 7);
    assertEquals(await host.drive(engine.prune(15_000)), 3);
    assertEquals(await ids(engine), "r~6,r~5,r~4,r");
    assertEquals(await host.drive(engine.prune(15_000)), 0);
    await host.advance(1000);
    assertEquals(await host.drive(engine.prune(0)), 2);
    assertEquals(await ids(engine), "r~6,r");
    const again = await engine.start("main", {}, { runId: "r" });
    await host.settle();
    assertEquals([begun, again.id, await ids(engine)], [7, "r", "r~6,r"]);
    await assertRejects(() => engine.start("main", { n: 5 }, { runId: "r" }), "RUN_EXISTS");
    await assertRejects(() => engine.run("r~2"), "UNKNOWN_RUN");
    await goOn(bench, "r", 2);
    assertEquals(await host.drive(engine.prune(5000)), 1);
    assertEquals(await ids(engine), "r~8,r~7,r");
    await host.drive(engine.signal("r", "go", "end"));
    assertEquals([await host.drive(result), await host.drive(run.result()), await again.result()], [8, 8, 8]);
    // Its result is kept: it is not begun again either.
    await host.advance(20_000);
    assertEquals(await host.drive(engine.prune(30_000)), 0);
    assertEquals(await (await engine.start("main", {}, { runId: "r" })).result(), 8);
  }, { host });
  await withRuns(place, { main }, async ({ engine }) => {
    assertEquals(await (await engine.run("r")).result(), 8);
    await assertRejects(() => engine.signal("r", "go"), "NOT_WAITING", 'run "r~8": it has ended (completed)');
    await engine.cancel("r"); // has ended: nothing happens
    await host.advance(20_000);
    assertEquals(await host.drive(engine.prune(30_000)), 3);
    assertEquals(await ids(engine), "");
    await assertRejects(() => engine.run("r"), "UNKNOWN_RUN");
    await engine.start("main", {}, { runId: "r" });
    await host.settle();
    assertEquals(begun, 10);
  }, { host });
});

add("what is sent to the first run of a chain reaches the one that goes on", async (place) => {
  const main = workflow(async (n = 0): Promise<unknown> => {
    if (n < 5) {
      await sleep(10);
      return await continueAsNew({ n: n + 1 });
    }
    return [await waitForEvent("x"), (await waitForApproval()).value];
  });
  await withRuns(place, { main }, async ({ engine, host, storage }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    await host.advance(100_000);
    assertEquals(await host.drive(engine.prune(1000)), 4);
    assertEquals(await ids(engine), "r~5,r");
    // Another process knows the first id alone.
    const other = await place.open();
    const message = { id: "m", run: "r", kind: "event", name: "x", payload: '"b"', at: 1 } as const;
    await other.commit([{ w: "post", message }]);
    await other[Symbol.asyncDispose]();
    await engine.post({ ...message, id: "n", payload: '"c"' });
    await host.settle();
    for (let i = 0; i < 50 && (await engine.approvals("r")).length === 0; i++) await host.advance(100);
    assertEquals((await engine.approvals("r")).map((a) => a.run), ["r~5"]);
    await host.drive(engine.approve("r", undefined, { value: "c" }));
    const [first, second] = await host.drive(run.result()) as string[];
    assert(first === "b" || first === "c");
    assertEquals(second, "c");
    assertEquals(await storage.inbox("r", 9), []);
  });
});

add("a cancel reaches a chain, and so does one by its parent", async (place) => {
  const main = workflow(async () => await childWorkflow("leaf"));
  const leaf = chainOf();
  await withRuns(place, { main, leaf }, async (bench) => {
    const { engine, host } = bench;
    const run = await engine.start("main", {}, { runId: "r" });
    await goOn(bench, "r.1", 3);
    await host.advance(2000);
    assertEquals(await host.drive(engine.prune(1000)), 2);
    assertEquals(await ids(engine), "r.1~3,r.1,r");
    await host.drive(run.cancel("Enough"));
    await assertRejects(() => host.drive(run.result()), "CANCELLED");
    await host.settle();
    assertEquals((await (await engine.run("r.1~3")).row()).status, "cancelled");
    const other = await engine.start("leaf", {}, { runId: "s" });
    await goOn(bench, "s", 3);
    await host.drive(engine.prune(1000));
    await host.drive(engine.cancel("s"));
    await assertRejects(() => host.drive(other.result()), "CANCELLED");
  });
});

add("a parent gets the result of a child that went on, and was removed before it looked", async (place) => {
  const host = createVirtualHost();
  const main = workflow(async () => await childWorkflow("leaf"));
  const leaf = chainOf();
  await withRuns(place, { main, leaf }, async (bench) => {
    await bench.engine.start("main", {}, { runId: "r" });
    await goOn(bench, "r.1", 2);
  }, { host });
  // The parent's code is not there: it cannot take what its child has left for it.
  await withRuns(place, { leaf }, async ({ engine }) => {
    await host.drive(engine.signal("r.1", "go", "end"));
    await host.advance(10_000);
    assertEquals(await host.drive(engine.prune(1000)), 3);
    assertEquals(await ids(engine), "r");
  }, { host });
  await withRuns(place, { main, leaf }, async ({ engine }) => {
    assertEquals(await host.drive((await engine.run("r")).result()), 2);
  }, { host });
});

add("a fork of the first run of a chain is a run of its own", async (place) => {
  await withRuns(place, { main: chainOf() }, async (bench) => {
    const { engine, host } = bench;
    await engine.start("main", {}, { runId: "r" });
    await goOn(bench, "r", 3);
    await host.drive(engine.prune(1000));
    const fork = await host.drive(engine.fork("r", { from: "go", runId: "f" }));
    await host.drive(engine.signal("f", "go", "end"));
    assertEquals(await host.drive(fork.result()), 0);
    await host.advance(10_000);
    await host.drive(engine.prune(1000));
    assertEquals(await ids(engine), "r~3,r");
  });
});

add("a chain whose last run is to be undone further is kept while that is under way", async (place) => {
  let broken = true;
  const gate = createGate();
  const main = workflow(async (n = 0): Promise<unknown> =>
    await saga(async () => {
      if (n < 3) return await continueAsNew({ n: n + 1 });
      await step("charge", () => 1, {
        undo: async () => {
          if (broken) throw new Error("No connection");
          await gate.promise;
        },
      });
      throw new Error("No stock");
    })
  );
  await withRuns(place, { main }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    await assertRejects(() => host.drive(run.result()), "RUN_FAILED");
    await host.advance(10_000);
    broken = false;
    const removal = engine.prune(0);
    const undone = await host.drive(engine.resumeUndo("r~3"));
    assertEquals(await host.drive(removal), 0);
    assertEquals(await host.drive(engine.prune(0)), 2);
    assertEquals(await ids(engine), "r~3,r");
    gate.open();
    await assertRejects(() => host.drive(undone.result()), "RUN_FAILED");
    await host.advance(10_000);
    assertEquals(await host.drive(engine.prune(0)), 2);
  });
});

add("a chain of which runs were removed by hand is removed as far as it is there", async (place) => {
  const host = createVirtualHost();
  const main = chainOf();
  for (const removed of ["r", "r~2", "r~4"]) {
    await withRuns(place, { main }, async (bench) => {
      await bench.engine.start("main", {}, { runId: "r" });
      await goOn(bench, "r", 4);
      await host.drive(bench.engine.signal("r", "go", "end"));
    }, { host });
    const storage = await place.open();
    await storage.own({ name: "hand" });
    await storage.commit([{ w: "drop", run: removed }]);
    await storage[Symbol.asyncDispose]();
    await withRuns(place, { main }, async ({ engine }) => {
      await host.advance(10_000);
      assertEquals(await host.drive(engine.prune(1000)), 4, removed);
      assertEquals(await ids(engine), "");
    }, { host });
  }
});

add("ids that look like those of chains are none", async (place) => {
  await withRuns(place, { main: chainOf(), never }, async (bench) => {
    const { engine, host } = bench;
    for (const runId of ["r~3", "q", "q~1~2", "q~01"]) {
      await host.drive(engine.start("main", {}, { runId }));
      await host.drive(engine.signal(runId, "go", "end"));
    }
    await engine.start("never", {}, { runId: "r" });
    await host.advance(10_000);
    assertEquals(await host.drive(engine.prune(1000)), 4);
    assertEquals(await ids(engine), "r");
  });
});

// --- Whatever else may go on beside it ---

add("does not begin anew what is kept, whenever it comes", async (place) => {
  let begun = 0;
  const main = workflow(async (n = 0): Promise<unknown> => {
    await step("begin", () => void begun++);
    return n < 40 ? await continueAsNew({ n: n + 1 }) : await waitForEvent("go");
  });
  await withRuns(place, { main }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    const result = awaited(run.result());
    let removed = 0;
    for (let i = 0; i < 300; i++) {
      removed += await host.drive(engine.prune(0));
      await host.advance(1);
      const again = await engine.start("main", {}, { runId: "r" });
      assertEquals(again.id, "r");
    }
    assertEquals([begun, removed, await ids(engine)], [41, 39, "r~40,r"]);
    await host.drive(engine.signal("r", "go", "now"));
    assertEquals([await host.drive(result), await host.drive(run.result())], ["now", "now"]);
  });
});

add("what a child tells a parent that was removed is not kept for the next one of its id", async (place) => {
  const main = workflow(async () => await childWorkflow("leaf"));
  const gate = createGate();
  let waits = true;
  const leaf = workflow(async () => {
    try {
      return waits ? await waitForEvent("never") : await step("quick", () => "done");
    } finally {
      if (waits) await gate.promise;
    }
  });
  await withRuns(place, { main, leaf }, async ({ engine, host, storage }) => {
    const run = await engine.start("main", {}, { runId: "r" });
    await host.settle();
    await host.drive(run.cancel());
    await assertRejects(() => host.drive(run.result()), "CANCELLED");
    await host.advance(1000);
    assertEquals(await host.drive(engine.prune(0)), 1);
    assertEquals(await ids(engine), "r.1");
    gate.open();
    await host.advance(1000);
    waits = false;
    assertEquals(await host.drive(engine.prune(0)), 1);
    assertEquals([await ids(engine), await storage.inbox("r", 9)], ["", []]);
    const again = await engine.start("main", {}, { runId: "r" });
    await host.advance(1000);
    assertEquals((await again.row()).state, "closed", "It waits for what its child has told");
    assertEquals(await again.result(), "done");
  }, { cancelGraceMs: 10_000 });
});

add("of many at once each run is removed once", async (place) => {
  const main = workflow(async (n: number): Promise<unknown> => n > 0 ? await continueAsNew({ n: n - 1 }) : 0);
  await withRuns(place, { main }, async ({ engine, host }) => {
    const runs = Array.from({ length: 40 }, (_, i) => engine.start("main", { n: 9 }, { runId: `r${i}` }));
    for (const run of runs) await host.drive((await run).result());
    await host.advance(1000);
    const removed = await host.drive(Promise.all([engine.prune(0), engine.prune(0), engine.prune(500)]));
    assertEquals(removed, [400, 0, 0]);
    await assertRejects(() => engine.prune(Number.NaN));
    await assertRejects(() => engine.prune(-1));
    assertEquals(await host.drive(engine.prune(Infinity)), 0);
  });
});

add("a result is waited for across what is removed", async (place) => {
  const main = chainOf();
  const host = createVirtualHost();
  await withRuns(place, { main }, async (bench) => {
    const { engine } = bench;
    const run = await engine.start("main", {}, { runId: "r" });
    await goOn(bench, "r", 2);
    const second = awaited((await engine.run("r~2")).result());
    await goOn(bench, "r", 3);
    await host.drive(engine.prune(0));
    await host.drive(engine.signal("r", "go", "end"));
    assertEquals([await host.drive(second), await run.result()], [5, 5]);
  }, { host });
});

add("a journal that is read while its run is removed is not taken for a shorter one", async (place) => {
  const main = workflow(async () => {
    await parallel(Array.from({ length: 1200 }, (_, i) => i), (i) => step("s", () => i));
  });
  await withRuns(place, { main }, async ({ engine, host, storage }) => {
    await host.drive((await engine.start("main", {}, { runId: "r" })).result());
    await host.advance(1000);
    const parts: string[] = [];
    const error = await assertRejects(async () => {
      for await (const part of exportLines(storage, "r")) {
        parts.push(part);
        if (parts.length === 1) await host.drive(engine.prune(0));
      }
    }, "UNKNOWN_RUN");
    assertIncludes(error.message, 'Run "r" was removed while its journal was read');
  });
});

add("runs whose journals are damaged are removed, and others with them", async (place) => {
  const host = createVirtualHost();
  const storage = await place.open();
  await storage.own({ name: "hand" });
  const old = (id: string, status: RunRow["status"] & string): Write => ({
    w: "create",
    row: { id, workflow: "main", state: "closed", status, createdAt: 1, closedAt: 2 },
    records: id === "empty" ? [] : [{ seq: 0, text: "{}", check: "0000000000000000" }],
  });
  await storage.commit([
    old("a", "completed"),
    old("b~1", "failed"),
    old("c", "continued"),
    old("d", "continued"),
    old("d~1", "continued"),
    old("d~2", "completed"),
    old("e~7", "continued"),
    old("empty", "continued"),
  ]);
  await storage[Symbol.asyncDispose]();
  await withRuns(place, { main: never }, async ({ engine }) => {
    assertEquals(await host.drive(engine.prune(0)), 8);
    assertEquals(await ids(engine), "");
  }, { host });
});

add("of a long chain is made in parts, and the process may die after any of them", async (place) => {
  const host = createVirtualHost();
  let begun = 0;
  const main = workflow(async (n = 0): Promise<unknown> => {
    if (n === 0) await step("begin", () => void begun++);
    return n < 120 ? await continueAsNew({ n: n + 1 }) : await waitForEvent("go");
  });
  await withRuns(place, { main }, async ({ engine }) => {
    await engine.start("main", {}, { runId: "r" });
    await host.settle();
    await host.advance(1000);
  }, { host });
  let removed = 0;
  for (let died = true, deaths = 0; died; deaths++) {
    const storage = await place.open();
    const engine = await createEngine({ storage: mortal(storage, 2), workflows: { main }, host });
    died = await host.drive(engine.prune(0).then(() => false, () => true));
    await engine.close().catch(() => undefined);
    await withRuns(place, { main }, async ({ engine }) => {
      const again = await engine.start("main", {}, { runId: "r" });
      assertEquals(await host.drive(engine.approvals("r")), []);
      await host.settle();
      removed = 121 - (await engine.runs({ limit: 200 })).length;
      assertEquals([begun, again.id], [1, "r"]);
      if (!died) await host.drive(engine.signal("r", "go", "now"));
    }, { host });
    assert(deaths < 100 && (deaths > 0 || died));
  }
  assertEquals(removed, 119);
  // The same when the chain has ended.
  await host.advance(1000);
  const storage = await place.open();
  const engine = await createEngine({ storage: mortal(storage, 0), workflows: { main }, host });
  await assertRejects(() => host.drive(engine.prune(0)));
  await engine.close();
  await withRuns(place, { main }, async ({ engine }) => {
    assertEquals(await ids(engine), "r~120,r");
    assertEquals(await (await engine.run("r")).result(), "now");
    assertEquals(await host.drive(engine.prune(0)), 2);
  }, { host });
});

/** A storage that fails after some commits that remove runs, as if the process had died. */
function mortal(storage: Storage, commits: number): Storage {
  let left = commits;
  return {
    limits: storage.limits,
    own: (owner) => storage.own(owner),
    commit: (writes, lasting) =>
      writes.some(({ w }) => w === "drop") && left-- <= 0
        ? Promise.reject(new Error("The process has died"))
        : storage.commit(writes, lasting),
    run: (id) => storage.run(id),
    runs: (query) => storage.runs(query),
    journal: (run, fromSeq) => storage.journal(run, fromSeq),
    due: (now, limit) => storage.due(now, limit),
    nextWake: () => storage.nextWake(),
    inbox: (run, limit, after) => storage.inbox(run, limit, after),
    watch: (onMessage, onFailure) => storage.watch(onMessage, onFailure),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}
