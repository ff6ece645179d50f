/** The handler that streams what happens to a job to a browser. */
import { streamJob, type StreamJobOptions } from "@windkit/windmill-client/handlers";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import {
  type Feed,
  feed,
  json,
  refuses,
  serve,
  settle,
  type StillClock,
  stillClock,
  type Stub,
  text,
} from "./_client_kit.ts";
import { assertError, contextOf, countBodies, jsonRequest } from "./_handlers_kit.ts";
import { test } from "./harness.ts";

const id = "0190e0c4-0000-7000-8000-000000000001";
const other = "0190e0c4-0000-7000-8000-000000000002";
const update = { type: "update" };

/** A Windmill with jobs whose updates are fed by hand. */
interface JobServer {
  readonly stub: Stub;
  readonly clock: StillClock;
  /** Streams that were opened. */
  readonly streams: Feed[];
  /** Ends the jobs. */
  readonly finish: (result: unknown, success?: boolean) => void;
  /** Targets of what was asked, without the part that all of them begin with. */
  readonly asked: (part: string) => string[];
  readonly client: { readonly fetch: Stub["fetch"]; readonly clock: StillClock };
}

function jobServer(): JobServer {
  let state: object = { completed: false, success: null, started: null, result: null };
  const streams: Feed[] = [];
  const clock = stillClock();
  const stub = serve(({ target }, signal) => {
    if (target.includes("/getupdate_sse/")) {
      const fed = feed(signal);
      streams.push(fed);
      return fed.response;
    }
    if (target.includes("/get_result_maybe/")) return json(state);
    if (target.includes("/jobs/run/")) return text(new URL(target, "http://x").searchParams.get("job_id") ?? "", 201);
    return target.includes("/cancel/") ? text("cancelled") : json({});
  });
  return {
    stub,
    clock,
    streams,
    finish: (result, success = true) => {
      state = { completed: true, success, started: true, result };
    },
    asked: (part) => stub.seen.map(({ target }) => target).filter((target) => target.includes(part)),
    client: { fetch: stub.fetch, clock },
  };
}

function follow(server: JobServer, more: Partial<StreamJobOptions> = {}) {
  return streamJob({ client: server.client, authorize: () => true, ...more } as StreamJobOptions);
}

function get(query = `?job=${id}`, headers: Record<string, string> = {}, init: RequestInit = {}): Request {
  return new Request(`https://edge.test/jobs${query}`, { headers, ...init });
}

/** One event as a browser reads it. */
interface Sent {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** Reads the events of a stream in the background. */
function listen(
  response: Response,
): { readonly events: Sent[]; readonly other: string[]; readonly end: Promise<unknown> } {
  const events: Sent[] = [], others: string[] = [];
  const end = (async () => {
    const bytes = new TextDecoder();
    try {
      let rest = "";
      for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
        const blocks = (rest + bytes.decode(piece, { stream: true })).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const found = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(block);
          if (found === null) others.push(block);
          else events.push({ id: found[1] ?? "", event: found[2] ?? "", data: JSON.parse(found[3] ?? "") });
        }
      }
      return "end";
    } catch (error) {
      return error;
    }
  })();
  return { events, other: others, end };
}

test("handlers stream: everything that happens comes as events with ids, the end last, with headers for proxies", async () => {
  const server = jobServer();
  const response = await follow(server)(get(), contextOf());
  assertEquals([response.status, response.headers.get("content-type")], [200, "text/event-stream"]);
  assertEquals(response.headers.get("cache-control"), "no-cache, no-transform");
  assertEquals(response.headers.get("x-accel-buffering"), "no");
  assertEquals(server.stub.seen.length, 0, "Windmill was asked before anybody read");
  const { events, other: others, end } = listen(response);
  await settle();
  assertEquals(others, ["retry: 1000"]);
  server.streams[0]?.event({ ...update, running: true, new_logs: "one\r\nline", log_offset: 10 });
  server.streams[0]?.event({ ...update, new_result_stream: "tok", stream_offset: 1, progress: 10 });
  server.streams[0]?.event({ ...update, flow_status: { step: 1 }, new_logs: "more", log_offset: 14 });
  await settle();
  server.finish({ ok: "\n" });
  server.streams[0]?.event({ ...update, workflow_as_code_status: { a: 1 }, completed: true });
  assertEquals(await end, "end");
  assertEquals(events, [
    { id: `${id}....`, event: "running", data: {} },
    { id: `${id}.10...`, event: "logs", data: { text: "one\r\nline" } },
    { id: `${id}.10.1..`, event: "stream", data: { text: "tok" } },
    { id: `${id}.10.1..`, event: "progress", data: { percent: 10 } },
    { id: `${id}.14.1..`, event: "logs", data: { text: "more" } },
    { id: `${id}.14.1..`, event: "flow_status", data: { status: { step: 1 } } },
    { id: `${id}.14.1..`, event: "workflow_status", data: { status: { a: 1 } } },
    { id: `${id}.14.1.end.`, event: "result", data: { result: { ok: "\n" } } },
  ]);
  assertEquals(server.clock.timers(), 0);
});

test("handlers stream: a browser that comes back goes on where it was, and not at all after the end", async () => {
  const server = jobServer();
  const handler = follow(server);
  const headers = { "last-event-id": `${id}.14.3..` };
  const { events, end } = listen(await handler(get(`?job=${id}`, headers), contextOf()));
  await settle();
  const query = new URL(server.asked("getupdate_sse")[0] ?? "", "http://x").searchParams;
  assertEquals([query.get("log_offset"), query.get("stream_offset")], ["14", "3"]);
  // What a server tells again is left out.
  server.streams[0]?.event({ ...update, new_logs: "old", log_offset: 14, new_result_stream: "new", stream_offset: 4 });
  server.finish(1);
  server.streams[0]?.event({ ...update, completed: true });
  assertEquals(await end, "end");
  assertEquals(events.map(({ id, event }) => `${event} ${id}`), [`stream ${id}.14.4..`, `result ${id}.14.4.end.`]);
  const asked = server.stub.seen.length;
  const over = await handler(get(`?job=${id}`, { "last-event-id": `${id}.14.4.end.` }), contextOf());
  assertEquals([over.status, over.body, server.stub.seen.length], [204, null, asked]);
});

test("handlers stream: a place in another job's stream, or none, is none", async () => {
  for (const place of [`${other}.14.3..`, `${other}...end.`, "7", `${id}.x.1..`, `${id}.1.1`]) {
    const server = jobServer();
    server.finish(1);
    const response = await follow(server)(
      get(`?job=${id}`, { "last-event-id": encodeURIComponent(place) }),
      contextOf(),
    );
    const { end } = listen(response);
    await settle();
    server.streams[0]?.event({ ...update, completed: true });
    assertEquals(await end, "end");
    assertEquals(
      new URL(server.asked("getupdate_sse")[0] ?? "", "http://x").searchParams.get("log_offset"),
      null,
      place,
    );
  }
});

test("handlers stream: nobody follows a job that they may not, and Windmill is not asked", async () => {
  const server = jobServer();
  const asked: string[] = [];
  const handler = follow(server, {
    authorize: async (request, jobId, { params }) => {
      await undefined;
      asked.push(`${request.headers.get("cookie")} ${jobId} ${params?.team}`);
      return request.headers.get("cookie") === "ada";
    },
  });
  const params = { team: "a", jobId: id };
  await assertError(await handler(get("", { cookie: "eve" }), contextOf({ params })), 403, "ForbiddenError");
  const ended = { cookie: "eve", "last-event-id": `${id}.14.4.end.` };
  await assertError(await handler(get("", ended), contextOf({ params })), 403, "ForbiddenError");
  assertEquals(server.stub.seen.length, 0);
  const response = await handler(get("", { cookie: "ada" }), contextOf({ params }));
  await response.body?.cancel();
  assertEquals(response.status, 200);
  assertEquals(asked, [`eve ${id} a`, `eve ${id} a`, `ada ${id} a`]);
});

test("handlers stream: the id of a job comes from the route or the query, or from where the option says", async () => {
  const server = jobServer();
  const seen: string[] = [];
  const authorize = (_: Request, jobId: string) => seen.push(jobId) < 0;
  const handler = follow(server, { authorize });
  await handler(get(`?job=${other}`), contextOf({ params: { id } }));
  await handler(get(`?job=${other}`), contextOf({ params: { jobId: id, id: "7" } }));
  await handler(get(`?job=${other}`), contextOf());
  await follow(server, { authorize, jobId: (request) => request.headers.get("x-job") ?? undefined })(
    get("", { "x-job": id }),
    contextOf(),
  );
  assertEquals(seen, [id, id, other, id]);
  for (const query of ["", "?job=", "?job=../../x", `?job=${id}x`]) {
    await assertError(await handler(get(query), contextOf()), 400, "InputError", "id of a job");
  }
  assertEquals((await handler(get("", {}, { method: "POST" }), contextOf())).status, 405);
  assertEquals([seen.length, server.stub.seen.length], [4, 0]);
});

test("handlers stream: `run` starts a job once; who comes back with its id goes on, and nobody else gets in", async () => {
  const server = jobServer();
  const handler = streamJob({ client: server.client, run: { script: "f/team/chat" }, start: { tag: "gpu" } });
  const first = await handler(jsonRequest({ say: "hi" }, "/chat?n=1"), contextOf());
  const { events, end } = listen(first);
  await settle();
  assertEquals([server.stub.seen[0]?.method, server.stub.seen[0]?.body], ["POST", '{"n":"1","say":"hi"}']);
  assertIncludes(server.asked("/jobs/run/")[0] ?? "", "jobs/run/p/f/team/chat?tag=gpu&job_id=");
  server.streams[0]?.event({ ...update, new_result_stream: "tok", stream_offset: 1 });
  await settle();
  const place = events[0]?.id ?? "";
  const [jobId = ""] = place.split(".");
  assert(/^[\da-f-]{36}\.\.1\.\.[\da-f]{64}$/.test(place), place);

  const again = async (lastEventId: string, env?: Record<string, string>) =>
    await handler(get("/chat", { "last-event-id": lastEventId }), contextOf(env && { env }));
  const back = await again(place);
  assertEquals(back.status, 200);
  const second = listen(back);
  await settle();
  assertEquals(server.asked("/jobs/run/").length, 1);
  assertIncludes(server.asked("/getupdate_sse/")[1] ?? "", `${jobId}?`);
  assertIncludes(server.asked("/getupdate_sse/")[1] ?? "", "stream_offset=1");

  const asked = server.stub.seen.length;
  const forged = place.replace(jobId, other);
  const signature = place.slice(-64);
  for (
    const wrong of [
      forged,
      place.slice(0, -64),
      place.slice(0, -1),
      place.replace(signature, signature.replace(/./, (c) => c === "0" ? "1" : "0")),
    ]
  ) {
    await assertError(await again(wrong), 403, "ForbiddenError");
  }
  const others = { WM_BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "another" };
  await assertError(await again(place, others), 403, "ForbiddenError");
  await assertError(
    await again(place, { ...others, WM_TOKEN: "s3cr3t-tok", WM_WORKSPACE: "w2" }),
    403,
    "ForbiddenError",
  );
  await assertError(await again("7"), 400, "InputError", "Last-Event-ID");
  assertEquals(server.stub.seen.length, asked);

  server.finish("done");
  for (const stream of server.streams) stream.event({ ...update, completed: true });
  assertEquals([await end, await second.end], ["end", "end"]);
  const last = events.at(-1)?.id ?? "";
  assertEquals((await again(last)).status, 204);
  assertEquals(server.asked("/jobs/run/").length, 1);
});

test("handlers stream: `authorize` decides on a job that is started, and before it is", async () => {
  const server = jobServer();
  const own = new Set<string>();
  const handler = streamJob({
    client: server.client,
    run: { flow: "f/team/chat" },
    authorize: (request, jobId) => {
      if (request.headers.get("cookie") !== "ada") return false;
      if (!request.headers.has("last-event-id")) own.add(jobId);
      return own.has(jobId);
    },
  });
  await assertError(await handler(get("/chat"), contextOf()), 403, "ForbiddenError");
  assertEquals(server.stub.seen.length, 0);
  const response = await handler(get("/chat", { cookie: "ada" }), contextOf());
  const { events } = listen(response);
  await settle();
  server.streams[0]?.event({ ...update, running: true });
  await settle();
  const [jobId = ""] = own, place = events[0]?.id ?? "";
  assertEquals(server.asked("jobs/run/"), [`/api/w/ws/jobs/run/f/f/team/chat?job_id=${jobId}`]);
  const back = await handler(get("/chat", { cookie: "ada", "last-event-id": place }), contextOf());
  await back.body?.cancel();
  assertEquals(back.status, 200);
  // Its own session, and no id of its stream; an id of its stream, and another session.
  const bare = await handler(get("/chat", { cookie: "ada", "last-event-id": `${jobId}....` }), contextOf());
  await assertError(bare, 403, "ForbiddenError");
  await assertError(await handler(get("/chat", { "last-event-id": place }), contextOf()), 403, "ForbiddenError");
  const wrong = await handler(get("/chat", { cookie: "ada", "last-event-id": `${other}....` }), contextOf());
  await assertError(wrong, 403, "ForbiddenError");
});

test("handlers stream: `authorize` that looks at the session alone opens no job of another session", async () => {
  const server = jobServer();
  const handler = streamJob({ client: server.client, run: { script: "f/team/chat" }, authorize: () => true });
  for (const place of [`${other}....`, `${other}...end.`, `${other}.0.0..${"0".repeat(64)}`]) {
    await assertError(await handler(get("/chat", { "last-event-id": place }), contextOf()), 403, "ForbiddenError");
  }
  assertEquals(server.stub.seen.length, 0);
});

test("handlers stream: a heart-beat that never comes is no timer that goes off at once", async () => {
  for (const heartbeatMs of [Infinity, 2 ** 31, 1e12]) {
    const server = jobServer();
    const waits: number[] = [];
    const clock = {
      ...server.clock,
      setTimeout: (wake: () => void, ms: number) => (waits.push(ms), server.clock.setTimeout(wake, ms)),
    };
    const response = await follow(server, { heartbeatMs, client: { ...server.client, clock } })(get(), contextOf());
    const { other: others } = listen(response);
    await settle();
    assertEquals([others, waits.filter((ms) => ms >= 2 ** 31), waits.includes(2 ** 31 - 1)], [
      ["retry: 1000"],
      [],
      true,
    ]);
  }
});

test("handlers stream: a start that fails is an answer, not a stream", async () => {
  const stub = serve(() => text("Not found: script s3cr3t-tok", 404));
  const handler = streamJob({ client: { fetch: stub.fetch }, run: { script: "f/team/none" } });
  await assertError(await handler(jsonRequest({}), contextOf()), 502, "WindmillApiError", "answered 404");
  await assertError(await handler(jsonRequest([]), contextOf()), 400, "InputError");
});

test("handlers stream: while nothing happens comments say that the connection lives", async () => {
  const server = jobServer();
  const { events, other: others, end } = listen(await follow(server, { heartbeatMs: 2000 })(get(), contextOf()));
  await server.clock.pass(1999);
  assertEquals(others, ["retry: 1000"]);
  await server.clock.pass(4001);
  assertEquals(others, ["retry: 1000", ": still there", ": still there", ": still there"]);
  for (const stream of server.streams) stream.event({ ...update, new_logs: "a", log_offset: 1 });
  await settle();
  await server.clock.pass(1999);
  assertEquals([others.length, events.length], [4, 1]);
  server.finish(1);
  for (const stream of server.streams) stream.event({ ...update, completed: true });
  assertEquals(await server.clock.drive(end), "end");
  assertEquals(server.clock.timers(), 0);
});

test("handlers stream: a job that failed ends the stream with its error, without the stack", async () => {
  for (
    const [result, words] of [
      [{ error: { name: "Error", message: "out of stock", stack: "file:///x" } }, "Error: out of stock"],
      [{ error: { name: "Canceled", message: "by ada" } }, "Canceled: by ada"],
      [null, "The job failed"],
    ] as const
  ) {
    const server = jobServer();
    server.finish(result, false);
    const { events, end } = listen(await follow(server)(get(), contextOf()));
    await settle();
    server.streams[0]?.event({ ...update, completed: true });
    assertEquals(await end, "end");
    assertEquals(events, [{
      id: `${id}...end.`,
      event: "failed",
      data: { error: { name: "JobFailedError", message: words } },
    }]);
  }
});

test("handlers stream: Windmill that is away, elsewhere, or knows no such job ends it with `failed`", async () => {
  const cases: readonly (readonly [() => Response | Promise<Response>, string, string])[] = [
    [() => text("down", 503), "answered 503", `${id}....`],
    [() => Promise.reject(new TypeError("refused by stub.test")), "gave no whole answer", `${id}....`],
    [() => text(`Not found: job ${id}`, 404), "answered 404", `${id}...end.`],
    [() => text("Not authorized", 401), "answered 401", `${id}...end.`],
    [() => new Response(null, { status: 302, headers: { location: "https://evil.test/" } }), "a redirect", `${id}....`],
    [() => new Response("<html>"), "cannot be read", `${id}....`],
  ];
  for (const [answer, part, place] of cases) {
    const clock = stillClock();
    const stub = serve(answer);
    const told: unknown[] = [];
    const handler = streamJob({
      client: { fetch: stub.fetch, clock, random: () => 1 },
      authorize: () => true,
      onError: (error) => told.push(error),
    });
    const { events, end } = listen(await handler(get(), contextOf()));
    assertEquals(await clock.drive(end), "end", part);
    assertEquals([events.length, events[0]?.event, events[0]?.id], [1, "failed", place], part);
    const words = JSON.stringify(events[0]?.data);
    assertIncludes(words, part);
    assert(!/stub\.test|s3cr3t/.test(words), words);
    assertEquals([told.length, clock.timers()], [1, 0], part);
    assert(stub.seen.every(({ url }) => url.startsWith("http://stub.test/")), part);
  }
});

test("handlers stream: after `timeoutMs` it ends without a last event, and nothing is open", async () => {
  const server = jobServer();
  const handler = follow(server, { timeoutMs: 5000, heartbeatMs: 60_000, cancelOnDisconnect: true });
  const context = contextOf();
  const { events, end } = listen(await handler(get(), context));
  await settle();
  server.streams[0]?.event({ ...update, new_logs: "a", log_offset: 1 });
  await server.clock.pass(5000);
  assertEquals(await end, "end");
  await settle();
  assertEquals(events.map(({ event }) => event), ["logs"]);
  assertEquals([server.clock.timers(), context.kept.length, server.asked("cancel").length], [0, 0, 0]);
});

test("handlers stream: who hangs up, by the body or by the signal, leaves nothing open; the job goes on unless asked for", async () => {
  for (const cancelOnDisconnect of [false, true]) {
    for (const way of ["body", "signal"]) {
      const bodies = countBodies();
      const clock = stillClock();
      const stub = serve(({ target }, signal) =>
        target.includes("/cancel/") ? text("cancelled") : target.includes("sse")
          ? new Response(
            bodies.body((nth) => nth === 0 ? 'data: {"type":"update","running":true}\n\n' : undefined, signal),
          )
          : json({})
      );
      const leaving = new AbortController();
      const context = contextOf();
      const handler = streamJob({ client: { fetch: stub.fetch, clock }, authorize: () => true, cancelOnDisconnect });
      const response = await handler(get(`?job=${id}`, {}, { signal: leaving.signal }), context);
      const reader = response.body?.getReader();
      for (const part of ["retry", "running"]) {
        assertIncludes(new TextDecoder().decode((await reader?.read())?.value), part);
      }
      const pending = reader?.read();
      await settle();
      assertEquals(bodies.open(), 1);
      if (way === "body") await reader?.cancel();
      else leaving.abort();
      assertEquals((await pending)?.done, true);
      await settle();
      await Promise.all(context.kept);
      assertEquals([bodies.open(), clock.timers()], [0, 0], way);
      assertEquals(
        stub.seen.filter(({ target }) => target.includes("/queue/cancel/")).length,
        cancelOnDisconnect ? 1 : 0,
      );
      assertEquals(context.kept.length, cancelOnDisconnect ? 1 : 0);
    }
  }
});

test("handlers stream: 64 streams whose readers are slow hold a few pieces each, however much there is", async () => {
  const bodies = countBodies();
  const clock = stillClock();
  const event = (n: number) =>
    `data: ${JSON.stringify({ ...update, new_logs: "x".repeat(1000), log_offset: n * 1000 + 1000 })}\n\n`;
  const stub = serve(({ target }, signal) =>
    target.includes("sse") ? new Response(bodies.body(event, signal)) : json({ completed: false })
  );
  const handler = streamJob({ client: { fetch: stub.fetch, clock }, authorize: () => true });
  const readers = await Promise.all(Array.from({ length: 64 }, async () => {
    const response = await handler(get(), contextOf());
    return response.body?.getReader();
  }));
  await settle();
  assertEquals(bodies.made(), 0);
  let taken = 0, most = 0;
  for (let round = 0; round < 40; round++) {
    const read = await Promise.all(readers.map((reader) => reader?.read()));
    taken += read.filter((piece) => piece?.done === false).length;
    await settle();
    most = Math.max(most, bodies.pieces() - taken);
  }
  assertEquals([taken, bodies.made(), bodies.open()], [64 * 40, 64, 64]);
  // One that is handed over, one that waits to be, and one in the reader of lines: not one more with each round.
  assert(most <= 64 * 3, `${most} pieces were held`);
  await Promise.all(readers.map((reader) => reader?.cancel()));
  await settle();
  assertEquals([bodies.open(), clock.timers()], [0, 0]);
});

test("handlers stream: 1,000 requests that are hung up at any moment leave nothing open", async () => {
  const bodies = countBodies();
  const clock = stillClock();
  const stub = serve(({ target }, signal) =>
    target.includes("sse")
      ? new Response(bodies.body((nth) => `data: {"type":"update","progress":${nth}}\n\n`, signal))
      : json({ completed: false })
  );
  const handler = streamJob({ client: { fetch: stub.fetch, clock }, authorize: () => true });
  await Promise.all(Array.from({ length: 1000 }, async (_, i) => {
    const leaving = new AbortController();
    const work = handler(get(`?job=${id}`, {}, { signal: leaving.signal }), contextOf());
    if (i % 10 === 0) leaving.abort();
    const reader = (await work).body?.getReader();
    for (let reads = i % 7; reads > 0; reads--) await reader?.read();
    void reader?.read().catch(() => {});
    for (let turns = i % 50; turns > 0; turns--) await undefined;
    if (i % 2 === 0) leaving.abort();
    else await reader?.cancel();
  }));
  await settle();
  assertEquals([bodies.open(), clock.timers()], [0, 0]);
  assert(bodies.made() > 100, "No request came so far");
});

test("handlers stream: a binding that is missing is named", async () => {
  const server = jobServer();
  const env = { WM_BASE_URL: "http://stub.test", WM_WORKSPACE: "ws" };
  await assertError(await follow(server)(get(), { env }), 500, "ConfigurationError", "WM_TOKEN");
  assertEquals(server.stub.seen.length, 0);
});

test("handlers stream: what cannot be used is refused when the handler is made", async () => {
  await refuses(() => streamJob({} as StreamJobOptions), TypeError, "'authorize'");
  const authorize = () => true;
  await refuses(() => streamJob({ authorize, heartbeatMs: 0 }), RangeError, "'heartbeatMs' must be > 0");
  await refuses(() => streamJob({ authorize, timeoutMs: NaN }), RangeError, "'timeoutMs' must be > 0");
  await refuses(() => streamJob({ run: { script: "f//x" } }), RangeError, "what to run");
});
