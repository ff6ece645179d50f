/** The test kit: jobs that run as functions, their updates, and what ends them. */
import { createClient } from "@windkit/windmill-client";
import { assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { settle, stillClock } from "./_client_kit.ts";
import { ask, failure, said, start } from "./_mock_kit.ts";
import { test } from "./harness.ts";

test("mockWindmill(): jobs run as functions of their arguments, with logs, progress and children", async () => {
  const { mock, client } = start({
    jobs: {
      "f/a/sum": ({ a, b }, job) => {
        job.log("adding");
        job.progress(50.9);
        return { sum: Number(a) + Number(b), at: new Date(0), nothing: undefined };
      },
      "0a1b2c": () => "by hash",
      "f/a/async": async (_args, { path }) => await Promise.resolve(path),
      "f/a/void": () => undefined,
    },
    flows: { "f/a/flow": ({ day }) => [day] },
  });
  // What a worker would keep: JSON.
  assertEquals(await client.jobs.run("f/a/sum", { a: 1, b: 2 }), { sum: 3, at: "1970-01-01T00:00:00.000Z" });
  assertEquals(await client.jobs.runByHash("0a1b2c"), "by hash");
  assertEquals(await client.jobs.run("f/a/async"), "f/a/async");
  assertEquals(await client.jobs.run("f/a/void"), null);
  assertEquals(await client.jobs.runFlow("f/a/flow", { day: "today" }, { tag: "gpu" }), ["today"]);
  const [self, sum, , , , flow] = [...mock.jobs.values()];
  assertEquals([self?.path, self?.status, mock.env.WM_JOB_ID], ["u/mock/script", "running", self?.id]);
  assertEquals(
    [sum?.kind, sum?.args, sum?.success, sum?.logs, sum?.progress, sum?.parentJob],
    ["script", { a: 1, b: 2 }, true, "adding\n", 50, self?.id],
  );
  assertEquals([flow?.kind, flow?.tag, flow?.parentJob], ["flow", "gpu", self?.id]);
  assertEquals(await client.jobs.rootJobId(sum?.id), self?.id);
  const record = await client.jobs.get(sum?.id ?? "");
  assertEquals([record.type, record.success, record.logs, record.script_path], [
    "CompletedJob",
    true,
    "adding\n",
    "f/a/sum",
  ]);
  assertEquals("logs" in await client.jobs.get(sum?.id ?? "", { noLogs: true }), false);
  assertEquals(await client.jobs.result(sum?.id ?? ""), { sum: 3, at: "1970-01-01T00:00:00.000Z" });
});

test("mockWindmill(): a job that throws fails with the error, and its own properties", async () => {
  const { mock, client } = start({
    jobs: {
      "f/a/fails": () => {
        throw Object.assign(new RangeError("out of stock"), { item: 7 });
      },
      "f/a/text": () => {
        throw "only text";
      },
    },
  });
  const error = await assertRejects(() => client.jobs.run("f/a/fails"), "JOB_FAILED", "RangeError: out of stock");
  const { result } = error as unknown as { result: { error: Record<string, unknown> } };
  assertEquals([result.error.name, result.error.message, result.error.extra], ["RangeError", "out of stock", {
    item: 7,
  }]);
  await assertRejects(() => client.jobs.run("f/a/text"), "JOB_FAILED", "Error: only text");
  assertEquals([...mock.jobs.values()].slice(1).map(({ success }) => success), [false, false]);
});

test("mockWindmill(): what is not there is refused in the server's words", async () => {
  const { mock, client } = start();
  const none = "00000000-0000-0000-0000-00000000dead";
  assertEquals(await failure(client.jobs.start("f/a/none")), "404 Not found: script not found at name f/a/none");
  assertEquals(await failure(client.jobs.startByHash("abc")), "404 Not found: script not found at name abc");
  assertEquals(await failure(client.jobs.startFlow("f/a/none")), "404 Not found: flow not found at name f/a/none");
  assertEquals(await failure(client.jobs.get(none)), `404 Not found: Job not found at name ${none}`);
  assertEquals(await failure(client.jobs.result(none)), `404 Not found: Completed Job not found at name ${none}`);
  assertEquals(await failure(client.jobs.cancel(none)), `404 Not found: queued job id ${none} does not exist`);
  assertEquals(await client.jobs.resultMaybe(none), { completed: false, success: null, started: null, result: null });
  assertEquals(await client.jobs.getProgress({ jobId: none }), null);
  assertIncludes(await failure(client.jobs.get("NO_JOB_ID")), "400 Invalid URL: Cannot parse");
  assertIncludes(await failure(client.jobs.wait(none)), "404");
  // The job that the tested code runs in has no result yet.
  const [self = ""] = [...mock.jobs.keys()];
  assertEquals(await failure(client.jobs.result(self)), `404 Not found: Completed Job not found at name ${self}`);
});

test("mockWindmill(): a job that waits, on a clock that stands still", async () => {
  const clock = stillClock();
  const { mock } = start({
    clock,
    jobs: {
      "f/a/slow": async (_args, job) => {
        await job.sleep(90_000);
        return "done";
      },
    },
  });
  const client = createClient(mock.options);
  const id = await client.jobs.start("f/a/slow", {}, { scheduledInSeconds: 60 });
  assertEquals(await client.jobs.status(id), "WAITING");
  await clock.pass(60_000);
  assertEquals(await client.jobs.status(id), "RUNNING");
  assertEquals(await client.jobs.resultMaybe(id, { getStarted: true }), {
    completed: false,
    success: null,
    started: true,
    result: null,
  });
  // Longer than a stream of updates is read: it is opened again.
  assertEquals(await clock.drive(client.jobs.wait(id)), "done");
  const streams = mock.requests.filter(({ path }) => path.includes("getupdate_sse")).length;
  assertEquals(streams, 5);
  const at = await client.jobs.start("f/a/slow", {}, { scheduledFor: new Date(clock.now() + 1000) });
  await clock.pass(1_000);
  assertEquals(await client.jobs.status(at), "RUNNING");
  mock.close();
  await settle();
  assertEquals([await client.jobs.status(at), clock.timers()], ["COMPLETED", 0]);
});

test("mockWindmill(): a cancelled job hears of it, and fails as the server says", async () => {
  let heard = "";
  const { mock, client } = start({
    jobs: {
      "f/a/waits": async (_args, job) => {
        job.signal.addEventListener("abort", () => heard = `${job.signal.reason.message}`, { once: true });
        await job.sleep(3_600_000);
      },
    },
  });
  const id = await client.jobs.start("f/a/waits");
  const waiting = assertRejects(() => client.jobs.wait(id), "JOB_FAILED", "Canceled: Job canceled: enough by mock");
  await settle();
  assertEquals(await client.jobs.cancel(id, { reason: "enough" }), id);
  await waiting;
  assertEquals(heard, "Job canceled: enough");
  assertEquals(await client.jobs.cancel(id), `queued job id ${id} is already completed`);
  assertEquals(mock.jobs.get(id)?.canceled, { reason: "enough", by: "mock" });
  const { result } = await client.jobs.resultMaybe(id);
  assertEquals(result, {
    error: { message: "Job canceled: enough by mock", name: "Canceled", reason: "enough", canceler: "mock" },
  });
});

test("mockWindmill(): other runs of the current script are found and cancelled", async () => {
  const { mock, client } = start({
    currentJob: { path: "f/a/single" },
    jobs: {
      "f/a/single": async (_args, job) => await job.sleep(3_600_000),
      "f/a/other": (_args, job) => job.sleep(1e9),
    },
  });
  const ids = [await client.jobs.start("f/a/single"), await client.jobs.start("f/a/single")];
  const other = await client.jobs.start("f/a/other");
  await settle();
  assertEquals(Object.keys(await client.jobs.cancelRunning()).sort(), ids);
  assertEquals(await client.jobs.status(other), "RUNNING");
  mock.close();
});

test("mockWindmill(): an id that is given is the job's, once", async () => {
  const { client, mock } = start({ jobs: { "f/a/b": () => 1 } });
  const jobId = "12345678-1234-4234-8234-123456789abc";
  assertEquals(await client.jobs.start("f/a/b", {}, { jobId }), jobId);
  const before = mock.jobs.size;
  assertEquals(await client.jobs.start("f/a/b", {}, { jobId }), jobId);
  assertEquals(mock.jobs.size, before);
});

test("mockWindmill(): updates say what is new, from where the reader was", async () => {
  let go: () => void = () => {};
  const gate = new Promise<void>((resolve) => go = resolve);
  const { mock, client } = start({
    jobs: {
      "f/a/talks": async (_args, job) => {
        job.log("one");
        job.stream("a");
        await gate;
        job.progress(40);
        job.log("two");
        job.stream("b");
        return 7;
      },
    },
  });
  const id = await client.jobs.start("f/a/talks");
  await settle();
  const first = await (await ask(mock, "GET", `jobs_u/getupdate/${id}?get_progress=true`)).json();
  assertEquals(first, { running: true, new_logs: "one\n", log_offset: 4, new_result_stream: "a", stream_offset: 1 });
  const stream = await ask(
    mock,
    "GET",
    `jobs_u/getupdate_sse/${id}?log_offset=4&stream_offset=1&get_progress=true&fast=true`,
  );
  assertEquals(stream.headers.get("content-type"), "text/event-stream");
  go();
  const events = (await stream.text()).split("\n\n").filter((part) => part !== "")
    .map((part) => JSON.parse(part.replace(/^data: /, "")));
  const merged = Object.assign({}, ...events) as Record<string, unknown>;
  assertEquals(events.map(({ new_logs = "" }) => new_logs).join(""), "two\n");
  assertEquals(events.map(({ new_result_stream = "" }) => new_result_stream).join(""), "b");
  assertEquals([merged.type, merged.completed, merged.progress, merged.stream_offset], ["update", true, 40, 2]);
  assertEquals((merged.job as { result: unknown }).result, 7);
  const only = await (await ask(mock, "GET", `jobs_u/getupdate_sse/${id}?only_result=true&no_logs=true`)).text();
  assertEquals(
    only,
    'data: {"type":"update","running":true,"completed":true,"new_result_stream":"ab","stream_offset":2,"only_result":7}\n\n',
  );
  const none = await ask(mock, "GET", "jobs_u/getupdate_sse/00000000-0000-0000-0000-00000000dead");
  assertEquals(await none.text(), 'data: {"type":"notfound"}\n\n');
});

test("mockWindmill(): a stream of updates pings when nothing is new, and ends after a minute", async () => {
  const clock = stillClock();
  const { mock } = start({ clock });
  const [id = ""] = [...mock.jobs.keys()];
  const stream = await ask(mock, "GET", `jobs_u/getupdate_sse/${id}`);
  const reading = stream.text();
  await clock.pass(60_000);
  const types = (await reading).split("\n\n").filter((part) => part !== "").map((part) =>
    JSON.parse(part.slice(6)).type
  );
  assertEquals(types, ["update", ...Array(11).fill("ping"), "timeout"]);
  assertEquals(clock.timers(), 0);
});

test("mockWindmill(): a stream that nobody reads any more, or whose request is aborted, leaves nothing", async () => {
  const clock = stillClock();
  const { mock } = start({ clock });
  const [id = ""] = [...mock.jobs.keys()];
  const given = await ask(mock, "GET", `jobs_u/getupdate_sse/${id}`);
  assertEquals(clock.timers(), 2);
  await given.body?.cancel();
  assertEquals(clock.timers(), 0);
  const abort = new AbortController();
  const aborted = await mock.fetch(`http://windmill.test/api/w/mock/jobs_u/getupdate_sse/${id}`, {
    signal: abort.signal,
    headers: { authorization: "Bearer mock-token" },
  });
  abort.abort(new Error("enough"));
  await assertRejects(() => aborted.text(), undefined, "enough");
  assertEquals(clock.timers(), 0);
});

test("mockWindmill(): run_wait_result gives the result, the error, or what the result says about the answer", async () => {
  const { mock } = start({
    jobs: {
      "f/a/b": ({ x }) => ({ x }),
      "f/a/fails": () => {
        throw new Error("no");
      },
      "f/a/page": () => ({ windmill_status_code: 201, windmill_content_type: "text/html", result: "<p>" }),
      "f/a/moved": () => ({ wm_status_code: 302, wm_headers: { location: "/x" } }),
      "f/a/waits": async (_args, job) => await job.sleep(3_600_000),
    },
    flows: { "f/a/f": () => 1 },
  });
  assertEquals(await said(ask(mock, "POST", "jobs/run_wait_result/p/f/a/b", '{"x":1}')), '200 {"x":1}');
  assertEquals(await said(ask(mock, "GET", `jobs/run_wait_result/p/f/a/b?payload=${btoa('{"x":2}')}`)), '200 {"x":2}');
  assertEquals(await said(ask(mock, "POST", "jobs/run_wait_result/f/f/a/f", "{}")), "200 1");
  const failed = await ask(mock, "POST", "jobs/run_wait_result/p/f/a/fails", "{}");
  assertEquals([failed.status, (await failed.json()).error.message], [422, "no"]);
  const page = await ask(mock, "POST", "jobs/run_wait_result/p/f/a/page", "{}");
  assertEquals([page.status, page.headers.get("content-type"), await page.text()], [201, "text/html", "<p>"]);
  const moved = await ask(mock, "POST", "jobs/run_wait_result/p/f/a/moved", "{}");
  assertEquals([moved.status, moved.headers.get("location")], [302, "/x"]);
  // Who hangs up cancels the job.
  const abort = new AbortController();
  const waiting = mock.fetch("http://windmill.test/api/w/mock/jobs/run_wait_result/p/f/a/waits", {
    method: "POST",
    body: "{}",
    signal: abort.signal,
    headers: { authorization: "Bearer mock-token" },
  });
  await settle();
  abort.abort(new Error("hung up"));
  await assertRejects(() => waiting, undefined, "hung up");
  await settle();
  assertEquals([...mock.jobs.values()].at(-1)?.canceled?.reason, "the connection was closed");
  const streamed = await (await ask(mock, "POST", "jobs/run_and_stream/p/f/a/b", '{"x":3}')).text();
  assertIncludes(streamed, '"only_result":{"x":3}}\n\n');
});
