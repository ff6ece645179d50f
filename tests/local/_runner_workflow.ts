/**
 * A workflow as a user writes it: run by the engine in this process, and by a runner in a boxed one.
 *
 * @module
 */
import { parallel, sleep, step, task, taskInfo, waitForApproval, workflow } from "windmill-client";

const flaky = task("flaky", async (n: number) => {
  await Promise.resolve();
  if (taskInfo().attempt === 1 && n % 2 === 0) throw new RangeError(`Refused ${n}`);
  return { n, square: n * n, when: new Date(n) };
}, { retry: { attempts: 1, delay: 1 } });

const named = task(async (n: number) => n + 1);

export const main = workflow(async (from: number, to: number) => {
  const start = await step("start", () => taskInfo().idempotencyKey.length);
  const numbers = Array.from({ length: to - from }, (_, i) => from + i);
  const all = await parallel(numbers, (n) => flaky(n), { concurrency: 3 });
  const [slept, failed] = await Promise.allSettled([
    sleep(2),
    step("bad", () => {
      throw Object.assign(new Error("No"), { code: 7 });
    }),
  ]);
  const answer = await waitForApproval({ key: "sign", timeout: 5, form: { type: "object" } });
  return { start, all, states: [slept.status, failed.status], answer, named: await named(1) };
});
