/** Traces of W3C Trace Context, spans of OpenTelemetry, and how requests are grouped by their operation. */
import {
  createTraceparent,
  observe,
  type ObserveOptions,
  openTelemetry,
  type OpenTelemetrySpan,
  type ResponseEvent,
} from "@windkit/windmill-client/observe";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { client, json, serve, stillClock, text } from "./_client_kit.ts";
import { test } from "./harness.ts";

const ID = "0af7651916cd43dd8448eb211c80319c", PARENT = "b7ad6b7169203331";
const TRACE = `00-${ID}-${PARENT}-01`;

/** The trace headers of one call, made with some hooks. */
async function sent(...hooks: readonly ObserveOptions[]): Promise<readonly (string | null)[]> {
  const stub = serve(() => json("v"));
  await client({ fetch: observe({ fetch: stub.fetch }, ...hooks) }).variables.get("a");
  const { headers = new Headers() } = stub.seen[0] ?? {};
  return [headers.get("traceparent"), headers.get("tracestate")];
}

function headersOf(traceparent: string, tracestate?: string): Headers {
  return new Headers({ traceparent, ...(tracestate === undefined ? {} : { tracestate }) });
}

test("traceparent: each request gets an id of its own in the trace, repetitions and redirects too", async () => {
  const clock = stillClock();
  const answers = [text("later", 503), new Response(null, { status: 307, headers: { location: "/x" } }), json("v")];
  const stub = serve(() => answers.shift() as Response); // `as`: three requests are made
  const seen: ResponseEvent[] = [];
  const hooks: ObserveOptions = { traceparent: TRACE, onResponse: (event) => seen.push(event), fetch: stub.fetch };
  await clock.drive(client({ fetch: observe(hooks) }, { clock }).variables.get("a"));
  const headers = stub.seen.map(({ headers }) => headers.get("traceparent") ?? "");
  assertEquals(headers.map((one) => one.replace(/-[0-9a-f]{16}-/, "-*-")), headers.map(() => `00-${ID}-*-01`));
  assertEquals(new Set([...headers, TRACE]).size, 4);
  assertEquals(seen.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`), headers);
  assert(seen.every(({ request }) => request.traceId === ID && request.spanId?.length === 16));
});

test("traceparent: a text, headers, or a function of either", async () => {
  for (
    const traceparent of [TRACE, headersOf(TRACE), () => TRACE, () => headersOf(TRACE)] satisfies readonly (
      ObserveOptions["traceparent"]
    )[]
  ) {
    assertEquals((await sent({ traceparent }))[0]?.slice(3, 35), ID);
  }
  assertEquals(await sent({ traceparent: () => undefined }), [null, null]);
  assertEquals(await sent({ traceparent: new Headers() }), [null, null]);
  assertEquals(await sent({}), [null, null]);
});

test("traceparent: the function is told of the request, and a new trace is valid and never the same", async () => {
  const routes: unknown[] = [];
  await sent({ traceparent: ({ route }) => void routes.push(route) });
  assertEquals(routes, ["/api/w/{workspace}/variables/get_value/{path}"]);
  const made = new Set(Array.from({ length: 100 }, createTraceparent));
  assertEquals(made.size, 100);
  for (const one of made) assertEquals((await sent({ traceparent: one }))[0]?.slice(0, 35), one.slice(0, 35));
});

test("traceparent: what is not valid is left out, and refused as a text", async () => {
  const bad = [
    "",
    "nonsense",
    TRACE.toUpperCase(),
    TRACE.replace("00-", "ff-"),
    TRACE.replace(ID, "0".repeat(32)),
    TRACE.replace(PARENT, "0".repeat(16)),
    TRACE.replace("-01", "-1"),
    TRACE.replace("-01", ""),
    `${TRACE}-more`,
    `${TRACE}0`,
    TRACE.replace("00-", "0-"),
    `x${TRACE}`,
    TRACE.replaceAll("-", "_"),
  ];
  for (const one of bad) {
    assertEquals([one, ...await sent({ traceparent: () => one })], [one, null, null]);
    const error = await assertRejects(() => observe({ traceparent: one }), undefined, "'traceparent'");
    assertEquals(error.name, "RangeError");
  }
  assertEquals(await sent({ traceparent: headersOf("nonsense", "a=1") }), [null, null]);
  // `as`: programs without types give anything.
  assertEquals(await sent({ traceparent: () => 7 as unknown as string }), [null, null]);
});

test("traceparent: later versions are read, and flags that are not known are not handed on", async () => {
  for (
    const [given, flags] of [
      [`cc-${ID}-${PARENT}-01-what-comes`, "01"],
      [`01-${ID}-${PARENT}-00`, "00"],
      [`00-${ID}-${PARENT}-ff`, "03"],
      [`00-${ID}-${PARENT}-fc`, "00"],
    ] as const
  ) {
    const [header] = await sent({ traceparent: headersOf(given) });
    assertEquals(header?.replace(/-[0-9a-f]{16}-/, "-*-"), `00-${ID}-*-${flags}`);
  }
});

test("tracestate: is handed on with its trace, up to 32 members and 512 characters, unless it is broken", async () => {
  const state = async (value: string) => (await sent({ traceparent: headersOf(TRACE, value) }))[1];
  assertEquals(await state("congo=t61rcWkgMzE, rojo=00f067aa0ba902b7"), "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
  assertEquals(await state("tenant@vendor=1,,"), "tenant@vendor=1");
  for (const broken of ["", "a", "A=1", "a=1,b", "a=1=2", "a=\u00e9", `a=${"x".repeat(257)}`, `${"k".repeat(257)}=1`]) {
    assertEquals([broken, await state(broken)], [broken, null]);
  }
  const many = Array.from({ length: 40 }, (_, n) => `k${n}=1`);
  assertEquals((await state(many.join()))?.split(","), many.slice(0, 32));
  const long = ["a", "b", "c"].map((key) => `${key}=${"x".repeat(200)}`);
  assertEquals((await state(long.join()))?.split(","), long.slice(0, 2));
});

test("traceparent: a call's own header goes over it", async () => {
  const stub = serve(() => json("v"));
  const own = `00-${"1".repeat(32)}-${"2".repeat(16)}-00`;
  const seen: ResponseEvent[] = [];
  const fetch = observe({ fetch: stub.fetch, traceparent: TRACE, onResponse: (event) => seen.push(event) });
  await client({ fetch }).variables.get("a", { headers: { TraceParent: own } });
  assertEquals([stub.seen[0]?.headers.get("traceparent"), seen[0]?.traceId], [own, "1".repeat(32)]);
});

// OpenTelemetry, by the shape of its API: with its own packages it is tried on Deno

test("openTelemetry: a client span for each request, its context in the headers, and its duration", async () => {
  const clock = stillClock();
  interface Made {
    readonly name: string;
    readonly kind: number;
    readonly parent: string;
    readonly attributes: Record<string, unknown>;
    status?: unknown;
    ended: number;
  }
  interface Span extends OpenTelemetrySpan {
    readonly made: Made;
  }
  const spans: Made[] = [];
  const records: unknown[][] = [];
  const api = {
    context: { active: () => "active", with: <T>(_: string, run: () => T) => run() },
    propagation: {
      inject: (context: string, headers: Record<string, string>) => void (headers.traceparent = context),
      extract: () => "",
    },
    trace: {
      getTracer: () => ({
        startSpan(
          name: string,
          options: { kind: number; attributes: Record<string, string | number> },
          parent: string,
        ): Span {
          const made: Made = { name, kind: options.kind, parent, attributes: { ...options.attributes }, ended: 0 };
          spans.push(made);
          return {
            made,
            setAttribute: (key: string, value: unknown) => made.attributes[key] = value,
            setStatus: (status: unknown) => made.status = status,
            end: () => void made.ended++,
          };
        },
      }),
      setSpan: (_: string, span: Span) => `00-${ID}-${span.made.name.length}`,
    },
    metrics: {
      getMeter: () => ({ createHistogram: () => ({ record: (...given: unknown[]) => void records.push(given) }) }),
    },
  };
  let asked = 0;
  const stub = serve(() => {
    if (++asked === 2) throw new TypeError("fetch failed");
    return asked === 1 ? text("later", 503) : json("v");
  });
  const fetch = observe({ fetch: stub.fetch }, openTelemetry(api));
  await clock.drive(client({ fetch }, { clock }).variables.get("f/x"));
  const route = "/api/w/{workspace}/variables/get_value/{path}";
  const common = {
    "http.request.method": "GET",
    "server.address": "stub.test",
    "server.port": 80,
    "url.template": route,
  };
  const more = {
    ...common,
    "url.full": "http://stub.test/api/w/ws/variables/get_value/f/x",
    "windmill.workspace": "ws",
  };
  assertEquals(spans, [
    {
      name: `GET ${route}`,
      kind: 2,
      parent: "active",
      attributes: { ...more, "http.response.status_code": 503, "error.type": "503" },
      status: { code: 2 },
      ended: 1,
    },
    {
      name: `GET ${route}`,
      kind: 2,
      parent: "active",
      attributes: { ...more, "http.request.resend_count": 1, "error.type": "TypeError" },
      status: { code: 2, message: "fetch failed" },
      ended: 1,
    },
    {
      name: `GET ${route}`,
      kind: 2,
      parent: "active",
      attributes: { ...more, "http.request.resend_count": 2, "http.response.status_code": 200 },
      ended: 1,
    },
  ]);
  assertEquals(
    stub.seen.map(({ headers }) => headers.get("traceparent")),
    spans.map(({ name }) => `00-${ID}-${name.length}`),
  );
  assertEquals(records.map(([seconds, attributes]) => [typeof seconds, attributes]), [
    ["number", { ...common, "http.response.status_code": 503, "error.type": "503" }],
    ["number", { ...common, "error.type": "TypeError" }],
    ["number", { ...common, "http.response.status_code": 200 }],
  ]);
});

// Operations

/** Addresses below the workspace's; what is in braces is the first value of each. */
const ROUTES = [
  "variables/get_value/{path}",
  "variables/create",
  "resources/get/{path}",
  "resources/type/get/{path}",
  "resources/list",
  "jobs/run/p/{path}",
  "jobs/run/f/{path}",
  "jobs/run/h/{hash}",
  "jobs/run/fv/{version}",
  "jobs/run/preview",
  "jobs/run_wait_result/p/{path}",
  "jobs/run_wait_result/f/{path}",
  "jobs/run/workflow_as_code/{id}",
  "jobs/list",
  "jobs/completed/list",
  "jobs_u/get/{id}",
  "jobs_u/getupdate_sse/{id}",
  "jobs_u/completed/get_result_maybe/{id}",
  "jobs_u/queue/cancel/{id}",
  "jobs/queue/cancel_selection",
  "jobs/flow/user_states/{id}",
  "jobs_u/resume/{id}",
  "jobs/resume_urls/{id}",
  "job_helpers/upload_s3_file",
  "job_helpers/v2/polars_connection_settings",
  "kafka_triggers/commit_offsets/{path}",
  "users/username_to_email/{path}",
  "users/whoami",
  "scripts/get/p/{path}",
  "scripts/get/h/{hash}",
  "flows/get/{path}",
  "s3_proxy/store/{path}",
  "concurrency_groups/{id}",
];

test("observe: an address has one route, whatever the values in it", async () => {
  const routes: unknown[] = [];
  const fetch = observe({ fetch: async () => json(1), onRequest: ({ route }) => routes.push(route) });
  const values = {
    path: ["f/team/thing", "u/ada.l/x%2Fy", "g/all/p"],
    id: ["0190a0b2-0000-7000-8000-000000000001", "7"],
  };
  const hash = ["ffb1a2c3d4e5f607", "00b1a2c3d4e5f607"], version = ["7", "1234"];
  for (const route of ROUTES) {
    const [, name = ""] = /\{(\w+)\}/.exec(route) ?? [];
    const given: readonly string[] = { ...values, hash, version }[name] ?? [""];
    routes.length = 0;
    for (const value of given) {
      await fetch(`http://stub.test/api/w/a%2Fb/${route.replace(/\{.*/, value)}?q=1`, {});
      await fetch(`https://h.test:8/some/base/api/w/a/${route.replace(/\{.*/, value)}`, {});
    }
    const kind = name === "" ? "" : name === "path" ? "path" : "id";
    const expected = `/api/w/{workspace}/${route.replace(/\{.*/, kind === "" ? "" : `{${kind}}`)}`;
    assertEquals(routes, routes.map(() => expected));
  }
});

test("observe: addresses outside a workspace, and outside the API", async () => {
  const seen: unknown[] = [];
  const fetch = observe({
    fetch: async () => json(1),
    onRequest: ({ route, workspace, url }) => seen.push([route, workspace, url]),
  });
  for (const place of ["api/version", "api/users/whoami", "api/teams/activities", "x/api", "api/w/%zz/jobs/list", ""]) {
    await fetch(`http://stub.test/${place}`, {});
  }
  assertEquals(seen.map((one) => (one as unknown[]).slice(0, 2)), [
    ["/api/version", undefined],
    ["/api/users/whoami", undefined],
    ["/api/teams/activities", undefined],
    [undefined, undefined],
    ["/api/w/{workspace}/jobs/list", "%zz"],
    [undefined, undefined],
  ]);
});
