/**
 * Workflows that run in Durable Objects and, for comparison, on an SQLite engine.
 *
 * @module
 */
import {
  childWorkflow,
  continueAsNew,
  parallel,
  progress,
  sleep,
  step,
  task,
  taskInfo,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";

/** What a step does outside: told to whoever counts. */
let tellOf: ((run: string, key: string, what: string) => Promise<void>) | undefined;

/** From now on, effects are told to `tell`, with the run and the key. */
export function tellEffects(tell: (run: string, key: string, what: string) => Promise<void>): void {
  tellOf = tell;
}

async function effect(what: string): Promise<void> {
  const { runId, key } = taskInfo();
  await tellOf?.(runId, key, what);
}

const double = task(function double(n: number): number {
  return n * 2;
});

/** Steps, each with an effect outside. */
const steps = workflow(async (count: number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += await step(`s${i}`, async () => {
      await effect("ran");
      return i;
    });
  }
  return sum;
});

/** The same without effects. */
const plain = workflow(async (count: number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += await step("s", () => i);
  return sum;
});

const naps = workflow(async (count: number, seconds: number) => {
  for (let i = 0; i < count; i++) {
    await step(`before ${i}`, () => effect("before"));
    await sleep(seconds);
  }
  await step("after", () => effect("after"));
  return "rested";
});

const longSleep = workflow(async (days: number) => {
  await step("before", () => effect("before"));
  await sleep(days * 86_400);
  return "awake";
});

const sums = workflow(async (numbers: number[]) => {
  const all = await parallel(numbers, (n) => double(n));
  progress({ done: all.length });
  const overlap = await Promise.all([sleep(0.05), step("beside", () => 1)]);
  return [...all, overlap.length];
});

const signOff = workflow(async () => {
  const answer = await waitForApproval({ timeout: 3600 });
  return { approved: answer.approved, value: answer.value, approver: answer.approver };
});

const orders = workflow(async (count: number) => {
  const got: unknown[] = [];
  for (let i = 0; i < count; i++) got.push(await waitForEvent("order"));
  return got;
});

const family = workflow(async (count: number) => {
  const parts = await Promise.all(Array.from({ length: count }, (_, i) => childWorkflow("plain", { count: i + 1 })));
  return parts;
});

const counter = workflow(async (left: number, sum = 0) => {
  const next = await step("add", () => sum + left);
  if (left > 1) return await continueAsNew({ left: left - 1, sum: next });
  return next;
});

const large = workflow(async (length: number) => {
  const text = await step("make", () => "é😀".repeat(length));
  await sleep(0.05);
  return { length: text.length, ends: text.slice(-3) };
});

const fails = workflow(async () => {
  await step("bad", () => {
    throw Object.assign(new Error("It broke"), { name: "BrokenError" });
  });
});

/** Two of these in one isolate must not see each other's run. */
const contexts = workflow(async (name: string, rounds: number) => {
  const seen = new Set<string>();
  await parallel(Array.from({ length: 4 }, (_, i) => i), async (i) => {
    for (let n = 0; n < rounds; n++) {
      seen.add(
        await step(`${name} ${i} ${n}`, async () => {
          const { runId } = taskInfo();
          await new Promise((resolve) => setTimeout(resolve, (n + i) % 3));
          return runId === taskInfo().runId ? runId : "mixed";
        }),
      );
    }
  });
  return [...seen];
});

/** All of them, by name. */
export const workflows = {
  steps,
  plain,
  naps,
  longSleep,
  sums,
  signOff,
  orders,
  family,
  counter,
  large,
  fails,
  contexts,
};
