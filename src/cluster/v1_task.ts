/**
 * A task that is called in a job of a Windmill worker, but in no round of a workflow: it runs as a job of its own (wac-protocol 12).
 * The server runs the exported function of the task's name in a copy of the calling job; the caller waits for it and holds its
 * place on the worker meanwhile.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { JobFailedError } from "../base/errors.ts";
import { encodeSegment } from "../base/url.ts";
import { readEnv } from "../platform/env.ts";
import { type ClientOptions, inWorkspace, post, queryOf, request } from "../sdk/connection.ts";
import { defaultClient } from "../sdk/default_client.ts";
import { awaitJob } from "../sdk/jobs_wait.ts";
import { readJobId } from "../wire/jobs.ts";
import { errorOf } from "../workflow/failure.ts";
import { failureOfRecord } from "../workflow/failure_record.ts";
import { parameterNames } from "../workflow/parameters.ts";
import type { TaskSpec } from "../workflow/session.ts";

/** What names the function that such a job runs; the server refuses every other name. */
const ENTRYPOINT = /^[A-Za-z_]\w*$/;

/** Which function the server was asked to run in this job: the same for as long as the job is. */
let override: { readonly job: string; readonly name: Promise<unknown> } | undefined;

/**
 * Runs a task as a job of its own and gives its result.
 *
 * @throws TaskError when the job fails
 * @throws TypeError when no exported function can have the task's name
 */
export async function runV1Task({ name, fn, options }: TaskSpec, args: readonly unknown[]): Promise<unknown> {
  const client = defaultClient();
  const job = encodeSegment(readEnv("WM_JOB_ID") ?? "", "WM_JOB_ID");
  const values = decode(encode(args)) as never[]; // `as` -- an array is encoded as one
  // In the job that was made for this task the task is the entry point: another job would be one more, without end.
  if (name === await (override?.job === job ? override : override = { job, name: entryPoint(client, job) }).name) {
    return decode(encode(await fn?.(...values)));
  }
  if (!ENTRYPOINT.test(name)) {
    throw new TypeError(
      `Cannot run task "${name}" as a job: outside a workflow the server runs an exported function by its name, ` +
        "which has letters, digits and _ only. Give the task's function that name, or call the task in a workflow",
    );
  }
  const names = fn === undefined ? [] : parameterNames(Function.prototype.toString.call(fn));
  const id = readJobId(
    await post(client, {
      route: inWorkspace(client, `jobs/run/workflow_as_code/${job}/${name}`),
      query: queryOf({ tag: options.tag, timeout: options.timeoutS && Math.ceil(options.timeoutS) }),
      body: { args: Object.fromEntries(values.map((value, i) => [names[i] ?? `arg${i}`, value])) },
      accept: "*/*",
      idempotent: false,
    }),
  );
  console.log(`Started task ${name} as job ${id}`);
  try {
    const result = await awaitJob(client, id);
    console.log(`Task ${name} (${id}) completed`);
    return decode(encode(result));
  } catch (error) {
    if (!(error instanceof JobFailedError)) throw error;
    const { errorMessage } = error;
    const message = errorMessage === undefined || errorMessage === "" ? error.message : errorMessage;
    throw errorOf(failureOfRecord({ message, child_job_id: id, result: error.result }, name));
  }
}

/** The function that the server was asked to run in a job, where it says so. */
async function entryPoint(client: ClientOptions, job: string): Promise<unknown> {
  // Python's worker says it in a variable.
  const named = readEnv("MAIN_OVERRIDE");
  if (named) return named;
  try {
    const { text } = await request(client, { route: inWorkspace(client, `jobs_u/get_args/${job}`) });
    return (JSON.parse(text) as { readonly _ENTRYPOINT_OVERRIDE?: unknown } | null)?._ENTRYPOINT_OVERRIDE;
  } catch {
    return undefined; // a token that may not read it may still start the job
  }
}
