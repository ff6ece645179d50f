/**
 * A server that speaks as much of Windmill's API as waiting for a job needs, the stream of updates among it. Each job ends 20 ms after
 * it was started; its result is the time at which it ended, in milliseconds since 1970. Prints its port.
 *
 * Usage: _job_server.ts <how long a job takes, in ms>
 *
 * @module
 */
const [takes = "20"] = Deno.args;

interface RunningJob {
  readonly ended: Promise<number>;
  endedAt: number | undefined;
}

const jobs = new Map<string, RunningJob>();

function start(): string {
  const id = crypto.randomUUID();
  const { promise, resolve } = Promise.withResolvers<number>();
  const job: RunningJob = { ended: promise, endedAt: undefined };
  jobs.set(id, job);
  setTimeout(() => {
    job.endedAt = performance.timeOrigin + performance.now();
    resolve(job.endedAt);
  }, Number(takes));
  return id;
}

function updates(job: RunningJob): Response {
  const body = new ReadableStream<Uint8Array>({
    async start(controller): Promise<void> {
      const say = (event: unknown): void =>
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
      if (job.endedAt === undefined) say({ type: "update", running: true, completed: false });
      const result = await job.ended;
      say({ type: "update", running: false, completed: true, only_result: result });
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function answer(request: Request): Response {
  const path = new URL(request.url).pathname;
  if (request.method === "POST" && /\/jobs\/run\/[ph]\//.test(path)) return new Response(start(), { status: 201 });
  const [, what, id = ""] = /\/jobs(?:_u)?\/(getupdate_sse|completed\/get_result_maybe)\/([^/]+)$/.exec(path) ?? [];
  const job = jobs.get(id);
  if (what === undefined || job === undefined) return new Response(`Not found: ${path}`, { status: 404 });
  if (what === "getupdate_sse") return updates(job);
  const completed = job.endedAt !== undefined;
  return Response.json({ completed, success: completed ? true : null, started: true, result: job.endedAt ?? null });
}

Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) }, answer);
