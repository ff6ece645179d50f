/**
 * Handlers for `Deno.serve`, Deno Deploy and Supabase Edge Functions.
 *
 * @module
 */
import { readEnv } from "../src/platform/env.ts";
import { createAnswerer, type EdgeOptions } from "./_routes.ts";

export type { CorsOptions, EdgeOptions, FetchApp, RouteHandler } from "./_routes.ts";

/** What `Deno.serve` and `deno serve` call. */
export type DenoHandler = (request: Request, info?: unknown) => Promise<Response>;

/** Keeps the function alive on Supabase; elsewhere the process lives on by itself. */
function waitUntil(work: Promise<unknown>): void {
  const { EdgeRuntime } = globalThis as {
    readonly EdgeRuntime?: { waitUntil?(work: Promise<unknown>): void };
  };
  if (EdgeRuntime?.waitUntil) EdgeRuntime.waitUntil(work);
  else work.catch((error) => console.error(error));
}

/**
 * Makes a function for `Deno.serve` of handlers. Their bindings are the process's variables, each read when it is asked for.
 *
 * @example A server; `export default { fetch: handler }` is for `deno serve`
 * ```ts
 * import { createHandler } from "@windkit/windmill-client/edge/deno";
 *
 * const handler = createHandler({ routes: { "GET /health": () => Promise.resolve(new Response("ok")) } });
 * const server = Deno.serve({ port: 0, onListen: () => {} }, handler);
 * const response = await fetch(`http://localhost:${server.addr.port}/health`);
 * if (await response.text() !== "ok") throw new Error("Expected ok");
 * await server.shutdown();
 * ```
 */
export function createHandler(options: EdgeOptions): DenoHandler {
  const answer = createAnswerer(options);
  const env = new Proxy<Record<string, unknown>>({}, {
    get: (_, name) => typeof name === "string" ? readEnv(name) : undefined,
  });
  return (request, given) => answer(request, { env, waitUntil, given });
}
