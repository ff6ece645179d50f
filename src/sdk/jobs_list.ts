/**
 * Lists of jobs.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import { apiError } from "../wire/answer.ts";
import { type Job, readJobs } from "../wire/jobs.ts";
import { type ClientOptions, inWorkspace, prepare, queryOf, request } from "./connection.ts";

/**
 * Which jobs. Texts may be several values with commas between them, and none of them with `!` before the first one. What is
 * only known of completed jobs (`success`, `status`, `label`, `result`, `isSkipped`, `completedBefore`, `completedAfter`)
 * leaves out the others; `running`, `suspended` and `scheduledForBeforeNow` leave out completed ones.
 */
export interface JobFilter {
  /** Who started it. */
  readonly createdBy?: string;
  /** Id of the job that started it. */
  readonly parentJob?: string;
  /** Path of its script or flow. */
  readonly scriptPathExact?: string;
  /** Start of that path. */
  readonly scriptPathStart?: string;
  /** Hash of the version of its script. */
  readonly scriptHash?: string;
  /** Path of the schedule that started it. */
  readonly schedulePath?: string;
  /** Its worker tag. */
  readonly tag?: string;
  /** The worker that runs or ran it. */
  readonly worker?: string;
  /** A label of its result. */
  readonly label?: string;
  /** Kinds of jobs, such as `script` or `flow,preview`. */
  readonly jobKinds?: string;
  /** What started it, such as `webhook` or `schedule`. */
  readonly triggerKind?: string;
  /** Whether a worker runs it. */
  readonly running?: boolean;
  /** Whether it waits to be resumed. */
  readonly suspended?: boolean;
  /** True for jobs that could start now. */
  readonly scheduledForBeforeNow?: boolean;
  /** Whether it succeeded. */
  readonly success?: boolean;
  /** How it ended. */
  readonly status?: "success" | "failure" | "canceled" | "skipped";
  /** True for jobs that were skipped. */
  readonly isSkipped?: boolean;
  /** Whether it is a step of a flow. */
  readonly isFlowStep?: boolean;
  /** True for jobs that no other job started. */
  readonly hasNullParent?: boolean;
  /** True for jobs that no schedule started. */
  readonly isNotSchedule?: boolean;
  /** True reads `*` in `label`, `tag` and `worker` as any text. */
  readonly allowWildcards?: boolean;
  /** Part of its arguments. */
  readonly args?: Readonly<Record<string, unknown>>;
  /** Part of its result. */
  readonly result?: Readonly<Record<string, unknown>>;
  /** Latest time of its creation. */
  readonly createdBefore?: Date;
  /** Earliest time of its creation. */
  readonly createdAfter?: Date;
  /** Latest time of its start. */
  readonly startedBefore?: Date;
  /** Earliest time of its start. */
  readonly startedAfter?: Date;
  /** Latest time of its end. */
  readonly completedBefore?: Date;
  /** Earliest time of its end. */
  readonly completedAfter?: Date;
  /** How many jobs one answer has, 100 at most. @default 30, 100 for all jobs */
  readonly perPage?: number;
}

/** Options of one page of a list of jobs. */
export interface ListJobsOptions extends JobFilter, CallOptions {
  /** Which list: that of jobs that are not completed, or of those that are. @default both, in which pages cannot be turned */
  readonly of?: "queue" | "completed";
  /** Which page, from 1; only with `of`. @default 1 */
  readonly page?: number;
}

/** Options of a whole list of jobs. */
export type AllJobsOptions = Omit<ListJobsOptions, "page">;

/** Filters that only one of the two lists has. */
const QUEUED = ["running", "suspended", "scheduledForBeforeNow"] as const;
const COMPLETED = ["success", "status", "label", "result", "isSkipped", "completedBefore", "completedAfter"] as const;

/** Lists jobs, the latest first. */
export async function listJobs(client: ClientOptions, options: ListJobsOptions = {}): Promise<Job[]> {
  const types = { queue: "QueuedJob", completed: "CompletedJob" } as const;
  return readJobs(await request(client, callOf(client, options), options), options.of && types[options.of]);
}

function callOf(client: ClientOptions, options: ListJobsOptions): { readonly route: string; readonly query: string } {
  const { of, page, signal: _signal, timeoutMs: _timeoutMs, headers: _headers, retry: _retry, ...filter } = options;
  if (page !== undefined && of === undefined) {
    throw new TypeError("Cannot turn pages of all jobs: expected option 'of', \"queue\" or \"completed\", with 'page'");
  }
  const values: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries({ ...filter, page })) {
    if (value === undefined) continue;
    const wire = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    values[wire] = value instanceof Date
      ? value.toISOString()
      : typeof value === "object"
      ? JSON.stringify(value)
      : `${value}`;
  }
  return { route: inWorkspace(client, `jobs/${of === undefined ? "" : `${of}/`}list`), query: queryOf(values) };
}

/**
 * Lists all jobs, page by page as they are asked for: first those that are not completed, then those that are, the latest first.
 * A job that comes up twice, because others began or ended meanwhile, is given once.
 */
export async function* listAllJobs(
  client: ClientOptions,
  options: AllJobsOptions = {},
): AsyncGenerator<Job, void, void> {
  const { of, perPage = 100 } = options;
  // The server gives 100 at most, and an answer with fewer than were asked for is taken for the last one.
  if (!(perPage >= 1 && perPage <= 100)) {
    throw new RangeError(`Cannot list jobs: 'perPage' must be from 1 to 100: current value is ${perPage}`);
  }
  const lists = of === undefined ? ["queue", "completed"] as const : [of];
  const seen = new Set<string>();
  for (const list of lists) {
    const other = list === "queue" ? COMPLETED : QUEUED;
    if (of === undefined && other.some((name) => options[name] !== undefined)) continue;
    for (let page = 1;; page++) {
      const asked = { ...options, of: list, perPage, page };
      const jobs = await listJobs(client, asked);
      const fresh = jobs.filter(({ id }) => !seen.has(id));
      if (jobs.length >= perPage && fresh.length === 0) {
        const request = prepare(client, callOf(client, asked));
        throw apiError(request, 200, `expected more jobs on page ${page}, found those of the pages before`);
      }
      for (const job of fresh) {
        seen.add(job.id);
        yield job;
      }
      if (jobs.length < perPage) break;
    }
  }
}
