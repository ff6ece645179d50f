/** The test kit: files, their public addresses, and statements of SQL. */
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { stillClock } from "./_client_kit.ts";
import { ask, said, start } from "./_mock_kit.ts";
import { test } from "./harness.ts";

test("mockWindmill(): files are uploaded, read in parts, listed, moved and deleted", async () => {
  const { mock } = start({
    s3: { "a/one.txt": "one", "s3://cold/two.bin": { content: new Uint8Array([1, 2, 3]), contentType: "image/png" } },
  });
  const key = encodeURIComponent("a/ü &?#.txt");
  assertEquals(
    await said(ask(mock, "POST", `job_helpers/upload_s3_file?file_key=${key}&content_type=text/csv`, "0123456789")),
    '200 {"file_key":"a/ü &?#.txt"}',
  );
  assertEquals(mock.s3.get("a/ü &?#.txt")?.text(), "0123456789");
  async function read(range?: string): Promise<readonly unknown[]> {
    const headers: Record<string, string> = range === undefined ? {} : { range };
    const answer = await ask(mock, "GET", `job_helpers/download_s3_file?file_key=${key}`, null, headers);
    return [answer.status, answer.headers.get("content-range"), await answer.text()];
  }
  assertEquals(await read(), [200, null, "0123456789"]);
  assertEquals(await read("bytes=2-4"), [206, "bytes 2-4/10", "234"]);
  assertEquals(await read("bytes=7-"), [206, "bytes 7-9/10", "789"]);
  assertEquals(await read("bytes=-3"), [206, "bytes 7-9/10", "789"]);
  assertEquals(await read("bytes=0-99"), [206, "bytes 0-9/10", "0123456789"]);
  assertEquals(await read("bytes=10-"), [416, "bytes */10", "Range not satisfiable"]);
  const cold = await ask(mock, "GET", "job_helpers/download_s3_file?file_key=two.bin&storage=cold");
  assertEquals([cold.headers.get("content-type"), cold.headers.get("content-length")], ["image/png", "3"]);
  assertEquals(new Uint8Array(await cold.arrayBuffer()), new Uint8Array([1, 2, 3]));
  const meta = await (await ask(mock, "GET", `job_helpers/load_file_metadata?file_key=${key}`)).json();
  assertEquals([meta.mime_type, meta.size_in_bytes], ["text/csv", 10]);
  const named = await (await ask(mock, "POST", "job_helpers/upload_s3_file?file_extension=csv&storage=cold", "x"))
    .json();
  assert(/^windmill_uploads\/.*\.csv$/.test(named.file_key), named.file_key);
  assertEquals(mock.s3.get(`s3://cold/${named.file_key}`)?.contentType, "application/octet-stream");
  const list = async (query: string) => await (await ask(mock, "GET", `job_helpers/list_stored_files?${query}`)).json();
  assertEquals(await list("max_keys=1&prefix=a/"), {
    next_marker: "a/one.txt",
    windmill_large_files: [{ s3: "a/one.txt" }],
    restricted_access: false,
  });
  assertEquals((await list("max_keys=9&prefix=a/&marker=a/one.txt")).windmill_large_files, [{ s3: "a/ü &?#.txt" }]);
  assertEquals((await list("max_keys=9&storage=cold&prefix=two")).windmill_large_files, [{ s3: "two.bin" }]);
  await ask(mock, "GET", "job_helpers/move_s3_file?src_file_key=a/one.txt&dest_file_key=b/one.txt");
  assertEquals([mock.s3.has("a/one.txt"), mock.s3.get("b/one.txt")?.text()], [false, "one"]);
  assertEquals((await ask(mock, "DELETE", "job_helpers/delete_s3_file?file_key=b/one.txt")).status, 200);
  assertEquals(
    await said(ask(mock, "GET", "job_helpers/download_s3_file?file_key=b/one.txt")),
    "404 Not found: File not found: b/one.txt",
  );
});

test("mockWindmill(): a signed file has a public address, until it expires", async () => {
  const clock = stillClock();
  const { mock } = start({ clock, s3: { "a b/c.txt": "default", "s3://cold/k": "cold" } });
  const body = JSON.stringify({ s3_objects: [{ s3: "a b/c.txt" }, { s3: "k", storage: "cold" }], expiry_secs: 1 });
  const signed = await (await ask(mock, "POST", "apps/sign_s3_objects", body)).json();
  const expires = Math.floor(clock.now() / 1000) + 60;
  assertEquals(signed.map(({ s3, storage }: { s3: string; storage?: string }) => [s3, storage]), [
    ["a b/c.txt", undefined],
    ["k", "cold"],
  ]);
  assert(signed.every(({ presigned }: { presigned: string }) => presigned.startsWith(`exp=${expires}&sig=`)));
  const open = (path: string) => said(mock.fetch(`http://windmill.test/api/w/mock/s3_proxy/${path}`));
  assertEquals(await open(`_default_/a%20b/c.txt?${signed[0].presigned}`), "200 default");
  assertEquals(await open(`cold/k?${signed[1].presigned}`), "200 cold");
  const refused = "401 Not authorized: the signature is wrong or has expired";
  assertEquals(await open(`cold/k?${signed[0].presigned}`), refused);
  assertEquals(await open("cold/k"), refused);
  await clock.pass(60_000);
  assertEquals(await open(`cold/k?${signed[1].presigned}`), refused);
});

test("mockWindmill(): settings of storages come from the resource, or the workspace's storage", async () => {
  const { mock } = start({
    variables: { "u/me/k": "key" },
    resources: {
      "u/me/s3": {
        bucket: "b",
        region: "r",
        endPoint: "e",
        port: 9000,
        useSSL: false,
        pathStyle: true,
        accessKey: "$var:u/me/k",
      },
    },
  });
  const body = '{"s3_resource_path":"u/me/s3"}';
  const info = await (await ask(mock, "POST", "job_helpers/v2/s3_resource_info", body)).json();
  assertEquals([info.bucket, info.port, info.accessKey], ["b", 9000, "key"]);
  const polars = await (await ask(mock, "POST", "job_helpers/v2/polars_connection_settings", body)).json();
  assertEquals([polars.s3fs_args.endpoint_url, polars.storage_options.aws_allow_http], ["http://e:9000", "true"]);
  const duckdb = await (await ask(mock, "POST", "job_helpers/v2/duckdb_connection_settings", body)).json();
  assertIncludes(duckdb.connection_settings_str, "SET s3_endpoint='e:9000';\n");
  assertEquals((await (await ask(mock, "POST", "job_helpers/v2/s3_resource_info", "{}")).json()).bucket, "mock");
});

test("mockWindmill(): statements come taken apart, and rows go in the form that was asked for", async () => {
  const seen: unknown[] = [];
  const { mock } = start({
    sql: ({ sql, values, database, schema, role, mode, language }) => {
      if (sql.includes("fail")) throw new Error('relation "x" does not exist');
      seen.push([sql, values, database, schema, role, mode, language]);
      return [{ id: 1, name: "Ada" }, { id: 2, name: "Bob" }];
    },
  });
  async function run(content: string, args: unknown, language = "postgresql", way = "run_inline"): Promise<unknown> {
    const body = JSON.stringify({ content, language, args });
    return await (await ask(mock, "POST", `jobs/${way}/preview`, body)).json();
  }
  const rows = [{ id: 1, name: "Ada" }, { id: 2, name: "Bob" }];
  assertEquals(
    await run(
      '-- result_collection=last_statement_first_row\n-- role reader\n-- $1 arg1 (BIGINT)\n-- $2 arg2\nSET search_path TO "my ""s";\nSELECT $1, $2::text',
      { arg1: 7, arg2: "x", database: "datatable://main" },
    ),
    rows[0],
  );
  assertEquals(
    await run(
      "-- $arg1 (TEXT)\nATTACH 'ducklake://lake' AS dl;USE dl;\nUSE dl.\"s\";\nSELECT $arg1",
      { arg1: "v" },
      "duckdb",
    ),
    rows,
  );
  assertEquals(seen, [
    ["SELECT $1, $2::text", [7, "x"], "main", 'my "s', "reader", "last_statement_first_row", "postgresql"],
    ["SELECT $arg1", ["v"], "lake", "s", undefined, "last_statement_all_rows", "duckdb"],
  ]);
  const modes = {
    last_statement_all_rows: rows,
    last_statement_first_row: rows[0],
    last_statement_all_rows_scalar: [1, 2],
    last_statement_first_row_scalar: 1,
    all_statements_all_rows: [rows],
    all_statements_first_row: [rows[0]],
    all_statements_all_rows_scalar: [[1, 2]],
    all_statements_first_row_scalar: [1],
    legacy: rows,
  };
  for (const [mode, shape] of Object.entries(modes)) {
    assertEquals(await run(`-- result_collection=${mode}\nSELECT 1`, {}, "postgresql", "run_wait_result"), shape, mode);
  }
  const body = JSON.stringify({ content: "fail", language: "postgresql", args: {} });
  assertEquals(
    await said(ask(mock, "POST", "jobs/run_inline/preview", body)),
    '500 Internal: relation "x" does not exist',
  );
  const waited = await ask(mock, "POST", "jobs/run_wait_result/preview", body);
  assertEquals([waited.status, (await waited.json()).error.message], [422, 'relation "x" does not exist']);
  assertEquals(
    await said(ask(start().mock, "POST", "jobs/run_inline/preview", body)),
    "404 Not found: this mock has no option 'sql', which answers code that is run as postgresql",
  );
});
