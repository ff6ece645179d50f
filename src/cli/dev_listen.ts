/**
 * Listening for requests: `Deno.serve` on Deno, `node:http` on Node. The server itself never listens.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { UsageError } from "./exit_codes.ts";
import { quote } from "./format.ts";

/** Answers a request. Never rejects. */
export type Answer = (request: Request) => Promise<Response>;

/** A port that is listened at. */
export interface Listener {
  readonly port: number;
  /** Takes no more connections, gives what is open so long to end, and ends the rest. */
  close(graceMs: number): Promise<void>;
}

/** Where to listen. */
export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** The part of Deno that is used here. */
interface DenoScope {
  readonly Deno?: {
    serve(
      options: {
        readonly hostname: string;
        readonly port: number;
        readonly signal: AbortSignal;
        readonly onListen: () => void;
        readonly onError: (error: unknown) => Response;
      },
      answer: Answer,
    ): { readonly addr: { readonly port: number }; readonly finished: Promise<void> };
  };
}

/** An answer that is ready is written within so long. */
const WRITTEN_MS = 20;

/** How long a server that may have the port is waited for. */
const ASK_MS = 2000;

/**
 * Listens.
 *
 * @throws UsageError when the port is taken or not permitted, or the host is none of this machine
 */
export async function listen(options: ListenOptions, answer: Answer): Promise<Listener> {
  try {
    return await listenAt(options, answer);
  } catch (error) {
    throw await refusalOf(options, error);
  }
}

async function listenAt(options: ListenOptions, answer: Answer): Promise<Listener> {
  // `as`: Deno is looked for, and not there on Node.
  const { Deno: deno } = globalThis as DenoScope;
  if (deno === undefined) return await listenOnNode(options, answer);
  hushAbortWarning();
  const ending = new AbortController();
  const { host: hostname, port } = options;
  let asked = 0;
  let idle: () => void = () => {};
  const server = deno.serve({
    hostname,
    port,
    signal: ending.signal,
    onListen: () => {},
    onError: () => new Response("Internal: the request could not be answered", { status: 500 }),
  }, async (request) => {
    asked++;
    try {
      return await answer(request);
    } finally {
      if (--asked === 0) idle();
    }
  });
  return {
    port: server.addr.port,
    close: async (graceMs) => {
      if (asked > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, graceMs);
          idle = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      // What was answered gets out; who reads on is cut off. `shutdown()` would wait for them, and cannot be cut short.
      if (graceMs > 0) await new Promise((resolve) => setTimeout(resolve, WRITTEN_MS));
      ending.abort();
      await server.finished;
    },
  };
}

/**
 * Deno announces, at the first listener for the end of a request, that it also ends requests that were answered: routes take that
 * for what it is, and whoever started the server can do nothing about it.
 */
function hushAbortWarning(): void {
  const { warn } = console;
  console.warn = (...words: unknown[]): void => {
    if (typeof words[0] !== "string" || !words[0].startsWith("Deno.serve: request.signal aborts")) {
      Reflect.apply(warn, console, words);
      return;
    }
    console.warn = warn;
  };
}

async function listenOnNode({ host, port }: ListenOptions, answer: Answer): Promise<Listener> {
  const { createServer } = await import("node:http");
  // An upload may take as long as it takes.
  const server = createServer({ requestTimeout: 0 }, (request, response) => void respond(answer, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    // `as`: it listens at a port.
    port: (server.address() as AddressInfo).port,
    close: (graceMs) => closeNode(server, graceMs),
  };
}

async function closeNode(server: Server, graceMs: number): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}

/** A request of Node as the web has it. Its signal is aborted when whoever asked has gone. */
function requestOf(request: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    headers.append(request.rawHeaders[at] ?? "", request.rawHeaders[at + 1] ?? "");
  }
  const { method = "GET", url = "/" } = request;
  const host = request.headers.host ?? "localhost";
  // A path that begins with two slashes is no host.
  const address = new URL(`http://${host}`);
  const hasBody = method !== "GET" && method !== "HEAD";
  const init = { method, headers, signal, ...(hasBody ? { body: bodyOf(request), duplex: "half" } : {}) };
  const target = url.startsWith("/") ? `${address.origin}${url}` : url;
  // `as`: the types of some runtimes do not know `duplex`, which all want for a stream.
  return new Request(target, init as RequestInit);
}

function bodyOf(request: IncomingMessage): ReadableStream<Uint8Array> {
  const pieces = request.iterator({ destroyOnReturn: false });
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(new Uint8Array(Buffer.from(value)));
    },
    async cancel() {
      await pieces.return?.();
      // What is not wanted is let go, so that the answer gets through.
      request.resume();
    },
  }, { highWaterMark: 0 });
}

async function respond(answer: Answer, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const left = new AbortController();
  outgoing.once("close", () => left.abort(new DOMException("The connection was closed", "AbortError")));
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  try {
    const response = await answer(requestOf(incoming, left.signal));
    outgoing.statusCode = response.status;
    for (const [name, value] of response.headers) if (name !== "set-cookie") outgoing.setHeader(name, value);
    const cookies = response.headers.getSetCookie();
    if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
    reader = response.body?.getReader();
    if (reader !== undefined && incoming.method !== "HEAD") {
      outgoing.flushHeaders();
      left.signal.addEventListener("abort", () => void reader?.cancel().catch(() => {}), { once: true });
      for (let piece = await reader.read(); !piece.done && !left.signal.aborted; piece = await reader.read()) {
        if (outgoing.write(piece.value)) continue;
        await new Promise<void>((resolve) => {
          outgoing.once("drain", resolve);
          left.signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    }
    outgoing.end();
  } catch (error) {
    // An answer that breaks off must not look whole.
    await reader?.cancel(error).catch(() => {});
    if (outgoing.headersSent) {
      outgoing.destroy();
      return;
    }
    outgoing.statusCode = 400;
    outgoing.end("Bad request");
  }
}

function codeOf(error: unknown): string {
  const { code, name } = Object(error) as { readonly code?: unknown; readonly name?: unknown };
  if (name === "AddrInUse" || code === "EADDRINUSE") return "taken";
  if (name === "PermissionDenied" || code === "EACCES") return "denied";
  if (name === "AddrNotAvailable" || code === "EADDRNOTAVAIL" || code === "ENOTFOUND") return "elsewhere";
  return "";
}

/** What stands in the way, and what to do about it. */
async function refusalOf({ host, port }: ListenOptions, error: unknown): Promise<unknown> {
  switch (codeOf(error)) {
    case "taken": {
      const free = await freePort(host, port);
      return new UsageError(
        `Cannot listen at port ${port} of ${host}: ${await holderOf(host, port)} has it`,
        free === undefined ? "Use another one: --port N" : `Use another one: --port ${free}`,
        { cause: error },
      );
    }
    case "denied":
      return new UsageError(`Cannot listen at port ${port}: it is not permitted`, "Use one above 1023: --port 8000", {
        cause: error,
      });
    case "elsewhere":
      return new UsageError(`Cannot listen at ${quote(host)}: it is no address of this machine`, undefined, {
        cause: error,
      });
    default:
      return error;
  }
}

/** Who has a port: it is asked for its version. */
async function holderOf(host: string, port: number): Promise<string> {
  const name = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host;
  try {
    const response = await fetch(`http://${name}:${port}/api/version`, {
      signal: AbortSignal.timeout(ASK_MS),
      redirect: "error",
    });
    const version = (await response.text()).slice(0, 60);
    if (/^(?:CE|EE) v[\d.]+[\w.-]*$/.test(version)) {
      return version.includes("windkit") ? `another windkit dev (${version})` : `a Windmill server (${version})`;
    }
    return "another program, which speaks HTTP,";
  } catch (error) {
    void error;
    return "another program";
  }
}

/** The next port that nobody has. */
async function freePort(host: string, taken: number): Promise<number | undefined> {
  for (let port = taken + 1; port <= Math.min(taken + 20, 65_535); port++) {
    try {
      const listener = await listenAt({ host, port }, () => Promise.resolve(new Response()));
      await listener.close(0);
      return port;
    } catch (error) {
      if (codeOf(error) !== "taken") return undefined;
    }
  }
  return undefined;
}
