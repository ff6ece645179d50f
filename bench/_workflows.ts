/**
 * The workflows that are measured, and how one run of them is timed.
 *
 * @module
 */
import { step, waitForApproval, workflow } from "../src/cluster/authoring.ts";
import { createEngine, type Engine, type Storage } from "../src/engine/engine.ts";

/** When the body of a run began its first step and ended its last, by run. */
const times = new Map<string, { first: number; last: number }>();

/** Small steps one after the other. `mark` names the run for `timesOf`. */
export const sequence = workflow(async (steps: number, mark: string) => {
  let sum = 0;
  const time = { first: 0, last: 0 };
  times.set(mark, time);
  for (let i = 0; i < steps; i++) {
    sum += await step("work", () => {
      if (i === 0) time.first = performance.now();
      return 1;
    });
  }
  time.last = performance.now();
  return sum;
});

/** Steps with a result of ten bytes. */
export const tenBytes = workflow(async (steps: number) => {
  for (let i = 0; i < steps; i++) await step("work", () => "12345678");
});

/** Waits for an answer. */
export const waiting = workflow(async (mark: string) => {
  const { value } = await waitForApproval({ timeout: 365 * 24 * 3600 });
  times.set(mark, { first: performance.now(), last: 0 });
  return value;
});

/** When the marked run began its first step (or got its answer) and when its last step was done. */
export function timesOf(mark: string): { readonly first: number; readonly last: number } {
  const found = times.get(mark);
  if (found === undefined) throw new Error(`Run "${mark}" did not run`);
  times.delete(mark);
  return found;
}

let marks = 0;

/** A name that no other run of this process has. */
export function newMark(): string {
  return `run ${++marks}`;
}

/** An engine with these workflows. */
export function openEngine(storage: Storage): Promise<Engine> {
  return createEngine({ storage, workflows: { sequence, tenBytes, waiting } });
}

/** Runs steps one after the other; returns milliseconds a step, from the beginning of the first to the end of the last. */
export async function timeSteps(engine: Engine, steps: number): Promise<number> {
  const mark = newMark();
  const run = await engine.start("sequence", [steps, mark]);
  const sum = await run.result();
  if (sum !== steps) throw new Error(`Run "${run.id}" gave ${JSON.stringify(sum)}, expected ${steps}`);
  const { first, last } = timesOf(mark);
  return (last - first) / steps;
}
