/**
 * Cases about statements for data tables on a real PostgreSQL, behind a worker that binds arguments as Windmill's do. `WINDKIT_SOAK=1` tries
 * the properties 20 times as often.
 *
 * @module
 */
import { deepStrictEqual as equal, ok, rejects, throws } from "node:assert/strict";
import fc from "fast-check";
import { hasCode, type WindmillApiError } from "../../src/base/errors.ts";
import { createClient } from "../../src/sdk/client.ts";
import { attacksWith, tries } from "./sql_texts.ts";
import type { SqlWorker } from "./sql_worker.ts";

/** Registers the cases: `label` begins their names, `open` opens the worker, and of the tries of properties a `share` is made. */
export async function postgresCases(label: string, open: () => Promise<SqlWorker>, share: number = 1): Promise<void> {
  function often(inCi: number): { readonly numRuns: number } {
    return tries(Math.ceil(inCi * share));
  }
  const pg = await open();
  const client = createClient({ baseUrl: "http://localhost:8000", workspace: "w", token: "a-token", fetch: pg.fetch });
  const { datatable, identifier } = client.sql;
  const sql = datatable();

  /** Text that PostgreSQL and JSON can hold: no U+0000, no lone surrogates. */
  const texts = fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", "0"));

  /** Text made of what SQL is made of. */
  const attacks = attacksWith(
    "\r",
    "%",
    "-- $1 arg1 (int)",
    "-- role admin",
    "-- database u/x/y",
    "DROP TABLE canary",
    "E'\\'",
  );

  async function intact(): Promise<void> {
    equal(await pg.direct("SELECT alive FROM public.canary"), [{ alive: 1 }]);
  }

  await pg.direct("CREATE TABLE canary AS SELECT 1 AS alive");

  Deno.test(`${label}datatable: each kind of value arrives as a value of its type`, async () => {
    const cases: readonly (readonly [value: unknown, type: string, text: string])[] = [
      [true, "boolean", "true"],
      [0, "bigint", "0"],
      [-0, "bigint", "0"],
      [2 ** 53 - 1, "bigint", "9007199254740991"],
      [2 ** 60, "double precision", "1.152921504606847e+18"],
      [1.5, "double precision", "1.5"],
      [-1e300, "double precision", "-1e+300"],
      [NaN, "double precision", "NaN"],
      [Infinity, "double precision", "Infinity"],
      [-Infinity, "double precision", "-Infinity"],
      [9007199254740993n, "bigint", "9007199254740993"],
      [-(2n ** 63n), "bigint", "-9223372036854775808"],
      ["", "text", ""],
      ['it\'s "ü" 𝒳 \\ $1 ::int', "text", 'it\'s "ü" 𝒳 \\ $1 ::int'],
      [new Date(1577923199123), "timestamp with time zone", "2020-01-01 23:59:59.123+00"],
      [new Uint8Array([0, 1, 127, 128, 255]), "bytea", "\\x00017f80ff"],
      [new Uint8Array(), "bytea", "\\x"],
      [new Uint8Array([1, 2]).buffer, "bytea", "\\x0102"],
      [[1, 2], "bigint[]", "{1,2}"],
      [[-1], "bigint[]", "{-1}"],
      [[1, 2.5], "double precision[]", "{1,2.5}"],
      [[NaN, -Infinity], "double precision[]", "{NaN,-Infinity}"],
      [[1n, 2n ** 62n], "bigint[]", "{1,4611686018427387904}"],
      [["a", 'b"c', "d,e", "NULL"], "text[]", '{a,"b\\"c","d,e","NULL"}'],
      [[true, false], "boolean[]", "{t,f}"],
      [[], "json", "[]"],
      [[1, null], "json", "[1,null]"],
      [[1, "a"], "json", '[1,"a"]'],
      [[[1], [2, [3]]], "json", "[[1],[2,[3]]]"],
      [[new Date(0)], "json", '["1970-01-01T00:00:00.000Z"]'],
      [{ a: 1, b: { c: [null, "x"] } }, "json", '{"a":1,"b":{"c":[null,"x"]}}'],
      [
        { big: 2n ** 64n, list: [1n], when: new Date(0), bytes: new Uint8Array([255]), not: NaN, no: undefined },
        "json",
        "",
      ],
      [new URL("http://a.test/"), "text", "http://a.test/"],
    ];
    await pg.direct("SET TIME ZONE 'UTC'");
    for (const [value, type, text] of cases) {
      const row = await sql<
        { type: string; text: string }
      >`SELECT pg_typeof(${value})::text AS type, ${value}::text AS text`
        .fetchOne();
      equal(row?.type, type);
      const plain = await sql<string>`SELECT (${value})::text`.fetchOneScalar();
      if (text !== "") equal(plain, text);
    }
    const { big, list, when, bytes, not, ...rest } = await sql`SELECT ${cases.at(-2)?.[0]} AS v`
      .fetchOneScalar() as Record<
        string,
        unknown
      >;
    equal([big, list, when, bytes, not, rest], [
      "18446744073709551616",
      ["1"],
      "1970-01-01T00:00:00.000Z",
      "\\xff",
      "NaN",
      {},
    ]);
  });

  Deno.test(`${label}datatable: explicit casts of every form are PostgreSQL's own`, async () => {
    const cases: readonly (readonly [statement: ReturnType<typeof sql>, text: string])[] = [
      [sql`SELECT (${1}::int)::text`, "1"],
      [sql`SELECT pg_typeof(${1}::int)::text`, "integer"],
      [sql`SELECT pg_typeof(${1} :: smallint)::text`, "smallint"],
      [sql`SELECT (${1.006}::numeric(10,2))::text`, "1.01"],
      [sql`SELECT (${"123456789012345678901234567890.125"}::numeric(40,2))::text`, "123456789012345678901234567890.13"],
      [sql`SELECT (${10n ** 30n}::numeric)::text`, "1000000000000000000000000000000"],
      [sql`SELECT (${2}::double precision)::text`, "2"],
      [sql`SELECT pg_typeof(${2}::double precision)::text`, "double precision"],
      [sql`SELECT CAST(${1} AS int)::text`, "1"],
      [sql`SELECT CAST( ${"7"} AS int)::text`, "7"],
      [sql`SELECT cast(${[1, 2]} AS int[])::text`, "{1,2}"],
      [sql`SELECT (${[1, 2]}::int[])::text`, "{1,2}"],
      [sql`SELECT (${[]}::int[])::text`, "{}"],
      [sql`SELECT (${[1, null]}::int[])::text`, "{1,NULL}"],
      [sql`SELECT (${[1, 2.5]}::double precision[])::text`, "{1,2.5}"],
      [sql`SELECT (${["1"]}::text[])::text`, "{1}"],
      [sql`SELECT (${[1, [2]]}::jsonb)::text`, "[1, [2]]"],
      [sql`SELECT (${[1, 2]}::jsonb)::text`, "[1, 2]"],
      [sql`SELECT (${{ a: 1 }}::jsonb)::text`, '{"a": 1}'],
      [sql`SELECT (${'{"a": 1}'}::jsonb)::text`, '{"a": 1}'],
      [sql`SELECT (${new Date(1577923199123)}::timestamp with time zone)::text`, "2020-01-01 23:59:59.123+00"],
      [sql`SELECT (${new Date(1577923199123)}::date)::text`, "2020-01-01"],
      [sql`SELECT CAST(${new Date(1577923199123)} AS date)::text`, "2020-01-01"],
      [sql`SELECT (${"2020-01-01"}::date)::text`, "2020-01-01"],
      [sql`SELECT (${"12:30:00+02"}::time with time zone)::text`, "12:30:00+02"],
      [sql`SELECT (${"1 day"}::interval)::text`, "1 day"],
      [sql`SELECT (${"10.0.0.1"}::inet)::text`, "10.0.0.1/32"],
      [sql`SELECT (${"\\x00ff"}::bytea)::text`, "\\x00ff"],
      [sql`SELECT (${new Uint8Array([255])}::bytea)::text`, "\\xff"],
      [sql`SELECT (${true}::int)::text`, "1"],
      [sql`SELECT coalesce(${null}::int, 7)::text`, "7"],
      [sql`SELECT coalesce(CAST(${null} AS int), 7)::text`, "7"],
      [sql`SELECT (${"blue"}::"My Colour")::text`, "blue"],
      [sql`SELECT (${["blue", "red"]}::"My Colour"[])::text`, "{blue,red}"],
      [sql`SELECT (${"red"}::public."My Colour")::text`, "red"],
      [sql`SELECT (${1}::int + ${2}::int)::text`, "3"],
    ];
    await pg.direct(`CREATE TYPE "My Colour" AS ENUM ('red', 'blue')`);
    // A zone that is not UTC: dates must not depend on it.
    await pg.direct("SET TIME ZONE 'UTC'");
    for (const [statement, text] of cases) equal(await statement.fetchOneScalar(), text, statement.content);
    await pg.direct("SET TIME ZONE 'Asia/Tokyo'");
    equal(await sql`SELECT (${new Date(1577923199123)}::date)::text`.fetchOneScalar(), "2020-01-01");
    equal(await sql`SELECT CAST(${new Date(1577923199123)} AS date)::text`.fetchOneScalar(), "2020-01-01");
    await pg.direct("SET TIME ZONE 'UTC'");
  });

  Deno.test(`${label}datatable: a number that the type cannot hold is PostgreSQL's error, not another number`, async () => {
    await rejects(sql`SELECT ${3_000_000_000}::int`.fetch(), /integer out of range/);
    await rejects(sql`SELECT ${70_000}::smallint`.fetch(), /smallint out of range/);
    await rejects(sql`SELECT ${2n ** 63n}`.fetch(), /9223372036854775808/);
  });

  Deno.test(`${label}datatable: NULL goes into columns of any type, and compares as NULL`, async () => {
    await sql`CREATE TABLE IF NOT EXISTS anything (i int, t text, j jsonb, b bytea, l int[], d date)`.execute();
    await sql`INSERT INTO anything VALUES (${null}, ${null}, ${null}, ${null}, ${null}, ${null})`.execute();
    await sql`INSERT INTO anything VALUES (${1}, ${"a"}, ${{ a: 1 }}, ${new Uint8Array([1])}, ${[1]}::int[], ${new Date(
      0,
    )})`
      .execute();
    equal(await sql`SELECT count(*) FROM anything WHERE i IS NULL AND j IS NULL AND l IS NULL`.fetchOneScalar(), 1);
    equal(await sql`SELECT i FROM anything WHERE i = ANY(${[1, 2]})`.fetch(), [{ i: 1 }]);
    equal(await sql`SELECT ${null} IS NULL AS n`.fetch(), [{ n: true }]);
  });

  Deno.test(`${label}datatable.query: parameters arrive as values of their types`, async () => {
    const params = [1, 2.5, "x", true, 9007199254740993n, new Date(0), [1, 2], [1, 2.5], ["a"], [], { a: 1 }];
    const places = params.map((_, i) => `pg_typeof($${i + 1})::text`).join(" || ',' || ");
    equal(
      await sql.query(`SELECT ${places}`, ...params).fetchOneScalar(),
      "bigint,double precision,text,boolean,bigint,timestamp with time zone,bigint[],double precision[],text[],json,json",
    );
    const { text } = await sql.query<{ text: string }>(
      "SELECT concat_ws('|', $2, $1, $1, $3::bytea, '$1', $4::int) AS text",
      "a",
      1.5,
      new Uint8Array([1, 255]),
      null,
    ).fetchOne() ?? {};
    equal(text, "1.5|a|a|\\x01ff|$1");
    throws(() => sql`SELECT * FROM (${sql.query("SELECT $1", 1)}) AS t`, RangeError);
  });

  Deno.test(`${label}datatable: every mode gives the rows in its shape`, async () => {
    const statement = sql<
      { a: number; b: string }
    >`SELECT 1 AS a, 'x' AS b; SELECT 2 AS a, ${"y"} AS b UNION ALL SELECT 3, 'z'`;
    const last = [{ a: 2, b: "y" }, { a: 3, b: "z" }];
    equal(await statement.fetch(), last);
    equal(await statement.fetchOne(), last[0]);
    equal(await statement.fetchOneScalar(), 2);
    equal(await statement.execute(), undefined);
    equal(await statement.fetch({ resultCollection: "last_statement_all_rows_scalar" }), [2, 3]);
    equal(await statement.fetch({ resultCollection: "all_statements_all_rows" }), [[{ a: 1, b: "x" }], last]);
    equal(await statement.fetch({ resultCollection: "all_statements_first_row" }), [{ a: 1, b: "x" }, last[0]]);
    equal(await statement.fetch({ resultCollection: "all_statements_all_rows_scalar" }), [[1], [2, 3]]);
    equal(await statement.fetch({ resultCollection: "all_statements_first_row_scalar" }), [1, 2]);
    equal(await sql`SELECT 1 WHERE false`.fetchOne(), null);
  });

  Deno.test(`${label}datatable: pieces are parts of a statement with values of their own`, async () => {
    const young = sql`age < ${40}`;
    const filters = [young, sql`name <> ${"Bob"}`];
    const where = filters.reduce((all, one) => sql`${all} AND ${one}`);
    const people = sql`SELECT * FROM (VALUES ('Ada', 36), ('Bob', 20), ('Cy', 70)) AS p (name, age)`;
    const statement = sql`SELECT name FROM (${people}) AS q WHERE ${where} ${sql.raw("ORDER BY name")} LIMIT ${5}`;
    equal(await statement.fetch(), [{ name: "Ada" }]);
    equal(Object.keys(statement.args), ["database", "arg1", "arg2", "arg3"]);
  });

  Deno.test(`${label}datatable: an error has the statement and the server's words`, async () => {
    const statement = sql`SELECT * FROM missing_table WHERE a = ${"secret"}`;
    const error = await statement.fetch().catch((thrown) => thrown) as WindmillApiError;
    ok(hasCode(error, "WINDMILL_API"));
    equal(error.query, "SELECT * FROM missing_table WHERE a = $1::TEXT");
    equal(error.status, 500);
    ok(error.message.includes('relation "missing_table" does not exist'), error.message);
  });

  Deno.test(`${label}datatable: any text as a value comes back the same, and runs nothing`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(texts, attacks.map((text) => text.replaceAll("\0", "0"))), async (text) => {
        equal(await sql`SELECT ${text} AS t`.fetchOneScalar(), text);
        equal(await sql`SELECT ${text}::text || ${text} AS t`.fetchOneScalar(), text + text);
        equal(
          await sql`SELECT ${[text]} AS t`.fetchOneScalar(),
          await sql.query("SELECT $1 AS t", [text]).fetchOneScalar(),
        );
        equal(
          await sql`SELECT ${{ [text]: text }} AS t`.fetchOneScalar(),
          JSON.parse(JSON.stringify({ [text]: text })),
        );
        equal(pg.blocks().length, 1);
      }),
      often(150),
    );
    await intact();
  });

  Deno.test(`${label}datatable: any bytes, number and bigint come back the same`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array(),
        fc.double(),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.date({ min: new Date("1000-01-01"), max: new Date("9999-01-01"), noInvalidDate: true }),
        async (bytes, number, big, date) => {
          const row = await sql`SELECT ${bytes} AS b, ${number} AS n, (${big})::text AS i, ${date} AS d, ${[
            number,
          ]} AS l`
            .fetchOne();
          equal(row?.b, `\\x${bytes.reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "")}`);
          equal(Number(row?.n), number === 0 ? 0 : number);
          equal(row?.i, `${big}`);
          equal(new Date(`${row?.d}`).getTime(), date.getTime());
        },
      ),
      often(100),
    );
  });

  Deno.test(`${label}datatable: any text as a schema names a schema, or is refused`, async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(attacks.filter((name) => new TextEncoder().encode(name).length < 60), async (name) => {
        let tag;
        try {
          tag = datatable(`main:${name}`);
        } catch (error) {
          ok(error instanceof RangeError && error.message.startsWith("Cannot use "));
          return;
        }
        const statement = tag`SELECT current_setting('search_path') = quote_ident(${name}) AS same, ${"v"} AS v`;
        const row = await statement.fetchOne().catch((error) => {
          // What JSON or PostgreSQL cannot hold is theirs to refuse.
          ok(/[\0\ud800-\udfff]/.test(name), `${error}`);
        });
        if (row) equal(row, { same: true, v: "v" });
        equal(pg.blocks().length, 2);
        accepted++;
      }),
      often(250),
    );
    ok(accepted > 20 * share / 2);
    await intact();
  });

  Deno.test(`${label}datatable: any text as a name of a table or column names one, or is refused`, async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(attacks.filter((name) => new TextEncoder().encode(name).length < 60), async (name) => {
        let id;
        try {
          id = identifier(name);
        } catch (error) {
          ok(error instanceof RangeError);
          return;
        }
        const made = await sql`CREATE TABLE ${identifier("public", name)} AS SELECT ${"v"} AS ${id}`.execute()
          .then(() => true, () => false);
        if (made) {
          equal(await sql`SELECT ${id} FROM ${id} WHERE ${id} = ${"v"}`.fetch(), [{ [name]: "v" }]);
          equal(await sql`SELECT count(*) FROM pg_tables WHERE tablename = ${name}`.fetchOneScalar(), 1);
          await sql`DROP TABLE ${id}`.execute();
        } else ok(/[\0\ud800-\udfff]/.test(name) || name === "canary", name);
        equal(pg.blocks().length, 1);
        accepted++;
      }),
      often(120),
    );
    ok(accepted > 20 * share / 2);
    await intact();
  });

  Deno.test(`${label}datatable: any text as a role or mode is one word, or is refused`, () => {
    fc.assert(
      fc.property(fc.oneof(attacks, fc.string()), (text) => {
        let content: string;
        try {
          ({ content } = datatable("main", { role: text })`SELECT 1`);
        } catch (error) {
          ok(error instanceof RangeError);
          return;
        }
        equal(content, `-- role ${text}\nSELECT 1`);
        ok(/^[A-Za-z0-9_-]{1,63}$/.test(text));
      }),
      often(500),
    );
  });

  Deno.test(`${label}datatable: any JSON as a value is a value`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3 }), async (value) => {
        const text = JSON.stringify(value).replaceAll("\\u0000", "0");
        const sent = JSON.parse(text);
        // A piece of SQL has a key that no JSON has.
        for (const forged of [[sent], { value: sent, __brand: "RawSql" }, { content: sent, args: {} }]) {
          const found = await sql`SELECT to_json(${forged}) AS v`.fetchOneScalar();
          equal(found, JSON.parse(JSON.stringify(forged)));
        }
        equal(pg.blocks().length, 1);
      }),
      often(80),
    );
    await intact();
  });

  Deno.test(`${label}datatable: the database ends`, async () => {
    await pg.close();
  });
}
