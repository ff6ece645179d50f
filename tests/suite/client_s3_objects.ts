/** S3 objects: how they are written, keys of every kind, lists, moves, signatures and public addresses. */
import * as wmill from "@windkit/windmill-client";
import {
  type ClientOptions,
  createClient,
  parseS3Object,
  type S3Object,
  type S3ObjectRecord,
} from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { json, options, serve, stillClock, type Stub, text, withEnvironment } from "./_client_kit.ts";
import { s3Stub, storedText } from "./_s3_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

function s3(stub: Pick<Stub, "fetch">, more: Partial<ClientOptions> = {}) {
  return createClient(options(stub, more)).s3;
}

// How an object is written

test("parseS3Object(): a URI has a storage, which may be empty, and a key, which may hold anything", () => {
  const cases: readonly (readonly [S3Object, S3ObjectRecord])[] = [
    ["s3://st/k", { storage: "st", s3: "k" }],
    ["s3:///k", { s3: "k" }],
    ["s3://st/a/b c?d#e%20", { storage: "st", s3: "a/b c?d#e%20" }],
    ["s3:////k", { s3: "/k" }],
    ["s3://st/a\nb", { storage: "st", s3: "a\nb" }],
    [{ s3: "k" }, { s3: "k" }],
    [{ s3: "k", storage: "st", presigned: "exp=1" }, { s3: "k", storage: "st", presigned: "exp=1" }],
    [{ s3: "s3://x/y" }, { s3: "s3://x/y" }],
    // What the Python client gives for the default storage.
    [{ s3: "k", storage: null }, { s3: "k" }],
    [{ s3: "k", storage: "" }, { s3: "k" }],
  ];
  for (const [object, record] of cases) assertEquals(parseS3Object(object), record);
});

test("parseS3Object(): a record is copied, not changed", () => {
  const record = { s3: "k", storage: null };
  assert(parseS3Object(record) !== record);
  assertEquals(record, { s3: "k", storage: null });
});

for (
  const object of [
    "k.txt",
    "",
    "s3://",
    "s3://st",
    "s3://st/",
    "s3:///",
    "S3://st/k",
    "http://st/k",
    { s3: "" },
    {},
    { s3: null },
    { s3: 5 },
    { s3: "\ud800" },
    5,
    null,
    undefined,
    [],
    true,
  ]
) {
  test(`parseS3Object(): ${JSON.stringify(object)} (${typeof object}) is refused, with what was expected`, async () => {
    const error = await assertRejects(() => parseS3Object(object as unknown as S3Object));
    assert(error instanceof TypeError, `Expected a TypeError, found ${error}`);
    assertIncludes(error.message, 'Expected "s3://storage/key" or { s3: "key" }, found');
  });
}

test("s3: every function refuses what is no object, before any request", async () => {
  const stub = s3Stub();
  const group = s3(stub);
  const bad = "k.txt" as unknown as S3Object;
  for (
    const call of [
      () => group.download(bad),
      () => group.upload(bad, "x"),
      () => group.upload("" as unknown as S3Object, "x"),
      () => group.delete(bad),
      () => group.metadata(bad),
      () => group.move(bad, "s3:///k"),
      () => group.move("s3:///k", bad),
      () => group.sign(bad),
      () => group.signAll(["s3:///k", bad]),
      () => group.presign(bad),
      () => group.presignAll(["s3:///k", bad]),
    ]
  ) {
    const error = await assertRejects(call);
    assert(error instanceof TypeError, `Expected a TypeError, found ${error}`);
  }
  assertEquals(stub.seen.length, 0);
});

test("s3: an error about a record shows its key, and not its signature", async () => {
  const error = await assertRejects(() => parseS3Object({ s3: "\ud800", presigned: "sig=secret" }));
  assert(!error.message.includes("secret"));
});

// Keys

const keys = [
  "plain.txt",
  "a b/c d",
  "a?b=c&d",
  "a#b",
  "100%",
  "%2F%20",
  "a+b",
  "a=b&c=d",
  "\u00e4/\u65e5\u672c/\ud83d\ude00",
  "quote\"'`",
  "back\\slash",
  "a//b",
  "/a",
  "a/",
  "a/./b",
  "../x",
  "a/..",
  "..",
  "tab\tand\nline",
  "semi;colon,comma",
  "~!@$^*()[]{}|<>",
];

test("s3: keys of every kind survive writing, reading, moving and deleting", async () => {
  for (const key of keys) {
    const stub = s3Stub();
    const group = s3(stub);
    const object = { s3: key, storage: "st" };
    assertEquals(await group.upload(object, "x"), object);
    assertEquals([...stub.objects.keys()], [`st/${key}`]);
    assertEquals(await (await group.download(object)).text(), "x");
    assertEquals(await (await group.download(`s3://st/${key}`)).text(), "x");
    assertEquals((await group.metadata(object)).size_in_bytes, 1);
    for await (const found of group.listAll({ prefix: key, storage: "st" })) assertEquals(found, object);
    assertEquals(await group.move(object, { s3: `to/${key}`, storage: "st" }), { s3: `to/${key}`, storage: "st" });
    assertEquals([...stub.objects.keys()], [`st/to/${key}`]);
    await group.delete({ s3: `to/${key}`, storage: "st" });
    assertEquals(stub.objects.size, 0);
  }
});

test("s3.presign(): an address holds its key, whatever reads it", async () => {
  for (const key of keys) {
    const signed = { s3: key, storage: "my st", presigned: "exp=9999999999&sig=ab" };
    const call = s3(s3Stub()).presign(signed);
    if (key.split("/").some((part) => part === "." || part === "..")) {
      // These are resolved by whoever reads the address, whether they are encoded or not.
      const error = await assertRejects(() => call, undefined, JSON.stringify(key));
      assert(error instanceof RangeError);
      continue;
    }
    const { pathname, search, hash } = new URL(await call);
    const [, storage = "", path = ""] = /^\/api\/w\/ws\/s3_proxy\/([^/]*)\/(.*)$/s.exec(pathname) ?? [];
    assertEquals([decodeURIComponent(storage), path.split("/").map(decodeURIComponent).join("/")], ["my st", key]);
    assertEquals([search, hash], ["?exp=9999999999&sig=ab", ""]);
  }
});

// Metadata, deletion, moves

test("s3.metadata(): gives what the server knows", async () => {
  const stub = s3Stub();
  const group = s3(stub);
  await group.upload("s3:///k.csv", "1,2");
  assertEquals(await group.metadata("s3:///k.csv"), { mime_type: "text/csv", size_in_bytes: 3, last_modified: null });
  await assertRejects(() => group.metadata("s3:///none"), "WINDMILL_API", "Not found");
});

test("s3.delete(): names the resource that is meant", async () => {
  const stub = s3Stub();
  await s3(stub).delete("s3://st/k", { resourcePath: "$res:u/me/s3" });
  const [request] = stub.seen;
  assertEquals([request?.method, request?.url.search], [
    "DELETE",
    "?file_key=k&s3_resource_path=u%2Fme%2Fs3&storage=st",
  ]);
});

test("s3.move(): stays within a storage, and is made once", async () => {
  const stub = s3Stub();
  const group = s3(stub);
  for (const to of ["s3://other/k", "s3:///k"] as const) {
    const error = await assertRejects(() => group.move("s3://st/k", to), undefined, "expected the same storage");
    assert(error instanceof TypeError);
  }
  assertEquals(stub.seen.length, 0);
  await group.upload("s3:///a", "x");
  assertEquals(await group.move("s3:///a", { s3: "b", storage: null }), { s3: "b" });
  assertEquals(storedText(stub, "/b"), "x");
  const failing = serve(() => text("later", 503));
  await assertRejects(() => s3(failing).move("s3:///a", "s3:///b"), "WINDMILL_API", "later");
  assertEquals(failing.seen.length, 1);
});

// Lists

async function filled(count: number, storage = "") {
  const stub = s3Stub();
  for (let i = 0; i < count; i++) {
    stub.objects.set(`${storage}/k${i}`, { bytes: new Uint8Array(), type: undefined, disposition: undefined });
  }
  return stub;
}

test("s3.list(): gives a page, with what objects are read by, and where the next begins", async () => {
  const group = s3(await filled(3, "st"));
  const first = await group.list({ storage: "st", perPage: 2 });
  assertEquals(first, {
    objects: [{ s3: "k0", storage: "st" }, { s3: "k1", storage: "st" }],
    nextMarker: "2",
    restricted: false,
  });
  const second = await group.list({ storage: "st", perPage: 2, marker: "2" });
  assertEquals([second.objects, second.nextMarker], [[{ s3: "k2", storage: "st" }], undefined]);
  assertEquals((await s3(await filled(0)).list()).objects, []);
});

test("s3.listAll(): reads page after page, as the loop goes on", async () => {
  const stub = await filled(5);
  const found: string[] = [];
  for await (const { s3: key } of s3(stub).listAll({ perPage: 2 })) {
    found.push(key);
    assertEquals(stub.seen.length, Math.ceil(found.length / 2));
  }
  assertEquals(found, ["k0", "k1", "k2", "k3", "k4"]);
  for await (const _ of s3(stub).listAll({ perPage: 2 })) break;
  assertEquals(stub.seen.length, 4);
});

test("s3.listAll(): narrows to a prefix, and sends what narrows with every page", async () => {
  const stub = await filled(12);
  const found: string[] = [];
  for await (const { s3: key } of s3(stub).listAll({ prefix: "k1", perPage: 1 })) found.push(key);
  assertEquals(found, ["k1", "k10", "k11"]);
  assert(stub.seen.every(({ url }) => url.searchParams.get("prefix") === "k1"));
});

test("s3.list(): the instance's word that there is more than the caller may see is passed on", async () => {
  const stub = serve(() => json({ windmill_large_files: [], restricted_access: true }));
  assertEquals((await s3(stub).list()).restricted, true);
});

test("s3.list(): a page whose next page is itself is an error, not a loop without end", async () => {
  const stub = serve(() => json({ windmill_large_files: [{ s3: "k" }], next_marker: "m" }));
  const found: unknown[] = [];
  await assertRejects(
    async () => {
      for await (const object of s3(stub).listAll()) found.push(object);
    },
    "WINDMILL_API",
    "expected another marker",
  );
  assertEquals([found.length, stub.seen.length], [1, 2]);
});

test("s3.list(): a size of pages that is none is refused before any request", async () => {
  const stub = s3Stub();
  for (const perPage of [0, -1, 1.5, NaN, Infinity]) {
    const error = await assertRejects(() => s3(stub).list({ perPage }), undefined, "'perPage'");
    assert(error instanceof RangeError);
  }
  assertEquals(stub.seen.length, 0);
});

// Signatures

function signing(presigned: (key: string) => unknown = (key) => `exp=1700009999&sig=${key}`): Stub {
  return serve(({ body }) => {
    const { s3_objects } = JSON.parse(body) as { s3_objects: S3ObjectRecord[] };
    return json(s3_objects.map((object) => ({ ...object, presigned: presigned(object.s3) })));
  });
}

function bodies(stub: Stub): unknown[] {
  return stub.seen.map(({ body }) => JSON.parse(body));
}

test("s3.signAll(): signs all objects in one request, without old signatures, and none in no request", async () => {
  const stub = signing();
  const objects: S3Object[] = ["s3://st/a", { s3: "b", storage: null, presigned: "exp=1&sig=old", filename: "f.txt" }];
  assertEquals(await s3(stub).signAll(objects, { expirySecs: 60 }), [
    { s3: "a", storage: "st", presigned: "exp=1700009999&sig=a" },
    { s3: "b", filename: "f.txt", presigned: "exp=1700009999&sig=b" },
  ]);
  assertEquals(bodies(stub), [{
    s3_objects: [{ storage: "st", s3: "a" }, { s3: "b", filename: "f.txt" }],
    expiry_secs: 60,
  }]);
  assertEquals(await s3(stub).signAll([]), []);
  assertEquals(stub.seen.length, 1);
});

test("s3.sign(): 'expirySecs' that is no time is refused before any request", async () => {
  const stub = signing();
  for (const expirySecs of [0, -1, 1.5, NaN, Infinity]) {
    const error = await assertRejects(() => s3(stub).sign("s3:///a", { expirySecs }), undefined, "'expirySecs'");
    assert(error instanceof RangeError);
  }
  assertEquals(stub.seen.length, 0);
});

test("s3.sign(): an answer that is no signature is an error", async () => {
  const answers: readonly (() => Response)[] = [
    () => text("<html>"),
    () => json([]),
    () => json([{ s3: "a" }]),
    () => json([{ s3: "a", presigned: "x" }, { s3: "b", presigned: "x" }]),
    () => json({}),
    () => new Response(null, { status: 204 }),
  ];
  for (const answer of answers) {
    await assertRejects(() => s3(serve(answer)).sign("s3:///a"), "WINDMILL_API", "expected");
  }
});

test("s3.presignAll(): signs those that are not signed, and keeps the order", async () => {
  const stub = signing();
  const clock = stillClock();
  assertEquals(
    await s3(stub, { clock }).presignAll([
      "s3:///a",
      { s3: "b", presigned: "exp=1700000031&sig=old" },
      { s3: "c", storage: "st" },
      { s3: "d", presigned: "no end" },
    ]),
    [
      "http://stub.test/api/w/ws/s3_proxy/_default_/a?exp=1700009999&sig=a",
      "http://stub.test/api/w/ws/s3_proxy/_default_/b?exp=1700000031&sig=old",
      "http://stub.test/api/w/ws/s3_proxy/st/c?exp=1700009999&sig=c",
      "http://stub.test/api/w/ws/s3_proxy/_default_/d?no end",
    ],
  );
  assertEquals(bodies(stub), [{ s3_objects: [{ s3: "a" }, { s3: "c", storage: "st" }] }]);
});

test("s3.presign(): a signature that holds is used without a request", async () => {
  const stub = signing();
  const object = { s3: "a", presigned: "sig=ab&exp=1700000030" };
  const clock = stillClock();
  assertIncludes(await s3(stub, { clock }).presign(object), "?sig=ab&exp=1700000030");
  assertEquals(stub.seen.length, 0);
});

test("s3.presign(): a signature that is over, or over within 30 s, is made anew", async () => {
  for (const exp of [0, 1_699_000_000, 1_700_000_000, 1_700_000_029]) {
    const stub = signing();
    const address = await s3(stub, { clock: stillClock() }).presign({ s3: "a", presigned: `exp=${exp}&sig=old` }, {
      expirySecs: 90,
    });
    assertIncludes(address, "?exp=1700009999&sig=a");
    assertEquals(bodies(stub), [{ s3_objects: [{ s3: "a" }], expiry_secs: 90 }]);
  }
});

test("s3.presign(): a signature that is null or empty is none", async () => {
  for (const presigned of [null, ""]) {
    const stub = signing();
    const object = { s3: "a", presigned } as unknown as S3Object;
    assertIncludes(await s3(stub, { clock: stillClock() }).presign(object), "?exp=1700009999&sig=a");
    assertEquals(bodies(stub), [{ s3_objects: [{ s3: "a" }] }]);
  }
});

test("s3.presign(): a local clock that is wrong costs a request, and never the signature that the server made", async () => {
  // By this clock the server's signatures are over when they are made.
  const stub = signing();
  const clock = stillClock(2_000_000_000_000);
  const fresh = await s3(stub, { clock }).sign("s3:///a");
  assertIncludes(await s3(stub, { clock }).presign(fresh), "?exp=1700009999&sig=a");
  assertEquals(stub.seen.length, 2);
});

test("s3.presign(): the address is the given one, else the client's, else the environment's public one", async () => {
  const env = { WM_BASE_URL: "https://public.example/", BASE_INTERNAL_URL: "http://internal:8000" };
  const signed = { s3: "a", presigned: "sig=1" };
  const { baseUrl: _, ...bare } = options(s3Stub());
  const end = "/api/w/ws/s3_proxy/_default_/a?sig=1";
  const environment = createClient({ ...bare, env }).s3;
  assertEquals(await environment.presign(signed), `https://public.example${end}`);
  assertEquals(
    await environment.presign(signed, { baseUrl: "https://mine.example/wm/" }),
    `https://mine.example/wm${end}`,
  );
  const own = createClient({ ...bare, env, baseUrl: "https://client.example" }).s3;
  assertEquals(await own.presign(signed), `https://client.example${end}`);
  assertEquals(
    await createClient({ ...bare, env: { BASE_INTERNAL_URL: "http://internal:8000" } }).s3.presign(signed),
    `http://internal:8000${end}`,
  );
  await assertRejects(() => createClient({ ...bare, env: {} }).s3.presign(signed), "CONFIGURATION", "WM_BASE_URL");
  await assertRejects(() => own.presign(signed, { baseUrl: "not an address" }), "CONFIGURATION");
});

test("s3.presign(): a key that no address can hold is refused before any request", async () => {
  const stub = signing();
  await assertRejects(() => s3(stub).presignAll(["s3:///a", "s3:///b/../c"]));
  assertEquals(stub.seen.length, 0);
});

// The official names

test("S3 by the official names: the workspace of the call goes over the client's", async () => {
  const stub = s3Stub();
  const seen: string[] = [];
  const watching = {
    fetch: async (url: string, init: RequestInit) => {
      seen.push(new URL(url).pathname.split("/")[3] ?? "");
      return await stub.fetch(url.replace("/w/other/", "/w/ws/"), init);
    },
  };
  const variables = { BASE_INTERNAL_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };
  await withEnvironment(variables, watching, async () => {
    await wmill.writeS3File("s3:///k", "x", undefined, undefined, undefined, "other");
    await wmill.loadS3File("s3:///k", undefined, "other");
    await (await wmill.loadS3FileStream("s3:///k", undefined, "other")).text();
    await (await wmill.loadS3FileReader("s3:///k", undefined, "other")).text();
    await wmill.deleteS3File("s3:///k", "other");
    await wmill.writeS3File("s3:///k", "x");
  });
  assertEquals(seen, ["other", "other", "other", "other", "other", "ws"]);
}, noEnvironment);

test("S3 by the official names: what a script did with the official results still works", async () => {
  const stub = s3Stub();
  const variables = { BASE_INTERNAL_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };
  await withEnvironment(variables, stub, async () => {
    const written = await wmill.writeS3File("s3://st/k.txt", new Blob(["content"]), undefined, "text/plain");
    assertEquals(written, { s3: "k.txt", storage: "st" });
    assertEquals(new TextDecoder().decode(await wmill.loadS3File(written)), "content");
    const blob = await wmill.loadS3FileStream(written);
    assertEquals([blob.size, blob.type], [7, "text/plain"]);
    const reader = blob.stream().getReader();
    assertEquals((await reader.read()).value?.length, 7);
    await reader.cancel();
    await wmill.writeS3File({ s3: "copy" }, await wmill.loadS3FileStream(written));
    assertEquals(storedText(stub, "/copy"), "content");
    // This one has no resource in the official client: the option is an addition.
    await wmill.deleteS3File({ s3: "copy" }, undefined, { resourcePath: "u/me/s3" });
    assertIncludes(stub.seen.at(-1)?.url.search ?? "", "s3_resource_path=u%2Fme%2Fs3");
  });
}, noEnvironment);

test("S3 by the official names: without a workspace or a token no request is made", async () => {
  const stub = s3Stub();
  for (
    const variables of [{ WM_WORKSPACE: "", WM_TOKEN: "tok" }, { WM_WORKSPACE: "ws", WM_TOKEN: "" }] as const
  ) {
    await withEnvironment({ BASE_INTERNAL_URL: "http://stub.test", ...variables }, stub, async () => {
      for (
        const call of [
          () => wmill.loadS3File("s3:///k"),
          () => wmill.writeS3File("s3:///k", "x"),
          () => wmill.deleteS3Object("s3:///k"),
          () => wmill.signS3Object("s3:///k"),
          () => wmill.getPresignedS3PublicUrl("s3:///k"),
          () => wmill.denoS3LightClientSettings(undefined),
        ]
      ) await assertRejects(call, "CONFIGURATION", variables.WM_TOKEN === "" ? "WM_TOKEN" : "WM_WORKSPACE");
    });
  }
  assertEquals(stub.seen.length, 0);
}, noEnvironment);
