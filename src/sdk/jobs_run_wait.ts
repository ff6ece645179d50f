/**
 * Running a job in one request, which the server answers when the job ended.
 *
 * @module
 */
import { requestResult } from "./_wait_result.ts";
import type { JobArgs } from "./_typed_calls.ts";
import type { ClientOptions } from "./connection.ts";
import { type Runnable, startCall, type StartOptions } from "./jobs.ts";

/**
 * Runs a job in one request and gives its result. Ending the request cancels the job. The request is never repeated, and the
 * server ends it after a time of its own.
 */
export async function runInOneRequest(
  client: ClientOptions,
  kind: Runnable,
  name: string,
  args: JobArgs | null | undefined,
  options: StartOptions = {},
): Promise<unknown> {
  const call = startCall(client, "run_wait_result", kind, name, args, options, true);
  const what = `The job of ${JSON.stringify(name)}`;
  return await requestResult(client, { ...call, idempotent: false }, what, options.jobId ?? "", options);
}
