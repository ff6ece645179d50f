/**
 * The functions of a client that start, follow and end jobs.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import type { Job, JobResult, JobStatus } from "../wire/jobs.ts";
import { readRootJobId } from "./_current_job.ts";
import { type CodePreview, hasInternalServer, runPreview } from "./_inline_preview.ts";
import type { JobArgs, RunFlow, RunScript, StartFlow, StartScript } from "./_typed_calls.ts";
import type { ClientOptions } from "./connection.ts";
import { type AllJobsOptions, listAllJobs, listJobs, type ListJobsOptions } from "./jobs_list.ts";
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
  stopJobs,
  stopOtherJobs,
  writeProgress,
} from "./jobs_records.ts";
import { runInOneRequest } from "./jobs_run_wait.ts";
import {
  followUpdates,
  type JobUpdate,
  readResultStream,
  type ResultStreamOptions,
  streamJob,
  type StreamOptions,
  type UpdatesOptions,
} from "./jobs_updates.ts";
import { runJob, type Runnable, type RunOptions, startJob, type StartOptions, type WaitOptions } from "./jobs.ts";
import { awaitJob } from "./jobs_wait.ts";

/** What to run: the path of a script, or a version of one by hash, or a flow by path, or a version of one by number. */
export type JobTarget =
  | string
  | { readonly hash: string }
  | { readonly flow: string }
  | { readonly flowVersion: string | number };

/**
 * Scripts, flows and their jobs.
 *
 * @example Follow a job
 * ```ts
 * import { createClient } from "@windkit/windmill-client";
 *
 * const events = [{ type: "update", running: true }, { type: "update", completed: true, new_logs: "done", log_offset: 5 }];
 * const fetch = (url: string) =>
 *   Promise.resolve(
 *     new Response(
 *       url.includes("getupdate_sse")
 *         ? events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")
 *         : '{"completed":true,"success":true,"result":42}',
 *     ),
 *   );
 * const client = createClient({ baseUrl: "https://windmill.example.com", workspace: "acme", token: "secret", fetch });
 *
 * const seen: string[] = [];
 * for await (const update of client.jobs.updates("0190e0c4-0000-7000-8000-000000000001")) {
 *   seen.push(update.type === "logs" ? update.text : update.type);
 * }
 * if (seen.join() !== "running,done,completed") throw new Error(seen.join());
 * ```
 */
export interface JobsGroup {
  /** Starts the script at a path and gives the id of its job. */
  readonly start: StartScript<StartOptions>;
  /** Starts one version of a script and gives the id of its job. */
  readonly startByHash: (hash: string, args?: JobArgs | null, options?: StartOptions) => Promise<string>;
  /** Starts the flow at a path and gives the id of its job. It belongs to the running job only if `parentJob` says so. */
  readonly startFlow: StartFlow<StartOptions>;
  /** Starts one version of a flow and gives the id of its job. It belongs to the running job only if `parentJob` says so. */
  readonly startFlowVersion: (
    version: string | number,
    args?: JobArgs | null,
    options?: StartOptions,
  ) => Promise<string>;
  /** Runs the script at a path and gives its result. The type is the caller's word: nothing checks it. */
  readonly run: RunScript<RunOptions>;
  /** Runs one version of a script and gives its result. The type is the caller's word: nothing checks it. */
  readonly runByHash: <T = unknown>(hash: string, args?: JobArgs | null, options?: RunOptions) => Promise<T>;
  /** Runs the flow at a path and gives its result. The type is the caller's word: nothing checks it. */
  readonly runFlow: RunFlow<RunOptions>;
  /** Runs one version of a flow and gives its result. The type is the caller's word: nothing checks it. */
  readonly runFlowVersion: <T = unknown>(
    version: string | number,
    args?: JobArgs | null,
    options?: RunOptions,
  ) => Promise<T>;
  /**
   * Runs a script or flow in one request, which the server answers when the job ended: for tokens that may run it but not read
   * jobs. The server's own limit ends it (600 s unless the instance says otherwise), and ending the request cancels the job;
   * {@linkcode run} has neither limit.
   */
  readonly runInOneRequest: <T = unknown>(
    target: JobTarget,
    args?: JobArgs | null,
    options?: StartOptions,
  ) => Promise<T>;
  /** Starts a script or flow and gives the stream of its result, text by text; JobFailedError when it failed. */
  readonly stream: (
    target: JobTarget,
    args?: JobArgs | null,
    options?: StreamOptions,
  ) => AsyncGenerator<string, void, void>;
  /** Gives the stream of a job's result, text by text, until the job ended; JobFailedError when it failed. */
  readonly resultStream: (jobId: string, options?: ResultStreamOptions) => AsyncGenerator<string, void, void>;
  /** Gives what happens to a job, as it happens: logs, progress, stream of the result, and how it ended, which comes last. */
  readonly updates: (jobId: string, options?: UpdatesOptions) => AsyncGenerator<JobUpdate, void, void>;
  /** Runs code that is not deployed: on this worker where that is possible, as a job elsewhere. */
  readonly runPreview: <T = unknown>(preview: CodePreview, options?: CallOptions) => Promise<T>;
  /** Tells whether {@linkcode runPreview} runs code on this worker: when the address of the API is on this machine. */
  readonly hasInternalServer: () => boolean;
  /** Waits for a job and gives its result; JobFailedError when it failed. The type is the caller's word. */
  readonly wait: <T = unknown>(jobId: string, options?: WaitOptions) => Promise<T>;
  /** Lists jobs, the latest first. */
  readonly list: (options?: ListJobsOptions) => Promise<Job[]>;
  /** Lists all jobs, page by page as they are asked for: first those that are not completed, then those that are. */
  readonly listAll: (options?: AllJobsOptions) => AsyncGenerator<Job, void, void>;
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
  /** Cancels many jobs in one call; gives the ids of those that it cancelled. */
  readonly cancelMany: (jobIds: Iterable<string>, options?: Omit<CancelOptions, "reason">) => Promise<string[]>;
  /** Cancels every other running job of the current script, and says what became of each. */
  readonly cancelRunning: (options?: CancelOptions) => Promise<Readonly<Record<string, CancelOutcome>>>;
  /** Reports how far the running job is, in percent. */
  readonly setProgress: (percent: number, options?: ProgressOptions) => Promise<void>;
  /** Reads how far a job is, in percent; null when it never said. */
  readonly getProgress: (options?: ProgressOptions) => Promise<number | null>;
  /** Gives the id of the outermost job that a job, by default the running one, belongs to. */
  readonly rootJobId: (jobId?: string, options?: CallOptions) => Promise<string>;
}

/** Kind and name of what to run. */
function targetOf(target: JobTarget): readonly [Runnable, string] {
  if (typeof target !== "object" || target === null) return ["p", target];
  if ("hash" in target) return ["h", target.hash];
  return "flow" in target ? ["f", target.flow] : ["fv", versionOf(target.flowVersion)];
}

/** The digits of a version. */
function versionOf(version: string | number): string {
  if (/^\d+$/.test(`${version}`)) return `${version}`;
  throw new RangeError(`Cannot run a flow: expected the number of a version, found ${JSON.stringify(version)}`);
}

/** The functions of this group for one client. */
export function jobsGroup(c: ClientOptions): JobsGroup {
  // `as` below: what the server stores has the type that the caller says it has; nothing here could know better.
  return {
    start: (path: string, args?: JobArgs | null, o?: StartOptions) => startJob(c, "p", path, args, o),
    startByHash: (hash, args, o) => startJob(c, "h", hash, args, o),
    startFlow: (path: string, args?: JobArgs | null, o?: StartOptions) => startJob(c, "f", path, args, o),
    startFlowVersion: async (version, args, o) => await startJob(c, "fv", versionOf(version), args, o),
    run: <T>(path: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "p", path, args, o) as Promise<T>,
    runByHash: <T>(hash: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "h", hash, args, o) as Promise<T>,
    runFlow: <T>(path: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "f", path, args, o) as Promise<T>,
    runFlowVersion: async <T>(version: string | number, args?: JobArgs | null, o?: RunOptions) =>
      await runJob(c, "fv", versionOf(version), args, o) as T,
    runInOneRequest: async <T>(target: JobTarget, args?: JobArgs | null, o?: StartOptions) =>
      await runInOneRequest(c, ...targetOf(target), args, o) as T,
    stream: async function* (target, args, o) {
      yield* streamJob(c, ...targetOf(target), args, o);
    },
    resultStream: (jobId, o) => readResultStream(c, jobId, o),
    updates: (jobId, o) => followUpdates(c, jobId, o),
    runPreview: <T>(preview: CodePreview, o?: CallOptions) => runPreview(c, preview, o) as Promise<T>,
    hasInternalServer: () => hasInternalServer(c),
    wait: <T>(jobId: string, o?: WaitOptions) => awaitJob(c, jobId, o) as Promise<T>,
    list: (o) => listJobs(c, o),
    listAll: (o) => listAllJobs(c, o),
    get: (jobId, o) => readJobRecord(c, jobId, o),
    status: (jobId, o) => readJobStatus(c, jobId, o),
    result: <T>(jobId: string, o?: CallOptions) => readResult(c, jobId, o) as Promise<T>,
    resultMaybe: (jobId, o) => readResultMaybe(c, jobId, o),
    cancel: (jobId, o) => stopJob(c, jobId, o),
    cancelMany: (jobIds, o) => stopJobs(c, jobIds, o),
    cancelRunning: (o) => stopOtherJobs(c, o),
    setProgress: (percent, o) => writeProgress(c, percent, o),
    getProgress: (o) => readJobProgress(c, o),
    rootJobId: (jobId, o) => readRootJobId(c, jobId, o),
  };
}
