/**
 * One transfer of an S3 object, in a process of its own. Prints how long it took and the most memory that the process had, as JSON.
 *
 * Usage: _s3_transfer.ts <way> <address of the server> <size, in MiB> <the official client's module>
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createClient } from "../src/sdk/client.ts";

const [way = "", baseUrl = "", size = "256", official = ""] = process.argv.slice(2);
const PIECE = 65_536;
const total = Number(size) * 1_048_576;
const route = `${baseUrl}/api/w/bench/job_helpers`;
const headers = { authorization: "Bearer token" };

/** What is used of the official client. */
interface Official {
  setClient(token: string, baseUrl: string): void;
  loadS3FileStream(object: { readonly s3: string }): Promise<Blob>;
  writeS3File(object: { readonly s3: string }, content: Blob): Promise<unknown>;
}

async function officialClient(): Promise<Official> {
  process.env.WM_WORKSPACE = "bench"; // it takes its workspace from nowhere else
  const client = await import(official) as Official;
  client.setClient("token", baseUrl);
  return client;
}

async function drain(stream: ReadableStream<Uint8Array> | null): Promise<void> {
  let length = 0;
  const reader = stream?.getReader();
  for (;;) {
    const { done, value } = await reader?.read() ?? { done: true, value: undefined };
    if (done) break;
    length += value.length;
  }
  check(length);
}

/** A stream that makes its pieces when it is asked for them. */
function source(): ReadableStream<Uint8Array<ArrayBuffer>> {
  const piece = new Uint8Array(PIECE).fill(7);
  let left = total / PIECE;
  return new ReadableStream({
    pull(controller): void {
      if (left-- > 0) controller.enqueue(piece);
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

function check(length: unknown): void {
  if (length !== total) throw new Error(`Expected ${total} bytes, found ${length}`);
}

/** Each way gives what is timed; what it needs before is made before. */
const ways: Readonly<Record<string, () => Promise<() => Promise<void>>>> = {
  async raw_down() {
    return async () => await drain((await fetch(`${route}/download_s3_file?file_key=k`, { headers })).body);
  },
  async own_down() {
    const { s3 } = createClient({ baseUrl, workspace: "bench", token: "token" });
    return async () => await drain(await s3.download("s3:///k"));
  },
  async official_down() {
    const client = await officialClient();
    return async () => await drain((await client.loadS3FileStream({ s3: "k" })).stream());
  },
  async raw_up() {
    return async () => {
      const init = { method: "POST", headers, body: source(), duplex: "half" };
      const response = await fetch(`${route}/upload_s3_file?file_key=k`, init);
      check((await response.json() as { length: unknown }).length);
    };
  },
  async own_up() {
    const { s3 } = createClient({ baseUrl, workspace: "bench", token: "token" });
    return async () => {
      let sent = 0;
      await s3.upload("s3:///k", source(), { onProgress: (bytes) => sent = bytes });
      check(sent);
    };
  },
  // It takes no streams: the content is held before it begins.
  async official_up() {
    const client = await officialClient();
    const blob = await new Response(source()).blob();
    return async () => void await client.writeS3File({ s3: "k" }, blob);
  },
};

/** The most memory that the process had so far, in MiB: what the kernel counted, or what there is now. */
function peak(): number {
  try {
    const [, kib = ""] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    if (kib !== "") return Number(kib) / 1024;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ENOENT") throw error;
  }
  return process.memoryUsage().rss / 1_048_576;
}

const run = await ways[way]?.();
if (run === undefined) throw new RangeError(`There is no way "${way}"`);
const begin = performance.now();
await run();
const ms = performance.now() - begin;
console.log(JSON.stringify({ mibPerSecond: Number(size) / (ms / 1000), peakMib: peak() }));
process.exit(0);
