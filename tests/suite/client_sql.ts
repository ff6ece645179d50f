/** SQL: what templates become, what is refused, how statements are run, and what comes back. */
import * as wmill from "@windkit/windmill-client";
import { type ClientOptions, createClient, type SqlStatement, WindmillApiError } from "@windkit/windmill-client";
import { mockWindmill } from "@windkit/windmill-client/testing";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import {
  json,
  options,
  type Seen,
  serve,
  settle,
  stillClock,
  type Stub,
  text,
  withEnvironment,
} from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

const rows = serve(() => json([]));
const { sql: group } = createClient(options(rows));
const sql = group.datatable();

function client(stub: Pick<Stub, "fetch">, more: Partial<ClientOptions> = {}) {
  return createClient(options(stub, { baseUrl: "http://localhost:8000", ...more })).sql;
}

/** The statement's own text, and its arguments without the database. */
function made({ content, args }: SqlStatement<unknown>): readonly [string, Readonly<Record<string, unknown>>] {
  const { database: _, ...rest } = args;
  return [content.replace(/^(--[^\n]*\n)*/, ""), rest];
}

function contents(stub: Stub): string[] {
  return stub.seen.map(({ body }) => JSON.parse(body).content ?? JSON.parse(body));
}

// Templates

test("datatable: each value has its own type, to which an explicit cast applies", () => {
  const when = new Date(0), bytes = new Uint8Array([0, 171, 255]);
  const iso = "1970-01-01T00:00:00.000Z";
  const matrix: readonly (readonly [SqlStatement<unknown>, string, ...unknown[]])[] = [
    [sql`a = ${1}`, "a = $1::BIGINT", 1],
    [sql`a = ${-0.5}`, "a = $1::FLOAT8", -0.5],
    [sql`a = ${2 ** 53}`, "a = $1::FLOAT8", 2 ** 53],
    [sql`a = ${10n ** 20n}`, "a = $1::BIGINT", "100000000000000000000"],
    [sql`a = ${NaN}`, "a = $1::FLOAT8", "NaN"],
    [sql`a = ${-Infinity}`, "a = $1::FLOAT8", "-Infinity"],
    [sql`a = ${"x"}`, "a = $1::TEXT", "x"],
    [sql`a = ${false}`, "a = $1::BOOLEAN", false],
    [sql`a = ${null}`, "a = NULL", null],
    [sql`a = ${when}`, "a = $1::TIMESTAMPTZ", iso],
    [sql`a = ${bytes}`, "a = $1::TEXT::BYTEA", "\\x00abff"],
    [sql`a = ${bytes.buffer}`, "a = $1::TEXT::BYTEA", "\\x00abff"],
    [sql`a = ${[1, 2]}`, "a = $1::BIGINT[]", [1, 2]],
    [sql`a = ${[1n]}`, "a = $1::BIGINT[]", ["1"]],
    [sql`a = ${[1, 2n]}`, "a = $1::BIGINT[]", [1, "2"]],
    [sql`a = ${[1, 2.5]}`, "a = $1::FLOAT8[]", [1, 2.5]],
    [sql`a = ${[NaN]}`, "a = $1::FLOAT8[]", ["NaN"]],
    [sql`a = ${["x"]}`, "a = $1::TEXT[]", ["x"]],
    [sql`a = ${[true]}`, "a = $1::BOOLEAN[]", [true]],
    [sql`a = ${[]}`, "a = $1::JSON", []],
    [sql`a = ${[1, "x"]}`, "a = $1::JSON", [1, "x"]],
    [sql`a = ${[1, 2.5, "x"]}`, "a = $1::JSON", [1, 2.5, "x"]],
    [sql`a = ${[1, null]}`, "a = $1::JSON", [1, null]],
    [sql`a = ${[when]}`, "a = $1::JSON", [iso]],
    [sql`a = ${[[1], [2]]}`, "a = $1::JSON", [[1], [2]]],
    [sql`a = ${{ b: 1n, c: when, d: [bytes], e: undefined }}`, "a = $1::JSON", { b: "1", c: iso, d: ["\\x00abff"] }],
    [sql`a = ${new URL("http://a.test/b")}`, "a = $1::TEXT", "http://a.test/b"],
    [sql`a = ${1}::int, y`, "a = $1::BIGINT::int, y", 1],
    [sql`a = ${1.5}::numeric(10,2)`, "a = $1::FLOAT8::numeric(10,2)", 1.5],
    [sql`a = ${1} :: double precision`, "a = $1::BIGINT :: double precision", 1],
    [sql`a = CAST(${1} AS int)`, "a = CAST($1::BIGINT AS int)", 1],
    [sql`a = ${"1"}::int`, "a = $1::TEXT::int", "1"],
    [sql`a = ${"x"}::"My type"`, 'a = $1::TEXT::"My type"', "x"],
    [sql`a = ${1n}::numeric`, "a = $1::TEXT::numeric", "1"],
    [sql`a = ${when}::date`, "a = $1::TEXT::date", iso],
    [sql`a = ${when}::timestamp with time zone`, "a = $1::TEXT::timestamp with time zone", iso],
    [sql`a = cast ( ${when} AS date)`, "a = cast ( $1::TEXT AS date)", iso],
    [sql`a = ${bytes}::bytea`, "a = $1::TEXT::bytea", "\\x00abff"],
    [sql`a = ${true}::int`, "a = $1::BOOLEAN::int", true],
    [sql`a = ${null}::int[]`, "a = NULL::int[]", null],
    [sql`a = ${[1]}::int[]`, "a = $1::BIGINT[]::int[]", [1]],
    [sql`a = ${["x"]}::"My type"[]`, 'a = $1::TEXT[]::"My type"[]', ["x"]],
    [sql`a = ${[]}::int[]`, "a = $1::int[]", []],
    [sql`a = ${[1, null]}::int[]`, "a = $1::int[]", [1, null]],
    [sql`a = ${[1, 2]}::jsonb`, "a = $1::jsonb", [1, 2]],
    [sql`a = ${{ b: 1 }}::jsonb`, "a = $1::jsonb", { b: 1 }],
    [sql`SELECT ${"x"} AS name`, "SELECT $1::TEXT AS name", "x"],
  ];
  for (const [statement, body, value] of matrix) assertEquals(made(statement), [body, { arg1: value }]);
});

test("datatable: declarations, role and schema stand before the statement, and the database is an argument", () => {
  const { content, args } = group.datatable(':a"b', { role: "read-only_1" })`SELECT ${1}, ${"x"}`;
  assertEquals(
    content,
    '-- role read-only_1\n-- $1 arg1\n-- $2 arg2\nSET search_path TO "a""b";\nSELECT $1::BIGINT, $2::TEXT',
  );
  assertEquals(args, { arg1: 1, arg2: "x", database: "datatable://main" });
  assertEquals(group.datatable("")`SELECT 1`.args, { database: "datatable://main" });
  assertEquals(group.datatable("other")`SELECT 1`.args, { database: "datatable://other" });
});

test("datatable.query: the places are the text's, and declarations have the types", () => {
  const { content, args } = sql.query("SELECT $1, $2", 1.5, "x");
  assertEquals(content, "-- $1 arg1 (FLOAT8)\n-- $2 arg2 (TEXT)\nSELECT $1, $2");
  assertEquals(args, { arg1: 1.5, arg2: "x", database: "datatable://main" });
  const types = [1, 1n, true, null, new Date(0), [1], [1.5], ["x"], [], {}, new Uint8Array()];
  assertEquals(
    sql.query("", ...types).content.match(/\(.*\)/g),
    ["BIGINT", "BIGINT", "BOOLEAN", "TEXT", "TIMESTAMPTZ", "BIGINT[]", "FLOAT8[]", "TEXT[]", "JSON", "JSON", "TEXT"]
      .map((type) => `(${type})`),
  );
});

test("ducklake: values are declared as what a worker hands on, and made what they are in the statement", () => {
  const lake = group.ducklake("lake");
  const when = new Date(0), iso = "1970-01-01T00:00:00.000Z";
  const head = "ATTACH 'ducklake://lake' AS dl;USE dl;\n";
  const matrix: readonly (readonly [SqlStatement<unknown>, string, string, unknown])[] = [
    [lake`a = ${1}`, "BIGINT", "a = $arg1", 1],
    [lake`a = ${1.5}`, "FLOAT8", "a = $arg1", 1.5],
    [lake`a = ${NaN}`, "TEXT", "a = $arg1::FLOAT8", "NaN"],
    [lake`a = ${1n}`, "TEXT", "a = $arg1::BIGINT", "1"],
    [lake`a = ${2n ** 64n}`, "TEXT", "a = $arg1::HUGEINT", "18446744073709551616"],
    [lake`a = ${"x"}`, "TEXT", "a = $arg1", "x"],
    [lake`a = ${true}`, "BOOLEAN", "a = $arg1", true],
    [lake`a = ${null}`, "TEXT", "a = $arg1", null],
    [lake`a = ${when}`, "TEXT", "a = $arg1::TIMESTAMPTZ", iso],
    [lake`a = ${when}::date`, "TEXT", "a = $arg1::date", iso],
    [lake`a = CAST(${when} AS date), b`, "TEXT", "a = CAST($arg1 AS date), b", iso],
    [lake`a = ${new Uint8Array([255])}`, "TEXT", "a = unhex(substr($arg1, 3))", "\\xff"],
    [lake`a = ${[1, 2]}`, "JSON", "a = ($arg1::JSON::BIGINT[])", [1, 2]],
    [lake`a = ${[1]}::int[]`, "JSON", "a = ($arg1::JSON::BIGINT[])::int[]", [1]],
    [lake`a = ${[]}::int[]`, "JSON", "a = ($arg1::JSON)::int[]", []],
    [lake`a = ${{ b: 1n }}`, "JSON", "a = ($arg1::JSON)", { b: "1" }],
    [lake`a = ${1}::numeric(10,2)`, "BIGINT", "a = $arg1::numeric(10,2)", 1],
    [lake`a = ${"1"}::double precision`, "TEXT", "a = $arg1::double precision", "1"],
  ];
  for (const [{ content, args }, type, body, value] of matrix) {
    assertEquals([content, args], [`-- $arg1 (${type})\n${head}${body}`, { arg1: value }]);
  }
  const many = lake`${1}${2}${3}${4}${5}${6}${7}${8}${9}${10}${11}`;
  assertIncludes(many.content, "$arg9$arg_10$arg_11");
  assertEquals(many.args.arg_11, 11);
});

test("ducklake.query: named parameters become places of a template", () => {
  const lake = group.ducklake("lake:s");
  const { content, args } = lake.query("SELECT $b, $a, $b || '$c', $$x$$", { a: 1, b: new Date(0) });
  assertEquals(
    content,
    "-- $arg1 (TEXT)\n-- $arg2 (BIGINT)\n-- $arg3 (TEXT)\nATTACH 'ducklake://lake' AS dl;USE dl.\"s\";\n" +
      "SELECT $arg1::TIMESTAMPTZ, $arg2, $arg3::TIMESTAMPTZ || '$c', $$x$$",
  );
  assertEquals(Object.values(args), [new Date(0).toISOString(), 1, new Date(0).toISOString()]);
  assertEquals(lake.query("SELECT 1").args, {});
});

test("templates: raw text, names and statements are parts of a statement", () => {
  const where = sql`a = ${1} AND b = ${"x"}`;
  const statement = sql`SELECT ${sql.raw("now()")} FROM ${
    group.identifier("s", 't"')
  } WHERE ${where} AND c = ${2} ${sql``}`;
  assertEquals(made(statement), [
    'SELECT now() FROM "s"."t""" WHERE a = $1::BIGINT AND b = $2::TEXT AND c = $3::BIGINT ',
    { arg1: 1, arg2: "x", arg3: 2 },
  ]);
  // A fragment made by another tag takes the form of the statement it goes into.
  assertIncludes(group.ducklake()`SELECT 1 WHERE ${where}`.content, "WHERE a = $arg1 AND b = $arg2");
  assertEquals(sql.raw("x").value, "x");
});

test("templates: what looks like raw text is a value when it comes from JSON", () => {
  const forged = JSON.parse('{"value": "x; DROP TABLE t", "__brand": "RawSql", "content": "y", "args": {}}');
  assertEquals(made(sql`SELECT ${forged}`), ["SELECT $1::JSON", { arg1: forged }]);
});

// What is refused

test("names: several colons, an empty schema, and what would end a quote are refused", async () => {
  for (const name of ["a:b:c", "a:", ":", "::", "a:b:", "a'b", "a\nb"]) {
    for (const make of [group.datatable, group.ducklake, wmill.parseSqlClientName]) {
      const error = await assertRejects(() => make(name), undefined, `Cannot use ${JSON.stringify(name)}`);
      assert(error instanceof RangeError);
    }
  }
  for (const schema of ["a\nb", "$1", "x$arg1", "\n-- database u/x/y\n"]) {
    await assertRejects(() => group.datatable(`:${schema}`), undefined, "Cannot use");
    await assertRejects(() => group.ducklake(`:${schema}`), undefined, "Cannot use");
    await assertRejects(() => group.identifier(schema), undefined, "Cannot use");
  }
  await assertRejects(() => group.identifier(""), undefined, 'Cannot use ""');
  for (const role of ["", "a b", "a\nb", "é", "x".repeat(64)]) {
    await assertRejects(() => group.datatable("main", { role }), undefined, `as role`);
  }
  assertEquals(wmill.parseSqlClientName("a:b"), { name: "a", schema: "b" });
  assertEquals(wmill.parseSqlClientName(":b"), { name: "main", schema: "b" });
  assertEquals(wmill.parseSqlClientName("a"), { name: "a" });
  assertEquals(wmill.parseSqlClientName(""), { name: "main" });
});

test("values: what JSON would lose is refused with its position, before any request", async () => {
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  const seen = rows.seen.length;
  const refused: readonly (readonly [unknown, string])[] = [
    [undefined, "Undefined"],
    [() => 1, "Function"],
    [Symbol("x"), "Symbol"],
    [new Date(NaN), "Date"],
    [new Map(), "Map"],
    [new Set([1]), "Set"],
    [Promise.resolve(1), "Promise"],
    [/x/, "RegExp"],
    [new Error("x"), "Error"],
    [new Float64Array(1), "Float64Array"],
    [[undefined], "Undefined"],
    [{ a: { b: () => 1 } }, "Function"],
    [{ a: [new Date(NaN)] }, "Date"],
  ];
  for (const [value, kind] of refused) {
    for (
      const make of [
        () => sql`SELECT ${1}, ${value}`,
        () => sql.query("SELECT $1, $2", 1, value),
        () => group.ducklake()`SELECT ${1}, ${value}`,
      ]
    ) {
      const error = await assertRejects(make, undefined, `Cannot use "${kind}" as value 2`);
      assert(error instanceof RangeError);
    }
  }
  const error = await assertRejects(() => sql`SELECT ${circle}`);
  assert(error instanceof TypeError);
  await assertRejects(() => sql`SELECT ${sql.query("SELECT $1", 1)}`, undefined, 'Function" as value 1');
  assertEquals(rows.seen.length, seen);
});

test("inferSqlType: the official names for all kinds", () => {
  const table: readonly (readonly [unknown, string])[] = [
    [1, "BIGINT"],
    [1.5, "DOUBLE PRECISION"],
    [NaN, "DOUBLE PRECISION"],
    [1n, "BIGINT"],
    ["x", "TEXT"],
    [null, "TEXT"],
    [undefined, "TEXT"],
    [true, "BOOLEAN"],
    [new Date(0), "TIMESTAMPTZ"],
    [{ a: 1 }, "JSON"],
    [Object.create(null), "JSON"],
    [new Uint8Array(), "BYTEA"],
    [[1, 2n], "BIGINT[]"],
    [[1, 0.5], "DOUBLE PRECISION[]"],
    [["x"], "TEXT[]"],
    [[true], "BOOLEAN[]"],
    [[], "JSON"],
    [[1, "x"], "JSON"],
    [[null], "JSON"],
    [[new Date(0)], "JSON"],
  ];
  for (const [value, type] of table) assertEquals(wmill.inferSqlType(value), type);
});

// Running

test("statements: nothing is sent before they are run, each run is a request, and they are no promises", async () => {
  const stub = serve(() => json([{ a: 1 }]));
  const statement = client(stub).datatable()<{ a: number }>`SELECT ${1} AS a`;
  assertEquals(await Promise.resolve(statement), statement);
  assert(!("then" in statement));
  assertEquals(stub.seen.length, 0);
  assertEquals(await statement.fetch(), [{ a: 1 }]);
  assertEquals(await statement.execute(), undefined);
  assertEquals(stub.seen.length, 2);
  const { fetch, fetchOne } = statement;
  await fetch();
  await fetchOne();
  assertEquals(stub.seen.length, 4);
});

test("statements: the mode is the first line; one that is no word is refused before any request", async () => {
  const stub = serve(() => json(null));
  const statement = client(stub).datatable("main", { role: "r" })`SELECT 1`;
  await statement.fetch({ resultCollection: "all_statements_first_row_scalar" });
  await statement.fetchOne();
  await statement.fetchOneScalar();
  await statement.execute();
  const body = "-- role r\nSELECT 1";
  assertEquals(contents(stub), [
    `-- result_collection=all_statements_first_row_scalar\n${body}`,
    `-- result_collection=last_statement_first_row\n${body}`,
    `-- result_collection=last_statement_first_row_scalar\n${body}`,
    body,
  ]);
  const mode = "legacy\nDROP TABLE t; --" as "legacy"; // `as`: what a program without types may pass
  await assertRejects(async () => await statement.fetch({ resultCollection: mode }), undefined, "as mode");
  assertEquals(stub.seen.length, 4);
});

test("statements: a server on this machine runs them at once, another one as a job that it waits for", async () => {
  const hosts: readonly (readonly [string, string])[] = [
    ["http://localhost", "run_inline"],
    ["http://LOCALHOST:8000/sub", "run_inline"],
    ["https://127.0.0.1/", "run_inline"],
    ["http://[::1]:8000", "run_wait_result"],
    ["http://localhost.example.com", "run_wait_result"],
    ["http://127.0.0.10", "run_wait_result"],
    ["https://example.com/localhost", "run_wait_result"],
    ["http://0.0.0.0:8000", "run_wait_result"],
  ];
  for (const [baseUrl, action] of hosts) {
    const stub = serve(() => json([]));
    await client(stub, { baseUrl }).datatable()`SELECT 1`.fetch();
    const { method, url } = stub.seen[0] as Seen;
    assertEquals([method, url], ["POST", `${baseUrl.replace(/\/$/, "")}/api/w/ws/jobs/${action}/preview`]);
  }
});

test("statements: an error is the server's answer, with the statement", async () => {
  const failed = { error: { name: "ExecutionErr", message: 'relation "t" does not exist' } };
  const answers: readonly (readonly [Response, number, string])[] = [
    [text('Internal: Error: db error: relation "t" does not exist', 500), 500, 'relation "t" does not exist'],
    [json(failed, 422), 422, "does not exist"],
    [text("Bad request: no such data table", 400), 400, "no such data table"],
    [text("Not authorized: x", 401), 401, "Not authorized"],
    [text("<html>gateway</html>"), 200, "found HTML"],
    [text('[{"a": '), 200, "found broken JSON"],
    [text(""), 200, "found nothing"],
  ];
  for (const [response, status, words] of answers) {
    const stub = serve(() => response);
    const statement = client(stub).datatable(":s")`SELECT * FROM t WHERE a = ${"secret"}`;
    const error = await assertRejects(() => statement.fetch(), "WINDMILL_API", words);
    assert(error instanceof WindmillApiError);
    assertEquals([error.status, error.query], [status, "SELECT * FROM t WHERE a = $1::TEXT"]);
    assertEquals(error.request.method, "POST");
    assertEquals(stub.seen.length, 1);
  }
});

test("statements: null comes as JSON or without a body", async () => {
  for (const response of [json(null), new Response(null, { status: 204 })]) {
    assertEquals(await client(serve(() => response)).datatable()`SELECT 1 WHERE false`.fetchOne(), null);
  }
});

test("statements: they have no time limit but a given one, and an abort ends them", async () => {
  const never = serve(() => new Promise<Response>(() => {}));
  const clock = stillClock();
  const controller = new AbortController();
  const pending = client(never, { clock }).datatable()`SELECT 1`.fetch({ signal: controller.signal });
  await settle();
  assertEquals(clock.timers(), 0);
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await pending.catch((error: unknown) => error), reason);
  assertEquals("query" in reason, false);
  for (
    const [more, given] of [[{ timeoutMs: 5000 }, {}], [{}, { timeoutMs: 5000 }]] as const
  ) {
    const limited = client(never, { clock, ...more }).datatable()`SELECT 1`.execute(given);
    await assertRejects(() => clock.drive(limited), "DEADLINE_EXCEEDED", "5000 ms");
  }
});

test("statements: a missing workspace, token or address is an error before any request", async () => {
  const stub = serve(() => json([]));
  const full = { baseUrl: "http://localhost", workspace: "ws", token: "tok" };
  for (const option of ["baseUrl", "workspace", "token"] as const) {
    const { [option]: _, ...rest } = full;
    const statement = createClient({ ...rest, env: {}, fetch: stub.fetch }).sql.datatable()`SELECT 1`;
    await assertRejects(() => statement.fetch(), "CONFIGURATION", `'${option}'`);
  }
  assertEquals(stub.seen.length, 0);
});

test("datatable: the top-level tag runs on the client that is set when a statement is run", async () => {
  const stub = serve(() => json([]));
  const early = wmill.datatable();
  const statement = early`SELECT 1`;
  try {
    wmill.setClient("later", "http://localhost:9", "other");
    await withEnvironment({}, stub, () => statement.fetch());
  } finally {
    wmill.setClient();
  }
  assertEquals(stub.seen.map(({ url }) => url), ["http://localhost:9/api/w/other/jobs/run_inline/preview"]);
  assertEquals(stub.seen[0]?.headers.get("authorization"), "Bearer later");
});

// Partitions

const select = "SELECT 1 AS id";

test("partitions: a comment at the end of the SELECT ends before what follows it", () => {
  const [content] = made(group.upsertPartition({ table: "t", selectSql: `${select} -- the first;\n` }));
  assertIncludes(`${content}`, `AS SELECT * FROM (${select} -- the first\n);`);
});

test("partitions: the statements for all combinations", () => {
  const lake = "ATTACH 'ducklake://main' AS dl;USE dl;\n";
  const create =
    `CREATE TABLE IF NOT EXISTS dl."t" AS SELECT *, CAST(NULL AS VARCHAR) AS "_wm_partition" FROM (${select}) WHERE false;
ALTER TABLE dl."t" SET PARTITIONED BY ("_wm_partition");\n`;
  assertEquals(
    made(group.upsertPartition({ table: "t", selectSql: `${select};\n` }))[0],
    `${lake}CREATE OR REPLACE TABLE dl."t" AS SELECT * FROM (${select});`,
  );
  assertEquals(
    made(group.upsertPartition({ table: "t", selectSql: select, uniqueKey: ["id", "other"] }))[0],
    `${lake}CREATE TABLE IF NOT EXISTS dl."t" AS SELECT * FROM (${select}) WHERE false;
BEGIN TRANSACTION;
DELETE FROM dl."t" WHERE ("id", "other") IN (SELECT "id", "other" FROM (${select}));
INSERT INTO dl."t" SELECT * FROM (${select});
COMMIT;`,
  );
  assertEquals(
    made(group.upsertPartition({ table: "t", selectSql: select, partition: "" })),
    [
      `${lake}${create}BEGIN TRANSACTION;
DELETE FROM dl."t" WHERE "_wm_partition" = $arg1;
INSERT INTO dl."t" SELECT *, $arg2 AS "_wm_partition" FROM (${select});
COMMIT;`,
      { arg1: "", arg2: "" },
    ],
  );
  assertEquals(
    made(group.appendPartition({ table: "t", selectSql: select }))[0],
    `${lake}CREATE TABLE IF NOT EXISTS dl."t" AS SELECT * FROM (${select}) WHERE false;
INSERT INTO dl."t" SELECT * FROM (${select});`,
  );
  assertEquals(
    made(group.readPartition({ ducklake: 'l:a"b', table: "t", partition: "p", partitionCol: "day" })),
    [
      'ATTACH \'ducklake://l\' AS dl;USE dl."a""b";\nSELECT * FROM dl."a""b"."t" WHERE "day" = $arg1',
      { arg1: "p" },
    ],
  );
  assertEquals(made(group.readPartition({ table: "s.t" }))[0], `${lake}SELECT * FROM dl."s"."t"`);
});

test("partitions: names in quotes and partitions that are no text are refused", async () => {
  for (const table of ['"t"', "", "a.", "x\ny"]) {
    await assertRejects(() => group.readPartition({ table }), undefined, "Cannot use");
  }
  const bad = { table: "t", selectSql: select };
  await assertRejects(() => group.upsertPartition({ ...bad, uniqueKey: '"id"' }), undefined, "without quotes");
  await assertRejects(() => group.upsertPartition({ ...bad, partitionCol: '"p"' }), undefined, "without quotes");
  const partition = null as unknown as string; // `as`: what a program without types may pass
  const error = await assertRejects(() => group.upsertPartition({ ...bad, partition }), undefined, "expected a string");
  assert(error instanceof TypeError);
});

/** Answers previews by turns, and records. */
function pipeline(...answers: (() => Response)[]): Stub {
  let at = 0;
  return serve(({ target }) =>
    /record_materialization/.test(target) ? text("", 500) : (answers[at++] ?? (() => json(null)))()
  );
}

function records(stub: Stub): unknown[] {
  return stub.seen.filter(({ target }) => /record_mat/.test(target)).map(({ body }) => JSON.parse(body));
}

test("partitions: in a pipeline the outcome is recorded, and a record that is lost is no error", async () => {
  const env = { WM_PIPELINE: "true", WM_JOB_ID: "job-1" };
  const stub = pipeline(() => json([{ done: 1 }]), () => json({ rows: 3, snapshot_id: 9 }));
  const write = client(stub, { env }).appendPartition({
    ducklake: "lake:s",
    table: "t",
    selectSql: select,
    partition: "p",
  });
  assertEquals(await write.fetch(), [{ done: 1 }]);
  const common = { asset_kind: "ducklake", asset_path: "lake/s.t", partition: "p", job_id: "job-1" };
  assertEquals(records(stub), [
    { ...common, status: "materialized", row_count: 3, snapshot_id: 9, error: null },
  ]);
  assertEquals(stub.seen.length, 3);

  const unknown = pipeline(() => json([]), () => text("Internal: no snapshots", 500));
  await client(unknown, { env: { WM_PIPELINE: "true" } }).upsertPartition({ table: "t", selectSql: select }).execute();
  assertEquals(records(unknown), [{
    ...common,
    asset_path: "main/t",
    partition: "",
    job_id: null,
    status: "materialized",
    row_count: null,
    snapshot_id: null,
    error: null,
  }]);
});

test("partitions: in a pipeline a failure is recorded, and thrown", async () => {
  const stub = pipeline(() => text("Internal: boom", 500));
  const write = client(stub, { env: { WM_PIPELINE: "true" } }).upsertPartition({ table: "t", selectSql: select });
  const thrown = await assertRejects(() => write.fetchOne(), "WINDMILL_API", "boom");
  const [record] = records(stub) as Record<string, unknown>[];
  assertEquals([record?.status, record?.error, stub.seen.length], ["failed", `${thrown}`, 2]);
});

test("partitions: outside of a pipeline nothing is recorded, and reading never is", async () => {
  for (const value of ["1", "TRUE", ""]) {
    const stub = pipeline(() => json([]));
    await client(stub, { env: { WM_PIPELINE: value } }).upsertPartition({ table: "t", selectSql: select }).execute();
    assertEquals(stub.seen.length, 1);
  }
  const stub = pipeline(() => json([]));
  await client(stub, { env: { WM_PIPELINE: "true" } }).readPartition({ table: "t" }).fetch();
  assertEquals(stub.seen.length, 1);
});

test("sql: the test kit's server takes statements apart again", async () => {
  const seen: unknown[] = [];
  const mock = mockWindmill({
    sql: ({ sql, values, database, schema, role, mode }) => {
      seen.push([sql, values, database, schema, role, mode]);
      return [{ n: 1 }];
    },
  });
  const { datatable, ducklake } = createClient(mock.options).sql;
  assertEquals(await datatable('d:a"b', { role: "r" })`SELECT ${1}, ${"x"}`.fetchOneScalar(), 1);
  assertEquals(await ducklake("lake:s")`SELECT ${"x"}`.fetch(), [{ n: 1 }]);
  assertEquals(await ducklake("lake")`SELECT 1`.fetchOne(), { n: 1 });
  assertEquals(seen, [
    ["SELECT $1::BIGINT, $2::TEXT", [1, "x"], "d", 'a"b', "r", "last_statement_first_row_scalar"],
    ["SELECT $arg1", ["x"], "lake", "s", undefined, "last_statement_all_rows"],
    ["SELECT 1", [], "lake", undefined, undefined, "last_statement_first_row"],
  ]);
});

test("sql: the top-level functions are the group's", async () => {
  const stub = serve(() => json([{ a: 1 }]));
  const environment = { BASE_INTERNAL_URL: "http://localhost", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };
  await withEnvironment(environment, stub, async () => {
    assertEquals(await wmill.datatable("main")`SELECT ${wmill.sqlIdentifier("a")}`.fetch(), [{ a: 1 }]);
    await wmill.ducklake("lake")`SELECT ${1}`.fetchOne();
    await wmill.appendPartition({ table: "t", selectSql: select }).execute();
    await wmill.readPartition({ table: "t" }).fetch();
  });
  assertEquals(contents(stub).map((content) => content.replace(/^[^]*\n/, "")), [
    'SELECT "a"',
    "SELECT $arg1",
    `INSERT INTO dl."t" SELECT * FROM (${select});`,
    'SELECT * FROM dl."t"',
  ]);
}, noEnvironment);

test("sql: a tag that is called with parentheses is an error, not a statement of one letter", () => {
  for (const tag of [wmill.datatable(), wmill.ducklake()]) {
    // `as`: what a program without types can write.
    const call = tag as unknown as (text: string) => unknown;
    const error = caught(() => call("SELECT 1"));
    assert(error instanceof RangeError && error.message.includes("without parentheses"), `${error}`);
  }
});

function caught(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}
