/**
 * Waiting for a job: the stream of updates says when to look, the result endpoint says what came of it, and where there is no
 * such stream it is polled.
 *
 * @module
 */
import { DeadlineError, JobFailedError, WindmillApiError } from "../base/errors.ts";
import { encodeSegment } from "../base/url.ts";
import { readEvents } from "../http/events.ts";
import { openScope, pause, type Scope } from "../http/scope.ts";
import { exchange, isPassing } from "../http/transport.ts";
import { systemClock } from "../platform/network.ts";
import { apiError } from "../wire/answer.ts";
import { failureOf, type JobResult, parseUpdate } from "../wire/jobs.ts";
import { type Call, type ClientOptions, inWorkspace, prepare, queryOf } from "./connection.ts";
import { readResultMaybe, stopJob } from "./jobs_records.ts";
import type { WaitOptions } from "./jobs.ts";

/** How long the first stream may be silent at its start: whatever buffers it would hold the end of the job back too. */
const FIRST_SILENCE_MS = 3_000;

/** How long a stream may be silent otherwise: the server sends a ping after 5 s, and looks every 3 s. */
const SILENCE_MS = 12_000;

/** Shortest and longest pause between two looks without a stream; each is 1.5 times the one before. */
const POLL_MS = [50, 1_000] as const;

/** How often in a row the server may fail to answer, each time after the transport's own repetitions. */
const FAILURES = 8;

/** How long one look may take. */
const LOOK_MS = 30_000;

/** How often in a row the server may say that there is no such job: a replica may not know a new one yet. */
const MISSING = 3;

/** How long a wait that ends early spends on cancelling the job. */
const CANCEL_MS = 5_000;

/**
 * Why reading a stream ended: the job did; the stream did, and may be opened again; the job is not there; there is no use in
 * opening it again.
 */
type Ending = "completed" | "again" | "missing" | "useless";

/** What the calls of one wait have in common. */
interface Calls {
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Waits until a job ended, and gives its result. */
export async function awaitJob(client: ClientOptions, jobId: string, options: WaitOptions = {}): Promise<unknown> {
  const { signal, timeoutMs = Infinity, cancelJob = false, headers } = options;
  const { clock = systemClock } = client;
  let scope: Scope | undefined;
  try {
    scope = openScope(clock, signal, timeoutMs, `job "${jobId}"`);
    const verdict = await untilCompleted(client, jobId, {
      signal: scope.signal,
      ...(headers === undefined ? {} : { headers }),
    });
    return resultOf(jobId, verdict);
  } catch (error) {
    const early = signal?.aborted === true || scope?.signal.aborted === true;
    if (early && cancelJob) await abandon(client, jobId, options);
    throw error;
  } finally {
    scope?.close();
  }
}

async function untilCompleted(client: ClientOptions, jobId: string, calls: Calls): Promise<JobResult> {
  const { clock = systemClock } = client;
  const [shortest, longest] = POLL_MS;
  let delay: number = shortest;
  let streaming = true, first = true;
  let missing = 0, failures = 0;
  for (;;) {
    if (streaming) {
      const opened = clock.now();
      const ending = await followUpdates(client, jobId, calls, first);
      first = false;
      streaming = ending === "again" || ending === "missing";
      missing = ending === "missing" ? missing + 1 : 0;
      // A stream that served for a while ended as streams do, and is opened again without much ado.
      if (clock.now() - opened > longest || ending === "completed") delay = shortest;
    }
    try {
      const verdict = await readResultMaybe(client, jobId, { ...calls, timeoutMs: LOOK_MS });
      if (verdict.completed) return verdict;
      failures = 0;
    } catch (error) {
      if (calls.signal.aborted) throw calls.signal.reason;
      // A server that restarts is no reason to lose sight of a job that goes on.
      if (!(isPassing(error) || error instanceof DeadlineError) || ++failures >= FAILURES) throw error;
    }
    if (missing >= MISSING) {
      const { shown } = prepare(client, updatesOf(client, jobId));
      throw apiError(shown, 404, `there is no job "${jobId}"`, "");
    }
    await pause(clock, delay, calls.signal);
    delay = Math.min(delay * 1.5, longest);
  }
}

function updatesOf(client: ClientOptions, jobId: string): Call {
  return {
    route: inWorkspace(client, `jobs_u/getupdate_sse/${encodeSegment(jobId, "job id")}`),
    query: queryOf({ fast: true, no_logs: true, only_result: true }),
    accept: "text/event-stream",
  };
}

/** Reads the stream of a job's updates until there is a reason to look at its result. */
async function followUpdates(client: ClientOptions, jobId: string, calls: Calls, first: boolean): Promise<Ending> {
  const { clock = systemClock } = client;
  const silence = new AbortController();
  const signal = AbortSignal.any([silence.signal, calls.signal]);
  let timer: unknown;
  function listen(ms: number): void {
    clock.clearTimeout(timer);
    timer = clock.setTimeout(() => silence.abort(), ms);
  }
  let heard = false;
  const options = { ...calls, signal, timeoutMs: Infinity, retry: { attempts: 1 } };
  const call = prepare(client, updatesOf(client, jobId), options);
  try {
    listen(first ? FIRST_SILENCE_MS : SILENCE_MS);
    return await exchange(call, async (response): Promise<Ending> => {
      for await (const data of readEvents(response)) {
        const update = parseUpdate(data);
        if (update === undefined) continue;
        if (update.completed) return "completed";
        if (update.type === "notfound") return "missing";
        if (update.type === "error") return "useless";
        if (update.type === "timeout") return "again";
        heard = true;
        listen(SILENCE_MS);
      }
      return heard ? "again" : "useless";
    });
  } catch (error) {
    if (calls.signal.aborted) throw calls.signal.reason;
    // What was heard once may be heard again. What never was is not there, or behind something that buffers; a silence at
    // the very start may be that of a job which is only waiting.
    if (silence.signal.aborted) return heard || first ? "again" : "useless";
    if (error instanceof WindmillApiError) return heard ? "again" : "useless";
    throw error;
  } finally {
    clock.clearTimeout(timer);
  }
}

function resultOf(jobId: string, { success, result }: JobResult): unknown {
  if (success === true) return result;
  const failure = failureOf(result);
  const words = [failure.name, failure.message].filter((text) => text !== undefined).join(": ");
  throw new JobFailedError(
    `Job "${jobId}" failed: ${words === "" ? "its result has no error" : words}`,
    jobId,
    result,
    failure,
  );
}

/** Cancels a job that nobody waits for any more. */
async function abandon(client: ClientOptions, jobId: string, { headers }: WaitOptions): Promise<void> {
  const stopped = stopJob(client, jobId, {
    reason: "nobody waits for the result any more",
    timeoutMs: CANCEL_MS,
    ...(headers === undefined ? {} : { headers }),
  });
  // Why the wait ended is what the caller must learn, whether this succeeds or not.
  await stopped.catch(() => undefined);
}
