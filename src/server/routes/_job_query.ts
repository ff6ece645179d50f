/**
 * Filters of lists of jobs, out of a query.
 *
 * @module
 */
import type { Context } from "hono";
import { Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { JobKind, JobQuery } from "../ports.ts";
import { checkId, pageOf, parseJson, queryFlag, queryText, queryTime } from "./_request.ts";

type Filter = { -readonly [K in keyof JobQuery]?: JobQuery[K] | undefined };

const STATUSES = ["success", "failure", "canceled"] as const;

function queryJson(c: Context, name: string): Json | undefined {
  const text = queryText(c, name);
  return text === undefined ? undefined : parseJson(text);
}

function statusOf(c: Context): JobQuery["status"] | "none" {
  const text = queryText(c, "status");
  if (text === undefined) return undefined;
  // No job is ever skipped here.
  if (text === "skipped") return "none";
  const found = STATUSES.find((status) => status === text);
  if (found !== undefined) return found;
  throw new Refusal(400, `Failed to deserialize query string: status: unknown variant \`${text}\``);
}

/** What is only known of jobs that have ended: a filter by it leaves the others out. */
const COMPLETED = ["success", "status", "label", "result", "is_skipped", "completed_before", "completed_after"];

/** The filters of a list; undefined when nothing here can match them. */
export function jobQuery(c: Context, perPage?: number): JobQuery | undefined {
  const status = statusOf(c), parent = queryText(c, "parent_job"), kinds = queryText(c, "job_kinds");
  const never = ["label", "schedule_path", "trigger_path"].some((name) => queryText(c, name) !== undefined) ||
    queryFlag(c, "is_skipped") === true || queryFlag(c, "is_flow_step") === true ||
    !/^(?:|webhook|api|ui)$/.test(queryText(c, "trigger_kind") ?? "");
  if (never || status === "none") return undefined;
  const filter: Filter = {
    running: queryFlag(c, "running"),
    suspended: queryFlag(c, "suspended"),
    success: queryFlag(c, "success"),
    status,
    scriptPathExact: queryText(c, "script_path_exact"),
    scriptPathStart: queryText(c, "script_path_start"),
    scriptHash: queryText(c, "script_hash"),
    createdBy: queryText(c, "created_by"),
    tag: queryText(c, "tag"),
    parent: parent === undefined ? undefined : checkId(parent, "parent_job"),
    // `as`: a kind that there is none of matches no job.
    kinds: kinds?.split(",") as JobKind[] | undefined,
    concurrencyKey: queryText(c, "concurrency_key"),
    createdBefore: queryTime(c, "created_before") ?? queryTime(c, "created_before_queue"),
    createdAfter: queryTime(c, "created_after") ?? queryTime(c, "created_after_queue"),
    startedBefore: queryTime(c, "started_before"),
    startedAfter: queryTime(c, "started_after"),
    completedBefore: queryTime(c, "completed_before"),
    completedAfter: queryTime(c, "completed_after"),
    scheduledForBeforeNow: queryFlag(c, "scheduled_for_before_now"),
    allowWildcards: queryFlag(c, "allow_wildcards"),
    hasNullParent: queryFlag(c, "has_null_parent"),
    orderDesc: queryFlag(c, "order_desc"),
    args: queryJson(c, "args"),
    result: queryJson(c, "result"),
  };
  if (COMPLETED.some((name) => queryText(c, name) !== undefined)) filter.completed = true;
  // `as`: fields that are undefined are left out.
  return Object.fromEntries(
    Object.entries({ ...filter, ...pageOf(c, perPage) }).filter(([, value]) => value !== undefined),
  ) as unknown as JobQuery;
}
