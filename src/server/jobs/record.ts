/**
 * Jobs as the API describes them.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import type { Job, Jobs } from "../ports.ts";
import { exactResult } from "./exact_result.ts";

/** A result that is larger than this is left out of a record; `get_result` has it. */
const MAX_RESULT_CHARS = 2 * 1024 * 1024;

/** What a record has beside what every one has. */
export interface RecordOptions {
  readonly workspace: string;
  /** The job's log. */
  readonly logs?: string;
  /** The job's code. */
  readonly code?: string;
  /** Leaves out arguments and result: for lists. */
  readonly brief?: boolean;
}

function isoOf(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}

/** What people see of the status of a workflow: not the checkpoint, which is the worker's. */
export function shownStatus(status: Json | undefined): Json | undefined {
  if (typeof status !== "object" || status === null || Array.isArray(status)) return status;
  const { _checkpoint, ...shown } = status as Readonly<Record<string, Json>>;
  return Object.keys(shown).length === 0 ? undefined : shown;
}

function shownResult(result: Json | undefined): Json {
  const text = JSON.stringify(result ?? null);
  return text.length > MAX_RESULT_CHARS ? "WINDMILL_TOO_BIG" : result ?? null;
}

/** The record of a job. */
export function recordOf(job: Job, { workspace, logs, code, brief = false }: RecordOptions): Record<string, unknown> {
  const { hash, path, startedAt, completedAt } = job;
  const status = shownStatus(job.workflowAsCodeStatus);
  const shared = {
    workspace_id: workspace,
    id: job.id,
    parent_job: job.parent,
    root_job: job.root,
    created_by: job.createdBy,
    created_at: isoOf(job.createdAt),
    started_at: isoOf(startedAt),
    scheduled_for: isoOf(job.scheduledFor),
    script_path: path,
    script_hash: hash,
    ...(brief ? {} : { args: job.args }),
    ...(logs === undefined ? {} : { logs }),
    ...(code === undefined ? {} : { raw_code: code }),
    canceled: job.canceled,
    canceled_by: job.canceledBy,
    canceled_reason: job.canceledReason,
    job_kind: job.kind,
    permissioned_as: `u/${job.createdBy}`,
    ...(status === undefined ? {} : { workflow_as_code_status: status }),
    is_flow_step: false,
    language: job.kind === "flow" || job.kind === "identity" ? undefined : job.language,
    email: job.email,
    visible_to_owner: job.invisibleToOwner !== true,
    // In kilobytes, as a worker says it.
    mem_peak: job.memPeakBytes === undefined ? undefined : Math.ceil(job.memPeakBytes / 1024),
    tag: job.tag,
    priority: job.priority,
    worker: startedAt === undefined ? undefined : "windkit",
    ...(job.preprocess === true && completedAt !== undefined ? { preprocessed: job.success === true } : {}),
  };
  if (completedAt === undefined) {
    return { type: "QueuedJob", ...shared, running: job.running, suspend: job.suspended ? 1 : 0 };
  }
  return {
    type: "CompletedJob",
    ...shared,
    success: job.success === true,
    ...(brief ? {} : { result: shownResult(exactResult(job)) }),
    completed_at: isoOf(completedAt),
    duration_ms: job.durationMs ?? 0,
    is_skipped: false,
    deleted: false,
  };
}

/** The outermost job that a job belongs to. */
export function rootIdOf(job: Job): string {
  return job.root ?? job.parent ?? job.id;
}

/** The full record of a job, with its log and its code unless they are not wanted. */
export function fullRecord(
  jobs: Jobs,
  job: Job,
  workspace: string,
  options: { readonly noLogs?: boolean | undefined; readonly code?: string | undefined },
): Record<string, unknown> {
  return recordOf(job, {
    workspace,
    ...(options.noLogs === true ? {} : { logs: jobs.shownLog(job.id) }),
    ...(options.code === undefined ? {} : { code: options.code }),
  });
}
