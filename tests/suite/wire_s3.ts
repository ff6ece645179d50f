/**
 * What goes over the wire for S3 objects and settings of connections, compared with what the official clients sent
 * (`fixtures/official_requests_s3.json`, recorded from windmill-client 1.818.0 and wmill 1.735.0).
 */
import * as wmill from "@windkit/windmill-client";
import { createClient } from "@windkit/windmill-client";
import { assertEquals } from "./assert.ts";
import { json, options, type Seen, serve, text } from "./_client_kit.ts";
import { type WireCase, wireCases } from "./_wire_kit.ts";
import recorded from "./fixtures/official_requests_s3.json" with { type: "json" };
import { test } from "./harness.ts";

const resource = {
  bucket: "b",
  region: "r",
  endPoint: "e",
  useSSL: true,
  accessKey: "k",
  secretKey: "s",
  pathStyle: true,
  port: 9000,
  token: "tok",
};

const duckdb = { connection_settings_str: "x", s3fs_args: {}, storage_options: {} };

/** Answers as the server did that the requests were recorded from. */
function answer({ target, body }: Seen): Response {
  const path = target.replace(/^\/api\/w\/ws\//, "").replace(/\?.*$/, "");
  const key = new URL(target, "http://stub.test").searchParams.get("file_key");
  if (path === "job_helpers/download_s3_file") return new Response(new Uint8Array([1, 2, 3]));
  if (path === "job_helpers/upload_s3_file") return json({ file_key: key ?? "auto/key" });
  if (path === "job_helpers/delete_s3_file") return json("deleted");
  if (path === "job_helpers/v2/s3_resource_info") return json(resource);
  if (path.startsWith("job_helpers/v2/")) return json(duckdb);
  if (path === "apps/sign_s3_objects") {
    const { s3_objects } = JSON.parse(body) as { s3_objects: Record<string, unknown>[] };
    return json(s3_objects.map((object) => ({ ...object, presigned: "exp=1&sig=2" })));
  }
  return text("Not found: route", 404);
}

const publicBase = { WM_BASE_URL: "https://public.example" };

const typescript: Readonly<Record<string, WireCase>> = {
  "denoS3LightClientSettings": {
    client: (c) => c.connections.s3("$res:u/me/s3"),
    top: () => wmill.denoS3LightClientSettings("u/me/s3"),
  },
  "denoS3LightClientSettings default": {
    client: (c) => c.connections.s3(),
    top: () => wmill.denoS3LightClientSettings(undefined),
  },
  "loadS3File": {
    client: async (c) => (await c.s3.download("s3://st/a/b c.txt")).bytes(),
    top: () => wmill.loadS3File("s3://st/a/b c.txt"),
  },
  "loadS3File default storage": {
    client: async (c) => (await c.s3.download("s3:///k", { resourcePath: "res://u/me/s3" })).bytes(),
    top: () => wmill.loadS3File("s3:///k", "u/me/s3"),
  },
  "loadS3FileStream rec": {
    client: async (c) => (await c.s3.download({ s3: "k", storage: "st" })).cancel(),
    top: async () => (await wmill.loadS3FileStream({ s3: "k", storage: "st" })).cancel(),
  },
  "writeS3File string": {
    client: (c) => c.s3.upload("s3:///k.txt", "hello"),
    top: () => wmill.writeS3File("s3:///k.txt", "hello"),
  },
  "writeS3File blob typed": {
    client: (c) =>
      c.s3.upload("s3://st/k.bin", new Blob(["x"], { type: "image/gif" }), {
        resourcePath: "u/me/s3",
        contentType: "image/png",
        contentDisposition: "inline",
      }),
    top: () =>
      wmill.writeS3File(
        "s3://st/k.bin",
        new Blob(["x"], { type: "image/gif" }),
        "u/me/s3",
        "image/png",
        "inline",
      ),
  },
  "writeS3File auto": {
    client: (c) => c.s3.upload(undefined, "hello"),
    top: () => wmill.writeS3File(undefined, "hello"),
  },
  "deleteS3File": {
    client: (c) => c.s3.delete({ s3: "k", storage: "st" }),
    top: () => wmill.deleteS3File({ s3: "k", storage: "st" }),
  },
  "signS3Objects": {
    client: (c) => c.s3.signAll(["s3://st/k", { s3: "k2" }], { expirySecs: 60 }),
    top: () => wmill.signS3Objects(["s3://st/k", { s3: "k2" }], { expirySecs: 60 }),
  },
  "signS3Object": { client: (c) => c.s3.sign("s3:///k2"), top: () => wmill.signS3Object("s3:///k2") },
  "getPresignedS3PublicUrls": {
    client: (c) => c.s3.presignAll(["s3://st/a b", { s3: "k2", presigned: "p=1" }]),
    top: () => wmill.getPresignedS3PublicUrls(["s3://st/a b", { s3: "k2", presigned: "p=1" }]),
    env: publicBase,
  },
  "getPresignedS3PublicUrl": {
    client: (c) => c.s3.presign("s3:///k?x#y", { baseUrl: "https://pub" }),
    top: () => wmill.getPresignedS3PublicUrl("s3:///k?x#y", { baseUrl: "https://pub" }),
  },
};

async function* pieces(): AsyncGenerator<Uint8Array, void> {
  yield new TextEncoder().encode("abc");
}

/** The Python client's calls of the same functions, and those that the TypeScript client lacks. */
const python: Readonly<Record<string, WireCase>> = {
  "duckdb": {
    client: (c) => c.connections.duckdb("$res:u/me/s3"),
    top: () => wmill.duckdbConnectionSettings("$res:u/me/s3"),
  },
  "polars": { client: (c) => c.connections.polars(""), top: () => wmill.polarsConnectionSettings("") },
  "boto3": {
    client: (c) => c.connections.boto3("u/me/s3"),
    top: () => wmill.getBoto3ConnectionSettings("res://u/me/s3"),
  },
  "load_s3_file": {
    client: async (c) => (await c.s3.download({ s3: "a b c.txt", storage: "st" })).bytes(),
    top: () => wmill.loadS3FileReader({ s3: "a b c.txt", storage: "st" }),
  },
  "load_s3_file default": {
    client: (c) => c.s3.download({ s3: "k", storage: null }, { resourcePath: "u/me/s3" }),
    top: () => wmill.loadS3FileReader({ s3: "k", storage: null }, "u/me/s3"),
  },
  "write_s3_file bytes": {
    client: (c) => c.s3.upload({ s3: "k.txt" }, new TextEncoder().encode("hello")),
    top: () => wmill.writeS3File({ s3: "k.txt" }, new TextEncoder().encode("hello")),
  },
  "write_s3_file full": {
    client: (c) =>
      c.s3.upload({ s3: "k", storage: "st" }, new TextEncoder().encode("hello"), {
        resourcePath: "$res:u/me/s3",
        contentType: "image/png",
        contentDisposition: "inline",
      }),
    top: () =>
      wmill.writeS3File(
        { s3: "k", storage: "st" },
        new TextEncoder().encode("hello"),
        "$res:u/me/s3",
        "image/png",
        "inline",
      ),
  },
  "write_s3_file reader": {
    client: (c) => c.s3.upload(null, pieces()),
    top: () => wmill.writeS3File(null, pieces()),
  },
  "delete_s3_object": {
    client: (c) => c.s3.delete({ s3: "k", storage: "st" }, { resourcePath: "u/me/s3" }),
    top: () => wmill.deleteS3Object({ s3: "k", storage: "st" }, "u/me/s3"),
  },
  "sign_s3_objects": {
    client: (c) => c.s3.signAll([{ s3: "k", storage: "st" }, { s3: "k2" }]),
    top: () => wmill.signS3Objects([{ s3: "k", storage: "st" }, { s3: "k2" }]),
  },
  "sign_s3_object str": { client: (c) => c.s3.sign("s3://st/k"), top: () => wmill.signS3Object("s3://st/k") },
  "presigned": {
    client: (c) =>
      c.s3.presignAll([{ s3: "a b", storage: "st" }, { s3: "k", storage: null }, { s3: "k2", presigned: "p=1" }]),
    top: () =>
      wmill.getPresignedS3PublicUrls([{ s3: "a b", storage: "st" }, { s3: "k", storage: null }, {
        s3: "k2",
        presigned: "p=1",
      }]),
    env: publicBase,
  },
};

wireCases({ typescript, python, recordings: recorded, answer });

test("wire: the answers of the recorded server about S3 give what the official clients gave", async () => {
  const client = createClient({ ...options(serve(answer)), baseUrl: "https://public.example" });
  assertEquals(await client.connections.s3("u/me/s3"), resource);
  assertEquals(await client.connections.duckdb(), duckdb);
  assertEquals(await client.connections.polars(), duckdb);
  assertEquals(await client.connections.boto3(), {
    endpoint_url: "https://e:9000",
    region_name: "r",
    use_ssl: true,
    aws_access_key_id: "k",
    aws_secret_access_key: "s",
    aws_session_token: "tok",
  });
  assertEquals(await (await client.s3.download("s3:///k")).bytes(), new Uint8Array([1, 2, 3]));
  assertEquals(await client.s3.upload("s3:///k.txt", "hello"), { s3: "k.txt" });
  assertEquals(await client.s3.upload({ s3: "k", storage: "st" }, "hello"), { s3: "k", storage: "st" });
  assertEquals(await client.s3.upload(undefined, "hello"), { s3: "auto/key" });
  assertEquals(await client.s3.delete("s3:///k"), undefined);
  assertEquals(await client.s3.signAll(["s3://st/k", { s3: "k2" }]), [
    { storage: "st", s3: "k", presigned: "exp=1&sig=2" },
    { s3: "k2", presigned: "exp=1&sig=2" },
  ]);
  assertEquals(await client.s3.sign("s3:///k2"), { s3: "k2", presigned: "exp=1&sig=2" });
  assertEquals(
    await client.s3.presignAll([{ s3: "a b", storage: "st" }, { s3: "k", storage: null }, {
      s3: "k2",
      presigned: "p=1",
    }]),
    [
      // The official clients leave the space as it is, and write "None" for the default storage.
      "https://public.example/api/w/ws/s3_proxy/st/a%20b?exp=1&sig=2",
      "https://public.example/api/w/ws/s3_proxy/_default_/k?exp=1&sig=2",
      "https://public.example/api/w/ws/s3_proxy/_default_/k2?p=1",
    ],
  );
  assertEquals(
    await client.s3.presign("s3:///k?x#y", { baseUrl: "https://pub/" }),
    "https://pub/api/w/ws/s3_proxy/_default_/k%3Fx%23y?exp=1&sig=2",
  );
});
