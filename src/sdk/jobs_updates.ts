/**
 * What happens to a job, as it happens: logs, progress, the stream of its result, its end.
 *
 * @module
 */
import { WindmillApiError } from "../base/errors.ts";
import { readEvents } from "../http/events.ts";
import { openScope } from "../http/scope.ts";
import { exchange } from "../http/transport.ts";
import { systemClock } from "../platform/network.ts";
import { unreadable } from "../wire/answer.ts";
import { isLast, type JobResult, parseRecord, type UpdateEvent } from "../wire/jobs.ts";
import { jobRoute } from "./_current_job.ts";
import { resultOf } from "./_job_result.ts";
import type { JobArgs } from "./_typed_calls.ts";
import { type ClientOptions, prepare, queryOf, request } from "./connection.ts";
import { followJob, patienceOf } from "./jobs_follow.ts";
import { askToStop, readResultMaybe } from "./jobs_records.ts";
import { type Runnable, startJob, type StartOptions, type WaitOptions } from "./jobs.ts";

/** One thing that happened to a job. */
export type JobUpdate =
  /** A worker took it. */
  | { readonly type: "running" }
  /** It wrote to its logs. `offset` is where the next logs begin, by the server's count. */
  | { readonly type: "logs"; readonly text: string; readonly offset?: number }
  /** It wrote to the stream of its result. `offset` is where the next text begins, by the server's count. */
  | { readonly type: "stream"; readonly text: string; readonly offset?: number }
  /** It reported how far it is, in percent. */
  | { readonly type: "progress"; readonly percent: number }
  /** The state of the steps of a flow changed; `status` is as the server describes it. */
  | { readonly type: "flow_status"; readonly status: unknown }
  /** The state of the steps of a workflow-as-code changed; `status` is as the server describes it. */
  | { readonly type: "workflow_status"; readonly status: unknown }
  /** It ended: always the last one. */
  | { readonly type: "completed"; readonly success: boolean; readonly result: unknown };

/** Options of following a job. */
export interface UpdatesOptions extends Omit<WaitOptions, "cleanup"> {
  /** How long to follow it, in milliseconds; then DeadlineError. @default Infinity */
  readonly timeoutMs?: number;
  /** Cancels the job when whoever follows it stops before its end. @default false */
  readonly cancelJob?: boolean;
  /** False leaves out the logs. @default true */
  readonly logs?: boolean;
  /** False leaves out the progress. @default true */
  readonly progress?: boolean;
  /** Where the logs go on: the `offset` of the last logs that were seen. @default their beginning */
  readonly logOffset?: number;
  /** Where the stream of the result goes on: the `offset` of the last text that was seen. @default its beginning */
  readonly streamOffset?: number;
  /** How often the server looks for news, in milliseconds, 50 or more; servers without a licence ignore it. */
  readonly pollDelayMs?: number;
}

/** Options of the stream of a result. */
export type ResultStreamOptions = Omit<UpdatesOptions, "logs" | "progress" | "logOffset">;

/** Options of starting a job and reading the stream of its result. */
export type StreamOptions = Omit<StartOptions, "timeoutMs"> & Omit<ResultStreamOptions, "streamOffset">;

/**
 * How long a stream is read before the job is looked at all the same, the first one and each further one: something may hold
 * back what the server sends, or have lost the connection without a word.
 */
const FIRST_MS = 3_000, STREAM_MS = 20_000;

/** How long it takes at most to cancel a job that is not followed any more. */
const CANCEL_MS = 5_000;

/** What is known of a job that is followed. */
interface Known {
  /** Query that asks for what is not known. */
  query(): string;
  /** What of an update is new; undefined when the stream of the result begins anew and must be asked for anew. */
  read(update: UpdateEvent): JobUpdate[] | undefined;
  /** True after the update that came with the end of the job. */
  ended(): boolean;
}

function createKnown(options: UpdatesOptions, onlyResult: boolean): Known {
  const { logs = true, progress = true, pollDelayMs } = options;
  // Offsets are the server's: it counts code points of logs, and pieces of the stream.
  const offsets = { logs: options.logOffset, stream: options.streamOffset };
  const statuses: Record<string, string> = {};
  let running = false, ended = false;
  let percent: unknown, source: unknown;

  function addText(news: JobUpdate[], type: "logs" | "stream", text: unknown, given: unknown): void {
    const offset = typeof given === "number" ? given : undefined;
    // What comes again after a stream was opened again is left out.
    if (offset !== undefined && offset <= (offsets[type] ?? -1)) return;
    offsets[type] = offset ?? offsets[type];
    if (typeof text === "string" && text !== "") news.push({ type, text, ...(offset === undefined ? {} : { offset }) });
  }

  function addStatus(news: JobUpdate[], type: "flow_status" | "workflow_status", status: unknown): void {
    const shown = JSON.stringify(status ?? null);
    if (shown === "null" || shown === statuses[type]) return;
    statuses[type] = shown;
    news.push({ type, status });
  }

  return {
    query: () =>
      queryOf({
        fast: true,
        running,
        log_offset: offsets.logs,
        stream_offset: offsets.stream,
        get_progress: progress && !onlyResult || undefined,
        no_logs: !logs || undefined,
        only_result: onlyResult || undefined,
        poll_delay_ms: pollDelayMs,
      }),
    read: (update) => {
      const before = source;
      source = update.flow_stream_job_id ?? source;
      // A step of a flow that is tried again streams anew, and an offset into the old stream says nothing about the new one.
      if (before !== undefined && source !== before) {
        offsets.stream = undefined;
        return undefined;
      }
      const news: JobUpdate[] = [];
      if (update.running === true && !running) {
        running = true;
        news.push({ type: "running" });
      }
      if (logs) addText(news, "logs", update.new_logs, update.log_offset);
      addText(news, "stream", update.new_result_stream, update.stream_offset);
      if (progress && typeof update.progress === "number" && update.progress !== percent) {
        percent = update.progress;
        news.push({ type: "progress", percent: update.progress });
      }
      addStatus(news, "flow_status", update.flow_status);
      addStatus(news, "workflow_status", update.workflow_as_code_status);
      ended ||= isLast(update);
      return news;
    },
    ended: () => ended,
  };
}

/** Hands values from one function to another, which takes them one by one; each lot is waited for until it was taken. */
interface Handover<T> {
  /** Gives a lot; settles when it was taken. */
  put(lot: readonly T[]): Promise<void>;
  /** There will be no more. */
  end(): void;
  /** Settles everyone who waits for a lot to be taken: nobody will. */
  leave(): void;
  take(): AsyncGenerator<T, void, void>;
}

function createHandover<T>(): Handover<T> {
  const queue: T[] = [], givers: (() => void)[] = [];
  let over = false;
  let wake = (): void => {};
  function leave(): void {
    for (const goOn of givers.splice(0)) goOn();
  }
  return {
    leave,
    put: (lot) => {
      if (lot.length === 0) return Promise.resolve();
      queue.push(...lot);
      return new Promise((resolve) => {
        givers.push(resolve);
        wake();
      });
    },
    end: () => {
      over = true;
      wake();
    },
    async *take() {
      for (;;) {
        for (let next = queue.shift(); next !== undefined; next = queue.shift()) yield next;
        if (over) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
          leave();
        });
      }
    },
  };
}

/** Follows a job and gives what happens to it, until it ended. */
export async function* followUpdates(
  client: ClientOptions,
  jobId: string,
  options: UpdatesOptions = {},
  onlyResult: boolean = false,
): AsyncGenerator<JobUpdate, void, void> {
  const { signal, timeoutMs = Infinity, cancelJob = false, headers } = options;
  const known = createKnown(options, onlyResult);
  const { put, end, leave, take } = createHandover<JobUpdate>();
  const stop = new AbortController();
  const outer = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const scope = openScope(client.clock ?? systemClock, outer, timeoutMs, `updates of job "${jobId}"`);
  const shared = headers === undefined ? {} : { headers };
  const calls = { ...shared, signal: scope.signal };
  const patience = patienceOf(calls);
  let limitMs = FIRST_MS, unheard = 0, absent = 0;

  async function accept(update: UpdateEvent): Promise<boolean> {
    const news = known.read(update);
    await put(news ?? []);
    return news === undefined;
  }

  /** Reads a stream of updates until it ends, or ought to. */
  async function listen(): Promise<void> {
    // Where something holds the updates back, the job is looked at instead.
    if (unheard >= 2 || known.ended()) return;
    const call = {
      route: jobRoute(client, "jobs_u/getupdate_sse", jobId),
      query: known.query(),
      accept: "text/event-stream",
    };
    const request = prepare(client, call, { ...calls, timeoutMs: limitMs, retry: { attempts: 1 } });
    limitMs = STREAM_MS;
    unheard++;
    let reading = true;
    try {
      await exchange(request, async (response) => {
        for await (const data of readEvents(response)) {
          // The stream may have ended while an update was being taken: what else it had is told by the next one.
          if (!reading) return;
          const update = parseRecord(data);
          // An error comes first, if at all, and other updates or `notfound` after it.
          if (typeof update?.type !== "string" || update.type === "error") continue;
          unheard = 0;
          if (await accept(update) || known.ended() || /^(notfound|timeout)$/.test(update.type)) return;
        }
      });
    } finally {
      reading = false;
    }
  }

  async function look(): Promise<JobResult> {
    // Whatever the stream did not tell before it ended is asked for, so that nothing is missing before the end.
    if (!known.ended()) {
      const call = { route: jobRoute(client, "jobs_u/getupdate", jobId), query: known.query() };
      try {
        const answer = await request(client, call, patience);
        const update = parseRecord(answer.text);
        if (update === undefined) throw unreadable(answer, "news of a job", "something else");
        await accept(update);
      } catch (error) {
        // Not at once: a replica may not know a new job yet.
        if (!isAbsent(error, jobId) || ++absent > 2) throw error;
      }
    }
    return known.ended() ? await readResultMaybe(client, jobId, patience) : { completed: false, result: null };
  }

  let over = false;
  const work = followJob(client, jobId, patience, listen, look).finally(() => {
    over = true;
    end();
  });
  // Its error is thrown below: here it only gets an owner, should the loop be left before.
  work.catch(() => {});
  try {
    yield* take();
    const { success, result } = await work;
    yield { type: "completed", success: success === true, result };
  } finally {
    // A server that does not answer is no reason to cancel the job.
    const early = !over || scope.signal.aborted;
    stop.abort();
    leave();
    scope.close();
    await work.catch(() => {});
    if (early && cancelJob) {
      const reason = "nobody follows the job any more";
      await askToStop(client, jobId, { ...shared, reason, timeoutMs: CANCEL_MS }).catch(() => {});
    }
  }
}

/** True for the error of a server that does not know the job. */
function isAbsent(error: unknown, jobId: string): boolean {
  return error instanceof WindmillApiError && error.status === 404 && error.body.includes(jobId);
}

/** Gives the stream of a job's result, text by text, until the job ended; JobFailedError when it failed. */
export async function* readResultStream(
  client: ClientOptions,
  jobId: string,
  options?: ResultStreamOptions,
): AsyncGenerator<string, void, void> {
  for await (const update of followUpdates(client, jobId, { ...options, logs: false }, true)) {
    if (update.type === "stream") yield update.text;
    if (update.type === "completed") resultOf(jobId, update);
  }
}

/** Starts a job and gives the stream of its result. */
export async function* streamJob(
  client: ClientOptions,
  kind: Runnable,
  name: string,
  args: JobArgs | null | undefined,
  options: StreamOptions = {},
): AsyncGenerator<string, void, void> {
  const { timeoutMs: _, ...start } = options;
  yield* readResultStream(client, await startJob(client, kind, name, args, start, true), options);
}
