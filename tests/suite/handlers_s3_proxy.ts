/** Objects for browsers: who may see them, what of them is sent, and what no address reaches. */
import { type ClientOptions, createClient } from "@windkit/windmill-client";
import { s3Proxy, type S3ProxyOptions } from "@windkit/windmill-client/handlers";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { options as clientOptions, stillClock } from "./_client_kit.ts";
import { bodyBytes, pieceFeed } from "./_s3_kit.ts";
import { test } from "./harness.ts";

/** A request that reached Windmill. */
interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Headers;
  readonly init: RequestInit;
}

/** A proxy before a Windmill that answers as it is told. */
function proxy(
  options: S3ProxyOptions,
  answer: (seen: Seen) => Response | Promise<Response> = () => new Response("content"),
  client: Partial<ClientOptions> = {},
) {
  const seen: Seen[] = [];
  const handler = s3Proxy({
    client: clientOptions({
      fetch: async (url, init) => {
        const { pathname, searchParams } = new URL(url);
        const request = {
          method: init.method ?? "GET",
          path: pathname,
          query: Object.fromEntries(searchParams),
          headers: new Headers(init.headers),
          init,
        };
        seen.push(request);
        return await answer(request);
      },
    }, client),
    ...options,
  });
  const ask = (path: string, init?: RequestInit & { duplex?: "half" }) =>
    handler(new Request(`https://edge.example${path}`, init));
  return { ask, seen };
}

const open: S3ProxyOptions = { basePath: "/files", storage: "", authorize: () => true };

async function errorOf(response: Response): Promise<[number, string]> {
  const { error } = await response.json() as { readonly error: { readonly name: string; readonly message: string } };
  assertEquals(response.headers.get("x-content-type-options"), "nosniff");
  assert(error.message !== "");
  return [response.status, error.name];
}

function signed(path: string, { exp = "4102444800", sig = "ab12" } = {}): string {
  return `${path}?exp=${exp}&sig=${sig}`;
}

// Who may

test("s3Proxy(): without a signature or 'authorize' everything is refused, and Windmill is not asked", async () => {
  const { ask, seen } = proxy({ basePath: "/files", storage: "" });
  for (const path of ["/files/a", "/files/a?exp=4102444800", "/files/a?token=x"]) {
    assertEquals(await errorOf(await ask(path)), [401, "UnauthorizedError"]);
  }
  assertEquals(await errorOf(await ask("/files/a?sig=")), [401, "SignatureError"]);
  assertEquals(seen.length, 0);
});

test("s3Proxy(): a signed address is asked for at Windmill with the signature alone", async () => {
  const { ask, seen } = proxy({}, undefined, {
    headers: { Authorization: "Bearer other", cookie: "a=b", "x-team": "t" },
  });
  const response = await ask(signed("/api/w/ws/s3_proxy/_default_/a/b%20c%2525.txt") + "&token=evil&x=1");
  assertEquals([response.status, await response.text()], [200, "content"]);
  const [{ path, query, headers } = {} as Seen] = seen;
  assertEquals(path, "/api/w/ws/s3_proxy/_default_/a/b%20c%2525.txt");
  assertEquals(query, { exp: "4102444800", sig: "ab12" });
  assertEquals([headers.get("authorization"), headers.get("cookie"), headers.get("x-team")], [null, null, "t"]);
});

test("s3Proxy(): a signed address that Windmill refuses is a 401 of its own", async () => {
  for (const status of [401, 403]) {
    const { ask } = proxy({ authorize: () => true }, () => new Response("Invalid signature of secret", { status }));
    const response = await ask(signed("/s3_proxy/_default_/a"));
    const text = await response.clone().text();
    assertEquals(await errorOf(response), [401, "SignatureError"]);
    assert(!text.includes("secret"), text);
  }
});

test("s3Proxy(): a signature that is over or is none is refused at once", async () => {
  const { ask, seen } = proxy({}, undefined, { clock: stillClock(1_000_000) });
  const bad = [
    { exp: "1000" },
    { exp: "999" },
    { exp: "" },
    { exp: "-5" },
    { exp: "1e9" },
    { exp: "9".repeat(20) },
    { sig: "" },
    { sig: "a%0d%0ab" },
    { sig: "%00" },
    { sig: "\u00fc" },
    { sig: "a".repeat(600) },
  ];
  for (const one of bad) {
    assertEquals(await errorOf(await ask(signed("/s3_proxy/_default_/a", one))), [401, "SignatureError"]);
  }
  assertEquals(seen.length, 0);
  assertEquals((await ask(signed("/s3_proxy/_default_/a", { exp: "1001" }))).status, 200);
});

test("s3Proxy(): a signature is for reading, and is not asked about where it is switched off", async () => {
  const asked: string[] = [];
  const { ask, seen } = proxy({
    ...open,
    methods: ["PUT", "DELETE"],
    authorize: ({ method }, { s3 }) => asked.push(`${method} ${s3}`) < 0,
  });
  for (const method of ["PUT", "DELETE"]) {
    assertEquals(await errorOf(await ask(signed("/files/a"), { method })), [401, "UnauthorizedError"]);
  }
  assertEquals([asked, seen.length], [["PUT a", "DELETE a"], 0]);
  const off = proxy({ ...open, signed: false, authorize: () => false });
  assertEquals(await errorOf(await off.ask(signed("/files/a"))), [401, "UnauthorizedError"]);
});

test("s3Proxy(): 'authorize' sees the object and may answer itself; anything but true is no", async () => {
  const objects: unknown[] = [];
  const { ask, seen } = proxy({
    basePath: "/files/",
    authorize: (_, object) => {
      objects.push(object);
      return object.s3 === "yes" || Response.redirect("https://edge.example/login");
    },
  });
  assertEquals((await ask("/files/second%20store/yes")).status, 200);
  const response = await ask("/files/_default_/no");
  assertEquals([response.status, response.headers.get("location")], [302, "https://edge.example/login"]);
  assertEquals(objects, [{ s3: "yes", storage: "second store" }, { s3: "no" }]);
  assertEquals(seen.map(({ query }) => query), [{ file_key: "yes", storage: "second store" }]);
  const odd = proxy({ ...open, authorize: () => "true" as unknown as boolean });
  assertEquals((await odd.ask("/files/a")).status, 401);
  const broken = proxy({ ...open, authorize: () => Promise.reject(new Error("secret of the database")) });
  const failed = await broken.ask("/files/a");
  assertEquals([failed.status, (await failed.text()).includes("secret")], [500, false]);
});

// Addresses

test("s3Proxy(): no address leaves its folder", async () => {
  const { ask, seen } = proxy({ ...open, prefix: "public/" });
  const bad = [
    "/files/..%2fsecret",
    "/files/a/%2e%2e%2fb",
    "/files/a%5c..%5cb",
    "/files/%2e%2e%5cb",
    "/files/a%00b",
    "/files/a%0d%0ab",
    "/files/.%2fb",
    "/files/%",
    "/files/%ff",
    "/files/%c0%ae%c0%ae%2fb",
  ];
  for (const path of bad) assertEquals([path, ...await errorOf(await ask(path))], [path, 400, "InputError"]);
  for (const path of ["/files/../secret", "/files/%2e%2e/secret", "/files/", "/files", "/other/a", "/filesx/a"]) {
    assertEquals([path, ...await errorOf(await ask(path))], [path, 404, "NotFoundError"]);
  }
  const named = proxy({ basePath: "/files", authorize: () => true });
  for (const path of ["/files/a%2f..%2fb/k", "/files/%2e%2e%2f/k", "/files/a%5cb/k"]) {
    assertEquals([path, ...await errorOf(await named.ask(path))], [path, 400, "InputError"]);
  }
  for (const path of ["/files//k", "/files/storage", "/files/storage/"]) {
    assertEquals([path, ...await errorOf(await named.ask(path))], [path, 404, "NotFoundError"]);
  }
  assertEquals([seen.length, named.seen.length], [0, 0]);
});

test("s3Proxy(): an object has one address: whoever decides by keys sees the one that storages read", async () => {
  const asked: string[] = [];
  const authorize = (_: Request, { s3 }: { readonly s3: string }) => asked.push(s3) > 0;
  const bare = proxy({ basePath: "/files", storage: "", authorize });
  const below = proxy({ basePath: "/files", storage: "", authorize, prefix: "public/" });
  for (const { ask, seen } of [bare, below]) {
    for (
      const path of ["//private/x", "/%2fprivate/x", "/private//x", "/private%2f/x", "/private/x/", "/private/x%2F"]
    ) {
      assertEquals([path, ...await errorOf(await ask(`/files${path}`))], [path, 400, "InputError"]);
      assertEquals([path, ...await errorOf(await ask(signed(`/files${path}`)))], [path, 400, "InputError"]);
    }
    assertEquals(seen.length, 0);
  }
  assertEquals(asked, []);
});

test("s3Proxy(): keys are decoded once, and stay below the prefix, signed or not", async () => {
  const { ask, seen } = proxy({ ...open, prefix: "pub lic/x-" });
  for (const path of ["/files/a/b", "/files/..a/b..", "/files/%252e%252e/b", "/files/\u00fc%3F%23"]) {
    assertEquals([path, (await ask(path)).status], [path, 200]);
    assertEquals([path, (await ask(signed(path))).status], [path, 200]);
  }
  assertEquals(
    seen.filter((_, i) => i % 2 === 0).map(({ query }) => query.file_key),
    ["pub lic/x-a/b", "pub lic/x-..a/b..", "pub lic/x-%2e%2e/b", "pub lic/x-\u00fc?#"],
  );
  assertEquals(
    seen.filter((_, i) => i % 2 === 1).map(({ path }) => path.replace("/api/w/ws/s3_proxy/_default_/", "")),
    ["pub%20lic/x-a/b", "pub%20lic/x-..a/b..", "pub%20lic/x-%252e%252e/b", "pub%20lic/x-%C3%BC%3F%23"],
  );
});

test("s3Proxy(): what client.s3.presign() makes for its origin is an address of it", async () => {
  const { ask, seen } = proxy({});
  const client = createClient(clientOptions({
    fetch: () =>
      Promise.resolve(Response.json([{ s3: "a b/\u00fc%.txt", storage: "st", presigned: "exp=4102444800&sig=ff" }])),
  }));
  const address = await client.s3.presign({ s3: "a b/\u00fc%.txt", storage: "st" }, {
    baseUrl: "https://edge.example",
  });
  assert(address.startsWith("https://edge.example/api/w/ws/s3_proxy/st/"), address);
  assertEquals((await ask(address.slice("https://edge.example".length))).status, 200);
  assertEquals(seen[0]?.path, new URL(address).pathname);
});

test("s3Proxy(): other methods are refused, and writing without 'authorize' is an error at once", async () => {
  const { ask, seen } = proxy({ ...open, methods: ["PUT"] });
  const response = await ask("/files/a", { method: "POST", body: "x" });
  assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD, PUT"]);
  assertEquals((await ask("/files/a", { method: "DELETE" })).status, 405);
  assertEquals(seen.length, 0);
  const error = await assertRejects(
    () => Promise.resolve().then(() => s3Proxy({ methods: ["PUT"] })),
    undefined,
    "authorize",
  );
  assert(error instanceof TypeError);
});

// Reading

const STORED = {
  "content-type": "text/plain",
  "content-length": "10",
  "etag": '"v1"',
  "last-modified": "Tue, 01 Jan 2030 00:00:00 GMT",
  "accept-ranges": "bytes",
};

/** A Windmill that knows ranges, and conditions if it is told to. */
function store(seen: Seen): Response {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(seen.headers.get("range") ?? "") ?? [];
  if (seen.method === "HEAD") return new Response(null, { headers: STORED });
  if (from === undefined) return new Response("0123456789", { headers: STORED });
  if (Number(from) > 9) {
    return new Response("no", {
      status: 416,
      headers: { ...STORED, "content-length": "2", "content-range": "bytes */10" },
    });
  }
  const start = from === "" ? 10 - Number(to) : Number(from), end = from !== "" && to ? Number(to) + 1 : 10;
  return new Response("0123456789".slice(start, end), {
    status: 206,
    headers: { ...STORED, "content-length": `${end - start}`, "content-range": `bytes ${start}-${end - 1}/10` },
  });
}

test("s3Proxy(): a part is the part, and one that is not there says how much there is", async () => {
  const { ask, seen } = proxy(open, store);
  const part = async (range: string) => {
    const response = await ask("/files/a", { headers: { range } });
    return [response.status, response.headers.get("content-range"), await response.text()];
  };
  assertEquals(await part("bytes=2-4"), [206, "bytes 2-4/10", "234"]);
  assertEquals(await part("bytes=7-"), [206, "bytes 7-9/10", "789"]);
  assertEquals(await part("bytes=-2"), [206, "bytes 8-9/10", "89"]);
  const [status, range] = await part("bytes=10-");
  assertEquals([status, range], [416, "bytes */10"]);
  // Lists of parts, and what is no range, get all of it.
  for (const other of ["bytes=0-1,4-5", "bytes=a-b", "pages=1-2", "bytes=1"]) {
    assertEquals(await part(other), [200, null, "0123456789"]);
  }
  assertEquals(seen.at(-1)?.headers.get("range"), null);
  assertEquals(seen[0]?.headers.get("accept-encoding"), "identity");
});

test("s3Proxy(): conditions hold also where Windmill does not look at them", async () => {
  const { ask } = proxy(open, store);
  const status = async (headers: Record<string, string>, method = "GET") => {
    const response = await ask("/files/a", { headers, method });
    if (response.status === 304) {
      assertEquals([response.headers.get("etag"), response.headers.get("content-length")], ['"v1"', null]);
    }
    await response.body?.cancel();
    return response.status;
  };
  const old = "Mon, 01 Jan 2029 00:00:00 GMT", same = STORED["last-modified"];
  assertEquals(await status({ "if-none-match": '"v0", "v1"' }), 304);
  assertEquals(await status({ "if-none-match": 'W/"v1"' }, "HEAD"), 304);
  assertEquals(await status({ "if-none-match": "*" }), 304);
  assertEquals(await status({ "if-none-match": '"v0"', "if-modified-since": same }), 200);
  assertEquals(await status({ "if-modified-since": same }), 304);
  assertEquals(await status({ "if-modified-since": old }), 200);
  assertEquals(await status({ "if-modified-since": "soon" }), 200);
  assertEquals(await status({ "if-match": '"v0"' }), 412);
  assertEquals(await status({ "if-match": 'W/"v1"' }), 412);
  assertEquals(await status({ "if-match": '"v1"' }), 200);
  assertEquals(await status({ "if-unmodified-since": old }), 412);
  assertEquals(await status({ "range": "bytes=0-1", "if-range": '"v1"' }), 206);
  assertEquals(await status({ "range": "bytes=0-1", "if-range": same }), 206);
  assertEquals(await status({ "range": "bytes=0-1", "if-range": '"v0"' }), 200);
  assertEquals(await status({ "range": "bytes=0-1", "if-range": old }), 200);
});

test("s3Proxy(): Windmill's own word on a condition is handed on, with its headers", async () => {
  for (const status of [304, 412]) {
    const { ask, seen } = proxy(open, () => new Response(null, { status, headers: { etag: '"v2"' } }));
    const response = await ask("/files/a", { headers: { "if-none-match": '"v2"' } });
    assertEquals([response.status, response.headers.get("etag"), seen.length], [status, '"v2"', 1]);
    assertEquals(seen[0]?.headers.get("if-none-match"), '"v2"');
  }
});

test("s3Proxy(): HEAD says what GET would, and reads nothing", async () => {
  const { ask, seen } = proxy(open, store);
  const response = await ask("/files/a", { method: "HEAD", headers: { range: "bytes=0-1" } });
  assertEquals([response.status, response.headers.get("content-length"), response.body], [200, "10", null]);
  assertEquals([seen[0]?.method, seen[0]?.headers.get("range")], ["HEAD", null]);
});

test("s3Proxy(): the server is asked for a piece when the browser takes one, and released when it goes", async () => {
  for (const headers of [{}, { "content-length": "50000" }] as Record<string, string>[]) {
    const feed = pieceFeed(Array.from({ length: 50 }, () => new Uint8Array(1000)), "silence");
    const body = feed.stream as ReadableStream<Uint8Array<ArrayBuffer>>;
    const { ask } = proxy(open, () => new Response(body, { headers }));
    const response = await ask("/files/a");
    assertEquals(response.headers.get("content-length"), headers["content-length"] ?? null);
    const reader = response.body?.getReader();
    for (let i = 0; i < 5; i++) assertEquals((await reader?.read())?.value?.length, 1000);
    assert(feed.asked() < 10, `${feed.asked()} pieces were asked for`);
    await reader?.cancel("gone");
    // A stream that is piped hears of it a little later.
    for (let i = 0; i < 50 && feed.givenUp() === undefined; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    assert(feed.givenUp() !== undefined, "The source must be given up");
  }
});

test("s3Proxy(): content that breaks off is broken off, and not ended", async () => {
  const feed = pieceFeed([new Uint8Array(10)], new Error("connection reset"));
  const { ask } = proxy(open, () => new Response(feed.stream as ReadableStream<Uint8Array<ArrayBuffer>>));
  const response = await ask("/files/a");
  await assertRejects(() => response.arrayBuffer());
});

test("s3Proxy(): no script of an object runs, nothing is guessed, and no other header gets through", async () => {
  const types = [
    "text/html",
    "image/svg+xml",
    "application/xml",
    "",
    "application/pdf",
    "application/pdf+xml",
    "application/pdf, text/html",
    'application/pdf; a=", text/html',
  ];
  for (const type of types) {
    const { ask } = proxy(open, () =>
      new Response("<script>", {
        headers: {
          ...(type && { "content-type": type }),
          "set-cookie": "a=b",
          "server": "windmill",
          "x-amz-id": "1",
          "location": "https://elsewhere.example",
          "content-security-policy": "script-src *",
        },
      }));
    const { headers } = await ask("/files/a.html");
    const policy = headers.get("content-security-policy") ?? "";
    assertEquals(/(^|; )sandbox$/.test(policy), type !== "application/pdf");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("referrer-policy"), "no-referrer");
    assertEquals(headers.get("cache-control"), "private, no-cache");
    for (const name of ["set-cookie", "server", "x-amz-id", "location"]) assertEquals(headers.get(name), null);
  }
  const { ask } = proxy({ ...open, cacheControl: "public, max-age=60" });
  assertEquals((await ask("/files/a")).headers.get("cache-control"), "public, max-age=60");
});

test("s3Proxy(): a disposition is made anew: one kind, one name without a folder", async () => {
  const shown = async (stored: string | undefined, options: S3ProxyOptions = {}, key = "k") => {
    const { ask } = proxy(
      { ...open, ...options },
      () => new Response("x", { headers: stored === undefined ? {} : { "content-disposition": stored } }),
    );
    return (await ask(`/files/${key}`)).headers.get("content-disposition");
  };
  assertEquals(await shown(undefined), null);
  assertEquals(await shown("inline"), 'inline; filename="k"');
  assertEquals(await shown('attachment; filename="report.pdf"'), 'attachment; filename="report.pdf"');
  assertEquals(await shown("attachment; filename=report.pdf; x=y"), 'attachment; filename="report.pdf"');
  assertEquals(await shown("evil; filename=a.txt"), 'attachment; filename="a.txt"');
  assertEquals(await shown('attachment; filename="../../etc/passwd"'), 'attachment; filename="passwd"');
  assertEquals(await shown('attachment; filename="c:\\\\x\\\\y.exe"'), 'attachment; filename="y.exe"');
  assertEquals(
    await shown('inline; filename="a\\"; filename=b"'),
    `inline; filename="a_; filename=b"; filename*=UTF-8''a%22%3B%20filename%3Db`,
  );
  assertEquals(await shown("inline; filename*=UTF-8''%e2%80%aetxt.exe"), 'inline; filename="txt.exe"');
  assertEquals(await shown("inline; filename*=UTF-8''%ff; filename=plain"), 'inline; filename="plain"');
  assertEquals(
    await shown("inline; filename*=UTF-8''%C3%BC.txt"),
    `inline; filename="_.txt"; filename*=UTF-8''%C3%BC.txt`,
  );
  assertEquals(
    await shown(undefined, { disposition: "attachment" }, "a/b/%C3%BC%22.txt"),
    `attachment; filename="__.txt"; filename*=UTF-8''%C3%BC%22.txt`,
  );
  assertEquals(await shown('attachment; filename="x"', { disposition: "inline" }), 'inline; filename="x"');
});

test("s3Proxy(): what goes wrong at Windmill says neither address nor token", async () => {
  const cases: readonly [() => Response | Promise<Response>, number, string][] = [
    [() => new Response("File not found: tok secret", { status: 404 }), 404, "NotFoundError"],
    [() => new Response("tok secret", { status: 401 }), 502, "WindmillApiError"],
    [() => new Response("tok secret", { status: 400 }), 502, "WindmillApiError"],
    [() => new Response("tok secret", { status: 500 }), 502, "WindmillApiError"],
    [() => Promise.reject(new TypeError("connect tok secret")), 502, "WindmillApiError"],
    [() => new Response(null, { status: 302, headers: { location: "ftp://secret" } }), 502, "WindmillApiError"],
  ];
  for (const [answer, status, name] of cases) {
    const { ask } = proxy(open, answer, { retry: { attempts: 1 } });
    const response = await ask("/files/a");
    const text = await response.clone().text();
    assertEquals(await errorOf(response), [status, name]);
    for (const secret of ["tok", "secret", "http", "job_helpers"]) assert(!text.includes(secret), text);
  }
});

test("s3Proxy(): a Windmill that keeps silent is a 504, and missing bindings are named", async () => {
  const slow = proxy({ ...open, timeoutMs: 20 }, () => new Promise<Response>(() => {}));
  assertEquals(await errorOf(await slow.ask("/files/a")), [504, "DeadlineError"]);
  const handler = s3Proxy({ ...open });
  const response = await handler(new Request("https://edge.example/files/a"), { env: { WM_TOKEN: "secret" } });
  const text = await response.clone().text();
  assertEquals(await errorOf(response), [500, "ConfigurationError"]);
  assertIncludes(text, "WM_WORKSPACE");
  assert(!text.includes("secret"));
});

// Writing

test("s3Proxy(): PUT streams an object to Windmill, with its type", async () => {
  const { ask, seen } = proxy(
    { ...open, methods: ["PUT"] },
    async ({ init }) => Response.json({ file_key: "a/b", sent: (await bodyBytes(init)).length }),
  );
  const feed = pieceFeed([new Uint8Array(5), new Uint8Array(6)]);
  const response = await ask("/files/a/b", {
    method: "PUT",
    headers: { "content-type": "image/png", "content-disposition": "inline" },
    body: feed.stream as ReadableStream<Uint8Array<ArrayBuffer>>,
    duplex: "half",
  });
  assertEquals([response.status, await response.json()], [200, { s3: "a/b" }]);
  const [{ method, path, query } = {} as Seen] = seen;
  assertEquals([method, path], ["POST", "/api/w/ws/job_helpers/upload_s3_file"]);
  assertEquals(query, { file_key: "a/b", content_type: "image/png", content_disposition: "inline" });
  const empty = await ask("/files/empty", { method: "PUT" });
  assertEquals(empty.status, 200);
});

test("s3Proxy(): an object that is too long is refused, said or not", async () => {
  const { ask, seen } = proxy({ ...open, methods: ["PUT"], maxBytes: 10 }, async ({ init }) => {
    await bodyBytes(init);
    return Response.json({ file_key: "a" });
  });
  const said = await ask("/files/a", { method: "PUT", body: "x".repeat(11), headers: { "content-length": "11" } });
  assertEquals(await errorOf(said), [413, "PayloadTooLargeError"]);
  const feed = pieceFeed([new Uint8Array(6), new Uint8Array(6), new Uint8Array(6)]);
  const body = feed.stream as ReadableStream<Uint8Array<ArrayBuffer>>;
  assertEquals(await errorOf(await ask("/files/a", { method: "PUT", body, duplex: "half" })), [
    413,
    "PayloadTooLargeError",
  ]);
  assert(seen.length <= 2);
  assertEquals((await ask("/files/a", { method: "PUT", body: "x".repeat(10) })).status, 200);
});

test("s3Proxy(): what cannot be promised of a PUT is refused; DELETE deletes", async () => {
  const { ask, seen } = proxy({ ...open, methods: ["PUT", "DELETE"] }, () => Response.json(null));
  for (const name of ["content-range", "content-encoding", "if-match", "if-none-match"]) {
    assertEquals((await ask("/files/a", { method: "PUT", body: "x", headers: { [name]: "*" } })).status, 400);
  }
  assertEquals(seen.length, 0);
  assertEquals((await ask("/files/a%20b", { method: "DELETE" })).status, 204);
  assertEquals([seen[0]?.method, seen[0]?.query], ["DELETE", { file_key: "a b" }]);
});
