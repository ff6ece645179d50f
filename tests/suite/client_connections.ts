/** Settings of connections to an S3 store. */
import * as wmill from "@windkit/windmill-client";
import { createClient } from "@windkit/windmill-client";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { json, options, serve, stillClock, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

const resource = { bucket: "b", region: "r", endPoint: "e", useSSL: false, pathStyle: true };

test("connections.boto3(): leaves out what the resource lacks", async () => {
  const cases: readonly (readonly [Record<string, unknown>, Record<string, unknown>])[] = [
    [{}, { endpoint_url: "http://e", region_name: "r", use_ssl: false }],
    [{ useSSL: true, port: 9000 }, { endpoint_url: "https://e:9000", region_name: "r", use_ssl: true }],
    [{ accessKey: null, secretKey: "", token: null, port: null }, {
      endpoint_url: "http://e",
      region_name: "r",
      use_ssl: false,
    }],
    [{ accessKey: "a", secretKey: "s", token: "t" }, {
      endpoint_url: "http://e",
      region_name: "r",
      use_ssl: false,
      aws_access_key_id: "a",
      aws_secret_access_key: "s",
      aws_session_token: "t",
    }],
  ];
  for (const [more, expected] of cases) {
    const client = createClient(options(serve(() => json({ ...resource, ...more }))));
    assertEquals(await client.connections.boto3(), expected);
  }
});

test("connections: an answer that lacks what is needed is an error, which shows no secret", async () => {
  const answers: readonly (() => Response)[] = [
    () => text("<html>"),
    () => json(null),
    () => json([]),
    () => json({ secretKey: "hidden" }),
    () => json({ bucket: 5, connection_settings_str: null, s3fs_args: [], secretKey: "hidden" }),
    () => text(""),
    () => new Response(null, { status: 204 }),
  ];
  for (const answer of answers) {
    const { connections } = createClient(options(serve(answer)));
    for (const call of Object.values(connections)) {
      const error = await assertRejects(() => call(), "WINDMILL_API", "expected");
      assert(!error.message.includes("hidden"));
    }
  }
});

test("connections: the path may be a reference, and without one no field is sent", async () => {
  const stub = serve(() => json({ ...resource, connection_settings_str: "", s3fs_args: {}, storage_options: {} }));
  const { connections } = createClient(options(stub));
  for (const call of Object.values(connections)) {
    for (const path of ["u/me/s3", "$res:u/me/s3", "res://u/me/s3", "", undefined]) await call(path);
  }
  const path = '{"s3_resource_path":"u/me/s3"}';
  const bodies = [path, path, path, "{}", "{}"];
  assertEquals(stub.seen.map(({ body }) => body), [...bodies, ...bodies, ...bodies, ...bodies]);
});

test("connections: a failure that passes is repeated, because nothing is changed by asking", async () => {
  const clock = stillClock();
  let asked = 0;
  const stub = serve(() => asked++ === 0 ? text("later", 503) : json(resource));
  assertEquals(await clock.drive(createClient(options(stub, { clock })).connections.s3()), resource);
});

test("settings by the official names: both names of each do the same, and the workspace can be given", async () => {
  const stub = serve(() => json({ ...resource, connection_settings_str: "", s3fs_args: {}, storage_options: {} }));
  const variables = { BASE_INTERNAL_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };
  await withEnvironment(variables, stub, async () => {
    assertEquals(await wmill.getBoto3ConnectionSettings("p"), await wmill.boto3ConnectionSettings("p"));
    assertEquals(await wmill.getDuckdbConnectionSettings("p"), await wmill.duckdbConnectionSettings("p"));
    assertEquals(await wmill.getPolarsConnectionSettings("p"), await wmill.polarsConnectionSettings("p"));
    await wmill.denoS3LightClientSettings("p", "other");
  });
  const asked = stub.seen.map(({ target }) => target.replace("/api/w/", ""));
  const v2 = "ws/job_helpers/v2";
  assertEquals(asked, [
    `${v2}/s3_resource_info`,
    `${v2}/s3_resource_info`,
    `${v2}/duckdb_connection_settings`,
    `${v2}/duckdb_connection_settings`,
    `${v2}/polars_connection_settings`,
    `${v2}/polars_connection_settings`,
    "other/job_helpers/v2/s3_resource_info",
  ]);
}, noEnvironment);
