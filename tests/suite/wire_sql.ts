/**
 * What goes over the wire for SQL, compared request by request with what the official clients sent
 * (`fixtures/official_requests_sql.json`, recorded from windmill-client 1.818.0 and wmill 1.735.0). Where this client sends
 * something else, the table says what and why.
 */
import * as wmill from "@windkit/windmill-client";
import { createClient, type SqlGroup } from "@windkit/windmill-client";
import { assert, assertEquals } from "./assert.ts";
import { json, type Seen, serve, type Stub, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import recorded from "./fixtures/official_requests_sql.json" with { type: "json" };
import { test } from "./harness.ts";

interface Sent {
  readonly method: string;
  readonly url: string;
  readonly accept: string | null;
  readonly contentType: string | null;
  readonly authorization: string | null;
  /** Parsed: the order of its fields says nothing. */
  readonly body: Readonly<Record<string, unknown>>;
}

type Functions = Pick<SqlGroup, "datatable" | "ducklake" | "upsertPartition" | "appendPartition" | "readPartition">;

const environment: Readonly<Record<string, string>> = {
  BASE_INTERNAL_URL: "http://localhost:8000",
  WM_WORKSPACE: "ws",
  WM_TOKEN: "tok",
  WM_JOB_ID: "job-self",
};

const epoch = new Date(0);

const typescript: Readonly<Record<string, (functions: Functions) => Promise<unknown>>> = {
  "datatable tpl": ({ datatable }) => {
    const sql = datatable("main:sch", { role: "ro" });
    return sql`SELECT * FROM t WHERE a = ${1} AND b = ${"x"}::text AND c = ${[
      1,
      2.5,
    ]} AND d = ${epoch} AND e = ${null} AND f = ${true} AND g = ${1.5} AND h = ${{
      a: 1,
    }} AND i = CAST(${"1"} AS int) AND j = ${10n} AND k = ${NaN}`.fetch();
  },
  "datatable raw": ({ datatable }) => {
    const sql = datatable();
    return sql`SELECT ${sql.raw("col")} FROM t WHERE a=${2}`.fetchOne();
  },
  "datatable query": ({ datatable }) => datatable().query("SELECT $1, $2", 1, []).fetchOneScalar(),
  "datatable execute": ({ datatable }) => datatable()`DELETE FROM t`.execute(),
  "datatable result_collection": ({ datatable }) =>
    datatable()`SELECT 1`.fetch({ resultCollection: "all_statements_all_rows" }),
  "ducklake tpl": ({ ducklake }) =>
    ducklake("lake:sch")`SELECT * FROM t WHERE a = ${1} AND b = ${"x"}::varchar`.fetch(),
  "upsertPartition key": ({ upsertPartition }) =>
    upsertPartition({ table: "t", selectSql: "SELECT 1 AS id", partition: "p1", uniqueKey: "id" }).execute(),
  "upsertPartition whole": ({ upsertPartition }) =>
    upsertPartition({ table: "t", selectSql: "SELECT 1 AS id" }).execute(),
  "appendPartition": ({ appendPartition }) =>
    appendPartition({ table: "t", selectSql: "SELECT 1 AS id", partition: "p1" }).execute(),
  "upsertPartition pipeline": ({ upsertPartition }) =>
    upsertPartition({ ducklake: "lake:sch", table: "t", selectSql: "SELECT 1 AS id", partition: "p'1" }).execute(),
};

/** Functions that the Python client has in another form, or the TypeScript client not at all. */
const python: Readonly<Record<string, (functions: Functions) => Promise<unknown>>> = {
  "datatable": ({ datatable }) =>
    datatable("main:sch").query("SELECT $1,$2,$3,$4,$5,$6,$7", 1, "x", [1, 2.5], null, true, 1.5, { a: 1 }).fetch(),
  "datatable fetch_one": ({ datatable }) => datatable().query("SELECT 1").fetchOne(),
  "datatable execute": ({ datatable }) => datatable(":s").query("SELECT 1").execute(),
  "ducklake": ({ ducklake }) => ducklake("lake").query("SELECT $a", { a: 1 }).fetch(),
  "ducklake schema": ({ ducklake }) => ducklake("lake:sch").query("SELECT 1").fetchOneScalar(),
  "upsert": ({ upsertPartition }) =>
    upsertPartition({
      ducklake: ":s",
      table: "t",
      selectSql: "SELECT 1 AS id",
      partition: "p1",
      uniqueKey: "id",
    }).execute(),
  "upsert pipeline": ({ upsertPartition }) =>
    upsertPartition({ ducklake: "lake:s", table: "t", selectSql: "SELECT 1 AS id", partition: "p'1" }).execute(),
  "read": ({ readPartition }) => readPartition({ table: "t", partition: "p1" }).fetch(),
};

interface Difference {
  readonly reason: string;
  /** Other texts in the content, request by request: what is recorded, and what is sent. */
  readonly content?: readonly (readonly (readonly [recorded: string, sent: string])[])[];
  /** Arguments that replace the recorded ones, request by request. */
  readonly args?: readonly (Readonly<Record<string, unknown>> | undefined)[];
  /** A request that is sent before the recorded one at that place. */
  readonly extra?: { readonly at: number; readonly content: string; readonly args: Readonly<Record<string, unknown>> };
}

const table = ["dl.t", 'dl."t"'] as const;
const tableInSchema = ["dl.t", 'dl."sch"."t"'] as const;
const column = [" _wm_partition", ' "_wm_partition"'] as const;
const list = ["(_wm_partition)", '("_wm_partition")'] as const;
const key = ["id IN (SELECT id FROM", '"id" IN (SELECT "id" FROM'] as const;
const python1 = [
  ["-- result_collection=last_statement_first_row\n", ""],
  ["-- $_wm_partition (TEXT)\n", "-- $arg1 (TEXT)\n-- $arg2 (TEXT)\n"],
  ["USE dl;", 'USE dl."s";'],
  ["= $_wm_partition", "= $arg1"],
  ["*, $_wm_partition", "*, $arg2"],
  [" _wm_partition", ' "_wm_partition"'],
  ["(_wm_partition)", '("_wm_partition")'],
] as const;

/** What is sent otherwise than recorded. */
const differences: Readonly<Record<string, Difference>> = {
  "typescript datatable tpl": {
    reason:
      "NULL without a type goes into columns of any type; FLOAT8 is one word, which older workers need to see an array; a " +
      "text says that it is one before CAST turns it into something else, as the worker may not know the type",
    content: [[
      ["DOUBLE PRECISION", "FLOAT8"],
      ["$5::TEXT", "NULL"],
      ["CAST($9 AS int)", "CAST($9::TEXT AS int)"],
      ["b = $2::text", "b = $2::TEXT::text"],
    ]],
  },
  "typescript ducklake tpl": {
    reason:
      "text is declared as text, and DuckDB converts it: the worker turns what is declared as date or time into something else",
    content: [[["(varchar)", "(TEXT)"]]],
  },
  "typescript upsertPartition key": { reason: "names are quoted", content: [[table, column, list, key]] },
  "typescript upsertPartition whole": { reason: "names are quoted", content: [[table]] },
  "typescript appendPartition": { reason: "names are quoted", content: [[table, column, list]] },
  "typescript upsertPartition pipeline": {
    reason: "names are quoted, and the schema is said; the partition of the summary is an argument too",
    content: [[tableInSchema, column, list], [
      tableInSchema,
      column,
      ["ATTACH", "-- $arg1 (TEXT)\nATTACH"],
      ["'p''1'", "$arg1"],
    ]],
    args: [undefined, { arg1: "p'1" }],
  },
  "python datatable": {
    reason: "arrays of numbers are arrays, as in the official TypeScript client",
    content: [[["$3 arg3 (JSON)", "$3 arg3 (FLOAT8[])"]]],
  },
  "python datatable execute": {
    reason: "no rows are asked for, as in the official TypeScript client",
    content: [[["-- result_collection=last_statement_first_row\n", ""]]],
  },
  "python ducklake": {
    reason: "names that begin alike would be mixed up by the worker: they are numbered",
    content: [[["$a", "$arg1"]]],
    args: [{ arg1: 1 }],
  },
  "python ducklake schema": {
    reason: "the Python client takes the whole text for the name of the lake",
    content: [[["lake:sch", "lake"], ["USE dl;", 'USE dl."sch";']]],
  },
  "python upsert": {
    reason: "as the official TypeScript client does, but for the quotes: each place of the partition is an argument",
    content: [[...python1, key]],
    args: [{ arg1: "p1", arg2: "p1" }],
  },
  "python upsert pipeline": {
    reason: "as the official TypeScript client does, the summary is a request of its own",
    content: [[
      ...python1,
      [
        '\nSELECT (SELECT count(*) FROM dl."s"."t" WHERE "_wm_partition" = $arg1) AS rows, (SELECT max(snapshot_id) FROM ducklake_snapshots(\'dl\')) AS snapshot_id;',
        "",
      ],
    ]],
    args: [{ arg1: "p'1", arg2: "p'1" }],
    extra: {
      at: 1,
      content:
        "-- result_collection=last_statement_first_row\n-- $arg1 (TEXT)\nATTACH 'ducklake://lake' AS dl;USE dl.\"s\";\n" +
        'SELECT (SELECT count(*) FROM dl."s"."t" WHERE "_wm_partition" = $arg1) AS rows, (SELECT max(snapshot_id) FROM ducklake_snapshots(\'dl\')) AS snapshot_id',
      args: { arg1: "p'1" },
    },
  },
  "python read": {
    reason: "names are quoted, arguments are numbered",
    content: [[["$_wm_partition", "$arg1"], ["dl.t", 'dl."t"'], [" _wm_partition", ' "_wm_partition"']]],
    args: [{ arg1: "p1" }],
  },
};

function answer({ target }: Seen): Response {
  return /\/preview$/.test(target) ? json([{ a: 1 }]) : text("");
}

function sent(stub: Stub): Sent[] {
  return stub.seen.map(({ method, target, headers, body }) => ({
    method,
    url: target,
    accept: headers.get("accept"),
    contentType: headers.get("content-type"),
    authorization: headers.get("authorization"),
    body: JSON.parse(body),
  }));
}

/** What is expected of a case: the recorded requests with the differences of the table. */
function expected(kind: "typescript" | "python", name: string): Sent[] {
  const { content = [], args = [], extra } = differences[`${kind} ${name}`] ?? {};
  const list = recorded[kind].filter(({ fn }) => fn === name).map(({ fn: _, ...request }, at): Sent => {
    const accept = request.url.endsWith("/preview") ? "application/json" : "*/*";
    const body = JSON.parse(request.body);
    for (const [from, to] of content[at] ?? []) {
      assert(body.content.includes(from), `Expected "${from}" in the recorded content of "${name}": ${body.content}`);
      body.content = body.content.replaceAll(from, to);
    }
    return { ...request, accept, body: args[at] === undefined ? body : { ...body, args: args[at] } };
  });
  assert(list.length > 0, `Expected a recording of "${name}"`);
  if (extra !== undefined) {
    const [first] = list;
    assert(first !== undefined);
    list.splice(extra.at, 0, { ...first, body: { ...first.body, content: extra.content, args: extra.args } });
  }
  return list;
}

for (const [kind, cases] of [["typescript", typescript], ["python", python]] as const) {
  for (const [name, run] of Object.entries(cases)) {
    const pipeline: Record<string, string> = name.endsWith("pipeline") ? { WM_PIPELINE: "true" } : {};
    test(`wire: a client sends what the official ${kind} one does for SQL: ${name}`, async () => {
      const stub = serve(answer);
      const env = { ...environment, ...pipeline };
      await run(createClient({ env, fetch: stub.fetch }).sql);
      assertEquals(sent(stub), expected(kind, name));
    });
    test(`wire: the functions send what the official ${kind} ones do for SQL: ${name}`, async () => {
      const stub = serve(answer);
      await withEnvironment({ ...environment, ...pipeline }, stub, () => run(wmill));
      assertEquals(sent(stub), expected(kind, name));
    }, noEnvironment);
  }
}

test("wire: every recorded function of SQL has a case, and every difference is one", () => {
  for (const [kind, cases] of [["typescript", typescript], ["python", python]] as const) {
    assertEquals(Object.keys(cases).toSorted(), [...new Set(recorded[kind].map(({ fn }) => fn))].toSorted());
  }
  for (const [name, { reason }] of Object.entries(differences)) {
    const [kind = "", ...fn] = name.split(" ");
    assert(reason.length > 15, `Expected a reason for "${name}"`);
    assert(recorded[kind as "python"].some((one) => one.fn === fn.join(" ")), `Expected a recording of "${name}"`);
  }
});
