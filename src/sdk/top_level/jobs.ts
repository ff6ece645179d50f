/**
 * Jobs under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type {
  CallArgs,
  FlowArgs,
  FlowPath,
  FlowResult,
  OtherPath,
  ScriptArgs,
  ScriptPath,
  ScriptResult,
} from "../../base/windmill_types.ts";
import type { CallOptions } from "../../http/transport.ts";
import type { Job, JobResult, JobStatus } from "../../wire/jobs.ts";
import { readRootJobId } from "../_current_job.ts";
import { hasInternalServer, runPreview } from "../_inline_preview.ts";
import { defaultClient } from "../default_client.ts";
import type { JobArgs } from "../_typed_calls.ts";
import { runJob, type Runnable, type RunOptions, startJob, type StartOptions, type WaitOptions } from "../jobs.ts";
import { cancelOnExit } from "../jobs_cleanup.ts";
import {
  type CancelOptions,
  type CancelOutcome,
  readJobProgress,
  readJobRecord,
  readJobStatus,
  readResult,
  readResultMaybe,
  stopJob,
  stopOtherJobs,
  writeProgress,
} from "../jobs_records.ts";
import { awaitJob } from "../jobs_wait.ts";

/** Gives the one of path and hash that is there. */
function oneOf(path: string | null | undefined, hash: string | null | undefined): readonly [Runnable, string] {
  const given = [["p", path], ["h", hash]] as const;
  const [first, second] = given.filter((pair): pair is ["p" | "h", string] =>
    pair[1] !== undefined && pair[1] !== null
  );
  if (first === undefined || second !== undefined) {
    throw new TypeError(`Expected a path or a hash, found ${first === undefined ? "neither" : "both"}`);
  }
  return first;
}

async function start(
  [kind, name]: readonly [Runnable, string],
  args: JobArgs | null | undefined,
  scheduledInSeconds: number | null | undefined,
  tag: string | null | undefined,
  options?: StartOptions,
  track?: boolean,
): Promise<string> {
  return await startJob(
    defaultClient(),
    kind,
    name,
    args,
    {
      ...(scheduledInSeconds === undefined || scheduledInSeconds === null ? {} : { scheduledInSeconds }),
      ...(tag === undefined || tag === null ? {} : { tag }),
      ...options,
    },
    track,
  );
}

async function run<T>(
  [kind, name]: readonly [Runnable, string],
  args: JobArgs | null | undefined,
  verbose: boolean,
  tag: string | null | undefined,
  options?: RunOptions,
): Promise<T> {
  if (verbose) console.info(`Running "${name}" and waiting for its result`);
  const given = { ...(tag === undefined || tag === null ? {} : { tag }), ...options };
  return await runJob(defaultClient(), kind, name, args, given) as T;
}

/**
 * Starts a script and gives the id of its job.
 *
 * @param path path of the script, or null
 * @param hash_ hash of a version of it, or null
 * @param args arguments by name
 * @param scheduledInSeconds when to run it; 0 and null are at once
 * @param tag worker tag
 * @deprecated Use {@linkcode runScriptByPathAsync} or {@linkcode runScriptByHashAsync} instead.
 */
export async function runScriptAsync(
  path: string | null,
  hash_: string | null,
  args: JobArgs | null,
  scheduledInSeconds: number | null = null,
  tag: string | null = null,
): Promise<string> {
  return await start(oneOf(path, hash_), args, scheduledInSeconds, tag);
}

/**
 * Starts the script at a path and gives the id of its job. The official client gives the text of an error as if it were an id.
 *
 * @param args arguments by name
 * @param scheduledInSeconds when to run it; 0 and null are at once
 * @param tag worker tag
 */
export function runScriptByPathAsync<P extends ScriptPath>(
  path: P,
  ...rest: CallArgs<
    ScriptArgs<P>,
    [scheduledInSeconds?: number | null, tag?: string | null, options?: StartOptions]
  >
): Promise<string>;
/** The same for a script that is not declared in {@linkcode WindmillTypes}. */
export function runScriptByPathAsync<P extends string>(
  path: OtherPath<P, ScriptPath>,
  args?: JobArgs | null,
  scheduledInSeconds?: number | null,
  tag?: string | null,
  options?: StartOptions,
): Promise<string>;
export function runScriptByPathAsync(
  path: string,
  args: JobArgs | null = null,
  scheduledInSeconds: number | null = null,
  tag: string | null = null,
  options?: StartOptions,
): Promise<string> {
  return start(["p", path], args, scheduledInSeconds, tag, options);
}

/**
 * Starts one version of a script and gives the id of its job.
 *
 * @param args arguments by name
 * @param scheduledInSeconds when to run it; 0 and null are at once
 * @param tag worker tag
 */
export function runScriptByHashAsync(
  hash_: string,
  args: JobArgs | null = null,
  scheduledInSeconds: number | null = null,
  tag: string | null = null,
  options?: StartOptions,
): Promise<string> {
  return start(["h", hash_], args, scheduledInSeconds, tag, options);
}

/**
 * Starts the flow at a path and gives the id of its job.
 *
 * @param args arguments by name
 * @param scheduledInSeconds when to run it; 0 and null are at once
 * @param doNotTrackInParent false makes it a child of the running job: only for a flow that is waited for, and alone
 * @param tag worker tag
 */
export function runFlowAsync<P extends FlowPath>(
  path: P,
  ...rest: CallArgs<
    FlowArgs<P>,
    [scheduledInSeconds?: number | null, doNotTrackInParent?: boolean, tag?: string | null, options?: StartOptions]
  >
): Promise<string>;
/** The same for a flow that is not declared in {@linkcode WindmillTypes}. */
export function runFlowAsync<P extends string>(
  path: OtherPath<P, FlowPath> | null,
  args?: JobArgs | null,
  scheduledInSeconds?: number | null,
  doNotTrackInParent?: boolean,
  tag?: string | null,
  options?: StartOptions,
): Promise<string>;
export async function runFlowAsync(
  path: string | null,
  args: JobArgs | null = null,
  scheduledInSeconds: number | null = null,
  doNotTrackInParent: boolean = true,
  tag: string | null = null,
  options?: StartOptions,
): Promise<string> {
  return await start(["f", flowPath(path)], args, scheduledInSeconds, tag, options, !doNotTrackInParent);
}

function flowPath(path: string | null | undefined): string {
  if (path === undefined || path === null || path === "") {
    throw new TypeError(`Expected the path of a flow, found ${JSON.stringify(path)}`);
  }
  return path;
}

/**
 * Runs a script and gives its result.
 *
 * @param path path of the script, or null
 * @param hash_ hash of a version of it, or null
 * @param args arguments by name
 * @param verbose true writes a line on the console
 * @param tag worker tag
 * @deprecated Use {@linkcode runScriptByPath} or {@linkcode runScriptByHash} instead.
 */
export async function runScript<T = unknown>(
  path: string | null = null,
  hash_: string | null = null,
  args: JobArgs | null = null,
  verbose: boolean = false,
  tag: string | null = null,
): Promise<T> {
  return await run(oneOf(path, hash_), args, verbose, tag);
}

/**
 * Runs the script at a path and gives its result; JobFailedError when it failed. The type is the caller's word.
 *
 * @param args arguments by name
 * @param verbose true writes a line on the console
 * @param tag worker tag
 * @param options signal, time limit and more; the official client waits without a limit
 */
export function runScriptByPath<P extends ScriptPath>(
  path: P,
  ...rest: CallArgs<ScriptArgs<P>, [verbose?: boolean, tag?: string | null, options?: RunOptions]>
): Promise<ScriptResult<P>>;
/** The same for a script that is not declared in {@linkcode WindmillTypes}. */
export function runScriptByPath<T = unknown, P extends string = string>(
  path: OtherPath<P, ScriptPath>,
  args?: JobArgs | null,
  verbose?: boolean,
  tag?: string | null,
  options?: RunOptions,
): Promise<T>;
export function runScriptByPath(
  path: string,
  args: JobArgs | null = null,
  verbose: boolean = false,
  tag: string | null = null,
  options?: RunOptions,
): Promise<unknown> {
  return run(["p", path], args, verbose, tag, options);
}

/**
 * Runs one version of a script and gives its result; JobFailedError when it failed. The type is the caller's word.
 *
 * @param args arguments by name
 * @param verbose true writes a line on the console
 * @param tag worker tag
 * @param options signal, time limit and more; the official client waits without a limit
 */
export function runScriptByHash<T = unknown>(
  hash_: string,
  args: JobArgs | null = null,
  verbose: boolean = false,
  tag: string | null = null,
  options?: RunOptions,
): Promise<T> {
  return run(["h", hash_], args, verbose, tag, options);
}

/**
 * Runs the flow at a path and gives its result; JobFailedError when it failed. The type is the caller's word.
 *
 * @param args arguments by name
 * @param verbose true writes a line on the console
 * @param tag worker tag
 * @param options signal, time limit and more; the official client waits without a limit
 */
export function runFlow<P extends FlowPath>(
  path: P,
  ...rest: CallArgs<FlowArgs<P>, [verbose?: boolean, tag?: string | null, options?: RunOptions]>
): Promise<FlowResult<P>>;
/** The same for a flow that is not declared in {@linkcode WindmillTypes}. */
export function runFlow<T = unknown, P extends string = string>(
  path?: OtherPath<P, FlowPath> | null,
  args?: JobArgs | null,
  verbose?: boolean,
  tag?: string | null,
  options?: RunOptions,
): Promise<T>;
export async function runFlow(
  path: string | null = null,
  args: JobArgs | null = null,
  verbose: boolean = false,
  tag: string | null = null,
  options?: RunOptions,
): Promise<unknown> {
  return await run(["f", flowPath(path)], args, verbose, tag, options);
}

/** Runs a job as the Python client's older functions do: its arguments in its order, a result that is null is an error. */
async function runSync<T>(
  kind: Runnable,
  name: string,
  args: JobArgs | null | undefined,
  verbose: boolean,
  assertResultIsNotNone: boolean,
  cleanup: boolean,
  timeout: number | null,
  options?: RunOptions,
): Promise<T> {
  const result = await run<T>([kind, name], args, verbose, null, {
    ...(cleanup ? { cleanup: cancelOnExit } : {}),
    ...(timeout === null ? {} : { timeoutMs: timeout * 1000 }),
    ...options,
  });
  if (assertResultIsNotNone && result === null) throw new TypeError(`Expected a result of "${name}", found null`);
  return result;
}

/**
 * Runs one version of a script and gives its result, as the Python client's `run_script_sync`. The official TypeScript client has
 * no such function.
 *
 * @param hash hash of the version
 * @param args arguments by name
 * @param verbose true writes a line on the console
 * @param assertResultIsNotNone true makes a result that is null an error
 * @param cleanup true cancels the job when this process ends before it
 * @param timeout how long to wait, in seconds; null for no limit
 * @param options signal and more
 * @deprecated Use {@linkcode runScriptByHash} instead.
 */
export function runScriptSync<T = unknown>(
  hash: string,
  args: JobArgs | null = null,
  verbose: boolean = false,
  assertResultIsNotNone: boolean = true,
  cleanup: boolean = true,
  timeout: number | null = null,
  options?: RunOptions,
): Promise<T> {
  return runSync("h", hash, args, verbose, assertResultIsNotNone, cleanup, timeout, options);
}

/**
 * Runs the script at a path and gives its result, as the Python client's `run_script_by_path_sync`. The official TypeScript
 * client has no such function.
 *
 * @param path path of the script
 * @param args arguments by name
 * @param verbose true writes a line on the console
 * @param assertResultIsNotNone true makes a result that is null an error
 * @param cleanup true cancels the job when this process ends before it
 * @param timeout how long to wait, in seconds; null for no limit
 * @param options signal and more
 * @deprecated Use {@linkcode runScriptByPath} instead.
 */
export function runScriptByPathSync<T = unknown>(
  path: string,
  args: JobArgs | null = null,
  verbose: boolean = false,
  assertResultIsNotNone: boolean = true,
  cleanup: boolean = true,
  timeout: number | null = null,
  options?: RunOptions,
): Promise<T> {
  return runSync("p", path, args, verbose, assertResultIsNotNone, cleanup, timeout, options);
}

/**
 * Runs code that is not deployed and gives its result: on this worker where that is possible, as a job elsewhere. The official
 * TypeScript client has it as a service only.
 *
 * @param content the code
 * @param language its language, by the server's name, such as `postgresql` or `bun`
 * @param args arguments by name
 * @param options signal, time limit and headers; there is no limit unless one is given
 */
export async function runInlineScriptPreview<T = unknown>(
  content: string,
  language: string,
  args: JobArgs | null = null,
  options?: CallOptions,
): Promise<T> {
  return await runPreview(defaultClient(), { content, language, args: args ?? {} }, options) as T;
}

/** Tells whether {@linkcode runInlineScriptPreview} runs code on this worker: when the address of the API is on this machine. */
export function workerHasInternalServer(): boolean {
  return hasInternalServer(defaultClient());
}

/**
 * Waits for a job and gives its result; JobFailedError, with the job's id, result and error, when it failed. It follows the
 * server's updates, where the official client asks every 500 ms.
 *
 * @param verbose true writes a line on the console
 * @param options signal and time limit
 */
export async function waitJob<T = unknown>(
  jobId: string,
  verbose: boolean = false,
  options?: WaitOptions,
): Promise<T> {
  if (verbose) console.info(`Waiting for job "${jobId}"`);
  return await awaitJob(defaultClient(), jobId, options) as T;
}

/** Reads the result of a completed job; it does not say whether the job succeeded. The type is the caller's word. */
export async function getResult<T = unknown>(jobId: string): Promise<T> {
  return await readResult(defaultClient(), jobId) as T;
}

/** Tells whether a job is completed, and then how. An unknown job is one that is not completed. */
export function getResultMaybe(jobId: string): Promise<JobResult> {
  return readResultMaybe(defaultClient(), jobId);
}

/** Reads the record of a job. */
export function getJob(jobId: string): Promise<Job> {
  return readJobRecord(defaultClient(), jobId);
}

/** Tells whether a job is waiting, running or completed. */
export function getJobStatus(jobId: string): Promise<JobStatus> {
  return readJobStatus(defaultClient(), jobId);
}

/**
 * Gives the id of the outermost job that a job belongs to.
 *
 * @param jobId the job; the running one when it is not given
 */
export function getRootJobId(jobId?: string): Promise<string> {
  return readRootJobId(defaultClient(), jobId);
}

/**
 * Cancels a job that is waiting or running.
 *
 * @param reason why; the job's error shows it
 * @param options `force` for a job whose worker does not answer any more, signal and more
 * @returns the server's words
 */
export function cancelJob(jobId: string, reason?: string, options?: CancelOptions): Promise<string> {
  return stopJob(defaultClient(), jobId, { ...(reason === undefined ? {} : { reason }), ...options });
}

/**
 * Cancels every other running job of the current script. The official TypeScript client has no such function; the Python
 * client's looks at the first page of jobs only, and stops at the first one that it cannot cancel.
 *
 * @returns what became of each job, by id
 */
export function cancelRunning(): Promise<Readonly<Record<string, CancelOutcome>>> {
  return stopOtherJobs(defaultClient());
}

/**
 * Reports how far a job is, in percent; the server keeps whole numbers from 0 to 99.
 *
 * @param jobId the job; the running one when it is not given
 */
export function setProgress(percent: number, jobId?: string): Promise<void> {
  return writeProgress(defaultClient(), percent, jobId === undefined ? {} : { jobId });
}

/**
 * Reads how far a job is, in percent; null when it never said.
 *
 * @param jobId the job; the running one when it is not given
 */
export function getProgress(jobId?: string): Promise<number | null> {
  return readJobProgress(defaultClient(), jobId === undefined ? {} : { jobId });
}
