/**
 * Random programs on the engine, with random crashes, completion orders, evictions and replays; and each invariant of
 * `src/workflow/journal.ts`. `WINDKIT_SOAK=1` runs 20 times as many.
 *
 * @module
 */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { createEngine, type EngineOptions } from "../../src/engine/engine.ts";
import { readJournal, verifyChain } from "../../src/engine/read_journal.ts";
import type { Storage, StoredRecord, Write } from "../../src/engine/ports.ts";
import { workflow } from "../../src/cluster/authoring.ts";
import type { JournalRecord, Json } from "../../src/workflow/journal.ts";
import { chainCheck, decodeRecord, encodeRecord } from "../../src/workflow/record_text.ts";
import { createMemoryStorage, type MemoryStorage } from "../../src/storage/memory.ts";
import { seeded } from "../suite/_seeded.ts";
import { createVirtualHost, type VirtualHost } from "../suite/_virtual_host.ts";
import { interpret, type Program, programs, reference, type World } from "./journal_programs.ts";

const soak = Deno.env.get("WINDKIT_SOAK") === "1";

/** How often a property is tried. */
function tries(inCi: number): { readonly numRuns: number } {
  return { numRuns: soak ? inCi * 20 : inCi };
}

interface Life {
  /** Commits after which the process dies; none: it lives to the end. */
  readonly crashAfter: number | undefined;
  readonly replay: "always" | "when-needed";
  readonly maxParkedInMemory: number;
  readonly concurrency: number;
  readonly maxActiveRuns: number;
}

interface Scenario {
  readonly programs: readonly Program[];
  readonly seed: number;
  readonly lives: readonly Life[];
  readonly sharedNames: boolean;
}

function scenarios(racing: boolean): fc.Arbitrary<Scenario> {
  const life = fc.record({
    replay: fc.constantFrom("always" as const, "when-needed" as const, "when-needed" as const),
    maxParkedInMemory: fc.constantFrom(0, 1, 256),
    concurrency: fc.constantFrom(1, 2, 256),
    maxActiveRuns: fc.constantFrom(1, 2, 1000),
  });
  return fc.record({
    programs: fc.array(programs(racing), { minLength: 1, maxLength: 4 }),
    seed: fc.integer(),
    sharedNames: racing ? fc.boolean() : fc.constant(false),
    lives: fc.tuple(
      fc.array(life.chain((l) => fc.nat(12).map((n): Life => ({ ...l, crashAfter: n + 1 }))), { maxLength: 3 }),
      life.map((l): Life => ({ ...l, crashAfter: undefined })),
    ).map(([dying, last]) => [...dying, last]),
  });
}

/** How one run ended, and what its body saw in each of its executions. */
interface RunReport {
  readonly outcome: { readonly value: Json } | { readonly failure: string };
  readonly records: readonly JournalRecord[];
  readonly handed: readonly (readonly string[])[];
}

/** Plays a scenario; throws when a committed call runs again, a committed record changes or a run stops. */
async function play(scenario: Scenario): Promise<readonly RunReport[]> {
  const { programs: list, seed, lives, sharedNames } = scenario;
  const next = seeded(seed);
  const handed = list.map((): string[][] => []);
  let storage = createMemoryStorage();
  let now = 1_700_000_000_000;
  let known: readonly (readonly StoredRecord[])[] = list.map(() => []);
  for (const life of lives) {
    const host = createVirtualHost(now);
    const waiting: (() => void)[] = [];
    const problems: unknown[] = [];
    const settled = new Set<string>();
    for (const [i, records] of known.entries()) {
      for (const r of await decoded(storage, `r${i}`, records)) if (r.t === "settled") settled.add(`r${i} ${r.key}`);
    }
    const world: World = {
      sharedNames,
      swapped: (message) => void problems.push(new Error(message)),
      hop: () => new Promise((go) => host.hop(go)),
      enter: () => new Promise((go) => waiting.push(go)),
      executed: (run, key) => ok(!settled.has(`${run} ${key}`), `"${key}" of ${run} ran although it was recorded`),
    };
    const main = workflow(async (i: number) => {
      const seen: string[] = [];
      handed[i]?.push(seen);
      return await interpret(list[i] as Program, world, (key) => {
        ok(settled.has(`r${i} ${key}`), `r${i} saw the outcome of "${key}" before it was stored`);
        seen.push(key);
      });
    });
    const watched = {
      ...storage,
      commit: (writes: readonly Write[]) => noted(storage.commit(writes), writes, settled),
    };
    const fork = await live({ main, storage, watched, host, life, waiting, problems, next, count: list.length });
    now = host.now();
    if (fork === undefined) return await report(storage, handed);
    storage = fork;
    const after = await Promise.all(list.map((_, i) => stored(storage, `r${i}`)));
    for (const [i, before] of known.entries()) {
      equal(after[i]?.slice(0, before.length), before, `Records of r${i} changed`);
    }
    known = after;
  }
  throw new Error("The last life must go on to the end");
}

/** Adds what a commit settles, once it is made. */
async function noted(commit: Promise<void>, writes: readonly Write[], settled: Set<string>): Promise<void> {
  await commit;
  for (const write of writes) {
    for (const { text, seq } of write.w === "append" ? write.records : []) {
      const record = decodeRecord(text, seq);
      if (write.w === "append" && record.t === "settled") settled.add(`${write.run} ${record.key}`);
    }
  }
}

interface LifeOptions {
  readonly main: EngineOptions["workflows"][string];
  readonly storage: MemoryStorage;
  /** The same, for the engine. */
  readonly watched: Storage;
  readonly host: VirtualHost;
  readonly life: Life;
  readonly waiting: (() => void)[];
  /** What went wrong. */
  readonly problems: unknown[];
  readonly next: () => number;
  readonly count: number;
}

/** One engine from its opening to its crash (what the disk held then) or to the end of all runs (undefined). */
async function live(options: LifeOptions): Promise<MemoryStorage | undefined> {
  const { main, storage, watched, host, life, waiting, problems, next, count } = options;
  const { crashAfter, ...bounds } = life;
  let fork: MemoryStorage | undefined;
  let commits = 0;
  const engine = await createEngine({
    ...bounds,
    storage: watched,
    host,
    workflows: { main },
    onEvent: (event) => {
      if (event.event === "committed" && ++commits === crashAfter) fork = storage.fork();
      if (event.event === "run_stopped" || event.event === "failed") problems.push(event.error);
    },
  });
  const starts = Promise.all(Array.from({ length: count }, async (_, i) => {
    const run = await engine.start("main", { i }, { runId: `r${i}` });
    await run.result().catch(() => undefined);
  }));
  let ended = false;
  starts.then(() => ended = true, (error) => problems.push(error));
  while (!ended && fork === undefined && problems.length === 0) {
    await host.settle();
    // Time passes now and then although executions could end: slow ones are written ahead then.
    if (waiting.length > 0 && (next() < 0.85 || host.timers === 0)) {
      // Several at once share a commit.
      for (let n = Math.floor(next() * 4); n >= 0; n--) waiting.splice(Math.floor(next() * waiting.length), 1)[0]?.();
    } else if (!ended && fork === undefined && problems.length === 0 && !await host.tick()) {
      if (!ended && fork === undefined) throw new Error("Nothing is left to do, and not all runs have ended");
    }
  }
  await engine.close();
  if (problems.length > 0) throw problems[0];
  return fork;
}

async function stored(storage: MemoryStorage, run: string): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const page of storage.visit().journal(run)) records.push(...page);
  return records;
}

async function decoded(
  storage: MemoryStorage,
  run: string,
  records: readonly StoredRecord[],
): Promise<readonly JournalRecord[]> {
  return records.length === 0 ? [] : (await readJournal(storage.visit(), run)).records;
}

async function report(storage: MemoryStorage, handed: readonly string[][][]): Promise<readonly RunReport[]> {
  return await Promise.all(handed.map(async (seen, i) => {
    const { records } = await readJournal(storage.visit(), `r${i}`);
    const last = records.at(-1);
    ok(last?.t === "closed" && last.outcome !== undefined, `r${i} has not ended`);
    const outcome = last.outcome.ok
      ? { value: JSON.parse(last.outcome.value) as Json }
      : { failure: last.outcome.failure.message };
    return { outcome, records, handed: seen };
  }));
}

/** Invariants 1 to 3 of `src/workflow/journal.ts`, and that the run's record is whole. */
function checkJournal(records: readonly JournalRecord[]): void {
  const ahead = new Set<string>();
  const done = new Set<string>();
  let after = 0;
  for (const [seq, record] of records.entries()) {
    equal(record.seq, seq);
    equal(record.t === "opened", seq === 0);
    equal(record.t === "closed", seq === records.length - 1);
    if ("after" in record) {
      ok(record.after >= after, `Record ${seq} says ${record.after} calls, the one before said ${after}`);
      after = record.after;
    }
    if (record.t === "called") {
      const { kind } = record.call;
      ok(!done.has(record.key), `"${record.key}" was written ahead after it had settled`);
      ok(kind === "task" || kind === "step" || !ahead.has(record.key), `"${record.key}" was written ahead twice`);
      ahead.add(record.key);
    }
    if (record.t === "settled") {
      ok(!done.has(record.key), `"${record.key}" settled twice`);
      done.add(record.key);
      equal(record.fp === undefined, ahead.has(record.key), `"${record.key}" has its fingerprint twice or never`);
      ok(record.after >= done.size, `"${record.key}" settled before it was called`);
    }
    if (record.t === "abandoned") ok(!done.has(record.key), `"${record.key}" was given up after it had settled`);
  }
}

/** Invariant 2: every execution of the body sees the outcomes in the order of the records. */
function checkHandOver({ records, handed }: RunReport): void {
  for (const seen of handed) {
    const order = records.flatMap((r) => r.t === "settled" && seen.includes(r.key) ? [r.key] : []);
    equal(seen, order);
  }
}

Deno.test("programs without races: the outcome is the reference's, whatever crashes and whichever call ends first", async () => {
  await fc.assert(
    fc.asyncProperty(scenarios(false), async (scenario) => {
      const reports = await play(scenario);
      for (const [i, found] of reports.entries()) {
        equal(found.outcome, reference(scenario.programs[i] as Program));
        checkJournal(found.records);
        checkHandOver(found);
      }
    }),
    tries(150),
  );
});

Deno.test("programs without races: live and replayed, early and late, the same keys with the same outcomes", async () => {
  await fc.assert(
    fc.asyncProperty(scenarios(false), fc.integer(), async (scenario, seed) => {
      const views = [];
      for (const replay of ["when-needed", "always"] as const) {
        const life: Life = {
          crashAfter: undefined,
          replay,
          maxParkedInMemory: 256,
          concurrency: 256,
          maxActiveRuns: 9,
        };
        const reports = await play({ ...scenario, seed: replay === "always" ? seed : scenario.seed, lives: [life] });
        views.push(
          reports.map(({ records }) =>
            records.flatMap((r) =>
              r.t === "settled" ? [[r.key, r.outcome.ok ? r.outcome.value : r.outcome.failure.message]] : []
            )
              .sort()
          ),
        );
      }
      // After a failure nothing more begins, so what ran beside it may differ.
      for (const [i, program] of scenario.programs.entries()) {
        if ("value" in reference(program)) equal(views[0]?.[i], views[1]?.[i]);
      }
    }),
    tries(60),
  );
});

Deno.test("programs with races and shared names: every replay agrees with the journal, and all end", async () => {
  await fc.assert(
    fc.asyncProperty(scenarios(true), async (scenario) => {
      for (const found of await play(scenario)) {
        checkJournal(found.records);
        checkHandOver(found);
      }
    }),
    tries(150),
  );
});

Deno.test("check values: a changed, missing, doubled or moved record is found at its position", () => {
  const texts = fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 2, maxLength: 8 });
  const change = fc.constantFrom("change", "drop", "double", "swap");
  fc.assert(
    fc.property(texts, fc.nat(), fc.nat(), change, (list, at, where, how) => {
      let check = "";
      const chain = list.map((text, seq): StoredRecord => ({ seq, text, check: check = chainCheck(check, text) }));
      verifyChain("r", chain);
      const i = at % (chain.length - 1);
      const [one, two] = [chain[i] as StoredRecord, chain[i + 1] as StoredRecord];
      const bad = [...chain];
      if (how === "change") {
        const j = where % one.text.length;
        const unit = one.text.charCodeAt(j);
        const text = one.text.slice(0, j) + String.fromCharCode(unit ^ (1 << (where % 16))) + one.text.slice(j + 1);
        bad[i] = { ...one, text };
      } else if (how === "drop") bad.splice(i, 1);
      else if (how === "double") bad.splice(i + 1, 0, one);
      else {
        if (one.text === two.text) return;
        bad[i] = { ...two, seq: i };
        bad[i + 1] = { ...one, seq: i + 1 };
      }
      const position = how === "double" ? i + 1 : i;
      try {
        verifyChain("r", bad);
      } catch (error) {
        equal((error as { readonly code: string; readonly seq: number }).code, "JOURNAL_CORRUPT");
        equal((error as { readonly seq: number }).seq, position);
        return;
      }
      throw new Error(`Expected damage at record ${position}, found none`);
    }),
    tries(1000),
  );
});

for (
  const [what, change] of [
    ["version", { v: 2 }],
    ["codec", { codec: 2 }],
    ["flag", { flags: [77] }],
  ] as const
) {
  Deno.test(`header: an unknown ${what} refuses the run, not the file`, async () => {
    const storage = createMemoryStorage();
    const writer = storage.visit();
    await writer.own({ name: "newer version" });
    for (const id of ["newer", "same"]) {
      const header = {
        v: 1,
        id,
        workflow: "main",
        sourceHash: "",
        sdk: "9.9.9",
        flags: [],
        codec: 1,
        seed: "0".repeat(32),
        args: "{}",
        createdAt: 1,
        ...(id === "newer" ? change : {}),
      };
      const text = encodeRecord({ t: "opened", header: header as never }, 1);
      const records = [{ seq: 0, text, check: chainCheck("", text) }];
      await writer.commit([{ w: "create", row: { id, workflow: "main", state: "active", createdAt: 1 }, records }]);
    }
    await writer[Symbol.asyncDispose]();
    let ran = 0;
    const host = createVirtualHost();
    const engine = await createEngine({ storage, host, workflows: { main: workflow(() => ++ran) } });
    equal(await host.drive((await engine.run("same")).result()), 1);
    const refused = await host.drive((await engine.run("newer")).result().catch((e: Error) => e)) as Error;
    equal((refused as Error & { readonly code: string }).code, "SCHEMA_TOO_NEW");
    ok(refused.message.includes('Cannot replay run "newer": it was written by version 9.9.9'), refused.message);
    equal([ran, (await storage.run("newer"))?.state, engine.failed], [1, "active", undefined]);
    await engine.close();
  });
}
