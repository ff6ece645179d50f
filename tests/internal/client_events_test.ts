/** The reader of server-sent events: any split gives the same events, and it never holds much more than its limit. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { readEvents } from "../../src/http/events.ts";

const encoder = new TextEncoder();

function response(pieces: readonly Uint8Array[], onCancel?: () => void): Response {
  let next = 0;
  return new Response(
    new ReadableStream({
      pull(control) {
        const piece = pieces[next++];
        if (piece === undefined) control.close();
        else control.enqueue(piece);
      },
      cancel: onCancel ?? (() => {}),
    }),
  );
}

async function events(pieces: readonly Uint8Array[], limit?: number): Promise<string[]> {
  const found: string[] = [];
  for await (const data of readEvents(response(pieces), limit)) found.push(data);
  return found;
}

/** Text of one line: whatever, without line ends. */
const line = fc.string({ unit: "grapheme", maxLength: 12 }).filter((text) => !/[\r\n\0]/.test(text));

const event = fc.record({
  lines: fc.array(line, { minLength: 1, maxLength: 3 }),
  noise: fc.constantFrom("", ": comment", "id: 1", "event: x", "retry: 5", "dataset: no"),
});

Deno.test("readEvents() gives the same events for every split and every kind of line end", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 5 }),
      fc.array(fc.constantFrom("\n", "\r", "\r\n"), { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
      async (list, ends, sizes) => {
        let text = "", n = 0;
        for (const { lines, noise } of list) {
          const end = ends[n++ % ends.length] as string;
          for (const data of lines) text += `data: ${data}${end}`;
          text += `${noise === "" ? "" : noise + end}: x${end}${end}`;
        }
        const bytes = encoder.encode(text);
        const pieces: Uint8Array[] = [];
        for (let at = 0, s = 0; at < bytes.length; s++) {
          const size = sizes[s % sizes.length] as number;
          pieces.push(bytes.slice(at, at + size));
          at += size;
        }
        const wanted = list.flatMap(({ lines }) => lines);
        assert.deepEqual(await events(pieces), wanted);
        assert.deepEqual(await events([bytes]), wanted);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("readEvents() drops what the end of the stream cuts off", async () => {
  assert.deepEqual(await events([encoder.encode("data: a\n\ndata: b")]), ["a"]);
  assert.deepEqual(await events([]), []);
});

Deno.test("readEvents() takes one space off the value, and skips what is no data", async () => {
  const text = "data:a\n\ndata:  b\n\ndata\n\ndata :x\ndatabase: y\n data: z\n";
  assert.deepEqual(await events([encoder.encode(text)]), ["a", " b"]);
});

Deno.test("readEvents() refuses a line that is longer than the limit, and gives the body up", async () => {
  let cancelled = false;
  const pieces = [encoder.encode("data: " + "x".repeat(100)), encoder.encode("\n\n")];
  const reading = (async () => {
    for await (const _ of readEvents(response(pieces, () => cancelled = true), 50)) assert.fail("no event was to come");
  })();
  await assert.rejects(reading, RangeError);
  assert.equal(cancelled, true);
});

Deno.test("readEvents() gives the body up when nobody reads on", async () => {
  let cancelled = false;
  const pieces = Array.from({ length: 9 }, () => encoder.encode("data: a\n\n"));
  for await (const data of readEvents(response(pieces, () => cancelled = true))) {
    assert.equal(data, "a");
    break;
  }
  assert.equal(cancelled, true);
});

Deno.test("readEvents() holds a long event that stays below the limit", async () => {
  const long = "x".repeat(900_000);
  const bytes = encoder.encode(`data: ${long}\n\n`);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 16_384) pieces.push(bytes.slice(at, at + 16_384));
  assert.deepEqual(await events(pieces), [long]);
});
