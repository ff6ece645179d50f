/**
 * Both TypeScript clients against the server with its runner of SQL: every function of data tables and ducklakes has its effect
 * checked. What the Python client sends is sent as it does.
 *
 * @module
 */
import { deepStrictEqual as equal, match, ok, rejects } from "node:assert/strict";
import wmill from "official-windmill-client";
import { createClient } from "../../src/sdk/client.ts";
import { sqlRoutes } from "../../src/server/routes/sql.ts";
import { openSql } from "./_sql_kit.ts";
import { openTestServer } from "./_server.ts";

const sql = await openSql();
const server = await openTestServer({ runners: [sql.runner], routes: [sqlRoutes] });
const { url, token, workspace } = server;
const jobId = crypto.randomUUID();

function recorded(): unknown {
  return server.server.context.database.all(
    `SELECT asset_kind, asset_path, partition, status, row_count, job_id, error IS NULL AS fine FROM materialized_partitions
     ORDER BY asset_path, partition`,
  ).map((row) => ({ ...row as object }));
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

test("official client: datatable() in all its forms", async () => {
  Deno.env.set("WM_WORKSPACE", workspace);
  wmill.setClient(token, url);
  const table = wmill.datatable();
  await table`CREATE TABLE people (id int PRIMARY KEY, name text, born timestamptz, tags text[], extra jsonb, score float8)`
    .execute();
  for (const [id, name] of [[1, "Ada"], [2, 'Bob\'s "x"']] as const) {
    await table`INSERT INTO people VALUES (${id}, ${name}, ${new Date(0)}, ${["a", "b"]}, ${{ a: [1] }}, ${1.5})`
      .execute();
  }
  equal(await table`SELECT * FROM people WHERE id = ${1}`.fetch(), [{
    id: 1,
    name: "Ada",
    born: "1970-01-01T00:00:00+00:00",
    tags: ["a", "b"],
    extra: { a: [1] },
    score: 1.5,
  }]);
  equal(await table`SELECT name FROM people WHERE id = ${2}`.fetchOne(), { name: 'Bob\'s "x"' });
  equal(await table`SELECT count(*) FROM people`.fetchOneScalar(), 2);
  equal(await table`SELECT id FROM people ORDER BY id`.fetch({ resultCollection: "last_statement_all_rows_scalar" }), [
    1,
    2,
  ]);
  equal(await table`SELECT 1 AS a; SELECT 2 AS b`.fetch({ resultCollection: "all_statements_all_rows" }), [[{ a: 1 }], [
    { b: 2 },
  ]]);
  equal(await table.query("SELECT $1 + $2 AS sum", 1, 2).fetchOne(), { sum: 3 });
  equal(await table`SELECT CAST(${5} AS int) AS i, ${"7"}::int AS j`.fetchOne(), { i: 5, j: 7 });
  await table`CREATE SCHEMA shop`.execute();
  await wmill.datatable("main:shop")`CREATE TABLE orders AS SELECT 1 AS id`.execute();
  equal(await wmill.datatable(":shop")`SELECT id FROM orders`.fetch(), [{ id: 1 }]);
  equal(await table`SELECT id FROM shop.orders`.fetch(), [{ id: 1 }]);
  equal(await wmill.datatable("other")`SELECT to_regclass('people') AS t`.fetchOneScalar(), null);
  await rejects(
    table`SELECT * FROM absent WHERE a = ${1}`.fetch(),
    (error: Error) => /^datatable db error: ERROR: relation "absent" does not exist/.test(error.message),
  );
  await rejects(wmill.datatable("main", { role: "reader" })`SELECT 1`.fetch(), /Cannot use role "reader"/);
});

test("official client: ducklake() and partitions", async () => {
  const lake = wmill.ducklake();
  await lake`CREATE TABLE sales (id BIGINT, day VARCHAR)`.execute();
  await lake`INSERT INTO sales VALUES (${1}, ${"mon"}), (${2}, ${"tue"})`.execute();
  equal(await lake`SELECT * FROM sales WHERE day = ${"tue"}`.fetch(), [{ id: 2, day: "tue" }]);
  equal(await lake`SELECT count(*) FROM sales`.fetchOneScalar(), 2);
  equal(await lake`SELECT id FROM sales WHERE id = ${1}`.fetchOne(), { id: 1 });
  await lake`CREATE SCHEMA dl.s2`.execute();
  await wmill.ducklake("main:s2")`CREATE TABLE t AS SELECT 5 AS a`.execute();
  equal(await wmill.ducklake("main:s2")`SELECT a FROM t`.fetch(), [{ a: 5 }]);
  await rejects(lake`SELECT * FROM absent`.fetch(), /ducklake .*Table with name absent does not exist/);

  const rows = (n: number) => `SELECT ${n} AS id, 'v${n}' AS v`;
  await wmill.upsertPartition({ table: "parts", selectSql: `${rows(1)} UNION ALL ${rows(2)}`, partition: "p'1" })
    .execute();
  await wmill.upsertPartition({ table: "parts", selectSql: rows(3), partition: "p2" }).execute();
  await wmill.upsertPartition({ table: "parts", selectSql: rows(4), partition: "p'1" }).execute();
  await wmill.upsertPartition({
    table: "parts",
    selectSql: "SELECT 4 AS id, 'new' AS v",
    partition: "p'1",
    uniqueKey: "id",
  }).execute();
  await wmill.appendPartition({ table: "parts", selectSql: rows(5), partition: "p2" }).execute();
  equal(await lake`SELECT * FROM parts ORDER BY id`.fetch(), [
    { id: 3, v: "v3", _wm_partition: "p2" },
    { id: 4, v: "new", _wm_partition: "p'1" },
    { id: 5, v: "v5", _wm_partition: "p2" },
  ]);
  equal(recorded(), []);
  Deno.env.set("WM_PIPELINE", "true");
  Deno.env.set("WM_JOB_ID", jobId);
  try {
    await wmill.upsertPartition({ table: "parts", selectSql: rows(6), partition: "p3" }).execute();
    await rejects(
      wmill.appendPartition({ table: "parts", selectSql: "SELECT * FROM absent", partition: "p4" }).execute(),
    );
  } finally {
    Deno.env.delete("WM_PIPELINE");
    Deno.env.delete("WM_JOB_ID");
  }
  const record = { asset_kind: "ducklake", asset_path: "main/parts", job_id: jobId };
  equal(recorded(), [
    { ...record, partition: "p3", status: "materialized", row_count: 1, fine: 1 },
    { ...record, partition: "p4", status: "failed", row_count: null, fine: 0 },
  ]);
});

test("this client: datatables, ducklakes and partitions, with bytes and large numbers", async () => {
  const client = createClient({ baseUrl: url, workspace, token, env: { WM_PIPELINE: "true", WM_JOB_ID: jobId } });
  const { datatable, ducklake, upsertPartition, appendPartition, readPartition, identifier } = client.sql;
  const table = datatable();
  await table`CREATE TABLE ${identifier("of 'mine'")} (b bytea, n bigint)`.execute();
  await table`INSERT INTO ${identifier("of 'mine'")} VALUES (${new Uint8Array([0, 255])}, ${2n ** 62n})`.execute();
  equal(await table`SELECT b, n::text FROM ${identifier("of 'mine'")}`.fetch(), [{
    b: "\\x00ff",
    n: "4611686018427387904",
  }]);
  const at = { ducklake: "ours", table: "t" };
  await upsertPartition({ ...at, selectSql: "SELECT 1 AS id", partition: "a" }).execute();
  await appendPartition({ ...at, selectSql: "SELECT 2 AS id", partition: "a" }).execute();
  equal(await readPartition({ ...at, partition: "a" }).fetch(), [
    { id: 1, _wm_partition: "a" },
    { id: 2, _wm_partition: "a" },
  ]);
  equal(await ducklake("ours")`SELECT sum(id) AS s FROM t`.fetch(), [{ s: "3" }]);
  ok(
    (recorded() as { asset_path: string; row_count: number }[]).some((row) =>
      row.asset_path === "ours/t" && row.row_count === 2
    ),
  );
  const error = await table`SELECT * FROM absent`.fetch().catch((thrown) => thrown);
  match(error.message, /relation "absent" does not exist/);
});

test("a whole number beyond 2^53 keeps its digits, inline and as a job's result", async () => {
  const body = {
    content: "SELECT 9007199254740993 AS n",
    language: "postgresql",
    args: { database: "datatable://main" },
  };
  const inline = await server.ask("POST", "jobs/run_inline/preview", body);
  equal(await inline.text(), '[{"n":9007199254740993}]');
  const id = await (await server.ask("POST", "jobs/run/preview", body)).text();
  await server.server.context.jobs.wait(id);
  equal(await (await server.ask("GET", `jobs_u/completed/get_result/${id}`)).text(), '[{"n":9007199254740993}]');
});

test("Python client: what it sends has its effect", async () => {
  async function ask(language: string, content: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    const found = await server.ask("POST", "jobs/run_inline/preview", { content, language, args });
    const text = await found.text();
    return found.status === 200 ? JSON.parse(text) : `${found.status} ${text}`;
  }
  const database = "datatable://main";
  await ask("postgresql", "CREATE SCHEMA sch", { database });
  equal(
    await ask(
      "postgresql",
      `-- $1 arg1 (BIGINT)\n-- $2 arg2 (TEXT)\n-- $3 arg3 (JSON)\n-- $4 arg4 (TEXT)\n-- $5 arg5 (BOOLEAN)\n-- $6 arg6 (FLOAT8)\n-- $7 arg7 (JSON)\nSET search_path TO "sch";\nSELECT $1 AS a,$2 AS b,$3 AS c,$4 AS d,$5 AS e,$6 AS f,$7 AS g, current_schema() AS s`,
      { database, arg1: 1, arg2: "x", arg3: [1, 2.5], arg4: null, arg5: true, arg6: 1.5, arg7: { a: 1 } },
    ),
    [{ a: 1, b: "x", c: [1, 2.5], d: null, e: true, f: 1.5, g: { a: 1 }, s: "sch" }],
  );
  const attach = "ATTACH 'ducklake://py' AS dl;USE dl;\n";
  equal(await ask("duckdb", `-- $a (BIGINT)\n${attach}SELECT $a AS a`, { a: 1 }), [{ a: 1 }]);
  await ask("duckdb", `${attach}CREATE SCHEMA dl.s`, {});
  const upsert =
    `-- result_collection=last_statement_first_row\n-- $_wm_partition (TEXT)\n${attach}CREATE TABLE IF NOT EXISTS dl."s"."t" AS ` +
    `SELECT *, CAST(NULL AS VARCHAR) AS _wm_partition FROM (SELECT 1 AS id) WHERE false;\nALTER TABLE dl."s"."t" SET PARTITIONED BY (_wm_partition);\n` +
    `BEGIN TRANSACTION;\nDELETE FROM dl."s"."t" WHERE _wm_partition = $_wm_partition;\nINSERT INTO dl."s"."t" SELECT *, $_wm_partition AS _wm_partition FROM (SELECT 1 AS id);\nCOMMIT;\n` +
    `SELECT (SELECT count(*) FROM dl."s"."t" WHERE _wm_partition = $_wm_partition) AS rows, (SELECT max(snapshot_id) FROM ducklake_snapshots('dl')) AS snapshot_id`;
  equal(await ask("duckdb", upsert, { _wm_partition: "p'1" }), { rows: 1, snapshot_id: null });
  equal(
    await ask(
      "duckdb",
      `-- $_wm_partition (TEXT)\n${attach}SELECT * FROM dl."s"."t" WHERE _wm_partition = $_wm_partition`,
      { _wm_partition: "p'1" },
    ),
    [{ id: 1, _wm_partition: "p'1" }],
  );
  match(
    `${await ask("duckdb", "ATTACH 'ducklake://lake:sch' AS dl;USE dl;\nSELECT 1", {})}`,
    /^500 Internal: Cannot read/,
  );
});

test("a record of a materialisation is checked", async () => {
  const record = {
    asset_kind: "ducklake",
    asset_path: "a/b",
    partition: "",
    status: "materialized",
    snapshot_id: 3,
    row_count: 2,
    job_id: jobId,
    error: null,
  };
  const send = async (change: object) =>
    (await server.ask("POST", "assets/record_materialization", { ...record, ...change })).status;
  equal([
    await send({}),
    await send({ status: "done" }),
    await send({ row_count: "2" }),
    await send({ asset_path: "" }),
  ], [200, 400, 400, 400]);
  equal(await send({ error: "x".repeat(20_000) }), 400);
});

test("what is open is closed", async () => {
  await server.stop();
  await sql[Symbol.asyncDispose]();
});
