/**
 * Replay: recorded steps read, verified and handed to the body again, per second of one core.
 *
 * @module
 */
import { step, workflow } from "../src/cluster/authoring.ts";
import { createEngine, readJournal } from "../src/engine/engine.ts";
import { createLocalHost } from "../src/engine/host.ts";
import type { Storage } from "../src/engine/ports.ts";
import { createMemoryStorage } from "../src/storage/memory.ts";
import { openSqliteStorage } from "../src/storage/sqlite.ts";
import { bodyOf } from "../src/workflow/definition.ts";
import type { JournalRecord } from "../src/workflow/journal.ts";
import { createSession } from "../src/workflow/session.ts";
import { cpuTime } from "./_machine.ts";
import { type Bench, bench, option, withFolder } from "./_report.ts";

const sequence = workflow(async (steps: number) => {
  let sum = 0;
  for (let i = 0; i < steps; i++) sum += await step("work", () => 1);
  return sum;
});

const SIZES = [100, 1000, 10_000, 100_000] as const;

/** Journals of each size in a storage that nobody drives any more. */
async function record(storage: Storage): Promise<ReadonlyMap<number, string>> {
  const runs = new Map<number, string>();
  const engine = await createEngine({ storage, workflows: { sequence } });
  for (const steps of SIZES) {
    const run = await engine.start("sequence", [steps]);
    if (await run.result() !== steps) throw new Error(`Run "${run.id}" did not count ${steps} steps`);
    runs.set(steps, run.id);
  }
  await engine.close();
  return runs;
}

/** The body is run again from all records but its end, as after a crash before the end was written. */
async function replay(records: readonly JournalRecord[]): Promise<void> {
  const [first] = records;
  if (first?.t !== "opened") throw new Error("The journal has no header");
  const host = createLocalHost();
  const body = bodyOf(sequence);
  await new Promise<void>((resolve, reject) => {
    const session = createSession({
      body: body as (...args: never[]) => unknown,
      hop: host.hop,
      enter: (current, _info, fn) => host.context.run({ session: current }, fn),
      wake: () => {
        for (const command of session.take()) {
          if (command.c === "close" && command.outcome?.ok === true) resolve();
          else reject(new Error(`The replay asked for something else: ${JSON.stringify(command)}`));
        }
      },
    });
    session.begin(first.header, records.slice(0, -1));
  });
}

/** Returns the smallest median of the large journals. */
async function measure(b: Bench, name: string, storage: Storage, runs: ReadonlyMap<number, string>): Promise<number> {
  const rounds = option("rounds", 9);
  let least = Infinity;
  for (const [steps, id] of runs) {
    const reading: number[] = [], replaying: number[] = [], both: number[] = [], byClock: number[] = [];
    // The system counts a thread's time in pieces of some milliseconds: each part must last for many of them.
    const again = 100_000 / steps;
    let { records } = await readJournal(storage, id);
    for (let round = -1; round < rounds; round++) {
      const start = performance.now();
      const begin = cpuTime();
      for (let i = 0; i < again; i++) ({ records } = await readJournal(storage, id));
      const middle = cpuTime();
      for (let i = 0; i < again; i++) await replay(records);
      const end = cpuTime();
      if (round < 0) continue; // compiles the code
      reading.push(1e8 / (middle - begin));
      replaying.push(1e8 / (end - middle));
      both.push(1e8 / (end - begin));
      byClock.push(1e8 / (performance.now() - start));
    }
    b.measure(`${name}, ${steps} steps: read and verified`, "steps/s of a core", reading);
    b.measure(`${name}, ${steps} steps: handed to the body`, "steps/s of a core", replaying);
    const { median } = b.measure(`${name}, ${steps} steps: both`, "steps/s of a core", both);
    b.measure(`${name}, ${steps} steps: both, by the clock`, "steps/s", byClock);
    least = Math.min(least, median);
  }
  return least;
}

await bench("replay", import.meta.main, async (b) => {
  const memory = createMemoryStorage();
  const inMemory = await record(memory);
  b.bar(
    "replay from memory",
    "steps/s of a core",
    await measure(b, "memory", memory.visit(), inMemory),
    "at least",
    300_000,
  );
  await withFolder(async (dir) => {
    const runs = await record(await openSqliteStorage({ dir, durability: "process" }));
    await using storage = await openSqliteStorage({ dir, mode: "visit" });
    b.bar("replay from SQLite", "steps/s of a core", await measure(b, "SQLite", storage, runs), "at least", 300_000);
  });
});
