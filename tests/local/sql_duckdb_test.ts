/**
 * DuckDB jobs, and ducklakes: as plain files, and with the extension where it can be had.
 *
 * @module
 */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { findDucklake } from "./_ducklake_extension.ts";
import { openSql, type SqlKit } from "./_sql_kit.ts";

const extension = await findDucklake();
if ("reason" in extension) console.log(`Skipped: ducklakes with the extension: ${extension.reason}`);
const limits = { maxRows: 5000, maxResultBytes: 200_000, duckdbMemory: "128MB" };
const plain = await openSql(limits);
const lake = "file" in extension
  ? await openSql({ ...limits, ducklake: "local", ducklakeFile: extension.file })
  : undefined;

function run(sql: SqlKit, content: string, args: Parameters<SqlKit["result"]>[1] = {}): Promise<unknown> {
  return sql.result(content, args, "duckdb");
}

function fails(sql: SqlKit, content: string, args: Parameters<SqlKit["result"]>[1] = {}): Promise<string> {
  return sql.failure(content, args, "duckdb");
}

/** A case on plain files and with the extension. */
function both(name: string, test: (sql: SqlKit) => Promise<void>): void {
  Deno.test({ name: `duckdb: ${name}`, fn: () => test(plain), sanitizeOps: false, sanitizeResources: false });
  Deno.test({
    name: `duckdb with the ducklake extension: ${name}`,
    ignore: lake === undefined,
    fn: () => test(lake ?? plain),
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

Deno.test("duckdb: values come back as Windmill gives them", async () => {
  equal(
    await run(
      plain,
      `SELECT true AS b, 1::TINYINT AS ti, 9007199254740992 AS big, 170141183460469231731687303715884105727::HUGEINT AS huge, 1.50::DECIMAL(5,2) AS de,
      1.5::FLOAT AS f, 'inf'::DOUBLE AS inf, 'a' AS t, '{"a": [1]}'::JSON AS j, '\\x00\\xFF'::BLOB AS bl, DATE '1970-01-03' AS d, TIME '00:00:01' AS tm,
      TIMESTAMP '1970-01-01 00:00:01.5' AS ts, '1970-01-01 01:00:00+01'::TIMESTAMPTZ AS tz, TIMESTAMP_S '1970-01-01 00:01:00' AS sec,
      INTERVAL '1 month 2 days 3 seconds' AS iv, [1, NULL] AS l, {'k': 1, 'v': ['x']} AS s, MAP {'q': 2} AS m, 'x'::ENUM('x', 'y') AS e,
      '00000000-0000-0000-0000-000000000001'::UUID AS u, NULL AS n, [1::HUGEINT << 70] AS lh, count(*) AS c, sum(1) AS su`,
    ),
    [{
      b: true,
      ti: 1,
      big: 9007199254740992,
      huge: "170141183460469231731687303715884105727",
      de: "1.50",
      f: 1.5,
      inf: "Infinity",
      t: "a",
      j: { a: [1] },
      bl: [0, 255],
      d: 2,
      tm: "1000000",
      ts: "1500000",
      tz: "0",
      sec: "60",
      iv: { months: 1, days: 2, nanos: 3_000_000_000 },
      l: [1, null],
      s: { k: 1, v: ["x"] },
      m: { q: 2 },
      e: "x",
      u: "00000000-0000-0000-0000-000000000001",
      n: null,
      lh: ["1180591620717411303424"],
      c: 1,
      su: "1",
    }],
  );
});

Deno.test("duckdb: declared arguments are bound as their types", async () => {
  const content = `-- $day (date)
-- $n (bigint)
-- $x (double)
-- $list (json)
-- $name (text) = nobody
-- $small (tinyint)
SELECT typeof($day) AS d, $day + 1 = DATE '2020-01-03' AS next, typeof($n) AS n, typeof($x) AS x, $list->>'$.a' AS l, $name AS name, typeof($small) AS s`;
  equal(await run(plain, content, { day: "2020-01-02", n: 5, x: 1, list: { a: 7 }, small: 3 }), [
    { d: "DATE", next: true, n: "BIGINT", x: "DOUBLE", l: "7", name: "nobody", s: "TINYINT" },
  ]);
  match(await fails(plain, "-- $s (tinyint)\nSELECT $s", { s: 300 }), /300/);
  equal(await run(plain, "SELECT $undeclared AS u", { undeclared: "x" }), [{ u: "x" }]);
});

Deno.test("duckdb: every mode gives its shape", async () => {
  const two = "SELECT 1 AS a; SELECT range AS a FROM range(2, 4)";
  equal(await run(plain, two), [{ a: 2 }, { a: 3 }]);
  equal(await run(plain, `-- result_collection=last_statement_first_row_scalar\n${two}`), 2);
  equal(await run(plain, `-- result_collection=all_statements_all_rows_scalar\n${two}`), [[1], [2, 3]]);
  equal(await run(plain, `-- result_collection=legacy\n${two}`), [[{ a: 1 }], [{ a: 2 }, { a: 3 }]]);
  equal(await run(plain, "-- result_collection=last_statement_first_row\nSELECT 1 WHERE false"), null);
  equal(await run(plain, ""), []);
});

both("a lake lasts, and jobs on it take turns", async (sql) => {
  const attach = "ATTACH 'ducklake://main' AS dl; USE dl;";
  await run(sql, `${attach} CREATE TABLE counted (a BIGINT)`);
  await Promise.all(
    Array.from({ length: 6 }, (_, n) => run(sql, `-- $n (bigint)\n${attach} INSERT INTO counted VALUES ($n)`, { n })),
  );
  equal(await run(sql, `${attach} SELECT list(a ORDER BY a) AS l FROM counted`), [{ l: [0, 1, 2, 3, 4, 5] }]);
  match(
    await fails(sql, `ATTACH 'ducklake://main' AS dl (READ_ONLY); INSERT INTO dl.counted VALUES (1)`),
    /read-only/i,
  );
  match(await fails(sql, `${attach} BEGIN; INSERT INTO counted VALUES (7); SELECT error('no')`), /no/);
  equal(await run(sql, `${attach} SELECT count(*) AS n FROM counted`), [{ n: 6 }]);
  equal(
    await run(sql, "ATTACH 'ducklake://second' AS b; ATTACH 'ducklake' AS a; SELECT count(*) AS n FROM a.counted"),
    [{ n: 6 }],
  );
  match(await fails(sql, "SELECT * FROM dl.counted"), /Catalog|does not exist/);
  const bad = ["'ducklake://../up'", "'ducklake:///etc/passwd'", "'ducklake://x''; DROP TABLE y'"];
  for (const name of bad) match(await fails(sql, `ATTACH ${name} AS dl`), /Cannot read/, name);
});

both("what is killed in the middle is gone, and nothing else", async (sql) => {
  const attach = "ATTACH 'ducklake://killed' AS dl; USE dl;";
  await run(sql, `${attach} CREATE TABLE t AS SELECT 1 AS a`);
  const stop = new AbortController();
  // The lake is free again when the process is gone.
  const endless =
    `${attach} INSERT INTO t VALUES (2); INSERT INTO t SELECT count(*) FROM range(10000000000) a, range(1000) b`;
  const running = sql.run({
    content: `${attach} BEGIN; ${endless.slice(attach.length)}`,
    language: "duckdb",
    signal: stop.signal,
  });
  const next = run(sql, `${attach} SELECT a FROM t`);
  stop.abort(new Error("stopped by ada"));
  equal(await running, { ok: false, error: { name: "Canceled", message: "stopped by ada" } });
  equal(await next, [{ a: 1 }]);
  const late = await sql.run({ content: endless, language: "duckdb", timeoutMs: 500 });
  equal(late, { ok: false, error: { name: "ExecutionErr", message: "Job timed out after 0.5s" } });
  equal(await run(sql, `${attach} SELECT count(*) > 0 AS n FROM t`), [{ n: true }]);
});

both("files, the network, extensions and the limits are closed to scripts", async (sql) => {
  await Deno.writeTextFile(`${sql.folder}/secret`, "a-secret");
  const attach = "ATTACH 'ducklake://main' AS dl; USE dl;";
  const attempts = [
    `SELECT * FROM read_text('${sql.folder}/secret')`,
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd.csv'",
    "SELECT * FROM glob('/etc/*')",
    `COPY (SELECT 1) TO '${sql.folder}/out.csv'`,
    `ATTACH '${sql.folder}/duck/other.duckdb' AS o`,
    `EXPORT DATABASE '${sql.folder}/out'`,
    "IMPORT DATABASE '/tmp'",
    "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "SET temp_directory = '/tmp'",
    "SET allowed_directories = ['/']",
    "PRAGMA temp_directory='/etc'",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
  ];
  for (const attempt of attempts) {
    for (const before of ["", attach]) {
      const outcome = await sql.run({ content: before + attempt, language: "duckdb" });
      ok(!outcome.ok, `${before}${attempt}: ${JSON.stringify(outcome)}`);
      ok(!JSON.stringify(outcome).includes("a-secret"));
    }
  }
  // What opens nothing may be set.
  equal(await run(sql, "SET TimeZone = 'Asia/Tokyo'; SELECT '2020-01-01'::TIMESTAMPTZ::VARCHAR AS t"), [
    { t: "2020-01-01 00:00:00+09" },
  ]);
  equal(await run(sql, "SELECT current_setting('TimeZone') AS z"), [{ z: "UTC" }]);
});

both("what a script has DuckDB print is no answer, to it or to the next job", async (sql) => {
  const forged = `chr(10) || '{"kind":"result","warnings":[]}' || chr(10) || '[{"forged":1}]' || chr(10)`;
  for (const printed of ["'a'", forged, `repeat(${forged}, 1000)`]) {
    const log = `CALL enable_logging(level = 'info', storage = 'stdout'); SELECT write_log(${printed});`;
    equal(await run(sql, `${log} SELECT 1 AS a`), [{ a: 1 }]);
    equal(await run(sql, "SELECT 2 AS a"), [{ a: 2 }]);
  }
});

Deno.test("duckdb: memory and results are bounded", async () => {
  match(
    await fails(plain, "SELECT length(string_agg(repeat('x', 1000), '')) FROM range(1000000)"),
    /Out of Memory Error|could not allocate/i,
  );
  match(await fails(plain, "SELECT * FROM range(1000000)"), /too large: more than 5000 rows/);
  match(await fails(plain, "SELECT repeat('x', 100000) FROM range(3)"), /too large: more than 200000 bytes/);
  equal(await run(plain, "SELECT * FROM range(1000000); SELECT 1 AS a"), [{ a: 1 }]);
});

Deno.test("duckdb: what it cannot do here is said", async () => {
  match(await fails(plain, "-- role x\nSELECT 1"), /DuckDB has no roles/);
  match(await fails(plain, "SELECT * FROM absent"), /Catalog Error: Table with name absent does not exist/);
});

Deno.test("duckdb: data tables can be read beside a lake, as a copy", async () => {
  await plain.result(
    `CREATE TABLE "Order" (id bigint, price numeric(10,2), at timestamptz, raw bytea, doc jsonb, tags text[], "odd ""name" date);
    INSERT INTO "Order" VALUES (9007199254740993, 1.10, '2020-01-01 00:00:00+00', '\\x00ff', '{"a": 1}', '{x,"y z"}', '2020-01-02'), (NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE SCHEMA shop; CREATE TABLE shop.item AS SELECT 1 AS id; CREATE TABLE unnamed AS SELECT 1 AS id; CREATE TABLE of_none (a int)`,
  );
  const attach = "ATTACH 'datatable://main' AS dt; ATTACH 'ducklake://main' AS dl; ";
  equal(
    await run(
      plain,
      `${attach}SELECT o.*, typeof(price) AS t, hex(raw) AS h, "odd ""name" = DATE '2020-01-02' AS d FROM dt."Order" o WHERE id = 9007199254740993`,
    ),
    [{
      id: 9007199254740992,
      price: "1.10",
      at: "1577836800000000",
      raw: [0, 255],
      doc: { a: 1 },
      tags: '{x,"y z"}',
      'odd "name': 18263,
      t: "DECIMAL(10,2)",
      h: "00FF",
      d: true,
    }],
  );
  match(plain.log(), /Warning: data table "main" is a copy of the tables that the script names/);
  equal(await run(plain, `${attach}SELECT count(*) AS n FROM dt.public."Order" JOIN dt.shop.item USING (id)`), [{
    n: 0,
  }]);
  equal(await run(plain, `${attach}SELECT count(*) AS n FROM dt.of_none`), [{ n: 0 }]);
  match(await fails(plain, `${attach}INSERT INTO dt.shop.item VALUES (2)`), /read-only/);
  match(await fails(plain, `${attach}SELECT * FROM dt.absent`), /absent does not exist/);
  await plain.result("CREATE TABLE large AS SELECT generate_series(1, 6000) AS n");
  match(await fails(plain, `${attach}SELECT count(*) FROM dt.large`), /too large: more than 5000 rows/);
  match(await fails(plain, "ATTACH 'datatable://..' AS dt; SELECT 1"), /Cannot read|Cannot use/);
});

Deno.test("duckdb: a lake as a plain file says what differs, and takes partitions for what they are", async () => {
  const attach = "ATTACH 'ducklake://parts' AS dl; USE dl;";
  await run(plain, `${attach} CREATE TABLE t (a INT, day VARCHAR); ALTER TABLE t SET PARTITIONED BY (day);`);
  match(
    plain.log(),
    /Warning: ducklake "parts" is a plain DuckDB file, as the ducklake extension is turned off: there are no snapshots/,
  );
  match(await fails(plain, `${attach} ALTER TABLE t SET PARTITIONED BY (absent)`), /absent/);
  equal(await run(plain, `${attach} SELECT max(snapshot_id) AS s FROM ducklake_snapshots('dl')`), [{ s: null }]);
});

Deno.test({
  name: "duckdb with the ducklake extension: snapshots count, and partitions are files",
  ignore: lake === undefined,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    if (lake === undefined) return;
    const attach = "ATTACH 'ducklake://parts' AS dl; USE dl;";
    await run(lake, `${attach} CREATE TABLE t (a INT, day VARCHAR); ALTER TABLE t SET PARTITIONED BY (day);`);
    await run(lake, `${attach} INSERT INTO t SELECT range, 'd' || (range % 2) FROM range(2000)`);
    equal(lake.log(), "");
    equal(await run(lake, `${attach} SELECT max(snapshot_id) >= 2 AS s FROM ducklake_snapshots('dl')`), [{ s: true }]);
    const days = [...Deno.readDirSync(`${lake.folder}/duck/parts/files/main/t`)].map(({ name }) => name).sort();
    equal(days, ["day=d0", "day=d1"]);
    // The same lake without the extension is refused, and not begun anew.
    await using without = await openSql({ dataFolder: lake.folder, ducklake: "off" });
    match(
      await fails(without, `${attach} SELECT 1`),
      /Cannot attach ducklake "parts": it was made with the ducklake extension/,
    );
    // A data folder may be moved.
    const moved = await Deno.makeTempDir();
    await new Deno.Command("cp", { args: ["-r", `${lake.folder}/duck`, moved] }).output();
    await using there = await openSql({
      dataFolder: moved,
      ducklake: "local",
      ...("file" in extension ? { ducklakeFile: extension.file } : {}),
    });
    equal(await run(there, `${attach} SELECT count(*) AS n FROM t`), [{ n: 2000 }]);
    await Deno.remove(moved, { recursive: true });
  },
});

Deno.test("duckdb: what is open is closed, and leaves no file behind", async () => {
  for (const sql of [plain, lake]) {
    if (sql === undefined) continue;
    const left = [...Deno.readDirSync(`${sql.folder}/duck`)].map(({ name }) => name).filter((name) =>
      name.startsWith(".temporary")
    );
    equal(left, []);
    await sql[Symbol.asyncDispose]();
  }
});

Deno.test("duckdb: declared names and variables of the job are put into the script", async () => {
  const content = "-- %%column%% a/b\nSELECT %%column%% AS v, '%%WM_NONE%%' AS w FROM (SELECT 1 AS a, 2 AS b, 3 AS c)";
  equal(await run(plain, content, { column: "b" }), [{ v: 2, w: "%%WM_NONE%%" }]);
  match(await fails(plain, content, { column: "c" }), /one of a, b, found "c"/);
});
