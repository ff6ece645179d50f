/** What is new about a job: single answers, streams of events, logs and their bounds. */
import assert from "node:assert/strict";
import type { RunnerIo } from "../../src/runner/ports.ts";
import { openTestServer, type TestServer } from "./_server.ts";
import { createFakeClock } from "./_clock.ts";

interface Event {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Events of a stream, as they come. */
async function* eventsOf(response: Response): AsyncGenerator<Event, void, void> {
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  let text = "";
  for await (const piece of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      yield JSON.parse(text.slice("data: ".length, end)) as Event;
      text = text.slice(end + 2);
    }
  }
}

/** A script that a test leads step by step. */
function led(): {
  readonly io: Promise<RunnerIo>;
  readonly run: (_: unknown, io: RunnerIo) => Promise<unknown>;
  readonly end: (result: unknown) => void;
} {
  const io = Promise.withResolvers<RunnerIo>(), result = Promise.withResolvers<unknown>();
  return {
    io: io.promise,
    run: (_, given) => {
      io.resolve(given);
      return result.promise;
    },
    end: result.resolve,
  };
}

function stream(server: TestServer, id: string, query = ""): Promise<Response> {
  return server.ask("GET", `jobs_u/getupdate_sse/${id}?fast=true${query}`);
}

Deno.test("The stream of updates tells logs, progress, streamed results and the end, each when it happens", async () => {
  const { io, run, end } = led();
  await using server = await openTestServer({ files: { "f/led": run } });
  const id = await server.client.jobs.start("f/led");
  const events = eventsOf(await stream(server, id, "&get_progress=true"));
  const seen: Event[] = [];
  const next = async (test: (event: Event) => boolean): Promise<Event> => {
    for (;;) {
      const { value } = await events.next();
      if (value === undefined) throw new Error(`The stream ended: ${JSON.stringify(seen)}`);
      seen.push(value);
      if (test(value)) return value;
    }
  };
  const { log, stream: write } = await io;
  await next(({ running }) => running === true);
  log("one\n");
  const logs = await next(({ new_logs }) => new_logs !== undefined);
  assert.deepEqual([logs.new_logs, logs.log_offset], ["one\n", 4]);
  write("piece");
  const piece = await next(({ new_result_stream }) => new_result_stream !== undefined);
  assert.deepEqual([piece.new_result_stream, piece.stream_offset], ["piece", 5]);
  await server.client.jobs.setProgress(30, { jobId: id });
  await next(({ progress }) => progress === 30);
  log("two");
  end({ done: true });
  const last = await next(({ completed }) => completed === true);
  assert.equal(last.new_logs, "two");
  assert.deepEqual((last.job as Record<string, unknown>).result, { done: true });
  assert.equal((await events.next()).done, true);
  assert.equal(await (await server.ask("GET", `jobs_u/get_logs/${id}`)).text(), "one\ntwo");

  // One that comes later reads from where it left.
  const update = await (await server.ask("GET", `jobs_u/getupdate/${id}?log_offset=4&stream_offset=2`)).json();
  assert.deepEqual([update.new_logs, update.new_result_stream, update.completed], ["two", "ece", true]);
  const [only] = await Array.fromAsync(eventsOf(await stream(server, id, "&only_result=true")));
  assert.deepEqual([only?.type, only?.only_result, only?.job], ["update", { done: true }, undefined]);
});

Deno.test("The stream of no job says so, and one that lasts too long ends and is opened again", async () => {
  const clock = createFakeClock();
  const { io, run, end } = led();
  await using server = await openTestServer({ clock, files: { "f/led": run } });
  assert.deepEqual(await Array.fromAsync(eventsOf(await stream(server, crypto.randomUUID()))), [{ type: "notfound" }]);
  const id = await server.client.jobs.start("f/led");
  await io;
  const events = eventsOf(await stream(server, id));
  await events.next();
  clock.advance(5_000);
  assert.deepEqual((await events.next()).value, { type: "ping" });
  clock.advance(60_000);
  const rest = await Array.fromAsync(events);
  assert.deepEqual(rest.at(-1), { type: "timeout" });
  end(1);
  await server.server.context.jobs.wait(id);
});

Deno.test("This package's client follows a job through it, and streams a result", async () => {
  await using server = await openTestServer({
    files: {
      "f/stream": (_, io) => {
        for (const text of ["a", "b\n", "c"]) io.stream(text);
        io.log("done\n");
        return null;
      },
    },
  });
  const { jobs } = server.client;
  assert.equal((await Array.fromAsync(jobs.stream("f/stream"))).join(""), "ab\nc");
  const updates = await Array.fromAsync(jobs.updates(await jobs.start("f/stream")));
  assert.deepEqual(updates.at(-1), { type: "completed", success: true, result: null });
  assert.equal(updates.flatMap((update) => update.type === "logs" ? [update.text] : []).join(""), "done\n");
  const direct = await server.ask("POST", "jobs/run_and_stream/p/f/stream", {});
  const events = await Array.fromAsync(eventsOf(direct));
  assert.equal(events.map(({ new_result_stream = "" }) => new_result_stream).join(""), "ab\nc");
  assert.deepEqual(events.at(-1)?.only_result, null);
});

Deno.test("Watchers are told in the turn of the commit, and one that throws keeps no other from it", async () => {
  const { io, run, end } = led();
  await using server = await openTestServer({ files: { "f/led": run } });
  const { jobs } = server.server.context;
  const id = await server.client.jobs.start("f/led");
  await io;
  const told: string[] = [];
  using _1 = jobs.watch(id, () => {
    throw new Error("a watcher that fails");
  });
  using _2 = jobs.watch(id, ({ event }) => told.push(event));
  using _3 = jobs.watchAll((job) => told.push(job));
  const canceled = jobs.cancel(id, "me", "no reason");
  // Nothing was waited for: no timer, no poll.
  assert.deepEqual(told, ["completed", id]);
  assert.equal(await canceled, true);
  assert.match(String(server.reported), /a watcher that fails/);
  end(0);
});

Deno.test("Logs have no secrets in them, not even cut in two, nor the job's own token; errors neither", async () => {
  await using server = await openTestServer({
    hidden: ["sup3rs3cret"],
    files: {
      "f/leak": (_, io, job) => {
        io.log("it is sup3r");
        io.log("s3cret, and ");
        io.log(`${job.env.WM_TOKEN}\nsup3rs3cret`);
        throw new Error("with sup3rs3cret");
      },
    },
  });
  const id = await server.client.jobs.start("f/leak");
  await assert.rejects(server.client.jobs.wait(id), (error: Error) => !error.message.includes("sup3rs3cret"));
  assert.equal(server.server.context.jobs.log(id), "it is ***, and ***\n***");
  assert.deepEqual(server.server.context.jobs.get(id)?.result, { error: { name: "Error", message: "with ***" } });
});

Deno.test("A log is bounded, and says where it was cut", async () => {
  await using server = await openTestServer({
    jobs: { maxOutputChars: 100 },
    files: {
      "f/talk": (_, io) => {
        for (let line = 0; line < 100; line++) io.log(`line ${line}\n`);
        io.stream("x".repeat(1000));
      },
    },
  });
  const id = await server.client.jobs.start("f/talk");
  await server.client.jobs.wait(id);
  const { jobs } = server.server.context;
  assert.match(
    jobs.log(id),
    /^line 0\nline 1\n[^]*\n\[Windkit: the log is cut here, it is bounded to 100 characters\]\n$/,
  );
  assert.equal(jobs.stream(id).length, 100);
});
