/**
 * Cases about statements for ducklakes on a real DuckDB, behind a worker that binds arguments as Windmill's do. `WINDKIT_SOAK=1` tries the
 * properties 20 times as often.
 *
 * @module
 */
import { deepStrictEqual as equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { hasCode, type WindmillApiError } from "../../src/base/errors.ts";
import { createClient } from "../../src/sdk/client.ts";
import { attacksWith, tries } from "./sql_texts.ts";
import type { SqlWorker } from "./sql_worker.ts";

/** Registers the cases: `label` begins their names, `open` opens the worker, and of the tries of properties a `share` is made. */
export async function duckdbCases(label: string, open: () => Promise<SqlWorker>, share: number = 1): Promise<void> {
  function often(inCi: number): { readonly numRuns: number } {
    return tries(Math.ceil(inCi * share));
  }
  const duck = await open();
  const client = createClient({
    baseUrl: "http://127.0.0.1:8000",
    workspace: "w",
    token: "a-token",
    fetch: duck.fetch,
    env: {},
  });
  const { ducklake, identifier, upsertPartition, appendPartition, readPartition } = client.sql;
  const sql = ducklake();

  /** Text that JSON can hold: no lone surrogates. */
  const texts = fc.string({ unit: "binary" });

  /** Text made of what SQL is made of. */
  const attacks = attacksWith(
    "$arg_10",
    "-- $arg1 (int)",
    "DROP TABLE dl.canary",
    "ATTACH 'ducklake://other' AS dl",
    "'s3:///x'",
  );

  await duck.direct("CREATE TABLE dl.canary AS SELECT 1 AS alive");

  async function intact(): Promise<void> {
    equal(await duck.direct("SELECT alive FROM dl.main.canary"), [{ alive: 1 }]);
  }

  Deno.test(`${label}ducklake: each kind of value arrives as a value of its type`, async () => {
    const cases: readonly (readonly [value: unknown, type: string, text: string])[] = [
      [true, "BOOLEAN", "true"],
      [-7, "BIGINT", "-7"],
      [1.5, "DOUBLE", "1.5"],
      [NaN, "DOUBLE", "nan"],
      [-Infinity, "DOUBLE", "-inf"],
      [9007199254740993n, "BIGINT", "9007199254740993"],
      [2n ** 100n, "HUGEINT", "1267650600228229401496703205376"],
      ["", "VARCHAR", ""],
      ['it\'s "ü" 𝒳 \\ $arg1 ::int', "VARCHAR", 'it\'s "ü" 𝒳 \\ $arg1 ::int'],
      [new Date(1577923199123), "TIMESTAMP WITH TIME ZONE", "2020-01-01 23:59:59.123+00"],
      [new Uint8Array([0, 127, 128, 255]), "BLOB", "\\x00\\x7F\\x80\\xFF"],
      [new Uint8Array([1, 2]).buffer, "BLOB", "\\x01\\x02"],
      [[1, -2], "BIGINT[]", "[1, -2]"],
      [[1, 2.5], "DOUBLE[]", "[1.0, 2.5]"],
      [[NaN, 1], "DOUBLE[]", "[nan, 1.0]"],
      [[1n, 2n ** 62n], "BIGINT[]", "[1, 4611686018427387904]"],
      [["a", "it's", 'b"c'], "VARCHAR[]", "[a, it's, b\"c]"],
      [[true], "BOOLEAN[]", "[true]"],
      [[], "JSON", "[]"],
      [[1, null], "JSON", "[1,null]"],
      [[[1], [2]], "JSON", "[[1],[2]]"],
      [{ a: { b: [1n] } }, "JSON", '{"a":{"b":["1"]}}'],
    ];
    for (const [value, type, text] of cases) {
      equal(await sql`SELECT typeof(${value})`.fetchOneScalar(), type, `${text}`);
      const { text: found } =
        await sql<{ text: string }>`SELECT CAST(concat(${value}) AS VARCHAR) AS text`.fetchOne() ??
          {};
      if (!text.includes('"') && type !== "BLOB" && type !== "JSON") {
        equal(`${found}`, text);
      }
    }
    equal(await sql`SELECT hex(${new Uint8Array([0, 255])})`.fetchOneScalar(), "00FF");
    equal(await sql`SELECT coalesce(${null}, 7)`.fetchOneScalar(), 7);
    equal(await sql`SELECT ${{ a: [1, { b: null }] }} AS v`.fetchOneScalar(), { a: [1, { b: null }] });
    equal(await sql`SELECT list_contains(${[1, 2]}, ${2})`.fetchOneScalar(), true);
  });

  Deno.test(`${label}ducklake: explicit casts of every form are DuckDB's own`, async () => {
    const when = new Date(1577923199123);
    const cases: readonly (readonly [statement: ReturnType<typeof sql>, found: unknown])[] = [
      [sql`SELECT typeof(CAST(${1} AS int))`, "INTEGER"],
      [sql`SELECT typeof(${1}::int) AS t, 1 AS n`, "INTEGER"],
      [sql`SELECT typeof(${"1"} :: double precision)`, "DOUBLE"],
      [sql`SELECT typeof(TRY_CAST(${"x"} AS int))`, "INTEGER"],
      [sql`SELECT CAST(${1.125}::numeric(10,2) AS VARCHAR)`, "1.13"],
      [sql`SELECT (${"1.125"}::decimal(10,3))::varchar`, "1.125"],
      [sql`SELECT CAST(${[1, 2]}::int[] AS VARCHAR)`, "[1, 2]"],
      [sql`SELECT typeof(${[1, 2]}::int[])`, "INTEGER[]"],
      [sql`SELECT typeof(${[]}::int[])`, "INTEGER[]"],
      [sql`SELECT CAST(${[1, null]}::int[] AS VARCHAR)`, "[1, NULL]"],
      [sql`SELECT typeof(${[[1], [2]]}::int[][])`, "INTEGER[][]"],
      [sql`SELECT typeof(${{ a: 1 }}::STRUCT(a int))`, "STRUCT(a INTEGER)"],
      [sql`SELECT typeof(${[1, 2]}::JSON)`, "JSON"],
      [sql`SELECT CAST(${when}::date AS VARCHAR)`, "2020-01-01"],
      [sql`SELECT CAST(CAST(${when} AS date) AS VARCHAR)`, "2020-01-01"],
      [sql`SELECT typeof(${when}::timestamp with time zone)`, "TIMESTAMP WITH TIME ZONE"],
      [sql`SELECT CAST(${"2020-02-03"}::date AS VARCHAR)`, "2020-02-03"],
      [sql`SELECT CAST(${"12:30:00"}::time AS VARCHAR)`, "12:30:00"],
      [sql`SELECT CAST(${"2020-02-03 04:05:06"}::timestamp AS VARCHAR)`, "2020-02-03 04:05:06"],
      [sql`SELECT (${2n ** 100n}::HUGEINT)::varchar`, "1267650600228229401496703205376"],
      [sql`SELECT hex(${new Uint8Array([1, 255])}::BLOB)`, "01FF"],
      [sql`SELECT typeof(${"x"}::varchar)`, "VARCHAR"],
      [sql`SELECT typeof(${NaN}::float)`, "FLOAT"],
    ];
    for (const [statement, found] of cases) equal(await statement.fetchOneScalar(), found, statement.content);
  });

  Deno.test(`${label}ducklake: twelve values and more are not mixed up`, async () => {
    const values = Array.from({ length: 120 }, (_, i) => `v${i}`);
    const list = values.map((value) => sql`${value}`).reduce((all, one) => sql`${all} || ',' || ${one}`);
    equal(await sql`SELECT ${list}`.fetchOneScalar(), values.join());
  });

  Deno.test(`${label}ducklake.query: parameters go by name, in whatever order and however alike`, async () => {
    const statement = sql.query("SELECT concat_ws('|', $b, $a, $ab, $a) AS s, $list AS l", {
      a: 1,
      ab: "x",
      b: 2n ** 60n,
      list: [1, 2],
    });
    const { s, l } = await statement.fetchOne() as { s: string; l: unknown[] };
    equal([s, l.map(Number)], ["1152921504606846976|1|x|1", [1, 2]]);
    equal(await sql.query("SELECT $tag$it's$tag$ AS t, $n AS n", { n: new Date(0) }).fetchOneScalar(), "it's");
    throws(() => sql.query("SELECT $a", { a: 1, b: 2 }), /"b".*no \$b/);
    throws(() => sql.query("SELECT $a", { a: undefined }), /"Undefined" as value 1/);
  });

  Deno.test(`${label}ducklake: an error has the statement and the server's words`, async () => {
    const error = await sql`SELECT * FROM missing WHERE a = ${"secret"}`.fetch().catch((e) => e) as WindmillApiError;
    ok(hasCode(error, "WINDMILL_API"));
    equal(error.query, "SELECT * FROM missing WHERE a = $arg1");
    ok(error.message.includes("missing"), error.message);
  });

  Deno.test(`${label}ducklake: any text as a value comes back the same, and runs nothing`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(texts, attacks), async (text) => {
        equal(
          await sql`SELECT ${text} AS t`.fetchOneScalar(),
          text.startsWith("[") || text.startsWith("{") ? text : text,
        );
        equal(await sql`SELECT ${text}::varchar = ${text} AS t`.fetchOneScalar(), true);
        equal(await sql`SELECT ${[text]}[1] = ${text} AS t`.fetchOneScalar(), true);
        equal(await sql.query("SELECT $t = $t AS t", { t: text }).fetchOneScalar(), true);
        equal(duck.blocks().length, 3);
      }),
      often(120),
    );
    await intact();
  });

  Deno.test(`${label}ducklake: any text as a lake or schema names one, or is refused`, async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(attacks, fc.boolean(), async (name, isSchema) => {
        let tag;
        try {
          tag = ducklake(isSchema ? `main:${name}` : name);
        } catch (error) {
          ok(error instanceof RangeError && error.message.startsWith("Cannot use "));
          return;
        }
        accepted++;
        const statement = tag`SELECT current_schema() AS name, ${"v"} AS v`;
        const found = await statement.fetchOne().catch((error) => ok(hasCode(error, "WINDMILL_API")));
        equal(duck.blocks().length, 3);
        const [attach = "", use = ""] = duck.blocks();
        ok(/^ATTACH 'ducklake:\/\/[^':\n]+' AS dl;$/.test(attach), attach);
        ok(isSchema || name.includes(":") ? /^USE dl\."(?:[^"\n]|"")+";$/.test(use) : use === "USE dl;", use);
        // A schema that is not there is an error; one that is there is the one that was named.
        if (found && isSchema) equal(found, { name, v: "v" });
      }),
      often(250),
    );
    ok(accepted > 20 * share / 2);
    await intact();
  });

  Deno.test(`${label}ducklake: any text as a table, column, key or partition is a name or a value, or is refused`, async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(attacks, attacks, attacks, async (table, column, partition) => {
        const options = { table, partitionCol: column, partition, uniqueKey: "id", selectSql: "SELECT 1 AS id" };
        let statement;
        try {
          statement = upsertPartition(options);
          ok(identifier(column));
        } catch (error) {
          ok(error instanceof RangeError);
          return;
        }
        accepted++;
        const written = await statement.execute().then(() => true, (error) => {
          ok(hasCode(error, "WINDMILL_API"));
          return false;
        });
        equal(duck.blocks().length, 8);
        if (!written) return void await duck.direct("ROLLBACK").catch(() => {});
        const rows = await readPartition({ table, partitionCol: column, partition }).fetch();
        equal(rows, [{ id: 1, [column]: partition }]);
      }),
      often(150),
    );
    ok(accepted > 10 * share / 2);
    await intact();
  });

  Deno.test(`${label}partitions: writes replace, add and read what they say`, async () => {
    const at = { ducklake: "main", table: "sales" };
    async function read(partition?: string): Promise<unknown> {
      const rows = await readPartition({ ...at, ...(partition === undefined ? {} : { partition }) }).fetch();
      return rows.map((row) => Object.values(row).join()).toSorted();
    }
    async function upsert(selectSql: string, partition: string, uniqueKey?: string | readonly string[]): Promise<void> {
      await upsertPartition({ ...at, selectSql, partition, ...(uniqueKey === undefined ? {} : { uniqueKey }) })
        .execute();
    }
    await upsert("SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'", "p'1");
    await upsert("SELECT 1 AS id, 'x' AS v", "p2");
    equal(await read(), ["1,a,p'1", "1,x,p2", "2,b,p'1"]);
    await upsert("SELECT 3 AS id, 'c' AS v;", "p'1");
    equal(await read("p'1"), ["3,c,p'1"]);
    await upsert("SELECT 3 AS id, 'd' AS v UNION ALL SELECT 4, 'e'", "p'1", "id");
    await upsert("SELECT 4 AS id, 'e' AS v UNION ALL SELECT 4, 'f'", "p'1", ["id", "v"]);
    equal(await read("p'1"), ["3,d,p'1", "4,e,p'1", "4,f,p'1"]);
    await appendPartition({ ...at, selectSql: "SELECT 3 AS id, 'd' AS v", partition: "p'1" }).execute();
    equal(await read("p'1"), ["3,d,p'1", "3,d,p'1", "4,e,p'1", "4,f,p'1"]);
    equal(await read("p2"), ["1,x,p2"]);

    await duck.direct('CREATE SCHEMA dl."my ""schema"');
    const whole = { ducklake: 'main:my "schema', table: "order" };
    await upsertPartition({ ...whole, selectSql: "SELECT 1 AS id, 'a' AS v" }).execute();
    await upsertPartition({ ...whole, selectSql: "SELECT 1 AS id, 'b' AS v UNION ALL SELECT 2, 'c'", uniqueKey: "id" })
      .execute();
    await appendPartition({ ...whole, selectSql: "SELECT 9 AS id, 'z' AS v -- the last" }).execute();
    equal(await ducklake(whole.ducklake)`SELECT * FROM "order" ORDER BY id`.fetch(), [
      { id: 1, v: "b" },
      { id: 2, v: "c" },
      { id: 9, v: "z" },
    ]);
    for (const table of ['my "schema.order', "", "a..b", "a\nb"]) throws(() => readPartition({ table }), RangeError);
    throws(() => upsertPartition({ ...at, selectSql: "SELECT 1", uniqueKey: '"id"' }), RangeError);
  });

  Deno.test(`${label}ducklake: the database ends`, async () => {
    await duck.close();
  });
}
