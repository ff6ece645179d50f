/**
 * What the cases about handlers share: requests, contexts that count what they are handed, and a Windmill whose answers are counted
 * until they are read or given up.
 *
 * @module
 */
import type { Handler, HandlerContext, HandlerErrorBody } from "@windkit/windmill-client/handlers";
import { assert, assertEquals } from "./assert.ts";
import { type Seen, serve, type Stub } from "./_client_kit.ts";

/** Bindings that reach a stub. */
export const bindings: Readonly<Record<string, string>> = {
  WM_BASE_URL: "http://stub.test",
  WM_WORKSPACE: "ws",
  WM_TOKEN: "s3cr3t-tok",
};

/** A request with a body of JSON. */
export function jsonRequest(body: unknown, path = "/", init: RequestInit = {}): Request {
  return new Request(`https://edge.test${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    ...init,
    headers: { "content-type": "application/json", ...init.headers as Record<string, string> | undefined },
  });
}

/** A context, and what was handed to its `waitUntil`. */
export function contextOf(more: Partial<HandlerContext> = {}): HandlerContext & { readonly kept: Promise<unknown>[] } {
  const kept: Promise<unknown>[] = [];
  return { env: bindings, waitUntil: (work) => void kept.push(work), kept, ...more };
}

/** Fails unless an answer is an error of that status and kind; gives the error. */
export async function assertError(
  response: Response,
  status: number,
  name: string,
  part = "",
): Promise<HandlerErrorBody["error"]> {
  const text = await response.text();
  assertEquals([response.status, response.headers.get("content-type")], [status, "application/json"], text);
  const { error } = JSON.parse(text) as HandlerErrorBody;
  assertEquals(error.name, name, text);
  assert(error.message.includes(part), text);
  for (const secret of ["s3cr3t-tok", "stub.test", "file:", "\\n"]) assert(!text.includes(secret), text);
  return error;
}

/** A Windmill that answers `run_wait_result` with `result`, and what else it was asked with 404. */
export function windmill(
  result: (request: Seen, signal: AbortSignal) => Response | Promise<Response>,
  others: (request: Seen, signal: AbortSignal) => Response | Promise<Response> | undefined = () => undefined,
): Stub {
  return serve((request, signal) =>
    request.target.includes("/run_wait_result/")
      ? result(request, signal)
      : others(request, signal) ?? new Response("Not found: no such job", { status: 404 })
  );
}

/** What one handler answers to one request. */
export async function ask(handler: Handler, request: Request, more: Partial<HandlerContext> = {}): Promise<Response> {
  return await handler(request, contextOf(more));
}

/** Bodies that are open: neither read to their end nor given up nor ended by their request's signal. */
export interface OpenBodies {
  /** Makes a body of pieces that are made when they are taken; null ends it, undefined waits for ever. */
  readonly body: (piece: (nth: number) => string | null | undefined, signal: AbortSignal) => ReadableStream<Uint8Array>;
  /** How many are open now. */
  readonly open: () => number;
  /** How many were made. */
  readonly made: () => number;
  /** How many pieces were made, of all. */
  readonly pieces: () => number;
}

/** Counts bodies. */
export function countBodies(): OpenBodies {
  const bytes = new TextEncoder();
  let open = 0, made = 0, pieces = 0;
  return {
    open: () => open,
    made: () => made,
    pieces: () => pieces,
    body: (piece, signal) => {
      let nth = 0, closed = false;
      made++;
      open++;
      function end(): void {
        if (!closed) open--;
        closed = true;
      }
      // Nobody gets an answer to a request that was hung up.
      if (signal.aborted) end();
      return new ReadableStream<Uint8Array>({
        start: (controller) =>
          signal.addEventListener("abort", () => {
            if (!closed) controller.error(signal.reason);
            end();
          }, { once: true }),
        pull(controller) {
          const next = piece(nth++);
          // Nobody is told of more: whoever waits gives up.
          if (next === undefined) return new Promise<void>(() => {});
          if (next === null) {
            end();
            controller.close();
            return;
          }
          pieces++;
          controller.enqueue(bytes.encode(next));
        },
        cancel: end,
      }, { highWaterMark: 0 });
    },
  };
}
