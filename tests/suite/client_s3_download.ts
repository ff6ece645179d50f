/** Reading of S3 objects: streams that stay streams, parts, and how it ends early. */
import { CancelledError, type ClientOptions, createClient, type WindmillApiError } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { feed, json, options, settle, stillClock, text } from "./_client_kit.ts";
import { countedSignal, type S3Stub, s3Stub, storedText } from "./_s3_kit.ts";
import { test } from "./harness.ts";

type Fetch = NonNullable<ClientOptions["fetch"]>;

function s3(fetch: Fetch, more: Partial<ClientOptions> = {}) {
  return createClient(options({ fetch }, more)).s3;
}

/** A store with one object, at `s3:///k`. */
function storeWith(content: string, options?: { readonly ranges?: boolean }): S3Stub {
  const stub = s3Stub(options);
  stub.objects.set("/k", { bytes: new TextEncoder().encode(content), type: "text/csv", disposition: undefined });
  return stub;
}

/** A server that sends pieces, each only when it is asked for; `asked` counts. */
function sending(...pieces: readonly string[]) {
  let asked = 0;
  const fetch: Fetch = () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces[asked++];
        if (piece === undefined) controller.close();
        else controller.enqueue(new TextEncoder().encode(piece));
      },
    }, { highWaterMark: 0 });
    return Promise.resolve(new Response(body));
  };
  return { fetch, asked: () => asked };
}

// Ways to read

test("s3.download(): each way of reading gives the content", async () => {
  const group = s3(storeWith('["a", "\u00e7"]').fetch);
  const bytes = new TextEncoder().encode('["a", "\u00e7"]');
  assertEquals(await (await group.download("s3:///k")).text(), '["a", "\u00e7"]');
  assertEquals(await (await group.download("s3:///k")).json(), ["a", "\u00e7"]);
  assertEquals(await (await group.download("s3:///k")).bytes(), bytes);
  assertEquals(new Uint8Array(await (await group.download("s3:///k")).arrayBuffer()), bytes);
  const blob = await (await group.download("s3:///k")).blob();
  assertEquals([blob instanceof Blob, blob.type, await blob.text()], [true, "text/csv", '["a", "\u00e7"]']);
  assertEquals(await new Response((await group.download("s3:///k")).stream()).text(), '["a", "\u00e7"]');
  assertEquals(await new Response(await group.download("s3:///k")).text(), '["a", "\u00e7"]');
  const pieces: number[] = [];
  for await (const piece of await group.download("s3:///k")) pieces.push(...piece);
  assertEquals(new Uint8Array(pieces), bytes);
});

test("s3.download(): kind, size and headers are known when it begins", async () => {
  const download = await s3(storeWith("12345").fetch).download("s3:///k");
  assertEquals([download.type, download.size, download.headers.get("content-length")], ["text/csv", 5, "5"]);
  assert(download instanceof ReadableStream);
  await download.cancel();
});

test("s3.download(): the size is unknown where the server does not say it, or packs the content", async () => {
  const bare = await s3(sending("x").fetch).download("s3:///k");
  assertEquals([bare.type, bare.size], ["", undefined]);
  const headers = { "content-encoding": "gzip", "content-length": "9" };
  const packed = await s3(() => Promise.resolve(new Response("x", { headers }))).download("s3:///k");
  assertEquals(packed.size, undefined);
  await Promise.all([bare.cancel(), packed.cancel()]);
});

test("s3.download(): an empty object is empty each way", async () => {
  const group = s3(storeWith("").fetch);
  assertEquals(await (await group.download("s3:///k")).text(), "");
  assertEquals((await (await group.download("s3:///k")).bytes()).length, 0);
  const noBody = s3(() => Promise.resolve(new Response(null)));
  assertEquals(await (await noBody.download("s3:///k")).text(), "");
});

test("s3.download(): content that is no JSON is a SyntaxError of json()", async () => {
  for (const content of ["<html>", '{"a":', ""]) {
    const download = await s3(storeWith(content).fetch).download("s3:///k");
    const error = await assertRejects(() => download.json());
    assertEquals(error.name, "SyntaxError");
  }
});

test("s3.download(): it is read once, and a second way of reading it is an error", async () => {
  const download = await s3(storeWith("x").fetch).download("s3:///k");
  await download.text();
  const error = await assertRejects(() => download.bytes());
  assert(error instanceof TypeError);
});

test("s3.download(): it never turns into the text of an object, where a Blob was expected", async () => {
  const download = await s3(storeWith("x").fetch).download("s3:///k");
  for (const use of [() => `${download}`, () => new Blob([download as unknown as Blob])]) {
    const error = await assertRejects(use, undefined, "Expected text() or blob()");
    assert(error instanceof TypeError);
  }
  await download.cancel();
});

test("s3.download(): what is asked for is in the request", async () => {
  const stub = storeWith("x");
  await s3(stub.fetch).download("s3://st/a b", { resourcePath: "res://u/me/s3", resourceType: "azure_blob" })
    .then(() => undefined, () => undefined);
  const [request] = stub.seen;
  assertEquals(Object.fromEntries(request?.url.searchParams ?? []), {
    file_key: "a b",
    storage: "st",
    s3_resource_path: "u/me/s3",
    resource_type: "azure_blob",
  });
  assertEquals([request?.headers.get("accept"), request?.headers.get("range")], ["*/*", null]);
});

// Streams

test("s3.download(): the server is asked for a piece only when the reader wants one", async () => {
  const { fetch, asked } = sending("a", "b", "c", "d");
  const download = await s3(fetch).download("s3:///k");
  await settle();
  assertEquals(asked(), 0);
  const reader = download.getReader();
  await reader.read();
  await reader.read();
  await settle();
  assertEquals(asked(), 2);
  await reader.cancel();
});

test("s3.download(): progress tells how much was read, and how much there is", async () => {
  const told: unknown[] = [];
  const onProgress = (read: number, size: number | undefined) => void told.push([read, size]);
  await (await s3(storeWith("12345").fetch).download("s3:///k", { onProgress })).text();
  assertEquals(told.at(-1), [5, 5]);
  told.length = 0;
  await (await s3(sending("ab", "", "c").fetch).download("s3:///k", { onProgress })).text();
  assertEquals(told, [[2, undefined], [3, undefined]]);
});

test("s3.download(): an error of the progress function ends the download with it", async () => {
  const broken = new Error("no screen");
  const answer = feed();
  const download = await s3(() => Promise.resolve(answer.response)).download("s3:///k", {
    onProgress: () => {
      throw broken;
    },
  });
  answer.send("x");
  const error = await assertRejects(() => download.getReader().read());
  await settle();
  assertEquals([error === broken, answer.cancelled()], [true, true]);
});

// Parts

for (const ranges of [true, false]) {
  const server = ranges ? "a server that knows ranges" : "a server that sends all of it";
  test(`s3.download(): a part comes from ${server}`, async () => {
    const stub = storeWith("0123456789", { ranges });
    for (
      const [range, expected] of [
        [{ start: 0 }, "0123456789"],
        [{ start: 3 }, "3456789"],
        [{ start: 0, end: 1 }, "0"],
        [{ start: 3, end: 7 }, "3456"],
        [{ start: 9, end: 10 }, "9"],
        [{ start: 8, end: 99 }, "89"],
      ] as const
    ) {
      const download = await s3(stub.fetch).download("s3:///k", { range });
      assertEquals([download.size, await download.text()], [expected.length, expected]);
    }
    assertEquals(stub.seen.map(({ headers }) => headers.get("range")), [
      "bytes=0-",
      "bytes=3-",
      "bytes=0-0",
      "bytes=3-6",
      "bytes=9-9",
      "bytes=8-98",
    ]);
  });

  test(`s3.download(): a part behind the end is an error with ${server}`, async () => {
    for (const start of [10, 11]) {
      const stub = storeWith("0123456789", { ranges });
      const error = await assertRejects(
        async () => (await s3(stub.fetch).download("s3:///k", { range: { start } })).text(),
        "WINDMILL_API",
      ) as WindmillApiError;
      assertEquals(error.status, 416);
    }
  });
}

test("s3.download(): a part is cut out of pieces, wherever they end, and the rest is not waited for", async () => {
  for (
    const [range, expected, pieces] of [
      [{ start: 0, end: 2 }, "01", 1],
      [{ start: 1, end: 5 }, "1234", 3],
      [{ start: 2, end: 4 }, "23", 2],
      [{ start: 3, end: 9 }, "345678", 5],
      [{ start: 5 }, "56789", 6],
    ] as const
  ) {
    const { fetch, asked } = sending("01", "23", "45", "67", "89");
    assertEquals(await (await s3(fetch).download("s3:///k", { range })).text(), expected);
    assertEquals([expected, asked()], [expected, pieces]);
  }
});

test("s3.download(): a part that is another one than was asked for is an error", async () => {
  const wrong: readonly (readonly [string | undefined])[] = [["bytes 5-9/10"], ["nonsense"], [undefined]];
  for (const [range] of wrong) {
    const fetch: Fetch = () =>
      Promise.resolve(
        new Response("x", { status: 206, headers: range === undefined ? {} : { "content-range": range } }),
      );
    await assertRejects(
      () => s3(fetch).download("s3:///k", { range: { start: 3 } }),
      "WINDMILL_API",
      "expected the object, found something else",
    );
  }
});

test("s3.download(): a range that is none is refused before any request", async () => {
  const stub = storeWith("x");
  for (
    const range of [{ start: -1 }, { start: 1.5 }, { start: NaN }, { start: 2, end: 2 }, { start: 2, end: 1 }, {
      start: 0,
      end: 1.5,
    }, { start: Infinity }]
  ) {
    const error = await assertRejects(() => s3(stub.fetch).download("s3:///k", { range }));
    assert(error instanceof RangeError, `Expected a RangeError, found ${error}`);
  }
  assertEquals(stub.seen.length, 0);
});

// Ends

test("s3.download(): an abort ends it wherever it is, with the signal's reason, and hangs up", async () => {
  for (const reading of [false, true]) {
    for (const listens of [false, true]) {
      const { controller, listeners } = countedSignal();
      const clock = stillClock();
      const answer = feed();
      const download = await s3((_, init) => {
        if (listens) init.signal?.addEventListener("abort", () => answer.break(init.signal?.reason));
        return Promise.resolve(answer.response);
      }, { clock }).download("s3:///k", { signal: controller.signal });
      const reader = download.getReader();
      answer.send("half");
      await reader.read();
      const pending = reading ? assertRejects(() => reader.read(), "CANCELLED") : undefined;
      await settle();
      controller.abort(new CancelledError("Enough"));
      await (pending ?? assertRejects(() => reader.read(), "CANCELLED"));
      await settle();
      assertEquals([listens || answer.cancelled(), listeners(), clock.timers()], [true, 0, 0]);
    }
  }
});

test("s3.download(): an abort before the answer ends the call", async () => {
  const { controller, listeners } = countedSignal();
  const call = s3(() => new Promise(() => {})).download("s3:///k", { signal: controller.signal });
  await settle();
  controller.abort(new CancelledError("Enough"));
  await assertRejects(() => call, "CANCELLED");
  assertEquals(listeners(), 0);
});

test("s3.download(): at its end neither a timer nor a listener is left, however it ends", async () => {
  const ways: Readonly<
    Record<string, (download: ReadableStream<Uint8Array>, answer: ReturnType<typeof feed>) => unknown>
  > = {
    end: async (download, answer) => {
      answer.end();
      await new Response(download).text();
    },
    cancel: (download) => download.cancel(),
    break: async (download, answer) => {
      answer.break(new TypeError("connection reset"));
      await assertRejects(() => new Response(download).text());
    },
    leave: async (download) => {
      for await (const _ of download) break;
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    const { controller, listeners } = countedSignal();
    const clock = stillClock();
    const answer = feed();
    answer.send("some");
    const download = await s3(() => Promise.resolve(answer.response), { clock })
      .download("s3:///k", { signal: controller.signal });
    await way(download, answer);
    await settle();
    assertEquals([name, listeners(), clock.timers()], [name, 0, 0]);
    if (name === "cancel" || name === "leave") assertEquals([name, answer.cancelled()], [name, true]);
  }
});

test("s3.download(): a body that breaks off is an error that names the call, without the token", async () => {
  const answer = feed();
  const download = await s3(() => Promise.resolve(answer.response)).download("s3:///k");
  answer.send("half");
  const reader = download.getReader();
  await reader.read();
  answer.break(new TypeError("reset by tok"));
  const error = await assertRejects(() => reader.read(), "WINDMILL_API") as WindmillApiError;
  assertEquals(
    error.message,
    "GET http://stub.test/api/w/ws/job_helpers/download_s3_file got no answer: TypeError: reset by ***",
  );
  assertEquals([error.status, error.cause], [0, undefined]);
});

test("s3.download(): reading it whole gives the error of the body too", async () => {
  const answer = feed();
  const download = await s3(() => Promise.resolve(answer.response)).download("s3:///k");
  answer.send("half");
  const call = assertRejects(() => download.text());
  await settle();
  answer.break(new TypeError("connection reset"));
  assertIncludes(`${await call}`, "connection reset");
});

// Time

test("s3.download(): a server that never answers ends the call after 'timeoutMs', with its repetitions", async () => {
  const clock = stillClock();
  const start = clock.now();
  const call = s3(() => new Promise(() => {}), { clock, timeoutMs: 400 }).download("s3:///k");
  await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED", "Waited 400 ms for GET http://stub.test/api"));
  assertEquals([clock.now() - start, clock.timers()], [400, 0]);
});

test("s3.download(): a body that stops for 'timeoutMs' while it is read ends with DeadlineError", async () => {
  const clock = stillClock();
  const answer = feed();
  const group = s3(() => Promise.resolve(answer.response), { clock, timeoutMs: 400 });
  const reader = (await group.download("s3:///k")).getReader();
  answer.send("half");
  await reader.read();
  const start = clock.now();
  await clock.drive(assertRejects(() => reader.read(), "DEADLINE_EXCEEDED"));
  await settle();
  assertEquals([clock.now() - start, clock.timers(), answer.cancelled()], [400, 0, true]);
});

test("s3.download(): neither a long transfer nor a slow reader is ended", async () => {
  const clock = stillClock();
  const answer = feed();
  const group = s3(() => Promise.resolve(answer.response), { clock, timeoutMs: 400 });
  const reader = (await group.download("s3:///k")).getReader();
  for (let piece = 0; piece < 5; piece++) {
    // The reader takes its time,
    await clock.pass(60_000);
    const reading = reader.read();
    // and the server takes nearly all of its own.
    await clock.pass(399);
    answer.send("x");
    assertEquals((await reading).value?.length, 1);
  }
  answer.end();
  assertEquals((await reader.read()).done, true);
  await settle();
  assertEquals(clock.timers(), 0);
});

test("s3.download(): a failure that passes before the body begins is repeated, later ones are not", async () => {
  const clock = stillClock();
  const broken = feed();
  const answers = [
    () => text("later", 503, { "retry-after": "3" }),
    () => {
      throw new TypeError("fetch failed");
    },
    () => broken.response,
    () => text("never asked for"),
  ];
  let requests = 0;
  const start = clock.now();
  const fetch: Fetch = async () => (answers[requests++] as () => Response)();
  const download = await clock.drive(s3(fetch, { clock }).download("s3:///k"));
  assertEquals([requests, clock.now() - start], [3, 3500]);
  broken.send("half");
  broken.break(new TypeError("connection reset"));
  await assertRejects(() => download.text());
  await settle();
  assertEquals([requests, clock.timers()], [3, 0]);
});

test("s3.download(): a wait that would outlast 'timeoutMs' is not begun, and Infinity is no limit", async () => {
  const later: Fetch = () => Promise.resolve(text("later", 503, { "retry-after": "60" }));
  const clock = stillClock();
  await assertRejects(() => s3(later, { clock, timeoutMs: 30_000 }).download("s3:///k"), "WINDMILL_API", "later");
  let requests = 0;
  const stub = storeWith("x");
  const once: Fetch = (url, init) => requests++ === 0 ? later(url, init) : stub.fetch(url, init);
  const download = await clock.drive(s3(once, { clock, timeoutMs: Infinity }).download("s3:///k"));
  assertEquals([await download.text(), clock.timers()], ["x", 0]);
});

test("s3.download(): a 'timeoutMs' that is no time is refused", async () => {
  for (const timeoutMs of [0, -1, NaN]) {
    const error = await assertRejects(() => s3(storeWith("x").fetch).download("s3:///k", { timeoutMs }));
    assert(error instanceof RangeError);
  }
});

// Answers

test("s3.download(): an error status is an error with the server's words", async () => {
  const error = await assertRejects(() => s3(s3Stub().fetch).download("s3:///k"), "WINDMILL_API") as WindmillApiError;
  assertEquals([error.status, error.body], [404, "Not found: object"]);
});

test("s3.download(): an error body without end is cut", async () => {
  const endless: Fetch = () =>
    Promise.resolve(
      new Response(
        new ReadableStream<Uint8Array>({
          pull: (c) => c.enqueue(new TextEncoder().encode("Internal: tok ".repeat(999))),
        }),
        { status: 500 },
      ),
    );
  const error = await assertRejects(() => s3(endless).download("s3:///k"), "WINDMILL_API") as WindmillApiError;
  assert(error.body.length <= 65_536 && !error.body.includes("tok"));
});

test("s3.download(): an answer that is no content is an error", async () => {
  for (const status of [201, 204]) {
    const fetch: Fetch = () => Promise.resolve(new Response(null, { status }));
    await assertRejects(() => s3(fetch).download("s3:///k"), "WINDMILL_API", `answered ${status}: expected the object`);
  }
});

test("s3.download(): JSON of the server is content like any other", async () => {
  const download = await s3(() => Promise.resolve(json({ a: 1 }))).download("s3:///k");
  assertEquals(await download.json(), { a: 1 });
});

test("s3.download(): a redirect to the store itself is followed, without the token", async () => {
  const seen: (readonly [string, boolean])[] = [];
  const download = await s3((url, init) => {
    seen.push([new URL(url).origin, JSON.stringify(init.headers).includes("tok")]);
    if (seen.length > 1) return Promise.resolve(text("content"));
    return Promise.resolve(text("", 302, { location: "https://bucket.example.com/k?sig=1" }));
  }).download("s3:///k");
  assertEquals(await download.text(), "content");
  assertEquals(seen, [["http://stub.test", true], ["https://bucket.example.com", false]]);
});

test("s3.download(): a copy from one store to another holds no more than a piece", async () => {
  const { fetch, asked } = sending("a", "b", "c");
  const target = s3Stub();
  const most: number[] = [];
  const watched: Fetch = async (url, init) => {
    most.push(asked());
    return await target.fetch(url, init);
  };
  await s3(watched).upload("s3:///copy", await s3(fetch).download("s3:///k"));
  assertEquals([storedText(target, "/copy"), most], ["abc", [0]]);
});
