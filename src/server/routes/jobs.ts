/**
 * Jobs: starting them, what is known of them, cancelling them.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { isRecord } from "../../wire/answer.ts";
import { jsonResponse, notFound, Refusal, textResponse } from "../../wire/refusal.ts";
import { callerOf } from "../auth.ts";
import { exactResult } from "../jobs/exact_result.ts";
import { kinOf, refuseStrangers } from "../job_rights.ts";
import { fullRecord, recordOf, rootIdOf } from "../jobs/record.ts";
import type { Job, JobQuery, ServerContext } from "../ports.ts";
import { jobQuery } from "./_job_query.ts";
import {
  checkId,
  idParam,
  jobParam,
  param,
  queryFlag,
  queryNumber,
  queryText,
  readFields,
  readJson,
} from "./_request.ts";
import { answerResult } from "./_result.ts";
import { startScript } from "./_start.ts";
import { streamUpdates } from "./updates.ts";

const NO_MAP = "Failed to deserialize the JSON body into the target type: invalid type, expected a map";

/** Ids that one call may name. */
const MOST_IDS = 10_000;

/** The endpoints that start scripts. Those of flows are there to say that there are none. */
function addStarts(app: Hono, context: ServerContext): void {
  for (const target of ["p", "h", "f", "fv"] as const) {
    const rest = `${target}/:name{.+}`;
    app.post(
      `/w/:workspace/jobs/run/${rest}`,
      async (c) => textResponse((await startScript(context, c, target)).id, 201),
    );
    app.on(
      ["GET", "POST"],
      `/w/:workspace/jobs/run_wait_result/${rest}`,
      async (c) => await answerResult(context, c, await startScript(context, c, target, true)),
    );
    app.on(
      ["GET", "POST"],
      `/w/:workspace/jobs/run_and_stream/${rest}`,
      async (c) => streamUpdates(context, c, (await startScript(context, c, target)).id, true),
    );
  }
}

/** What is known of one job. */
function addRecords(app: Hono, context: ServerContext): void {
  const { jobs, workspace, folder } = context;

  function completedParam(c: Context): Job {
    const job = jobs.get(idParam(c));
    if (job?.completedAt === undefined) throw notFound(`Completed Job not found at name ${idParam(c)}`);
    return job;
  }
  function record(c: Context, job: Job): Response {
    const code = queryFlag(c, "no_code") === true
      ? undefined
      : job.content ?? (job.hash === undefined ? undefined : folder.scriptByHash(job.hash)?.content);
    return jsonResponse(fullRecord(jobs, job, workspace, { noLogs: queryFlag(c, "no_logs"), code }));
  }

  app.get("/w/:workspace/jobs_u/get/:id", (c) => record(c, jobParam(c, jobs)));
  app.get("/w/:workspace/jobs_u/completed/get/:id", (c) => record(c, completedParam(c)));
  app.get("/w/:workspace/jobs_u/get_logs/:id", (c) => textResponse(jobs.shownLog(jobParam(c, jobs).id)));
  app.get(
    "/w/:workspace/jobs_u/get_completed_logs_tail/:id",
    (c) => textResponse(jobs.shownLog(completedParam(c).id).slice(-10_000)),
  );
  app.get("/w/:workspace/jobs_u/get_args/:id", (c) => jsonResponse(jobParam(c, jobs).args));
  app.get("/w/:workspace/jobs_u/get_root_job_id/:id", (c) => jsonResponse(rootIdOf(jobParam(c, jobs))));
  app.get("/w/:workspace/jobs_u/completed/get_result/:id", (c) => jsonResponse(exactResult(completedParam(c))));
  app.get("/w/:workspace/jobs_u/completed/get_result_maybe/:id", (c) => {
    const job = jobs.get(idParam(c));
    if (job?.completedAt !== undefined) {
      return jsonResponse({
        started: true,
        success: job.success === true,
        completed: true,
        result: exactResult(job) ?? null,
      });
    }
    const started = queryFlag(c, "get_started") === true ? job?.startedAt !== undefined : null;
    return jsonResponse({ started, success: null, completed: false, result: null });
  });
  app.get("/w/:workspace/jobs_u/completed/get_timing/:id", (c) => {
    const { created_at, started_at, duration_ms } = recordOf(completedParam(c), { workspace });
    return jsonResponse({ created_at, started_at, duration_ms });
  });
  app.post("/w/:workspace/jobs/completed/delete/:id", (c) => {
    const job = completedParam(c);
    jobs.erase(job.id);
    return jsonResponse({ ...recordOf(jobs.get(job.id) ?? job, { workspace, logs: "" }), deleted: true });
  });
}

/** Lists and counts. */
function addLists(app: Hono, context: ServerContext): void {
  const { jobs, workspace } = context;

  /** A job is shown its kin. */
  function seen(c: Context): Partial<JobQuery> {
    const kin = kinOf(jobs, callerOf(c.req.raw));
    return kin === undefined ? {} : { kin };
  }
  function list(c: Context, more: Partial<JobQuery>, perPage?: number): readonly Job[] {
    const query = jobQuery(c, perPage);
    if (query === undefined) return [];
    // The lists of the queue and of what has ended do not meet.
    if (more.completed !== undefined && query.completed !== undefined && more.completed !== query.completed) return [];
    return jobs.list({ ...query, ...more, ...seen(c) });
  }
  function count(c: Context, query: Partial<JobQuery>): number {
    return jobs.count({ offset: 0, limit: 1, ...query, ...seen(c) });
  }
  const brief = (found: readonly Job[]): Response =>
    jsonResponse(found.map((job) => recordOf(job, { workspace, brief: true })));
  const ids = (found: readonly Job[]): Response => jsonResponse(found.map(({ id }) => id));

  app.get("/w/:workspace/jobs/list", (c) => brief(list(c, {}, 100)));
  app.get("/w/:workspace/jobs/queue/list", (c) => brief(list(c, { completed: false })));
  app.get("/w/:workspace/jobs/completed/list", (c) => brief(list(c, { completed: true })));
  app.get("/w/:workspace/jobs/list_filtered_uuids", (c) => ids(list(c, { limit: MOST_IDS, offset: 0 })));
  app.get(
    "/w/:workspace/jobs/queue/list_filtered_uuids",
    (c) => ids(list(c, { completed: false, limit: MOST_IDS, offset: 0 })),
  );

  app.get("/w/:workspace/jobs/queue/count", (c) =>
    jsonResponse({
      database_length: count(c, { completed: false, suspended: false, running: false, scheduledForBeforeNow: true }),
      suspended: count(c, { suspended: true }),
    }));
  app.get(
    "/w/:workspace/jobs/completed/count",
    (c) => jsonResponse({ database_length: count(c, { completed: true }) }),
  );
  app.get("/w/:workspace/jobs/completed/count_jobs", (c) => {
    const success = queryFlag(c, "success"),
      seconds = queryNumber(c, "completed_after_s_ago"),
      tag = queryText(c, "tags");
    return jsonResponse(count(c, {
      completed: true,
      ...(success !== undefined && { success }),
      ...(seconds !== undefined && { completedAfter: context.now() - seconds * 1000 }),
      ...(tag !== undefined && { tag }),
    }));
  });
  app.get("/w/:workspace/jobs/queue/position/:at{\\d+}", (c) => {
    const createdBefore = Number(param(c, "at"));
    const query = { completed: false, running: false, suspended: false, createdBefore };
    return jsonResponse({ position: jobs.count({ ...query, offset: 0, limit: 1 }) });
  });
  // Asked by the Python client from 1.850 on: a long script can end early, so that who stops the server waits less.
  app.get("/w/:workspace/jobs/worker_is_draining/:id", (c) => {
    const { running } = jobParam(c, jobs);
    return jsonResponse(running && jobs.draining);
  });
  app.get("/w/:workspace/jobs/queue/scheduled_for/:id", (c) => jsonResponse(jobParam(c, jobs).scheduledFor));
  app.post("/w/:workspace/jobs_u/queue/get_started_at_by_ids", async (c) => {
    const found = (await readIds(c)).map((id) => {
      refuseStrangers(jobs, callerOf(c.req.raw), id);
      return jobs.get(id)?.startedAt;
    });
    return jsonResponse(found.filter((at) => at !== undefined).map((at) => new Date(at).toISOString()));
  });
  app.get("/w/:workspace/concurrency_groups/list_jobs", (c) =>
    jsonResponse({
      jobs: list(c, {}, 100).map((job) => recordOf(job, { workspace, brief: true })),
      obscured_jobs: [],
      omitted_obscured_jobs: false,
    }));
  app.get(
    "/concurrency_groups/list",
    () =>
      jsonResponse(
        jobs.concurrencyGroups().map(({ key, running }) => ({ concurrency_key: key, total_running: running })),
      ),
  );
  app.get("/concurrency_groups/:id/key", (c) => jsonResponse(jobParam(c, jobs).concurrencyKey ?? null));
}

async function readIds(c: Context): Promise<readonly string[]> {
  const ids = await readJson(c.req.raw);
  if (!Array.isArray(ids) || ids.length > MOST_IDS) {
    throw new Refusal(422, `Failed to deserialize the JSON body: expected at most ${MOST_IDS} ids`);
  }
  return ids.map((id) => checkId(typeof id === "string" ? id : (JSON.stringify(id) ?? "").slice(0, 100)));
}

/** Cancelling, and what else acts on the queue. */
function addQueue(app: Hono, context: ServerContext): void {
  const { jobs } = context;

  async function reasonOf(c: Context): Promise<string> {
    const body = await readJson(c.req.raw) ?? null;
    if (body !== null && !isRecord(body)) throw new Refusal(422, NO_MAP);
    const reason = body?.reason;
    return typeof reason === "string" && reason !== "" ? reason : "no reason given";
  }
  async function cancel(c: Context, force: boolean): Promise<Response> {
    const id = idParam(c);
    const reason = await reasonOf(c);
    if (jobs.get(id) === undefined) throw notFound(`queued job id ${id} does not exist`);
    const done = await jobs.cancel(id, callerOf(c.req.raw).username, reason, force);
    return textResponse(done ? id : `queued job id ${id} is already completed`);
  }

  app.post("/w/:workspace/jobs_u/queue/cancel/:id", (c) => cancel(c, false));
  app.post("/w/:workspace/jobs_u/queue/force_cancel/:id", (c) => cancel(c, true));
  app.post("/w/:workspace/jobs_u/queue/cancel_persistent/:path{.+}", async (c) => {
    const reason = await reasonOf(c);
    const caller = callerOf(c.req.raw), { username } = caller;
    const kin = kinOf(jobs, caller);
    const query = { completed: false, scriptPathExact: param(c, "path"), offset: 0, limit: MOST_IDS };
    for (const { id } of jobs.list({ ...query, ...(kin && { kin }) })) await jobs.cancel(id, username, reason);
    return textResponse("persistent job scaled down to zero");
  });
  app.post("/w/:workspace/jobs/queue/cancel_selection", async (c) => {
    const caller = callerOf(c.req.raw), { username } = caller;
    const force = queryFlag(c, "force_cancel") === true;
    const canceled: string[] = [], ids = await readIds(c);
    for (const id of ids) refuseStrangers(jobs, caller, id);
    for (const id of ids) {
      if (await jobs.cancel(id, username, "cancel all", force)) canceled.push(id);
    }
    return jsonResponse(canceled);
  });
  app.post("/w/:workspace/jobs/queue/run_now/:id", (c) => {
    const { id } = jobParam(c, jobs);
    if (!jobs.runNow(id)) throw notFound(`queued job id ${id} does not wait to be run`);
    return textResponse(id);
  });
}

/** What jobs say of themselves while they run. */
function addProgress(app: Hono, context: ServerContext): void {
  const { jobs } = context;
  app.post("/w/:workspace/job_metrics/set_progress/:id", async (c) => {
    const { percent } = await readFields(c.req.raw);
    if (typeof percent !== "number" || !Number.isInteger(percent)) {
      throw new Refusal(422, "Failed to deserialize the JSON body into the target type: percent: expected i32");
    }
    const { id } = jobParam(c, jobs);
    jobs.setProgress(id, Math.min(99, Math.max(0, percent)));
    return jsonResponse(null);
  });
  app.get("/w/:workspace/job_metrics/get_progress/:id", (c) => jsonResponse(jobs.get(idParam(c))?.progress ?? null));
  app.post("/w/:workspace/job_metrics/get/:id", (c) => {
    jobParam(c, jobs);
    return jsonResponse({ metrics_metadata: [], scalar_metrics: [], timeseries_metrics: [] });
  });

  app.get("/w/:workspace/jobs/flow/user_states/:id/:key", (c) => {
    const id = idParam(c);
    const job = jobs.get(id);
    // Only jobs that have not ended are looked at.
    const open = job !== undefined && job.completedAt === undefined;
    return jsonResponse(open ? jobs.flowUserState(id, param(c, "key")) : null);
  });
  app.post("/w/:workspace/jobs/flow/user_states/:id/:key", async (c) => {
    const id = idParam(c);
    const value = await readJson(c.req.raw);
    if (value === undefined) {
      throw new Refusal(400, "Failed to parse the request body as JSON: EOF while parsing a value");
    }
    const job = jobs.get(id);
    if (job?.kind !== "flow" || job.completedAt !== undefined) throw notFound("Flow job not found");
    jobs.setFlowUserState(id, param(c, "key"), value);
    return textResponse("Flow job state updated");
  });
}

/** The endpoints of jobs. */
export function jobRoutes(context: ServerContext): Hono {
  const app = new Hono();
  addStarts(app, context);
  addRecords(app, context);
  addLists(app, context);
  addQueue(app, context);
  addProgress(app, context);
  return app;
}
