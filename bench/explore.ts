/**
 * Crash schedules: a workflow of ten steps whose process dies before and after each commit, on the real engine.
 *
 * @module
 */
import { step, workflow } from "../src/cluster/authoring.ts";
import { explore, type ExploreOptions } from "../src/testing/mod.ts";
import { cpuTime } from "./_machine.ts";
import { bench, option } from "./_report.ts";

const ten = workflow(async () => {
  let sum = 0;
  for (let i = 0; i < 10; i++) sum += await step("work", () => i);
  return sum;
});

/** Schedules a second: of a core, and by the clock. */
async function rate(times: number, options: ExploreOptions): Promise<{ readonly cpu: number; readonly clock: number }> {
  let schedules = 0;
  const start = performance.now();
  const begin = cpuTime();
  for (let seed = 0; seed < times; seed++) {
    const explored = await explore(ten, { seed, ...options });
    if (explored.outcome !== "45") throw new Error(`The run gave ${explored.outcome}, expected 45`);
    schedules += explored.schedules;
  }
  return { cpu: schedules * 1000 / (cpuTime() - begin), clock: schedules * 1000 / (performance.now() - start) };
}

await bench("explore", import.meta.main, async (b) => {
  const rounds = option("rounds", 9);
  b.setting("steps", 10);
  const single = { cpu: [] as number[], clock: [] as number[] };
  const several = { cpu: [] as number[], clock: [] as number[] };
  for (let round = -1; round < rounds; round++) {
    // 24 of 25 schedules have one process that dies; the other one is the plain one.
    const one = await rate(40, { runs: 0 });
    const more = await rate(1, { runs: 1000 });
    if (round < 0) continue; // compiles the code
    for (const kind of ["cpu", "clock"] as const) {
      single[kind].push(one[kind] * 24 / 25);
      several[kind].push(more[kind]);
    }
  }
  const { median } = b.measure("a process dies before or after one commit", "schedules/s of a core", single.cpu);
  b.measure("the same by the clock", "schedules/s", single.clock);
  b.measure("a seed decides: up to four die, outcomes out of order", "schedules/s of a core", several.cpu);
  b.measure("the same by the clock", "schedules/s", several.clock);
  b.bar("crash schedules of ten steps", "schedules/s of a core", median, "at least", 1000);
});
