/**
 * Random programs of events, children, races, sagas, timeouts, continued runs and undo, on engines that die after random commits.
 * `WINDKIT_SOAK=1` runs 20 times as many.
 *
 * @module
 */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  childWorkflow,
  continueAsNew,
  now,
  race,
  saga,
  sleep,
  step,
  taskInfo,
  uuid,
  waitForEvent,
  withTimeout,
  workflow,
} from "../../src/cluster/authoring.ts";
import { createEngine } from "../../src/engine/engine.ts";
import type { JournalRecord, Json } from "../../src/engine/engine.ts";
import { readJournal } from "../../src/engine/read_journal.ts";
import { createMemoryStorage, type MemoryStorage } from "../../src/storage/memory.ts";
import { createVirtualHost } from "../suite/_virtual_host.ts";

type Program =
  | { readonly op: "step" | "sleep" | "event" | "marks"; readonly fails?: boolean }
  | { readonly op: "sequence" | "all"; readonly items: readonly Program[] }
  | { readonly op: "child" | "saga" | "race" | "timeout" | "caught" | "continue"; readonly body: Program };

/** Random programs; `failing`: some steps fail. */
function programs(failing: boolean): fc.Arbitrary<Program> {
  return fc.letrec<{ readonly program: Program }>((tie) => ({
    program: fc.oneof(
      { maxDepth: 4, depthSize: "max" },
      fc.record({
        op: fc.constantFrom("step" as const, "sleep" as const, "event" as const, "marks" as const),
        fails: failing ? fc.boolean() : fc.constant(false),
      }),
      fc.record({
        op: fc.constantFrom("sequence" as const, "all" as const),
        items: fc.array(tie("program"), { minLength: 1, maxLength: 3 }),
      }),
      fc.record({
        op: fc.constantFrom("child" as const, "saga" as const, "race" as const, "timeout" as const, "caught" as const),
        body: tie("program"),
      }),
    ),
  })).program;
}

interface World {
  /** Effects that stand: paths of steps that were done and not undone. */
  readonly effects: Set<string>;
  /** Keys of calls that are recorded, with their runs. */
  readonly settled: Set<string>;
  /** What a process does after its death is no part of the world. */
  isDead(): boolean;
}

/** Runs a program in the body of a run. Names are unique by path, so that nothing depends on a race. */
async function interpret(program: Program, path: string, world: World): Promise<Json> {
  const inner = (body: Program, at: string | number): Promise<Json> => interpret(body, `${path}.${at}`, world);
  switch (program.op) {
    case "step": {
      const seen = (): void => {
        const { runId, key } = taskInfo();
        if (world.isDead()) return;
        ok(!world.settled.has(`${runId} ${key}`), `"${key}" of ${runId} ran although it was recorded`);
      };
      return await step(path, () => {
        seen();
        if (program.fails === true) throw new Error(`fails ${path}`);
        if (!world.isDead()) world.effects.add(path);
        return path;
      }, {
        undo: () => {
          seen();
          if (!world.isDead()) world.effects.delete(path);
        },
      });
    }
    case "sleep":
      await sleep(1);
      return "slept";
    case "event":
      return await waitForEvent(path);
    case "marks": {
      const made = [now(), uuid()];
      equal(await step(path, () => made), made);
      return "marks";
    }
    case "sequence": {
      const values: Json[] = [];
      for (const [i, item] of program.items.entries()) values.push(await inner(item, i));
      return values;
    }
    case "all":
      return await Promise.all(program.items.map(inner));
    case "child":
      return await childWorkflow<Json>("child", { program: program.body, path: `${path}.c` });
    case "saga":
      return await saga(() => inner(program.body, "s"));
    case "race":
      return (await race({ body: () => inner(program.body, "r"), late: () => sleep(1_000_000) })).value ?? null;
    case "timeout":
      return await withTimeout(1_000_000, () => inner(program.body, "t"));
    case "caught":
      return await inner(program.body, "k").catch((error: Error) => `caught ${error.message}`);
    case "continue":
      return await inner(program.body, "n");
  }
}

/** What a program without failures gives. */
function reference(program: Program, path = "p"): Json {
  switch (program.op) {
    case "step":
      return path;
    case "sleep":
      return "slept";
    case "event":
      return `sent ${path}`;
    case "marks":
      return "marks";
    case "sequence":
    case "all":
      return program.items.map((item, i) => reference(item, `${path}.${i}`));
    case "child":
      return reference(program.body, `${path}.c`);
    case "saga":
      return reference(program.body, `${path}.s`);
    case "race":
      return reference(program.body, `${path}.r`);
    case "timeout":
      return reference(program.body, `${path}.t`);
    case "caught":
      return reference(program.body, `${path}.k`);
    case "continue":
      return reference(program.body, `${path}.n`);
  }
}

interface Scenario {
  readonly program: Program;
  /** Commits after which each life but the last one ends. */
  readonly deaths: readonly number[];
  readonly replay: "always" | "when-needed";
  readonly maxParkedInMemory: number;
  readonly maxActiveRuns: number;
  /** Commits after which the run is cancelled. */
  readonly cancelAfter: number | undefined;
}

function scenarios(failing: boolean, cancels: boolean): fc.Arbitrary<Scenario> {
  return fc.record({
    program: programs(failing),
    deaths: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
    replay: fc.constantFrom("always" as const, "when-needed" as const, "when-needed" as const),
    maxParkedInMemory: fc.constantFrom(0, 1, 256),
    maxActiveRuns: fc.constantFrom(1, 2, 1000),
    cancelAfter: cancels ? fc.integer({ min: 1, max: 25 }) : fc.constant(undefined),
  });
}

interface Played {
  readonly ended: { readonly value: Json } | { readonly error: string };
  readonly effects: ReadonlySet<string>;
  readonly journals: ReadonlyMap<string, readonly JournalRecord[]>;
}

async function play({ program, deaths, cancelAfter, ...bounds }: Scenario): Promise<Played> {
  const effects = new Set<string>();
  let disk = createMemoryStorage();
  let at = 1_700_000_000_000;
  let commits = 0;
  for (const dieAfter of [...deaths, Infinity]) {
    const storage: MemoryStorage = disk;
    const host = createVirtualHost(at);
    let dead: MemoryStorage | undefined;
    let inLife = 0;
    const problems: unknown[] = [];
    const world: World = { effects, settled: await settledIn(storage), isDead: () => dead !== undefined };
    const main = workflow(async (part: Program, path: string, fresh: boolean): Promise<Json> => {
      if (fresh) return await continueAsNew({ part, path, fresh: false });
      return await interpret(part, path, world);
    });
    const child = workflow(async (program: Program, path: string) => await interpret(program, path, world));
    const engine = await createEngine({
      storage,
      host,
      ...bounds,
      workflows: { main, child },
      cancelGraceMs: 1000,
      onEvent: (event) => {
        if (event.event === "committed") {
          commits++;
          if (++inLife === dieAfter) dead = storage.fork();
        }
        if (event.event === "call_settled" && dead === undefined) world.settled.add(`${event.run} ${event.key}`);
        if (event.event === "run_stopped" || event.event === "failed") problems.push(event.error);
      },
    });
    let ended: Played["ended"] | undefined;
    const fresh = deaths.length % 2 === 1;
    engine.start("main", [program, "p", fresh] as unknown as Json, { runId: "r" }).then(async (run) => {
      ended = await run.result().then(
        (value) => ({ value }),
        (error: Error) => ({ error: `${error.name} ${error.message}` }),
      );
    }).catch((error) => dead === undefined && problems.push(error));
    let idle = 0;
    for (;;) {
      await host.settle();
      if (dead !== undefined || problems.length > 0) break;
      const rows = await engine.runs({ limit: 1000 });
      if (ended !== undefined && rows.every(({ state }) => state === "closed")) break;
      if (cancelAfter !== undefined && commits >= cancelAfter && ended === undefined) {
        await engine.cancel("r", "Enough");
      }
      // Events are sent by name to every run that may wait: to each once.
      let sent = false;
      for (const { id, waits } of rows) {
        for (const wait of waits ?? []) {
          if (!wait.startsWith("event:") || dead !== undefined) continue;
          const name = wait.slice("event:".length);
          await engine.signal(id, name, `sent ${name}`, { id: name }).catch((error: Error) => {
            if (!/has ended|was closed/.test(error.message)) problems.push(error);
          });
          sent = true;
        }
      }
      idle = sent || await host.tick() ? 0 : idle + 1;
      if (idle > 10) throw new Error(`Nothing is left to do: ${JSON.stringify(await engine.runs())}`);
    }
    at = host.now();
    if (problems.length > 0) throw problems[0];
    if (dead === undefined) {
      const journals = new Map<string, readonly JournalRecord[]>();
      for (const { id } of await engine.runs({ limit: 1000 })) {
        journals.set(id, await engine.journal(id));
        equal(await storage.inbox(id, 9), [], `Messages of ${id} are left`);
      }
      await engine.close();
      return { ended: ended as Played["ended"], effects, journals };
    }
    await engine.close();
    disk = dead;
  }
  throw new Error("The last life goes on to the end");
}

async function settledIn(storage: MemoryStorage): Promise<Set<string>> {
  const settled = new Set<string>();
  const reader = storage.visit();
  for (const { id } of await reader.runs({ limit: 1000 })) {
    for (const record of (await readJournal(reader, id)).records) {
      if (record.t === "settled") settled.add(`${id} ${record.key}`);
    }
  }
  return settled;
}

/** What holds whatever happened: each call settles once, and what a run that failed did is taken back. */
function checkRuns({ journals, effects }: Played): void {
  for (const [id, records] of journals) {
    const closed = records.at(-1);
    ok(closed?.t === "closed", `${id} is not closed`);
    const settled = new Map<string, boolean>();
    for (const record of records) {
      if (record.t !== "settled") continue;
      ok(!settled.has(record.key), `"${record.key}" of ${id} settled twice`);
      settled.set(record.key, record.outcome.ok);
    }
    const isStep = new Set(
      records.flatMap((r) => r.t === "settled" && r.fp?.kind === "step" && r.outcome.ok ? [r.key] : []),
    );
    for (const key of isStep) {
      const value = records.find((r) => r.t === "settled" && r.key === key);
      // Those of `marks` have no undo.
      if (value?.t !== "settled" || !value.outcome.ok || value.outcome.value !== JSON.stringify(key)) continue;
      const undone = settled.get(`${key}#undo`) === true;
      // What a race gives up has no outcome for the run, although it may have one in the journal.
      const mayBeGivenUp = /\.[rt](\.|$)/.test(key);
      if ((closed.status === "failed" || closed.status === "cancelled") && !mayBeGivenUp) {
        ok(undone, `"${key}" of ${id} was not taken back`);
      }
      equal(effects.has(key), !undone, `Effect of "${key}" of ${id}`);
    }
  }
}

const soak = Deno.env.get("WINDKIT_SOAK") === "1";
const tries = { numRuns: soak ? 10_000 : 500 };

Deno.test("runtime: without failures the result is the reference's, whatever crashes", async () => {
  await fc.assert(
    fc.asyncProperty(scenarios(false, false), async (scenario) => {
      const played = await play(scenario);
      equal(played.ended, { value: reference(scenario.program) });
      checkRuns(played);
    }),
    tries,
  );
});

Deno.test("runtime: what failed is taken back, and nothing else, whatever crashes", async () => {
  await fc.assert(
    fc.asyncProperty(scenarios(true, false), async (scenario) => checkRuns(await play(scenario))),
    tries,
  );
});

Deno.test("runtime: a cancel at any moment ends all runs, and takes back what they did", async () => {
  await fc.assert(
    fc.asyncProperty(scenarios(true, true), async (scenario) => checkRuns(await play(scenario))),
    tries,
  );
});
