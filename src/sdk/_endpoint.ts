/**
 * A call of any endpoint: parameters put where they belong, and an answer read as what it says it is.
 *
 * @module
 */
import { encodePath, encodeSegment } from "../base/url.ts";
import { release } from "../http/body.ts";
import { readEvents } from "../http/events.ts";
import { type CallOptions, exchange } from "../http/transport.ts";
import { apiError, type FailedRequest, readJson, unreadable } from "../wire/answer.ts";
import { ACTS } from "./_acts.ts";
import { type ClientOptions, prepare, withBody, workspaceOf } from "./connection.ts";

/** What goes into a call. */
export interface EndpointInput {
  /** Parameters of the address, by name. */
  readonly path?: Readonly<Record<string, unknown>>;
  /** Parameters of the query, by name. */
  readonly query?: Readonly<Record<string, unknown>>;
  /** Bytes and forms are sent as they are, everything else as JSON. */
  readonly body?: unknown;
}

/** Makes something of a response of status 200 to 299. */
export type ReadResponse = (
  response: Response,
  request: FailedRequest,
  signal: AbortSignal | undefined,
) => Promise<unknown>;

/** How much text one event may have: the last one of a job has its result. */
const EVENT_LIMIT = 67_108_864;

/** Endpoints that are asked to do something with GET, and answer nothing. */
const SILENT = /_healthcheck$|\/(slack|teams)_approval\//;

/** Bytes, streams and forms by their tag: a realm may have classes of its own. */
const BYTES = /Blob|File|Form|Stream|Buffer|\dA|\dC|View/;

/** Calls an endpoint. `template` is its address below `/api` with parameters in braces, of which the workspace may be left out. */
export async function callEndpoint(
  client: ClientOptions,
  method: string,
  template: string,
  { path = {}, query = {}, body }: EndpointInput,
  options: CallOptions = {},
  read: ReadResponse = readData,
): Promise<unknown> {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) addToQuery(search, name, value);
  const route = template.replace(/^\//, "").replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = path[name] ?? (name === "workspace" ? workspaceOf(client) : undefined);
    if (value === undefined) throw new TypeError(`Cannot call ${method} ${template}: expected parameter '${name}'`);
    const text = typeof value === "number" || typeof value === "bigint" ? `${value}` : value;
    // `as` -- what is no text is refused there
    return (name.endsWith("path") ? encodePath : encodeSegment)(text as string, `parameter '${name}'`);
  });
  const once = ACTS.test(template) && { idempotent: false };
  let wire = prepare(client, { method, route, query: `${search}`, ...once }, options);
  const tag = Object.prototype.toString.call(body);
  // `as` below: the tag says that these are bytes, or a form
  if (tag.includes("Form")) wire = { ...wire, init: { ...wire.init, body: body as FormData } };
  // Text is JSON as other values are, but where a file is sent.
  else if (BYTES.test(tag) || (typeof body === "string" && template.includes("/upload_"))) {
    const { type } = Object(body) as { readonly type?: string };
    wire = withBody(wire, body as Blob, type ? type : "application/octet-stream");
    // A stream is there once.
    if (tag.includes("Stream")) wire = { ...wire, idempotent: false, init: { ...wire.init, ...{ duplex: "half" } } };
  } else if (body !== undefined) wire = withBody(wire, JSON.stringify(body), "application/json");
  return await exchange(wire, (response) => read(response, wire, options.signal));
}

/** Puts a parameter into the query; each item of a list repeats its name. */
function addToQuery(search: URLSearchParams, name: string, value: unknown): void {
  if (Array.isArray(value)) { for (const item of value) addToQuery(search, name, item); }
  else if (value instanceof Date) search.append(name, value.toISOString());
  else if (typeof value === "object" && value !== null) {
    throw new TypeError(
      `Cannot put '${name}' into a query: expected text, a number, a boolean or a list, found an object`,
    );
  } else if (value !== undefined && value !== null) search.append(name, `${value}`);
}

/** The response itself; the signal of the call ends its body too. */
export function keepResponse(
  response: Response,
  _request: FailedRequest,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const { body } = response;
  return Promise.resolve(signal && body ? new Response(endedBy(signal, body), response) : response);
}

/** A body that a signal ends, also while nothing comes: a pipe with a signal waits for the next piece in workerd. */
function endedBy(signal: AbortSignal, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      const stop = (): void => {
        controller.error(signal.reason);
        release(reader);
      };
      const forget = (): void => signal.removeEventListener("abort", stop);
      reader.closed.then(forget, forget);
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    },
    pull: async (controller) => {
      const { done, value } = await reader.read();
      // Whoever stopped it has closed it.
      if (signal.aborted) return;
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** What the response says that it is: JSON as its value, text as text, events one by one, other things as a stream. */
export async function readData(
  response: Response,
  request: FailedRequest,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const { status, headers } = response;
  const { shown } = request;
  const type = headers.get("content-type") ?? "";
  if (type.includes("event-stream")) return readEach(await keepResponse(response, request, signal), request, signal);
  if (type !== "" && !/json|^text\/|xml|yaml|javascript/.test(type)) {
    return (await keepResponse(response, request, signal)).body ?? new Blob().stream();
  }
  const text = await response.text();
  if (status === 204 || status === 205) return undefined;
  // What has neither body nor type is no answer. Whoever asks for something wants to get it.
  if (text === "" && type === "" && (shown.method !== "GET" || SILENT.test(shown.url))) return undefined;
  const answer = { request, response, text };
  if (type.startsWith("text/html")) throw unreadable(answer, "data", "HTML");
  // What does not say what it is may be JSON or text, and text does not begin like JSON.
  return /[/+]json/.test(type) || (type === "" && /^\s*([[{"]|$)/.test(text)) ? readJson(answer, "JSON") : text;
}

/** The data of each event. */
async function* readEach(
  response: Response,
  request: FailedRequest,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void> {
  try {
    yield* readEvents(response, EVENT_LIMIT);
  } catch (error) {
    signal?.throwIfAborted();
    throw apiError(request, 0, `the stream of events broke: ${error}`, "", error);
  }
}
