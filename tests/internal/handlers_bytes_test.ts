/** Bodies that come in the smallest pieces. */
import assert from "node:assert/strict";
import { joined, readBeginning } from "../../src/handlers/_bytes.ts";

Deno.test("readBeginning() keeps few pieces of a body that comes byte by byte", async () => {
  let at = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => at < 12_345 ? controller.enqueue(Uint8Array.of(at++)) : controller.close(),
  });
  const read = await readBeginning(body.getReader(), 1e6);
  assert(read.pieces.length <= 1_001, `${read.pieces.length} pieces`);
  assert.deepEqual([read.size, read.whole], [12_345, true]);
  assert.deepEqual(joined(read), Uint8Array.from({ length: 12_345 }, (_, i) => i));
});
