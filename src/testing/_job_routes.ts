/**
 * The endpoints of jobs: starting, running, results, cancelling, progress, states.
 *
 * @module
 */
import { badRequest, jsonResponse, notFound, Refusal, textResponse } from "../wire/refusal.ts";
import { jobRecord } from "./_job_records.ts";
import { argsOf, type JobState, type MockRunnable, rootOf } from "./_jobs.ts";
import type { Mock } from "./_mock.ts";
import { type Call, fields, optionalText, queryFlag, queryNumber, type RouteTable } from "./_router.ts";
import { pageOf } from "./_store.ts";
import { streamUpdates } from "./_updates.ts";

/** What is run: by path or hash a script, by path a flow. */
type Target = "p" | "h" | "f";

function runnableOf(mock: Mock, target: Target, name: string): MockRunnable {
  const found = (target === "f" ? mock.flows : mock.scripts).get(name);
  if (found !== undefined) return found;
  throw notFound(`${target === "f" ? "flow" : "script"} not found at name ${name}`);
}

/** In how many milliseconds a job begins, as the query says. */
function delayOf(mock: Mock, call: Call): number {
  const at = call.query.get("scheduled_for");
  if (at !== null) return Math.max(0, Date.parse(at) - mock.clock.now());
  return (queryNumber(call, "scheduled_in_secs") ?? 0) * 1000;
}

function startJob(mock: Mock, call: Call, target: Target, name: string): JobState {
  const run = runnableOf(mock, target, name);
  const id = call.query.get("job_id") ?? undefined;
  if (id !== undefined) mock.checkId(id);
  if (id !== undefined && mock.jobs.all.has(id)) throw badRequest(`Id ${id} already exists`);
  return mock.jobs.start({
    kind: target === "f" ? "flow" : "script",
    path: name,
    // A GET has its arguments in the query, in base 64.
    args: call.method === "GET" ? argsOf(payloadOf(call)) : argsOf(call.json()),
    run,
    id,
    // Old clients send an empty id for none.
    parentJob: call.query.get("parent_job") || undefined,
    rootJob: call.query.get("root_job") || undefined,
    tag: call.query.get("tag") ?? undefined,
    delayMs: delayOf(mock, call),
  });
}

/** The payload of a GET: JSON in base 64. */
export function payloadOf(call: Call): unknown {
  const payload = call.query.get("payload");
  if (payload === null) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(payload), (char) => char.charCodeAt(0))));
  } catch {
    throw badRequest("Impossible to decode query payload");
  }
}

/** Waits for a job as `run_wait_result` does; who hangs up cancels it. */
export async function answerResult(mock: Mock, call: Call, job: JobState): Promise<Response> {
  try {
    await mock.jobs.ended(job, call.signal);
  } catch (error) {
    mock.jobs.cancel(job, "the connection was closed", mock.user.username);
    throw error;
  }
  if (job.success !== true) return jsonResponse(job.result, 422);
  const result = argsOf(job.result);
  const control = (name: string): unknown => result[`windmill_${name}`] ?? result[`wm_${name}`];
  const status = control("status_code"), type = control("content_type"), headers = control("headers");
  if (status === undefined && type === undefined && headers === undefined) return jsonResponse(job.result);
  const body = result.result;
  const asText = typeof type === "string" && typeof body === "string";
  return new Response(body === undefined ? null : asText ? body : JSON.stringify(body), {
    status: typeof status === "number" ? status : body === undefined ? 204 : 200,
    headers: {
      ...(body === undefined ? {} : { "content-type": typeof type === "string" ? type : "application/json" }),
      ...Object.fromEntries(Object.entries(argsOf(headers)).map(([name, value]) => [name, `${value}`])),
    },
  });
}

function resultMaybe(job: JobState | undefined, getStarted: boolean): Response {
  if (job?.status === "completed") {
    return jsonResponse({ started: true, success: job.success, completed: true, result: job.result });
  }
  const started = getStarted ? job?.status === "running" : null;
  return jsonResponse({ started, success: null, completed: false, result: null });
}

function cancelJob(mock: Mock, call: Call, id: string): Response {
  mock.checkId(id);
  const job = mock.jobs.all.get(id);
  if (job === undefined) throw notFound(`queued job id ${id} does not exist`);
  const reason = optionalText(fields(call), "reason") ?? "no reason given";
  return textResponse(
    mock.jobs.cancel(job, reason, mock.user.username) ? id : `queued job id ${id} is already completed`,
  );
}

function listJobs(mock: Mock, call: Call): Response {
  const { query } = call;
  const running = query.get("running"), success = query.get("success"), path = query.get("script_path_exact");
  const found = [...mock.jobs.all.values()].reverse().filter((job) =>
    (running === null || (job.status === "running") === (running === "true")) &&
    (success === null || (job.status === "completed" && job.success === (success === "true"))) &&
    (path === null || job.path === path)
  );
  return jsonResponse(pageOf(call, found).map((job) => jobRecord(mock, job, { noLogs: true, noCode: true })));
}

/** The endpoints that start jobs, for one kind of target. */
function startRoutes(mock: Mock, target: Target): RouteTable {
  const rest = target === "h" ? "*" : "**";
  const wait = (call: Call, name = ""): Promise<Response> =>
    answerResult(mock, call, startJob(mock, call, target, name));
  const stream = (call: Call, name = ""): Response =>
    streamUpdates(mock, call, startJob(mock, call, target, name).id, true);
  return {
    [`POST jobs/run/${target}/${rest}`]: (call, name = "") => textResponse(startJob(mock, call, target, name).id, 201),
    [`POST jobs/run_wait_result/${target}/${rest}`]: wait,
    [`GET jobs/run_wait_result/${target}/${rest}`]: wait,
    [`POST jobs/run_and_stream/${target}/${rest}`]: stream,
    [`GET jobs/run_and_stream/${target}/${rest}`]: stream,
  };
}

/** The endpoints of jobs. */
export function jobRoutes(mock: Mock): RouteTable {
  const { jobs } = mock;
  return {
    ...startRoutes(mock, "p"),
    ...startRoutes(mock, "h"),
    ...startRoutes(mock, "f"),
    // A task of a script that is no workflow: a function of that script, known by its name.
    "POST jobs/run/workflow_as_code/*/*": (call, id = "", name = "") => {
      const parent = mock.jobOf(id);
      const run = runnableOf(mock, "p", name);
      return textResponse(
        jobs.start({ kind: "script", path: name, args: argsOf(fields(call).args), run, parentJob: parent.id }).id,
        201,
      );
    },
    "GET jobs_u/get/*": (call, id = "") =>
      jsonResponse(jobRecord(mock, mock.jobOf(id), {
        noLogs: queryFlag(call, "no_logs"),
        noCode: queryFlag(call, "no_code"),
      })),
    "GET jobs_u/get_logs/*": (_call, id = "") => textResponse(mock.jobOf(id).logs),
    "GET jobs_u/completed/get_result_maybe/*": (call, id = "") => {
      mock.checkId(id);
      return resultMaybe(jobs.all.get(id), queryFlag(call, "get_started"));
    },
    "GET jobs_u/completed/get_result/*": (_call, id = "") => {
      const job = mock.jobOf(id, "Completed Job");
      if (job.status !== "completed") throw notFound(`Completed Job not found at name ${id}`);
      return jsonResponse(job.result);
    },
    "GET jobs_u/get_root_job_id/*": (_call, id = "") => jsonResponse(rootOf(mock.jobOf(id))),
    "POST jobs_u/queue/cancel/*": (call, id = "") => cancelJob(mock, call, id),
    "POST jobs_u/queue/force_cancel/*": (call, id = "") => cancelJob(mock, call, id),
    "GET jobs/list": (call) => listJobs(mock, call),
    "POST job_metrics/set_progress/*": (call, id = "") => {
      const { percent } = fields(call);
      if (!Number.isInteger(percent)) {
        throw new Refusal(422, "Failed to deserialize the JSON body into the target type: percent: expected i32");
      }
      // `as`: it is a whole number, which was just looked at.
      jobs.change(mock.jobOf(id), (job) => job.progress = Math.min(99, Math.max(0, percent as number)));
      return jsonResponse(null);
    },
    "GET job_metrics/get_progress/*": (_call, id = "") => {
      mock.checkId(id);
      return jsonResponse(jobs.all.get(id)?.progress ?? null);
    },
    "GET jobs/flow/user_states/*/*": (_call, id = "", key = "") => {
      mock.checkId(id);
      const job = jobs.all.get(id);
      // Only jobs that have not ended are looked at.
      return jsonResponse(job?.status === "completed" ? null : job?.userStates.get(key) ?? null);
    },
    "POST jobs/flow/user_states/*/*": (call, id = "", key = "") => {
      mock.checkId(id);
      const value = call.json();
      if (value === undefined) throw new Refusal(400, "Failed to parse the request body as JSON: EOF while parsing");
      const job = jobs.all.get(id);
      if (job === undefined || job.kind !== "flow" || job.status === "completed") throw notFound("Flow job not found");
      job.userStates.set(key, value);
      return textResponse("Flow job state updated");
    },
  };
}
