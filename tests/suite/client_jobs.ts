/** Starting, running, listing and cancelling jobs: what goes beyond the one job that is waited for. */
import * as wmill from "@windkit/windmill-client";
import { type ClientOptions, createClient, type JobFailedError } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import {
  client,
  json,
  options,
  serve,
  settle,
  stillClock,
  type Stub,
  targets,
  text,
  withEnvironment,
} from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

const id = "00000000-0000-0000-0000-00000000c0de";

const ambient = { BASE_INTERNAL_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };

// Starts with an id of the caller

test("jobs.start() with an id is repeated after a failure, without one never", async () => {
  for (const jobId of [undefined, id]) {
    const clock = stillClock();
    const stub = serve(() => stub.seen.length === 1 ? text("Bad gateway", 502) : text(id, 201));
    const start = client(stub, { clock }).jobs.start("f/a", {}, jobId === undefined ? {} : { jobId });
    if (jobId === undefined) await clock.drive(assertRejects(() => start, "WINDMILL_API", "502"));
    else assertEquals(await clock.drive(start), id);
    assertEquals(stub.seen.length, jobId === undefined ? 1 : 2);
  }
});

test("jobs.start() with an id that is taken counts as started, the first time or after a lost answer", async () => {
  const words = [
    text(`Bad request: Job with id ${id} already exists`, 400),
    text(
      `Internal: Could not insert into queue ${id}: duplicate key value violates unique constraint "v2_job_pkey"`,
      500,
    ),
  ];
  for (const taken of words) {
    const clock = stillClock();
    const stub = serve(() => {
      if (stub.seen.length > 1) return taken.clone();
      throw new TypeError("connection reset");
    });
    assertEquals(await clock.drive(client(stub, { clock }).jobs.start("f/a", {}, { jobId: id })), id);
    assertEquals(await client(stub).jobs.startFlow("f/a", {}, { jobId: id }), id);
    assertEquals(stub.seen.length, 3);
  }
});

test("jobs.start() passes on every other refusal, with an id or without", async () => {
  for (
    const [answer, jobId] of [
      [() => text("Not found: script", 404), id],
      [() => text("Bad request: something already exists", 400), id],
      [() => text(`Bad request: Job with id ${id} already exists`, 400), undefined],
    ] as const
  ) {
    const stub = serve(answer);
    await assertRejects(
      () => client(stub).jobs.start("f/a", {}, jobId === undefined ? {} : { jobId }),
      "WINDMILL_API",
    );
    assertEquals(stub.seen.length, 1);
  }
});

test("jobs.run() with an id cancels that job also when the start did not come back in time", async () => {
  const clock = stillClock();
  const stub = serve(({ target }) => target.includes("/cancel/") ? text("ok") : new Promise<Response>(() => {}));
  const call = client(stub, { clock }).jobs.run("f/a", {}, { jobId: id, timeoutMs: 100 });
  await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED"));
  assertEquals(targets(stub), [`POST jobs/run/p/f/a?job_id=${id}`, `POST jobs_u/queue/cancel/${id}`]);
});

test("jobs.run() cancels nothing when the start failed", async () => {
  const stub = serve(() => text("no", 403));
  await assertRejects(() => client(stub).jobs.run("f/a", {}, { jobId: id }), "WINDMILL_API");
  assertEquals(stub.seen.length, 1);
});

test("jobs.startFlowVersion() and jobs.runFlowVersion() take a number or its digits", async () => {
  const stub = serve(({ target }) =>
    target.includes("/run/") ? text(id, 201) : json({ completed: true, success: true, result: 7 })
  );
  const c = client(stub, { env: { WM_JOB_ID: "self" } });
  assertEquals(await c.jobs.startFlowVersion(12), id);
  assertEquals(await c.jobs.startFlowVersion("9007199254740993"), id);
  assertEquals(await c.jobs.runFlowVersion(12, { x: 1 }), 7);
  assertEquals(targets(stub).filter((t) => t.includes("/run/")), [
    "POST jobs/run/fv/12",
    "POST jobs/run/fv/9007199254740993",
    "POST jobs/run/fv/12?parent_job=self",
  ]);
});

test("jobs.wait() and jobs.run() prepare for the end of the process, and forget it when the wait is over", async () => {
  const stub = serve(({ target }) =>
    target.includes("/run/") ? text(id, 201) : json({ completed: true, success: !target.includes("bad"), result: 7 })
  );
  const said: string[] = [];
  const cleanup = (_: ClientOptions, jobId: string) => {
    said.push(`+${jobId}`);
    return () => void said.push(`-${jobId}`);
  };
  const { jobs } = client(stub);
  await jobs.run("f/a", {}, { cleanup });
  await jobs.wait("j", { cleanup });
  await assertRejects(() => jobs.wait("bad", { cleanup }), "JOB_FAILED");
  await jobs.wait("j", { cleanup, signal: AbortSignal.abort(new Error("no")) }).catch(() => {});
  assertEquals(said, [`+${id}`, `-${id}`, "+j", "-j", "+bad", "-bad"]);
});

test("cancelOnExit() can be called, and forgotten, anywhere", async () => {
  const forget = await wmill.cancelOnExit(options(serve(() => text("ok"))), "j");
  forget();
  forget();
});

// One request

test("jobs.runInOneRequest() gives the result that the request is answered with", async () => {
  const stub = serve(() => json({ r: 1 }));
  const { jobs } = client(stub);
  assertEquals(await jobs.runInOneRequest("f/a", { x: 1 }, { tag: "gpu", timeoutSeconds: 3 }), { r: 1 });
  await jobs.runInOneRequest({ hash: "abc" });
  await jobs.runInOneRequest({ flow: "f/b" });
  await jobs.runInOneRequest({ flowVersion: 3 });
  assertEquals(targets(stub), [
    "POST jobs/run_wait_result/p/f/a?tag=gpu&timeout=3",
    "POST jobs/run_wait_result/h/abc",
    "POST jobs/run_wait_result/f/f/b",
    "POST jobs/run_wait_result/fv/3",
  ]);
  assertEquals(stub.seen[0]?.body, '{"x":1}');
});

test("jobs.runInOneRequest() gives null for no body, and text where the result is of another kind", async () => {
  for (
    const [answer, result] of [
      [new Response(null, { status: 204 }), null],
      [json(null), null],
      [json("text"), "text"],
      [new Response("<p>", { headers: { "content-type": "text/html" } }), "<p>"],
    ] as const
  ) assertEquals(await client(serve(() => answer)).jobs.runInOneRequest("f/a"), result);
});

test("jobs.runInOneRequest() is a JobFailedError for status 422 with a result, else the server's error", async () => {
  for (const result of [null, "boom", 7, [1], { error: { name: "E", message: "bad" } }]) {
    const stub = serve(() => json(result, 422));
    const error = await assertRejects(
      () => client(stub).jobs.runInOneRequest("f/a", {}, { jobId: id }),
      "JOB_FAILED",
      'The job of "f/a" failed',
    ) as JobFailedError;
    assertEquals([error.jobId, error.result, stub.seen.length], [id, result, 1]);
  }
  for (
    const [words, status] of [["Failed to deserialize the JSON body", 422], ["timeout after 600s", 500], ["no", 502]]
  ) {
    const stub = serve(() => text(`${words}`, Number(status)));
    await assertRejects(
      () => client(stub).jobs.runInOneRequest("f/a", {}, { jobId: id }),
      "WINDMILL_API",
      `answered ${status}`,
    );
    assertEquals(stub.seen.length, 1, "A run in one request was repeated");
  }
});

test("jobs.runInOneRequest() has no time limit of its own, and ends with the signal", async () => {
  const clock = stillClock();
  const controller = new AbortController();
  const stub = serve(() => new Promise<Response>(() => {}));
  const call = client(stub, { clock }).jobs.runInOneRequest("f/a", {}, { signal: controller.signal });
  const thrown = call.then(() => "result", (error: unknown) => error);
  await settle();
  assertEquals(clock.timers(), 0);
  controller.abort("enough");
  assertEquals(await thrown, "enough");
});

// Code that is not deployed

test("jobs.runPreview() runs on this worker where the API is on this machine, and as a job elsewhere", async () => {
  for (
    const [baseUrl, inline] of [
      ["http://localhost", true],
      ["http://localhost:8000", true],
      ["https://127.0.0.1/windmill", true],
      ["http://localhost.example.com", false],
      ["http://127.0.0.10", false],
      ["http://[::1]:8000", false],
      ["http://0.0.0.0", false],
      ["https://windmill.example.com", false],
    ] as const
  ) {
    const stub = serve(() => json({ r: 1 }));
    const { jobs } = client(stub, { baseUrl });
    assertEquals(jobs.hasInternalServer(), inline, baseUrl);
    assertEquals(await jobs.runPreview({ content: "select 1", language: "postgresql", args: { a: 1 } }), { r: 1 });
    assertIncludes(stub.seen[0]?.target ?? "", `/jobs/${inline ? "run_inline" : "run_wait_result"}/preview`);
    assertEquals(stub.seen[0]?.body, '{"content":"select 1","language":"postgresql","args":{"a":1}}');
  }
});

test("jobs.runPreview() tells a job that failed from a server that did", async () => {
  const preview = { content: "throw 1", language: "bun", args: {} };
  const failed = serve(() => json({ error: { name: "Error", message: "boom" } }, 422));
  const error = await assertRejects(
    () => client(failed).jobs.runPreview(preview),
    "JOB_FAILED",
    "The code failed: Error: boom",
  ) as JobFailedError;
  assertEquals([error.errorName, error.errorMessage], ["Error", "boom"]);
  for (const status of [400, 500]) {
    const inline = serve(() => text("ExecutionErr: boom", status));
    await assertRejects(
      () => client(inline, { baseUrl: "http://localhost" }).jobs.runPreview(preview),
      "WINDMILL_API",
      "ExecutionErr: boom",
    );
  }
});

test("jobs.hasInternalServer() needs an address, and no token", async () => {
  const stub = serve(() => json(1));
  assertEquals(
    createClient({ env: {}, baseUrl: "http://localhost", fetch: stub.fetch }).jobs.hasInternalServer(),
    true,
  );
  await assertRejects(
    async () => createClient({ env: {}, fetch: stub.fetch }).jobs.hasInternalServer(),
    "CONFIGURATION",
    "baseUrl",
  );
});

test("runInlineScriptPreview() and workerHasInternalServer() work for the environment's client", async () => {
  const stub = serve(() => json(1));
  await withEnvironment(ambient, stub, async () => {
    assertEquals(wmill.workerHasInternalServer(), false);
    assertEquals(await wmill.runInlineScriptPreview("select 1", "postgresql"), 1);
    assertEquals(await wmill.runInlineScriptPreview("select 1", "postgresql", { a: 1 }), 1);
  });
  assertEquals(stub.seen.map(({ body }) => body), [
    '{"content":"select 1","language":"postgresql","args":{}}',
    '{"content":"select 1","language":"postgresql","args":{"a":1}}',
  ]);
}, noEnvironment);

test(
  "runScriptSync() and runScriptByPathSync() run, wait, and refuse a result that is null unless told otherwise",
  async () => {
    for (const result of [7, null]) {
      const stub = serve(({ target }) =>
        target.includes("/run/") ? text(id, 201) : json({ completed: true, success: true, result })
      );
      await withEnvironment(ambient, stub, async () => {
        for (const run of [wmill.runScriptSync, wmill.runScriptByPathSync]) {
          if (result === null) await assertRejects(() => run("abc"), undefined, "found null");
          else assertEquals(await run("abc", { x: 1 }), result);
          assertEquals(await run("abc", {}, false, false), result);
          assertEquals(await run("abc", {}, false, false, false, 5), result);
        }
      });
      assertEquals(targets(stub).filter((t) => t.includes("/run/")).toSorted(), [
        ...Array.from({ length: 3 }, () => "POST jobs/run/h/abc"),
        ...Array.from({ length: 3 }, () => "POST jobs/run/p/abc"),
      ]);
    }
  },
  noEnvironment,
);

// Lists

const queued = { id: "q", type: "QueuedJob" }, completed = { id: "c", type: "CompletedJob", success: true };

test("jobs.list() asks as it is told, and gives the records", async () => {
  const stub = serve(() => json([queued, completed]));
  const { jobs } = client(stub);
  assertEquals(await jobs.list(), [queued, completed]);
  await jobs.list({
    scriptPathExact: "f/a",
    createdBy: "ann,bob",
    running: true,
    args: { a: 1 },
    createdAfter: new Date(0),
    perPage: 5,
    headers: { "x-trace": "t" },
  });
  await jobs.list({ of: "completed", page: 2, success: false });
  await jobs.list({ of: "queue", scheduledForBeforeNow: true });
  assertEquals(targets(stub), [
    "GET jobs/list",
    "GET jobs/list?script_path_exact=f%2Fa&created_by=ann%2Cbob&running=true&args=%7B%22a%22%3A1%7D" +
    "&created_after=1970-01-01T00%3A00%3A00.000Z&per_page=5",
    "GET jobs/completed/list?success=false&page=2",
    "GET jobs/queue/list?scheduled_for_before_now=true",
  ]);
  assertEquals(stub.seen[1]?.headers.get("x-trace"), "t");
});

test("jobs.list() turns no pages where the server turns none", async () => {
  const stub = serve(() => json([]));
  const error = await assertRejects(() => client(stub).jobs.list({ page: 2 }), undefined, "'of'");
  assert(error instanceof TypeError);
  assertEquals(stub.seen.length, 0);
});

test("jobs.list() knows the type of records that do not say it, and refuses what is no list of jobs", async () => {
  assertEquals(await client(serve(() => json([{ id: "a" }]))).jobs.list({ of: "queue" }), [{
    id: "a",
    type: "QueuedJob",
  }]);
  assertEquals(await client(serve(() => json([{ id: "a" }]))).jobs.list({ of: "completed" }), [
    { id: "a", type: "CompletedJob" },
  ]);
  for (
    const answer of [
      json([{ id: "a" }]),
      json([{ type: "QueuedJob" }]),
      json({}),
      json([null]),
      text("<html>"),
      text("["),
    ]
  ) {
    await assertRejects(() => client(serve(() => answer)).jobs.list(), "WINDMILL_API", "an array of jobs");
  }
});

/** Pages of jobs, by list. */
function paged(counts: { readonly queue: number; readonly completed: number }): Stub {
  return serve(({ target }) => {
    const { pathname, searchParams } = new URL(target, "http://x");
    const list = pathname.includes("/queue/") ? "queue" : "completed";
    const page = Number(searchParams.get("page")), size = Number(searchParams.get("per_page"));
    const first = (page - 1) * size;
    const length = Math.max(0, Math.min(size, counts[list] - first));
    return json(Array.from({ length }, (_, n) => ({ id: `${list}-${first + n}` })));
  });
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}

test("jobs.listAll() gives those in the queue, then the completed ones, page by page", async () => {
  const stub = paged({ queue: 3, completed: 250 });
  const found = await all(client(stub).jobs.listAll({ scriptPathExact: "f/a" }));
  assertEquals([found.length, found[0]?.id, found[0]?.type, found[3]?.id, found[3]?.type], [
    253,
    "queue-0",
    "QueuedJob",
    "completed-0",
    "CompletedJob",
  ]);
  assertEquals(targets(stub), [
    "GET jobs/queue/list?script_path_exact=f%2Fa&per_page=100&page=1",
    "GET jobs/completed/list?script_path_exact=f%2Fa&per_page=100&page=1",
    "GET jobs/completed/list?script_path_exact=f%2Fa&per_page=100&page=2",
    "GET jobs/completed/list?script_path_exact=f%2Fa&per_page=100&page=3",
  ]);
});

test("jobs.listAll() asks only the list that can have what is asked for, and for no page that nobody reads", async () => {
  for (
    const [filter, asked] of [
      [{ success: true }, "completed"],
      [{ label: "x" }, "completed"],
      [{ running: true }, "queue"],
      [{ of: "completed" }, "completed"],
      [{ of: "queue" }, "queue"],
    ] as const
  ) {
    const stub = paged({ queue: 1, completed: 1 });
    assertEquals((await all(client(stub).jobs.listAll(filter))).map((job) => job.id), [`${asked}-0`]);
    assertEquals(stub.seen.length, 1);
  }
  const stub = paged({ queue: 500, completed: 500 });
  for await (const job of client(stub).jobs.listAll()) if (job.id === "queue-5") break;
  assertEquals(stub.seen.length, 1);
});

test("jobs.listAll() gives a job that moved from one page or list to the next once", async () => {
  const stub = serve(({ target }) => {
    const page = Number(new URL(target, "http://x").searchParams.get("page"));
    if (target.includes("/queue/")) return json([{ id: "a" }]);
    return json(page === 1 ? [{ id: "a" }, { id: "b" }] : page === 2 ? [{ id: "b" }, { id: "c" }] : []);
  });
  const found = await all(client(stub).jobs.listAll({ perPage: 2 }));
  assertEquals(found.map((job) => job.id), ["a", "b", "c"]);
});

test("jobs.listAll() is an error with a server that gives the same page again and again", async () => {
  const stub = serve(() => json([{ id: "a" }, { id: "b" }]));
  await assertRejects(() => all(client(stub).jobs.listAll({ of: "queue", perPage: 2 })), "WINDMILL_API", "page 2");
  assertEquals(stub.seen.length, 2);
});

test("jobs.listAll() refuses pages that the server does not give", async () => {
  const stub = serve(() => json([]));
  for (const perPage of [0, 101, NaN, -1]) {
    const error = await assertRejects(() => all(client(stub).jobs.listAll({ perPage })), undefined, "perPage");
    assert(error instanceof RangeError);
  }
  assertEquals(stub.seen.length, 0);
});

// Cancelling

test("jobs.cancel() takes a job off the queue by force when asked to", async () => {
  const stub = serve(() => text("Force canceled job"));
  assertEquals(await client(stub).jobs.cancel("j", { force: true, reason: "stuck" }), "Force canceled job");
  assertEquals([targets(stub), stub.seen[0]?.body], [["POST jobs_u/queue/force_cancel/j"], '{"reason":"stuck"}']);
});

test("cancelJob() passes its options on", async () => {
  const stub = serve(() => text("ok"));
  await withEnvironment(ambient, stub, async () => {
    await wmill.cancelJob("j", "why");
    await wmill.cancelJob("j", undefined, { force: true });
  });
  assertEquals(targets(stub), ["POST jobs_u/queue/cancel/j", "POST jobs_u/queue/force_cancel/j"]);
  assertEquals(stub.seen.map(({ body }) => body), ['{"reason":"why"}', '{"reason":"cancelled via cancelJob method"}']);
}, noEnvironment);

test("jobs.cancelMany() gives the ids of those that were cancelled", async () => {
  const stub = serve(() => json(["a"]));
  assertEquals(await client(stub).jobs.cancelMany(new Set(["a", "b"])), ["a"]);
  await client(stub).jobs.cancelMany(["a"], { force: true });
  assertEquals([targets(stub), stub.seen[0]?.body], [
    ["POST jobs/queue/cancel_selection", "POST jobs/queue/cancel_selection?force_cancel=true"],
    '["a","b"]',
  ]);
  await assertRejects(() => client(serve(() => json([1]))).jobs.cancelMany(["a"]), "WINDMILL_API", "an array of ids");
});
