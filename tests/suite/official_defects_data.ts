/**
 * The defects of the official client 1.818.0 (sdk-contract I) that are about S3 and SQL: 3, 4, 6, 13, 16 to 19, 22 and 36.
 *
 * @module
 */
import * as wmill from "@windkit/windmill-client";
import { feed, json, type Seen, text } from "./_client_kit.ts";
import { s3Stub, storedText } from "./_s3_kit.ts";
import { through, topLevel } from "./_defects_kit.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

test("I 3: bytes, Blobs and streams are stored as they are, and text has the kind that is given", async () => {
  const bytes = new Uint8Array([0, 123, 255]);
  const sources: readonly (() => wmill.S3Content)[] = [
    () => bytes,
    () => bytes.buffer,
    () => new Blob([bytes]),
    () => new Blob([bytes]).stream(),
  ];
  const stub = s3Stub();
  await through(stub, async () => {
    for (const source of sources) {
      await wmill.writeS3File("s3:///k", source());
      assertEquals(stub.objects.get("/k")?.bytes, bytes);
    }
    await wmill.writeS3File("s3:///t", "é", undefined, "text/csv");
  });
  assertEquals([storedText(stub, "/t"), stub.objects.get("/t")?.type], ["é", "text/csv"]);
});

test("I 4: content is read as it comes, and given up when the reader stops", async () => {
  const content = feed(undefined, "application/octet-stream");
  await topLevel(() => content.response, async () => {
    const object = await wmill.loadS3FileStream("s3:///k");
    const reader = object.stream().getReader();
    content.send("ab");
    assertEquals((await reader.read()).value, new Uint8Array([97, 98]));
    await reader.cancel();
    assert(content.cancelled());
  });
  await topLevel(() => text("abc"), async () => {
    assertEquals(await wmill.loadS3File("s3:///k"), new Uint8Array([97, 98, 99]));
  });
});

test("I 6: a public address has its key encoded, and one slash after the base", async () => {
  await topLevel(() => json([{ s3: "a b?c#d/é", storage: "st", presigned: "exp=1&sig=2" }]), async () => {
    const base = { baseUrl: "https://pub.test/" };
    const end = "/api/w/ws/s3_proxy/st/a%20b%3Fc%23d/%C3%A9?exp=1&sig=2";
    const object = "s3://st/a b?c#d/é";
    assertEquals(await wmill.getPresignedS3PublicUrl(object, base), `https://pub.test${end}`);
    assertEquals(await wmill.getPresignedS3PublicUrls([object], base), [`https://pub.test${end}`]);
  });
});

test("I 13: a deletion goes to the store of the resource that is given", async () => {
  await topLevel(() => json("deleted"), async (stub) => {
    await wmill.deleteS3File("s3:///k", undefined, { resourcePath: "$res:u/me/s3" });
    const { method, url } = stub.seen[0] as Seen;
    assertEquals([method, new URL(url).searchParams.get("s3_resource_path")], ["DELETE", "u/me/s3"]);
  });
});

test("I 16: an explicit cast is the statement's, whatever stands after it", () => {
  const lake = wmill.ducklake("lake");
  for (
    const [{ content }, type, end] of [
      [lake`SELECT CAST(${1} AS int)`, "BIGINT", "SELECT CAST($arg1 AS int)"],
      [lake`SELECT ${1}::int, y`, "BIGINT", "SELECT $arg1::int, y"],
      [lake`SELECT ${1}::double precision`, "BIGINT", "SELECT $arg1::double precision"],
      [lake`SELECT ${"x"}::varchar(3)`, "TEXT", "SELECT $arg1::varchar(3)"],
    ] as const
  ) {
    assertEquals(content, `-- $arg1 (${type})\nATTACH 'ducklake://lake' AS dl;USE dl;\n${end}`);
  }
});

test("I 17: names are quoted, and those that say something else than they mean are refused", async () => {
  const schema = 's"; DROP SCHEMA x; --';
  const quoted = '"s""; DROP SCHEMA x; --"';
  assertIncludes(wmill.datatable(`main:${schema}`)`SELECT 1`.content, `SET search_path TO ${quoted};`);
  assertIncludes(wmill.ducklake(`lake:${schema}`)`SELECT 1`.content, `USE dl.${quoted};`);
  const partition = { table: "my t", selectSql: "SELECT 1 AS id", partition: "p'1" };
  const { content, args } = wmill.appendPartition(partition);
  assertIncludes(content, 'dl."my t"');
  assert(!content.includes("p'1") && Object.values(args).includes("p'1"));
  await assertRejects(() => wmill.appendPartition({ ...partition, table: 't"; x' }), undefined, "without quotes");
  for (const name of ["x:", "a:b:c", "a'b"]) {
    for (const make of [wmill.datatable, wmill.ducklake, wmill.parseSqlClientName]) {
      const error = await assertRejects(() => make(name), undefined, JSON.stringify(name));
      assert(error instanceof RangeError);
    }
  }
});

test("I 18: undefined is refused with its position; bigint and bytes arrive, nested ones too", async () => {
  const bytes = new Uint8Array([0, 171]);
  const { content, args } = wmill.datatable()`SELECT ${bytes}, ${bytes.buffer}, ${{ a: [10n], b: bytes }}, ${[1n, 2n]}`;
  assertIncludes(content, "SELECT $1::TEXT::BYTEA, $2::TEXT::BYTEA, $3::JSON, $4::BIGINT[]");
  const { database: _, ...values } = args;
  assertEquals(Object.values(values), ["\\x00ab", "\\x00ab", { a: ["10"], b: "\\x00ab" }, ["1", "2"]]);
  assertIncludes(wmill.ducklake()`SELECT ${bytes}`.content, "unhex(");
  for (
    const make of [
      () => wmill.datatable()`SELECT ${1}, ${undefined}`,
      () => wmill.datatable().query("SELECT $1, $2", 1, undefined),
      () => wmill.ducklake()`SELECT ${1}, ${undefined}`,
    ]
  ) {
    assert(await assertRejects(make, undefined, "value 2") instanceof RangeError);
  }
});

test("I 19: an error of a statement has its status and the server's words, and execute() gives nothing", async () => {
  // A response has no text of its status here, as over HTTP/2.
  await topLevel(() => text('db error: relation "t" does not exist', 500), async () => {
    for (const make of [wmill.datatable(), wmill.ducklake()]) {
      const error = await assertRejects(() => make`SELECT * FROM t`.fetch(), "WINDMILL_API", 'relation "t"');
      const { status, query } = error as unknown as Record<string, unknown>;
      assertEquals([status, query], [500, "SELECT * FROM t"]);
    }
  });
  await topLevel(() => json([{ a: 1 }]), async () => {
    assertEquals(await wmill.datatable()`SELECT 1 AS a`.execute(), undefined);
  });
});

test("I 22: settings of a connection to S3 have the port and the token that the server sends", async () => {
  const sent = { bucket: "b", region: "r", endPoint: "e", useSSL: true, pathStyle: false, port: 9000, token: "t" };
  await topLevel(() => json(sent), async () => {
    const { port, token, ...rest } = await wmill.denoS3LightClientSettings(undefined);
    const typed: readonly [number | undefined, string | undefined] = [port ?? undefined, token ?? undefined];
    assertEquals([...typed, rest.bucket], [9000, "t", "b"]);
  });
});

test("I 36: a storage that is null is the default one", async () => {
  const object = { s3: "k", storage: null };
  const stub = s3Stub();
  await through(stub, async () => {
    await wmill.writeS3File(object, "x");
    assertEquals([...stub.objects.keys()], ["/k"]);
    assertEquals(new TextDecoder().decode(await wmill.loadS3File(object)), "x");
    assertEquals(await (await wmill.loadS3FileStream(object)).text(), "x");
  });
  assert(!stub.seen.some(({ url }) => url.searchParams.has("storage")));
  await topLevel(() => json([{ ...object, presigned: "sig=1" }]), async (asked) => {
    const url = await wmill.getPresignedS3PublicUrl(object, { baseUrl: "https://pub.test" });
    assertEquals(url, "https://pub.test/api/w/ws/s3_proxy/_default_/k?sig=1");
    assertEquals(asked.seen[0]?.body, '{"s3_objects":[{"s3":"k"}]}');
  });
});
