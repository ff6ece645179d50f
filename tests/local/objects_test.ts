/** Stores of objects: files of the data folder, and a real S3. */
import { join } from "node:path";
import { openDatabase } from "../../src/server/database.ts";
import { openFiles } from "../../src/server/objects/files.ts";
import { openObjects } from "../../src/server/objects/objects.ts";
import { readRange } from "../../src/server/objects/ranges.ts";
import { checkReach } from "../../src/server/objects/reach.ts";
import { openS3 } from "../../src/server/objects/s3.ts";
import { readS3Settings } from "../../src/server/objects/settings.ts";
import { checkSignature, signObject } from "../../src/server/objects/signature.ts";
import { readXml } from "../../src/server/objects/xml.ts";
import { Refusal } from "../../src/wire/refusal.ts";
import type { Objects, ObjectStore, ServerContext } from "../../src/server/ports.ts";
import { installS3Server, startS3Server } from "../e2e/_s3_server.ts";
import type { Json } from "../../src/workflow/journal.ts";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { bodyOf, keysOf, storeCases, textOf } from "./_store_cases.ts";

/** Objects in a data folder that is removed at the end. */
interface TrialObjects extends AsyncDisposable {
  readonly dir: string;
  readonly objects: Objects;
  readonly store: ObjectStore;
  readonly database: ServerContext["database"];
  /** Files on disk, below the folder of objects. */
  files(): Promise<string[]>;
  /** Opens them again, as the next process does. */
  reopen(): Promise<Objects>;
}

async function filesBelow(dir: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(dir)) {
      if (isDirectory) found.push(...(await filesBelow(join(dir, name))).map((file) => `${name}/${file}`));
      else found.push(name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

async function trialObjects(options: { readonly maxObjectBytes?: number } = {}): Promise<TrialObjects> {
  const data = await Deno.makeTempDir({ prefix: "windkit-objects-" });
  const dir = join(data, "objects");
  const database = await openDatabase({ path: join(data, "server.sqlite"), durability: "process" });
  const open = () =>
    openObjects({
      dir,
      database,
      now: () => 1_700_000_000_000,
      folder: { interpolate: (value) => value },
      secrets: { remember: () => {} },
      ...options,
    });
  const objects = await open();
  return {
    dir,
    objects,
    store: objects.storage(),
    database,
    files: () => filesBelow(dir),
    reopen: open,
    async [Symbol.asyncDispose]() {
      database.close();
      await Deno.remove(data, { recursive: true });
    },
  };
}

async function messageOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    return error instanceof Error ? error.message : `${error}`;
  }
  return "";
}

for (const [name, run] of Object.entries(storeCases)) {
  Deno.test(`Files: ${name}`, async () => {
    await using trial = await trialObjects();
    await run(trial.store, 3);
    assertEquals((await trial.files()).length, (await keysOf(trial.store, "", 1000)).length, "No file is left over");
    assertEquals(trial.database.all("SELECT * FROM object_leftovers"), []);
  });
}

/** Keys that no disk could have as names. */
const HOSTILE_KEYS = [
  "..",
  ".",
  "../../../escape",
  "a/../../b",
  "/absolute",
  "//",
  "a//b",
  "a/",
  "a",
  "a/b/",
  "C:\\windows\\x",
  "\\\\host\\share",
  "nul",
  "COM1.txt",
  "x.txt.",
  "x.txt ",
  "ends\u0000here",
  "\r\n\t",
  "%2e%2e%2f",
  "\u00e9",
  "e\u0301",
  "\ufeffbom",
  "\u202egnp.exe",
  `${"n".repeat(300)}.txt`,
  `${"d/".repeat(500)}x`,
  "\ud83d\ude00".repeat(256),
];

Deno.test("Files: no key leaves the folder, and no two keys meet in one file", async () => {
  await using trial = await trialObjects();
  const { store } = trial;
  for (const key of HOSTILE_KEYS) await store.write(key, bodyOf(`content of ${key}`), {});
  for (const key of HOSTILE_KEYS) assertEquals(await textOf(store, key), `content of ${key}`);
  const files = await trial.files();
  assertEquals(files.length, HOSTILE_KEYS.length);
  assertEquals(
    new Set(files.map((file) => file.toLowerCase())).size,
    files.length,
    "A disk without case has all of them",
  );
  for (const file of files) assert(/^main(?:\/[\w.-]{1,90}){2}$/.test(file), file);
  const bytes = (key: string) => [...new TextEncoder().encode(key)].map((byte) => byte.toString(16).padStart(2, "0"));
  const expected = HOSTILE_KEYS.toSorted((a, b) => bytes(a).join() < bytes(b).join() ? -1 : 1);
  assertEquals(await keysOf(store, "", 5), expected);
  for (const key of HOSTILE_KEYS) assertEquals(await store.remove(key), true);
  assertEquals(await trial.files(), []);
});

Deno.test("Files: a key has 1 to 1024 bytes", async () => {
  await using trial = await trialObjects();
  assertIncludes(await messageOf(() => trial.store.write("", bodyOf("x"), {})), "must not be empty");
  const message = await messageOf(() => trial.store.write("\u00e9".repeat(513), bodyOf("x"), {}));
  assertIncludes(message, "has 1026 bytes, and may have at most 1024");
  let isCancelled = false;
  const unread = new ReadableStream<Uint8Array>({ cancel: () => void (isCancelled = true) });
  assertIncludes(await messageOf(() => trial.store.write("x".repeat(1025), unread, {})), "at most 1024");
  assert(isCancelled, "Whoever sends it is told");
});

Deno.test("Storages: each has objects of its own, and the default one has some names", async () => {
  await using trial = await trialObjects();
  const { objects } = trial;
  for (const name of [undefined, null, "", "_default_", "main", "null", "None"]) {
    await objects.storage(name).write("k", bodyOf(`${name}`), {});
    assertEquals(await textOf(objects.storage(), "k"), `${name}`);
  }
  const names = ["..", ".", "CON", "second store", "Second Store", "\u00fc", "x".repeat(128)];
  for (const name of names) await objects.storage(name).write("k", bodyOf(name), {});
  for (const name of names) assertEquals(await textOf(objects.storage(name), "k"), name);
  assertEquals(await textOf(objects.storage(), "k"), "None");
  assertEquals(objects.names(), names.toSorted());
  for (const name of ["a/b", "a\nb", "x".repeat(129)]) {
    assertIncludes(await messageOf(() => objects.storage(name)), "No storage can be called");
  }
  for (const file of await trial.files()) assert(/^[a-z0-9_-]+\//.test(file), file);
});

Deno.test("Files: whoever reads an object has it to its end, though it is replaced and removed", async () => {
  await using trial = await trialObjects();
  const { store } = trial;
  const piece = new Uint8Array(300_000).fill(1);
  await store.write("k", bodyOf(piece, piece), {});
  const first = await store.read("k"), reader = first?.body.getReader();
  await reader?.read();
  await store.write("k", bodyOf("new"), {});
  const second = await store.read("k");
  await store.remove("k");
  let length = 128 * 1024;
  for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) length += next.value.length;
  assertEquals(length, 600_000);
  assertEquals(await new Response(second?.body).text(), "new");
  assertEquals(await trial.files(), []);
});

Deno.test("Files: of writers at one time each writes a whole object, and the last one stays", async () => {
  await using trial = await trialObjects();
  const { store } = trial;
  const texts = Array.from({ length: 12 }, (_, i) => `${i}`.repeat(1000));
  const reads: Promise<string | undefined>[] = [];
  await Promise.all(texts.map(async (text) => {
    await store.write("k", bodyOf(...text.match(/.{1,100}/g) ?? []), {});
    reads.push(textOf(store, "k"));
  }));
  for (const text of await Promise.all(reads)) assert(texts.includes(text ?? ""), "Nobody reads a mixture");
  assertEquals((await trial.files()).length, 1);
});

Deno.test("Files: writers, readers and removers of the same keys never see a part of an object", async () => {
  await using trial = await trialObjects();
  const { store } = trial;
  const text = (n: number) => `${n % 10}`.repeat(2000);
  const acts = Array.from({ length: 120 }, (_, n) => async (): Promise<void> => {
    const key = `k${n % 3}`;
    if (n % 4 === 0) await store.remove(key);
    else if (n % 4 === 1) await store.move(key, `k${(n + 1) % 3}`);
    else if (n % 4 === 2) await store.write(key, bodyOf(text(n)), {});
    else {
      const read = await textOf(store, key);
      assert(read === undefined || /^(\d)\1{1999}$/.test(read), "An object is whole");
    }
  });
  await Promise.all(acts.map((act) => act()));
  assertEquals((await trial.files()).length, (await keysOf(store)).length);
});

Deno.test("Files: the next source piece is asked for when the one before is on the disk", async () => {
  await using trial = await trialObjects();
  const piece = new Uint8Array(64 * 1024);
  let asked = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (asked > 1) {
        const [file = ""] = await trial.files();
        const { size } = await Deno.stat(join(trial.dir, file));
        assert(size >= (asked - 1) * piece.length, `${asked} pieces were asked for, ${size} bytes are written`);
      }
      if (asked === 64) controller.close();
      else controller.enqueue(piece);
      asked++;
    },
  }, { highWaterMark: 0 });
  assertEquals((await trial.store.write("k", body, {})).size, 64 * piece.length);
});

Deno.test("Files: what a crash left of uploads and replacements is removed at the next start", async () => {
  await using trial = await trialObjects();
  await trial.store.write("k", bodyOf("kept"), {});
  // A process that dies has written the name, and perhaps a part of the file.
  for (const file of ["main/ab/begun", "main/ab/never-made"]) {
    trial.database.run("INSERT INTO object_leftovers VALUES (?)", file);
  }
  await Deno.mkdir(join(trial.dir, "main/ab"), { recursive: true });
  await Deno.writeTextFile(join(trial.dir, "main/ab/begun"), "half");
  const objects = await trial.reopen();
  assertEquals((await trial.files()).length, 1);
  assertEquals(trial.database.all("SELECT * FROM object_leftovers"), []);
  assertEquals(await textOf(objects.storage(), "k"), "kept");
});

Deno.test("Files: an object whose file somebody removed is an error that names it", async () => {
  await using trial = await trialObjects();
  await trial.store.write("a/k.txt", bodyOf("x"), {});
  const [file = ""] = await trial.files();
  assert(file.endsWith("-k.txt"), "People find it");
  await Deno.remove(join(trial.dir, file));
  assertIncludes(await messageOf(() => trial.store.read("a/k.txt")), `the file of "a/k.txt" is gone: objects/${file}`);
  await trial.store.write("a/k.txt", bodyOf("again"), {});
  assertEquals(await textOf(trial.store, "a/k.txt"), "again");
});

Deno.test("Files: an object is bounded", async () => {
  await using trial = await trialObjects({ maxObjectBytes: 10 });
  await trial.store.write("k", bodyOf("12345", "67890"), {});
  const message = await messageOf(() => trial.store.write("k", bodyOf("12345", "67890", "1"), {}));
  assertIncludes(message, "an object is bounded to 10 bytes");
  assertEquals(await textOf(trial.store, "k"), "1234567890");
  assertEquals((await trial.files()).length, 1);
});

Deno.test("Files: the files are for their owner alone", async () => {
  if (Deno.build.os === "windows") return;
  await using trial = await trialObjects();
  await trial.store.write("k", bodyOf("x"), {});
  const [file = ""] = await trial.files();
  assertEquals(((await Deno.stat(join(trial.dir, file))).mode ?? 0) & 0o077, 0);
});

const missing = await installS3Server();

for (const [name, run] of Object.entries(storeCases)) {
  Deno.test({
    name: `S3: ${name}${missing === undefined ? "" : ` (${missing})`}`,
    ignore: missing !== undefined,
    async fn() {
      await using server = await startS3Server(["main"]);
      const { endpoint } = server;
      const value = { endpoint, bucket: "main", accessKey: "S3RVER", secretKey: "S3RVER" };
      await run(openS3({ settings: readS3Settings("The test's", value), maxBytes: 1e9 }), 1000);
    },
  });
}

/** A store whose answers are given. */
function answered(answer: (request: Request) => Response | Promise<Response>, maxBytes = 1e9): ObjectStore {
  const value = { endpoint: "http://s3.test", bucket: "b", accessKey: "a", secretKey: "s" };
  return openS3({
    settings: readS3Settings("The test's", value),
    maxBytes,
    fetch: async (request) => await answer(request),
  });
}

Deno.test("S3: what the store says of an error is told, without what it quotes", async () => {
  const text = "<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No &lt;way&gt;</Message>" +
    "<AWSAccessKeyId>secret-id</AWSAccessKeyId></Error>";
  const store = answered(() => new Response(text, { status: 403 }));
  const wanted = 'Object storage error: bucket "b" did not give an object: status 403, AccessDenied: No <way>';
  assertEquals(await messageOf(() => store.read("k")), wanted);
  assertIncludes(await messageOf(() => store.list({ prefix: "", limit: 1 })), "did not list its objects: status 403");
});

Deno.test("S3: a store that is not there is an error that names its address", async () => {
  let calls = 0;
  const store = answered(() => {
    calls++;
    throw new TypeError("connection refused");
  });
  const message = await messageOf(() => store.stat("k"));
  assertEquals(message, "Object storage error: http://s3.test could not be reached: connection refused");
  assertEquals(calls, 3);
});

Deno.test("S3: an upload that fails at its completion is given up, though the status was 200", async () => {
  const asked: string[] = [];
  const store = answered((request) => {
    const url = new URL(request.url);
    asked.push(`${request.method} ${url.search.replace(/uploadId=.*/, "uploadId")}`);
    if (url.searchParams.has("uploads")) return new Response("<R><UploadId>u&amp;1</UploadId></R>");
    if (request.method === "PUT") return new Response(null, { headers: { etag: '"t"' } });
    if (request.method === "POST") return new Response("<Error><Code>InternalError</Code></Error>");
    return new Response(null, { status: 204 });
  });
  const large = new Uint8Array(9 * 1024 * 1024);
  assertIncludes(await messageOf(() => store.write("k", bodyOf(large), {})), "did not complete an upload");
  assertEquals(asked, [
    "POST ?uploads=",
    "PUT ?partNumber=1&uploadId",
    "PUT ?partNumber=2&uploadId",
    "POST ?uploadId",
    "DELETE ?uploadId",
  ]);
});

Deno.test("S3: a list goes on where a page ended, with the keys that XML cannot have", async () => {
  const all = ["a\u0001b", "a b", "a%20", "a+b", "b/c", "\uffff", "\u{10000}"];
  const asked: (string | null)[] = [];
  const store = answered((request) => {
    const query = new URL(request.url).searchParams, marker = query.get("marker") ?? "";
    asked.push(marker);
    const left = all.slice(all.indexOf(marker) + 1), page = left.slice(0, Math.min(2, Number(query.get("max-keys"))));
    const items = page.map((key) =>
      `<Contents><Key>${encodeURIComponent(key).replaceAll("%20", "+")}</Key></Contents>`
    );
    const truncated = `<IsTruncated>${page.length < left.length}</IsTruncated>`;
    return new Response(`<R><EncodingType>url</EncodingType>${truncated}${items.join("")}</R>`);
  });
  const list = await store.list({ prefix: "", limit: 5 });
  assertEquals([list.objects.map(({ key }) => key), list.next], [all.slice(0, 5), "b/c"]);
  assertEquals(asked, ["", "a b", "a+b"]);
  assertEquals(await keysOf(store, "", 3), all);
  const stuck = answered(() => new Response("<R><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents></R>"));
  assertIncludes(await messageOf(() => stuck.list({ prefix: "", limit: 3 })), "lists the same objects again");
});

Deno.test("S3: keys that no address can have, and headers that no signature can, are refused", async () => {
  const store = answered(() => new Response(null, { headers: { "content-length": "0" } }));
  assertIncludes(await messageOf(() => store.read("a/../b")), 'it has "." or ".." between slashes');
  assertIncludes(await messageOf(() => store.write("k", bodyOf("x"), { contentDisposition: "\u00fc" })), "ASCII only");
  const bounded = answered(() => new Response(null), 10);
  assertIncludes(await messageOf(() => bounded.write("k", bodyOf("12345678901"), {})), "bounded to 10 bytes");
});

Deno.test("S3: a bucket is in the path or in the host", async () => {
  const asked: string[] = [];
  const fetch = (request: Request): Promise<Response> => {
    asked.push(request.url);
    assertIncludes(request.headers.get("authorization") ?? "AWS4-HMAC-SHA256 none", "AWS4-HMAC-SHA256");
    return Promise.resolve(new Response(null, { headers: { "content-length": "0" } }));
  };
  for (
    const place of [
      { endPoint: "localhost", port: 9000, useSSL: false },
      { endPoint: "s3.eu-west-3.amazonaws.com", accessKey: "a", secretKey: "s", token: "t" },
      { endPoint: "s3.eu-west-3.amazonaws.com", pathStyle: true },
    ]
  ) {
    await openS3({ settings: readS3Settings("The test's", { bucket: "b", ...place }), maxBytes: 1, fetch }).stat("k +");
  }
  assertEquals(asked, [
    "http://localhost:9000/b/k%20%2B",
    "https://b.s3.eu-west-3.amazonaws.com/k%20%2B",
    "https://s3.eu-west-3.amazonaws.com/b/k%20%2B",
  ]);
});

Deno.test("S3: what is wrong with settings is named, and never what they hold", async () => {
  const good = { endPoint: "h", bucket: "b", accessKey: "a", secretKey: "very-secret" };
  const cases: [unknown, string][] = [
    ["text", "it must have fields"],
    [{ ...good, bucket: "a/b" }, "'bucket' must be the name of a bucket"],
    [{ ...good, endPoint: undefined }, "'endPoint' must be the host of the store"],
    [{ ...good, endPoint: "h/path" }, "'endPoint' must be a host, with a port or not"],
    [{ ...good, port: 0 }, "'port' must be a whole number"],
    [{ ...good, useSSL: "yes" }, "'useSSL' must be true or false"],
    [{ ...good, accessKey: undefined }, "both 'accessKey' and 'secretKey'"],
  ];
  for (const [value, problem] of cases) {
    const message = await messageOf(() => readS3Settings("The resource", JSON.parse(JSON.stringify(value))));
    assertIncludes(message, problem);
    assert(!message.includes("very-secret"), message);
  }
});

Deno.test("openObjects() says what is wrong with the storages of windkit.json", async () => {
  await using trial = await trialObjects();
  const good = { endpoint: "http://s3.test", bucket: "b" };
  const open = (s3: Json) =>
    openObjects({
      dir: trial.dir,
      database: trial.database,
      now: () => 0,
      folder: {
        interpolate: (value) => {
          if (typeof value === "string") throw new Error("Variable f/a/later not found");
          return value;
        },
      },
      secrets: { remember: () => {} },
      s3,
    });
  assertIncludes(await messageOf(() => open([])), "'s3' of windkit.json must have storages by their names");
  assertIncludes(await messageOf(() => open({ "a/b": good })), 'No storage can be called "a/b"');
  assertIncludes(await messageOf(() => open({ main: good, _default_: good })), 'The storage "main" is there twice');
  assertEquals(
    await messageOf(() => open({ st: { ...good, bucket: "" } })),
    "Cannot use 's3' of windkit.json: The storage \"st\" is no S3 resource: 'bucket' must be the name of a bucket",
  );
  // What is looked up may be there later.
  const objects = await open({ main: "$res:f/a/later", st: good });
  assertEquals(objects.storage("st").s3?.bucket, "b");
  assertIncludes(await messageOf(() => objects.storage()), "Variable f/a/later not found");
});

Deno.test("readRange() reads one range of bytes, and takes the rest for none", () => {
  assertEquals(readRange("bytes=0-0"), { start: 0, end: 1 });
  assertEquals(readRange("bytes=5-"), { start: 5 });
  assertEquals(readRange("bytes=-5"), { last: 5 });
  for (const header of [null, "", "bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "items=0-1", "bytes=a-b"]) {
    assertEquals(readRange(header), undefined, `${header}`);
  }
});

Deno.test("signObject() keeps to the bounds of its time, and no other object, storage or time has its signature", () => {
  const key = new Uint8Array(32).fill(7), nowMs = 1_700_000_000_000;
  const lasts = (expiry?: number) =>
    Number(/exp=(\d+)/.exec(signObject(key, { key: "k" }, nowMs, expiry))?.[1]) - nowMs / 1000;
  assertEquals([lasts(), lasts(300), lasts(1), lasts(99_999_999)], [43_200, 300, 60, 604_800]);
  const query = new URLSearchParams(signObject(key, { key: "k", storage: "s" }, nowMs, 60));
  const exp = query.get("exp") ?? "", sig = query.get("sig") ?? "";
  const check = (object: { key: string; storage?: string }, at = nowMs, until = exp, by = sig, using = key) =>
    checkSignature(using, object, { exp: until, sig: by, nowMs: at });
  assertEquals(check({ key: "k", storage: "s" }), undefined);
  assertEquals(check({ key: "k", storage: "s" }, nowMs + 60_000), "expired");
  assertEquals(check({ key: "k" }), "wrong");
  assertEquals(check({ key: "k2", storage: "s" }), "wrong");
  assertEquals(check({ key: "k", storage: "s" }, nowMs, `${Number(exp) + 1}`), "wrong");
  assertEquals(check({ key: "k", storage: "s" }, nowMs, exp, "0".repeat(64)), "wrong");
  assertEquals(check({ key: "k", storage: "s" }, nowMs, exp, ""), "wrong");
  assertEquals(check({ key: "k", storage: "s" }, nowMs, exp, sig, new Uint8Array(32)), "wrong");
});

Deno.test("readXml() reads what S3 writes, and no more", () => {
  const list = readXml('<?xml version="1.0"?><L xmlns="x"><C><K>a &amp; &#x1F600;</K></C><E/><C><K>b</K></C></L>');
  assertEquals(list?.all("C").map((item) => item.text("K")), ["a & \ud83d\ude00", "b"]);
  assertEquals([list?.text("E"), list?.text("none")], ["", undefined]);
  for (const text of ["", "no", "<a><b></a>", "<a>", "</a>"]) assertEquals(readXml(text), undefined, text);
});

Deno.test("openFiles() knows the version of its tables", async () => {
  await using trial = await trialObjects();
  await openFiles({ dir: trial.dir, database: trial.database, now: () => 0, maxBytes: 1 });
  const sql = "SELECT version FROM parts WHERE name = 'objects'";
  assertEquals({ ...trial.database.get<{ version: number }>(sql) }, { version: 1 });
});

Deno.test("An S3 that a job names leads to no service of this machine, its link, or what the workspace closed", async () => {
  const lookup = (name: string): Promise<readonly string[]> =>
    Promise.resolve(name === "rebound.example" ? ["203.0.113.7", "127.0.0.1"] : ["203.0.113.8"]);
  const known = new Set(["127.0.0.1:9000"]);
  const asks = async (address: string, reach: Parameters<typeof checkReach>[1] = {}): Promise<string> => {
    try {
      await checkReach(address, reach, known, lookup);
      return "let through";
    } catch (error) {
      return error instanceof Refusal && error.status === 403 ? "refused" : String(error);
    }
  };
  for (
    const host of [
      "127.0.0.1:5432",
      "127.9.9.9",
      "0.0.0.0:80",
      "169.254.169.254",
      "[::1]:80",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "[fe80::1]",
      "2130706433",
      "rebound.example",
    ]
  ) assertEquals([host, await asks(`http://${host}/b/k`)], [host, "refused"]);
  assertEquals(await asks("http://127.0.0.1:9000/b/k"), "let through");
  assertEquals(await asks("https://s3.example/b/k"), "let through");
  assertEquals(await asks("https://s3.example/b/k", { open: false }), "refused");
  assertEquals(await asks("http://127.0.0.1:9000/b/k", { open: false }), "let through");
  assertEquals(await asks("https://s3.example/b/k", { denied: ["203.0.113.0/24"] }), "refused");
  assertEquals(await asks("https://s3.example/b/k", { denied: ["s3.example:443"] }), "refused");
  assertEquals(await asks("https://s3.example/b/k", { denied: ["s3.example:80", "10.0.0.1"] }), "let through");
});
