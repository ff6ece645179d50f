/**
 * OpenWorkflow on SQLite, with its own defaults (WAL, synchronous=FULL). For each line on standard input: one run of 1,000 steps, then
 * 100 runs of 10, and a line of JSON with the steps a second of each, from the beginning of the first step to the end of the last.
 *
 * Usage: openworkflow.mjs <folder>
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { OpenWorkflow } from "openworkflow";
import { BackendSqlite } from "openworkflow/sqlite";

const [folder] = process.argv.slice(2);
const times = { first: Infinity, last: 0 };
const ow = new OpenWorkflow({ backend: BackendSqlite.connect(`${folder}/openworkflow.db`) });
const sequence = ow.defineWorkflow({ name: "sequence" }, async ({ input, step }) => {
  let sum = 0;
  for (let i = 0; i < input.steps; i++) {
    sum += await step.run({ name: `work-${i}` }, () => {
      times.first = Math.min(times.first, performance.now());
      return 1;
    });
  }
  times.last = performance.now();
  return sum;
});
const worker = ow.newWorker({ concurrency: 100 });
await worker.start();

async function round(runs, steps) {
  times.first = Infinity;
  const handles = await Promise.all(Array.from({ length: runs }, () => sequence.run({ steps })));
  const sums = await Promise.all(handles.map((handle) => handle.result()));
  if (sums.some((sum) => sum !== steps)) throw new Error(`A run gave another sum than ${steps}: ${sums}`);
  return runs * steps * 1000 / (times.last - times.first);
}

for await (const _line of createInterface({ input: process.stdin })) {
  const sequential = await round(1, 1000);
  console.log(JSON.stringify({ sequential, many: await round(100, 10) }));
}
process.exit(0);
