/**
 * What is new about a job: one answer, or a stream of events.
 *
 * @module
 */
import { jsonResponse } from "../wire/refusal.ts";
import { jobRecord } from "./_job_records.ts";
import type { JobState } from "./_jobs.ts";
import type { Mock } from "./_mock.ts";
import { type Call, queryFlag, queryNumber, type RouteTable } from "./_router.ts";
import { after } from "./_time.ts";

/** Pings come when nothing else did for so long; a stream ends after so long, and is opened again. */
const PING_MS = 5_000, STREAM_MS = 60_000;

/** Up to where an update has been read. */
interface Position {
  logs: number;
  stream: number;
}

/** What is new about a job since a position, which moves on. Fields that say nothing are left out. */
function updateOf(mock: Mock, call: Call, job: JobState, from: Position, onlyResult: boolean): Record<string, unknown> {
  const noLogs = queryFlag(call, "no_logs") || onlyResult;
  const newLogs = noLogs ? "" : job.logs.slice(from.logs);
  const newStream = job.streamed.slice(from.stream);
  from.logs = noLogs ? from.logs : job.logs.length;
  from.stream = job.streamed.length;
  const completed = job.status === "completed";
  return {
    running: job.status !== "waiting",
    ...(completed ? { completed } : {}),
    ...(newLogs === "" ? {} : { new_logs: newLogs }),
    ...(noLogs ? {} : { log_offset: from.logs }),
    ...(queryFlag(call, "get_progress") && job.progress !== undefined ? { progress: job.progress } : {}),
    ...(newStream === "" ? {} : { new_result_stream: newStream, stream_offset: from.stream }),
    ...(completed && !onlyResult ? { job: jobRecord(mock, job, { noLogs, noCode: false }) } : {}),
    ...(completed && onlyResult ? { only_result: job.result ?? null } : {}),
  };
}

function positionOf(call: Call): Position {
  return { logs: queryNumber(call, "log_offset") ?? 0, stream: queryNumber(call, "stream_offset") ?? 0 };
}

/** The stream of a job's updates; `id` may be that of no job. */
export function streamUpdates(mock: Mock, call: Call, id: string, onlyResult: boolean): Response {
  const { clock, jobs } = mock;
  const job = jobs.all.get(id);
  const from = positionOf(call);
  const bytes = new TextEncoder();
  let release: () => void = () => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      let before = "";
      let forgetPing: (() => void) | undefined;
      const send = (event: unknown): void => controller.enqueue(bytes.encode(`data: ${JSON.stringify(event)}\n\n`));
      const close = (event: unknown): void => {
        send(event);
        release();
        controller.close();
      };
      if (job === undefined) return close({ type: "notfound" });
      const ping = (): void => {
        forgetPing?.();
        forgetPing = after(clock, PING_MS, () => {
          send({ type: "ping" });
          ping();
        });
      };
      const look = (): void => {
        const update = { type: "update", ...updateOf(mock, call, job, from, onlyResult) };
        if (job.status === "completed") return close(update);
        // Updates come only on change.
        const state = JSON.stringify(update);
        if (state === before) return;
        before = state;
        send(update);
        ping();
      };
      const unwatch = jobs.watch(id, look);
      const forgetEnd = after(clock, STREAM_MS, () => close({ type: "timeout" }));
      const abort = (): void => {
        release();
        controller.error(call.signal.reason);
      };
      call.signal.addEventListener("abort", abort, { once: true });
      release = () => {
        unwatch();
        forgetEnd();
        forgetPing?.();
        call.signal.removeEventListener("abort", abort);
      };
      if (call.signal.aborted) abort();
      else look();
    },
    cancel: () => release(),
  });
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-cache" } });
}

/** The endpoints of updates. */
export function updateRoutes(mock: Mock): RouteTable {
  return {
    "GET jobs_u/getupdate/*": (call, id = "") =>
      jsonResponse(updateOf(mock, call, mock.jobOf(id), positionOf(call), queryFlag(call, "only_result"))),
    "GET jobs_u/getupdate_sse/*": (call, id = "") => {
      mock.checkId(id);
      return streamUpdates(mock, call, id, queryFlag(call, "only_result"));
    },
  };
}
