/**
 * A server that speaks as much of Windmill's API as handlers need: `run_wait_result` answers after so many milliseconds with the
 * arguments, and the stream of updates of a job has logs for as long as somebody reads them. Prints its port.
 *
 * Usage: _edge_server.ts <how long a job takes, in ms>
 *
 * @module
 */
const takes = Number(Deno.args[0] ?? "0");

/** One update: a KiB of logs, numbered. */
function updates(): Response {
  const bytes = new TextEncoder();
  let nth = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller): void {
      const update = { type: "update", new_logs: "x".repeat(1023) + "\n", log_offset: ++nth * 1024 };
      controller.enqueue(bytes.encode(`data: ${JSON.stringify(update)}\n\n`));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname.includes("/getupdate_sse/")) return updates();
  if (!pathname.includes("/run_wait_result/")) return Response.json({ completed: false });
  const body = await request.text();
  if (takes > 0) await new Promise((resolve) => setTimeout(resolve, takes));
  return new Response(body, { headers: { "content-type": "application/json" } });
}

Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) }, answer);
