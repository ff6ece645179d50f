/**
 * Sequential durable steps against raw commits of the same bytes, in turns on the same disk.
 *
 * @module
 */
import { createMemoryStorage } from "../src/storage/memory.ts";
import { openSqliteStorage } from "../src/storage/sqlite.ts";
import { openRaw } from "./_raw.ts";
import { cpuTime } from "./_machine.ts";
import { type Bench, bench, median, option, ratios, withFolder } from "./_report.ts";
import { openEngine, timeSteps } from "./_workflows.ts";

const FEW = 100, MANY = 10_000;

async function speed(b: Bench, dir: string, rounds: number): Promise<void> {
  for (const name of ["raw-full", "raw-normal"]) await Deno.mkdir(`${dir}/${name}`);
  const rawFull = openRaw(`${dir}/raw-full`, "FULL"), rawNormal = openRaw(`${dir}/raw-normal`, "NORMAL");
  await using power = await openEngine(await openSqliteStorage({ dir: `${dir}/power`, durability: "power" }));
  await using process = await openEngine(await openSqliteStorage({ dir: `${dir}/process`, durability: "process" }));
  await using memory = await openEngine(createMemoryStorage());
  const full: number[] = [], normal: number[] = [];
  const onPower: number[] = [], onProcess: number[] = [], inMemory: number[] = [], cpu: number[] = [];
  for (let round = -1; round < rounds; round++) {
    // Half of the raw commits before, half after: what changes on the machine changes for both.
    const before = rawFull.single(500);
    const powerMs = await timeSteps(power, 1000);
    const after = rawFull.single(500);
    const start = cpuTime();
    const beforeNormal = rawNormal.single(2500);
    const begin = cpuTime();
    const processMs = await timeSteps(process, 5000);
    const end = cpuTime();
    const afterNormal = rawNormal.single(2500);
    const rawCpu = cpuTime() - end + begin - start;
    const memoryMs = await timeSteps(memory, 5000);
    if (round < 0) continue; // compiles the code
    full.push(2 / (1 / before + 1 / after));
    normal.push(2 / (1 / beforeNormal + 1 / afterNormal));
    onPower.push(1000 / powerMs);
    onProcess.push(1000 / processMs);
    cpu.push((end - begin - rawCpu) * 1000 / 5000);
    inMemory.push(1000 / memoryMs);
  }
  rawFull.close();
  rawNormal.close();
  const raw = b.measure("raw single-row commits, FULL", "commits/s", full);
  b.measure("steps one after the other, 'power'", "steps/s", onPower);
  const ratio = b.measure("steps over raw commits, FULL, by round", "ratio", ratios(onPower, full));
  b.measure("raw single-row commits, NORMAL", "commits/s", normal);
  b.measure("steps one after the other, 'process'", "steps/s", onProcess);
  b.measure("steps over raw commits, NORMAL, by round", "ratio", ratios(onProcess, normal));
  b.measure("steps one after the other, memory", "steps/s", inMemory);
  const own = b.measure(
    "own time a step: 'process' less a raw NORMAL commit, by round",
    "µs",
    onProcess.map((rate, i) => 1e6 / rate - 1e6 / (normal[i] ?? NaN)),
  );
  const ownCpu = b.measure("the same in time of the processor", "µs", cpu);
  b.bar("steps over raw commits, FULL (where raw is below 10,000/s)", "ratio", ratio.median, "at least", 0.7);
  if (raw.median >= 10_000) {
    b.note(`Raw commits are above 10,000/s here: the bar of the ratio is not meant for this disk.`);
  }
  b.bar("own time a step, by the clock", "µs", own.median, "at most", 60);
  b.bar("own time a step, of the processor", "µs", ownCpu.median, "at most", 60);
}

async function growth(b: Bench, dir: string, rounds: number): Promise<void> {
  const storages = {
    memory: createMemoryStorage(),
    "SQLite, 'process'": await openSqliteStorage({ dir: `${dir}/growth-process`, durability: "process" }),
    "SQLite, 'power'": await openSqliteStorage({ dir: `${dir}/growth-power`, durability: "power" }),
  };
  for (const [name, storage] of Object.entries(storages)) {
    await using engine = await openEngine(storage);
    const few: number[] = [], many: number[] = [];
    for (let round = -1; round < rounds; round++) {
      // As many steps in short runs as in the long one, half of them before and half after it.
      const short: number[] = [];
      for (let i = 0; i < MANY / FEW / 2; i++) short.push(await timeSteps(engine, FEW));
      const long = await timeSteps(engine, MANY);
      for (let i = 0; i < MANY / FEW / 2; i++) short.push(await timeSteps(engine, FEW));
      if (round < 0) continue;
      few.push(short.reduce((sum, ms) => sum + ms, 0) * 1000 / short.length);
      many.push(long * 1000);
    }
    b.measure(`${name}: a step of ${FEW}`, "µs", few);
    b.measure(`${name}: a step of ${MANY}`, "µs", many);
    const grown = ratios(many, few);
    b.measure(`${name}: a step of ${MANY} over one of ${FEW}, by round`, "ratio", grown);
    b.bar(`a step of ${MANY} over one of ${FEW}, ${name}`, "ratio", median(grown), "at most", 1.2);
  }
}

await bench("steps", import.meta.main, async (b) => {
  const rounds = option("rounds", 9);
  await withFolder(async (dir) => {
    await speed(b, dir, rounds);
    await growth(b, dir, Math.min(rounds, 5));
  });
});
