/**
 * Many runs at once, the time to a first step, and what a step takes on disk.
 *
 * @module
 */
import { openSqliteStorage } from "../src/storage/sqlite.ts";
import { openRaw } from "./_raw.ts";
import { type Bench, bench, median, option, ratios, short, withFolder } from "./_report.ts";
import { newMark, openEngine, timesOf } from "./_workflows.ts";

const RUNS = 1000, STEPS = 10;

async function manyRuns(b: Bench, dir: string, rounds: number): Promise<void> {
  await Deno.mkdir(`${dir}/raw`);
  const raw = openRaw(`${dir}/raw`, "FULL");
  await using engine = await openEngine(await openSqliteStorage({ dir: `${dir}/many` }));
  const single: number[] = [], grouped: number[] = [], rates: number[] = [], limits: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const singleBefore = raw.single(500), groupedBefore = raw.grouped(RUNS * STEPS / 2, 100);
    const { commits } = engine.stats();
    const begin = performance.now();
    const runs = await Promise.all(Array.from({ length: RUNS }, () => engine.start("sequence", [STEPS, newMark()])));
    const sums = await Promise.all(runs.map((run) => run.result()));
    const rate = RUNS * STEPS * 1000 / (performance.now() - begin);
    if (sums.some((sum) => sum !== STEPS)) throw new Error("A run did not count its steps");
    const singleAfter = raw.single(500), groupedAfter = raw.grouped(RUNS * STEPS / 2, 100);
    if (round < 0) continue;
    if (round === 0) b.setting("commits for 1,000 runs of 10 steps", engine.stats().commits - commits);
    single.push(2 / (1 / singleBefore + 1 / singleAfter));
    grouped.push(2 / (1 / groupedBefore + 1 / groupedAfter));
    rates.push(rate);
    limits.push(Math.min(8 * (single.at(-1) ?? NaN), 0.35 * (grouped.at(-1) ?? NaN)));
  }
  raw.close();
  b.measure("raw single-row commits, FULL", "commits/s", single);
  b.measure("raw rows, 100 a commit, FULL", "rows/s", grouped);
  b.measure("1,000 runs of 10 steps, 'power', from the first start to the last result", "steps/s", rates);
  b.measure("steps over raw single-row commits, by round", "ratio", ratios(rates, single));
  b.measure("steps over raw rows 100 a commit, by round", "ratio", ratios(rates, grouped));
  const over = b.measure("steps over the bar of the round", "ratio", ratios(rates, limits));
  b.bar("steps over the smaller of 8 raw single-row commits and 0.35 raw rows", "ratio", over.median, "at least", 1);
}

async function firstStep(b: Bench, dir: string): Promise<void> {
  await using engine = await openEngine(await openSqliteStorage({ dir: `${dir}/first` }));
  await Deno.mkdir(`${dir}/raw-first`);
  const raw = openRaw(`${dir}/raw-first`, "FULL");
  const delays: number[] = [], commits: number[] = [];
  for (let i = -50; i < 500; i++) {
    const mark = newMark();
    const begin = performance.now();
    const run = await engine.start("sequence", [1, mark]);
    await run.result();
    const commit = 1000 / raw.single(1);
    if (i < 0) continue;
    delays.push(timesOf(mark).first - begin);
    commits.push(commit);
  }
  raw.close();
  const commit = b.measure("a raw single-row commit, FULL, in turns with it", "ms", commits);
  if (commit.median > 0.5) {
    b.note(`A raw commit takes ${short(commit.median)} ms on this disk now, and a run's first step waits for one.`);
  }
  b.measure("from start() to the first step's body, 'power'", "ms", delays);
  b.bar("time to the first step", "ms", median(delays), "at most", 1);
}

async function onDisk(b: Bench, dir: string): Promise<void> {
  const found: number[] = [];
  for (const [runs, steps] of [[1, 10_000], [100, 100]] as const) {
    const folder = `${dir}/disk-${runs}`;
    const size = async (): Promise<number> => (await Deno.stat(`${folder}/windkit.db`)).size;
    await (await openEngine(await openSqliteStorage({ dir: folder }))).close();
    const empty = await size();
    const engine = await openEngine(await openSqliteStorage({ dir: folder, durability: "process" }));
    for (let i = 0; i < runs; i++) await (await engine.start("tenBytes", [steps])).result();
    await engine.close();
    const bytes = (await size() - empty) / (runs * steps);
    found.push(bytes);
    b.measure(`disk after a checkpoint, ${runs} runs of ${steps} steps with results of 10 bytes`, "bytes/step", [
      bytes,
    ]);
  }
  b.bar("disk after a checkpoint", "bytes/step", Math.max(...found), "at most", 160);
}

await bench("fanout", import.meta.main, async (b) => {
  await withFolder(async (dir) => {
    await manyRuns(b, dir, option("rounds", 9));
    await firstStep(b, dir);
    await onDisk(b, dir);
  });
});
