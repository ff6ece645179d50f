/**
 * PostgreSQL jobs, on PGlite and on a server of Debian's: each case runs on both.
 *
 * @module
 */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { openSql, type SqlKit } from "./_sql_kit.ts";
import { findPostgres, type PostgresServer, startPostgres } from "./_postgres_server.ts";

const found = await findPostgres();
const reason = "reason" in found ? found.reason : undefined;
if (reason !== undefined) console.log(`Skipped: PostgreSQL jobs on a server: ${reason}`);
const server: PostgresServer | undefined = "folder" in found ? await startPostgres(found.folder) : undefined;

type Case = (sql: SqlKit) => Promise<void>;

const kits: readonly (readonly [name: string, kit: Promise<SqlKit> | undefined])[] = [
  ["PGlite", openSql({ maxRows: 1000, maxResultBytes: 100_000 })],
  ["server", server && openSql({ maxRows: 1000, maxResultBytes: 100_000, datatables: { main: server.url } })],
];

/** A case on both. */
function both(name: string, run: Case): void {
  for (const [where, kit] of kits) {
    Deno.test({
      name: `postgresql on ${where}: ${name}`,
      ignore: kit === undefined,
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => run(await (kit ?? Promise.reject(new Error("unreachable")))),
    });
  }
}

both("values come back as Windmill gives them", async (sql) => {
  equal(
    await sql.result(
      `SELECT true AS b, 1::smallint AS s, 9007199254740992 AS big, 1.5::real AS f, 'NaN'::float8 AS nan, 12.50::numeric AS n,
      'a' AS t, 'x'::varchar AS vc, 'c'::char(3) AS c, '\\x00ff'::bytea AS by, '2020-01-02'::date AS d, '12:30'::time AS ti,
      '12:30+02'::timetz AS ttz, '2020-01-02 03:04:05.678'::timestamp AS ts, '2020-01-02 03:04:05+01'::timestamptz AS tz,
      '1 mon 2 days 00:00:03'::interval AS iv, '{"a": [1, null]}'::json AS j, '{"b": 2}'::jsonb AS jb,
      '00000000-0000-0000-0000-000000000001'::uuid AS u, ARRAY[1,NULL,3] AS ia, ARRAY['x','y z'] AS ta, '{}'::int[] AS ea,
      ARRAY[[1,2],[3,4]] AS aa, ARRAY['2020-01-02'::date] AS da, B'101' AS bits, B'1' AS bit, '10.0.0.1'::inet AS ip, 7::oid AS o,
      NULL::int AS nothing, int4range(1, 5) AS r, ROW(1, 'x') AS rec`,
    ),
    [{
      b: true,
      s: 1,
      big: 9007199254740992,
      f: 1.5,
      nan: "NaN",
      n: 12.5,
      t: "a",
      vc: "x",
      c: "c  ",
      by: "\\x00ff",
      d: "2020-01-02",
      ti: "12:30:00",
      ttz: "10:30:00+00:00",
      ts: "2020-01-02T03:04:05.678",
      tz: "2020-01-02T02:04:05+00:00",
      iv: "1 months 2 days 3000000 ms",
      j: { a: [1, null] },
      jb: { b: 2 },
      u: "00000000-0000-0000-0000-000000000001",
      ia: [1, null, 3],
      ta: ["x", "y z"],
      ea: [],
      aa: [[1, 2], [3, 4]],
      da: ["2020-01-02"],
      bits: "101",
      bit: true,
      ip: "10.0.0.1",
      o: 7,
      nothing: null,
      r: "[1,5)",
      rec: "(1,x)",
    }],
  );
  const outcome = await sql.run({ content: "SELECT 9223372036854775807 AS v" });
  equal(outcome.ok && JSON.stringify(outcome.result), '[{"v":9223372036854775807}]');
  await sql.result("SELECT 1234567890123456789.5::numeric AS v");
  match(sql.log(), /numeric value has more digits/);
});

both("declared arguments are bound as their types, and a number too large is the database's error", async (sql) => {
  const content = `-- $1 when (timestamptz)
-- $2 tags (text[])
-- $3 raw (bytea)
-- $4 n (int) = 7
-- $5 doc (jsonb)
-- $6 day (date)
SELECT $1 AS w, $2 AS t, $3 AS r, $4 AS n, $5 AS d, $6 AS day, pg_typeof($4)::text AS ty`;
  const args = {
    when: "2020-01-01T00:00:00.000Z",
    tags: ["a", 'b"c', null],
    raw: "AP8=",
    doc: { a: 1 },
    day: "2020-01-02T10:00:00.000Z",
  };
  equal(await sql.result(content, args), [{
    w: "2020-01-01T00:00:00+00:00",
    t: ["a", 'b"c', null],
    r: "\\x00ff",
    n: 7,
    d: { a: 1 },
    day: "2020-01-02",
    ty: "integer",
  }]);
  match(await sql.failure("-- $1 n (int)\nSELECT $1", { n: 3_000_000_000 }), /out of range for type integer/);
  match(await sql.failure("-- $1 n (bytea)\nSELECT $1", { n: "***" }), /Cannot bind argument "n": expected base64/);
  equal(await sql.result("SELECT $1::int + $2 AS v", { "$1": "5", "$2": 2 }), [{ v: 7 }]);
});

both("every mode gives its shape, statements that are not asked for run too", async (sql) => {
  const two = "SELECT 1 AS a, 'x' AS b; SELECT n AS a, 'y' AS b FROM generate_series(2, 3) AS n";
  const last = [{ a: 2, b: "y" }, { a: 3, b: "y" }];
  const shapes: Readonly<Record<string, unknown>> = {
    last_statement_all_rows: last,
    last_statement_first_row: last[0],
    last_statement_all_rows_scalar: [2, 3],
    last_statement_first_row_scalar: 2,
    all_statements_all_rows: [[{ a: 1, b: "x" }], last],
    all_statements_first_row: [{ a: 1, b: "x" }, last[0]],
    all_statements_all_rows_scalar: [[1], [2, 3]],
    all_statements_first_row_scalar: [1, 2],
    legacy: [[{ a: 1, b: "x" }], last],
    unheard_of: last,
  };
  for (const [mode, shape] of Object.entries(shapes)) {
    equal(await sql.result(`-- result_collection=${mode}\n${two}`), shape, mode);
  }
  equal(await sql.result(two), last);
  equal(await sql.result(`-- result_collection=all_statements_all_rows\n-- return_last_result\n${two}`), last);
  equal(await sql.result("-- result_collection=legacy\nSELECT 1 AS a"), [{ a: 1 }]);
  equal(await sql.result("-- result_collection=last_statement_first_row\nSELECT 1 WHERE false"), null);
  equal(await sql.result("-- nothing at all"), []);
  equal(await sql.result("CREATE TABLE made (a int)"), []);
  equal(await sql.result("SELECT 1 AS a, 2 AS a"), [{ a: 2 }]);
  // Rows that nobody wants may do something.
  await sql.result("CREATE SEQUENCE counted; SELECT nextval('counted') FROM generate_series(1, 5000); SELECT 1");
  equal(
    await sql.result(
      "-- result_collection=last_statement_first_row\nSELECT nextval('counted') FROM generate_series(1, 5000)",
    ),
    { nextval: 5001 },
  );
  equal(await sql.result("SELECT last_value FROM counted"), [{ last_value: 10000 }]);
});

both("a job leaves nothing of its session behind", async (sql) => {
  await sql.result("CREATE TABLE kept (a int)");
  match(await sql.failure("BEGIN; INSERT INTO kept VALUES (1); SELECT 1/0"), /division by zero/);
  await sql.result("BEGIN; INSERT INTO kept VALUES (2)");
  equal(await sql.result("SELECT a FROM kept"), []);
  await sql.result("BEGIN; INSERT INTO kept VALUES (3); COMMIT");
  await sql.result(
    "CREATE SCHEMA other; SET search_path TO other; CREATE TEMP TABLE gone (a int); SET TIME ZONE 'Asia/Tokyo'",
  );
  equal(
    await sql.result(
      "SELECT current_schema() AS s, to_regclass('gone') AS t, current_setting('TimeZone') <> 'Asia/Tokyo' AS z",
    ),
    [
      { s: "public", t: null, z: true },
    ],
  );
  equal(await sql.result("SELECT a FROM kept"), [{ a: 3 }]);
});

both("errors are the database's, in the words of Windmill's driver", async (sql) => {
  match(await sql.failure("SELECT * FROM absent"), /^db error: ERROR: relation "absent" does not exist$/);
  await sql.result("CREATE TABLE strict (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  match(
    await sql.failure("INSERT INTO strict VALUES (1), (1)"),
    /duplicate key[^]*\nDETAIL: Key \(a\)=\(1\) already exists/,
  );
  match(await sql.failure("SELEC 1"), /syntax error at or near "SELEC"/);
  const outcome = await sql.run({ content: "SELECT 1/0" });
  equal(outcome, { ok: false, error: { name: "ExecutionErr", message: "db error: ERROR: division by zero" } });
  match(sql.log(), /division by zero/);
  equal(await sql.result("SELECT 1 AS still"), [{ still: 1 }]);
});

both("too many rows, or too large ones, are an error and not the end of anything", async (sql) => {
  equal((await sql.result("SELECT generate_series(1, 1000) AS n") as unknown[]).length, 1000);
  match(await sql.failure("SELECT generate_series(1, 1000000) AS n"), /too large: more than 1000 rows/);
  match(await sql.failure("SELECT repeat('x', 60000) FROM generate_series(1, 3)"), /too large: more than 100000 bytes/);
  equal(await sql.result("SELECT 1 AS still"), [{ still: 1 }]);
});

both("COPY from and to a client is refused", async (sql) => {
  await sql.result("CREATE TABLE copied (a int)");
  match(await sql.failure("COPY copied FROM STDIN"), /Cannot run COPY/);
  match(await sql.failure("copy (SELECT 1) TO stdout"), /Cannot run COPY/);
  equal(await sql.result("SELECT count(*) AS n FROM copied"), [{ n: 0 }]);
});

both("a job that takes too long, or is cancelled, ends; the next one runs", async (sql) => {
  const late = await sql.run({ content: "SELECT pg_sleep(60)", timeoutMs: 200 });
  equal(late, { ok: false, error: { name: "ExecutionErr", message: "Job timed out after 0.2s" } });
  await sql.result("CREATE TABLE durable AS SELECT 1 AS a");
  const abort = new AbortController();
  const running = sql.run({
    content: "INSERT INTO durable SELECT count(*) FROM generate_series(1, 10000000000)",
    signal: abort.signal,
  });
  // It waits behind the other one, on PGlite, and has not begun when it is cancelled.
  const second = new AbortController();
  const waiting = sql.run({ content: "SELECT pg_sleep(60)", signal: second.signal });
  second.abort(new Error("nobody wants it"));
  equal(await waiting, { ok: false, error: { name: "Canceled", message: "nobody wants it" } });
  abort.abort(new Error("stopped by ada"));
  equal(await running, { ok: false, error: { name: "Canceled", message: "stopped by ada" } });
  equal(await sql.result("SELECT a FROM durable"), [{ a: 1 }]);
  // What was committed before the end is kept.
  await sql.run({ content: "INSERT INTO durable VALUES (2); SELECT pg_sleep(60)", timeoutMs: 2000 });
  equal(await sql.result("SELECT a FROM durable ORDER BY a"), [{ a: 1 }, { a: 2 }]);
});

both("many jobs at once each get their own rows", async (sql) => {
  const results = await Promise.all(
    Array.from(
      { length: 20 },
      (_, n) => sql.result("-- $1 n (int)\nSELECT $1 AS n, pg_sleep(0.001)::text AS z", { n }),
    ),
  );
  equal(results, Array.from({ length: 20 }, (_, n) => [{ n, z: null }]).map(([row]) => [{ ...row, z: "" }]));
});

both("names and texts in SQL are names and texts", async (sql) => {
  const text = `'; DROP TABLE kept; -- $1 "x" \\ $$`;
  equal(await sql.result("-- $1 t (text)\nSELECT $1 AS t, '$1' AS q, $$ $1 $$ AS d", { t: text }), [
    { t: text, q: "$1", d: " $1 " },
  ]);
});

both("declared names are put into the script", async (sql) => {
  await sql.result("CREATE TABLE fruits AS SELECT 'fig' AS name; CREATE TABLE secrets AS SELECT 'x' AS name");
  const content = "-- %%table%% fruits/vegetables\n-- $1 name (text)\nSELECT name FROM %%table%% WHERE name = $1";
  equal(await sql.result(content, { table: "fruits", name: "fig" }), [{ name: "fig" }]);
  match(await sql.failure(content, { table: "secrets", name: "x" }), /one of fruits, vegetables, found "secrets"/);
  await sql.result("DROP TABLE fruits; DROP TABLE secrets");
});

Deno.test("postgresql: a role is used on a server, and refused where it means nothing", async () => {
  const pglite = await kits[0]?.[1];
  ok(pglite);
  match(await pglite.failure("-- role reader\nSELECT 1"), /Cannot use role "reader": data table "main" is on PGlite/);
  match(await pglite.failure("-- role a b;\nSELECT 1"), /Cannot use role "a b;"/);
  const onServer = await kits[1]?.[1];
  if (onServer === undefined) return;
  await onServer.result("CREATE ROLE reader");
  equal(await onServer.result("-- role reader\nSELECT current_user::text AS u"), [{ u: "reader" }]);
  equal(await onServer.result("SELECT current_user::text AS u"), [{ u: "postgres" }]);
  match(await onServer.failure("-- role nobody\nSELECT 1"), /role "nobody" does not exist/);
});

Deno.test({
  name: "postgresql on server: resources name a database, by argument and by comment",
  ignore: server === undefined,
  fn: async () => {
    if (server === undefined) return;
    const resource = {
      host: "127.0.0.1",
      port: server.port,
      user: "postgres",
      password: "pass word:/@",
      dbname: "postgres",
    };
    await using sql = await openSql({
      resource: (path) => Promise.resolve(path === "f/db/main" ? resource : undefined),
    });
    equal(await sql.result("SELECT 1 AS a", { database: resource }), [{ a: 1 }]);
    equal(await sql.result("-- database f/db/main\nSELECT 2 AS a", { database: null }), [{ a: 2 }]);
    match(await sql.failure("-- database f/db/none\nSELECT 1"), /Cannot find resource "f\/db\/none"/);
    match(
      await sql.failure("-- database datatable://main\nSELECT 1"),
      /a data table is named by the argument "database"/,
    );
    match(await sql.failure("-- role x\nSELECT 1", { database: resource }), /a resource says its user/);
    match(
      await sql.failure("SELECT 1", { database: { ...resource, password: "no" } }),
      /password authentication failed/,
    );
    match(await sql.failure("SELECT 1", { database: { ...resource, port: 1 } }), /ECONNREFUSED/);
    match(await sql.failure("SELECT 1", { database: null }), /Missing database argument/);
    // A server without certificates is none for who requires them.
    match(await sql.failure("SELECT 1", { database: { ...resource, sslmode: "require" } }), /./);
  },
});

Deno.test("postgresql on PGlite: data tables are apart, and last longer than the process", async () => {
  const folder = await Deno.makeTempDir();
  {
    await using sql = await openSql({ dataFolder: folder, maxOpenDatabases: 1 });
    await sql.result("CREATE TABLE t AS SELECT 'main' AS name");
    equal(await sql.result("SELECT to_regclass('t') AS t", { database: "datatable://other" }), [{ t: null }]);
    await sql.result("CREATE TABLE t AS SELECT 'other' AS name", { database: "datatable://other" });
    equal(await sql.result("SELECT name FROM t"), [{ name: "main" }]);
    // One process opens a folder: a second runner is told so.
    await using second = await openSql({ dataFolder: folder });
    match(await second.failure("SELECT 1"), /another process uses it/);
    equal(await sql.result("SELECT name FROM t"), [{ name: "main" }]);
  }
  await using again = await openSql({ dataFolder: folder });
  equal(await again.result("SELECT name FROM t"), [{ name: "main" }]);
  equal(await again.result("SELECT name FROM t", { database: "datatable://other" }), [{ name: "other" }]);
  equal([...Deno.readDirSync(`${folder}/pg`)].map(({ name }) => name).sort(), [
    "main",
    "main.lock",
    "other",
    "other.lock",
  ]);
  await again[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("postgresql on PGlite: a first start that was cut off leaves nothing behind", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/pg/main.new/base`, { recursive: true });
  await Deno.writeTextFile(`${folder}/pg/main.new/PG_VERSION`, "18");
  await using sql = await openSql({ dataFolder: folder });
  equal(await sql.result("SELECT 1 AS a"), [{ a: 1 }]);
  await sql[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "postgresql on PGlite: files of the machine are closed to scripts",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const sql = await kits[0]?.[1];
    ok(sql);
    await Deno.writeTextFile(`${sql.folder}/secret`, "a-secret");
    const attempts = [
      `SELECT pg_read_file('${sql.folder}/secret')`,
      "SELECT pg_read_file('/etc/passwd')",
      "SELECT pg_read_file('../../secret')",
      "CREATE TABLE leak (t text); COPY leak FROM '/etc/passwd'; SELECT * FROM leak",
      `COPY (SELECT 1) TO '${sql.folder}/out'`,
      "COPY (SELECT 1) TO PROGRAM 'id'",
      `CREATE TABLESPACE out LOCATION '${sql.folder}'; SELECT pg_read_file('pg_tblspc/../secret')`,
      "SELECT lo_import('/etc/passwd')",
      "LOAD '/etc/passwd'",
    ];
    for (const content of attempts) {
      const outcome = await sql.run({ content });
      ok(!outcome.ok, `${content}: ${JSON.stringify(outcome)}`);
    }
    equal([...Deno.readDirSync(sql.folder)].map(({ name }) => name).sort(), ["pg", "secret"]);
    // A tablespace is a link of its own file system: no file is reached through it.
    await sql.result("SET allow_in_place_tablespaces = on; CREATE TABLESPACE here LOCATION ''");
    ok(![...Deno.readDirSync(`${sql.folder}/pg/main/pg_tblspc`)].some(({ isSymlink }) => isSymlink));
  },
});

Deno.test("postgresql: what is open is closed", async () => {
  for (const [, kit] of kits) await (await kit)?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});
