/**
 * Handlers as a Vercel Edge Function or Edge Middleware.
 *
 * @module
 */
import { readEnv } from "../src/platform/env.ts";
import { createAnswerer, type EdgeOptions } from "./_routes.ts";

export type { CorsOptions, EdgeOptions, FetchApp, RouteHandler } from "./_routes.ts";

/** What Vercel hands over besides a request. */
export interface EdgeContext {
  /** Keeps the function alive until the promise has settled. */
  readonly waitUntil?: (work: Promise<unknown>) => void;
}

/** What an Edge Function's module exports as `default`. */
export type EdgeFunction = (request: Request, context?: EdgeContext) => Promise<Response>;

/** Where `waitUntil` of `@vercel/functions` finds the request that it is called for. */
function current(): EdgeContext | undefined {
  const place: { get?(): EdgeContext | undefined } | undefined = Reflect.get(
    globalThis,
    Symbol.for("@vercel/request-context"),
  );
  return place?.get?.();
}

/**
 * Makes an Edge Function of handlers. Their bindings are the function's environment variables.
 *
 * @example The whole module of a function, beside `export const config = { runtime: "edge" }`
 * ```ts
 * import { createHandler } from "@windkit/windmill-client/edge/vercel";
 *
 * const handler = createHandler({ routes: { "GET /api/health": () => Promise.resolve(new Response("ok")) } });
 * export default handler;
 * const response = await handler(new Request("https://edge.example/api/health"));
 * if (await response.text() !== "ok") throw new Error("Expected ok");
 * ```
 */
export function createHandler(options: EdgeOptions): EdgeFunction {
  const answer = createAnswerer(options);
  // The runtime puts `process.env.NAME` in place where it is written so, and has the whole of it besides.
  const env = new Proxy<Record<string, unknown>>({}, {
    get: (_, name) => typeof name === "string" ? readEnv(name) : undefined,
  });
  return (request, given) => {
    const platform = given?.waitUntil ? given : current();
    return answer(request, { env, waitUntil: platform?.waitUntil && ((work) => platform.waitUntil?.(work)), given });
  };
}
