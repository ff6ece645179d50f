/**
 * What is new about a job: one answer, or a stream of events that come as it changes.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { jsonResponse } from "../../wire/refusal.ts";
import type { Job, ServerContext } from "../ports.ts";
import { exactResult } from "../jobs/exact_result.ts";
import { fullRecord, shownStatus } from "../jobs/record.ts";
import { idParam, jobParam, queryFlag, queryNumber } from "./_request.ts";

/** Something is said at least so often; a stream ends after so long, and is opened again by who reads it. */
const PING_MS = 5_000, STREAM_MS = 60_000;

/** Longest piece of a log in one event: more comes in the next one. */
const PIECE_CHARS = 256 * 1024;

/** Up to where an update has been read, and what is wanted. */
interface Reader {
  log: number;
  stream: number;
  readonly noLogs: boolean;
  readonly progress: boolean;
  readonly onlyResult: boolean;
}

function readerOf(c: Context, onlyResult: boolean): Reader {
  return {
    log: queryNumber(c, "log_offset") ?? 0,
    stream: queryNumber(c, "stream_offset") ?? 0,
    noLogs: onlyResult || queryFlag(c, "no_logs") === true,
    progress: queryFlag(c, "get_progress") === true,
    onlyResult,
  };
}

/** What is new about a job since what was read, which moves on. Fields that say nothing are left out. */
function updateOf({ jobs, secrets, workspace }: ServerContext, job: Job, reader: Reader): Record<string, unknown> {
  const newLogs = reader.noLogs ? "" : jobs.log(job.id, reader.log);
  const newStream = jobs.stream(job.id, reader.stream);
  reader.log = reader.noLogs ? reader.log : Math.max(reader.log, jobs.offsets(job.id).log);
  reader.stream = Math.max(reader.stream, jobs.offsets(job.id).stream);
  const completed = job.completedAt !== undefined;
  const status = shownStatus(job.workflowAsCodeStatus);
  const noLogs = reader.noLogs || newLogs.length > PIECE_CHARS;
  return {
    running: job.startedAt !== undefined,
    ...(completed ? { completed } : {}),
    ...(newLogs === "" ? {} : { new_logs: secrets.redact(newLogs) }),
    ...(reader.noLogs ? {} : { log_offset: reader.log }),
    ...(job.memPeakBytes === undefined ? {} : { mem_peak: Math.ceil(job.memPeakBytes / 1024) }),
    ...(reader.progress && job.progress !== undefined ? { progress: job.progress } : {}),
    ...(newStream === "" ? {} : { new_result_stream: newStream, stream_offset: reader.stream }),
    ...(status === undefined || reader.onlyResult ? {} : { workflow_as_code_status: status }),
    ...(completed && !reader.onlyResult ? { job: fullRecord(jobs, job, workspace, { noLogs }) } : {}),
    ...(completed && reader.onlyResult ? { only_result: exactResult(job) ?? null } : {}),
  };
}

/**
 * The stream of a job's updates. An event is made when the reader has room for it, out of all that happened until then: a slow
 * reader costs a position, not a queue.
 */
export function streamUpdates(context: ServerContext, c: Context, id: string, onlyResult: boolean): Response {
  const { jobs, clock } = context;
  const { signal } = c.req.raw;
  const reader = readerOf(c, onlyResult);
  const bytes = new TextEncoder();
  let release: () => void = () => {}, pull: () => void = () => {};
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      let before = "", changed = true, open = true;
      let pingTimer: unknown;

      function send(event: unknown): void {
        controller.enqueue(bytes.encode(`data: ${JSON.stringify(event)}\n\n`));
      }
      function finish(event?: unknown): void {
        if (!open) return;
        if (event !== undefined) send(event);
        release();
        controller.close();
      }
      function ping(): void {
        clock.clearTimeout(pingTimer);
        pingTimer = clock.setTimeout(() => {
          // Who does not read needs no sign of life.
          if ((controller.desiredSize ?? 0) > 0) send({ type: "ping" });
          ping();
        }, PING_MS);
      }
      function look(): void {
        if (!open || !changed || (controller.desiredSize ?? 0) <= 0) return;
        changed = false;
        const job = jobs.get(id);
        if (job === undefined) return finish({ type: "notfound" });
        const update = { type: "update", ...updateOf(context, job, reader) };
        if (job.completedAt !== undefined) return finish(update);
        const text = JSON.stringify(update);
        if (text === before) return;
        before = text;
        send(update);
        ping();
      }
      function leave(): void {
        finish();
      }
      const watch = jobs.watch(id, () => {
        changed = true;
        look();
      });
      const endTimer = clock.setTimeout(() => finish({ type: "timeout" }), STREAM_MS);
      release = () => {
        open = false;
        watch[Symbol.dispose]();
        clock.clearTimeout(pingTimer);
        clock.clearTimeout(endTimer);
        signal.removeEventListener("abort", leave);
      };
      pull = () => look();
      signal.addEventListener("abort", leave, { once: true });
      ping();
      if (signal.aborted) leave();
      else look();
    },
    pull: () => pull(),
    cancel: () => release(),
  }, { highWaterMark: 4 });
  return new Response(body, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" },
  });
}

/** The endpoints of updates. */
export function updateRoutes(context: ServerContext): Hono {
  const app = new Hono();
  app.get("/w/:workspace/jobs_u/getupdate/:id", (c) => {
    const job = jobParam(c, context.jobs);
    return jsonResponse(updateOf(context, job, readerOf(c, queryFlag(c, "only_result") === true)));
  });
  app.get(
    "/w/:workspace/jobs_u/getupdate_sse/:id",
    (c) => streamUpdates(context, c, idParam(c), queryFlag(c, "only_result") === true),
  );
  return app;
}
