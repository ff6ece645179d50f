/**
 * The running job, and routes of jobs.
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { readString } from "../wire/answer.ts";
import { type ClientOptions, inWorkspace, request, setting } from "./connection.ts";

/** The route of an action on a job. */
export function jobRoute(client: ClientOptions, action: string, jobId: string): string {
  return inWorkspace(client, `${action}/${encodeSegment(jobId, "job id")}`);
}

/** The id that was given, else that of the running job. */
export function currentJob(client: ClientOptions, jobId: string | undefined): string {
  return setting(client, jobId, /./, "the id of a job as an argument", "WM_JOB_ID");
}

/** Gives the id of the outermost job that a job belongs to. */
export async function readRootJobId(
  client: ClientOptions,
  jobId?: string,
  options?: CallOptions,
): Promise<string> {
  return readString(
    await request(client, { route: jobRoute(client, "jobs_u/get_root_job_id", currentJob(client, jobId)) }, options),
  );
}
