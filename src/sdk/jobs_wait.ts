/**
 * Waiting for a job.
 *
 * @module
 */
import { readText } from "../http/body.ts";
import { openScope, type Scope } from "../http/scope.ts";
import { type CallOptions, exchange } from "../http/transport.ts";
import { systemClock } from "../platform/network.ts";
import { type JobResult, readJobResult } from "../wire/jobs.ts";
import { jobRoute } from "./_current_job.ts";
import { resultOf } from "./_job_result.ts";
import { type ClientOptions, prepare, request } from "./connection.ts";
import { followJob, patienceOf } from "./jobs_follow.ts";
import { askToStop } from "./jobs_records.ts";
import type { WaitOptions } from "./jobs.ts";

/** How long a stream is read before the job is looked at all the same: its connection may be lost without a word. */
const STREAM_MS = 20_000;

/** How long a wait that ends early spends on cancelling the job. */
const CANCEL_MS = 5_000;

/** Waits until a job ended, and gives its result. */
export function awaitJob(client: ClientOptions, jobId: string, options: WaitOptions = {}): Promise<unknown> {
  return finishJob(client, `job "${jobId}"`, jobId, () => jobId, options);
}

/** Waits until a job ended, and tells how it did; the signal is what ends it before. */
export function awaitVerdict(
  client: ClientOptions,
  jobId: string,
  calls: CallOptions & { readonly signal: AbortSignal },
): Promise<JobResult> {
  const patience = patienceOf(calls);
  const updates = {
    route: jobRoute(client, "jobs_u/getupdate_sse", jobId),
    query: "fast=true&no_logs=true&only_result=true",
    accept: "text/event-stream",
  };
  const state = { route: jobRoute(client, "jobs_u/completed/get_result_maybe", jobId) };
  return followJob(
    client,
    jobId,
    patience,
    // Only its end matters: that of the job, which what buffers a stream does not hold back. It is a reason to look as well
    // when there is more to read than anybody would.
    () => exchange(prepare(client, updates, { ...calls, timeoutMs: STREAM_MS, retry: { attempts: 1 } }), readText),
    async () => readJobResult(await request(client, state, patience)),
  );
}

/** Starts a job or takes one that was started, waits until it ended, and gives its result; all within the limits of the wait. */
export async function finishJob(
  client: ClientOptions,
  what: string,
  known: string | undefined,
  start: (calls: CallOptions) => string | Promise<string>,
  { signal, timeoutMs = Infinity, cancelJob, cleanup, headers }: WaitOptions,
): Promise<unknown> {
  const shared = { ...(headers && { headers }) };
  let id = known;
  let scope: Scope | undefined;
  let forget: (() => void) | undefined;
  try {
    scope = openScope(client.clock ?? systemClock, signal, timeoutMs, what);
    const calls = { ...shared, signal: scope.signal };
    const jobId = id = await start(calls);
    forget = await cleanup?.(client, jobId);
    const verdict = await awaitVerdict(client, jobId, calls);
    return resultOf(jobId, verdict);
  } catch (error) {
    if (cancelJob && id !== undefined && (scope ?? { signal }).signal?.aborted) {
      const reason = "nobody waits for the result any more";
      // Why the wait ended is what the caller must learn, whether this succeeds or not.
      await askToStop(client, id, { ...shared, reason, timeoutMs: CANCEL_MS }).catch(() => {});
    }
    throw error;
  } finally {
    forget?.();
    scope?.close();
  }
}
