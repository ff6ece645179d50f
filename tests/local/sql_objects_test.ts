/**
 * DuckDB scripts on the workspace's objects: files of the data folder, and a real S3.
 *
 * @module
 */
import { deepStrictEqual as equal, match, ok, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import type { Caller, Objects, ObjectStore } from "../../src/server/ports.ts";
import { openDatabase } from "../../src/server/database.ts";
import { createJobObjects } from "../../src/server/objects/job_objects.ts";
import { openObjects } from "../../src/server/objects/objects.ts";
import { addressOf, filePlaces, readAddress, withFiles } from "../../src/runner/sql/duck_files.ts";
import { createDuckObjects } from "../../src/runner/sql/duck_objects.ts";
import { keyPattern } from "../../src/runner/sql/key_pattern.ts";
import type { JobStorage } from "../../src/runner/ports.ts";
import type { SqlRunnerOptions } from "../../src/runner/sql/sql_runner.ts";
import { splitStatements } from "../../src/runner/sql/statements.ts";
import type { Json } from "../../src/workflow/journal.ts";
import { installS3Server, startS3Server } from "../e2e/_s3_server.ts";
import { openSql } from "./_sql_kit.ts";

/** A runner with objects. */
interface Trial extends AsyncDisposable {
  readonly objects: Objects;
  readonly folder: string;
  run(content: string, args?: Readonly<Record<string, Json>>): Promise<unknown>;
  fails(content: string, args?: Readonly<Record<string, Json>>): Promise<string>;
  put(key: string, text: string, storage?: string): Promise<void>;
  text(key: string, storage?: string): Promise<string | undefined>;
  keys(storage?: string): Promise<readonly string[]>;
  /** What the job's token may do. */
  caller: Caller | undefined;
}

async function open(options: Partial<SqlRunnerOptions> = {}, s3: Json = {}): Promise<Trial> {
  const data = await Deno.makeTempDir({ prefix: "windkit-sql-objects-" });
  const database = await openDatabase({ path: join(data, "server.sqlite"), durability: "process" });
  const objects = await openObjects({
    dir: join(data, "objects"),
    database,
    now: () => 1_700_000_000_000,
    s3,
    folder: { interpolate: (value) => value },
    secrets: { remember: () => {} },
  });
  const trial: { caller: Caller | undefined } = { caller: { username: "a", email: "a@b", isAdmin: true, job: "j" } };
  const identity = { callerOf: () => trial.caller };
  const sql = await openSql({
    dataFolder: data,
    objects: (token) => createJobObjects({ objects, identity, workspace: "ws" }, token),
    ...options,
  });
  return Object.assign(trial, {
    objects,
    folder: data,
    run: (content: string, args = {}) => sql.result(content, args, "duckdb"),
    fails: (content: string, args = {}) => sql.failure(content, args, "duckdb"),
    async put(key: string, text: string, storage?: string) {
      await objects.storage(storage).write(key, new Blob([text]).stream(), {});
    },
    async text(key: string, storage?: string) {
      const found = await objects.storage(storage).read(key);
      return found === undefined ? undefined : await new Response(found.body).text();
    },
    async keys(storage?: string) {
      return (await objects.storage(storage).list({ prefix: "", limit: 1000 })).objects.map(({ key }) => key);
    },
    async [Symbol.asyncDispose]() {
      await sql[Symbol.asyncDispose]();
      database.close();
      await Deno.remove(data, { recursive: true });
    },
  });
}

/** Nothing of a job is left in the folder of DuckDB. */
async function isClean(folder: string): Promise<boolean> {
  for await (const { name } of Deno.readDir(join(folder, "duck"))) if (name.startsWith(".temporary-")) return false;
  return true;
}

const CSV = "id,name\n1,Ada\n2,Bob\n";
const rows = [{ id: 1, name: "Ada" }, { id: 2, name: "Bob" }];

function case_(name: string, test: () => Promise<void>): void {
  Deno.test({ name: `duckdb on objects: ${name}`, fn: test, sanitizeOps: false, sanitizeResources: false });
}

function placesOf(sql: string): readonly string[] {
  return splitStatements(sql).flatMap((one) =>
    filePlaces(one).map(({ role, from }) => `${role} ${"text" in from ? from.text : `$${from.argument}`}`)
  );
}

Deno.test("filePlaces() finds files where DuckDB expects one, and leaves other texts alone", () => {
  const found: readonly (readonly [string, ...string[]])[] = [
    ["FROM 's3:///a.csv'", "read s3:///a.csv"],
    [`SELECT * FROM "s3:///a.csv" x JOIN 's3://b/c' USING (id)`, "read s3:///a.csv", "read s3://b/c"],
    ["SELECT * FROM 's3:///a', 's3:///b' WHERE x IN ('s3:///c')", "read s3:///a", "read s3:///b"],
    ["FROM read_csv('s3:///a', header = true)", "read s3:///a"],
    ["FROM read_parquet(['s3:///a', 's3:///b'], filename = 's3:///no')", "read s3:///a", "read s3:///b"],
    ["FROM read_parquet($f)", "read $f"],
    ["SELECT 's3:///a' AS t, $f AS f, upper('s3:///a'), \"s3:///b\" FROM x"],
    ["SELECT * FROM x WHERE a IS DISTINCT FROM 's3:///a' AND trim('x' FROM 's3:///b') = 's3:///c'"],
    ["FROM read_csv('s3:///a' || $x)"],
    ["FROM read_csv('/etc/passwd')"],
    ["-- FROM 's3:///a'\n/* FROM 's3:///b' */ SELECT $$ FROM 's3:///c' $$"],
    ["COPY (SELECT * FROM 's3:///a') TO 's3:///b' (FORMAT parquet)", "read s3:///a", "write s3:///b"],
    ["COPY t FROM 's3:///a'; COPY t TO $f", "read s3:///a", "write $f"],
    ["SELECT (SELECT count(*) FROM 's3:///it''s')", "read s3:///it's"],
    ["WITH a AS (FROM 's3:///a') SELECT list(x) FROM a", "read s3:///a"],
    ["ATTACH 's3:///a.duckdb' AS d (READ_ONLY)", "attach s3:///a.duckdb"],
    ["SUMMARIZE 's3:///a'; DESCRIBE FROM 's3:///b'", "read s3:///a", "read s3:///b"],
  ];
  for (const [sql, ...wanted] of found) equal(placesOf(sql), wanted, sql);
});

Deno.test("withFiles() puts files in the place of addresses, and moves the other places", () => {
  const [statement] = splitStatements("SELECT $a, * FROM read_csv($f), 's3://st/it''s' WHERE x = $a AND y = $f");
  ok(statement);
  const { statement: made, uses } = withFiles(
    statement,
    new Map([["f", { name: "f", type: "s3object" }]]),
    { a: "s3:///x", f: { s3: "k" } },
    ({ storage, key }, role) => `/t/${storage}:${key}:${role}`,
  );
  equal(uses, true);
  equal(made.text, "SELECT $a, * FROM read_csv('/t/:k:read'), '/t/st:it''s:read' WHERE x = $a AND y = $f");
  equal(made.places.map(({ start, end, name }) => [made.text.slice(start, end), name]), [["$a", "a"], ["$a", "a"], [
    "$f",
    "f",
  ]]);
});

Deno.test("readAddress() and addressOf() read what SDKs and scripts write", () => {
  equal(readAddress("s3:///a/b c.csv"), { storage: "", key: "a/b c.csv" });
  equal(readAddress("s3://x/a"), { storage: "x", key: "a" });
  for (const bad of ["s3://x", "s3:///", "s3://"]) throws(() => readAddress(bad), /expected s3:\/\/\/key/);
  equal(addressOf({ s3: "k", storage: "x" }), "s3://x/k");
  equal(addressOf({ s3: "k" }), "s3:///k");
  equal(addressOf("s3:///k"), "s3:///k");
  for (const none of [null, 1, "k", [], {}, { s3: 1 }, { s3: "" }]) equal(addressOf(none), undefined);
});

Deno.test("keyPattern() means what DuckDB's patterns mean", () => {
  const matching: readonly (readonly [pattern: string, yes: readonly string[], no: readonly string[]])[] = [
    ["a/*.csv", ["a/.csv", "a/x.csv"], ["a/b/x.csv", "a/x.csv2", "b/x.csv"]],
    ["**/x", ["x", "a/x", "a/b/x"], ["ax", "x/"]],
    ["a/**", ["a/b", "a/b/c", "a/"], ["b"]],
    ["a**c", ["ac", "a/b/c"], ["ab"]],
    ["a?c", ["abc", "a\u{1f600}c"], ["a/c", "ac", "abbc"]],
    ["[a-c_]x", ["ax", "cx", "_x"], ["dx", "/x", "-x"]],
    ["[!a-c]x", ["dx"], ["ax", "/x"]],
    ["[^a]x", ["bx"], ["ax"]],
    ["[]a]x", ["]x", "ax"], ["bx"]],
    ["[c-a]x", ["cx", "ax", "-x"], ["bx"]],
    ["[a", ["[a"], ["a"]],
    ["a.(b)+*", ["a.(b)+c"], ["axbc"]],
  ];
  for (const [pattern, yes, no] of matching) {
    for (const key of yes) ok(keyPattern(pattern)(key), `${pattern} ${key}`);
    for (const key of no) ok(!keyPattern(pattern)(key), `${pattern} ${key}`);
  }
});

Deno.test("keyPattern() has an answer for a pattern that fits in very many ways", () => {
  equal(keyPattern(`${"*a".repeat(40)}b`)("a".repeat(1000)), false);
  equal(keyPattern(`${"**/*".repeat(20)}b`)("a/".repeat(500)), false);
});

/** Files below a folder that this process has open, where the system tells. */
async function openFiles(folder: string): Promise<readonly string[]> {
  if (Deno.build.os !== "linux") return [];
  const open: string[] = [];
  for await (const { name } of Deno.readDir("/proc/self/fd")) {
    // The one that this list is read by is gone when it is looked at.
    const path = await Deno.readLink(`/proc/self/fd/${name}`).catch(() => "");
    if (path.startsWith(folder)) open.push(path);
  }
  return open;
}

Deno.test("A file is closed whose object the storage refuses", async () => {
  const folder = await Deno.makeTempDir({ prefix: "windkit-sql-objects-" });
  const storage: JobStorage = {
    name: "",
    read: () => Promise.resolve(undefined),
    list: () => Promise.resolve({ keys: [] }),
    checkWrite: () => {},
    write: () => Promise.reject(new Error("refused")),
  };
  const limits = { maxBytes: 1, maxObjects: 1, maxListed: 1 };
  const files = createDuckObjects({ storage: () => storage }, folder, limits);
  const { signal } = new AbortController();
  const path = files.use({ storage: "", key: "a.csv" }, "write", "COPY");
  await files.fetch(signal);
  await Deno.writeTextFile(path, CSV);
  await rejects(() => files.put(signal), /refused/);
  equal(await openFiles(folder), []);
  await Deno.remove(folder, { recursive: true });
});

case_("objects are read by address, argument and pattern", async () => {
  await using trial = await open();
  await trial.put("f/a.csv", CSV);
  await trial.put("f/b.csv", "id,name\n3,Cy\n");
  await trial.put("f/deep/c.csv", "id,name\n4,Di\n");
  await trial.put("g/a.json", `[{"id": 9}]`);
  await trial.put("f/a.csv", "id,name\n7,Eve\n", "other");
  equal(await trial.run("SELECT * FROM 's3:///f/a.csv'"), rows);
  equal(await trial.run("SELECT * FROM read_csv('s3://main/f/a.csv')"), rows);
  equal(await trial.run("FROM read_csv('s3://other/f/a.csv')"), [{ id: 7, name: "Eve" }]);
  equal(await trial.run("FROM read_json('s3:///g/a.json')"), [{ id: 9 }]);
  for (const file of [{ s3: "f/a.csv" }, "s3:///f/a.csv", { s3: "f/a.csv", storage: "_default_" }]) {
    equal(await trial.run("-- $file (s3object)\nSELECT * FROM read_csv($file)", { file }), rows);
  }
  equal(await trial.run("-- $file (s3object)\nSELECT $file AS f", { file: { s3: "f/a.csv" } }), [{
    f: "s3:///f/a.csv",
  }]);
  equal(await trial.run("-- $file (text)\nFROM read_csv($file)", { file: "s3:///f/a.csv" }), rows);
  const ids = (pattern: string) => trial.run(`SELECT list(id ORDER BY id) AS l FROM read_csv('${pattern}')`);
  equal(await ids("s3:///f/*.csv"), [{ l: [1, 2, 3] }]);
  equal(await ids("s3:///f/**/*.csv"), [{ l: [1, 2, 3, 4] }]);
  equal(await ids("s3:///f/[b-z].csv"), [{ l: [3] }]);
  equal(await ids("s3:///?/?.csv"), [{ l: [1, 2, 3] }]);
  equal(await ids("s3:///*/deep/*"), [{ l: [4] }]);
  equal(await trial.run("SELECT filename FROM read_csv('s3:///f/b.csv', filename = true)"), [{
    filename: "s3:///f/b.csv",
  }]);
  equal(await trial.run("SELECT file FROM glob('s3:///f/*') ORDER BY file"), [{ file: "s3:///f/a.csv" }, {
    file: "s3:///f/b.csv",
  }]);
  ok(await isClean(trial.folder));
});

case_("what COPY writes is there when the job has ended well", async () => {
  await using trial = await open();
  await trial.put("in.csv", CSV);
  await trial.run("COPY (SELECT * FROM 's3:///in.csv') TO 's3:///out/all.parquet' (FORMAT parquet)");
  equal(await trial.run("SELECT * FROM 's3:///out/all.parquet'"), rows);
  // It reads what it wrote.
  equal(
    await trial.run("COPY (SELECT 5 AS n) TO 's3://other/n.csv'; SELECT * FROM 's3://other/n.csv'"),
    [{ n: 5 }],
  );
  equal(await trial.text("n.csv", "other"), "n\n5\n");
  // Over an object that it reads.
  await trial.run("COPY (SELECT id + 1 AS id FROM 's3:///in.csv') TO 's3:///in.csv'");
  equal(await trial.text("in.csv"), "id\n2\n3\n");
  await trial.run("-- $to (s3object)\nCOPY (SELECT 1 AS a) TO $to", { to: { s3: "arg.csv" } });
  equal(await trial.text("arg.csv"), "a\n1\n");
  match(await trial.fails("COPY (SELECT 1 AS a) TO 's3:///lost.csv'; SELECT error('no')"), /no/);
  equal(await trial.text("lost.csv"), undefined);
  equal(await trial.keys(), ["arg.csv", "in.csv", "out/all.parquet"]);
  ok(await isClean(trial.folder));
});

case_("a folder is written in parts, beside what is there only when that is said", async () => {
  await using trial = await open();
  const copy = "COPY (SELECT range AS n, range % 2 AS p FROM range(4)) TO 's3:///parts' (FORMAT csv, PARTITION_BY (p)";
  await trial.run(`${copy})`);
  equal(await trial.keys(), ["parts/p=0/data_0.csv", "parts/p=1/data_0.csv"]);
  equal(
    await trial.run("SELECT p, list(n ORDER BY n) AS l FROM read_csv('s3:///parts/*/*.csv') GROUP BY p ORDER BY p"),
    [{ p: 0, l: [0, 2] }, { p: 1, l: [1, 3] }],
  );
  match(await trial.fails(`${copy})`), /not empty.*OVERWRITE_OR_IGNORE/);
  match(await trial.fails(`${copy}, OVERWRITE)`), /no objects are removed/);
  await trial.put("parts/p=0/other.csv", "n\n8\n");
  await trial.run(`${copy}, OVERWRITE_OR_IGNORE)`);
  equal((await trial.keys()).length, 3);
});

case_("nothing else of the machine is open to it", async () => {
  await using trial = await open();
  await trial.put("a.csv", CSV);
  await Deno.writeTextFile(join(trial.folder, "secret.csv"), "s\n1\n");
  const inside = "SELECT count(*) FROM 's3:///a.csv';";
  for (
    const sql of [
      `FROM read_csv('${trial.folder}/secret.csv')`,
      `FROM glob('${trial.folder}/objects/**')`,
      `FROM read_text('/etc/passwd')`,
      `COPY (SELECT 1) TO '${trial.folder}/out.csv'`,
      "SET allowed_directories = ['/']",
      "SET enable_external_access = true",
      "INSTALL httpfs",
      // By a path that begins in the job's own folder.
      `SET VARIABLE own = (SELECT any_value(filename) FROM read_csv('s3:///a.csv', filename = true));
       FROM read_csv(getvariable('own') || '/../../../../secret.csv')`,
      `SET VARIABLE own = (SELECT any_value(filename) FROM read_csv('s3:///a.csv', filename = true));
       FROM read_csv(replace(getvariable('own'), 'a.csv', '../../../secret.csv'))`,
      `SET VARIABLE own = (SELECT any_value(filename) FROM read_csv('s3:///a.csv', filename = true));
       COPY (SELECT 1) TO (replace(getvariable('own'), 'a.csv', '../../../out.csv'))`,
    ]
  ) {
    const error = await trial.fails(`${inside} ${sql}`);
    match(error, /Permission|Cannot access|locked|disabled|Cannot change/i, sql + error);
  }
  for (const key of ["../secret.csv", "a/../../secret.csv", "a//b", "./a.csv", "/a.csv", "a/", "a\\b"]) {
    match(await trial.fails(`FROM 's3:///${key}'`), /parts of a key/, key);
    match(await trial.fails(`COPY (SELECT 1) TO 's3:///${key}'`), /parts of a key/, key);
  }
  // A key that could be no path below the folder does not get there by a pattern either.
  await trial.put("x/../../evil.csv", CSV);
  match(await trial.fails("FROM read_csv('s3:///x/**')"), /parts of a key/);
  // What it writes beside, by names that it makes, is put nowhere; the objects' own files stay as they are.
  await trial.run(`SET VARIABLE own = (SELECT any_value(filename) FROM read_csv('s3:///a.csv', filename = true));
    COPY (SELECT 1 AS a) TO (getvariable('own')); COPY (SELECT 1 AS a) TO (getvariable('own') || '2')`);
  equal(await trial.text("a.csv"), CSV);
  equal(await trial.keys(), ["a.csv", "x/../../evil.csv"]);
  ok(await isClean(trial.folder));
});

case_("a link in the data folder leads nowhere", async () => {
  await using trial = await open();
  await trial.put("a.csv", CSV);
  // DuckDB follows links in a folder that is open to it: none gets there, as only bytes of objects are copied.
  await Deno.symlink("/etc", join(trial.folder, "objects", "main", "link"));
  equal(await trial.run("FROM read_text('s3:///link/passwd')"), []);
  equal(await trial.run("SELECT count(*) AS n FROM glob('s3:///**')"), [{ n: 1 }]);
});

case_("what is wrong is named", async () => {
  await using trial = await open({ maxObjectBytes: 30, maxObjects: 2 });
  await trial.put("a.csv", CSV);
  await trial.put("b.csv", CSV);
  await trial.put("c.csv", "id\n");
  await trial.put("d.csv", "id\n");
  match(await trial.fails("FROM 's3:///none.csv'"), /No files found.*"s3:\/\/\/none\.csv"/);
  match(await trial.fails("FROM read_csv('s3:///n*.csv')"), /No files found.*"s3:\/\/\/n\*\.csv"/);
  match(await trial.fails("FROM read_csv('s3:///[ab].csv')"), /"s3:\/\/\/b\.csv": .*more than 30 bytes/);
  await trial.put("e.csv", "id\n");
  match(await trial.fails("FROM read_csv('s3:///[c-e].csv')"), /"s3:\/\/\/e\.csv": .*more than 2 objects/);
  match(await trial.fails("FROM read_csv(['s3:///a.csv', 's3:///c.csv', 's3:///d.csv'])"), /more than 2 objects/);
  match(await trial.fails(`FROM 's3:///${"\u00e9".repeat(101)}'`), /must have 1 to 200 bytes/);
  match(await trial.fails("FROM 's3:///'"), /expected s3:\/\/\/key/);
  match(await trial.fails("FROM read_csv('s3:///' || 'a.csv')"), /must stand whole/);
  match(await trial.fails("COPY (SELECT 1) TO 's3:///x*.csv'"), /found a pattern/);
  match(await trial.fails("ATTACH 's3:///a.duckdb' AS d"), /READ_ONLY/);
  match(await trial.fails("-- $f (s3object)\nFROM read_csv($f)", { f: 7 }), /argument "f".*found number/);
  match(await trial.fails("-- $f (s3object)\nFROM read_csv($f)"), /argument "f".*found nothing/);
  match(
    await trial.fails("ATTACH 'ducklake' AS dl; CREATE VIEW dl.v AS FROM 's3:///a.csv'"),
    /lasts as long as the job/,
  );
  equal(await trial.run("CREATE VIEW v AS FROM 's3:///a.csv'; FROM v"), rows);
  ok(await isClean(trial.folder));
});

case_("what a job writes is bounded before it is put", async () => {
  await using trial = await open({ maxObjectBytes: 2 ** 20 });
  await trial.put("a.csv", CSV);
  const endless = "SELECT repeat('x', 1000) AS x FROM range(1000000000000)";
  match(await trial.fails(`COPY (${endless}) TO 's3:///big.csv'`), /ended: what it writes .* 1 MiB of the disk/);
  // Beside its objects: what it writes there is put nowhere, and takes its place all the same.
  const aside = `SET VARIABLE own = (SELECT any_value(filename) FROM read_csv('s3:///a.csv', filename = true));
    COPY (${endless}) TO (getvariable('own') || '2')`;
  match(await trial.fails(aside), /ended: what it writes .* 1 MiB of the disk/);
  equal(await trial.keys(), ["a.csv"]);
  ok(await isClean(trial.folder));
  equal(await trial.run("FROM 's3:///a.csv'"), rows);
});

case_("a job does what its token may do", async () => {
  await using trial = await open();
  await trial.put("a.csv", CSV);
  const { caller } = trial;
  ok(caller);
  trial.caller = { ...caller, scopes: ["job_helpers:read"] };
  equal(await trial.run("FROM 's3:///a.csv'"), rows);
  match(await trial.fails("COPY (SELECT 1) TO 's3:///b.csv'"), /Permission denied: .*write objects/);
  trial.caller = { ...caller, scopes: ["jobs:run"] };
  match(await trial.fails("FROM 's3:///a.csv'"), /Permission denied: .*read objects/);
  trial.caller = undefined;
  match(await trial.fails("FROM 's3:///a.csv'"), /Permission denied: the job has ended/);
  equal(await trial.keys(), ["a.csv"]);
});

case_("tables of a ducklake are filled from objects, and written to them", async () => {
  await using trial = await open();
  await trial.put("a.csv", CSV);
  const attach = "ATTACH 'ducklake' AS dl; USE dl;";
  await trial.run(`${attach} CREATE TABLE people AS FROM 's3:///a.csv'`);
  await trial.run(`${attach} COPY people TO 's3:///people.parquet'`);
  equal(await trial.run("FROM 's3:///people.parquet'"), rows);
});

case_("a store that never answers does not hold a job that is cancelled", async () => {
  for (const hangs of ["read", "body", "list", "write"] as const) {
    const stop = new AbortController();
    const hang = (): Promise<never> => {
      stop.abort(new Error("enough"));
      return new Promise(() => {});
    };
    let isCancelled = false;
    const source = { pull: hang, cancel: () => void (isCancelled = true) };
    const body = new ReadableStream<Uint8Array>(source, { highWaterMark: 0 });
    await using sql = await openSql({
      objects: () => ({
        storage: () => ({
          name: "",
          read: () => hangs === "body" ? Promise.resolve({ size: 1, body }) : hang(),
          list: hang,
          write: hang,
          checkWrite: () => {},
        }),
      }),
    });
    const content = hangs === "write"
      ? "COPY (SELECT 1) TO 's3:///a.csv'"
      : `FROM read_csv('s3:///${hangs === "list" ? "*" : "a"}.csv')`;
    equal(await sql.run({ content, language: "duckdb", signal: stop.signal }), {
      ok: false,
      error: { name: "Canceled", message: "enough" },
    }, hangs);
    equal(isCancelled, hangs === "body");
    ok(await isClean(sql.folder));
  }
});

const missing = await installS3Server();
Deno.test({
  name: `duckdb on objects: a real S3${missing === undefined ? "" : ` (${missing})`}`,
  ignore: missing !== undefined,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    await using server = await startS3Server(["main"]);
    const { endpoint } = server;
    const main = { endpoint, bucket: "main", accessKey: "S3RVER", secretKey: "S3RVER" };
    await using trial = await open({}, { main });
    const store: ObjectStore = trial.objects.storage();
    ok(store.s3 !== undefined);
    await trial.put("f/a.csv", CSV);
    await trial.run("COPY (SELECT * FROM read_csv('s3:///f/*.csv')) TO 's3:///f/a.parquet'");
    equal(await trial.run("FROM 's3:///f/a.parquet'"), rows);
    equal(await trial.keys(), ["f/a.csv", "f/a.parquet"]);
  },
});
