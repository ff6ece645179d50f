/** Handlers that are watched: the trace of the request that they answer, hooks, and where the time went. */
import { observeHandler, runScript, streamJob } from "@windkit/windmill-client/handlers";
import { jsonLogger, observe, type ResponseEvent } from "@windkit/windmill-client/observe";
import { assert, assertEquals } from "./assert.ts";
import { json, options, serve, type Stub, text, turn } from "./_client_kit.ts";
import { test } from "./harness.ts";

function traceparent(id: string): string {
  return `00-${id.repeat(32)}-${"b".repeat(16)}-01`;
}

function ask(trace?: string, state?: string): Request {
  const headers = { ...(trace && { traceparent: trace }), ...(state && { tracestate: state }) };
  return new Request("https://edge.test/", { method: "POST", headers });
}

/** A Windmill whose jobs end at once. */
function windmill(): Stub {
  return serve(async ({ target }) => {
    await turn();
    if (target.includes("/jobs/run/")) return text(new URLSearchParams(target.split("?")[1]).get("job_id") ?? "", 201);
    if (target.includes("/getupdate_sse/")) {
      return new Response('data: {"type":"update","completed":true}\n\n', {
        headers: { "content-type": "text/event-stream" },
      });
    }
    if (target.includes("/get_result_maybe/")) return json({ completed: true, success: true, result: 1 });
    return json(1);
  });
}

test("observeHandler: requests to Windmill are in the trace of the request that is answered, and only in that", async () => {
  const stub = windmill();
  const seen: ResponseEvent[] = [];
  const handler = observeHandler(
    runScript("f/a/b", { client: options(stub), args: (_, { headers }) => ({ of: headers.get("traceparent") }) }),
    { onResponse: (event) => seen.push(event) },
  );
  const ids = ["1", "2", "3", "4", "5"];
  await Promise.all(ids.map((id) => handler(ask(traceparent(id), `vendor=${id}`))));
  assertEquals(
    stub.seen.map(({ headers, body }) => {
      const trace = headers.get("traceparent") ?? "";
      const { of } = JSON.parse(body) as { readonly of: string };
      assert(trace !== of, "Expected an id of its own");
      return [trace.slice(0, 36), headers.get("tracestate")];
    }).toSorted(),
    ids.map((id) => [traceparent(id).slice(0, 36), `vendor=${id}`]),
  );
  assertEquals(seen.map(({ traceId }) => traceId).toSorted(), ids.map((id) => id.repeat(32)));
});

test("observeHandler: a request without a valid trace has that of the options, or none", async () => {
  for (const given of [undefined, "nonsense", traceparent("0")]) {
    for (const own of [undefined, traceparent("7")]) {
      const stub = windmill();
      const more = own === undefined ? {} : { traceparent: own };
      await observeHandler(runScript("f/a/b", { client: options(stub) }), more)(ask(given, "a=1"));
      const { headers } = stub.seen[0] ?? {};
      assertEquals(headers?.get("traceparent")?.slice(0, 36) ?? undefined, own?.slice(0, 36));
      assertEquals(headers?.get("tracestate"), null);
    }
  }
});

test("observeHandler: Server-Timing says how long Windmill took and in how many requests, of errors too", async () => {
  const timing = /^windmill;dur=(\d+\.\d);desc="(\d+) requests?", total;dur=(\d+\.\d)$/;
  const broken = serve(() => text("no", 500));
  for (const [stub, detached, least] of [[windmill(), false, 1], [windmill(), true, 2], [broken, false, 1]] as const) {
    const response = await observeHandler(runScript("f/a/b", { client: options(stub), detached }))(ask());
    const [, windmillMs, requests, totalMs] = timing.exec(response.headers.get("server-timing") ?? "") ?? [];
    assertEquals(Number(requests), stub.seen.length);
    assert(Number(requests) >= least);
    assert(Number(windmillMs) <= Number(totalMs) + 0.1, `Expected ${windmillMs} to be within ${totalMs}`);
    assertEquals(response.status, stub === broken ? 502 : 200);
  }
});

test("observeHandler: without Server-Timing the answer is the handler's own object", async () => {
  const own = new Response("x");
  const handler = observeHandler(() => Promise.resolve(own), { serverTiming: false });
  assert(await handler(ask()) === own);
  // One of several lots of options is enough.
  assert(
    await observeHandler(() => Promise.resolve(own), jsonLogger(() => {}), { serverTiming: false })(ask()) === own,
  );
});

test("observeHandler: status, headers and a stream that is given up pass through", async () => {
  let cancelled: unknown;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(3)),
    cancel: (reason) => void (cancelled = reason),
  }, { highWaterMark: 0 });
  const answer = new Response(body, {
    status: 206,
    headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x-a", "1"]],
  });
  const response = await observeHandler(() => Promise.resolve(answer))(ask());
  assertEquals([response.status, response.headers.getSetCookie(), response.headers.get("x-a")], [
    206,
    ["a=1", "b=2"],
    "1",
  ]);
  const reader = response.body?.getReader();
  assertEquals((await reader?.read())?.value?.length, 3);
  await reader?.cancel("enough");
  assertEquals(cancelled, "enough");
  const empty = await observeHandler(() => Promise.resolve(new Response(null, { status: 204 })))(ask());
  assertEquals([empty.status, empty.body], [204, null]);
});

test("observeHandler: a stream of events is watched to its end", async () => {
  const stub = windmill();
  const routes: unknown[] = [];
  const handler = observeHandler(streamJob({ client: options(stub), run: { script: "f/a/b" } }), {
    onResponse: ({ route }) => routes.push(route),
  });
  const response = await handler(ask());
  assert(response.headers.get("server-timing")?.includes("1 request"));
  assert((await response.text()).includes("event: result"));
  assertEquals(routes.map((route) => `${route}`.replace("/api/w/{workspace}/", "")).slice(0, 2), [
    "jobs/run/p/{path}",
    "jobs_u/getupdate_sse/{id}",
  ]);
});

test("observeHandler: stands before a client that is watched already, and hooks that throw break no answer", async () => {
  const stub = windmill();
  const order: string[] = [];
  const fetch = observe({ fetch: stub.fetch, onRequest: () => order.push("client") });
  const inner = observeHandler(runScript("f/a/b", { client: options({ fetch }) }), {
    onRequest: () => order.push("inner"),
    serverTiming: false,
  });
  const outer = observeHandler(inner, {
    onRequest: () => {
      order.push("outer");
      throw new Error("hook");
    },
    onResponse: async () => {
      throw new Error("hook");
    },
  });
  assertEquals(await (await outer(ask())).json(), 1);
  assertEquals(order.toSorted(), ["client", "inner", "outer"]);
});
