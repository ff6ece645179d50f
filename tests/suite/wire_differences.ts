/**
 * Every difference between what this client sends and what was recorded of the official ones (windmill-client 1.818.0 and wmill
 * 1.735.0), with its reason. The wire cases read it, and fail where a difference is none.
 *
 * @module
 */
import type { Sent, WireChange } from "./_wire_kit.ts";

/** What is sent otherwise than recorded. */
export interface WireDifference {
  readonly reason: string;
  /** Changes of the recorded requests, in order. */
  readonly changes?: readonly WireChange[];
  /** One more request, before the recorded one at that place. */
  readonly extra?: Sent & { readonly at: number };
  /** Nothing is sent. */
  readonly nothing?: true;
}

const job = "00000000-0000-0000-0000-00000000c0de";

/** What is sent for a wait: one more request, for the stream of the job's updates. */
function watched(id: string, at: number): WireDifference {
  const extra = {
    at,
    method: "GET",
    url: `/api/w/ws/jobs_u/getupdate_sse/${id}?fast=true&no_logs=true&only_result=true`,
    accept: "text/event-stream",
    contentType: null,
    authorization: "Bearer tok",
    body: "",
  };
  return { reason: "the stream of updates says when to look", extra };
}

/** What is sent for a task outside a workflow's run. */
const localTask: WireDifference = {
  reason:
    "a task outside a workflow's run is a plain function: to dispatch it over HTTP, as version 1 of the protocol did, " +
    "belongs to running on a cluster",
  nothing: true,
};

const prefix = "the official clients send the prefix as a part of the path, which the server does not find";
const quoted = "names are quoted, whatever they hold";
const audience =
  "an audience is one part of the address: the official client leaves '?' and '#' as they are, which cut it";
const kind = "text has a kind, which the official client leaves to the server";
const probe = "it asks whether there is one, where the Python client reads (and decrypts) the value to find out";

const table = ["dl.t", 'dl."t"'] as const;
const tableInSchema = ["dl.t", 'dl."sch"."t"'] as const;
const column = [" _wm_partition", ' "_wm_partition"'] as const;
const list = ["(_wm_partition)", '("_wm_partition")'] as const;
const noRows = ["-- result_collection=last_statement_first_row\n", ""] as const;
const key = ["id IN (SELECT id FROM", '"id" IN (SELECT "id" FROM'] as const;
const pythonPartition = [
  noRows,
  ["-- $_wm_partition (TEXT)\n", "-- $arg1 (TEXT)\n-- $arg2 (TEXT)\n"],
  ["USE dl;", 'USE dl."s";'],
  ["= $_wm_partition", "= $arg1"],
  ["*, $_wm_partition", "*, $arg2"],
  column,
  list,
] as const;

const summary = 'SELECT (SELECT count(*) FROM dl."s"."t" WHERE "_wm_partition" = $arg1) AS rows, ' +
  "(SELECT max(snapshot_id) FROM ducklake_snapshots('dl')) AS snapshot_id";

/** Differences by client and recorded function. */
export const wireDifferences: Readonly<Record<"typescript" | "python", Readonly<Record<string, WireDifference>>>> = {
  typescript: {
    "getVariable $var:": {
      reason: prefix,
      changes: [{ url: "/api/w/ws/variables/get_value/u/me/v" }],
    },
    "getVariable special": {
      reason: "the official client leaves '?' and '#' as they are, and so asks for another variable",
      changes: [{ url: "/api/w/ws/variables/get_value/u/me/a%20b%3Fc" }],
    },
    "runScriptByPath": watched(job, 1),
    "runScriptByHash": watched(job, 1),
    "runFlow": watched(job, 1),
    "waitJob fail": watched("fail", 0),
    "waitJob failstr": watched("failstr", 0),
    "task v1": localTask,
    "getIdToken url audience": {
      reason: audience,
      changes: [{ url: "/api/w/ws/oidc/token/https%3A%2F%2Fvault%2Fx%3Fy" }],
    },
    "writeS3File string": {
      reason: kind,
      changes: [{ url: "/api/w/ws/job_helpers/upload_s3_file?file_key=k.txt&content_type=text%2Fplain" }],
    },
    "writeS3File auto": {
      reason: kind,
      changes: [{ url: "/api/w/ws/job_helpers/upload_s3_file?content_type=text%2Fplain" }],
    },
    "datatable tpl": {
      reason:
        "NULL without a type goes into columns of any type; FLOAT8 is one word, which older workers need to see an array; a " +
        "text says that it is one before CAST turns it into something else, as the worker may not know the type",
      changes: [{
        content: [
          ["DOUBLE PRECISION", "FLOAT8"],
          ["$5::TEXT", "NULL"],
          ["CAST($9 AS int)", "CAST($9::TEXT AS int)"],
          ["b = $2::text", "b = $2::TEXT::text"],
        ],
      }],
    },
    "ducklake tpl": {
      reason:
        "text is declared as text, and DuckDB converts it: the worker turns what is declared as date or time into something else",
      changes: [{ content: [["(varchar)", "(TEXT)"]] }],
    },
    "upsertPartition key": { reason: quoted, changes: [{ content: [table, column, list, key] }] },
    "upsertPartition whole": { reason: quoted, changes: [{ content: [table] }] },
    "appendPartition": { reason: quoted, changes: [{ content: [table, column, list] }] },
    "upsertPartition pipeline": {
      reason: "names are quoted, and the schema is said; the partition of the summary is an argument too",
      changes: [{ content: [tableInSchema, column, list] }, {
        content: [tableInSchema, column, ["ATTACH", "-- $arg1 (TEXT)\nATTACH"], ["'p''1'", "$arg1"]],
        args: { arg1: "p'1" },
      }],
    },
  },
  python: {
    "task v1": localTask,
    "run_script_by_hash": watched(job, 1),
    "wait_job fail": watched("fail", 0),
    "cancel_job": {
      reason: "the reason has this function's name",
      changes: [{ body: JSON.stringify({ reason: "cancelled via cancelJob method" }) }],
    },
    "set_progress": {
      reason: "the flow of a job is found without loading its logs",
      changes: [{ url: "/api/w/ws/jobs_u/get/job-self?no_logs=true" }],
    },
    "get_job_status": {
      reason: "a status needs neither logs nor code",
      changes: [{ url: "/api/w/ws/jobs_u/get/job-9?no_logs=true&no_code=true" }],
    },
    "cancel_running": {
      reason: "the server's default page has 30 jobs, and there may be more; the reason has this function's name",
      changes: [{ url: "/api/w/ws/jobs/list?running=true&script_path_exact=u%2Fme%2Fself&page=1&per_page=100" }, {
        body: JSON.stringify({ reason: "killed by `cancelRunning` method" }),
      }],
    },
    "get_id_token url": {
      reason: audience,
      changes: [{ url: "/api/w/ws/oidc/token/https%3A%2F%2Fvault%2Fx%3Fy%3D" }],
    },
    "create_token": {
      reason: "the end is in UTC, which its Z says, and the label has it in whole seconds",
      changes: [{ body: '{"label":"refresh 1700086400","expiration":"2023-11-15T22:13:20Z"}' }],
    },
    "get_resume_urls noargs": {
      reason:
        "an approver that was not given is not sent: an empty one becomes a part of the addresses and their signature",
      changes: [{ url: "/api/w/ws/jobs/resume_urls/job-self/NONCE" }],
    },
    "slack": {
      reason: "the order of the query is the official TypeScript client's, and JSON has no spaces",
      changes: [{
        url: "/api/w/ws/jobs/slack_approval/job-self?approver=a&message=m&slack_resource_path=u%2Fme%2Fslack" +
          "&channel_id=C1&flow_step_id=a&default_args_json=%7B%22k%22%3A1%7D&dynamic_enums_json=%7B%22e%22%3A%5B%22x%22%5D%7D",
      }],
    },
    "get_variable $var:": {
      reason: prefix,
      changes: [{ url: "/api/w/ws/variables/get_value/u/me/v" }],
    },
    "set_variable absent": { reason: probe, changes: [{ url: "/api/w/ws/variables/exists/u/me/absent" }] },
    "set_variable exists": { reason: probe, changes: [{ url: "/api/w/ws/variables/exists/u/me/v" }] },
    "set_resource absent": { reason: probe, changes: [{ url: "/api/w/ws/resources/exists/u/me/absent" }] },
    "set_resource exists": { reason: probe, changes: [{ url: "/api/w/ws/resources/exists/u/me/r" }] },
    "set_state": { reason: probe, changes: [{ url: "/api/w/ws/resources/exists/u/me/state" }] },
    "set_flow_user_state None": {
      reason: "no value is the JSON null: the Python client sends no body, which the server does not accept",
      changes: [{}, { body: "null", contentType: "application/json" }],
    },
    "sign_s3_object str": {
      reason: "the Python client sends a text to an endpoint that takes records",
      changes: [{ body: JSON.stringify({ s3_objects: [{ storage: "st", s3: "k" }] }) }],
    },
    "presigned": {
      reason: "a storage that is null is the default one, as one that is absent",
      changes: [{ body: JSON.stringify({ s3_objects: [{ s3: "a b", storage: "st" }, { s3: "k" }] }) }],
    },
    "datatable": {
      reason: "arrays of numbers are arrays, as in the official TypeScript client",
      changes: [{ content: [["$3 arg3 (JSON)", "$3 arg3 (FLOAT8[])"]] }],
    },
    "datatable execute": {
      reason: "no rows are asked for, as in the official TypeScript client",
      changes: [{ content: [noRows] }],
    },
    "ducklake": {
      reason: "names that begin alike would be mixed up by the worker: they are numbered",
      changes: [{ content: [["$a", "$arg1"]], args: { arg1: 1 } }],
    },
    "ducklake schema": {
      reason: "the Python client takes the whole text for the name of the lake",
      changes: [{ content: [["lake:sch", "lake"], ["USE dl;", 'USE dl."sch";']] }],
    },
    "upsert": {
      reason: "as the official TypeScript client does, but for the quotes: each place of the partition is an argument",
      changes: [{ content: [...pythonPartition, key], args: { arg1: "p1", arg2: "p1" } }],
    },
    "upsert pipeline": {
      reason: "as the official TypeScript client does, the summary is a request of its own",
      changes: [{ content: [...pythonPartition, [`\n${summary};`, ""]], args: { arg1: "p'1", arg2: "p'1" } }],
      extra: {
        at: 1,
        method: "POST",
        url: "/api/w/ws/jobs/run_inline/preview",
        accept: "application/json",
        contentType: "application/json",
        authorization: "Bearer tok",
        body: JSON.stringify({
          content:
            `-- result_collection=last_statement_first_row\n-- $arg1 (TEXT)\nATTACH 'ducklake://lake' AS dl;USE dl."s";\n${summary}`,
          language: "duckdb",
          args: { arg1: "p'1" },
        }),
      },
    },
    "read": {
      reason: "names are quoted, arguments are numbered",
      changes: [{ content: [["$_wm_partition", "$arg1"], table, column], args: { arg1: "p1" } }],
    },
  },
};
