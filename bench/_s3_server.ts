/**
 * A server that speaks as much of Windmill's API as transfers of S3 objects need: it sends an object that it makes as it goes, and
 * takes one without looking at it. Prints its port.
 *
 * Usage: _s3_server.ts <size of the object, in MiB>
 *
 * @module
 */
const [size = "256"] = Deno.args;
const piece = new Uint8Array(262_144).fill(7);
const pieces = Number(size) * 4;

async function answer(request: Request): Promise<Response> {
  if (request.method === "POST") {
    let length = 0;
    for await (const part of request.body ?? []) length += part.length;
    return Response.json({ file_key: "k", length });
  }
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (sent++ < pieces) controller.enqueue(piece);
      else controller.close();
    },
  }, { highWaterMark: 2 });
  return new Response(body, {
    headers: { "content-type": "application/octet-stream", "content-length": `${pieces * piece.length}` },
  });
}

Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) }, answer);
