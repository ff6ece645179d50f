/** The entries of all platforms: which handler gets a request, with what, and what is said when none does. */
import { createHandler as createWorker } from "@windkit/windmill-client/edge/cloudflare";
import { createHandler as createDenoHandler } from "@windkit/windmill-client/edge/deno";
import { createHandler as createNodeListener, type EdgeOptions } from "@windkit/windmill-client/edge/node";
import { createHandler as createEdgeFunction } from "@windkit/windmill-client/edge/vercel";
import { type Handler, s3Proxy } from "@windkit/windmill-client/handlers";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

/** A handler that says its name and what it got. */
function saying(name: string): Handler {
  return ({ method }, { params } = {}) => Promise.resolve(new Response(`${name} ${method} ${JSON.stringify(params)}`));
}

function table(...keys: readonly string[]): Record<string, Handler> {
  return Object.fromEntries(keys.map((key) => [key, saying(key)]));
}

function asker(options: EdgeOptions) {
  const worker = createWorker({ onError: () => {}, ...options });
  return (method: string, path: string, headers: Record<string, string> = {}): Promise<Response> =>
    worker.fetch(new Request(`https://edge.example${path}`, { method, headers }), {});
}

async function textOf(response: Promise<Response>): Promise<string> {
  return await (await response).text();
}

async function errorOf(promise: Promise<Response>): Promise<[number, string]> {
  const response = await promise;
  const { error } = await response.json() as { readonly error: { readonly name: string; readonly message: string } };
  assert(error.message !== "");
  return [response.status, error.name];
}

test("edge createHandler(): a route is found by method and path, and gives its values", async () => {
  const ask = asker({
    routes: table("GET /", "GET /orders", "POST /orders", "GET /orders/:id", "/files/*", "GET /a/:b/c/:d"),
  });
  assertEquals(await textOf(ask("GET", "/")), "GET / GET {}");
  assertEquals(await textOf(ask("GET", "/orders?x=1")), "GET /orders GET {}");
  assertEquals(await textOf(ask("POST", "/orders")), "POST /orders POST {}");
  assertEquals(await textOf(ask("GET", "/orders/7%20%2F")), 'GET /orders/:id GET {"id":"7 /"}');
  assertEquals(await textOf(ask("DELETE", "/files/a/b%20c")), '/files/* DELETE {"*":"a/b c"}');
  assertEquals(await textOf(ask("GET", "/files/")), '/files/* GET {"*":""}');
  assertEquals(await textOf(ask("GET", "/a/1/c/2")), 'GET /a/:b/c/:d GET {"b":"1","d":"2"}');
});

test("edge createHandler(): a function of yours answers a route, at once or later; what it throws is a 500", async () => {
  const told: unknown[] = [];
  const failure = new Error("secret");
  const ask = asker({
    routes: {
      "GET /now/:name": (_request, { params, env }) => new Response(`${params?.name} ${typeof env}`),
      "GET /broken": () => {
        throw failure;
      },
    },
    notFound: () => new Response("nothing", { status: 404 }),
    onError: (error) => told.push(error),
  });
  assertEquals(await textOf(ask("GET", "/now/ada")), "ada object");
  assertEquals(await textOf(ask("GET", "/later")), "nothing");
  const broken = await ask("GET", "/broken");
  assertEquals([broken.status, told.length, told[0] === failure], [500, 1, true]);
  assert(!(await broken.text()).includes("secret"));
});

test("edge createHandler(): what is written out goes before values, and values before the rest, whatever the order", async () => {
  const ask = asker({ routes: table("/*", "GET /a/*", "GET /a/:x", "GET /a/b", "/a/b", "HEAD /a/b") });
  assertEquals(await textOf(ask("GET", "/a/b")), "GET /a/b GET {}");
  assertEquals(await textOf(ask("PUT", "/a/b")), "/a/b PUT {}");
  assertEquals(await textOf(ask("GET", "/a/c")), 'GET /a/:x GET {"x":"c"}');
  assertEquals(await textOf(ask("GET", "/a/c/d")), 'GET /a/* GET {"*":"c/d"}');
  assertEquals(await textOf(ask("PUT", "/a/c")), '/* PUT {"*":"a/c"}');
});

test("edge createHandler(): however a path is encoded, the route that is written out is its route", async () => {
  const ask = asker({
    routes: table("/*", "/files/*", "/files/private/*", "GET /a/b", "GET /a/:x", "/caf%C3%A9", "/th\u00e9"),
  });
  for (const path of ["/files/private/x", "/files/%70rivate/x", "/%66iles/p%72ivate/x"]) {
    assertEquals([path, await textOf(ask("GET", path))], [path, '/files/private/* GET {"*":"x"}']);
  }
  assertEquals(await textOf(ask("GET", "/a/%62")), "GET /a/b GET {}");
  assertEquals(await textOf(ask("GET", "/files%2Fprivate/x")), '/* GET {"*":"files/private/x"}');
  assertEquals(await textOf(ask("GET", "/caf\u00e9")), "/caf%C3%A9 GET {}");
  assertEquals(await textOf(ask("GET", "/th\u00e9")), "/th\u00e9 GET {}");
  assertEquals(await errorOf(ask("GET", "/%ff")), [400, "InputError"]);
});

test("edge createHandler(): paths that match no route are a 404, or for 'notFound'", async () => {
  const routes = table("GET /a", "GET /b/:id", "GET /c/*");
  const ask = asker({ routes });
  for (const path of ["/", "/a/", "/A", "/b", "/b/", "/b/1/2", "/c", "/ab", "//a", "/a//"]) {
    assertEquals([path, ...await errorOf(ask("GET", path))], [path, 404, "NotFoundError"]);
  }
  assertEquals(await textOf(asker({ routes, notFound: saying("none") })("GET", "/x")), "none GET undefined");
  assertEquals(await errorOf(ask("GET", "/b/%ff")), [400, "InputError"]);
  assertEquals(await errorOf(ask("GET", "/c/%")), [400, "InputError"]);
});

test("edge createHandler(): another method is a 405 that says which there are; OPTIONS says it too", async () => {
  const ask = asker({ routes: table("GET /a", "POST /a", "DELETE /:any") });
  const response = await ask("PUT", "/a");
  assertEquals([response.status, response.headers.get("allow")], [405, "GET, HEAD, POST, DELETE, OPTIONS"]);
  const options = await ask("OPTIONS", "/a");
  assertEquals([options.status, options.headers.get("allow")], [204, "GET, HEAD, POST, DELETE, OPTIONS"]);
  assertEquals((await ask("OPTIONS", "/x/y")).status, 404);
  assertEquals(await textOf(asker({ routes: table("OPTIONS /a") })("OPTIONS", "/a")), "OPTIONS /a OPTIONS {}");
});

test("edge createHandler(): HEAD is answered by GET, without the content", async () => {
  let cancelled = false;
  const body = new ReadableStream({ cancel: () => void (cancelled = true) });
  const ask = asker({
    routes: { "GET /a": () => Promise.resolve(new Response(body, { status: 201, headers: { "x-a": "b" } })) },
  });
  const response = await ask("HEAD", "/a");
  assertEquals([response.status, response.headers.get("x-a"), response.body, cancelled], [201, "b", null, true]);
});

test("edge createHandler(): all routes are below 'basePath'", async () => {
  for (const basePath of ["/api/v1", "/api/v1/"]) {
    const ask = asker({ basePath, routes: table("GET /", "GET /a/:b") });
    assertEquals(await textOf(ask("GET", "/api/v1/")), "GET / GET {}");
    assertEquals(await textOf(ask("GET", "/api/v1/a/c")), 'GET /a/:b GET {"b":"c"}');
    assertEquals(await textOf(ask("GET", "/api/v1?x")), "GET / GET {}");
    for (const path of ["/a/c", "/api/v11/a/c", "/api/v1//a/c"]) {
      assertEquals([path, (await ask("GET", path)).status], [path, 404]);
    }
  }
});

test("edge createHandler(): a table that cannot be meant is an error at once", async () => {
  const bad: readonly Record<string, Handler>[] = [
    table("a"),
    table("get /a"),
    table("GET  /a"),
    table("GET a"),
    table("GET /a b"),
    table("GET /*/a"),
    table("GET /:"),
    table("GET /:a/:a"),
    table("GET /:a", "GET /:b"),
    { "GET /a": undefined as unknown as Handler },
  ];
  for (const routes of bad) {
    const error = await assertRejects(() => Promise.resolve().then(() => createWorker({ routes })));
    assert(error instanceof TypeError, `${Object.keys(routes)}: ${error}`);
  }
});

test("edge createHandler(): a handler that throws is a 500 that says nothing, and is reported", async () => {
  const errors: unknown[] = [];
  const failing: Handler = () => Promise.reject(new Error("secret"));
  const ask = asker({ routes: { "GET /a": failing }, onError: (error) => errors.push(error) });
  const response = await ask("GET", "/a");
  const text = await response.text();
  assertEquals([response.status, text.includes("secret"), errors.length], [500, false, 1]);
});

test("edge createHandler(): handlers get bindings, waitUntil and where Windmill is", async () => {
  const waited: unknown[] = [];
  const asked: string[] = [];
  const worker = createWorker({
    client: (_, { env }) => ({
      workspace: `${env?.TENANT}`,
      fetch: (url, { headers }) => {
        asked.push(`${url} ${new Headers(headers).get("authorization")}`);
        return Promise.resolve(new Response("x"));
      },
    }),
    routes: {
      "GET /files/*": s3Proxy({ basePath: "/files", storage: "", authorize: () => true, client: { token: "own" } }),
      "GET /later": (_, context) => {
        context?.waitUntil?.(Promise.resolve(1));
        return Promise.resolve(new Response("ok"));
      },
    },
  });
  const context = {
    waitUntil(work: Promise<unknown>): void {
      assert(this === context, "It is called as Cloudflare wants it");
      waited.push(work);
    },
  };
  const env = { TENANT: "t1", WM_BASE_URL: "https://windmill.example", WM_TOKEN: "bound" };
  assertEquals(await textOf(worker.fetch(new Request("https://edge.example/files/k"), env, context)), "x");
  assertEquals(asked, ["https://windmill.example/api/w/t1/job_helpers/download_s3_file?file_key=k Bearer own"]);
  await worker.fetch(new Request("https://edge.example/later"), env, context);
  assertEquals(waited.length, 1);
});

test("edge createHandler(): an application with 'fetch' gets all, with bindings and context", async () => {
  const got: unknown[] = [];
  const app = {
    fetch(request: Request, env?: unknown, context?: unknown): Response {
      got.push(this === app, new URL(request.url).pathname, env, context);
      return new Response("app");
    },
  };
  const context = { waitUntil: () => {} };
  const env = { A: "1" };
  const worker = createWorker({ routes: app });
  assertEquals(await textOf(worker.fetch(new Request("https://edge.example/x"), env, context)), "app");
  assertEquals(got, [true, "/x", env, context]);
});

test("edge createHandler(): 'origin' is what handlers see as their address", async () => {
  const ask = asker({
    origin: "https://public.example/",
    routes: { "POST /a": async (request) => new Response(`${request.url} ${await request.text()}`) },
  });
  assertEquals(await textOf(ask("POST", "/a?b=c")), "https://public.example/a?b=c ");
});

test("edge createHandler(): pages of allowed origins may read, others may not", async () => {
  const ask = asker({
    routes: table("GET /a", "POST /a"),
    cors: { origins: ["https://app.example"], credentials: true },
  });
  const ours = await ask("GET", "/a", { origin: "https://app.example" });
  assertEquals(ours.headers.get("access-control-allow-origin"), "https://app.example");
  assertEquals(ours.headers.get("access-control-allow-credentials"), "true");
  assertEquals([ours.headers.get("vary"), await ours.text()], ["origin", "GET /a GET {}"]);
  for (const origin of ["https://app.example.evil", "https://evil.example", "null", "http://app.example"]) {
    for (const method of ["GET", "OPTIONS"]) {
      const theirs = await ask(method, "/a", { origin, "access-control-request-method": "POST" });
      assertEquals([theirs.headers.get("access-control-allow-origin"), theirs.headers.get("vary")], [null, "origin"]);
      assertEquals(theirs.headers.get("access-control-allow-credentials"), null);
      await theirs.body?.cancel();
    }
  }
  const preflight = await ask("OPTIONS", "/a", {
    origin: "https://app.example",
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type, x-a",
  });
  assertEquals([preflight.status, preflight.headers.get("access-control-allow-methods")], [204, "POST"]);
  assertEquals(preflight.headers.get("access-control-allow-headers"), "content-type, x-a");
  assertEquals(preflight.headers.get("access-control-max-age"), "600");
  const missing = await ask("GET", "/none", { origin: "https://app.example" });
  assertEquals([missing.status, missing.headers.get("access-control-allow-origin")], [404, "https://app.example"]);
  const all = await asker({ routes: table("GET /a"), cors: { origins: "*" } })("GET", "/a", {
    origin: "https://x.example",
  });
  assertEquals([all.headers.get("access-control-allow-origin"), all.headers.get("vary")], ["*", null]);
  const error = await assertRejects(() =>
    Promise.resolve().then(() => createWorker({ routes: {}, cors: { origins: "*", credentials: true } }))
  );
  assert(error instanceof TypeError);
});

test("edge createHandler(): an answer that opens a socket goes through 'cors' as it is", async () => {
  // Only servers can make one.
  const socket = Object.defineProperty(new Response(null), "status", { value: 101 });
  const worker = createWorker({ routes: { fetch: () => socket }, cors: { origins: ["https://app.example"] } });
  assert(
    await worker.fetch(new Request("https://edge.example/ws", { headers: { upgrade: "websocket" } }), {}) === socket,
  );
});

test("edge createHandler(): the other entries answer the same", async () => {
  const routes = table("GET /a/:b");
  const request = () => new Request("https://edge.example/a/1");
  const texts = await Promise.all([
    textOf(createDenoHandler({ routes })(request())),
    textOf(createEdgeFunction({ routes })(request())),
    textOf(createEdgeFunction({ routes })(request(), { waitUntil: () => {} })),
  ]);
  assertEquals(new Set(texts), new Set(['GET /a/:b GET {"b":"1"}']));
  assertEquals(typeof createNodeListener({ routes }), "function");
});

test("edge createHandler(): an Edge Function finds Vercel's waitUntil in both places", async () => {
  const waited: string[] = [];
  const later: Handler = (_, context) => {
    context?.waitUntil?.(Promise.resolve());
    return Promise.resolve(new Response("ok"));
  };
  const handler = createEdgeFunction({ routes: { "GET /a": later } });
  await handler(new Request("https://edge.example/a"), { waitUntil: () => void waited.push("given") });
  const place = Symbol.for("@vercel/request-context");
  Reflect.set(globalThis, place, { get: () => ({ waitUntil: () => void waited.push("found") }) });
  try {
    await handler(new Request("https://edge.example/a"));
  } finally {
    Reflect.deleteProperty(globalThis, place);
  }
  await handler(new Request("https://edge.example/a"));
  assertEquals(waited, ["given", "found"]);
});
