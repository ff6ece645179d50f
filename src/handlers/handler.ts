/**
 * What every handler is: a function from a request to a response, and what a platform hands it besides the request.
 *
 * @module
 */
import { type Client, type ClientOptions, createClient } from "../sdk/client.ts";

/** What a platform knows about a request besides the request itself. Each member may be missing. */
export interface HandlerContext {
  /** Bindings of the deployment: `env` of a Worker, the process's environment elsewhere. */
  readonly env?: Readonly<Record<string, unknown>>;
  /** Values of the route's placeholders: `{ id: "7" }` for `/orders/:id`. */
  readonly params?: Readonly<Record<string, string | undefined>>;
  /** Keeps the isolate alive until the promise has settled, after the response was sent. */
  readonly waitUntil?: (work: Promise<unknown>) => void;
}

/** Answers one request. It never rejects: what goes wrong becomes a response. */
export type Handler = (request: Request, context?: HandlerContext) => Promise<Response>;

/** Where a handler's client comes from. */
export interface ClientSource {
  /**
   * A client, options of one, or a function that chooses by request (one tenant's token each). Options without an address,
   * workspace or token read them from the bindings: `WM_BASE_URL` (or `BASE_INTERNAL_URL`, `BASE_URL`), `WM_WORKSPACE`, `WM_TOKEN`.
   *
   * @default a client of the bindings
   */
  readonly client?:
    | Client
    | ClientOptions
    | ((request: Request, context: HandlerContext) => Client | ClientOptions | Promise<Client | ClientOptions>);
}

function isClient(given: Client | ClientOptions): given is Client {
  return "jobs" in given;
}

/** The client of one request: made from its bindings, shared with no other request. */
export async function clientOf(
  source: ClientSource,
  request: Request,
  context: HandlerContext,
): Promise<Client> {
  const chosen = typeof source.client === "function" ? await source.client(request, context) : source.client ?? {};
  if (isClient(chosen)) return chosen;
  return createClient(context.env ? { env: context.env, ...chosen } : chosen);
}
