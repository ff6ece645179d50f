/** S3 objects end to end: this client, Windmill's endpoints on a port, and a real S3 server behind them. */
import { deepStrictEqual as equal, ok, rejects } from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { createClient, type S3Group, type S3ObjectRecord, WindmillApiError } from "../../mod.ts";
import { bundle } from "../run/bundle.ts";
import { runCommand } from "../run/command.ts";
import { installTools, outFolder, removeOut, runtimes } from "../run/runtimes.ts";
import { FILE_KEYS } from "../local/_store_cases.ts";
import { installS3Server, startS3Server } from "./_s3_server.ts";
import { serveWindmillS3, TOKEN } from "./_windmill_s3.ts";

const missing = await installS3Server();

/** A case with servers of its own; skipped where the S3 server cannot be installed. */
function s3Test(
  name: string,
  run: (s3: S3Group, baseUrl: string, abandoned: (count: number) => Promise<void>) => Promise<void>,
): void {
  Deno.test({
    name: missing === undefined ? name : `${name} (${missing})`,
    ignore: missing !== undefined,
    async fn() {
      await using store = await startS3Server(["main", "other"]);
      await using windmill = serveWindmillS3({
        endpoint: store.endpoint,
        buckets: { "": "main", "second store": "other" },
      });
      const { baseUrl, abandoned } = windmill;
      await run(createClient({ baseUrl, workspace: "ws", token: TOKEN, env: {} }).s3, baseUrl, abandoned);
    },
  });
}

async function digest(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of stream) hash.update(piece);
  return hash.digest("hex");
}

function apiError(status: number): (error: unknown) => boolean {
  return (error) => error instanceof WindmillApiError && error.status === status;
}

// Those with empty and dotted parts are tried against the store in memory.
s3Test("s3: objects with keys of every kind are written, read, listed, moved, signed and deleted", async (s3) => {
  const objects: S3ObjectRecord[] = FILE_KEYS.flatMap((key) => [{ s3: key }, { s3: key, storage: "second store" }]);
  await Promise.all(objects.map((object) => s3.upload(object, `content of ${JSON.stringify(object)}`)));
  for (const object of objects) {
    const content = `content of ${JSON.stringify(object)}`;
    equal(await (await s3.download(object)).text(), content);
    equal(await s3.metadata(object), {
      mime_type: "text/plain",
      size_in_bytes: new TextEncoder().encode(content).length,
    });
    // Whoever has the address needs no token.
    const address = await s3.presign(object);
    equal(await (await fetch(address)).text(), content);
    const forged = await fetch(address.replace(/.$/, (last) => last === "0" ? "1" : "0"));
    equal([forged.status, await forged.text()], [403, "Permission denied: signature"]);
  }
  for (const storage of ["", "second store"]) {
    const listed: S3ObjectRecord[] = [];
    for await (const object of s3.listAll({ storage, perPage: 4 })) listed.push(object);
    const expected = FILE_KEYS.map((key) => storage === "" ? { s3: key } : { s3: key, storage });
    const byKey = (a: S3ObjectRecord, b: S3ObjectRecord) => a.s3 < b.s3 ? -1 : 1;
    equal(listed.toSorted(byKey), expected.toSorted(byKey));
  }
  for (const object of objects) {
    const moved = await s3.move(object, { ...object, s3: `moved/${object.s3}` });
    equal(await (await s3.download(moved)).text(), `content of ${JSON.stringify(object)}`);
    await rejects(() => s3.download(object), apiError(404));
    await s3.delete(moved);
    await rejects(() => s3.metadata(moved), apiError(404));
  }
});

s3Test("s3: kind and disposition are stored, and the server makes a key where there is none", async (s3) => {
  const made = await s3.upload(undefined, new Blob(["a,b"], { type: "text/csv" }), { fileExtension: "csv" });
  ok(/^windmill_uploads\/.*\.csv$/.test(made.s3), made.s3);
  equal((await s3.metadata(made)).mime_type, "text/csv");
  const object = await s3.upload("s3:///report", "x", {
    contentType: "application/pdf",
    contentDisposition: 'attachment; filename="report.pdf"',
  });
  const download = await s3.download(object);
  equal([download.type, download.size, download.headers.get("content-disposition"), await download.text()], [
    "application/pdf",
    1,
    'attachment; filename="report.pdf"',
    "x",
  ]);
});

s3Test("s3: parts of an object, from its start to its end and behind it", async (s3) => {
  const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
  await s3.upload("s3:///bytes", bytes);
  for (
    const [start, end] of [[0, 1], [0, 300_000], [100, 200_000], [299_999, 300_000], [299_000, undefined]] as const
  ) {
    const range = end === undefined ? { start } : { start, end };
    const download = await s3.download("s3:///bytes", { range });
    ok(download.headers.has("content-range"));
    equal(download.size, (end ?? 300_000) - start);
    equal(await download.bytes(), bytes.subarray(start, end));
  }
  await rejects(() => s3.download("s3:///bytes", { range: { start: 300_000 } }), apiError(416));
});

const MIB = 1024 * 1024;

/** Pieces that are made when they are asked for. */
async function* made(mebibytes: number, onPiece: (made: number) => void = () => {}): AsyncGenerator<Uint8Array, void> {
  const piece = new Uint8Array(MIB / 4);
  for (let i = 0; i < mebibytes * 4; i++) {
    for (let at = 0; at < piece.length; at += 64) piece[at] = (i * 7 + at) % 256;
    onPiece(i + 1);
    yield piece.slice();
  }
}

s3Test("s3: 64 MiB go up and down as streams, and are the same", async (s3) => {
  let told = 0;
  await s3.upload("s3:///large", made(64), { onProgress: (sent) => told = sent });
  equal(told, 64 * MIB);
  const download = await s3.download("s3:///large");
  equal(download.size, 64 * MIB);
  equal(await digest(download), await digest(made(64)));
});

s3Test("s3: a copy that is piped through this process is the same", async (s3) => {
  await s3.upload("s3:///a", made(12));
  await s3.upload({ s3: "b", storage: "second store" }, await s3.download("s3:///a"));
  equal(await digest(await s3.download("s3://second store/b")), await digest(made(12)));
});

s3Test("s3: an upload that is aborted, or whose source breaks, leaves no object", async (s3, _, abandoned) => {
  const controller = new AbortController();
  let most = 0;
  const reason = new Error("enough");
  await rejects(
    () =>
      s3.upload(
        "s3:///aborted",
        made(64, (count) => {
          most = count;
          if (count === 60) controller.abort(reason);
        }),
        { signal: controller.signal },
      ),
    (error) => error === reason,
  );
  ok(most < 70, `Expected a source that is given up, it was asked for ${most} pieces`);
  const broken = new Error("disk on fire");
  async function* breaking(): AsyncGenerator<Uint8Array, void> {
    yield* made(12);
    throw broken;
  }
  await rejects(() => s3.upload("s3:///broken", breaking()), (error) => error === broken);
  // The server, too, knows that it did not get all of them.
  await abandoned(2);
  for (const object of ["s3:///aborted", "s3:///broken"] as const) {
    await rejects(() => s3.metadata(object), apiError(404));
  }
  equal((await s3.list()).objects, []);
});

s3Test("s3: a download that is given up or aborted ends the transfer", async (s3) => {
  await s3.upload("s3:///large", made(16));
  for (const how of ["cancel", "abort"] as const) {
    const controller = new AbortController();
    const reason = new Error("enough");
    const download = await s3.download("s3:///large", { signal: controller.signal });
    const reader = download.getReader();
    await reader.read();
    if (how === "cancel") await reader.cancel();
    else {
      controller.abort(reason);
      await rejects(() => reader.read(), (error) => error === reason);
    }
  }
});

s3Test("s3: without the token nothing is read or written", async (_, baseUrl) => {
  const { s3 } = createClient({ baseUrl, workspace: "ws", token: "other", env: {} });
  async function* endless(): AsyncGenerator<Uint8Array, void> {
    for (;;) yield* made(1);
  }
  await rejects(() => s3.download("s3:///a"), apiError(401));
  // The server refuses at once: what comes after is not sent.
  await rejects(() => s3.upload("s3:///a", endless()), (error) => error instanceof WindmillApiError);
});

s3Test(
  "s3: streams go up and down, and end early, on every runtime that has connections",
  async (_, baseUrl, abandoned) => {
    await installTools();
    await bundle([fileURLToPath(new URL("s3_program.ts", import.meta.url))], `${outFolder}s3`);
    try {
      let runs = 0;
      for (const runtime of runtimes().filter(({ hasProcess, absent }) => hasProcess && absent === undefined)) {
        const [program = "", ...rest] = runtime.command("suite", "", 0);
        // The options of Deno stand before the file; the others have none.
        const options = rest.slice(0, Math.max(0, rest.length - 3));
        const { code, output } = await runCommand(
          [program, ...options, `${outFolder}s3/s3_program.js`, baseUrl, TOKEN],
          {
            mayFail: true,
            signal: AbortSignal.timeout(20_000),
          },
        );
        const [, found = "null"] = /^found (.*)$/m.exec(output) ?? [];
        equal([runtime.name, code, JSON.parse(found)], [runtime.name, 0, {
          sameContent: true,
          size: 24 * MIB,
          part: [0, 1],
          abortedWithReason: true,
          leftAloneAfterAbort: true,
          brokenWithItsError: true,
          refusedWith: "WINDMILL_API",
          leftAloneAfterRefusal: true,
          downloadEndsWithReason: true,
          piped: "copy",
          sameCopy: true,
        }], output);
        await abandoned(++runs * 2);
      }
      ok(runs >= 1);
    } finally {
      await removeOut(`${outFolder}s3`);
    }
  },
);
