/**
 * SQL text: where statements end, where arguments go, what comments declare, and values as JSON.
 *
 * @module
 */
import { deepStrictEqual as equal, throws } from "node:assert/strict";
import { checkedName, findDatabase } from "../../src/runner/sql/database_target.ts";
import {
  collectionOf,
  duckdbArguments,
  postgresArguments,
  readHeader,
  valueOf,
} from "../../src/runner/sql/declarations.ts";
import { bindDuck, readAttach } from "../../src/runner/sql/duck_bind.ts";
import { bindStatement, bindValue } from "../../src/runner/sql/pg_bind.ts";
import { cellText } from "../../src/runner/sql/pg_cells.ts";
import { parseExact } from "../../src/base/exact_numbers.ts";
import { interpolate } from "../../src/runner/sql/interpolate.ts";
import { replacePlaces, splitStatements } from "../../src/runner/sql/statements.ts";

function texts(sql: string): readonly string[] {
  return splitStatements(sql).map(({ text }) => text);
}

function places(sql: string): readonly string[] {
  return splitStatements(sql).flatMap((statement) => statement.places.map(({ name }) => name));
}

Deno.test("splitStatements() splits at semicolons outside of quotes, comments and dollar signs", () => {
  equal(texts("SELECT 1; SELECT 2;"), ["SELECT 1", "SELECT 2"]);
  equal(texts("  -- nothing; here\n/* nor; /* here; */ ; */ ;;\n"), []);
  equal(texts("-- a\nSELECT ';' AS \";\"; -- b;\nSELECT 2"), [`SELECT ';' AS ";"`, "SELECT 2"]);
  equal(texts("SELECT 'it''s; x', E'a\\'; b'; SELECT 2"), ["SELECT 'it''s; x', E'a\\'; b'", "SELECT 2"]);
  equal(texts("SELECT 'a\\'; SELECT 2"), ["SELECT 'a\\'", "SELECT 2"]);
  equal(texts("DO $$ BEGIN; END $$; SELECT $tag$;$$;$tag$"), ["DO $$ BEGIN; END $$", "SELECT $tag$;$$;$tag$"]);
  equal(texts("SELECT a$1$b; SELECT 2"), ["SELECT a$1$b", "SELECT 2"]);
  equal(texts("SELECT 'open; SELECT 2"), ["SELECT 'open; SELECT 2"]);
  equal(texts("SELECT $$open; SELECT 2"), ["SELECT $$open; SELECT 2"]);
  equal(
    texts("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; SELECT 3"),
    ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END", "SELECT 3"],
  );
  equal(texts("BEGIN; SELECT 1; END; SELECT 2"), ["BEGIN", "SELECT 1", "END", "SELECT 2"]);
});

Deno.test("splitStatements() finds places outside of quotes, comments and names", () => {
  equal(places("SELECT $1, '$2', \"$3\", a$4, $$ $5 $$ -- $6\n, /* $7 */ $8::int"), ["1", "8"]);
  equal(places("SELECT $name || $other_1, '$no'"), ["name", "other_1"]);
  const [statement] = splitStatements("-- $1 x\n SELECT $1 + $22");
  equal(statement && replacePlaces(statement, ({ name }) => `<${name}>`), "SELECT <1> + <22>");
});

Deno.test("readHeader() reads the mode, the database and the role from the comments at the top", () => {
  const modes: Readonly<Record<string, unknown>> = {
    "SELECT 1": { statements: "last", firstRow: false, scalar: false },
    "-- result_collection=last_statement_first_row_scalar\nSELECT 1": {
      statements: "last",
      firstRow: true,
      scalar: true,
    },
    "-- result_collection=all_statements_all_rows\nSELECT 1": { statements: "all", firstRow: false, scalar: false },
    "-- result_collection=nonsense\nSELECT 1": { statements: "last", firstRow: false, scalar: false },
    "-- result_collection=all_statements_first_row\n-- return_last_result\nSELECT 1": {
      statements: "last",
      firstRow: false,
      scalar: false,
    },
    "SELECT 1;\n-- result_collection=all_statements_first_row": { statements: "last", firstRow: false, scalar: false },
  };
  for (const [content, mode] of Object.entries(modes)) equal(collectionOf(readHeader(content), 2), mode, content);
  const legacy = readHeader("-- result_collection=legacy\nSELECT 1");
  equal([collectionOf(legacy, 1).statements, collectionOf(legacy, 2).statements], ["last", "all"]);
  const { database, role } = readHeader("-- role reader\n-- database f/a/b\nSELECT 1");
  equal([database, role], ["f/a/b", "reader"]);
});

Deno.test("declarations say names, types and defaults; casts say what they leave out", () => {
  const content =
    "-- $1 a (int) = 5\n-- $2 b\n-- $3 c (text) = 'it''s'\n-- $4 d = 007\n-- $5 e (double precision)\r\n" +
    "SELECT $1, $2::numeric, $3, $4, $5, $6::bool, $7";
  const found = postgresArguments(content);
  equal([...found].sort(([a], [b]) => Number(a) - Number(b)), [
    ["1", { name: "a", type: "int", byDefault: 5 }],
    ["2", { name: "b", type: "numeric" }],
    ["3", { name: "c", type: "text", byDefault: "it's" }],
    ["4", { name: "d", byDefault: "007" }],
    ["5", { name: "e", type: "double precision" }],
    ["6", { name: "$6", type: "bool" }],
    ["7", { name: "$7" }],
  ]);
  equal(valueOf({ name: "a", byDefault: 5 }, {}), 5);
  equal(valueOf({ name: "a", byDefault: 5 }, { a: null }), null);
  equal([...duckdbArguments("-- $a (bigint)\n-- $b (TEXT) = x\n-- $c\nSELECT 1")], [
    ["a", { name: "a", type: "bigint" }],
    ["b", { name: "b", type: "text", byDefault: "x" }],
  ]);
});

Deno.test("bindValue() gives PostgreSQL texts of the declared type, or of the JSON's", () => {
  equal(bindValue(5, "int"), ["5", 23]);
  equal(bindValue("5", "bigint"), ["5", 20]);
  equal(bindValue(5, undefined), ["5", 20]);
  equal(bindValue(1e300, undefined), ["1e+300", 701]);
  equal(bindValue("5", undefined), ["5", 25]);
  equal(bindValue(5, "text"), ["5", 25]);
  equal(bindValue(true, undefined), ["true", 16]);
  equal(bindValue(null, undefined), [null, 25]);
  equal(bindValue(null, "int4[]"), [null, 1007]);
  equal(bindValue("red", "colour"), ["red", 0]);
  equal(bindValue({ a: [1] }, "jsonb"), ['{"a":[1]}', 3802]);
  equal(bindValue("x", "json"), ['"x"', 114]);
  equal(bindValue([1, null, 2], "int[]"), ['{"1",NULL,"2"}', 1007]);
  equal(bindValue(['a"b', "c\\d", "NULL"], "text[]"), ['{"a\\"b","c\\\\d","NULL"}', 1009]);
  equal(bindValue([[1], [2]], "int[]"), ['{{"1"},{"2"}}', 1007]);
  equal(bindValue([{ a: 1 }], "jsonb[]"), ['{"{\\"a\\":1}"}', 3807]);
  equal(bindValue("AP8=", "bytea"), ["\\x00ff", 17]);
  throws(() => bindValue("\\x00", "bytea"), /Expected base64/);
});

Deno.test("bindStatement() numbers the places that a statement uses", () => {
  const content = "-- $1 a\n-- $2 b\n-- $3 c\nSELECT $1; SELECT $3, $3, '$1', $2";
  const declared = postgresArguments(content);
  const bound = splitStatements(content).map((one) => bindStatement(one, declared, { a: "x", b: 2, c: true }));
  equal(bound, [
    { text: "SELECT $1", types: [25], values: ["x"] },
    { text: "SELECT $1, $1, '$1', $2", types: [16, 20], values: ["true", "2"] },
  ]);
});

Deno.test("cellText() gives values of PostgreSQL as Windmill does", () => {
  const cases: readonly (readonly [text: string | null, oid: number, json: string])[] = [
    [null, 25, "null"],
    ["t", 16, "true"],
    ["9223372036854775807", 20, "9223372036854775807"],
    ["0.1", 700, "0.10000000149011612"],
    ["1e+300", 701, "1e+300"],
    ["-Infinity", 701, '"-Infinity"'],
    ["1.10", 1700, "1.1"],
    ["NaN", 1700, '"NaN"'],
    ["2020-01-01 23:59:59.12", 1114, '"2020-01-01T23:59:59.120"'],
    ["2020-01-01 23:59:59", 1114, '"2020-01-01T23:59:59"'],
    ["2020-01-01 23:59:59.1234+00", 1184, '"2020-01-01T23:59:59.123400+00:00"'],
    ["2020-01-01 00:30:00+05:30", 1184, '"2019-12-31T19:00:00+00:00"'],
    ["infinity", 1184, '"infinity"'],
    ["2020-01-01", 1082, '"2020-01-01"'],
    ["12:30:00.5", 1083, '"12:30:00.500"'],
    ["00:30:00+02", 1266, '"22:30:00+00:00"'],
    ["1 year 2 mons -3 days +04:05:06.7", 1186, '"14 months -3 days 14706700000 ms"'],
    ["-00:00:01", 1186, '"0 months 0 days -1000000 ms"'],
    ["00:00:00", 1186, '"0 months 0 days 0 ms"'],
    ["P1Y", 1186, '"P1Y"'],
    ["\\x00ff", 17, '"\\\\x00ff"'],
    ["1", 1560, "true"],
    ["101", 1560, '"101"'],
    ["", 2278, "null"],
    ['{"a":\n 1}', 114, '{"a":  1}'],
    ['{1,NULL,"a b","c\\"d\\\\"}', 1009, '["1",null,"a b","c\\"d\\\\"]'],
    ["{{1,2},{3,NULL}}", 1007, "[[1,2],[3,null]]"],
    ["[0:1]={5,6}", 1016, "[5,6]"],
    ["{}", 1007, "[]"],
    ['{"{\\"a\\": 1}"}', 3807, '[{"a": 1}]'],
    ["{red,blue}", 99999, '"{red,blue}"'],
  ];
  const losses = { numeric: false };
  for (const [text, oid, json] of cases) equal(cellText(text, oid, losses), json, `${text}`);
  equal(losses.numeric, false);
  equal(cellText("12345678901234567.25", 1700, losses), "12345678901234568");
  equal(losses.numeric, true);
});

Deno.test("parseExact() keeps whole numbers that JavaScript cannot hold", () => {
  const text =
    '[{"a":9223372036854775807,"b":1.2345678901234567,"c":"9223372036854775807","d":-9007199254740993,"e":12}]';
  equal(JSON.stringify(parseExact(text)), text);
  equal(parseExact('{"a":[1,null]}'), { a: [1, null] });
});

Deno.test("bindDuck() casts what is declared as a type that JSON has not", () => {
  const content = "-- $d (date)\n-- $n (bigint)\n-- $o (json)\nSELECT $d, $n, $o, $extra, $d, $unknown";
  const [statement] = splitStatements(content);
  const args = { d: "2020-01-01", n: 5, o: { a: 1 }, extra: 1.5 };
  equal(statement && bindDuck(statement, duckdbArguments(content), args), {
    text: "SELECT CAST($1 AS date), $2, $3, $4, CAST($1 AS date), $unknown",
    values: ["2020-01-01", { bigint: "5" }, '{"a":1}', { double: 1.5 }],
  });
});

Deno.test("readAttach() reads attachments of lakes and data tables, and refuses what names none", () => {
  equal(readAttach("ATTACH 'ducklake://main' AS dl"), { kind: "ducklake", alias: "dl", lake: "main", readOnly: false });
  equal(readAttach('attach if not exists \'ducklake\' as "my ""lake" (READ_ONLY)'), {
    kind: "ducklake",
    alias: 'my "lake',
    lake: "main",
    readOnly: true,
  });
  equal(readAttach("ATTACH 'datatable://x' AS dt"), { kind: "datatable", alias: "dt", name: "x" });
  equal(readAttach("ATTACH '/tmp/x.duckdb' AS x"), undefined);
  for (
    const text of [
      "ATTACH 'ducklake://../x' AS dl",
      "ATTACH 'ducklake://main'",
      "ATTACH 'ducklake://a:b' AS dl",
      "ATTACH 'ducklake://x' AS dl; DROP",
    ]
  ) {
    throws(() => readAttach(text), /Cannot read/, text);
  }
});

Deno.test("findDatabase() finds data tables and servers, and never shows a password", () => {
  equal(findDatabase("datatable://main", {}), { kind: "pglite", name: "main" });
  const target = { host: "::1", port: 5433, user: "me", password: "p@ss", database: "db", sslmode: "require" };
  equal(findDatabase("datatable://main", { main: "postgres://me:p%40ss@[::1]:5433/db?sslmode=require" }), {
    kind: "postgres",
    target,
    datatable: "main",
  });
  equal(
    findDatabase({ host: "h", dbname: "d", user: "u", password: "p", port: 1, sslmode: "disable" }, {}),
    { kind: "postgres", target: { host: "h", port: 1, user: "u", password: "p", database: "d", sslmode: "disable" } },
  );
  throws(() => findDatabase(undefined, {}), /Missing database argument/);
  for (
    const bad of ["hunter2", { password: "hunter2" }, { host: "h", dbname: "d", sslmode: "x", password: "hunter2" }, 5]
  ) {
    throws(
      () => findDatabase(bad, {}),
      (error: Error) => /Cannot use/.test(error.message) && !error.message.includes("hunter2"),
    );
  }
  for (const name of ["", "..", "a/b", "a\\b", ".x", "x.", "a b", "é", "x".repeat(64), "__proto__/x"]) {
    throws(() => findDatabase(`datatable://${name}`, {}), /Cannot use/, name);
  }
  equal(checkedName("a.b-c_1", "ducklake"), "a.b-c_1");
});

Deno.test("interpolate() puts declared arguments in the place of their names", () => {
  const sql = "-- %%table%% fruits/vegetables\n-- %%column%% = name\nSELECT %%column%% FROM %%table%% WHERE a %%b%% c";
  equal(
    interpolate(sql, { table: "fruits" }, {}).split("\n").at(-1),
    "SELECT name FROM fruits WHERE a %%b%% c",
  );
  equal(
    interpolate(sql, { table: "fruits", column: "a_1" }, {}).split("\n").at(-1)?.slice(0, 23),
    "SELECT a_1 FROM fruits ",
  );
  throws(() => interpolate(sql, { table: "users" }, {}), /"table".*one of fruits, vegetables, found "users"/);
  throws(() => interpolate(sql, {}, {}), /"table".*found null/);
  // What is declared is not good for anything, either.
  throws(() => interpolate("-- %%t%% a;b/c\nFROM %%t%%", { t: "a;b" }, {}), /found "a;b"/);
  const one = "-- %%t%%\nSELECT * FROM %%t%%";
  equal(interpolate(one, { t: "t1" }, {}).split("\n").at(-1), "SELECT * FROM t1");
  for (
    const bad of [
      "",
      "a b",
      "a-b",
      "1a",
      "_a",
      "a;",
      "a'",
      'a"',
      "a\n",
      "\u00e9",
      "a.b",
      "$a",
      "%%t%%",
      1,
      true,
      {},
      [],
    ]
  ) {
    throws(() => interpolate(one, { t: bad }, {}), /argument "t"/, JSON.stringify(bad));
  }
  // Undeclared: a value of the caller does nothing.
  equal(interpolate("SELECT * FROM %%t%%", { t: "x" }, { t: "y" }), "SELECT * FROM %%t%%");
  equal(interpolate("SELECT 1", { t: "x" }, {}), "SELECT 1");
  // A value that begins as a replacement of JavaScript's, and names of what objects have anyway.
  equal(interpolate("SELECT %%constructor%%", {}, {}), "SELECT %%constructor%%");
});

Deno.test("interpolate() writes variables of the job so that they stay what they are", () => {
  const env = { WM_WORKSPACE: "ws", WM_JOB_PATH: "f/x/y", WM_USERNAME: `o'"\u00fc`, WM_FLOW_PATH: "", HOME: "/root" };
  const made = (sql: string) => interpolate(sql, {}, env);
  equal(made("SELECT '%%WM_WORKSPACE%%', %%WM_WORKSPACE%%"), "SELECT 'ws', ws");
  equal(made("SELECT 'in %%WM_JOB_PATH%%!' AS \"%%WM_JOB_PATH%%\""), `SELECT 'in f/x/y!' AS "f/x/y"`);
  equal(made("SELECT '%%WM_USERNAME%%' AS \"%%WM_USERNAME%%\""), `SELECT 'o''"\u00fc' AS "o'""\u00fc"`);
  equal(made("SELECT '%%WM_FLOW_PATH%%'"), "SELECT ''");
  equal(
    made("-- of %%WM_JOB_PATH%%\nSELECT /* %%WM_JOB_PATH%% */ 1"),
    "-- of %%WM_JOB_PATH%%\nSELECT /* %%WM_JOB_PATH%% */ 1",
  );
  equal(made("SELECT '%%HOME%%', '%%WM_NONE%%'"), "SELECT '%%HOME%%', '%%WM_NONE%%'");
  for (const sql of ["SELECT %%WM_JOB_PATH%%", "SELECT E'%%WM_JOB_PATH%%'", "SELECT $$%%WM_JOB_PATH%%$$"]) {
    throws(() => made(sql), /must stand in quotes: '%%WM_JOB_PATH%%'/, sql);
  }
});
