/**
 * What a workflow's process asks of the server (wac-protocol 7 and 12): checkpoints of steps, tasks as jobs; and, of Windkit's own,
 * events for workflows.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { encode } from "../../base/canonical.ts";
import { hasCode } from "../../base/errors.ts";
import { isRecord } from "../../wire/answer.ts";
import { badRequest, denied, jsonResponse, notFound, Refusal, textResponse } from "../../wire/refusal.ts";
import { isFailureRecord, normalisedRecord } from "../../workflow/failure_record.ts";
import type { Json } from "../../workflow/journal.ts";
import { callerOf, refuseOtherJobs } from "../auth.ts";
import type { Job, ServerContext } from "../ports.ts";
import { iso, statusFields } from "../workflow_jobs/timeline.ts";
import { jobParam, param, queryFlag, queryNumber, queryStart, queryText, readFields, readJson } from "./_request.ts";

const NOT_JSON = "Failed to deserialize the JSON body into the target type";

/** A value as the database of a server keeps it: keys in jsonb's order, and no text that it refuses. */
function stored(value: Json): Json {
  try {
    // `as`: canonical text is JSON.
    return JSON.parse(encode(value)) as Json;
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : String(error));
  }
}

/** A job that may have tasks of its own: a script or a preview that has not ended. */
function openScript(job: Job): Job {
  if (job.kind !== "script" && job.kind !== "preview") {
    throw badRequest(`job ${job.id} is no script: it is of kind ${job.kind}`);
  }
  if (job.completedAt !== undefined) throw notFound(`job ${job.id} is not queued or running`);
  return job;
}

/** True for the record of a step that has failed. */
function isFailure(value: Json): boolean {
  return isFailureRecord(value) && value.__wmill_error === true;
}

/** Adds a step to a job's checkpoint; gives what is stored of it. */
function addStep({ jobs }: ServerContext, job: Job, fields: Readonly<Record<string, Json>>, now: number): Json {
  const { key, result, started_at: startedAt, duration_ms: durationMs } = fields;
  if (typeof key !== "string") throw new Refusal(422, `${NOT_JSON}: key: expected a string`);
  if (result === undefined) throw new Refusal(422, `${NOT_JSON}: missing field \`result\``);
  if (startedAt !== undefined && startedAt !== null && typeof startedAt !== "string") {
    throw new Refusal(422, `${NOT_JSON}: started_at: expected a string`);
  }
  if (durationMs !== undefined && durationMs !== null && !(Number.isInteger(durationMs) && Number(durationMs) >= 0)) {
    throw new Refusal(422, `${NOT_JSON}: duration_ms: expected u64`);
  }
  const value = normalisedRecord(stored(result), key);
  const hash = job.hash ?? "";
  jobs.updateStatus(job.id, (status) => {
    const before = statusFields(status);
    const checkpoint = statusFields(before._checkpoint);
    const { source_hash: known = "" } = checkpoint;
    if (hash !== "" && known !== "" && known !== hash) {
      throw badRequest(
        "Workflow source code changed between replays. Cannot safely resume from checkpoint — step keys may have shifted. " +
          "Please restart this workflow.",
      );
    }
    const at = typeof startedAt === "string" ? startedAt : iso(now);
    return {
      ...before,
      _checkpoint: {
        ...checkpoint,
        source_hash: known === "" ? hash : known,
        completed_steps: { ...statusFields(checkpoint.completed_steps), [key]: value },
      },
      [`_step/${key}`]: {
        scheduled_for: at,
        started_at: at,
        name: key,
        ...(typeof durationMs === "number" ? { duration_ms: durationMs } : undefined),
        ...(isFailure(value) ? { failed: true } : undefined),
      },
    };
  });
  return value;
}

/** Starts a function of a running script as a job of its own. */
async function startTask(context: ServerContext, c: Context): Promise<Response> {
  const { jobs } = context;
  const caller = callerOf(c.req.raw);
  const name = param(c, "entrypoint");
  if (!/^[A-Za-z_]\w*$/.test(name)) throw badRequest(`Invalid entrypoint: ${name}`);
  const parent = openScript(jobParam(c, jobs));
  const { args = {} } = await readFields(c.req.raw);
  if (!isRecord(args)) throw new Refusal(422, `${NOT_JSON}: args: expected a map`);
  const { kind, path, hash, content, language } = parent;
  const script = hash === undefined ? undefined : context.folder.scriptByHash(hash);
  const modules = content === undefined ? undefined : jobs.modules(parent);
  const at = queryStart(c, context.now());
  const timeoutS = queryNumber(c, "timeout");
  const child = await jobs.start({
    kind,
    language,
    args,
    caller,
    parent: parent.id,
    root: parent.root ?? parent.id,
    entrypoint: name,
    tag: queryText(c, "tag") ?? script?.tag ?? parent.tag,
    ...(path === undefined ? undefined : { path }),
    ...(hash === undefined ? undefined : { hash }),
    ...(content === undefined ? undefined : { content }),
    ...(modules === undefined ? undefined : { modules }),
    ...(at === undefined ? undefined : { scheduledFor: at }),
    ...(timeoutS === undefined ? undefined : { timeoutS }),
    ...(queryFlag(c, "invisible_to_owner") === true && { invisibleToOwner: true }),
  });
  if (queryFlag(c, "skip_update") !== true) {
    jobs.updateStatus(parent.id, (status) => ({
      ...statusFields(status),
      [child.id]: { scheduled_for: iso(child.scheduledFor), name },
    }));
  }
  return textResponse(child.id, 201);
}

/** The endpoints of rounds, and Windkit's own of events. */
export function wacRoutes(context: ServerContext): Hono {
  const { jobs } = context;
  const app = new Hono();

  app.post("/w/:workspace/jobs/wac/inline_checkpoint/:id", async (c) => {
    const found = jobParam(c, jobs);
    const caller = callerOf(c.req.raw);
    if (caller.job !== found.id) throw denied(`only job ${found.id} itself may write its checkpoint`);
    const value = addStep(context, openScript(found), await readFields(c.req.raw), context.now());
    return jsonResponse({ failure: isFailure(value) ? value : null });
  });
  // The second is what the description of the API says.
  app.post("/w/:workspace/jobs/run/workflow_as_code/:id/:entrypoint", (c) => startTask(context, c));
  app.post("/w/:workspace/jobs/workflow_as_code/:id/:entrypoint", (c) => startTask(context, c));

  app.post("/w/:workspace/windkit/workflows/:id/events/:name", async (c) => {
    const { workflows } = context;
    const found = jobParam(c, jobs);
    const job = workflows?.workflowOf(found) ?? found;
    refuseOtherJobs(jobs, callerOf(c.req.raw), job.id);
    const payload = await readJson(c.req.raw) ?? null;
    if (workflows === undefined || !workflows.isWorkflow(job)) {
      throw badRequest(`job ${job.id} is no workflow: it takes no events`);
    }
    const id = queryText(c, "id");
    try {
      await (await workflows.engine).signal(job.id, param(c, "name"), payload, id === undefined ? {} : { id });
    } catch (error) {
      if (hasCode(error, "UNKNOWN_RUN")) throw notFound(`the workflow of job ${job.id} has not begun`);
      if (hasCode(error, "VALIDATION_FAILED") || hasCode(error, "STORAGE_FAILED")) throw badRequest(error.message);
      if (error instanceof Error && /has ended/.test(error.message)) throw badRequest(error.message);
      throw error;
    }
    return textResponse("", 201);
  });
  return app;
}
