/**
 * Node's requests and responses as those of the web, at the pace of the slower side.
 *
 * @module
 */

/** The part of Node's `IncomingMessage` that is used. */
export interface NodeRequest {
  /** Method. */
  readonly method?: string | undefined;
  /** Path and query. */
  readonly url?: string | undefined;
  /** Names and values of headers, in turns. */
  readonly rawHeaders: readonly string[];
  /** The connection. */
  readonly socket: object;
  /** Listens. */
  on(event: string, listener: (value: Uint8Array) => void): unknown;
  /** Lets data come. */
  resume(): unknown;
  /** Lets no data come. */
  pause(): unknown;
}

/** The part of Node's `ServerResponse` that is used. */
export interface NodeResponse {
  /** Whether all was handed to the system. */
  readonly writableFinished: boolean;
  /** Whether the connection is gone. */
  readonly destroyed: boolean;
  /** Status. */
  statusCode: number;
  /** Sets a header. */
  setHeader(name: string, value: string | readonly string[]): unknown;
  /** Sends the headers. */
  flushHeaders(): void;
  /** Sends a piece; false when no more should be sent for now. */
  write(piece: Uint8Array): boolean;
  /** Ends it. */
  end(): unknown;
  /** Listens once. */
  once(event: string, listener: () => void): unknown;
  /** Stops listening. */
  off(event: string, listener: () => void): unknown;
  /** Closes the connection. */
  destroy(): unknown;
}

/** A request of the web, undefined for one that cannot be one. */
export interface MadeRequest {
  readonly request: Request | undefined;
  /** Says that whoever asked is gone. */
  readonly abort: () => unknown;
  /** Reads what is left of the body, for nobody: the next request of the connection comes after it. */
  readonly discard: () => void;
}

/** A body, and how the rest of it is given up. */
interface Body {
  readonly stream: ReadableStream<Uint8Array>;
  readonly discard: () => void;
}

/** The body of a request: no more is taken than is asked for. */
function bodyOf(incoming: NodeRequest): Body {
  let control: ReadableStreamDefaultController<Uint8Array> | undefined;
  function end(finish: (controller: ReadableStreamDefaultController<Uint8Array>) => void): void {
    if (control) finish(control);
    control = undefined;
  }
  function breakOff(): void {
    end((controller) => controller.error(new TypeError("The request broke off before its end")));
  }
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      control = controller;
      incoming.on("data", (piece) => {
        if (control === undefined) return;
        control.enqueue(piece);
        incoming.pause();
      });
      incoming.on("end", () => end((controller) => controller.close()));
      incoming.on("error", breakOff);
      incoming.on("close", breakOff);
      incoming.pause();
    },
    pull: () => void incoming.resume(),
    cancel() {
      control = undefined;
      // The connection is of use when the rest has come.
      incoming.resume();
    },
  }, { highWaterMark: 0 });
  return {
    stream,
    discard() {
      breakOff();
      incoming.resume();
    },
  };
}

/** Makes a request of the web. */
export function toRequest(incoming: NodeRequest): MadeRequest {
  const { method = "GET", url = "/", rawHeaders, socket } = incoming;
  const controller = new AbortController();
  let discard = (): void => void incoming.resume();
  const abort = (): void => controller.abort(new DOMException("Whoever asked has hung up", "AbortError"));
  try {
    const headers = new Headers();
    let authority = "";
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? "", value = rawHeaders[i + 1] ?? "";
      // HTTP/2 has the method, the path and the host among them.
      if (name === ":authority") authority = value;
      else if (!name.startsWith(":")) headers.append(name, value);
    }
    const isTls = "encrypted" in socket && socket.encrypted === true;
    // With an empty one the first part of the path would be the host.
    const host = headers.get("host") || authority || "localhost";
    // A path that begins with two slashes is a path, and no host. What a proxy is asked for is a whole address.
    const path = url.startsWith("/") ? url : url === "*" ? "/" : url.replace(/^[a-z]+:\/\/[^/?#]*/i, "") || "/";
    const address = new URL(`${isTls ? "https" : "http"}://${host}${path}`);
    // A host with a path, a user or a question mark in it would make another address of the path; so would a path that is none.
    if (/[/\\?#@]/.test(host) || !/^[/?]/.test(path)) return { request: undefined, abort, discard };
    const hasBody = !/^(?:GET|HEAD)$/.test(method) &&
      (headers.has("content-length") || headers.has("transfer-encoding"));
    const body = hasBody ? bodyOf(incoming) : undefined;
    if (body) discard = body.discard;
    const init: RequestInit & { readonly duplex?: string } = {
      method,
      headers,
      signal: controller.signal,
      ...(body && { body: body.stream, duplex: "half" }),
    };
    const request = new Request(address, init);
    // Node's requests follow a signal by a weak reference: one that nobody holds any more is collected, and whoever listens to its
    // signal, such as the body of its answer, never hears that the client has gone.
    return { request, abort: () => request.signal.aborted || abort(), discard };
  } catch (error) {
    void error; // `undefined` says it: a host, a header or a method that is none
    return { request: undefined, abort, discard };
  }
}

/** Resolves when more may be sent, or nobody is there any more. */
function drained(outgoing: NodeResponse): Promise<void> {
  return new Promise((resolve) => {
    function done(): void {
      outgoing.off("drain", done);
      outgoing.off("close", done);
      resolve();
    }
    outgoing.once("drain", done);
    outgoing.once("close", done);
  });
}

/** Headers of the connection: how a body is sent is the server's affair. */
const CONNECTION = /^(?:connection|keep-alive|transfer-encoding|upgrade)$/;

/**
 * Sends a response; a body that nobody takes any more is given up. One that is not as long as it says closes the connection: its
 * rest would be the beginning of the next answer, or that the rest of it.
 *
 * @param bare whether only the headers are asked for: they say the length of a body that is not sent
 */
export async function sendResponse(
  { status, headers, body }: Response,
  outgoing: NodeResponse,
  bare: boolean,
): Promise<void> {
  outgoing.statusCode = status;
  const absent = body === null && !bare && status !== 304;
  for (const [name, value] of headers) {
    const own = CONNECTION.test(name) || (absent && name === "content-length");
    if (name !== "set-cookie" && !own) outgoing.setHeader(name, value);
  }
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  const reader = body?.getReader();
  let left = reader ? Number(headers.get("content-length") ?? NaN) : 0;
  const giveUp = (): void => void reader?.cancel().catch(() => {});
  outgoing.once("close", giveUp);
  try {
    // A stream of events shows that it is there before the first one comes.
    if (reader) outgoing.flushHeaders();
    while (reader && !outgoing.destroyed) {
      const { done, value } = await reader.read();
      if (done) break;
      left -= value.length;
      if (left < 0) break;
      if (!outgoing.write(value) && !outgoing.destroyed) await drained(outgoing);
    }
    if (left < 0 || left > 0) outgoing.destroy();
    else outgoing.end();
  } finally {
    outgoing.off("close", giveUp);
    if (outgoing.destroyed) giveUp();
  }
}
