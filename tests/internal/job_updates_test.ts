/** Updates of a job, whatever its server does: nothing is lost, nothing comes twice, and the end comes last. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { createClient } from "../../mod.ts";
import { json, options, serve, stillClock, text } from "../suite/_client_kit.ts";

/** What a server does with one request for a stream or for news. */
const behaviour = fc.record({
  /** How many more pieces of logs and stream there are by then. */
  logs: fc.nat(2),
  stream: fc.nat(2),
  /** Whether news are told in one event or one by one. */
  joined: fc.boolean(),
  /** Events of before that come again first. */
  repeats: fc.nat(2),
  noise: fc.constantFrom("", ": x\n\n", "data: garbage\n\n", 'data: {"type":"ping"}\n\n', 'data: {"type":"error"}\n\n'),
  end: fc.constantFrom("timeout", "ends", "breaks", "stalls", "502", "cut off"),
});

const piece = fc.string({ unit: "grapheme", minLength: 1, maxLength: 4 });

interface Plan {
  readonly logs: readonly string[];
  readonly stream: readonly string[];
  readonly behaviours: readonly (typeof behaviour extends fc.Arbitrary<infer B> ? B : never)[];
}

/** Code points, which is what the server counts in logs. */
function points(parts: readonly string[]): number {
  return [...parts.join("")].length;
}

async function follow({ logs, stream, behaviours }: Plan): Promise<readonly string[]> {
  let turn = 0, logsBy = 0, streamBy = 0;
  /** What is new after the offsets of a query, as events. */
  function news(query: URLSearchParams, joined: boolean): Record<string, unknown>[] {
    const logOffset = Number(query.get("log_offset") ?? 0), streamOffset = Number(query.get("stream_offset") ?? 0);
    // As the server does it: the first position is 1, and 0 counts as that.
    const text = [...logs.slice(0, logsBy).join("")].slice(Math.max(logOffset - 1, 0)).join("");
    const told = { new_logs: text, log_offset: points(logs.slice(0, logsBy)) + 1 };
    const streamed = {
      new_result_stream: stream.slice(streamOffset, streamBy).join(""),
      stream_offset: streamBy === 0 ? null : streamBy,
    };
    return joined ? [{ ...told, ...streamed }] : [told, streamed];
  }
  const stub = serve(({ target }, signal) => {
    const query = new URL(target, "http://x").searchParams;
    if (target.includes("get_result_maybe")) {
      return json(turn > behaviours.length ? { completed: true, success: true, result: "r" } : { completed: false });
    }
    if (!target.includes("getupdate")) return json({ id: "j", type: "QueuedJob" });
    const now = behaviours[turn++];
    logsBy = now === undefined ? logs.length : Math.min(logs.length, logsBy + now.logs);
    streamBy = now === undefined ? stream.length : Math.min(stream.length, streamBy + now.stream);
    const events = news(query, now?.joined ?? true);
    if (!target.includes("sse")) return json({ ...Object.assign({}, ...events), completed: now === undefined });
    if (now === undefined) events.push({ completed: true });
    if (now?.end === "502") return text("Bad gateway", 502);
    const lines = events.map((event) => `data: ${JSON.stringify({ type: "update", ...event })}\n\n`);
    const all = [now?.noise ?? "", ...lines, ...lines.slice(0, now?.repeats ?? 0)];
    if (now?.end === "timeout") all.push('data: {"type":"timeout"}\n\n');
    // Half of an event that is told again by the next request.
    if (now?.end === "cut off") all[all.length - 1] = all.at(-1)?.slice(0, 20) ?? "";
    const body = new ReadableStream<Uint8Array>({
      start(control) {
        for (const part of all) control.enqueue(new TextEncoder().encode(part));
        if (now?.end === "breaks") control.error(new TypeError("connection reset"));
        else if (now?.end !== "stalls") control.close();
        else signal.addEventListener("abort", () => control.error(signal.reason), { once: true });
      },
    });
    return new Response(body);
  });
  const clock = stillClock();
  const client = createClient(options(stub, { clock }));
  const found: string[] = [];
  await clock.drive((async () => {
    for await (const update of client.jobs.updates("j")) {
      found.push(update.type === "logs" || update.type === "stream" ? `${update.type}:${update.text}` : update.type);
    }
  })());
  assert.equal(clock.timers(), 0);
  return found;
}

Deno.test("updates() give all logs and all of the stream, once and in order, whatever ends the server's streams", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        logs: fc.array(piece, { maxLength: 5 }),
        stream: fc.array(piece, { maxLength: 5 }),
        behaviours: fc.array(behaviour, { maxLength: 5 }),
      }),
      async (plan) => {
        const found = await follow(plan);
        const of = (type: string): string =>
          found.filter((u) => u.startsWith(`${type}:`)).map((u) => u.slice(type.length + 1)).join("");
        assert.deepEqual([of("logs"), of("stream")], [plan.logs.join(""), plan.stream.join("")]);
        assert.deepEqual(found.filter((u) => u === "completed").length, 1);
        assert.equal(found.at(-1), "completed");
      },
    ),
    { numRuns: 60 },
  );
});
