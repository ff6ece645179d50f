/**
 * What a trivial TypeScript script costs through the runner, beside a bare `deno run` of the same code: warm (a process waits), cold
 * (none does), and by the second on two lanes. Rounds go in turns; between them the pool has time to fill, as it has between the jobs of a
 * person.
 *
 * @module
 */
import { launch, rate } from "./_launches.ts";
import { createTypeScriptRunner } from "../src/runner/typescript/mod.ts";
import type { Runner } from "../src/runner/ports.ts";
import { bench, median, option, ratios, withFolder } from "./_report.ts";

const SCRIPT = `export async function main(name: string, times = 2) {
  return { hello: name.repeat(times) };
}
`;
const WITH_CLIENT = `import * as wmill from "windmill-client";
export async function main() {
  return typeof wmill.getResource;
}
`;
const PAUSE_MS = 250;
const LANES = 2;

async function job(runner: Runner, content: string): Promise<number> {
  const begun = performance.now();
  const outcome = await runner.run({
    id: crypto.randomUUID(),
    language: "bun",
    content,
    path: "f/bench/trivial",
    args: { name: "x" },
    env: { WM_JOB_ID: "1", WM_WORKSPACE: "bench", WM_TOKEN: "token", BASE_INTERNAL_URL: "http://127.0.0.1:8000" },
    resolve: () => Promise.resolve(undefined),
  }, { log() {}, stream() {}, signal: new AbortController().signal });
  if (!outcome.ok) throw new Error(`The job failed: ${outcome.error.message}`);
  return performance.now() - begun;
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}

await bench("runner", import.meta.main, async (b) => {
  const rounds = option("rounds", 21);
  b.setting("Deno", Deno.version.deno);
  b.setting("rounds", rounds);
  await withFolder(async (folder) => {
    const file = `${folder}/bare.ts`;
    await Deno.writeTextFile(file, `${SCRIPT}console.log(JSON.stringify(await main("x")));\n`);
    const shared = { cacheFolder: `${folder}/cache` };
    await using warm = await createTypeScriptRunner({ ...shared, jobsFolder: `${folder}/warm` });
    await using cold = await createTypeScriptRunner({ ...shared, jobsFolder: `${folder}/cold`, poolSize: 0 });
    const plain: number[] = [], waiting: number[] = [], started: number[] = [], client: number[] = [];
    for (let round = -3; round < rounds; round++) {
      const found = [];
      for (
        const one of [
          () => launch(file),
          () => job(warm, SCRIPT),
          () => job(cold, SCRIPT),
          () => job(warm, WITH_CLIENT),
        ]
      ) {
        found.push(await one());
        await pause();
      }
      if (round < 0) continue; // fills the caches
      const [a = 0, w = 0, c = 0, k = 0] = found;
      plain.push(a), waiting.push(w), started.push(c), client.push(k);
    }
    b.measure("deno run, the process", "ms", plain);
    b.measure("job, a process waits", "ms", waiting);
    b.measure("job, none waits", "ms", started);
    b.measure("job that imports windmill-client, a process waits", "ms", client);
    b.bar("trivial script, warm, as a part of deno run", "ratio", median(ratios(waiting, plain)), "at most", 0.6);
    b.bar("trivial script, cold, as a part of deno run", "ratio", median(ratios(started, plain)), "at most", 1.5);

    const launches: number[] = [], jobs: number[] = [];
    for (let round = -1; round < Math.max(3, Math.floor(rounds / 4)); round++) {
      const found = [await rate(LANES, 40, () => launch(file)), await rate(LANES, 40, () => job(warm, SCRIPT))];
      await pause();
      if (round < 0) continue;
      launches.push(found[0] ?? 0);
      jobs.push(found[1] ?? 0);
    }
    b.measure(`deno run, ${LANES} at a time`, "1/s", launches);
    b.measure(`jobs, ${LANES} at a time`, "1/s", jobs);
    b.bar("jobs a second as a part of launches", "ratio", median(ratios(jobs, launches)), "at least", 0.8);
    b.note("Without a server: a job through the API has the server's own time on top.");
  });
});
