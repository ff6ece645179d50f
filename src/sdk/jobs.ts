/**
 * Starting scripts and flows, and running them to their end.
 *
 * @module
 */
import { WindmillApiError } from "../base/errors.ts";
import { encodePath, encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { isRecord } from "../wire/answer.ts";
import { readJobId } from "../wire/jobs.ts";
import type { JobArgs } from "./_typed_calls.ts";
import { type ClientOptions, inWorkspace, post, type PostCall, queryOf, variable } from "./connection.ts";
import { finishJob } from "./jobs_wait.ts";

/** Options of starting a job. */
export interface StartOptions extends CallOptions {
  /** Worker tag, over that of the script or flow. */
  readonly tag?: string;
  /** When to run it. @default at once */
  readonly scheduledFor?: Date;
  /** In how many seconds to run it; 0 is at once. @default 0 */
  readonly scheduledInSeconds?: number;
  /**
   * Id that the job gets, a UUID in small letters. It makes the start one that may be repeated, by this client after a failure
   * and by the caller: when there is a job of this id already, it counts as the one that was to be started. Whoever uses an id
   * for two different starts gets the first one's job for both. @default the server's choice
   */
  readonly jobId?: string;
  /** Job that this one belongs to; null for none. @default `WM_JOB_ID` for scripts and for flows that are waited for */
  readonly parentJob?: string | null;
  /** Outermost job of the flow that this one belongs to; null for none. @default `WM_ROOT_FLOW_JOB_ID`, as `parentJob` */
  readonly rootJob?: string | null;
  /** True hides the run from the owner of the script or flow. @default false */
  readonly invisibleToOwner?: boolean;
  /** True runs it without its preprocessor. @default false */
  readonly skipPreprocessor?: boolean;
  /** How long the server may answer a script from its cache, in seconds. @default the script's setting */
  readonly cacheTtlSeconds?: number;
  /** How long a script may run, in seconds; then it fails. @default the script's setting */
  readonly timeoutSeconds?: number;
  /** Memory of a flow with a chat. */
  readonly memoryId?: string;
}

/** Options of waiting for a job. */
export interface WaitOptions {
  /** Ends the wait: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** How long to wait, in milliseconds; then DeadlineError. @default Infinity */
  readonly timeoutMs?: number;
  /** Cancels the job when the wait ends before it, by `signal` or `timeoutMs`. @default false */
  readonly cancelJob?: boolean;
  /** Cancels the job when this process ends before it: pass `cancelOnExit`. @default nothing does */
  readonly cleanup?: JobCleanup;
  /** Headers of the calls. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Prepares for the end of this process while a job is waited for; gives what forgets that again. */
export type JobCleanup = (client: ClientOptions, jobId: string) => (() => void) | Promise<() => void>;

/** Options of running a job to its end. */
export interface RunOptions extends Omit<StartOptions, "timeoutMs">, WaitOptions {
  /** How long to wait for the start and the result together, in milliseconds; then DeadlineError. @default Infinity */
  readonly timeoutMs?: number;
  /** Cancels the job when the wait ends before it: nobody else knows its id. @default true */
  readonly cancelJob?: boolean;
}

/** What can be run: a script by path, a version of one by hash, a flow by path, a version of one by number. */
export type Runnable = "p" | "h" | "f" | "fv";

/** The call that starts a job: `action` is `run`, or `run_wait_result` to be answered with its result. */
export function startCall(
  client: ClientOptions,
  action: string,
  kind: Runnable,
  name: string,
  args: JobArgs | null | undefined,
  options: StartOptions,
  track: boolean,
): PostCall {
  const body = args ?? {};
  if (!isRecord(body)) {
    throw new TypeError(`Cannot run ${name}: expected arguments by name, found ${JSON.stringify(args)}`);
  }
  const {
    parentJob = track ? variable(client, "WM_JOB_ID") : undefined,
    rootJob = track ? variable(client, "WM_ROOT_FLOW_JOB_ID") : undefined,
    scheduledInSeconds,
    jobId,
  } = options;
  // An empty one the server takes for none, and would start a second job when asked again. It refuses all others that are none.
  if (jobId !== undefined) encodeSegment(jobId, "job id");
  const query = queryOf({
    scheduled_for: options.scheduledFor?.toISOString(),
    scheduled_in_secs: scheduledInSeconds === 0 ? undefined : scheduledInSeconds,
    tag: options.tag,
    job_id: jobId,
    parent_job: parentJob,
    root_job: rootJob,
    invisible_to_owner: options.invisibleToOwner,
    skip_preprocessor: options.skipPreprocessor,
    cache_ttl: options.cacheTtlSeconds,
    timeout: options.timeoutSeconds,
    memory_id: options.memoryId,
  });
  // Hashes and numbers of versions are one segment of an address, paths are several.
  const target = (/[hv]/.test(kind) ? encodeSegment : encodePath)(name, "what to run");
  const route = inWorkspace(client, `jobs/${action}/${kind}/${target}`);
  return { route, query, body, accept: "*/*", idempotent: jobId !== undefined };
}

/** Starts a job and gives its id. Without an id of the caller it is never repeated: a lost answer would start a second job. */
export async function startJob(
  client: ClientOptions,
  kind: Runnable,
  name: string,
  args: JobArgs | null | undefined,
  options: StartOptions = {},
  track = /[ph]/.test(kind),
): Promise<string> {
  const { jobId } = options;
  try {
    return readJobId(await post(client, startCall(client, "run", kind, name, args, options, track), options));
  } catch (error) {
    // Two starts of one id at the same time meet in the database, which says it with other words.
    if (jobId === undefined || !isTaken(error, jobId)) throw error;
    return jobId;
  }
}

/** True for the error of a start when there is a job of its id. */
function isTaken(error: unknown, jobId: string): boolean {
  return error instanceof WindmillApiError && error.body.includes(jobId) &&
    /already exists|duplicate key/.test(error.body);
}

/** Starts a job, waits for it, and gives its result. */
export function runJob(
  client: ClientOptions,
  kind: Runnable,
  name: string,
  args: JobArgs | null | undefined,
  options: RunOptions = {},
): Promise<unknown> {
  const { timeoutMs: _, ...start } = options;
  return finishJob(
    client,
    JSON.stringify(name),
    // Before the start there is nothing to cancel, whatever id it is to get.
    options.signal?.aborted ? undefined : options.jobId,
    (calls) => startJob(client, kind, name, args, { ...start, ...calls }, true),
    { cancelJob: true, ...options },
  );
}
