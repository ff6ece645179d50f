/**
 * What a job's token may do: all that the functions of the SDKs need, and nothing else.
 *
 * It reads what the person who runs the server reads of the folder, and writes variables, resources and objects, as scripts do on
 * a cluster; it starts jobs. Of jobs it sees its kin only: its own tree, what that started, jobs of the same script and what those
 * started, each with all that is below it. It speaks for its own tree only: progress, state, links, checkpoints, events. It writes
 * no scripts, removes nothing, and has no part in the tokens of people.
 *
 * @module
 */
import type { MiddlewareHandler } from "hono";
import { denied } from "../wire/refusal.ts";
import { findCaller, refuseOtherJobs, rootOf } from "./auth.ts";
import type { Caller, JobKin, Jobs } from "./ports.ts";

/**
 * How far a job's token gets with a route: with any request; with one that lists jobs, of which it is shown its kin, by the route
 * itself; with the job `:id` when it is kin, or of its own tree.
 */
export type JobRight = "any" | "lists" | "kin" | "tree";

/** The routes of a job's token. What is not here is refused. Those of a workspace are below `/w/:workspace/`. */
const RIGHTS: Readonly<Record<JobRight, readonly string[]>> = {
  any: [
    "GET /version",
    "GET /uptodate",
    "GET /ee_license",
    "GET /health/status",
    // Refused in the words of the community edition.
    "POST /teams/activities",
    "POST oidc/token/:audience{.+}",
    "GET jobs/slack_approval/:id",
    "GET jobs/teams_approval/:id",
    "POST kafka_triggers/commit_offsets/:path{.+}",
    // Who and where.
    "GET /users/whoami",
    "GET /users/email",
    "GET /users/exists/:email",
    "GET users/whoami",
    "GET users/list",
    "GET users/list_usernames",
    "GET users/get/:username",
    "GET users/whois/:username",
    "GET users/username_to_email/:username",
    "GET users/is_owner/:path{.+}",
    // It ends with the job.
    "POST /users/tokens/create",
    "GET /workspaces/list",
    "GET /workspaces/list_as_superadmin",
    "GET /workspaces/users",
    "POST /workspaces/exists",
    "POST /workspaces/exists_username",
    "GET workspaces/get_as_superadmin",
    "GET workspaces/get_workspace_name",
    "GET workspaces/is_premium",
    "GET workspaces/usage",
    "GET workspaces/default_app",
    "GET workspaces/get_secondary_storage_names",
    // The folder: code is read; variables and resources are read and set.
    "GET scripts/get/p/:path{.+}",
    "GET scripts/get/h/:hash",
    "GET scripts/exists/p/:path{.+}",
    "GET scripts/list",
    "GET scripts/list_search",
    "GET scripts/list_paths",
    "GET scripts/deployment_status/h/:hash",
    "GET scripts/history/p/:path{.+}",
    "GET scripts/get_latest_version/:path{.+}",
    "GET scripts/raw/p/:path{.+}",
    "GET scripts/raw_unpinned/p/:path{.+}",
    "GET scripts/raw/h/:path{.+}",
    "GET variables/get_value/:path{.+}",
    "GET variables/get/:path{.+}",
    "GET variables/exists/:path{.+}",
    "GET variables/list",
    "GET variables/list_contextual",
    "POST variables/create",
    "POST variables/update/:path{.+}",
    "GET resources/get_value/:path{.+}",
    "GET resources/get_value_interpolated/:path{.+}",
    "GET resources/get/:path{.+}",
    "GET resources/exists/:path{.+}",
    "GET resources/list",
    "GET resources/list_search",
    "GET resources/list_names/:name",
    "GET resources/file_resource_type_to_file_ext_map",
    "POST resources/create",
    "POST resources/update_value/:path{.+}",
    "GET resources/type/list",
    "GET resources/type/listnames",
    "GET resources/type/exists/:name",
    "GET resources/type/get/:name",
    // Objects and tables.
    "GET job_helpers/download_s3_file",
    "POST job_helpers/upload_s3_file",
    "DELETE job_helpers/delete_s3_file",
    "GET job_helpers/move_s3_file",
    "GET job_helpers/load_file_metadata",
    "GET job_helpers/load_file_preview",
    "GET job_helpers/list_stored_files",
    "GET job_helpers/list_stored_files_paged",
    "GET job_helpers/check_s3_folder_exists",
    "GET job_helpers/test_connection",
    "POST job_helpers/v2/s3_resource_info",
    "POST job_helpers/v2/duckdb_connection_settings",
    "POST job_helpers/v2/polars_connection_settings",
    "POST job_helpers/duckdb_connection_settings",
    "POST job_helpers/polars_connection_settings",
    "POST apps/sign_s3_objects",
    "GET s3_proxy/*",
    "POST assets/record_materialization",
    // Starts. Whose child a job is to be, the start itself looks at.
    ...["p", "h", "f", "fv"].flatMap((target) => [
      `POST jobs/run/${target}/:name{.+}`,
      `GET jobs/run_wait_result/${target}/:name{.+}`,
      `POST jobs/run_wait_result/${target}/:name{.+}`,
      `GET jobs/run_and_stream/${target}/:name{.+}`,
      `POST jobs/run_and_stream/${target}/:name{.+}`,
    ]),
    "POST jobs/run/preview",
    "POST jobs/run/preview_flow",
    "POST jobs/run_wait_result/preview",
    "POST jobs/run_wait_result/preview_flow",
    "POST jobs/run_inline/preview",
    "POST jobs/run_inline/p/:name{.+}",
    "POST jobs/run_inline/h/:name{.+}",
    // Numbers.
    "GET jobs/queue/position/:at{\\d+}",
    // What has a signature of its own, or a token of the page's: who asks besides is looked at there.
    "GET jobs_u/resume/:id/:resume_id/:signature",
    "POST jobs_u/resume/:id/:resume_id/:signature",
    "GET jobs_u/cancel/:id/:resume_id/:signature",
    "POST jobs_u/cancel/:id/:resume_id/:signature",
    "GET jobs_u/get_flow/:id/:resume_id/:signature",
    "POST jobs_u/flow/resume_suspended/:job_id",
    "GET jobs_u/flow/approval_info/:job_id",
  ],
  lists: [
    "GET jobs/list",
    "GET jobs/queue/list",
    "GET jobs/completed/list",
    "GET jobs/list_filtered_uuids",
    "GET jobs/queue/list_filtered_uuids",
    "GET jobs/queue/count",
    "GET jobs/completed/count",
    "GET jobs/completed/count_jobs",
    "GET concurrency_groups/list_jobs",
    "POST jobs_u/queue/get_started_at_by_ids",
    "POST jobs_u/queue/cancel_persistent/:path{.+}",
    "POST jobs/queue/cancel_selection",
  ],
  kin: [
    "GET jobs_u/get/:id",
    "GET jobs_u/completed/get/:id",
    "GET jobs_u/get_logs/:id",
    "GET jobs_u/get_completed_logs_tail/:id",
    "GET jobs_u/get_args/:id",
    "GET jobs_u/get_root_job_id/:id",
    "GET jobs_u/completed/get_result/:id",
    "GET jobs_u/completed/get_result_maybe/:id",
    "GET jobs_u/completed/get_timing/:id",
    "GET jobs_u/getupdate/:id",
    "GET jobs_u/getupdate_sse/:id",
    "GET jobs/queue/scheduled_for/:id",
    "GET job_metrics/get_progress/:id",
    "POST job_metrics/get/:id",
    "GET /concurrency_groups/:id/key",
    "POST jobs_u/queue/cancel/:id",
    "POST jobs_u/queue/force_cancel/:id",
    "POST jobs/queue/run_now/:id",
  ],
  tree: [
    "POST job_metrics/set_progress/:id",
    "GET jobs/worker_is_draining/:id",
    "GET jobs/flow/user_states/:id/:key",
    "POST jobs/flow/user_states/:id/:key",
    "GET jobs/resume_urls/:id/:resume_id",
    "GET jobs/job_signature/:id/:resume_id",
    "GET jobs/wac_approval_urls/:id/:step_key",
    "POST jobs/flow/resume/:id",
    "POST jobs/wac/inline_checkpoint/:id",
    "POST jobs/run/workflow_as_code/:id/:entrypoint",
    "POST jobs/workflow_as_code/:id/:entrypoint",
    "POST windkit/workflows/:id/events/:name",
  ],
};

/** The right of a job's token to a route, `GET /w/:workspace/jobs/list`; undefined when it has none. */
export function jobRight(route: string): JobRight | undefined {
  const inWorkspace = route.replace(" /w/:workspace/", " ");
  // `as`: the names of a record are those of its type.
  const rights = Object.keys(RIGHTS) as readonly JobRight[];
  return rights.find((right) => RIGHTS[right].includes(inWorkspace));
}

/** The jobs that a caller may see: undefined for all of them. */
export function kinOf(jobs: Pick<Jobs, "get">, { job }: Caller): JobKin | undefined {
  if (job === undefined) return undefined;
  const own = jobs.get(job);
  // The path of a preview is what whoever starts it says: that of a job's is no proof of being that script.
  const isScript = own?.kind === "script" || (own?.kind === "preview" && own.startedBy === undefined);
  return { job, root: rootOf(jobs, job), ...(isScript && own.path !== undefined && { path: own.path }) };
}

/**
 * Refuses a job that is to see or end a job that is none of its kin.
 *
 * @throws Refusal
 */
export function refuseStrangers(jobs: Pick<Jobs, "get" | "count">, caller: Caller, id: string): void {
  if (caller.job === undefined || caller.job === id) return;
  const kin = kinOf(jobs, caller);
  if (kin !== undefined && jobs.count({ kin, id, offset: 0, limit: 1 }) > 0) return;
  throw denied(
    `the token of job ${caller.job} is not good for job ${id}: it is for its own tree, what that started, and jobs of the same script`,
  );
}

/** Looks at what a job's token may do before a route's handler does it. */
export function jobGuard(
  jobs: Pick<Jobs, "get" | "count">,
  method: string,
  path: string,
  /** Routes that are not of this package, and that a job's token has: `POST /w/:workspace/mine`. */
  further: readonly string[] = [],
): MiddlewareHandler {
  const route = `${method} ${path}`;
  const right = jobRight(route) ?? (further.includes(route) ? "any" : undefined);
  return async (c, next) => {
    const caller = findCaller(c.req.raw);
    if (caller?.job !== undefined) {
      if (right === undefined) {
        throw denied(
          `the token of a job is not good for ${c.req.method} ${c.req.path}: ask with the token of a person`,
        );
      }
      const id = c.req.param("id")?.toLowerCase() ?? "";
      // One that there is not is the route's own matter.
      if ((right === "kin" || right === "tree") && jobs.get(id) !== undefined) {
        if (right === "kin") refuseStrangers(jobs, caller, id);
        else refuseOtherJobs(jobs, caller, id);
      }
    }
    await next();
  };
}
