/**
 * Jobs as the server describes them.
 *
 * @module
 */
import { type Answer, isRecord, readJson, readList, readRecord, unreadable } from "./answer.ts";

/** The record of a job. */
export interface Job {
  /** Id of the job. */
  readonly id: string;
  /** `CompletedJob` once it ended, however it did. */
  readonly type: "QueuedJob" | "CompletedJob";
  /** True while a worker runs it. */
  readonly running?: boolean;
  /** How a completed job ended. */
  readonly success?: boolean;
  /** True when somebody cancelled it. */
  readonly canceled?: boolean;
  /** Id of the job that started it. */
  readonly parent_job?: string | null;
  /** Path of the script or flow. */
  readonly script_path?: string | null;
  /** Result of a completed job; the text `WINDMILL_TOO_BIG` when it is too large for the record. */
  readonly result?: unknown;
  /** The other fields, by the server's names. */
  readonly [field: string]: unknown;
}

/** What a job is doing. */
export type JobStatus = "WAITING" | "RUNNING" | "COMPLETED";

/** Whether a job is completed, and then how. */
export interface JobResult {
  /** True once the job ended. */
  readonly completed: boolean;
  /** How it ended; null or absent before. */
  readonly success?: boolean | null;
  /** Whether a worker took it, when that was asked for; null otherwise. */
  readonly started?: boolean | null;
  /** Its result; null before it ended. */
  readonly result: unknown;
}

/** What the update stream says about a job. Fields that are not needed here are left alone. */
export interface JobUpdate {
  /** `update`, `ping`, `timeout`, `notfound` or `error`. */
  readonly type: string;
  /** True when the job ended with this update. */
  readonly completed: boolean;
}

/** Decodes the record of a job. */
export function readJob(answer: Answer): Job {
  const record = readRecord(answer, "a job");
  const { id, type } = record;
  if (typeof id !== "string" || (type !== "QueuedJob" && type !== "CompletedJob")) {
    throw unreadable(
      answer,
      "a job with an 'id' and the 'type' \"QueuedJob\" or \"CompletedJob\"",
      `id ${JSON.stringify(id)} and type ${JSON.stringify(type)}`,
    );
  }
  return { ...record, id, type };
}

/** Says what the job of a record is doing. */
export function statusOf(job: Job): JobStatus {
  if (job.type === "CompletedJob") return "COMPLETED";
  return job.running === true ? "RUNNING" : "WAITING";
}

/** Decodes the ids of a list of jobs. */
export function readJobIds(answer: Answer): string[] {
  return readList(answer, ({ id }) => typeof id === "string" ? id : undefined, "jobs");
}

/** Decodes the id of a job that was just created: plain text. */
export function readJobId(answer: Answer): string {
  const id = answer.text.trim();
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)) {
    throw unreadable(answer, "the id of a job", id === "" ? "nothing" : id.startsWith("<") ? "HTML" : "other text");
  }
  return id;
}

/** Decodes whether a job is completed. */
export function readJobResult(answer: Answer): JobResult {
  const record = readRecord(answer, "the state of a job");
  const { completed, success, started, result = null } = record;
  if (typeof completed !== "boolean" || (completed && typeof success !== "boolean")) {
    throw unreadable(
      answer,
      "the state of a job with 'completed' and, once completed, 'success'",
      `completed ${JSON.stringify(completed)} and success ${JSON.stringify(success)}`,
    );
  }
  return {
    completed,
    success: typeof success === "boolean" ? success : null,
    started: typeof started === "boolean" ? started : null,
    result,
  };
}

/** Decodes a progress in percent. */
export function readProgress(answer: Answer): number | null {
  return readJson(answer, "a number or null", (value) => value === null || typeof value === "number");
}

/** Decodes one event of the update stream; undefined for an event that says nothing which can be understood. */
export function parseUpdate(data: string): JobUpdate | undefined {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    // The stream only says when to look: what cannot be read is no reason to look, and none to fail.
    return undefined;
  }
  if (!isRecord(value) || typeof value.type !== "string") return undefined;
  // The result comes with the end of the job, as `only_result` or in the whole record `job`.
  const completed = value.completed === true || (value.only_result ?? value.job ?? null) !== null;
  return { type: value.type, completed };
}

/** Name and message of the error in a failed job's result; undefined for what is not there. */
export function failureOf(result: unknown): { readonly name?: string; readonly message?: string } {
  const error = isRecord(result) ? result.error : undefined;
  if (typeof error === "string") return { message: error };
  if (!isRecord(error)) return {};
  return {
    ...(typeof error.name === "string" ? { name: error.name } : {}),
    ...(typeof error.message === "string" ? { message: error.message } : {}),
  };
}
