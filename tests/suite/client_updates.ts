/** Updates of a job, and the stream of its result: from the server's stream of events, and without one. */
import { createClient, type JobFailedError, type JobUpdate, type UpdatesOptions } from "@windkit/windmill-client";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { type Feed, json, options, serve, settle, text } from "./_client_kit.ts";
import { JOB, type JobAnswers, type JobServer, serveJob } from "./_job_server.ts";
import { test } from "./harness.ts";

function jobServer(stream?: JobAnswers["stream"], poll: JobAnswers["poll"] = () => json({})): JobServer {
  return serveJob({ stream, poll });
}

/** Collects the values of an iterator in the background. */
function collect<T>(values: AsyncIterable<T>): { readonly found: T[]; readonly end: Promise<unknown> } {
  const found: T[] = [];
  const end = (async () => {
    try {
      for await (const value of values) found.push(value);
      return "end";
    } catch (error) {
      return error;
    }
  })();
  return { found, end };
}

const update = { type: "update" };

test("updates: everything that happens to a job comes in order, each thing once, its end last", async () => {
  const { client, streams, finish, clock, queries } = jobServer();
  const { found, end } = collect(client.jobs.updates("j"));
  await settle();
  assertEquals(queries("getupdate_sse").map(String), ["fast=true&running=false&get_progress=true"]);
  streams[0]?.event({ ...update, completed: false, new_logs: "job=j\n", log_offset: 7, mem_peak: 1 });
  streams[0]?.event({ ...update, running: true, flow_status: { step: 0 } });
  streams[0]?.event({ type: "ping" });
  streams[0]?.event({ ...update, progress: 10, flow_status: { step: 0 } });
  streams[0]?.event({ ...update, new_logs: "a\nb", log_offset: 10, progress: 10 });
  streams[0]?.event({ ...update, new_result_stream: "one", stream_offset: 1, workflow_as_code_status: { a: 1 } });
  streams[0]?.event({ ...update, new_result_stream: " two", stream_offset: 2, progress: 55, flow_status: { step: 1 } });
  finish({ ok: true });
  streams[0]?.event({ ...update, completed: true, new_logs: "end", log_offset: 13, job: { id: "j" } });
  assertEquals(await end, "end");
  assertEquals(found as unknown, [
    { type: "logs", text: "job=j\n", offset: 7 },
    { type: "running" },
    { type: "flow_status", status: { step: 0 } },
    { type: "progress", percent: 10 },
    { type: "logs", text: "a\nb", offset: 10 },
    { type: "stream", text: "one", offset: 1 },
    { type: "workflow_status", status: { a: 1 } },
    { type: "stream", text: " two", offset: 2 },
    { type: "progress", percent: 55 },
    { type: "flow_status", status: { step: 1 } },
    { type: "logs", text: "end", offset: 13 },
    { type: "completed", success: true, result: { ok: true } },
  ]);
  assertEquals([clock.timers(), queries("getupdate").length, queries("get_result_maybe").length], [0, 0, 1]);
});

test("updates: nothing is requested before the first one is asked for", async () => {
  const { client, seen } = jobServer();
  const updates = client.jobs.updates("j");
  await settle();
  assertEquals(seen.length, 0);
  await updates.return();
  assertEquals(seen.length, 0);
});

test("updates: after a timeout the next stream goes on where the last one ended, and what comes twice is given once", async () => {
  const { client, streams, finish, clock, queries } = jobServer();
  const { found, end } = collect(client.jobs.updates("j"));
  await settle();
  // Offsets are the server's: it counts code points, and pieces of the stream.
  streams[0]?.event({ ...update, running: true, new_logs: "\u{1F600}\n", log_offset: 3 });
  streams[0]?.event({ ...update, new_result_stream: "\u{1F600}", stream_offset: 1 });
  streams[0]?.event({ type: "timeout" });
  await settle();
  await clock.pass(50);
  assertEquals(
    queries("getupdate_sse")[1]?.toString(),
    "fast=true&running=true&log_offset=3&stream_offset=1&get_progress=true",
  );
  streams[1]?.event({ ...update, running: true, new_logs: "\u{1F600}\n", log_offset: 3 });
  streams[1]?.event({ ...update, new_result_stream: "\u{1F600}", stream_offset: 1 });
  streams[1]?.event({ ...update, new_logs: "x", log_offset: 4, new_result_stream: "y", stream_offset: 2 });
  finish(null);
  streams[1]?.event({ ...update, completed: true });
  assertEquals(await end, "end");
  assertEquals(found.map((u) => "text" in u ? u.text : u.type), [
    "running",
    "\u{1F600}\n",
    "\u{1F600}",
    "x",
    "y",
    "completed",
  ]);
});

test("updates: what a stream did not tell before it broke is asked for, and the job's end found", async () => {
  const { client, streams, finish, queries } = jobServer(
    undefined,
    () =>
      json({
        completed: true,
        running: false,
        new_logs: "the rest",
        log_offset: 12,
        new_result_stream: "!",
        stream_offset: 5,
      }),
  );
  const { found, end } = collect(client.jobs.updates("j"));
  await settle();
  streams[0]?.event({ ...update, running: true, new_logs: "abc", log_offset: 4 });
  await settle();
  finish("r");
  streams[0]?.break(new TypeError("connection reset"));
  assertEquals(await end, "end");
  assertEquals(found.map((u) => "text" in u ? u.text : u.type), ["running", "abc", "the rest", "!", "completed"]);
  assertEquals(queries("getupdate")[0]?.get("log_offset"), "4");
});

test("updates: where there is no stream, what is new is asked for again and again", async () => {
  let logs = 0;
  const { client, clock, finish, queries } = jobServer(
    () => text("no", 404),
    (nth, query) => {
      logs = Number(query.get("log_offset") ?? 0);
      return json(nth < 4 ? { running: true, new_logs: `${nth}`, log_offset: logs + 1 } : { completed: true });
    },
  );
  const { found, end } = collect(client.jobs.updates("j"));
  await clock.pass(200);
  finish(7);
  assertEquals(await clock.drive(end), "end");
  assertEquals(found.map((u) => "text" in u ? u.text : u.type), ["running", "1", "2", "3", "completed"]);
  assertEquals([queries("getupdate_sse").length, queries("getupdate").length], [2, 4]);
});

for (
  const [name, spoil] of [
    ["garbage", (s: Feed) => {
      for (const piece of ["data: not json\n\n", "data: [1]\n\n", ": x\n\n", "data\n\n", "data: {}\n\n"]) s.send(piece);
      s.event({ type: "update", new_logs: 7, progress: "x", running: "yes", log_offset: "z", completed: "true" });
    }],
    ["what is unknown", (s: Feed) => s.event({ type: "news", of: "tomorrow" })],
    ["an error", (s: Feed) => s.event({ type: "error", error: "Internal: x" })],
  ] as const
) {
  test(`updates: ${name} in the stream is left out`, async () => {
    const { client, streams, finish } = jobServer();
    const { found, end } = collect(client.jobs.updates("j"));
    await settle();
    if (streams[0] !== undefined) spoil(streams[0]);
    finish(1);
    streams[0]?.event({ ...update, completed: true });
    assertEquals(await end, "end");
    assertEquals(found as unknown, [{ type: "completed", success: true, result: 1 }]);
  });
}

test("updates: garbage without end is no stream: the job is polled instead", async () => {
  const { client, clock, streams, finish, queries } = jobServer(undefined, (nth) => json({ completed: nth > 4 }));
  const { end } = collect(client.jobs.updates("j"));
  for (let second = 0; second < 20; second++) {
    for (const stream of streams) stream.send("data: garbage\n\n");
    await clock.pass(1_000);
  }
  finish(1);
  assertEquals(await clock.drive(end), "end");
  assertEquals([streams.length, queries("getupdate").length], [2, 5]);
});

test("updates: the end of the job is understood in each of its forms", async () => {
  for (const last of [{ completed: true }, { only_result: { x: 1 } }, { only_result: 0 }, { job: { id: "j" } }]) {
    const { client, streams, finish } = jobServer();
    const { end } = collect(client.jobs.updates("j"));
    await settle();
    streams[0]?.event({ ...update, completed: false, only_result: null });
    finish(1);
    streams[0]?.event({ ...update, ...last });
    assertEquals(await end, "end");
  }
});

test("updates: events are understood however the stream is split, and whatever ends its lines", async () => {
  const event = 'id: 1\r\ndata: {"type":"update","completed":true,"new_logs":"\u{1F600}"}\r\n\r\n';
  for (const whole of [event, event.replaceAll("\r\n", "\n"), event.replaceAll("\r\n", "\r"), `\uFEFF${event}`]) {
    const bytes = new TextEncoder().encode(whole);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        pull: (control) => {
          if (at >= bytes.length) return control.close();
          control.enqueue(bytes.slice(at, at + size));
          at += size;
        },
      });
      const { client, finish } = jobServer(() => new Response(body));
      finish(1);
      const { found, end } = collect(client.jobs.updates("j"));
      assertEquals([await end, found.map(({ type }) => type)], ["end", ["logs", "completed"]]);
    }
  }
});

test("updates: a silent stream is cut off, the job looked at, and the next one opened", async () => {
  const { client, clock, streams, finish, queries } = jobServer();
  const { end } = collect(client.jobs.updates("j"));
  await settle();
  streams[0]?.event({ ...update, running: true });
  await clock.pass(3_050);
  assertEquals([streams.length, queries("getupdate").length], [2, 1]);
  finish(1);
  streams[1]?.event({ ...update, completed: true });
  assertEquals(await end, "end");
});

test("updates: a job that the server does not know is an error, after it said so three times", async () => {
  for (
    const answer of [
      () => new Response('data: {"type":"error","error":"Not found"}\n\ndata: {"type":"notfound"}\n\n'),
      () => text("Not found: Job j not found", 404),
    ]
  ) {
    const { client, clock, queries } = jobServer(answer, () => text("Not found: Job j not found", 404));
    const { found, end } = collect(client.jobs.updates("j"));
    const error = await clock.drive(end) as { readonly status?: number; readonly message?: string };
    assertEquals([error.status, found.length, queries("getupdate").length], [404, 0, 3]);
    assert(error.message?.includes("Job j not found") === true, `Expected the server's words, found ${error.message}`);
  }
});

test("updates: a job that a replica does not know yet is found", async () => {
  const { client, clock, streams, finish } = jobServer(
    (nth) => nth < 3 ? new Response('data: {"type":"notfound"}\n\n') : undefined,
    () => text("Not found: Job j not found", 404),
  );
  const { end } = collect(client.jobs.updates("j"));
  await clock.pass(200);
  finish("r");
  streams[0]?.event({ ...update, completed: true });
  assertEquals(await end, "end");
});

test("updates: what the server says when it is asked for news must be an object", async () => {
  for (const answer of [text("<html>"), json([]), text("")]) {
    const { client, clock } = jobServer(() => text("no", 404), () => answer);
    await clock.drive(assertRejects(() => client.jobs.updates("j").next(), "WINDMILL_API", "news of a job"));
  }
});

test("updates: a job that failed ends them as any other, whatever its result", async () => {
  for (const result of [null, "boom", 7, [1], { error: { name: "E", message: "m" } }]) {
    const { client, streams, finish } = jobServer();
    const { found, end } = collect(client.jobs.updates("j"));
    await settle();
    finish(result, false);
    streams[0]?.event({ ...update, completed: true });
    assertEquals([await end, found as unknown], ["end", [{ type: "completed", success: false, result }]]);
  }
});

test("updates: an end that comes before the result can be read leads to another look soon", async () => {
  const { client, clock, streams, finish } = jobServer();
  const { found, end } = collect(client.jobs.updates("j"));
  await settle();
  streams[0]?.event({ ...update, completed: true });
  await settle();
  finish("r");
  await clock.pass(50);
  assertEquals([await end, found.length, streams.length], ["end", 1, 1]);
});

test("updates: logs and progress are left out when asked to be, and may begin later", async () => {
  const { client, streams, finish, queries } = jobServer();
  const { found, end } = collect(
    client.jobs.updates("j", { logs: false, progress: false, streamOffset: 4, pollDelayMs: 50 }),
  );
  await settle();
  assertEquals(
    queries("getupdate_sse").map(String),
    ["fast=true&running=false&stream_offset=4&no_logs=true&poll_delay_ms=50"],
  );
  streams[0]?.event({
    ...update,
    new_logs: "x",
    log_offset: 2,
    progress: 3,
    new_result_stream: "old",
    stream_offset: 4,
  });
  finish(1);
  streams[0]?.event({ ...update, completed: true });
  assertEquals([await end, found.map(({ type }) => type)], ["end", ["completed"]]);
});

test("updates: the stream of another attempt of a step is read from its start", async () => {
  const { client, clock, streams, finish, queries } = jobServer();
  const { found, end } = collect(client.jobs.updates("j", { logs: false }));
  await settle();
  streams[0]?.event({ ...update, flow_stream_job_id: "a", new_result_stream: "first", stream_offset: 9 });
  streams[0]?.event({ type: "timeout" });
  await settle();
  await clock.pass(50);
  assertEquals(queries("getupdate_sse")[1]?.get("stream_offset"), "9");
  streams[1]?.event({ ...update, flow_stream_job_id: "b", new_result_stream: "of it", stream_offset: 12 });
  await settle();
  await clock.pass(75);
  assertEquals(queries("getupdate_sse")[2]?.get("stream_offset"), null);
  streams[2]?.event({ ...update, flow_stream_job_id: "b", new_result_stream: "some of it", stream_offset: 12 });
  finish(null);
  streams[2]?.event({ ...update, completed: true });
  assertEquals(await end, "end");
  assertEquals(found.map((u) => "text" in u ? u.text : u.type), ["first", "some of it", "completed"]);
});

// Who reads slowly, and who stops

test("updates: the server's stream is read as fast as its reader takes it", async () => {
  const { client, clock, streams, finish } = jobServer();
  const updates = client.jobs.updates("j");
  const first = updates.next();
  await settle();
  for (let n = 1; n <= 3; n++) streams[0]?.event({ ...update, new_logs: `${n}`, log_offset: n });
  assertEquals((await first).value, { type: "logs", text: "1", offset: 1 });
  // Meanwhile the stream is cut off: what it had left is asked for again, and nothing comes twice.
  await clock.pass(3_000);
  const rest = collect(updates);
  await settle();
  await clock.pass(100);
  streams[1]?.event({ ...update, new_logs: "23", log_offset: 3 });
  finish(1);
  streams[1]?.event({ ...update, completed: true });
  assertEquals(await rest.end, "end");
  assertEquals(rest.found.map((u) => "text" in u ? u.text : u.type), ["23", "completed"]);
  assertEquals(clock.timers(), 0);
});

test("updates: leaving the loop ends the requests, and cancels the job only when asked to", async () => {
  for (const cancelJob of [undefined, false, true]) {
    const { client, clock, streams, queries } = jobServer();
    const reading = (async () => {
      for await (const { type } of client.jobs.updates("j", cancelJob === undefined ? {} : { cancelJob })) return type;
    })();
    await settle();
    streams[0]?.event({ ...update, running: true });
    assertEquals(await reading, "running");
    await settle();
    assertEquals([clock.timers(), queries("cancel").length], [0, cancelJob === true ? 1 : 0]);
  }
});

for (const how of ["signal", "deadline"] as const) {
  test(`updates: the ${how} ends them with its reason, and cancels the job only when asked to`, async () => {
    for (const cancelJob of [false, true]) {
      const { client, clock, queries } = jobServer();
      const controller = new AbortController();
      const limits: UpdatesOptions = how === "signal" ? { signal: controller.signal } : { timeoutMs: 1_000 };
      const { end } = collect(client.jobs.updates("j", { ...limits, cancelJob }));
      await clock.pass(1_000);
      controller.abort("enough");
      const reason = await clock.drive(end);
      assertEquals(
        how === "signal" ? reason : (reason as { code?: unknown }).code,
        how === "signal" ? "enough" : "DEADLINE_EXCEEDED",
      );
      assertEquals([clock.timers(), queries("cancel").length], [0, cancelJob ? 1 : 0]);
    }
  });
}

test("updates: a signal that was aborted before sends nothing", async () => {
  const { client, seen } = jobServer();
  const { end } = collect(client.jobs.updates("j", { signal: AbortSignal.abort("no") }));
  assertEquals([await end, seen.length], ["no", 0]);
});

test("updates: a server that stays away ends them with its error, and the job is not cancelled", async () => {
  const { client, clock, queries } = jobServer(() => text("no", 502), () => text("Bad gateway", 502));
  const { end } = collect(client.jobs.updates("j", { cancelJob: true }));
  assertEquals((await clock.drive(end) as { status?: number }).status, 502);
  assertEquals(queries("cancel").length, 0);
});

test("updates: headers of the call go with every request", async () => {
  const { client, seen, streams, finish } = jobServer(undefined, () => json({ completed: true }));
  const { end } = collect(client.jobs.updates("j", { headers: { "x-trace": "t" } }));
  await settle();
  finish(1);
  streams[0]?.end();
  await end;
  assertEquals(seen.map(({ headers }) => headers.get("x-trace")), ["t", "t", "t"]);
});

test("updates: types tell the kinds apart", () => {
  const shown = ({ type, ...rest }: JobUpdate): string => `${type} ${Object.keys(rest)}`;
  assertEquals(shown({ type: "progress", percent: 1 }), "progress percent");
});

// The stream of the result alone

test("stream: starts the job and gives the stream of its result, text by text", async () => {
  const { client, streams, finish, seen, queries } = jobServer();
  const { found, end } = collect(client.jobs.stream("f/a", { q: 1 }, { tag: "gpu" }));
  await settle();
  assertEquals([seen[0]?.method, seen[0]?.target, seen[0]?.body], [
    "POST",
    "/api/w/ws/jobs/run/p/f/a?tag=gpu",
    '{"q":1}',
  ]);
  assertEquals(seen[1]?.target.replace(/\?.*/, ""), `/api/w/ws/jobs_u/getupdate_sse/${JOB}`);
  assertEquals(queries("getupdate_sse").map(String), ["fast=true&running=false&no_logs=true&only_result=true"]);
  streams[0]?.event({ ...update, running: true, new_result_stream: "a\n", stream_offset: 1 });
  streams[0]?.event({ ...update, new_result_stream: "b", stream_offset: 2 });
  finish(null);
  streams[0]?.event({ ...update, completed: true, only_result: null, new_result_stream: "c", stream_offset: 3 });
  assertEquals([await end, found], ["end", ["a\n", "b", "c"]]);
});

test("stream: scripts by hash, flows, and versions of flows", async () => {
  for (
    const [target, path] of [
      ["f/a", "p/f/a"],
      [{ hash: "abc" }, "h/abc"],
      [{ flow: "f/b" }, "f/f/b"],
      [{ flowVersion: 12 }, "fv/12"],
    ] as const
  ) {
    const { client, finish, seen } = jobServer(() => new Response('data: {"type":"update","completed":true}\n\n'));
    finish(null);
    assertEquals(await collect(client.jobs.stream(target)).end, "end");
    assertEquals(seen[0]?.target, `/api/w/ws/jobs/run/${path}`);
  }
});

test("stream: a job that failed is a JobFailedError after what it had written", async () => {
  for (const result of [null, "boom", [1], { error: { name: "E", message: "m" } }]) {
    const { client, streams, finish } = jobServer();
    const { found, end } = collect(client.jobs.resultStream("j"));
    await settle();
    streams[0]?.event({ ...update, new_result_stream: "a", stream_offset: 1 });
    finish(result, false);
    streams[0]?.event({ ...update, completed: true });
    const error = await end as JobFailedError;
    assertEquals([error.code, error.jobId, error.result, found], ["JOB_FAILED", "j", result, ["a"]]);
  }
});

test("stream: leaving the loop cancels the job only when asked to", async () => {
  for (const cancelJob of [false, true]) {
    const { client, streams, queries, clock } = jobServer();
    const reading = (async () => {
      for await (const piece of client.jobs.stream("f/a", {}, { cancelJob })) return piece;
    })();
    await settle();
    streams[0]?.event({ ...update, new_result_stream: "a", stream_offset: 1 });
    assertEquals(await reading, "a");
    await settle();
    assertEquals([queries("cancel").length, clock.timers()], [cancelJob ? 1 : 0, 0]);
  }
});

test("stream: a job that cannot be started is the server's error", async () => {
  const stub = serve(() => text("Not found: script", 404));
  const { end } = collect(createClient(options(stub)).jobs.stream("f/missing"));
  assertEquals([(await end as { status?: number }).status, stub.seen.length], [404, 1]);
});
