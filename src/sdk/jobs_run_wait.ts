/**
 * Running a job in one request, which the server answers when the job ended.
 *
 * @module
 */
import { systemFetch } from "../platform/network.ts";
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
  const { fetch = systemFetch } = client;
  // A result may be a redirect: followed, it would be a call of whatever it names, with the token and the arguments.
  const still: ClientOptions = {
    ...client,
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      const { status, headers, body } = answer;
      return headers.has("location") && status > 299 ? new Response(body, { status }) : answer;
    },
  };
  return await requestResult(still, { ...call, idempotent: false }, what, options.jobId ?? "", options);
}
