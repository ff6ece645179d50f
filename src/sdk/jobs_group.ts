/**
 * The functions of a client that start, follow and end jobs.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import type { Job, JobResult, JobStatus } from "../wire/jobs.ts";
import { readRootJobId } from "./_current_job.ts";
import type { JobArgs, RunFlow, RunScript, StartFlow, StartScript } from "./_typed_calls.ts";
import type { ClientOptions } from "./connection.ts";
import {
  type CancelOptions,
  type CancelOutcome,
  type GetJobOptions,
  type ProgressOptions,
  readJobProgress,
  readJobRecord,
  readJobStatus,
  readResult,
  readResultMaybe,
  type ResultMaybeOptions,
  stopJob,
  stopOtherJobs,
  writeProgress,
} from "./jobs_records.ts";
import { runJob, type RunOptions, startJob, type StartOptions, type WaitOptions } from "./jobs.ts";
import { awaitJob } from "./jobs_wait.ts";

/** Scripts, flows and their jobs. */
export interface JobsGroup {
  /** Starts the script at a path and gives the id of its job. */
  readonly start: StartScript<StartOptions>;
  /** Starts one version of a script and gives the id of its job. */
  readonly startByHash: (hash: string, args?: JobArgs | null, options?: StartOptions) => Promise<string>;
  /** Starts the flow at a path and gives the id of its job. It belongs to the running job only if `parentJob` says so. */
  readonly startFlow: StartFlow<StartOptions>;
  /** Runs the script at a path and gives its result. The type is the caller's word: nothing checks it. */
  readonly run: RunScript<RunOptions>;
  /** Runs one version of a script and gives its result. The type is the caller's word: nothing checks it. */
  readonly runByHash: <T = unknown>(hash: string, args?: JobArgs | null, options?: RunOptions) => Promise<T>;
  /** Runs the flow at a path and gives its result. The type is the caller's word: nothing checks it. */
  readonly runFlow: RunFlow<RunOptions>;
  /** Waits for a job and gives its result; JobFailedError when it failed. The type is the caller's word. */
  readonly wait: <T = unknown>(jobId: string, options?: WaitOptions) => Promise<T>;
  /** Reads the record of a job. */
  readonly get: (jobId: string, options?: GetJobOptions) => Promise<Job>;
  /** Tells whether a job is waiting, running or completed. */
  readonly status: (jobId: string, options?: CallOptions) => Promise<JobStatus>;
  /** Reads the result of a completed job; it does not say whether the job succeeded. */
  readonly result: <T = unknown>(jobId: string, options?: CallOptions) => Promise<T>;
  /** Tells whether a job is completed, and then how. An unknown job is one that is not completed. */
  readonly resultMaybe: (jobId: string, options?: ResultMaybeOptions) => Promise<JobResult>;
  /** Cancels a job that is waiting or running; gives the server's words. */
  readonly cancel: (jobId: string, options?: CancelOptions) => Promise<string>;
  /** Cancels every other running job of the current script, and says what became of each. */
  readonly cancelRunning: (options?: CancelOptions) => Promise<Readonly<Record<string, CancelOutcome>>>;
  /** Reports how far the running job is, in percent. */
  readonly setProgress: (percent: number, options?: ProgressOptions) => Promise<void>;
  /** Reads how far a job is, in percent; null when it never said. */
  readonly getProgress: (options?: ProgressOptions) => Promise<number | null>;
  /** Gives the id of the outermost job that a job, by default the running one, belongs to. */
  readonly rootJobId: (jobId?: string, options?: CallOptions) => Promise<string>;
}

/** The functions of this group for one client. */
export function jobsGroup(c: ClientOptions): JobsGroup {
  // `as` below: what the server stores has the type that the caller says it has; nothing here could know better.
  return {
    start: (path: string, args?: JobArgs | null, o?: StartOptions) => startJob(c, "p", path, args, o),
    startByHash: (hash, args, o) => startJob(c, "h", hash, args, o),
    startFlow: (path: string, args?: JobArgs | null, o?: StartOptions) => startJob(c, "f", path, args, o),
    run: <T>(path: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "p", path, args, o) as Promise<T>,
    runByHash: <T>(hash: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "h", hash, args, o) as Promise<T>,
    runFlow: <T>(path: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "f", path, args, o) as Promise<T>,
    wait: <T>(jobId: string, o?: WaitOptions) => awaitJob(c, jobId, o) as Promise<T>,
    get: (jobId, o) => readJobRecord(c, jobId, o),
    status: (jobId, o) => readJobStatus(c, jobId, o),
    result: <T>(jobId: string, o?: CallOptions) => readResult(c, jobId, o) as Promise<T>,
    resultMaybe: (jobId, o) => readResultMaybe(c, jobId, o),
    cancel: (jobId, o) => stopJob(c, jobId, o),
    cancelRunning: (o) => stopOtherJobs(c, o),
    setProgress: (percent, o) => writeProgress(c, percent, o),
    getProgress: (o) => readJobProgress(c, o),
    rootJobId: (jobId, o) => readRootJobId(c, jobId, o),
  };
}
