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

/** One event of the update stream: `type` is `update`, `ping`, `timeout`, `notfound` or `error`, the rest is as the server says. */
export type UpdateEvent = Readonly<Record<string, unknown>>;

function jobOf(record: Readonly<Record<string, unknown>>): Job | undefined {
  const { id, type } = record;
  if (typeof id !== "string" || (type !== "QueuedJob" && type !== "CompletedJob")) return undefined;
  return { ...record, id, type };
}

/** Decodes the record of a job. */
export function readJob(answer: Answer): Job {
  const record = readRecord(answer, "a job");
  const job = jobOf(record);
  if (job !== undefined) return job;
  throw unreadable(
    answer,
    "a job with an 'id' and the 'type' \"QueuedJob\" or \"CompletedJob\"",
    `id ${JSON.stringify(record.id)} and type ${JSON.stringify(record.type)}`,
  );
}

/** Decodes a list of jobs; `type` is what those are that do not say it. */
export function readJobs(answer: Answer, type?: Job["type"]): Job[] {
  return readList(answer, (record) => jobOf({ ...(type && { type }), ...record }), "jobs");
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
  if (/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id)) return id;
  throw unreadable(answer, "the id of a job", id.startsWith("<") ? "HTML" : "other text");
}

/** Decodes whether a job is completed. */
export function readJobResult(answer: Answer): JobResult {
  const record = parseRecord(answer.text);
  const { completed, success } = record ?? {};
  if (typeof completed !== "boolean" || (completed && typeof success !== "boolean")) {
    throw unreadable(answer, "whether a job is completed", "something else");
  }
  return { started: null, success: null, result: null, ...record } as JobResult;
}

/** Decodes a progress in percent. */
export function readProgress(answer: Answer): number | null {
  return readJson(answer, "a number or null", (value) => value === null || typeof value === "number");
}

/** Decodes a JSON object; undefined for anything else. */
export function parseRecord(text: string): UpdateEvent | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    // Whoever asks says what that means.
    return undefined;
  }
}

/** True for an update that comes with the end of the job: its result is there, as `only_result` or in the record `job`. */
export function isLast(update: UpdateEvent): boolean {
  return update.completed === true || (update.only_result ?? update.job ?? null) !== null;
}

/** Name and message of the error in a failed job's result, as far as they are there. */
export function failureOf(
  result: unknown,
): { readonly name: string | undefined; readonly message: string | undefined } {
  const error = isRecord(result) ? result.error : undefined;
  const { name, message } = isRecord(error) ? error : { name: undefined, message: error };
  return { name: textOf(name), message: textOf(message) };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
