/**
 * Every function that follows a job, with streams of updates that end, stall, repeat, break or send garbage, and with a job that
 * fails with null.
 *
 * @module
 */
import { createClient } from "@windkit/windmill-client";
import { mockWindmill } from "@windkit/windmill-client/testing";
import {
  json,
  loadLater,
  options,
  type Seen,
  serve,
  settle,
  type StillClock,
  stillClock,
  text,
  turn,
} from "./_client_kit.ts";
import { CLIENT, ID, TOP } from "./_hostile_table.ts";
import { assertEquals } from "./assert.ts";
import { test } from "./harness.ts";

const OF_A_CLIENT =
  "jobs.run jobs.runByHash jobs.runFlow jobs.runFlowVersion jobs.stream jobs.resultStream jobs.updates jobs.wait";
const OF_THE_TOP = "runFlow runScript runScriptByHash runScriptByPath runScriptByPathSync runScriptSync waitJob";

/** When the job ends, after it was started. */
const JOB_MS = 600;

function events(...pieces: (string | Uint8Array<ArrayBuffer>)[]): Response {
  return new Response(new Blob(pieces), { headers: { "content-type": "text/event-stream" } });
}

/** A stream that says the same for ever, now and then. */
function endless(piece: string, signal: AbortSignal): Response {
  let open = true;
  const stream = new ReadableStream<Uint8Array>({
    start: (control) =>
      signal.addEventListener("abort", () => {
        if (open) control.error(signal.reason);
        open = false;
      }, { once: true }),
    pull: async (control) => {
      await turn();
      if (open) control.enqueue(new TextEncoder().encode(piece));
    },
    cancel: () => {
      open = false;
    },
  }, { highWaterMark: 0 });
  return new Response(stream, { headers: { "content-type": "text/event-stream" } });
}

const LOGS =
  'data: {"type":"update","running":true,"new_logs":"a","log_offset":1,"new_result_stream":"s","stream_offset":1}\n\n';

const STREAMS: Readonly<Record<string, (signal: AbortSignal) => Response | Promise<Response>>> = {
  "ends at once": () => events(),
  "ends in the middle of an event": () => events('data: {"type":"upd'),
  "never begins": () => new Promise(() => {}),
  "stalls after its beginning": (signal) => endless("", signal),
  "repeats an update": () => events(LOGS.repeat(50)),
  "repeats an update for ever": (signal) => endless(LOGS, signal),
  "repeats pings for ever": (signal) => endless('data: {"type":"ping"}\n\n', signal),
  "sends garbage": () =>
    events(
      "data: {{{\n\n",
      "data: null\n\ndata: 7\n\n",
      new Uint8Array([0, 255, 254, 10]),
      "\0\r\rid: x\n: y\n\ndata\n",
    ),
  "sends updates of other kinds": () =>
    events(
      'data: {"type":"update","progress":"x","log_offset":"y","new_logs":[],"completed":"yes"}\n\n',
    ),
  "sends a line without an end": () => events(`data: ${"x".repeat(1_100_000)}`),
  "is HTML": () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }),
  "is refused": () => text("Not found", 404),
  "says that there is no such job": () => events('data: {"type":"notfound"}\n\n'),
  "is an error of the server": () => text("Bad gateway", 502),
};

/** Answers for a job that ends after a while, in one way or another. */
function jobServer(
  clock: StillClock,
  success: boolean,
  result: unknown,
  stream: (signal: AbortSignal) => Response | Promise<Response>,
): (request: Pick<Seen, "url">, signal: AbortSignal) => Response | Promise<Response> {
  const begun = clock.now();
  return ({ url }, signal) => {
    const completed = clock.now() - begun >= JOB_MS;
    if (url.includes("/jobs/run/")) return text(ID, 201);
    if (url.includes("/getupdate_sse/")) return stream(signal);
    if (url.includes("/getupdate/")) return json({ running: true, ...(completed && { completed }) });
    if (url.includes("/get_result_maybe/")) {
      return json(completed ? { completed, success, result } : { completed, success: null, result: null });
    }
    return url.includes("/cancel/") ? text(ID) : json({ id: ID, type: "QueuedJob" });
  };
}

/** What became of a call, in words. */
async function outcome(name: string, give: () => unknown): Promise<string> {
  try {
    return `${name} gave ${JSON.stringify(await give())}`;
  } catch (error) {
    const { code, result, message } = error as Record<string, unknown>;
    return `${name} ended with ${code ?? message} ${JSON.stringify(result)}`;
  }
}

/** What ought to become of it. */
function expected(name: string, success: boolean, streamed: boolean): string {
  const texts = streamed ? ["s"] : [];
  if (name === "jobs.updates") {
    const seen = streamed
      ? [{ type: "running" }, { type: "logs", text: "a", offset: 1 }, { type: "stream", text: "s", offset: 1 }]
      : [{ type: "running" }];
    return `${name} gave ${JSON.stringify([...seen, { type: "completed", success, result: success ? 42 : null }])}`;
  }
  if (!success) return `${name} ended with JOB_FAILED null`;
  return `${name} gave ${JSON.stringify(/ream$/.test(name) ? texts : 42)}`;
}

for (const [title, stream] of Object.entries(STREAMS)) {
  test(`hostile streams: whoever follows a job learns how it ended, when its stream ${title}`, async () => {
    for (const success of [true, false]) {
      const clock = stillClock();
      const stub = serve(jobServer(clock, success, success ? 42 : null, stream));
      const client = createClient(options(stub, { clock }));
      const names = OF_A_CLIENT.split(" ");
      const found = await clock.drive(
        Promise.all(names.map((name) => outcome(name, () => CLIENT[name]?.call(client, {})))),
      );
      const streamed = title.startsWith("repeats an update");
      assertEquals(found, names.map((name) => expected(name, success, streamed)));
      await settle();
      assertEquals(clock.timers(), 0, "Timers are left");
      const cancelled = stub.seen.filter(({ target }) => target.includes("/cancel/"));
      assertEquals(cancelled.length, 0, "Jobs were cancelled that nobody gave up");
    }
  });

  test(`hostile streams: the same for the top level, when the stream ${title}`, async () => {
    for (const success of [true, false]) {
      await loadLater();
      const clock = stillClock();
      const mock = mockWindmill({ clock });
      const answer = jobServer(clock, success, success ? 42 : null, stream);
      for (const method of ["GET", "POST"]) {
        mock.route(`${method} /**`, (request) => answer(request, new AbortController().signal));
      }
      using _ = mock.install();
      const names = OF_THE_TOP.split(" ");
      const client = createClient(mock.options);
      const found = await clock.drive(
        Promise.all(names.map((name) => outcome(name, () => TOP[name]?.call(client, {})))),
      );
      assertEquals(found, names.map((name) => expected(name, success, false)));
      mock.close();
      await settle();
      assertEquals(clock.timers(), 0, "Timers are left");
    }
  });
}
