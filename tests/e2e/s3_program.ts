/**
 * Moves S3 objects as streams, over real connections, on whichever runtime runs it, and prints what it found as JSON.
 *
 * Usage: s3_program <address of the instance> <token>
 *
 * @module
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { createClient } from "@windkit/windmill-client/client";

const [baseUrl = "", token = ""] = process.argv.slice(2);
const { s3 } = createClient({ baseUrl, workspace: "ws", token, env: {} });

/** How often a source was asked for a piece. */
let asked = 0;

/** A source that always has a piece, and never waits: what goes on reading it, goes on for ever. */
function endless(): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(65_536);
  return new ReadableStream({
    pull(controller) {
      asked++;
      controller.enqueue(piece);
    },
  }, { highWaterMark: 0 });
}

async function* made(mebibytes: number): AsyncGenerator<Uint8Array, void> {
  for (let i = 0; i < mebibytes * 16; i++) yield new Uint8Array(65_536).fill(i % 251);
}

async function digest(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of stream) hash.update(piece);
  return hash.digest("hex");
}

async function failure(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return new Error("Nothing failed");
}

/** Whether nobody asks the source any more. */
async function isLeftAlone(): Promise<boolean> {
  const before = asked;
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
  return asked === before;
}

const found: Record<string, unknown> = {};

await s3.upload("s3:///large", made(24));
const download = await s3.download("s3:///large");
found.sameContent = await digest(download) === await digest(made(24));
found.size = download.size;

const part = await s3.download("s3:///large", { range: { start: 65_535, end: 65_537 } });
found.part = [...await part.bytes()];

const reason = new Error("enough");
const controller = new AbortController();
const aborted = await failure(() =>
  s3.upload("s3:///aborted", endless(), {
    signal: controller.signal,
    onProgress: (sent) => {
      if (sent > 8_000_000) controller.abort(reason);
    },
  })
);
found.abortedWithReason = aborted === reason;
found.leftAloneAfterAbort = await isLeftAlone();

const broken = new Error("disk on fire");
async function* breaking(): AsyncGenerator<Uint8Array, void> {
  yield* made(6);
  throw broken;
}
found.brokenWithItsError = await failure(() => s3.upload("s3:///broken", breaking())) === broken;

const stranger = createClient({ baseUrl, workspace: "ws", token: "other", env: {} }).s3;
const refused = await failure(() => stranger.upload("s3:///refused", endless()));
found.refusedWith = (refused as { code?: unknown }).code;
found.leftAloneAfterRefusal = await isLeftAlone();

const stopped = new AbortController();
const half = (await s3.download("s3:///large", { signal: stopped.signal })).getReader();
await half.read();
stopped.abort(reason);
found.downloadEndsWithReason = await failure(() => half.read()) === reason;
const left = await s3.download("s3:///large");
for await (const _ of left) break;

found.piped = (await s3.upload("s3:///copy", await s3.download("s3:///large"))).s3;
found.sameCopy = await digest(await s3.download("s3:///copy")) === await digest(made(24));

console.log(`found ${JSON.stringify(found)}`);
process.exit(0);
