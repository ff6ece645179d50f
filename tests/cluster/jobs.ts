/**
 * The stand-in's job table.
 *
 * @module
 */
import { type Json, write } from "./jsonb.ts";
import type { DispatchStep } from "./messages.ts";

/** The checkpoint of a workflow (wac-protocol 2.2). */
export interface Checkpoint {
  source_hash: string;
  completed_steps: Record<string, Json>;
  pending_steps?: PendingSteps;
  input_args: Record<string, Json>;
  job_ids: Record<string, string>;
  _executing_key?: string;
  _executing_fn?: string;
  _executing_args?: Json;
  consumed_resume_row_ids: string[];
}

/** What a parked workflow waits for. */
export interface PendingSteps {
  mode: string;
  keys: string[];
  job_ids: Record<string, string>;
}

/** What a job runs. */
export interface Script {
  /** Where it is deployed; a preview has none. */
  readonly path?: string;
  /** What is compared between rounds (wac-protocol 11); a preview has none. */
  readonly hash?: string;
  readonly code: string;
  /** Modules of the script, `./name` without `./`. */
  readonly modules?: Readonly<Record<string, External>>;
  /** The workflow's function, where rounds run in the process of the test. */
  readonly main?: unknown;
  readonly preprocess?: boolean;
}

/** A script of the workspace that is no program here, but what it gives. What it throws is its failure. */
export type External = (args: Json, job: Job) => unknown;

/** How a job ended. */
export interface Completed {
  readonly success: boolean;
  readonly result: Json;
}

/** An answer to an approval. */
export interface ResumeRow {
  readonly id: string;
  readonly resumeId: number;
  readonly value: Json;
  readonly approver: string | null;
  readonly approved: boolean;
}

/** One job. */
export interface Job {
  readonly id: string;
  readonly kind: "script" | "preview" | "flow" | "external";
  readonly script: Script;
  args: Record<string, Json>;
  readonly parent?: string;
  readonly root: string;
  readonly createdBy: string;
  readonly tag: string;
  readonly timeout?: number;
  /** The step that dispatched it, with its options. */
  readonly step?: DispatchStep;
  /** The function that a child of v1 calls. */
  readonly entrypoint?: string;
  readonly external?: External;
  /** `workflow_as_code_status` as the column holds it: text of jsonb. */
  status: string | null;
  /** Rows of `resume_job`. */
  readonly resumes: ResumeRow[];
  approvalConditions?: { readonly self_approval_disabled: boolean };
  suspend: number;
  suspendUntil?: number;
  running: boolean;
  startedAt?: number;
  scheduledFor: number;
  canceledBy?: string;
  canceledReason?: string;
  completed?: Completed;
  /** Raw message of each round that ended with one, in order. */
  readonly messages: Json[];
  /** Body of each inline checkpoint that was posted and stored, with its place: how many messages came before it. */
  readonly posted: { readonly at: number; readonly body: Json }[];
  /** Rounds that hung and were ended. */
  hung: number;
  /** Standard output of all rounds. */
  logs: string;
  rounds: number;
}

/** The checkpoint inside a status, reset to an empty one when it does not read as one (wac-protocol 2.1). */
export function checkpointOf(status: string | null, log: (line: string) => void = () => undefined): Checkpoint {
  const empty: Checkpoint = {
    source_hash: "",
    completed_steps: {},
    input_args: {},
    job_ids: {},
    consumed_resume_row_ids: [],
  };
  if (status === null) return empty;
  const value = (JSON.parse(status) as { _checkpoint?: unknown })._checkpoint;
  if (value === undefined || value === null) return empty;
  try {
    if (typeof value !== "object" || Array.isArray(value)) throw new Error("it is no object");
    const read = { ...empty, ...value } as Checkpoint;
    for (const name of ["completed_steps", "input_args", "job_ids"] as const) {
      const field: unknown = read[name];
      if (typeof field !== "object" || field === null || Array.isArray(field)) throw new Error(`${name} is no object`);
    }
    if (typeof read.source_hash !== "string") throw new Error("source_hash is no string");
    if (!Array.isArray(read.consumed_resume_row_ids)) throw new Error("consumed_resume_row_ids is no list");
    const pending: unknown = read.pending_steps;
    if (pending !== undefined && (typeof pending !== "object" || pending === null || !("mode" in pending))) {
      throw new Error("pending_steps is no set of steps");
    }
    return read;
  } catch (error) {
    log(`Failed to deserialize WAC checkpoint, starting over: ${(error as Error).message}`);
    return empty;
  }
}

/** A job's status with another checkpoint, or other siblings of it. */
export function statusWith(status: string | null, patch: Readonly<Record<string, unknown>>): string {
  const value = status === null ? {} : JSON.parse(status) as Record<string, Json>;
  return write({ ...value, ...patch as Record<string, Json> });
}

/** Keys of the approvals whose links a job has asked for. */
export function mintedKeysOf(job: Job): readonly string[] {
  const status = job.status === null ? {} : JSON.parse(job.status) as { _minted_approval_keys?: Record<string, true> };
  return Object.keys(status._minted_approval_keys ?? {});
}
