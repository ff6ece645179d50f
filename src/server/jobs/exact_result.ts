/**
 * Results of jobs with all digits of their numbers.
 *
 * @module
 */
import { hasLargeNumber, parseExact } from "../../base/exact_numbers.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Job } from "../ports.ts";

/** Texts of results that hold numbers which JavaScript's numbers cannot. */
const texts = /* @__PURE__ */ new WeakMap<Job, string>();

/** Notes the text that a job's result was read from. */
export function noteResultText(job: Job, text: string): void {
  if (hasLargeNumber(text)) texts.set(job, text);
}

/** The result of a job as it gave it, to be written as JSON and for nothing else; undefined for a job that has not ended. */
export function exactResult(job: Job): Json | undefined {
  const text = texts.get(job);
  // `as`: only JSON is stored as a result.
  return text === undefined ? job.result : parseExact(text) as Json;
}
