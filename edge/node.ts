/**
 * Handlers for Node's `http` and `https` servers.
 *
 * @module
 */
import { type NodeRequest, type NodeResponse, sendResponse, toRequest } from "./_node_http.ts";
import { createAnswerer, type EdgeOptions, refuse } from "./_routes.ts";

export type { NodeRequest, NodeResponse } from "./_node_http.ts";
export type { CorsOptions, EdgeOptions, FetchApp, RouteHandler } from "./_routes.ts";

/** What `createServer` of `node:http` calls. */
export type NodeListener = (incoming: NodeRequest, outgoing: NodeResponse) => void;

/**
 * Makes a listener of handlers. Bodies stream both ways at the pace of the slower side; a client that hangs up aborts the
 * request's signal. Their bindings are the process's variables.
 *
 * @example A server
 * ```ts
 * import { createServer } from "node:http";
 * import { createHandler } from "@windkit/windmill-client/edge/node";
 *
 * const listener = createHandler({ routes: { "GET /health": () => Promise.resolve(new Response("ok")) } });
 * const server = createServer(listener);
 * server.close();
 * ```
 */
export function createHandler(options: EdgeOptions): NodeListener {
  const answer = createAnswerer(options);
  return (incoming, outgoing) => {
    const { request, abort, discard } = toRequest(incoming);
    outgoing.once("close", () => abort());
    // What is left to do goes on in the process.
    const waitUntil = (work: Promise<unknown>) => void work.catch((error) => console.error(error));
    const { process } = globalThis as { readonly process?: { readonly env?: Readonly<Record<string, unknown>> } };
    const platform = { env: process?.env, waitUntil, given: { incoming, outgoing } };
    const response = request === undefined
      ? Promise.resolve(refuse(400, "InputError", "This is no request of HTTP"))
      : answer(request, platform);
    // It has been told to whoever asked, as far as that can be: the connection is closed.
    void response.then((found) => sendResponse(found, outgoing, incoming.method === "HEAD")).catch(() =>
      outgoing.destroy()
    ).then(discard);
  };
}
