/** Writing of S3 objects: every kind of content, streams without buffering, and how it ends early. */
import {
  CancelledError,
  type ClientOptions,
  createClient,
  type S3Content,
  type WindmillApiError,
} from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { feed, json, options, settle, stillClock, text } from "./_client_kit.ts";
import { bodyBytes, countedSignal, pieceFeed, s3Stub, storedText } from "./_s3_kit.ts";
import { test } from "./harness.ts";

type Fetch = NonNullable<ClientOptions["fetch"]>;

function s3(fetch: Fetch, more: Partial<ClientOptions> = {}) {
  return createClient(options({ fetch }, more)).s3;
}

function bytes(value: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(value);
}

async function* pieces<T>(...list: readonly T[]): AsyncGenerator<T, void> {
  yield* list;
}

/** What the body of a request gives piece by piece, as a connection takes it. */
function connection(init: RequestInit): ReadableStreamDefaultReader<Uint8Array> {
  assert(init.body instanceof ReadableStream, "Expected a stream as the body");
  return init.body.getReader();
}

/** A connection that takes one piece and then neither takes nor answers; it hangs up with the signal, as a runtime does. */
function silentAfter(taken: number, seen: RequestInit[] = []): Fetch {
  return async (_, init) => {
    seen.push(init);
    const reader = connection(init);
    for (let piece = 0; piece < taken; piece++) await reader.read();
    const { signal } = init;
    return await new Promise<Response>((_, reject) =>
      signal?.addEventListener("abort", () => {
        void reader.cancel(signal.reason);
        reject(signal.reason);
      })
    );
  };
}

// Kinds of content

const kinds: Readonly<Record<string, () => S3Content>> = {
  "text": () => "ab\u00e7d",
  "a Uint8Array": () => bytes("ab\u00e7d"),
  "a part of a buffer": () => bytes("xxab\u00e7dyy").subarray(2, 7),
  "an ArrayBuffer": () => bytes("ab\u00e7d").buffer,
  "a DataView": () => new DataView(bytes("xxab\u00e7dyy").buffer, 2, 5),
  "a Blob": () => new Blob(["ab", "\u00e7d"]),
  "a stream of bytes": () => pieceFeed([bytes("ab"), bytes("\u00e7d")]).stream,
  "a stream of text": () => pieceFeed(["ab", "\u00e7", "d"]).stream,
  "the stream of a Blob": () => new Blob(["ab\u00e7d"]).stream(),
  "an async iterable": () => pieces<string | Uint8Array>("ab", bytes("\u00e7"), "d"),
  "a stream with empty pieces": () => pieceFeed([bytes(""), "ab\u00e7", "", bytes(""), "d", ""]).stream,
};

for (const [kind, make] of Object.entries(kinds)) {
  test(`s3.upload(): ${kind} arrives as it is`, async () => {
    const stub = s3Stub();
    assertEquals(await s3(stub.fetch).upload({ s3: "k", storage: "st" }, make()), { s3: "k", storage: "st" });
    assertEquals(storedText(stub, "st/k"), "ab\u00e7d");
    assertEquals(stub.seen.map(({ headers }) => headers.get("content-type")), ["application/octet-stream"]);
  });
}

for (
  const [kind, content] of [["text", ""], ["bytes", new Uint8Array()], ["a Blob", new Blob()], [
    "a stream",
    pieceFeed([]).stream,
  ], ["an iterable", pieces<string>()]] as const
) {
  test(`s3.upload(): ${kind} without content makes an empty object`, async () => {
    const stub = s3Stub();
    await s3(stub.fetch).upload("s3:///k", content);
    assertEquals(storedText(stub, "/k"), "");
  });
}

test("s3.upload(): bytes are not changed by what they hold", async () => {
  const stub = s3Stub();
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  await s3(stub.fetch).upload("s3:///whole", all);
  await s3(stub.fetch).upload("s3:///pieces", pieces(all.subarray(0, 100), all.subarray(100)));
  assertEquals(stub.objects.get("/whole")?.bytes, all);
  assertEquals(stub.objects.get("/pieces")?.bytes, all);
});

test("s3.upload(): without an object the server makes the key, with the ending that is asked for", async () => {
  const stub = s3Stub();
  assertEquals(await s3(stub.fetch).upload(undefined, "x", { fileExtension: "csv" }), { s3: "made/1.csv" });
  assertEquals(stub.objects.get("/made/1.csv")?.type, "text/csv");
  assertEquals(await s3(stub.fetch).upload(null, "x"), { s3: "made/1" });
  assert(!stub.seen.some(({ url }) => url.searchParams.has("file_key")));
});

test("s3.upload(): all options go into the query", async () => {
  const stub = s3Stub();
  await s3(stub.fetch).upload("s3://st/k", "x", {
    contentType: "a/b",
    contentDisposition: 'attachment; filename="x y"',
    resourcePath: "$res:u/me/s3",
    resourceType: "azure_blob",
  });
  assertEquals(Object.fromEntries(stub.seen[0]?.url.searchParams ?? []), {
    file_key: "k",
    storage: "st",
    s3_resource_path: "u/me/s3",
    resource_type: "azure_blob",
    content_type: "a/b",
    content_disposition: 'attachment; filename="x y"',
  });
});

test("s3.upload(): the kind of content is the given one, the Blob's, that of the key's ending, or text", async () => {
  const png = new Blob(["x"], { type: "image/png" });
  const cases: readonly (readonly [string, S3Content, string | undefined, string | undefined])[] = [
    ["k.csv", png, "a/b", "a/b"],
    ["k.csv", png, undefined, "image/png"],
    ["k.csv", "x", undefined, "text/csv"],
    ["k.html", bytes("x"), undefined, "text/html"],
    ["k.JSON", pieceFeed(["x"]).stream, undefined, "application/json"],
    ["a.b/k.jpg", bytes("x"), undefined, "image/jpeg"],
    ["k.jpeg", bytes("x"), undefined, "image/jpeg"],
    ["k.png", bytes("x"), undefined, "image/png"],
    ["k.pdf", new Blob(["x"]), undefined, "application/pdf"],
    ["k.zip", bytes("x"), undefined, "application/zip"],
    ["k.xyz", "x", undefined, "text/plain"],
    ["png", bytes("x"), undefined, undefined],
    ["a.png/k", bytes("x"), undefined, undefined],
    ["k.constructor", bytes("x"), undefined, undefined],
    ["k.csv", "x", "", ""],
  ];
  for (const [key, content, contentType, expected] of cases) {
    const stub = s3Stub();
    await s3(stub.fetch).upload({ s3: key }, content, { contentType });
    assertEquals([key, stub.objects.get(`/${key}`)?.type], [key, expected]);
  }
});

test("s3.upload(): content that is none is refused before any request", async () => {
  const stub = s3Stub();
  // What `fetch` does not know, it sends as text: "[object Map]", and "0,0" for memory that threads share.
  const shared = new SharedArrayBuffer(2);
  const unknown = [new Map([[1, 2]]), new Set([1]), { size: 3 }, shared, new Uint8Array(shared), new DataView(shared)];
  for (const content of [5, true, null, undefined, {}, [1, 2], () => "x", ...unknown]) {
    const error = await assertRejects(() => s3(stub.fetch).upload("s3:///k", content as unknown as string));
    assert(error instanceof TypeError, `Expected a TypeError, found ${error}`);
    assertIncludes(error.message, "Expected bytes or well-formed text");
  }
  assertEquals(stub.seen.length, 0);
});

test("s3.upload(): a stream that somebody reads already is refused", async () => {
  const stub = s3Stub();
  const { stream } = pieceFeed(["x"]);
  stream.getReader();
  const error = await assertRejects(() => s3(stub.fetch).upload("s3:///k", stream));
  assert(error instanceof TypeError);
  assertEquals(stub.seen.length, 0);
});

test("s3.upload(): a missing workspace or token leaves the stream alone", async () => {
  for (const missing of [{ workspace: "" }, { token: "" }]) {
    const { stream, asked } = pieceFeed(["x"]);
    await assertRejects(() => s3(s3Stub().fetch, missing).upload("s3:///k", stream), "CONFIGURATION");
    assertEquals([stream.locked, asked()], [false, 0]);
  }
});

// Streams

test("s3.upload(): a stream is sent as a stream, half duplex, piece by piece as the connection takes them", async () => {
  const source = pieceFeed(["a", "b", "c", "d"]);
  const asked: number[] = [];
  await s3(async (_, init) => {
    assertEquals((init as { duplex?: string }).duplex, "half");
    const reader = connection(init);
    for (;;) {
      asked.push(source.asked());
      const { done } = await reader.read();
      await settle();
      if (done) break;
    }
    return json({ file_key: "k" });
  }).upload("s3:///k", source.stream);
  // At each step the source was asked for what the connection took, and for no piece more.
  assertEquals(asked, [0, 1, 2, 3, 4]);
});

test("s3.upload(): an iterable is asked for a piece only when the connection takes one", async () => {
  let asked = 0;
  async function* endless(): AsyncGenerator<string, void> {
    for (;;) yield `${asked++}`;
  }
  const failed = assertRejects(
    () =>
      s3(async (_, init) => {
        const reader = connection(init);
        for (let piece = 0; piece < 3; piece++) await reader.read();
        await settle();
        return text("Bad request: enough", 400);
      }).upload("s3:///k", endless()),
    "WINDMILL_API",
    "enough",
  );
  await failed;
  assertEquals(asked, 3);
});

test("s3.upload(): a download is sent on as it comes, as a stream, with its kind", async () => {
  const stub = s3Stub();
  const group = s3(stub.fetch);
  await group.upload("s3:///a.csv", "content");
  await group.upload("s3://st/b", await group.download("s3:///a.csv"));
  const { init } = stub.seen.at(-1) ?? {};
  assertEquals([init?.body instanceof ReadableStream, (init as { duplex?: string }).duplex], [true, "half"]);
  assertEquals([storedText(stub, "st/b"), stub.objects.get("st/b")?.type], ["content", "text/csv"]);
});

test("s3.upload(): progress is told piece by piece, and once for content that is whole", async () => {
  const stub = s3Stub();
  const told: number[] = [];
  const onProgress = (sent: number) => void told.push(sent);
  await s3(stub.fetch).upload("s3:///k", pieces("ab", "\u00e7", "d"), { onProgress });
  assertEquals(told, [2, 4, 5]);
  await s3(stub.fetch).upload("s3:///k", "ab\u00e7d", { onProgress });
  assertEquals(told, [2, 4, 5, 5]);
});

test("s3.upload(): an error of the source is the error of the call, and nothing is reported as stored", async () => {
  const broken = new Error("disk on fire");
  async function* failing(): AsyncGenerator<string, void> {
    yield "half";
    throw broken;
  }
  for (const content of [failing(), pieceFeed(["half"], broken).stream]) {
    const stub = s3Stub();
    const error = await assertRejects(() => s3(stub.fetch).upload("s3:///k", content));
    assert(error === broken, `Expected the source's own error, found ${error}`);
    assertEquals([stub.objects.size, stub.seen.length], [0, 1]);
  }
});

test("s3.upload(): an error of the progress function is the error of the call", async () => {
  const broken = new Error("no screen");
  const source = pieceFeed(["a", "b"]);
  const error = await assertRejects(() =>
    s3(s3Stub().fetch).upload("s3:///k", source.stream, {
      onProgress: () => {
        throw broken;
      },
    })
  );
  assert(error === broken);
});

test("s3.upload(): a piece that is neither bytes nor well-formed text ends the call", async () => {
  // Half of a pair, as a text that was cut anywhere has at its end: each half alone would be stored as U+FFFD.
  for (const piece of [5, null, {}, "\ud83d", "a\udc00"]) {
    const stub = s3Stub();
    const error = await assertRejects(() => s3(stub.fetch).upload("s3:///k", pieces(piece as unknown as string)));
    assert(error instanceof TypeError, `Expected a TypeError, found ${error}`);
    assertEquals(stub.objects.size, 0);
  }
});

test("s3.upload(): an abort ends the call with the signal's reason, and gives the source up", async () => {
  const { controller, listeners } = countedSignal();
  const source = pieceFeed(["a"], "silence");
  const call = s3(silentAfter(2)).upload("s3:///k", source.stream, { signal: controller.signal });
  await settle();
  const reason = new CancelledError("Enough");
  controller.abort(reason);
  const error = await assertRejects(() => call, "CANCELLED");
  await settle();
  assert(error === reason);
  assertEquals([source.givenUp()?.reason === reason, listeners()], [true, 0]);
});

test("s3.upload(): an abort gives a generator up too, as soon as it is between two pieces", async () => {
  let closed = false;
  async function* source(): AsyncGenerator<string, void> {
    try {
      for (;;) yield "a";
    } finally {
      closed = true;
    }
  }
  const controller = new AbortController();
  const call = s3(silentAfter(3)).upload("s3:///k", source(), { signal: controller.signal });
  await settle();
  controller.abort(new CancelledError("Enough"));
  await assertRejects(() => call, "CANCELLED");
  await settle();
  assertEquals(closed, true);
});

test("s3.upload(): a signal that is aborted already ends the call before any request", async () => {
  const stub = s3Stub();
  const source = pieceFeed(["a"]);
  const signal = AbortSignal.abort(new CancelledError("Never"));
  await assertRejects(() => s3(stub.fetch).upload("s3:///k", source.stream, { signal }), "CANCELLED");
  await settle();
  assertEquals([stub.seen.length, source.asked(), source.givenUp() !== undefined], [0, 0, true]);
});

test("s3.upload(): a server that refuses before it took all of the content is heard, and the source is given up", async () => {
  const source = pieceFeed(Array.from({ length: 100 }, () => "x"));
  const call = s3(async (_, init) => {
    await connection(init).read();
    return text("Quota exceeded: too large", 413);
  }).upload("s3:///k", source.stream);
  const error = await assertRejects(() => call, "WINDMILL_API", "too large") as WindmillApiError;
  assertEquals([error.status, source.asked() < 5], [413, true]);
});

test("s3.upload(): an iterable may have a size, of whatever that is, and is sent piece by piece", async () => {
  const stub = s3Stub();
  await s3(stub.fetch).upload("s3:///k", Object.assign(pieces("ab", "c"), { size: 2 }));
  assertEquals(storedText(stub, "/k"), "abc");
});

test("s3.upload(): a server that is content before it took all of the content gets no more, and the source is given up", async () => {
  const source = pieceFeed(Array.from({ length: 100 }, () => "x"));
  const late: unknown[] = [];
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  await s3(async (_, init) => {
    reader = connection(init);
    await reader.read();
    return json({ file_key: "k" });
  }).upload("s3:///k", source.stream);
  await settle();
  // Deno goes on reading the body, as long as the connection is open.
  late.push(await reader?.read().catch(() => "refused"));
  assertEquals([late[0], source.asked(), source.givenUp() !== undefined], ["refused", 1, true]);
});

test("s3.upload(): a request that fails before its body is looked at gives the source up", async () => {
  const source = pieceFeed(["x"]);
  await assertRejects(
    () => s3(() => Promise.reject(new TypeError("fetch failed"))).upload("s3:///k", source.stream),
    "WINDMILL_API",
    "fetch failed",
  );
  await settle();
  assertEquals([source.asked(), source.givenUp() !== undefined], [0, true]);
});

test("s3.upload(): a runtime that goes on reading the body after the call ended gets its error, and nothing of the source", async () => {
  // Node does so, for ever and without a pause.
  const controller = new AbortController();
  const source = pieceFeed(Array.from({ length: 100 }, () => "x"));
  const ends: unknown[] = [];
  const call = s3(async (_, init) => {
    const reader = connection(init);
    await reader.read();
    controller.abort(new CancelledError("Enough"));
    await settle();
    ends.push(await reader.read().catch((error) => error));
    return json({ file_key: "k" });
  }).upload("s3:///k", source.stream, { signal: controller.signal });
  const error = await assertRejects(() => call, "CANCELLED");
  await settle();
  await settle();
  assertEquals([ends.length, ends[0] === error, source.asked()], [1, true, 1]);
});

test("s3.upload(): a browser that would send the text of a stream says so, and sends nothing", async () => {
  const source = pieceFeed(["x"]);
  const bodies: string[] = [];
  // What a fetch does that knows no streams as bodies.
  const old: Fetch = async (_, init) => {
    bodies.push(`${init.body}`);
    return json({ file_key: "k" });
  };
  const call = s3(old).upload("s3:///k", source.stream);
  const error = await assertRejects(() => call, undefined, "This browser sends no streams: pass a Blob");
  assert(error instanceof TypeError);
  assertEquals(bodies, []);
});

// Time

test("s3.upload(): a server that takes no piece for 'timeoutMs' ends the call", async () => {
  for (const taken of [0, 3]) {
    const clock = stillClock();
    const start = clock.now();
    const source = pieceFeed(Array.from({ length: 100 }, () => "x"));
    const call = s3(silentAfter(taken), { clock, timeoutMs: 400 }).upload("s3:///k", source.stream);
    await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED", "Waited 400 ms for POST http://stub.test/api"));
    await settle();
    assertEquals([clock.now() - start, clock.timers(), source.givenUp() !== undefined], [400, 0, true]);
  }
});

test("s3.upload(): a server that never answers after the last piece ends the call", async () => {
  const clock = stillClock();
  const call = s3(silentAfter(9), { clock, timeoutMs: 400 }).upload("s3:///k", pieces("a", "b"));
  await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED"));
  assertEquals(clock.timers(), 0);
});

test("s3.upload(): an answer that never ends, ends the call", async () => {
  const clock = stillClock();
  const call = s3(async (_, init) => {
    await bodyBytes(init);
    return feed(init.signal ?? undefined).response;
  }, { clock, timeoutMs: 400 }).upload("s3:///k", pieces("a"));
  await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED"));
  assertEquals(clock.timers(), 0);
});

test("s3.upload(): neither a long transfer nor a slow source is ended while the server takes its pieces", async () => {
  const clock = stillClock();
  const start = clock.now();
  const stub = s3Stub();
  async function* slow(): AsyncGenerator<string, void> {
    for (let piece = 0; piece < 10; piece++) {
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, 60_000));
      yield "x";
    }
  }
  await clock.drive(s3(stub.fetch, { clock, timeoutMs: 400 }).upload("s3:///k", slow()));
  assertEquals([storedText(stub, "/k"), clock.now() - start, clock.timers()], ["xxxxxxxxxx", 600_000, 0]);
});

test("s3.upload(): whole content has one more millisecond for each 16 bytes, unless the call says how long", async () => {
  for (const [timeoutMs, waited] of [[undefined, 400 + 1000], [50, 50]] as const) {
    const clock = stillClock();
    const start = clock.now();
    const never: Fetch = () => new Promise(() => {});
    const call = s3(never, { clock, timeoutMs: 400 }).upload(
      "s3:///k",
      new Uint8Array(16_000),
      timeoutMs === undefined ? {} : { timeoutMs },
    );
    await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED"));
    assertEquals([clock.now() - start, clock.timers()], [waited, 0]);
  }
});

test("s3.upload(): a 'timeoutMs' that is no time is refused, Infinity is none", async () => {
  for (const timeoutMs of [0, -1, NaN]) {
    for (const content of ["x", pieceFeed(["x"]).stream]) {
      const error = await assertRejects(() => s3(s3Stub().fetch).upload("s3:///k", content, { timeoutMs }));
      assert(error instanceof RangeError, `Expected a RangeError, found ${error}`);
    }
  }
  const stub = s3Stub(), clock = stillClock();
  await s3(stub.fetch, { clock }).upload("s3:///k", pieces("x"), { timeoutMs: Infinity });
  assertEquals([storedText(stub, "/k"), clock.timers()], ["x", 0]);
});

// Repetition and redirects

test("s3.upload(): whole content is sent again after a failure that passes, if its key is known", async () => {
  for (
    const [object, content, requests] of [["s3:///k", "x", 2], [undefined, "x", 1], [
      "s3:///k",
      pieces("x"),
      1,
    ]] as const
  ) {
    const clock = stillClock();
    const stub = s3Stub();
    let requested = 0;
    const once: Fetch = async (url, init) => {
      if (requested++ > 0) return await stub.fetch(url, init);
      await bodyBytes(init);
      return text("later", 503);
    };
    await clock.drive(s3(once, { clock }).upload(object, content).then(() => undefined, () => undefined));
    assertEquals(requested, requests);
    assertEquals(storedText(stub, "/k"), requests === 2 ? "x" : undefined);
  }
});

test("s3.upload(): a redirect that keeps the method is followed with whole content, and never with a stream", async () => {
  for (const status of [307, 308]) {
    const stub = s3Stub();
    const moved: Fetch = async (url, init) => {
      if (url.includes("/moved/")) return await stub.fetch(url.replace("/moved/", "/"), init);
      await bodyBytes(init);
      return text("", status, { location: url.replace("/api/", "/moved/api/") });
    };
    await s3(moved).upload("s3:///k", "whole");
    assertEquals(storedText(stub, "/k"), "whole");
    const call = s3(moved).upload("s3:///k", pieces("stream"));
    await assertRejects(() => call, "WINDMILL_API", "A stream follows no redirect: set 'baseUrl' to it");
    assertEquals(storedText(stub, "/k"), "whole");
  }
});

// Answers

for (
  const [what, response] of [
    ["HTML", () => text("<html>")],
    ["an object without the key", () => json({})],
    ["a key that is no text", () => json({ file_key: 5 })],
    ["null", () => json(null)],
    ["half a JSON", () => text('{"file_key": "k')],
    ["nothing", () => text("")],
    ["204", () => new Response(null, { status: 204 })],
  ] as const
) {
  test(`s3.upload(): an answer of ${what} is an error that says so`, async () => {
    for (const content of ["x", pieces("x")]) {
      const call = s3(async (_, init) => {
        await bodyBytes(init);
        return response();
      }).upload("s3:///k", content);
      await assertRejects(() => call, "WINDMILL_API", "expected a 'file_key', found");
    }
  });
}

test("s3.upload(): an error body without end is cut, and the token is in no error", async () => {
  const call = s3(async (_, init) => {
    await bodyBytes(init);
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(bytes("Internal: tok tok tok ".repeat(1000))),
    });
    return new Response(endless, { status: 500 });
  }).upload("s3:///k", pieces("x"));
  const error = await assertRejects(() => call, "WINDMILL_API", "Internal: ***") as WindmillApiError;
  assert(error.body.length <= 65_536 && !`${error.message}${error.body}`.includes("tok "));
});
