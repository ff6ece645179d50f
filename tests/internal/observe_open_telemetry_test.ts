/** Spans and measurements as OpenTelemetry's own packages record them; handlers in the trace of the request that they answer. */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert";
import * as api from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { createClient } from "../../mod.ts";
import { connectionOf, type Handler } from "../../src/handlers/handler.ts";
import { observeHandler, openTelemetryHandler } from "../../src/handlers/observe.ts";
import { type FetchFunction, jsonLogger, observe, openTelemetry } from "../../src/http/observe.ts";
import { request } from "../../src/sdk/connection.ts";

const TOKEN = "s3cr3t-t0ken";
const TRACE = "0af7651916cd43dd8448eb211c80319c", PARENT = "b7ad6b7169203331";
const VALUE = "GET /api/w/{workspace}/variables/get_value/{path}";

const spans = new InMemorySpanExporter();
const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 2 ** 30 });

/** Registers OpenTelemetry for one test. */
function register(contexts: boolean): Disposable {
  spans.reset();
  if (contexts) api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  api.propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  api.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }));
  return {
    [Symbol.dispose]() {
      for (const one of [api.context, api.propagation, api.trace, api.metrics]) one.disable();
    },
  };
}

interface Server {
  readonly fetch: FetchFunction;
  readonly headers: Headers[];
}

function server(...answers: readonly (() => Response)[]): Server {
  const headers: Headers[] = [];
  return {
    headers,
    fetch: async (_, init) => {
      headers.push(new Headers(init.headers));
      return (answers[Math.min(headers.length, answers.length) - 1] as () => Response)();
    },
  };
}

function value(): Response {
  return new Response('"v"');
}

function options(fetch: FetchFunction) {
  return { baseUrl: "https://h.test/base", workspace: "ws", token: TOKEN, env: {}, fetch, random: () => 0 };
}

/** A handler that reads two variables at once. */
function twoCalls(fetch: FetchFunction): Handler {
  return async (incoming, context = {}) => {
    const client = await connectionOf({ client: options(fetch) }, incoming, context);
    const route = (path: string) => ({ route: `w/ws/variables/get_value/${path}` });
    await Promise.all(["f/a/b", "f/a/c"].map((path) => request(client, route(path))));
    return new Response("done", { headers: { "server-timing": "db;dur=1" } });
  };
}

Deno.test("openTelemetry: a client's spans are in the active trace, and the server is told of it", async () => {
  using _ = register(true);
  const { fetch, headers } = server(() => new Response("later", { status: 503 }), value);
  const windmill = createClient(options(observe({ fetch }, openTelemetry(api))));
  const tracer = api.trace.getTracer("test");
  await tracer.startActiveSpan("outer", async (outer) => {
    await windmill.variables.get("f/a/b");
    outer.end();
  });
  const [first, second, outer] = spans.getFinishedSpans();
  assert(first && second && outer);
  assertEquals([first.name, second.name, outer.name], [VALUE, VALUE, "outer"]);
  const { traceId, spanId } = outer.spanContext();
  for (const [index, span] of [first, second].entries()) {
    assertEquals(span.kind, api.SpanKind.CLIENT);
    assertEquals([span.spanContext().traceId, span.parentSpanContext?.spanId], [traceId, spanId]);
    assertEquals(headers[index]?.get("traceparent"), `00-${traceId}-${span.spanContext().spanId}-01`);
    assertEquals(span.instrumentationScope.name, "@windkit/windmill-client");
  }
  assertEquals(first.status, { code: api.SpanStatusCode.ERROR });
  assertEquals(first.attributes, {
    "http.request.method": "GET",
    "server.address": "h.test",
    "server.port": 443,
    "url.template": "/api/w/{workspace}/variables/get_value/{path}",
    "url.full": "https://h.test/base/api/w/ws/variables/get_value/f/a/b",
    "windmill.workspace": "ws",
    "http.response.status_code": 503,
    "error.type": "503",
  });
  assertEquals(second.status.code, api.SpanStatusCode.UNSET);
  assertEquals(second.attributes["http.request.resend_count"], 1);
  assert(!JSON.stringify([first, second].map(({ attributes, status }) => [attributes, status])).includes(TOKEN));
});

Deno.test("openTelemetry: durations are measured by operation and status", async () => {
  using _ = register(false);
  await using meters = {
    provider: new MeterProvider({ readers: [reader] }),
    [Symbol.asyncDispose]() {
      return this.provider.shutdown();
    },
  };
  api.metrics.setGlobalMeterProvider(meters.provider);
  const windmill = createClient(options(observe({ fetch: server(value).fetch }, openTelemetry(api))));
  for (const path of ["f/a/b", "f/a/c", "u/x/y"]) await windmill.variables.get(path);
  await meters.provider.forceFlush();
  const [metric] = measured.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics);
  assertEquals([metric?.descriptor.name, metric?.descriptor.unit], ["http.client.request.duration", "s"]);
  // One series for all paths: what differs from call to call is no attribute.
  assertEquals(metric?.dataPoints.map(({ attributes, value }) => [attributes, (value as { count: number }).count]), [[{
    "http.request.method": "GET",
    "server.address": "h.test",
    "server.port": 443,
    "url.template": "/api/w/{workspace}/variables/get_value/{path}",
    "http.response.status_code": 200,
  }, 3]]);
});

Deno.test("openTelemetry: an API with nothing registered records nothing and breaks nothing", async () => {
  const { fetch, headers } = server(value);
  const windmill = createClient(options(observe({ fetch }, openTelemetry(api))));
  assertEquals(await windmill.variables.get("f/a/b"), "v");
  assertEquals(headers[0]?.get("traceparent"), null);
});

for (const contexts of [true, false]) {
  const name = `openTelemetryHandler: one trace from the browser to Windmill, ${
    contexts ? "with" : "without"
  } contexts`;
  Deno.test(name, async () => {
    using _ = register(contexts);
    const { fetch, headers } = server(value);
    const handler = openTelemetryHandler(api, twoCalls(fetch));
    const url = `https://app.test/orders/${"c0ffee".repeat(9)}?token=${TOKEN}`;
    const incoming = new Request(url, { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } });
    assertEquals(await (await handler(incoming)).text(), "done");
    const [one, two, served] = spans.getFinishedSpans();
    assert(one && two && served);
    assertEquals([served.kind, served.name, served.parentSpanContext?.spanId], [api.SpanKind.SERVER, "GET", PARENT]);
    assertEquals(served.attributes, {
      "http.request.method": "GET",
      "url.scheme": "https",
      "url.path": "/orders/***",
      "server.address": "app.test",
      "http.response.status_code": 200,
    });
    for (const span of [one, two]) {
      assertEquals([span.spanContext().traceId, span.name], [TRACE, VALUE]);
      assertEquals(span.parentSpanContext?.spanId, served.spanContext().spanId);
    }
    assertEquals(
      headers.map((one) => one.get("traceparent")).sort(),
      [one, two].map((span) => `00-${TRACE}-${span.spanContext().spanId}-01`).sort(),
    );
  });
}

Deno.test("observeHandler: the trace of the request goes on, Server-Timing says what Windmill took, hooks are told", async () => {
  const { fetch, headers } = server(value);
  const lines: string[] = [];
  const handler = observeHandler(twoCalls(fetch), jsonLogger((line) => lines.push(line)));
  const traced = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: "a=1" };
  const response = await handler(new Request("https://app.test/", { headers: traced }));
  assertEquals(await response.text(), "done");
  const timing = response.headers.get("server-timing") ?? "";
  const [, windmill, all] = /^db;dur=1, windmill;dur=([\d.]+);desc="2 requests", total;dur=([\d.]+)$/.exec(timing) ??
    [];
  assert(Number(windmill) <= Number(all), timing);
  assertEquals(headers.map((one) => one.get("traceparent")?.slice(0, 36)), [`00-${TRACE}-`, `00-${TRACE}-`]);
  assertEquals(headers.map((one) => one.get("tracestate")), ["a=1", "a=1"]);
  assertEquals(lines.map((line) => JSON.parse(line).traceId), [TRACE, TRACE]);
});

Deno.test("observeHandler: what a request brings goes before the trace of the options, unless it is not valid", async () => {
  const own = `00-${"1".repeat(32)}-${"2".repeat(16)}-01`;
  for (const [given, expected] of [["nonsense", own], [`00-${TRACE}-${PARENT}-01`, TRACE]] as const) {
    const { fetch, headers } = server(value);
    const handler = observeHandler(twoCalls(fetch), { traceparent: own, serverTiming: false });
    const response = await handler(new Request("https://app.test/", { headers: { traceparent: given } }));
    assertEquals(response.headers.get("server-timing"), "db;dur=1");
    assert(headers.every((one) => one.get("traceparent")?.includes(expected.slice(3, 30))));
  }
});

Deno.test("observeHandler: a client's own hooks and those of handlers around each other are all told", async () => {
  const order: string[] = [];
  const say = (name: string) => ({ onRequest: ({ attempt }: { attempt: number }) => order.push(`${name}${attempt}`) });
  const { fetch } = server(() => new Response("later", { status: 503 }), value, value);
  const handler = observeHandler(
    observeHandler(twoCalls(observe({ fetch }, say("client"))), say("inner")),
    say("outer"),
  );
  const response = await handler(new Request("https://app.test/"));
  assertEquals(response.headers.get("server-timing")?.match(/3 requests/g)?.length, 2);
  assertEquals(order.sort(), ["client", "inner", "outer"].flatMap((name) => [1, 1, 2].map((n) => `${name}${n}`)));
});

Deno.test("observeHandler: answers without a body and streams pass through", async () => {
  const empty = observeHandler(async () => new Response(null, { status: 204 }));
  assertEquals((await empty(new Request("https://app.test/"))).status, 204);
  let cancelled = false;
  const streaming = observeHandler(async () =>
    new Response(new ReadableStream({ cancel: () => void (cancelled = true) }))
  );
  const { body } = await streaming(new Request("https://app.test/"));
  await body?.cancel();
  assert(cancelled);
});
