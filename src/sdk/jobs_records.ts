/**
 * What the server knows about jobs: records, results, progress; and cancelling them.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import { type Answer, readJson } from "../wire/answer.ts";
import {
  type Job,
  type JobResult,
  type JobStatus,
  readJob,
  readJobIds,
  readJobResult,
  readProgress,
  statusOf,
} from "../wire/jobs.ts";
import { readDone, readPlain } from "../wire/plain.ts";
import { currentJob, jobRoute } from "./_current_job.ts";
import {
  type ClientOptions,
  inWorkspace,
  post,
  type PostCall,
  queryOf,
  request,
  setting,
  variable,
} from "./connection.ts";

/** Options of reading the record of a job. */
export interface GetJobOptions extends CallOptions {
  /** True leaves out the logs. @default false */
  readonly noLogs?: boolean;
  /** True leaves out the code. @default false */
  readonly noCode?: boolean;
}

/** Options of asking whether a job is completed. */
export interface ResultMaybeOptions extends CallOptions {
  /** True fills in `started` of a job that is not completed. @default false */
  readonly getStarted?: boolean;
}

/** Options of cancelling jobs. */
export interface CancelOptions extends CallOptions {
  /** Why; the job's error shows it. */
  readonly reason?: string;
  /** True takes it off the queue even when its worker does not answer any more. @default false */
  readonly force?: boolean;
}

/** Options of progress: whose it is. */
export interface ProgressOptions extends CallOptions {
  /** Id of the job. @default `WM_JOB_ID` */
  readonly jobId?: string;
}

/** Reads the record of a job. */
export async function readJobRecord(client: ClientOptions, jobId: string, options: GetJobOptions = {}): Promise<Job> {
  const query = queryOf({ no_logs: options.noLogs, no_code: options.noCode });
  return readJob(await request(client, { route: jobRoute(client, "jobs_u/get", jobId), query }, options));
}

/** Tells what a job is doing, without loading its logs and code. */
export async function readJobStatus(client: ClientOptions, jobId: string, options?: CallOptions): Promise<JobStatus> {
  return statusOf(await readJobRecord(client, jobId, { ...options, noLogs: true, noCode: true }));
}

/** Reads the result of a completed job; it does not say whether the job succeeded. */
export async function readResult(client: ClientOptions, jobId: string, options?: CallOptions): Promise<unknown> {
  return readJson(
    await request(client, { route: jobRoute(client, "jobs_u/completed/get_result", jobId) }, options),
    "JSON",
  );
}

/** Tells whether a job is completed, and then its result. An unknown job is one that is not completed. */
export async function readResultMaybe(
  client: ClientOptions,
  jobId: string,
  options: ResultMaybeOptions = {},
): Promise<JobResult> {
  const query = queryOf({ get_started: options.getStarted });
  const call = { route: jobRoute(client, "jobs_u/completed/get_result_maybe", jobId), query };
  return readJobResult(await request(client, call, options));
}

/** The call that cancels a job. */
export function cancelCall(client: ClientOptions, jobId: string, { reason, force }: CancelOptions): PostCall {
  const route = jobRoute(client, `jobs_u/queue/${force === true ? "force_" : ""}cancel`, jobId);
  return { route, body: { reason }, idempotent: true };
}

/** Cancels a job that is waiting or running. */
export async function askToStop(client: ClientOptions, jobId: string, options: CancelOptions): Promise<Answer> {
  // The server itself gives up after 120 s: whoever waits less long learns less.
  return await post(client, cancelCall(client, jobId, options), { timeoutMs: 130_000, ...options });
}

/** Cancels a job that is waiting or running; gives the server's words. */
export async function stopJob(client: ClientOptions, jobId: string, options?: CancelOptions): Promise<string> {
  return readPlain(await askToStop(client, jobId, { reason: "cancelled via cancelJob method", ...options }), "words");
}

/** Cancels many jobs in one call; gives the ids of those that it cancelled. */
export async function stopJobs(
  client: ClientOptions,
  jobIds: Iterable<string>,
  options: Omit<CancelOptions, "reason"> = {},
): Promise<string[]> {
  // The letters of a text are texts too.
  if (typeof jobIds === "string") throw new TypeError("Expected several ids as 'jobIds', found a text");
  const route = inWorkspace(client, "jobs/queue/cancel_selection");
  const query = queryOf({ force_cancel: options.force });
  const call = { route, query, body: [...jobIds], idempotent: true };
  return readJson(
    await post(client, call, options),
    "an array of ids",
    (value): value is string[] => Array.isArray(value) && value.every((id) => typeof id === "string"),
  );
}

/** What became of each job that was to be cancelled: the server's words, or the error. */
export type CancelOutcome = { readonly message: string } | { readonly error: unknown };

/** Cancels every other running job of the current script; one that cannot be cancelled does not keep the others. */
export async function stopOtherJobs(
  client: ClientOptions,
  options: CancelOptions = {},
): Promise<Readonly<Record<string, CancelOutcome>>> {
  const { reason = "killed by `cancelRunning` method" } = options;
  const path = setting(client, undefined, /./, "the path of the script", "WM_JOB_PATH");
  const self = currentJob(client, undefined);
  const found = new Set<string>();
  for (let page = 1;; page++) {
    const query = queryOf({ running: true, script_path_exact: path, page, per_page: 100 });
    const ids = readJobIds(await request(client, { route: inWorkspace(client, "jobs/list"), query }, options));
    const before = found.size;
    for (const id of ids) found.add(id);
    // A server that does not know pages gives the first one again.
    if (ids.length < 100 || found.size === before) break;
  }
  found.delete(self);
  // By way of a map: an id of the server's may be a name that objects have already.
  const outcomes = new Map<string, CancelOutcome>();
  const ids = [...found];
  async function work(): Promise<void> {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
      try {
        outcomes.set(id, { message: await stopJob(client, id, { ...options, reason }) });
      } catch (error) {
        options.signal?.throwIfAborted();
        outcomes.set(id, { error });
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, work));
  return Object.fromEntries(outcomes);
}

/** Reports how far a job is, in percent; the server keeps whole numbers from 0 to 99. */
export async function writeProgress(
  client: ClientOptions,
  percent: number,
  options: ProgressOptions = {},
): Promise<void> {
  if (!Number.isFinite(percent)) {
    throw new RangeError(`Cannot set the progress: 'percent' must be a finite number: current value is ${percent}`);
  }
  const id = currentJob(client, options.jobId);
  // Another job's flow is asked for; the running job's is in its environment.
  const flow = options.jobId === undefined
    ? variable(client, "WM_FLOW_JOB_ID")
    : (await readJobRecord(client, id, { ...options, noLogs: true })).parent_job ?? undefined;
  const body = { percent: Math.floor(percent), flow_job_id: flow };
  const call = { route: jobRoute(client, "job_metrics/set_progress", id), body, idempotent: true };
  readDone(await post(client, call, options));
}

/** Reads how far a job is, in percent; null when it never said. */
export async function readJobProgress(client: ClientOptions, options: ProgressOptions = {}): Promise<number | null> {
  const id = currentJob(client, options.jobId);
  return readProgress(await request(client, { route: jobRoute(client, "job_metrics/get_progress", id) }, options));
}
