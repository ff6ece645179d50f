/**
 * What came of a job.
 *
 * @module
 */
import { JobFailedError } from "../base/errors.ts";
import { failureOf, type JobResult } from "../wire/jobs.ts";

/** The result of a job that succeeded; the error of one that did not. */
export function resultOf(
  jobId: string,
  { success, result }: Pick<JobResult, "success" | "result">,
  what: string = `Job "${jobId}"`,
): unknown {
  if (success === true) return result;
  const failure = failureOf(result);
  const words = [failure.name, failure.message].filter(Boolean).join(": ") || "its result has no error";
  throw new JobFailedError(`${what} failed: ${words}`, jobId, result, failure);
}
