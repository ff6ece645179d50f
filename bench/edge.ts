/**
 * What a handler adds to the `fetch` that it makes: one call of `runScript()` over one call of `run_wait_result`, in turns; and what
 * 64 streams of `streamJob()` hold while their readers take what they can get. Windmill is a stub in a process of its own.
 *
 * @module
 */
import { runScript, streamJob } from "../src/handlers/mod.ts";
import { lineStream } from "./_lines.ts";
import { type Bench, bench, median, option } from "./_report.ts";

const STREAMS = 64;

/** A stub that is running. */
interface Stub extends Disposable {
  readonly baseUrl: string;
}

async function openStub(takesMs: number): Promise<Stub> {
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", new URL("_edge_server.ts", import.meta.url).href, String(takesMs)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(lineStream()).getReader();
  const { value: port } = await lines.read();
  if (port === undefined) throw new Error("The stub did not start");
  return { baseUrl: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => server.kill("SIGKILL") };
}

/** Milliseconds that a call takes, its answer read. */
async function timed(call: () => Promise<Response>, expected: string): Promise<number> {
  const begun = performance.now();
  const text = await (await call()).text();
  const took = performance.now() - begun;
  if (text !== expected) throw new Error(`Expected ${expected}, found ${text}`);
  return took;
}

/** What is held, as the runtime counts it, and what the process has of the machine; in MB. */
async function memory(): Promise<{ readonly held: number; readonly resident: number }> {
  // Buffers are let go of some time after whoever held them.
  for (let round = 0; round < 3; round++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external, rss } = Deno.memoryUsage();
  return { held: (heapUsed + external) / 1e6, resident: rss / 1e6 };
}

/** One call after the other, of a handler and of the `fetch` that it makes. */
async function measureLatency(b: Bench): Promise<void> {
  const calls = option("calls", 1000), takesMs = option("takes", 5);
  using stub = await openStub(takesMs);
  const { baseUrl } = stub;
  const env = { WM_BASE_URL: baseUrl, WM_WORKSPACE: "bench", WM_TOKEN: "token" };
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ order: 7, items: ["a", "b", "c"] });
  const request = (): Request => new Request("https://edge.test/run", { method: "POST", headers, body });
  const url = `${baseUrl}/api/w/bench/jobs/run_wait_result/p/f/bench/job`;
  const raw = (): Promise<Response> =>
    fetch(url, { method: "POST", headers: { ...headers, authorization: "Bearer token" }, body });
  const handlers = {
    "runScript": runScript("f/bench/job"),
    "runScript, with a limit and a schema": runScript("f/bench/job", {
      timeoutMs: 30_000,
      cancelOnDisconnect: true,
      input: { "~standard": { version: 1, vendor: "bench", validate: (value) => ({ value }) } },
    }),
  };
  b.setting("a job takes, in ms", takesMs);
  b.setting("calls of each", calls);
  for (const [name, handler] of Object.entries(handlers)) {
    const added: number[] = [], least: number[] = [];
    for (let i = -50; i < calls; i++) {
      // In turns, each as often first as second: the machine is not the same all the time.
      const ours = (): Promise<number> => timed(() => handler(request(), { env }), body);
      const first = i % 2 === 0 ? await timed(raw, body) : await ours();
      const second = i % 2 === 0 ? await ours() : await timed(raw, body);
      if (i < 0) continue;
      least.push(i % 2 === 0 ? first : second);
      added.push(i % 2 === 0 ? second - first : first - second);
    }
    b.measure(`raw fetch, beside ${name}`, "ms", least);
    b.measure(`${name}: over the raw fetch of the same job`, "ms", added);
    b.bar(`added latency of ${name}, median`, "ms", median(added), "at most", 1);
  }
}

/** Streams that are read at once. */
async function measureStreams(b: Bench): Promise<void> {
  using stub = await openStub(0);
  const env = { WM_BASE_URL: stub.baseUrl, WM_WORKSPACE: "bench", WM_TOKEN: "token" };
  const handler = streamJob({ authorize: () => true });
  const pieces = option("pieces", 1000);
  const readers = await Promise.all(Array.from({ length: STREAMS }, async () => {
    const request = new Request("https://edge.test/?job=0190e0c4-0000-7000-8000-000000000001");
    const { body } = await handler(request, { env });
    if (body === null) throw new Error("A stream has no body");
    return body.getReader();
  }));
  let bytes = 0;
  async function take(count: number): Promise<void> {
    await Promise.all(readers.map(async (reader) => {
      for (let i = 0; i < count; i++) {
        const { value } = await reader.read();
        bytes += value?.length ?? 0;
      }
    }));
  }
  await take(pieces / 2);
  const before = await memory();
  let seconds = 0;
  const held: number[] = [], resident: number[] = [];
  async function look(): Promise<void> {
    const now = await memory();
    held.push(now.held - before.held);
    resident.push(now.resident - before.resident);
  }
  bytes = 0;
  for (let part = 0; part < 10; part++) {
    const begun = performance.now();
    await take(pieces / 10);
    seconds += (performance.now() - begun) / 1000;
    await look();
  }
  const passedOn = bytes / 1e6;
  // Nobody reads: what Windmill goes on to say stays where it is.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await look();
  b.setting("streams at once", STREAMS);
  b.measure(`${STREAMS} streams: growth of what is held`, "MB", held);
  b.measure(`${STREAMS} streams: growth of the process`, "MB", resident);
  b.measure(`${STREAMS} streams together`, "MB/s", [passedOn / seconds]);
  b.measure(`${STREAMS} streams: passed on`, "MB", [passedOn]);
  // A connection that waits for more holds a buffer of 64 KiB for it: 4 MB for all.
  b.bar(`growth of what ${STREAMS} streams hold, median`, "MB", median(held), "at most", 8);
  await Promise.all(readers.map((reader) => reader.cancel()));
}

await bench("edge", import.meta.main, async (b) => {
  await measureLatency(b);
  await measureStreams(b);
});
