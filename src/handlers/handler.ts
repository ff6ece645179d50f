/**
 * What every handler is: a function from a request to a response, and what a platform hands it besides the request.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import type { FetchFunction } from "../http/transport.ts";
import type { Bindings, ClientOptions } from "../sdk/connection.ts";

export type { Bindings };

/** What a platform knows about a request besides the request itself. Each member may be missing. */
export interface HandlerContext {
  /** Bindings of the deployment: `env` of a Worker, the process's environment elsewhere. */
  readonly env?: Bindings;
  /** Values of the route's placeholders: `{ id: "7" }` for `/orders/:id`. */
  readonly params?: Readonly<Record<string, string | undefined>>;
  /** Keeps the isolate alive until the promise has settled, after the response was sent. */
  readonly waitUntil?: (work: Promise<unknown>) => void;
  /** Stands between the handler and its Windmill: is given what makes the client's requests, gives what is used instead. */
  readonly wrapFetch?: (fetch: FetchFunction | undefined) => FetchFunction;
  /** Where Windmill is for all handlers of a deployment: a handler's own `client` goes before it, option by option. */
  readonly client?: Connection["client"];
}

/** Answers one request. It never rejects: what goes wrong becomes a response. */
export type Handler = (request: Request, context?: HandlerContext) => Promise<Response>;

/** Where a handler's Windmill is, and as whom it is called. */
export interface Connection {
  /**
   * Options of a client, or a function that chooses them by request: one tenant's token each. What they leave out (address,
   * workspace, token) is read from the bindings: `WM_BASE_URL` (or `BASE_INTERNAL_URL`, `BASE_URL`), `WM_WORKSPACE`, `WM_TOKEN`.
   * What a function gives as undefined is an error instead: a token that was not found must not become the deployment's.
   *
   * @default everything from the bindings
   */
  readonly client?:
    | ClientOptions
    | ((request: Request, context: HandlerContext) => ClientOptions | Promise<ClientOptions>);
}

/**
 * The connection of one request: shared with no other.
 *
 * These are options, not a client: a client has every group of functions in it (20 kB), and a handler calls two or three of
 * them (`src/sdk/jobs.ts`), so that is all that a bundle gets.
 */
export async function connectionOf(
  { client }: Connection,
  request: Request,
  context: HandlerContext,
): Promise<ClientOptions> {
  const [shared, own] = await Promise.all(
    [context.client, client].map(async (one) => {
      if (typeof one !== "function") return one;
      const chosen = await one(request, context);
      // A token that was looked up and not found must not become the deployment's own.
      for (const name of ["baseUrl", "workspace", "token"] as const) {
        if (name in chosen && chosen[name] === undefined) {
          throw new ConfigurationError(`Expected '${name}' of what 'client' gives for this request, found undefined`);
        }
      }
      return chosen;
    }),
  );
  const options: ClientOptions = { ...(context.env && { env: context.env }), ...shared, ...own };
  return context.wrapFetch ? { ...options, fetch: context.wrapFetch(options.fetch) } : options;
}
