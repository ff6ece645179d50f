/**
 * Requests to a server of a test, and the listener that they reach it by.
 *
 * @module
 */

/** A request with a token, unless that is empty; what is given as its body is sent as JSON. */
export function requestInit(
  method: string,
  token: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): RequestInit {
  return {
    method,
    headers: {
      ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

/** A listener on a free port. */
export interface Listener {
  readonly url: string;
  /** Takes no more requests, and waits for those that are there. */
  readonly shutdown: () => Promise<void>;
}

/** Listens for a server that is made with its own address: requests wait for it. */
export function listenFor(server: Promise<{ readonly fetch: (request: Request) => Promise<Response> }>): Listener {
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => await (await server).fetch(request),
  );
  return { url: `http://127.0.0.1:${listener.addr.port}`, shutdown: () => listener.shutdown() };
}
