/**
 * Jobs as the server describes them.
 *
 * @module
 */
import type { JobState } from "./_jobs.ts";
import type { Mock } from "./_mock.ts";

/** What a record leaves out. */
export interface RecordOptions {
  readonly noLogs: boolean;
  readonly noCode: boolean;
}

/** The record of a job. */
export function jobRecord(mock: Mock, job: JobState, { noLogs, noCode }: RecordOptions): Record<string, unknown> {
  const { user, workspace } = mock;
  const { kind, startedAt, endedAt, canceled } = job;
  const shared = {
    workspace_id: workspace,
    id: job.id,
    parent_job: job.parentJob ?? null,
    root_job: job.rootJob ?? null,
    created_by: user.username,
    created_at: job.createdAt.toISOString(),
    started_at: startedAt?.toISOString() ?? null,
    script_path: job.path === "" ? null : job.path,
    script_hash: null,
    args: job.args,
    ...(noLogs ? {} : { logs: job.logs }),
    ...(noCode ? {} : { raw_code: null }),
    canceled: canceled !== undefined,
    canceled_by: canceled?.by ?? null,
    canceled_reason: canceled?.reason ?? null,
    job_kind: kind,
    schedule_path: null,
    permissioned_as: `u/${user.username}`,
    is_flow_step: false,
    language: kind === "flow" ? null : "bun",
    email: user.email,
    visible_to_owner: true,
    mem_peak: 0,
    tag: job.tag ?? (kind === "flow" ? "flow" : "bun"),
    ...(kind === "flow"
      ? { flow_status: { step: 0, modules: [], user_states: Object.fromEntries(job.userStates) } }
      : {}),
  };
  return job.status === "completed"
    ? {
      type: "CompletedJob",
      ...shared,
      success: job.success === true,
      result: job.result ?? null,
      duration_ms: (endedAt?.getTime() ?? 0) - (startedAt ?? job.createdAt).getTime(),
      is_skipped: false,
    }
    : {
      type: "QueuedJob",
      ...shared,
      running: job.status === "running",
      scheduled_for: job.createdAt.toISOString(),
      suspend: 0,
    };
}
