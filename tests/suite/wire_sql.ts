/**
 * What goes over the wire for SQL, compared request by request with what the official clients sent
 * (`fixtures/official_requests_sql.json`, recorded from windmill-client 1.818.0 and wmill 1.735.0).
 */
import * as wmill from "@windkit/windmill-client";
import type { SqlGroup } from "@windkit/windmill-client";
import { json, type Seen, text } from "./_client_kit.ts";
import { type WireCase, wireCases } from "./_wire_kit.ts";
import recorded from "./fixtures/official_requests_sql.json" with { type: "json" };

type Functions = Pick<SqlGroup, "datatable" | "ducklake" | "upsertPartition" | "appendPartition" | "readPartition">;

/** A call of the functions, which are the same in the group and by their official names. */
function both(call: (functions: Functions) => Promise<unknown>, env: Readonly<Record<string, string>> = {}): WireCase {
  return {
    client: ({ sql }) => call(sql),
    top: () => call(wmill),
    env: { BASE_INTERNAL_URL: "http://localhost:8000", ...env },
  };
}

const pipeline = { WM_PIPELINE: "true" };

const epoch = new Date(0);

const typescript: Readonly<Record<string, WireCase>> = {
  "datatable tpl": both(({ datatable }) => {
    const sql = datatable("main:sch", { role: "ro" });
    return sql`SELECT * FROM t WHERE a = ${1} AND b = ${"x"}::text AND c = ${[
      1,
      2.5,
    ]} AND d = ${epoch} AND e = ${null} AND f = ${true} AND g = ${1.5} AND h = ${{
      a: 1,
    }} AND i = CAST(${"1"} AS int) AND j = ${10n} AND k = ${NaN}`.fetch();
  }),
  "datatable raw": both(({ datatable }) => {
    const sql = datatable();
    return sql`SELECT ${sql.raw("col")} FROM t WHERE a=${2}`.fetchOne();
  }),
  "datatable query": both(({ datatable }) => datatable().query("SELECT $1, $2", 1, []).fetchOneScalar()),
  "datatable execute": both(({ datatable }) => datatable()`DELETE FROM t`.execute()),
  "datatable result_collection": both(({ datatable }) =>
    datatable()`SELECT 1`.fetch({ resultCollection: "all_statements_all_rows" })
  ),
  "ducklake tpl": both(({ ducklake }) =>
    ducklake("lake:sch")`SELECT * FROM t WHERE a = ${1} AND b = ${"x"}::varchar`.fetch()
  ),
  "upsertPartition key": both(({ upsertPartition }) =>
    upsertPartition({ table: "t", selectSql: "SELECT 1 AS id", partition: "p1", uniqueKey: "id" }).execute()
  ),
  "upsertPartition whole": both(({ upsertPartition }) =>
    upsertPartition({ table: "t", selectSql: "SELECT 1 AS id" }).execute()
  ),
  "appendPartition": both(({ appendPartition }) =>
    appendPartition({ table: "t", selectSql: "SELECT 1 AS id", partition: "p1" }).execute()
  ),
  "upsertPartition pipeline": both(
    ({ upsertPartition }) =>
      upsertPartition({ ducklake: "lake:sch", table: "t", selectSql: "SELECT 1 AS id", partition: "p'1" }).execute(),
    pipeline,
  ),
};

/** Functions that the Python client has in another form, or the TypeScript client not at all. */
const python: Readonly<Record<string, WireCase>> = {
  "datatable": both(({ datatable }) =>
    datatable("main:sch").query("SELECT $1,$2,$3,$4,$5,$6,$7", 1, "x", [1, 2.5], null, true, 1.5, { a: 1 }).fetch()
  ),
  "datatable fetch_one": both(({ datatable }) => datatable().query("SELECT 1").fetchOne()),
  "datatable execute": both(({ datatable }) => datatable(":s").query("SELECT 1").execute()),
  "ducklake": both(({ ducklake }) => ducklake("lake").query("SELECT $a", { a: 1 }).fetch()),
  "ducklake schema": both(({ ducklake }) => ducklake("lake:sch").query("SELECT 1").fetchOneScalar()),
  "upsert": both(({ upsertPartition }) =>
    upsertPartition({
      ducklake: ":s",
      table: "t",
      selectSql: "SELECT 1 AS id",
      partition: "p1",
      uniqueKey: "id",
    }).execute()
  ),
  "upsert pipeline": both(
    ({ upsertPartition }) =>
      upsertPartition({ ducklake: "lake:s", table: "t", selectSql: "SELECT 1 AS id", partition: "p'1" }).execute(),
    pipeline,
  ),
  "read": both(({ readPartition }) => readPartition({ table: "t", partition: "p1" }).fetch()),
};

function answer({ target }: Seen): Response {
  return /\/preview$/.test(target) ? json([{ a: 1 }]) : text("");
}

wireCases({ typescript, python, recordings: recorded, bodies: "value", answer });
