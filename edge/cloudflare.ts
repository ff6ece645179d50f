/**
 * Handlers as a Cloudflare Worker. Workflows in its Durable Objects are in `./durable-object`: named here too, they brought 1.5 kB of the
 * engine into every Worker (measured), for a bundler does not see that all of it may go.
 *
 * @module
 */
import { createAnswerer, type EdgeOptions } from "./_routes.ts";

export type { CorsOptions, EdgeOptions, FetchApp, RouteHandler } from "./_routes.ts";

/** What Cloudflare hands over besides a request and its bindings. */
export interface WorkerContext {
  /** Keeps the isolate alive until the promise has settled. */
  waitUntil(work: Promise<unknown>): void;
}

/** A Worker: what its module exports as `default`. */
export interface Worker {
  /** Answers a request. */
  readonly fetch: (request: Request, env?: object, context?: WorkerContext) => Promise<Response>;
}

/**
 * Makes a Worker of handlers: its bindings are theirs, and what they go on with after a response keeps it alive.
 *
 * @example The whole module of a Worker
 * ```ts
 * import { createHandler } from "@windkit/windmill-client/edge/cloudflare";
 *
 * const worker = createHandler({ routes: { "GET /health": () => Promise.resolve(new Response("ok")) } });
 * export default worker;
 * const response = await worker.fetch(new Request("https://edge.example/health"), {});
 * if (await response.text() !== "ok") throw new Error("Expected ok");
 * ```
 */
export function createHandler(options: EdgeOptions): Worker {
  const answer = createAnswerer(options);
  return {
    fetch: (request, env = {}, given) =>
      answer(request, {
        env: env as Readonly<Record<string, unknown>>, // `as` -- bindings have names
        waitUntil: given && ((work) => given.waitUntil(work)),
        given,
      }),
  };
}
