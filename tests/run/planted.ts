/**
 * A suite that must fail: it shows that a runner sees each kind of failure, names the case, and goes on.
 *
 * @module
 */

import { test } from "../suite/harness.ts";

/** What the pipeline must find, for each case that does not run alone. */
export interface PlantedOutcome {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  /** A part of the text that must come with it. */
  readonly detail?: string;
}

/** After how many milliseconds a planted case counts as hanging. */
export const PLANTED_LIMIT_MS = 400;

/** The name of the case that never gives the thread back. */
export const BLOCKING_CASE = "alone: blocks the thread";

/** The name of the case that ends the process with exit code 0. */
export const EXITING_CASE = "alone: ends the process";

/** A reason to skip that `env.ts` does not know. */
export const INVENTED_REASON = "not today";

/** The cases and what must be reported of them, in order. */
export const planted: readonly PlantedOutcome[] = [
  { name: "planted: passes", status: "passed" },
  { name: "planted: throws", status: "failed", detail: "planted throw" },
  { name: "planted: rejects", status: "failed", detail: "planted rejection" },
  { name: "planted: throws no error", status: "failed", detail: "planted text" },
  { name: "planted: hangs", status: "failed", detail: `Still running after ${PLANTED_LIMIT_MS} ms` },
  { name: "planted: leaves a rejected promise", status: "failed", detail: "planted stray rejection" },
  { name: "planted: leaves a timer that throws", status: "failed", detail: "planted stray throw" },
  { name: "planted: is skipped for an invented reason", status: "skipped", detail: INVENTED_REASON },
  { name: "planted: passes after all of these", status: "passed" },
];

test("planted: passes", () => {});
test("planted: throws", () => {
  throw new Error("planted throw");
});
test("planted: rejects", () => Promise.reject(new Error("planted rejection")));
test("planted: throws no error", () => {
  throw "planted text";
});
test("planted: hangs", () => new Promise(() => {}));
test("planted: leaves a rejected promise", () => {
  void Promise.reject(new Error("planted stray rejection"));
});
test("planted: leaves a timer that throws", async () => {
  setTimeout(() => {
    throw new Error("planted stray throw");
  }, 0);
  await new Promise((resolve) => setTimeout(resolve, 5));
});
test("planted: is skipped for an invented reason", () => {}, INVENTED_REASON);
test("planted: passes after all of these", () => {});

test(BLOCKING_CASE, () => {
  for (;;);
});
test(EXITING_CASE, () => {
  (globalThis as unknown as { process: { exit(code: number): never } }).process.exit(0);
});
