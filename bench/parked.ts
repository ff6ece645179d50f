/**
 * What parked runs cost: a million of them in the file when an engine opens, a message to one, and a hundred thousand in memory.
 *
 * @module
 */
import { createMemoryStorage } from "../src/storage/memory.ts";
import { openSqliteStorage } from "../src/storage/sqlite.ts";
import type { Write } from "../src/engine/ports.ts";
import { chainCheck, decodeRecord, encodeRecord } from "../src/workflow/record_text.ts";
import { collect } from "./_machine.ts";
import { type Bench, bench, median, option, withFolder } from "./_report.ts";
import { newMark, openEngine, timesOf } from "./_workflows.ts";

/** Runs parked before memory is measured: the heap of the runtime grows to its working size by then, with or without them. */
const WARM = 20_000;

const YEAR_MS = 365 * 24 * 3600 * 1000;

/** Id of the n-th run of the file; no id tells where in the file it is. */
function idOf(n: number): string {
  return `${Math.imul(n, 0x9e3779b1) >>> 0}-${n}`;
}

/**
 * Writes parked runs as the engine writes them: one run is parked by an engine, and its records and row are repeated under
 * other ids through the storage's port.
 */
async function build(dir: string, count: number): Promise<void> {
  const memory = createMemoryStorage();
  const engine = await openEngine(memory);
  const { id } = await engine.start("waiting", ["model"]);
  await engine.idle();
  await engine.close();
  const model = memory.visit();
  const row = await model.run(id);
  const texts: string[] = [];
  for await (const page of model.journal(id)) for (const { text } of page) texts.push(text);
  const [opened, called] = texts.map((text, seq) => decodeRecord(text, seq));
  if (row?.state !== "parked" || opened?.t !== "opened" || called?.t !== "called" || texts.length !== 2) {
    throw new Error(`The model run is not parked after two records: ${JSON.stringify({ row, texts })}`);
  }
  const storage = await openSqliteStorage({ dir, durability: "process" });
  await storage.own({ name: "bench" });
  for (let n = 0; n < count;) {
    const writes: Write[] = [];
    for (const end = Math.min(n + 1000, count); n < end; n++) {
      const own = idOf(n);
      const due = row.createdAt + YEAR_MS + n;
      let check = "";
      const records = [
        encodeRecord(
          { t: "opened", header: { ...opened.header, id: own, args: JSON.stringify([`parked ${n}`]) } },
          opened.at,
        ),
        encodeRecord({ ...called, dueAt: due }, called.at),
      ].map((text, seq) => ({ seq, text, check: check = chainCheck(check, text) }));
      writes.push({ w: "create", row: { ...row, id: own, wakeAt: due }, records });
    }
    await storage.commit(writes);
  }
  await storage.close();
}

/** The big file, built once per version of the file's format and kept in the temporary folder. */
async function bigFile(b: Bench, count: number): Promise<string> {
  const under = Deno.env.get("WINDKIT_BENCH_DIR") ?? Deno.env.get("TMPDIR") ?? "/tmp";
  const dir = `${under}/windkit-bench-parked-${count}-v1`;
  const ready = `${dir}/complete`;
  try {
    await Deno.stat(ready);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.remove(dir, { recursive: true }).catch((missing) => {
      if (!(missing instanceof Deno.errors.NotFound)) throw missing;
    });
    console.error(`  Writing ${count} parked runs to ${dir}, once`);
    await build(dir, count);
    await Deno.writeTextFile(ready, "");
  }
  b.setting("file of parked runs in MB", Math.round((await Deno.stat(`${dir}/windkit.db`)).size / 1e6));
  return dir;
}

/** Opens the storage and an engine, and runs the first step of a new run; milliseconds. */
async function openAndStep(dir: string): Promise<number> {
  const begin = performance.now();
  await using engine = await openEngine(await openSqliteStorage({ dir }));
  const mark = newMark();
  const run = await engine.start("sequence", [1, mark]);
  await run.result();
  return timesOf(mark).first - begin;
}

async function opening(b: Bench, big: string, count: number, rounds: number): Promise<void> {
  await withFolder(async (dir) => {
    const empty: number[] = [], full: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const small = `${dir}/${round + 1}`;
      await (await openEngine(await openSqliteStorage({ dir: small }))).close(); // makes the file
      const without = await openAndStep(small);
      const withRuns = await openAndStep(big);
      if (round < 0) continue;
      empty.push(without);
      full.push(withRuns);
    }
    b.measure("open an empty file and run a first step", "ms", empty);
    b.measure(`open ${count} parked runs and run a first step`, "ms", full);
    const more = full.map((ms, i) => ms - (empty[i] ?? NaN));
    b.measure("the second less the first, by round", "ms", more);
    b.bar(`opening with ${count} parked runs, over an empty file`, "ms", median(more), "at most", 300);
  });
}

async function messages(b: Bench, big: string, count: number): Promise<void> {
  await using engine = await openEngine(await openSqliteStorage({ dir: big }));
  const delays: number[] = [];
  for (let tries = 0; delays.length < 220; tries++) {
    const n = Math.floor(Math.random() * count);
    const id = idOf(n);
    if ((await (await engine.run(id)).row()).state !== "parked") continue; // answered by an earlier run of this benchmark
    const begin = performance.now();
    await engine.approve(id, undefined, { value: n });
    const run = await engine.run(id);
    if (await run.result() !== n) throw new Error(`Run "${id}" did not get its answer`);
    delays.push(timesOf(`parked ${n}`).first - begin);
    if (tries > 10_000) throw new Error(`Too few runs are left: remove "${big}"`);
  }
  const warm = delays.slice(20);
  b.measure(`from approve() to the body of one of ${count} parked runs, 'power'`, "ms", warm);
  b.bar("a message to a parked run is delivered", "ms", median(warm), "at most", 5);
}

async function memory(b: Bench, runs: number): Promise<void> {
  await withFolder(async (dir) => {
    await using engine = await openEngine(await openSqliteStorage({ dir, durability: "process" }));
    const park = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += 1000) {
        await Promise.all(Array.from({ length: 1000 }, () => engine.start("waiting", [newMark()])));
      }
      await engine.idle();
      collect();
    };
    await park(WARM); // compiles the code and fills the caches
    const before = Deno.memoryUsage().rss;
    await park(runs);
    const after = Deno.memoryUsage().rss;
    const parked = (await engine.runs({ state: "parked", limit: runs + WARM })).length;
    if (parked !== runs + WARM) throw new Error(`${parked} runs are parked, expected ${runs + WARM}`);
    const bytes = (after - before) / runs;
    b.setting("runs in memory of the parked ones", engine.stats().live);
    b.measure(`resident memory of ${runs} more parked runs`, "bytes/run", [bytes]);
    b.bar(`resident memory of ${runs} parked runs`, "bytes/run", bytes, "at most", 1024);
  });
}

await bench("parked", import.meta.main, async (b) => {
  const count = option("runs", 1_000_000);
  await memory(b, option("in-memory", 100_000));
  const big = await bigFile(b, count);
  await opening(b, big, count, option("rounds", 9));
  await messages(b, big, count);
});
