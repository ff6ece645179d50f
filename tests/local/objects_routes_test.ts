/** The endpoints of objects: through the server, by this package's client, and as they are. */
import { createHash } from "node:crypto";
import { createClient } from "../../src/sdk/client.ts";
import { signObject } from "../../src/server/objects/signature.ts";
import type { S3ObjectRecord } from "../../src/wire/s3.ts";
import { hasCode } from "../../src/base/errors.ts";
import { installS3Server, startS3Server } from "../e2e/_s3_server.ts";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { type TrialFolder, trialFolder } from "./_folder_kit.ts";
import { bodyOf, PLAIN_KEYS, textOf } from "./_store_cases.ts";

const MIB = 1024 * 1024;
const WS = "trial";

function clientOf(trial: TrialFolder) {
  return createClient({ baseUrl: trial.listen(), workspace: WS, token: trial.identity.ownerToken, env: {} });
}

/** Asks below `/api/w/trial/`, as the owner or with other headers. */
function asker(trial: TrialFolder) {
  return (path: string, init: RequestInit = {}): Promise<Response> =>
    trial.server.fetch(
      new Request(`http://127.0.0.1:8000/api/w/${WS}/${path}`, {
        ...init,
        headers: { authorization: `Bearer ${trial.identity.ownerToken}`, ...init.headers },
      }),
    );
}

async function statusOf(run: () => Promise<unknown>): Promise<number> {
  try {
    await run();
  } catch (error) {
    // `as`: the code says so.
    if (hasCode(error, "WINDMILL_API")) return (error as unknown as { readonly status: number }).status;
    throw error;
  }
  return 200;
}

async function digest(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of stream) hash.update(piece);
  return hash.digest("hex");
}

async function* made(mebibytes: number): AsyncGenerator<Uint8Array, void> {
  const piece = new Uint8Array(MIB / 4);
  for (let i = 0; i < mebibytes * 4; i++) {
    for (let at = 0; at < piece.length; at += 64) piece[at] = (i * 7 + at) % 256;
    yield piece.slice();
  }
}

Deno.test("This client writes, reads, lists, moves, signs and deletes objects with keys of every kind", async () => {
  await using trial = await trialFolder({});
  const { s3 } = clientOf(trial);
  const keys = [...PLAIN_KEYS, "/absolute", "a//b", "folder/", "a/../b"];
  const objects: S3ObjectRecord[] = keys.flatMap((key) => [{ s3: key }, { s3: key, storage: "second store" }]);
  for (const object of objects) assertEquals(await s3.upload(object, `content of ${JSON.stringify(object)}`), object);
  for (const object of objects) {
    const content = `content of ${JSON.stringify(object)}`;
    assertEquals(await (await s3.download(object)).text(), content);
    const { mime_type, size_in_bytes } = await s3.metadata(object);
    assertEquals([mime_type, size_in_bytes], ["text/plain", new TextEncoder().encode(content).length]);
    if (object.s3.includes("..")) continue;
    const address = await s3.presign(object);
    assertEquals(await (await fetch(address)).text(), content);
    const forged = await fetch(address.replace(/.$/, (last) => last === "0" ? "1" : "0"));
    assertEquals([forged.status, await forged.text()], [401, "Not authorized: Invalid signature"]);
  }
  for (const storage of ["", "second store"]) {
    const listed: string[] = [];
    for await (const { s3: key } of s3.listAll({ storage, perPage: 4 })) listed.push(key);
    assertEquals(listed.toSorted(), keys.toSorted());
  }
  for (const object of objects) {
    const moved = await s3.move(object, { ...object, s3: `moved/${object.s3}` });
    assertEquals(await (await s3.download(moved)).text(), `content of ${JSON.stringify(object)}`);
    assertEquals(await statusOf(() => s3.download(object)), 404);
    await s3.delete(moved);
    await s3.delete(moved);
    assertEquals(await statusOf(() => s3.metadata(moved)), 404);
  }
  assertEquals(await statusOf(() => s3.move("s3:///none", "s3:///other")), 404);
});

Deno.test("An upload without a key gets one, with its ending; type and disposition are kept", async () => {
  await using trial = await trialFolder({});
  const { s3 } = clientOf(trial);
  const first = await s3.upload(undefined, new Blob(["a,b"], { type: "text/csv" }), { fileExtension: "csv" });
  assert(/^windmill_uploads\/upload_\d+_[0-9a-f]{16}\.csv$/.test(first.s3), first.s3);
  assertEquals((await s3.metadata(first)).mime_type, "text/csv");
  assert(first.s3 !== (await s3.upload(undefined, "x")).s3, "No two are the same");
  await s3.upload("s3:///report", "x", {
    contentType: "application/pdf",
    contentDisposition: 'attachment; filename="\u00fc \u65e5.pdf"',
  });
  const download = await s3.download("s3:///report");
  const disposition = download.headers.get("content-disposition") ?? "";
  const bytes = Uint8Array.from(disposition, (char) => char.charCodeAt(0));
  assertEquals(new TextDecoder().decode(bytes), 'attachment; filename="\u00fc \u65e5.pdf"');
  assertEquals([download.type, download.size, await download.text()], ["application/pdf", 1, "x"]);
});

Deno.test("No header can be made of a type or a disposition", async () => {
  await using trial = await trialFolder({});
  const ask = asker(trial);
  for (const name of ["content_type", "content_disposition"]) {
    const query = `file_key=k&${name}=${encodeURIComponent("a\r\nset-cookie: b=c")}`;
    const refused = await ask(`job_helpers/upload_s3_file?${query}`, { method: "POST", body: "x" });
    assertEquals(refused.status, 400);
    assertIncludes(await refused.text(), `Bad request: ${name} must be a header`);
  }
  assertEquals(await trial.objects.storage().stat("k"), undefined);
});

Deno.test("What somebody uploaded runs no script in the origin of the server", async () => {
  await using trial = await trialFolder({});
  const { s3 } = clientOf(trial);
  await s3.upload("s3:///x.html", "<script>alert(1)</script>", { contentType: "text/html" });
  const { headers } = await s3.download("s3:///x.html");
  assertEquals(headers.get("x-content-type-options"), "nosniff");
  assertIncludes(headers.get("content-security-policy") ?? "", "sandbox");
  assert(!/allow-scripts|allow-same-origin/.test(headers.get("content-security-policy") ?? ""));
  const open = await fetch(await s3.presign("s3:///x.html"));
  assertEquals(open.headers.get("content-security-policy"), headers.get("content-security-policy"));
  await open.body?.cancel();
});

Deno.test("Parts of an object, by this client and by their headers", async () => {
  await using trial = await trialFolder({});
  const { s3 } = clientOf(trial), ask = asker(trial);
  const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
  await s3.upload("s3:///bytes", bytes);
  for (
    const [start, end] of [[0, 1], [0, 300_000], [100, 200_000], [299_999, 300_000], [299_000, undefined]] as const
  ) {
    const download = await s3.download("s3:///bytes", { range: end === undefined ? { start } : { start, end } });
    assertEquals(download.size, (end ?? 300_000) - start);
    assertEquals(await download.bytes(), bytes.slice(start, end));
  }
  assertEquals(await statusOf(() => s3.download("s3:///bytes", { range: { start: 300_000 } })), 416);

  const path = "job_helpers/download_s3_file?file_key=bytes";
  const part = async (range: string): Promise<unknown[]> => {
    const { status, headers, body } = await ask(path, { headers: { range } });
    const length = (await new Response(body).arrayBuffer()).byteLength;
    return [status, headers.get("content-range"), length];
  };
  assertEquals(await part("bytes=-5"), [206, "bytes 299995-299999/300000", 5]);
  assertEquals(await part("bytes=0-"), [206, "bytes 0-299999/300000", 300_000]);
  assertEquals(await part("bytes=299999-400000"), [206, "bytes 299999-299999/300000", 1]);
  assertEquals((await part("bytes=300000-")).slice(0, 2), [416, "bytes */300000"]);
  assertEquals((await part("bytes=-0")).slice(0, 2), [416, "bytes */300000"]);
  // Several at once, and what is no range: the whole object.
  assertEquals(await part("bytes=0-1,4-5"), [200, null, 300_000]);
  assertEquals(await part("lines=0-1"), [200, null, 300_000]);
});

Deno.test("Conditions: an object that did not change is not sent again, nor a part of another one", async () => {
  await using trial = await trialFolder({});
  const ask = asker(trial), store = trial.objects.storage();
  await store.write("k", bodyOf("0123456789"), {});
  const path = "job_helpers/download_s3_file?file_key=k";
  const first = await ask(path);
  const etag = first.headers.get("etag") ?? "", modified = first.headers.get("last-modified") ?? "";
  assertEquals(await first.text(), "0123456789");
  const before = new Date(Date.parse(modified) - 1000).toUTCString();
  const got = async (headers: Record<string, string>): Promise<string> => {
    const response = await ask(path, { headers });
    return `${response.status} ${await response.text()}`.trim();
  };
  assertEquals(await got({ "if-none-match": etag }), "304");
  assertEquals(await got({ "if-none-match": `"other", W/${etag}` }), "304");
  assertEquals(await got({ "if-none-match": "*" }), "304");
  assertEquals(await got({ "if-none-match": '"other"' }), "200 0123456789");
  assertEquals(await got({ "if-none-match": '"other"', "if-modified-since": modified }), "200 0123456789");
  assertEquals(await got({ "if-modified-since": modified }), "304");
  assertEquals(await got({ "if-modified-since": before }), "200 0123456789");
  assertEquals(await got({ "if-modified-since": "no date" }), "200 0123456789");
  assertEquals(await got({ "if-match": etag }), "200 0123456789");
  assertEquals(await got({ "if-match": '"other"' }), "412");
  assertEquals(await got({ "if-match": `W/${etag}` }), "412");
  assertEquals(await got({ "if-unmodified-since": before }), "412");
  assertEquals(await got({ "if-unmodified-since": modified }), "200 0123456789");
  const range = "bytes=2-3";
  assertEquals(await got({ range, "if-range": etag }), "206 23");
  assertEquals(await got({ range, "if-range": modified }), "206 23");
  await store.write("k", bodyOf("abcdefghij"), {});
  assertEquals(await got({ range, "if-range": etag }), "200 abcdefghij");
  assertEquals(await got({ "if-none-match": etag }), "200 abcdefghij");
  assertEquals((await got({ "if-none-match": etag, range: "bytes=99-" })).slice(0, 3), "416");
  const head = await ask(path, { method: "HEAD" });
  assertEquals([head.status, head.headers.get("content-length"), await head.text()], [200, "10", ""]);
});

Deno.test("Errors: what is missing is said in the server's words", async () => {
  await using trial = await trialFolder({
    "f/a/pg.resource.yaml": "value: {host: h}\nresource_type: postgresql\n",
  });
  const ask = asker(trial);
  const cases: [method: string, path: string, status: number, text: string][] = [
    ["GET", "job_helpers/download_s3_file?file_key=none", 404, "Not found: File not found: none"],
    ["GET", "job_helpers/download_s3_file", 400, "Failed to deserialize query string: missing field `file_key`"],
    [
      "GET",
      "job_helpers/download_s3_file?file_key=k&storage=a%2Fb",
      400,
      'Bad request: No storage can be called "a/b"',
    ],
    [
      "GET",
      "job_helpers/download_s3_file?file_key=k&s3_resource_path=f/a/no",
      404,
      "Not found: Resource f/a/no not found",
    ],
    [
      "GET",
      "job_helpers/download_s3_file?file_key=k&s3_resource_path=f/a/pg",
      400,
      "Bad request: The resource is no S3 resource: 'bucket' must be the name of a bucket",
    ],
    ["GET", "job_helpers/load_file_metadata?file_key=none", 404, "Not found: File not found: none"],
    ["GET", "job_helpers/load_file_preview?file_key=none", 404, "Not found: File not found: none"],
    ["GET", "job_helpers/move_s3_file?src_file_key=none&dest_file_key=k", 404, "Not found: File not found: none"],
    ["GET", "job_helpers/move_s3_file?src_file_key=none", 400, "missing field `dest_file_key`"],
    ["GET", "job_helpers/list_stored_files?max_keys=x", 400, "Failed to deserialize query string: max_keys"],
    ["GET", "job_helpers/list_stored_files_paged?prefix=a", 400, "Bad request: prefix must end with a slash"],
    ["GET", "s3_proxy/_default_/none", 404, "Not found: File not found: none"],
    ["GET", "s3_proxy/_default_/", 404, "Not found: the address has no key of an object"],
  ];
  for (const [method, path, status, text] of cases) {
    const response = await ask(path, { method });
    assertEquals([response.status, path], [status, path]);
    assertIncludes(await response.text(), text);
  }
  const post = async (path: string, body: unknown): Promise<[number, string]> => {
    const response = await ask(path, { method: "POST", body: JSON.stringify(body) });
    return [response.status, await response.text()];
  };
  assertEquals((await post("apps/sign_s3_objects", {}))[0], 422);
  assertEquals((await post("apps/sign_s3_objects", { s3_objects: ["s3:///k"] }))[0], 422);
  assertEquals((await post("apps/sign_s3_objects", { s3_objects: [{ s3: "k", storage: "a/b" }] }))[0], 400);
  const [status, text] = await post("job_helpers/v2/s3_resource_info", {});
  assertEquals(status, 400);
  assertIncludes(text, "Name an S3 in windkit.json");
});

Deno.test("Nobody without a token reads, writes, lists or signs; a signature is for one object and a time", async () => {
  await using trial = await trialFolder({});
  await trial.objects.storage().write("a b/100%.txt", bodyOf("x"), {});
  await trial.objects.storage("st").write("k", bodyOf("y"), {});
  const open = (path: string, init: RequestInit = {}) =>
    trial.server.fetch(new Request(`http://127.0.0.1:8000/api/w/${WS}/${path}`, init));
  for (
    const [method, path] of [
      ["GET", "job_helpers/download_s3_file?file_key=k"],
      ["POST", "job_helpers/upload_s3_file?file_key=k"],
      ["DELETE", "job_helpers/delete_s3_file?file_key=k"],
      ["GET", "job_helpers/list_stored_files?max_keys=1"],
      ["POST", "apps/sign_s3_objects"],
      ["POST", "job_helpers/v2/s3_resource_info"],
      ["GET", "s3_proxy/_default_/k"],
      ["GET", "s3_proxy/_default_/k?exp=1&sig=0"],
      ["GET", "s3_proxy/_default_/k?exp=99999999999&sig="],
    ] as const
  ) {
    assertEquals([(await open(path, { method, ...(method === "POST" ? { body: "{}" } : {}) })).status, path], [
      401,
      path,
    ]);
  }
  const response = await asker(trial)("apps/sign_s3_objects", {
    method: "POST",
    body: JSON.stringify({
      s3_objects: [{ s3: "a b/100%.txt", filename: "f" }, { s3: "k", storage: "st" }, { s3: "k", storage: null }],
      expiry_secs: 60,
    }),
  });
  const signed = await response.json() as { s3: string; storage?: string; presigned: string; filename?: string }[];
  assertEquals(signed.map(({ s3, storage, filename }) => [s3, storage, filename]), [
    ["a b/100%.txt", undefined, "f"],
    ["k", "st", undefined],
    ["k", null, undefined],
  ]);
  const [first, second] = signed.map(({ presigned }) => presigned);
  const got = async (path: string): Promise<string> => {
    const answer = await open(path);
    return `${answer.status} ${await answer.text()}`;
  };
  for (const storage of ["_default_", "null", "None", "main"]) {
    assertEquals(await got(`s3_proxy/${storage}/a%20b/100%25.txt?${first}`), "200 x");
  }
  // The official clients encode nothing: a browser encodes the space, and leaves the percent sign.
  assertEquals(await got(`s3_proxy/_default_/a b/100%.txt?${first}`), "200 x");
  assertEquals(await got(`s3_proxy/st/k?${second}`), "200 y");
  assertEquals(await got(`s3_proxy/_default_/k?${second}`), "401 Not authorized: Invalid signature");
  assertEquals(await got(`s3_proxy/st/k2?${second}`), "401 Not authorized: Invalid signature");
  assertEquals((await open(`s3_proxy/st/k?${second}`, { method: "PUT", body: "z" })).status, 404);
  const past = signObject(trial.secrets.signingKey, { key: "k", storage: "st" }, Date.now() - 61_000, 60);
  assertEquals(await got(`s3_proxy/st/k?${past}`), "401 Not authorized: Signature expired");
});

Deno.test("An upload that is bounded or broken off leaves nothing, and is no error of the server", async () => {
  const reported: unknown[] = [];
  await using trial = await trialFolder({}, { maxObjectBytes: 1000, report: (error) => reported.push(error) });
  const { s3 } = clientOf(trial);
  assertEquals(await statusOf(() => s3.upload("s3:///k", new Uint8Array(1001))), 413);
  await s3.upload("s3:///k", new Uint8Array(1000));
  const controller = new AbortController();
  const reason = new Error("enough");
  async function* endless(): AsyncGenerator<Uint8Array, void> {
    yield new Uint8Array(10);
    controller.abort(reason);
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve));
      yield new Uint8Array(0);
    }
  }
  let caught: unknown;
  try {
    await s3.upload("s3:///broken", endless(), { signal: controller.signal });
  } catch (error) {
    caught = error;
  }
  assertEquals(caught, reason);
  assertEquals((await s3.list()).objects, [{ s3: "k" }]);
  assertEquals(reported, []);
});

Deno.test("Lists: a text in keys, one level of folders, and whether there is a folder", async () => {
  await using trial = await trialFolder({});
  const ask = asker(trial), store = trial.objects.storage();
  for (const key of ["a/1.txt", "a/b/2.txt", "a/b/3.txt", "a/c/4.CSV", "a.txt", "z"]) {
    await store.write(key, bodyOf("xy"), {});
  }
  const json = async (path: string): Promise<Record<string, unknown>> =>
    await (await ask(`job_helpers/${path}`)).json();
  assertEquals(await json("list_stored_files?max_keys=2&search=TXT"), {
    next_marker: "a/1.txt",
    windmill_large_files: [{ s3: "a.txt" }, { s3: "a/1.txt" }],
    restricted_access: false,
  });
  assertEquals((await json("list_stored_files?max_keys=2&search=TXT&marker=a/1.txt")).windmill_large_files, [
    { s3: "a/b/2.txt" },
    { s3: "a/b/3.txt" },
  ]);
  const levels: string[] = [];
  for (let token: unknown = ""; token !== undefined;) {
    const query = token === "" ? "" : `&page_token=${encodeURIComponent(`${token}`)}`;
    const page = await json(`list_stored_files_paged?prefix=a/&max_keys=1${query}`);
    const folders = page.folders as { prefix: string; name: string }[],
      files = page.files as { key: string; size: number }[];
    levels.push(
      ...folders.map(({ prefix, name }) => `${prefix} ${name}`),
      ...files.map(({ key, size }) => `${key} ${size}`),
    );
    token = page.next_page_token;
  }
  assertEquals(levels, ["a/1.txt 2", "a/b/ b", "a/c/ c"]);
  const top = await json("list_stored_files_paged");
  assertEquals((top.folders as unknown[]).length + (top.files as unknown[]).length, 3);
  assertEquals(await json("check_s3_folder_exists?file_key=a/b"), { exists: true, is_folder: true });
  assertEquals(await json("check_s3_folder_exists?file_key=a/b/&marker_file=2.txt"), { exists: true, is_folder: true });
  assertEquals(await json("check_s3_folder_exists?file_key=a/b&marker_file=no"), { exists: false, is_folder: false });
  assertEquals(await json("check_s3_folder_exists?file_key=z"), { exists: true, is_folder: false });
  assertEquals((await ask("job_helpers/test_connection")).status, 200);
  await trial.objects.storage("second").write("k", bodyOf("x"), {});
  const names = "workspaces/get_secondary_storage_names";
  assertEquals(await (await ask(names)).json(), ["second"]);
  assertEquals(await (await ask(`${names}?include_default=true`)).json(), ["_default_", "second"]);
});

Deno.test("Previews: texts, tables, pieces of them, and what has no text", async () => {
  await using trial = await trialFolder({});
  const ask = asker(trial), store = trial.objects.storage();
  await store.write("a.csv", bodyOf("a,b\n1,2\n"), {});
  await store.write("typed", bodyOf("{}"), { contentType: "application/json" });
  await store.write("text", bodyOf("plain"), {});
  await store.write("bytes", bodyOf(new Uint8Array([1, 0, 2])), {});
  await store.write("t.parquet", bodyOf("PAR1"), {});
  const preview = async (query: string): Promise<unknown> =>
    await (await ask(`job_helpers/load_file_preview?file_key=${query}`)).json();
  assertEquals(await preview("a.csv"), { msg: null, content: "a,b\n1,2\n", content_type: "Csv" });
  assertEquals(await preview("a.csv&read_bytes_from=2&read_bytes_length=3"), {
    msg: "Bytes 2 to 5 of 8",
    content: "b\n1",
    content_type: "Csv",
  });
  assertEquals(await preview("typed"), { msg: null, content: "{}", content_type: "RawText" });
  assertEquals(await preview("text"), { msg: null, content: "plain", content_type: "RawText" });
  assertEquals((await preview("bytes") as { content_type: string }).content_type, "Unknown");
  assertEquals((await preview("t.parquet") as { content_type: string }).content_type, "Parquet");
});

Deno.test({
  name: "A download that is given up, not asked for, or not satisfiable leaves no file open",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using trial = await trialFolder({});
    const { s3 } = clientOf(trial), ask = asker(trial);
    await s3.upload("s3:///large", made(16));
    const opened = async (): Promise<number> => {
      let count = 0;
      for await (const { name } of Deno.readDir("/proc/self/fd")) {
        try {
          if ((await Deno.readLink(`/proc/self/fd/${name}`)).includes("/objects/")) count++;
        } catch (error) {
          // The listing's own.
          if (!(error instanceof Deno.errors.NotFound)) throw error;
        }
      }
      return count;
    };
    const path = "job_helpers/download_s3_file?file_key=large";
    await (await ask(path, { method: "HEAD" })).body?.cancel();
    await (await ask(path, { headers: { "if-none-match": "*" } })).body?.cancel();
    await (await ask(path, { headers: { range: "bytes=99999999-" } })).body?.cancel();
    await (await ask(path, { headers: { range: "bytes=0-9" } })).text();
    await (await ask(path)).body?.cancel();
    assertEquals(await opened(), 0);
    const download = await s3.download("s3:///large"), reader = download.getReader();
    await reader.read();
    const during = await opened();
    await reader.cancel();
    assert(during > 0, "The file is open while it is sent");
    // The server hears of it when it writes on.
    for (let turn = 0; turn < 1000 && await opened() > 0; turn++) await new Promise((resolve) => setTimeout(resolve));
    assertEquals(await opened(), 0);
  },
});

const SOAK = Deno.env.get("WINDKIT_SOAK") === "1";
const LARGE_MIB = SOAK ? 1024 : 64;

Deno.test(`${LARGE_MIB} MiB go up and down as streams, are the same, and are never in memory`, async () => {
  await using trial = await trialFolder({});
  const { s3 } = clientOf(trial);
  // What a few pieces need is needed before.
  await s3.upload("s3:///warm", made(8));
  await digest(await s3.download("s3:///warm"));
  const before = Deno.memoryUsage().rss;
  await s3.upload("s3:///large", made(LARGE_MIB));
  const download = await s3.download("s3:///large");
  assertEquals(download.size, LARGE_MIB * MIB);
  assertEquals(await digest(download), await digest(made(LARGE_MIB)));
  const grown = Math.round((Deno.memoryUsage().rss - before) / MIB);
  // Both ends of the wire are in this process. Memory that is bounded grows no further in the soak.
  assert(grown < 250, `The process grew by ${grown} MiB`);
});

const missing = await installS3Server();

Deno.test({
  name: `A real S3, by windkit.json and by a resource's path${missing === undefined ? "" : ` (${missing})`}`,
  ignore: missing !== undefined,
  async fn() {
    await using server = await startS3Server(["main", "second", "third"]);
    const [, port = ""] = /:(\d+)$/.exec(server.endpoint) ?? [];
    const keys = { accessKey: "S3RVER", secretKey: "$var:f/a/secret" };
    await using trial = await trialFolder({
      "f/a/secret.variable.yaml": "value: S3RVER\nis_secret: true\n",
      "f/a/s3.resource.yaml":
        `value: {bucket: third, region: us-east-1, endPoint: 127.0.0.1, port: ${port}, useSSL: false, pathStyle: true, ` +
        "accessKey: S3RVER, secretKey: '$var:f/a/secret'}\nresource_type: s3\n",
    }, {
      s3: {
        main: { endpoint: server.endpoint, bucket: "main", ...keys },
        archive: { endpoint: server.endpoint, bucket: "second", ...keys },
      },
    });
    const client = clientOf(trial), { s3, connections } = client, ask = asker(trial);
    await s3.upload("s3:///k.txt", "in main", { contentDisposition: "inline" });
    await s3.upload("s3://archive/k.txt", "in archive");
    await s3.upload("s3:///k.txt", "in third", { resourcePath: "$res:f/a/s3" });
    await s3.upload("s3://files/k.txt", "in files");
    assertEquals(await (await s3.download("s3:///k.txt")).text(), "in main");
    assertEquals(await (await s3.download("s3://archive/k.txt")).text(), "in archive");
    assertEquals(await (await s3.download("s3:///k.txt", { resourcePath: "f/a/s3" })).text(), "in third");
    assertEquals(await textOf(trial.objects.storage("files"), "k.txt"), "in files");
    assertEquals(trial.objects.names(), ["archive", "files"]);
    assertEquals(await (await fetch(await s3.presign("s3://archive/k.txt"))).text(), "in archive");

    await s3.upload("s3:///large", made(20));
    const download = await s3.download("s3:///large");
    assertEquals([download.size, await digest(download)], [20 * MIB, await digest(made(20))]);
    const part = await s3.download("s3:///large", { range: { start: 9 * MIB, end: 9 * MIB + 3 } });
    assertEquals([part.size, (await part.bytes()).length], [3, 3]);
    assertEquals(await statusOf(() => s3.download("s3:///large", { range: { start: 20 * MIB } })), 416);
    const etag = (await s3.download("s3:///k.txt")).headers.get("etag") ?? "";
    const again = await ask("job_helpers/download_s3_file?file_key=k.txt", { headers: { "if-none-match": etag } });
    assertEquals(again.status, 304);

    await s3.move("s3:///k.txt", "s3:///moved.txt");
    assertEquals((await s3.list()).objects.map(({ s3: key }) => key).toSorted(), ["large", "moved.txt"]);
    await s3.delete("s3:///k.txt", { resourcePath: "f/a/s3" });
    assertEquals(await statusOf(() => s3.download("s3:///k.txt", { resourcePath: "f/a/s3" })), 404);

    const settings = { endPoint: "127.0.0.1", port: Number(port), useSSL: false, pathStyle: true, region: "us-east-1" };
    const login = { accessKey: "S3RVER", secretKey: "S3RVER" };
    assertEquals(await connections.s3(), { bucket: "main", ...settings, ...login });
    assertEquals(await connections.s3("f/a/s3"), { bucket: "third", ...settings, ...login });
    assertEquals(await connections.boto3(), {
      endpoint_url: server.endpoint.replace("localhost", "127.0.0.1"),
      region_name: "us-east-1",
      use_ssl: false,
      aws_access_key_id: "S3RVER",
      aws_secret_access_key: "S3RVER",
    });
    const { connection_settings_str: duck } = await connections.duckdb("f/a/s3");
    assertIncludes(duck, `SET s3_endpoint='127.0.0.1:${port}';\nSET s3_use_ssl=0;\nSET s3_access_key_id='S3RVER';`);
    const polars = await connections.polars();
    assertEquals(polars.storage_options, {
      aws_endpoint_url: server.endpoint,
      aws_access_key_id: "S3RVER",
      aws_secret_access_key: "S3RVER",
      aws_region: "us-east-1",
      aws_allow_http: "true",
    });
    assertEquals(polars.s3fs_args, {
      endpoint_url: server.endpoint,
      key: "S3RVER",
      secret: "S3RVER",
      use_ssl: false,
      cache_regions: false,
      client_kwargs: { region_name: "us-east-1" },
    });
    const legacy = await ask("job_helpers/polars_connection_settings", {
      method: "POST",
      body: JSON.stringify({ s3_resource: { bucket: "b", endPoint: "h", region: "r" } }),
    });
    assertEquals(await legacy.json(), {
      endpoint_url: "https://h",
      use_ssl: true,
      cache_regions: false,
      client_kwargs: { region_name: "r" },
    });
    // The settings that are given are good: what was written with them is there.
    assertEquals(
      await textOf(trial.objects.resource({ ...settings, ...login, bucket: "second" }), "k.txt"),
      "in archive",
    );
  },
});
