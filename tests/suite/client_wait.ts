/** Waiting for a job: the stream of updates says when to look, the result endpoint says what came of it. */
import { createClient, type JobFailedError } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { type Feed, feed, options, serve, settle, stillClock, text } from "./_client_kit.ts";
import { type JobAnswers, type JobServer, serveJob } from "./_job_server.ts";
import { test } from "./harness.ts";

function jobServer(
  stream?: JobAnswers["stream"],
  look?: JobAnswers["look"],
  client?: JobAnswers["client"],
  record?: JobAnswers["record"],
): JobServer {
  return serveJob({ stream, look, client, record });
}

/** What a stream does when its job ends. */
function complete(stream: Feed | undefined): void {
  stream?.event({ type: "update", completed: true, only_result: 42 });
  stream?.end();
}

test("wait: opens the stream at once, and gives the result as soon as it ends, with one look and no time passing", async () => {
  const { client, clock, seen, streams, finish, looks } = jobServer();
  const result = client.jobs.wait("j");
  await settle();
  assertEquals(seen.map(({ target }) => target.replace(/\?.*/, "")), ["/api/w/ws/jobs_u/getupdate_sse/j"]);
  streams[0]?.event({ type: "update", running: true });
  await settle();
  assertEquals(looks(), 0);
  finish({ a: 1 });
  complete(streams[0]);
  const start = clock.now();
  assertEquals(await result, { a: 1 });
  assertEquals([clock.now() - start, looks(), clock.timers()], [0, 1, 0]);
});

test("wait: what a stream says is no reason to look, whatever it is: its end is one", async () => {
  const { client, streams, finish, looks, clock } = jobServer();
  const result = client.jobs.wait("j");
  await settle();
  for (
    const piece of [
      ": hello\n\n",
      "event: update\nid: 7\nretry: 1\n\n",
      "data: not json\n\n",
      "data: {}\r\n\r\n",
      'data:{"type":"ping"}\n\n',
      'data: {"type":"error","error":"x"}\n\n',
      'data: {"type":"update","only_result":null,"completed":false}\n\n',
      "\uFFFD".repeat(1000),
    ]
  ) streams[0]?.send(piece);
  await settle();
  assertEquals(looks(), 0);
  finish(1);
  streams[0]?.end();
  assertEquals(await result, 1);
  assertEquals([looks(), clock.timers()], [1, 0]);
});

test("wait: a stream that says more than anybody would read is given up, and the job looked at", async () => {
  const { client, streams, finish, looks } = jobServer();
  const result = client.jobs.wait("j");
  await settle();
  finish("r");
  const piece = `data: ${"x".repeat(100_000)}\n\n`;
  for (let n = 0; n < 11; n++) streams[0]?.send(piece);
  assertEquals(await result, "r");
  assertEquals([looks(), streams[0]?.cancelled()], [1, true]);
});

test("wait: the end of a stream without the end of the job is answered by a new one", async () => {
  const { client, clock, streams, finish, looks } = jobServer();
  const result = client.jobs.wait("j");
  for (let n = 0; n < 4; n++) {
    await settle();
    streams[n]?.event({ type: "ping" });
    await clock.pass(6_000);
    streams[n]?.event({ type: "timeout" });
    streams[n]?.end();
    await settle();
    await clock.pass(50);
  }
  assertEquals([streams.length, looks()], [5, 4]);
  finish("r");
  complete(streams[4]);
  assertEquals(await result, "r");
});

test("wait: streams that end at once are opened three times, and not in a hot loop", async () => {
  const { client, clock, finish, seen } = jobServer(() => new Response('data: {"type":"ping"}\n\n'));
  const result = client.jobs.wait("j");
  await clock.pass(20_000);
  assertEquals(seen.filter(({ target }) => target.includes("sse")).length, 3);
  assert(seen.length < 35, `Expected about one look a second, found ${seen.length} requests in 20 s`);
  finish("r");
  assertEquals(await clock.drive(result), "r");
});

for (
  const [name, answer] of [
    ["404", () => text("Not found", 404)],
    ["500", () => text("Internal", 500)],
    ["a failing connection", () => {
      throw new TypeError("fetch failed");
    }],
    ["an HTML page", () => text("<!doctype html>\n<p>\n", 200, { "content-type": "text/html" })],
    ["an empty answer", () => new Response(null, { status: 204 })],
    ["text without end", () => text("x".repeat(1_100_000))],
    ["an error event", () => text('data: {"type":"error","error":"no"}\n\n')],
  ] as readonly (readonly [string, () => Response])[]
) {
  test(`wait: polls where the stream is ${name}, sooner first and later every second`, async () => {
    const { client, clock, finish, looks, seen } = jobServer(answer);
    const result = client.jobs.wait("j");
    await clock.pass(0);
    assertEquals(looks(), 1);
    await clock.pass(50);
    assertEquals(looks(), 2);
    await clock.pass(10_000);
    const early = looks();
    assert(early > 12 && early < 22, `Expected about 16 looks in 10 s, found ${early}`);
    await clock.pass(10_000);
    assertEquals(looks(), early + 10);
    assertEquals(seen.filter(({ target }) => target.includes("sse")).length, 3);
    finish("r");
    await clock.pass(1_000);
    assertEquals(await result, "r");
  });
}

test("wait: a stream is read for 20 s: after that the job is looked at, and the next one opened", async () => {
  const { client, clock, streams, finish, looks } = jobServer();
  const result = client.jobs.wait("j");
  for (let n = 0; n < 4; n++) {
    await clock.pass(19_999);
    assertEquals([looks(), streams.length], [n, n + 1]);
    await clock.pass(1 + 50);
    assertEquals([looks(), streams.length], [n + 1, n + 2]);
  }
  finish("r");
  complete(streams[4]);
  assertEquals([await result, clock.timers()], ["r", 0]);
});

test("wait: a stream that breaks is opened again", async () => {
  const { client, clock, streams, finish } = jobServer();
  const result = client.jobs.wait("j");
  await settle();
  streams[0]?.event({ type: "ping" });
  await settle();
  streams[0]?.break(new TypeError("connection reset"));
  await clock.pass(100);
  assertEquals(streams.length, 2);
  finish("r");
  complete(streams[1]);
  assertEquals(await result, "r");
});

test("wait: an end that comes before the result can be read leads to another look soon", async () => {
  const { client, clock, streams, finish, looks } = jobServer((nth) =>
    nth === 1 ? undefined : new Response('data: {"type":"update","completed":true}\n\n')
  );
  const result = client.jobs.wait("j");
  await clock.pass(10_000);
  complete(streams[0]);
  await settle();
  assertEquals(looks(), 1);
  finish("r");
  await clock.pass(50);
  assertEquals([await result, clock.timers()], ["r", 0]);
});

test("wait: a server that is away for a while does not end the wait", async () => {
  const { client, clock, finish, looks } = jobServer(
    () => text("no", 502),
    (nth) => nth <= 12 ? text("no", 502) : undefined,
  );
  finish("r");
  assertEquals(await clock.drive(client.jobs.wait("j")), "r");
  assertEquals(looks(), 13);
});

test("wait: a server that stays away for two minutes ends it with its last error", async () => {
  const { client, clock, looks } = jobServer(() => text("no", 502), () => text("Bad gateway", 502));
  const start = clock.now();
  await clock.drive(assertRejects(() => client.jobs.wait("j"), "WINDMILL_API", "Bad gateway"));
  assert(looks() > 10 && looks() < 25, `Expected about 17 looks, found ${looks()}`);
  assert(
    clock.now() - start > 100_000 && clock.now() - start <= 120_000,
    `Expected two minutes, found ${clock.now() - start} ms`,
  );
});

test("wait: a server that accepts calls and answers none ends it too", async () => {
  const clock = stillClock();
  const stub = serve(() => new Promise<Response>(() => {}));
  const call = createClient(options(stub, { clock })).jobs.wait("j");
  await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED", "get_result_maybe"));
  assertEquals([stub.seen.length, clock.timers()], [2, 0]);
});

test("wait: a refusal ends it at once", async () => {
  for (const status of [401, 403, 500]) {
    const { client, clock, looks } = jobServer(() => text("no", status), () => text("no", status));
    await clock.drive(assertRejects(() => client.jobs.wait("j"), "WINDMILL_API", `answered ${status}`));
    assertEquals(looks(), 1);
  }
});

for (
  const [name, answer] of [
    ["in its streams", () => new Response('data: {"type":"notfound"}\n\n')],
    ["with status 404", () => text("Not found: Job j not found", 404)],
  ] as const
) {
  test(`wait: a job that the server does not know, which it says ${name}, is an error after three times`, async () => {
    const { client, clock, seen } = jobServer(answer, undefined, {}, () => text("Not found: Job j not found", 404));
    const error = await clock.drive(assertRejects(() => client.jobs.wait("j"), "WINDMILL_API", "Job j not found"));
    assertEquals((error as unknown as { status: number }).status, 404);
    assertEquals(seen.filter(({ target }) => target.includes("sse")).length, 3);
  });
}

test("wait: a server that has neither streams nor records is polled", async () => {
  const { client, clock, finish, looks } = jobServer(() => text("no", 404));
  const result = client.jobs.wait("j");
  await clock.pass(5_000);
  assert(looks() > 5, `Expected looks, found ${looks()}`);
  finish("r");
  assertEquals(await clock.drive(result), "r");
});

test("wait: a job that a replica does not know yet is found", async () => {
  const { client, clock, finish, streams } = jobServer((nth) =>
    nth < 3 ? new Response('data: {"type":"notfound"}\n\n') : undefined
  );
  const result = client.jobs.wait("j");
  await clock.pass(200);
  finish("r");
  complete(streams[0]);
  assertEquals(await result, "r");
});

// What came of it

const failures: readonly (readonly [string, unknown, string | undefined, string | undefined, string])[] = [
  [
    "an error",
    { error: { name: "RangeError", message: "too many", stack: "s" } },
    "RangeError",
    "too many",
    "RangeError: too many",
  ],
  ["an error without name", { error: { message: "bad" } }, undefined, "bad", "failed: bad"],
  ["a text for an error", { error: "bad" }, undefined, "bad", "failed: bad"],
  [
    "a cancellation",
    { error: { name: "Canceled", message: "stopped by ann", reason: "r", canceler: "ann" } },
    "Canceled",
    "stopped by ann",
    "Canceled: stopped by ann",
  ],
  ["null", null, undefined, undefined, "its result has no error"],
  ["a text", "boom", undefined, undefined, "its result has no error"],
  ["an array", [1], undefined, undefined, "its result has no error"],
  ["an error that is null", { error: null }, undefined, undefined, "its result has no error"],
];

for (const [name, value, errorName, errorMessage, part] of failures) {
  test(`wait: a job that failed with ${name} is a JobFailedError with id, result and what is known`, async () => {
    const { client, finish } = jobServer(() => text("no", 404));
    finish(value, false);
    const error = await assertRejects(() => client.jobs.wait("j"), "JOB_FAILED", part) as JobFailedError;
    assertEquals(
      [error.jobId, error.result, error.errorName, error.errorMessage],
      ["j", value, errorName, errorMessage],
    );
    assertIncludes(error.message, 'Job "j" failed');
  });
}

test("wait: results that look like nothing come through", async () => {
  for (const value of [null, 0, "", false, []]) {
    const { client, finish } = jobServer(() => text("no", 404));
    finish(value);
    assertEquals(await client.jobs.wait("j"), value);
  }
});

// Ends

for (const when of ["before the stream answers", "while the stream is silent", "while polling"] as const) {
  test(`wait: the signal ends it with its own reason ${when}`, async () => {
    const reason = new Error("enough");
    const { client, clock, cancelled } = jobServer(
      when === "while polling" ? () => text("no", 404) : undefined,
    );
    const controller = new AbortController();
    const thrown = client.jobs.wait("j", { signal: controller.signal }).then(() => "result", (error: unknown) => error);
    if (when !== "before the stream answers") await clock.pass(500);
    controller.abort(reason);
    assertEquals(await thrown === reason, true);
    await settle();
    assertEquals([clock.timers(), cancelled], [0, []]);
  });
}

test("wait: a signal that was aborted before sends nothing", async () => {
  const { client, seen } = jobServer();
  const thrown = await client.jobs.wait("j", { signal: AbortSignal.abort("no") }).then(
    () => "r",
    (error: unknown) => error,
  );
  assertEquals([thrown, seen.length], ["no", 0]);
});

test("wait: timeoutMs ends it with DeadlineError, and the job goes on", async () => {
  const { client, clock, cancelled } = jobServer();
  const call = assertRejects(() => client.jobs.wait("j", { timeoutMs: 2_000 }), "DEADLINE_EXCEEDED", 'job "j"');
  await clock.pass(2_000);
  await call;
  assertEquals([clock.timers(), cancelled], [0, []]);
});

test("wait: with cancelJob the deadline and the signal cancel the job, and still say why the wait ended", async () => {
  for (const how of ["deadline", "signal"] as const) {
    const { client, clock, cancelled } = jobServer();
    const controller = new AbortController();
    const call = client.jobs.wait("j", { timeoutMs: 2_000, cancelJob: true, signal: controller.signal });
    const thrown = call.then(() => "result", (error: unknown) => error);
    await clock.pass(how === "deadline" ? 2_000 : 10);
    controller.abort("stop");
    const error = await clock.drive(thrown);
    assertEquals(
      how === "signal" ? error : (error as { code?: unknown }).code,
      how === "signal" ? "stop" : "DEADLINE_EXCEEDED",
    );
    assertEquals(cancelled.length, 1);
  }
});

test("wait: a cancellation that fails or hangs hides nothing and holds nothing for long", async () => {
  for (const answer of [() => text("no", 500), () => new Promise<Response>(() => {})]) {
    const clock = stillClock();
    const stub = serve(({ target }, signal) => target.includes("cancel") ? answer() : feed(signal).response);
    const client = createClient(options(stub, { clock }));
    const thrown = client.jobs.wait("j", { timeoutMs: 1_000, cancelJob: true }).then(
      () => "r",
      (error: unknown) => error,
    );
    const start = clock.now();
    assertEquals((await clock.drive(thrown) as { code?: unknown }).code, "DEADLINE_EXCEEDED");
    assert(
      clock.now() - start <= 6_000,
      `Expected at most 5 s for the cancellation, found ${clock.now() - start} ms in all`,
    );
  }
});

test("wait: a job that failed is not cancelled", async () => {
  const { client, finish, cancelled } = jobServer(() => text("no", 404));
  finish(null, false);
  await assertRejects(() => client.jobs.wait("j", { cancelJob: true }), "JOB_FAILED");
  assertEquals(cancelled, []);
});

test("run: the deadline covers start and wait, and cancels the job, whose id nobody knows", async () => {
  const { client, clock, cancelled } = jobServer();
  const call = assertRejects(() => client.jobs.run("f/a", {}, { timeoutMs: 1_500 }), "DEADLINE_EXCEEDED");
  await clock.pass(1_500);
  await call;
  assertEquals(cancelled.length, 1);
});

test("run: cancelJob false leaves the job running", async () => {
  const { client, clock, cancelled } = jobServer();
  const call = assertRejects(
    () => client.jobs.run("f/a", {}, { timeoutMs: 1_500, cancelJob: false }),
    "DEADLINE_EXCEEDED",
  );
  await clock.pass(1_500);
  await call;
  assertEquals(cancelled, []);
});

test("run: a start that takes all the time ends with DeadlineError, and asks for nothing more", async () => {
  const clock = stillClock();
  const stub = serve(() => new Promise<Response>(() => {}));
  const call = createClient(options(stub, { clock })).jobs.run("f/a", {}, { timeoutMs: 500 });
  await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED"));
  assertEquals(stub.seen.length, 1);
});

test("wait: headers of the call go with every request", async () => {
  const { client, seen, finish } = jobServer(() => text("no", 404));
  finish(1);
  await client.jobs.wait("j", { headers: { "x-trace": "t" } });
  assertEquals(seen.map(({ headers }) => headers.get("x-trace")), ["t", "t"]);
});

test("wait: an id that is no segment of an address is refused before any request", async () => {
  const { client, seen } = jobServer();
  for (const bad of ["", ".", ".."]) {
    const error = await assertRejects(() => client.jobs.wait(bad), undefined, "job id");
    assert(error instanceof RangeError);
  }
  assertEquals(seen.length, 0);
});
