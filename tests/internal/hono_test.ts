/** Windmill in the real Hono: clients by request, handlers with what Hono's context has. */
import assert from "node:assert/strict";
import { Hono } from "hono";
import { createClient } from "../../src/sdk/client.ts";
import {
  jobs,
  runFlow,
  runs,
  runScript,
  streamJob,
  toHono,
  variables,
  windmill,
  type WindmillEnv,
} from "../../edge/hono.ts";

const env = { WM_BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };

/** A Windmill whose jobs and variables are what was asked for, and by whom. */
function echo(url: string, init: RequestInit): Promise<Response> {
  const { authorization } = init.headers as Record<string, string>;
  return Promise.resolve(
    Response.json({ path: new URL(url).pathname, authorization, args: JSON.parse(`${init.body ?? null}`) }),
  );
}

const client = { fetch: echo };

Deno.test("windmill() gives each request a client of its own, from its bindings", async () => {
  const withWindmill = windmill({ groups: { jobs, runs }, client });
  const app = new Hono<WindmillEnv<typeof withWindmill>>();
  app.use(withWindmill);
  const seen = new Set<unknown>();
  app.get("/:n", async (c) => {
    seen.add(c.var.windmill);
    await undefined;
    return c.json(await c.var.windmill.jobs.runInOneRequest("f/a/b", { n: c.req.param("n") }));
  });
  const answers = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
    const own = { ...env, WM_WORKSPACE: `w${i % 2}`, WM_TOKEN: `tok${i % 2}` };
    return { i, found: await (await app.request(`/${i}`, {}, own)).json() };
  }));
  for (const { i, found } of answers) {
    assert.deepEqual(found, {
      path: `/api/w/w${i % 2}/jobs/run_wait_result/p/f/a/b`,
      authorization: `Bearer tok${i % 2}`,
      args: { n: `${i}` },
    });
  }
  assert.equal(seen.size, 100);
});

Deno.test("windmill() takes the whole client, and options by request", async () => {
  const whole = windmill({
    groups: createClient,
    client: (request, context) => ({
      fetch: () => Promise.resolve(Response.json(`${request.headers.get("x-tenant")} ${context.params?.id}`)),
      baseUrl: "http://stub.test",
      workspace: "ws",
      token: "tok",
    }),
  });
  const app = new Hono<WindmillEnv<typeof whole>>();
  app.use("/:id", whole);
  app.get("/:id", async (c) => c.text(await c.var.windmill.variables.get("f/a/b")));
  assert.equal(await (await app.request("/7", { headers: { "x-tenant": "ada" } })).text(), "ada 7");
});

Deno.test("windmill() answers with the name of a binding that is missing, and runs no handler", async () => {
  let ran = 0;
  const withWindmill = windmill({ groups: { variables }, client });
  const app = new Hono<WindmillEnv<typeof withWindmill>>().use(withWindmill).get("/", (c) => {
    ran++;
    return c.text("");
  });
  for (const name of ["WM_BASE_URL", "WM_WORKSPACE", "WM_TOKEN"]) {
    const response = await app.request("/", {}, { ...env, [name]: undefined });
    const { error } = await response.json();
    assert.deepEqual([response.status, error.name, error.message.includes(name)], [500, "ConfigurationError", true]);
  }
  const response = await app.request("/", {}, {});
  assert.equal(response.status, 500);
  assert.equal(ran, 0);
});

Deno.test("handlers get placeholders, bindings, and a body that was read before", async () => {
  const kept: Promise<unknown>[] = [];
  const platform = {
    waitUntil: (work: Promise<unknown>) => void kept.push(work),
    passThroughOnException() {},
    props: {},
  };
  const app = new Hono<{ Bindings: Record<string, unknown> }>();
  app.use(async (c, next) => {
    if (c.req.header("x-look") !== undefined) await c.req.json();
    await next();
  });
  app.post("/orders/:id", runScript("f/team/order", { client }));
  app.get("/flows/:name/*", runFlow("f/team/flow", { client }));
  const request = { method: "POST", body: '{"a":1,"id":"body"}', headers: { "content-type": "application/json" } };
  const expected = {
    path: "/api/w/ws/jobs/run_wait_result/p/f/team/order",
    authorization: "Bearer tok",
    args: { a: 1, id: "7", q: "x" },
  };
  assert.deepEqual(await (await app.request("/orders/7?q=x", request, env, platform)).json(), expected);
  assert.equal(kept.length, 1);
  const read = { ...request, headers: { ...request.headers, "x-look": "1" } };
  assert.deepEqual(await (await app.request("/orders/7?q=x", read, env)).json(), expected);
  const flow = await (await app.request("/flows/a%20b/c", {}, env)).json();
  assert.deepEqual(flow.args, { name: "a b" });
  const missing = await (await app.request("/orders/7", request, { ...env, WM_TOKEN: "" })).json();
  assert.match(missing.error.message, /WM_TOKEN/);
});

Deno.test("where the context has no bindings of Windmill they are the variables of the process", async () => {
  const app = new Hono().get("/", runScript("f/a/b", { client }));
  // The process's variables are also those of other files, whose tests run at the same time: this file alone sees these.
  const get = Deno.env.get;
  Deno.env.get = (name) => Object.hasOwn(env, name) ? env[name as keyof typeof env] : get.call(Deno.env, name);
  try {
    // What Node's and Deno's servers hand over.
    for (const given of [undefined, {}, { incoming: {}, outgoing: {} }, { remoteAddr: { port: 1 } }]) {
      assert.equal((await app.request("/", {}, given)).status, 200);
    }
    assert.equal((await app.request("/", {}, { WM_TOKEN: "tok" })).status, 500);
  } finally {
    Deno.env.get = get;
  }
});

Deno.test("streamJob() and toHono() in an app that listens: who hangs up leaves nothing open", async () => {
  let open = 0;
  const gone = Promise.withResolvers<void>();
  const stub = (url: string, init: RequestInit) => {
    if (!url.includes("sse")) return Promise.resolve(Response.json({ completed: false }));
    open++;
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('data: {"type":"update","running":true}\n\n'));
        init.signal?.addEventListener("abort", () => {
          open--;
          controller.error(init.signal?.reason);
          gone.resolve();
        });
      },
    });
    return Promise.resolve(new Response(body));
  };
  const app = new Hono();
  app.get(
    "/jobs/:id",
    streamJob({
      client: { ...client, fetch: stub, baseUrl: "http://stub.test", workspace: "w", token: "t" },
      authorize: () => true,
    }),
  );
  app.get("/hello/:name", toHono((_, context) => Promise.resolve(new Response(`Hello ${context?.params?.name}`))));
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, app.fetch);
  const url = `http://127.0.0.1:${server.addr.port}`;
  assert.equal(await (await fetch(`${url}/hello/Ada`)).text(), "Hello Ada");
  const leaving = new AbortController();
  const response = await fetch(`${url}/jobs/0190e0c4-0000-7000-8000-000000000001`, { signal: leaving.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("event: running")) text += (await reader?.read())?.value;
  assert.equal(open, 1);
  leaving.abort();
  await reader?.read().catch(() => {});
  await gone.promise;
  assert.equal(open, 0);
});

Deno.test("streamJob() and a real EventSource: it comes back after each stream, misses nothing, and stays away after the end", async () => {
  const lines = Array.from({ length: 12 }, (_, i) => `line ${i}\n`);
  const whole = lines.join("");
  let opened = 0;
  const stub = (url: string, init: RequestInit) => {
    const offset = Number(new URL(url).searchParams.get("log_offset") ?? 0);
    if (url.includes("get_result_maybe")) {
      return Promise.resolve(Response.json({ completed: true, success: true, result: "done" }));
    }
    if (!url.includes("sse")) return Promise.resolve(Response.json({}));
    opened++;
    const bytes = new TextEncoder();
    // Three lines, then silence; what is left is the end.
    const more = whole.slice(offset).split("\n").slice(0, 3).filter((line) => line !== "").map((line) => `${line}\n`);
    const body = new ReadableStream({
      start(controller) {
        let at = offset;
        for (const line of more) {
          at += line.length;
          controller.enqueue(
            bytes.encode(`data: ${JSON.stringify({ type: "update", new_logs: line, log_offset: at })}\n\n`),
          );
        }
        if (more.length === 0) controller.enqueue(bytes.encode('data: {"type":"update","completed":true}\n\n'));
        init.signal?.addEventListener("abort", () => controller.error(init.signal?.reason));
      },
    });
    return Promise.resolve(new Response(body));
  };
  const answers: number[] = [];
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    answers.push(c.res.status);
  });
  const client = { fetch: stub, baseUrl: "http://stub.test", workspace: "w", token: "t" };
  app.get("/jobs/:id", streamJob({ client, authorize: () => true, timeoutMs: 60, retryMs: 5 }));
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, app.fetch);
  const events = new EventSource(`http://127.0.0.1:${server.addr.port}/jobs/0190e0c4-0000-7000-8000-000000000001`);
  try {
    let logs = "";
    const results: unknown[] = [];
    events.addEventListener("logs", (event) => void (logs += JSON.parse(event.data).text));
    events.addEventListener("result", (event) => results.push(JSON.parse(event.data).result));
    await new Promise<void>((resolve) => {
      // It fires each time that its connection ends, and has given up when it is closed.
      events.addEventListener("error", () => events.readyState === EventSource.CLOSED && resolve());
    });
    assert.equal(logs, whole);
    assert.deepEqual(results, ["done"]);
    assert.ok(opened >= 5, `${opened} streams were opened`);
    assert.equal(answers.at(-1), 204);
  } finally {
    events.close();
  }
});

Deno.test("handlers get the bindings of a Worker whatever they are called, and those of the process where a server has others", async () => {
  const seen: unknown[] = [];
  const app = new Hono().all(
    "/",
    toHono((_request, context) => {
      seen.push(context?.env);
      return Promise.resolve(new Response());
    }),
  );
  const bindings = { STRIPE_SECRET: "whsec_1", RUNS: {} };
  await app.request("/", {}, bindings);
  await app.request("/", {}, { incoming: {}, outgoing: {} });
  await app.request("/", {}, { remoteAddr: { hostname: "127.0.0.1" }, completed: Promise.resolve() });
  await app.request("/");
  assert.deepEqual(seen, [bindings, undefined, undefined, undefined]);
});
