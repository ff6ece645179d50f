/**
 * Starting scripts and flows, and running them to their end.
 *
 * @module
 */
import { encodePath, encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { systemClock } from "../platform/network.ts";
import { isRecord } from "../wire/answer.ts";
import { readJobId } from "../wire/jobs.ts";
import type { JobArgs } from "./_typed_calls.ts";
import { type ClientOptions, inWorkspace, post, queryOf, variable } from "./connection.ts";
import { awaitJob } from "./jobs_wait.ts";

/** Options of starting a job. */
export interface StartOptions extends CallOptions {
  /** Worker tag, over that of the script or flow. */
  readonly tag?: string;
  /** When to run it. @default at once */
  readonly scheduledFor?: Date;
  /** In how many seconds to run it; 0 is at once. @default 0 */
  readonly scheduledInSeconds?: number;
  /** Id that the job gets, a UUID. @default the server's choice */
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
  /** Headers of the calls. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Options of running a job to its end. */
export interface RunOptions extends Omit<StartOptions, "timeoutMs"> {
  /** How long to wait for the start and the result together, in milliseconds; then DeadlineError. @default Infinity */
  readonly timeoutMs?: number;
  /** Cancels the job when the wait ends before it: nobody else knows its id. @default true */
  readonly cancelJob?: boolean;
}

/** What can be run: a script by path, a version of one by hash, a flow by path. */
export type Runnable = "p" | "h" | "f";

/** Starts a job and gives its id. A start is never repeated: a lost answer would start a second job. */
export async function startJob(
  client: ClientOptions,
  kind: Runnable,
  name: string,
  args: JobArgs | null | undefined,
  options: StartOptions = {},
  track = kind !== "f",
): Promise<string> {
  const body = args ?? {};
  if (!isRecord(body)) {
    throw new TypeError(
      `Cannot run ${JSON.stringify(name)}: expected arguments by name, found ${JSON.stringify(args)}`,
    );
  }
  const {
    parentJob = track ? variable(client, "WM_JOB_ID") : undefined,
    rootJob = track ? variable(client, "WM_ROOT_FLOW_JOB_ID") : undefined,
    scheduledInSeconds,
  } = options;
  const query = queryOf({
    scheduled_for: options.scheduledFor?.toISOString(),
    scheduled_in_secs: scheduledInSeconds === 0 ? undefined : scheduledInSeconds,
    tag: options.tag,
    job_id: options.jobId,
    parent_job: parentJob,
    root_job: rootJob,
    invisible_to_owner: options.invisibleToOwner,
    skip_preprocessor: options.skipPreprocessor,
    cache_ttl: options.cacheTtlSeconds,
    memory_id: options.memoryId,
  });
  const target = kind === "h" ? encodeSegment(name, "script hash") : encodePath(name, kind === "f" ? "flow" : "script");
  const call = { route: inWorkspace(client, `jobs/run/${kind}/${target}`), query, body, accept: "*/*" };
  return readJobId(await post(client, call, options));
}

/** Starts a job, waits for it, and gives its result. */
export async function runJob(
  client: ClientOptions,
  kind: Runnable,
  name: string,
  args: JobArgs | null | undefined,
  options: RunOptions = {},
): Promise<unknown> {
  const { timeoutMs = Infinity, cancelJob = true, signal, headers, ...start } = options;
  const { clock = systemClock } = client;
  const begun = clock.now();
  const shared = { ...(signal === undefined ? {} : { signal }), ...(headers === undefined ? {} : { headers }) };
  const limit = Math.min(timeoutMs, client.timeoutMs ?? Infinity);
  const id = await startJob(
    client,
    kind,
    name,
    args,
    { ...start, ...shared, ...(limit < Infinity ? { timeoutMs: limit } : {}) },
    true,
  );
  // A start that used up the time still leaves a millisecond: the wait is what reports the deadline and cancels the job.
  const left = Math.max(1, timeoutMs - (clock.now() - begun));
  return await awaitJob(client, id, { ...shared, timeoutMs: left, cancelJob });
}
