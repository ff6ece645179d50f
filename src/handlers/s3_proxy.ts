/**
 * Objects of a workspace's storages for browsers: streams both ways, and shows nothing to whom it was not granted.
 *
 * @module
 */
import { hasCode } from "../base/errors.ts";
import { release } from "../http/body.ts";
import { open } from "../http/stream.ts";
import { systemClock, systemFetch } from "../platform/network.ts";
import { type ClientOptions, inWorkspace, prepare, queryOf } from "../sdk/connection.ts";
import { deleteObject } from "../sdk/s3.ts";
import { uploadObject } from "../sdk/s3_upload.ts";
import type { S3ObjectRecord } from "../wire/s3.ts";
import { answerOrError, errorAnswer, type ErrorReport, HandlerError, type HandlerErrorName } from "./_answer.ts";
import { type Connection, connectionOf, type Handler, type HandlerContext } from "./handler.ts";
import { type Addressed, addressOf, type AddressRules } from "./s3_proxy_address.ts";
import { askedHeaders, failedCondition, givenHeaders, type HeaderRules, isOtherState } from "./s3_proxy_headers.ts";

/** Options of {@linkcode s3Proxy}. */
export interface S3ProxyOptions extends Connection, ErrorReport, AddressRules, HeaderRules {
  /**
   * Decides whether a request may do to an object what its method says: `true`, `false`, or the response that it gets instead.
   * Then Windmill is asked with the client's own token.
   *
   * @default nobody may: only addresses with a signature are answered
   */
  readonly authorize?: (
    request: Request,
    object: S3ObjectRecord,
    context: HandlerContext,
  ) => boolean | Response | Promise<boolean | Response>;
  /**
   * Whether addresses with a signature of Windmill's (`presign`) are answered. Windmill checks it, and is asked without a token; such
   * a request is never one for `authorize`. Signatures are for reading.
   *
   * @default true
   */
  readonly signed?: boolean;
  /** Methods besides GET and HEAD; each needs `authorize`. @default none */
  readonly methods?: readonly ("PUT" | "DELETE")[];
  /** Longest object that is taken, in bytes. @default 104857600 */
  readonly maxBytes?: number;
  /** How long Windmill may keep silent, in milliseconds. @default the client's */
  readonly timeoutMs?: number;
}

function refuse(status: number, name: HandlerErrorName, message: string): Response {
  return errorAnswer(new HandlerError(status, name, message));
}

/** One request for one object. */
interface Asked extends Addressed {
  readonly request: Request;
  readonly client: ClientOptions;
  readonly options: S3ProxyOptions;
}

/** What Windmill is asked for an object. */
interface Source {
  readonly client: ClientOptions;
  readonly route: string;
  readonly query: string;
  /** True when Windmill decides, by the signature. */
  readonly signed: boolean;
}

/** A body that tells its length where the runtime takes it from nowhere else. */
function sized(body: ReadableStream<Uint8Array>, length: string | null): ReadableStream<Uint8Array> {
  const { FixedLengthStream: Fixed } = globalThis as {
    readonly FixedLengthStream?: new (length: number) => TransformStream<Uint8Array, Uint8Array>;
  };
  return Fixed !== undefined && length !== null ? body.pipeThrough(new Fixed(Number(length))) : body;
}

/** Reads an object. */
async function read({ request, object, options }: Asked, source: Source): Promise<Response> {
  const { client, route, query, signed } = source;
  const { fetch = systemFetch } = client;
  const isHead = request.method === "HEAD";
  const { range, ...headers } = askedHeaders(request.headers);
  const limits = options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs };
  let last: Response | undefined;
  // What is refused has headers that errors do not keep.
  const watched = { ...client, fetch: async (url: string, init: RequestInit) => last = await fetch(url, init) };

  async function ask(part: Record<string, string>): Promise<Response> {
    const call = { method: request.method, route, query, accept: "*/*" };
    const wire = prepare(watched, call, { ...limits, signal: request.signal, headers: { ...headers, ...part } });
    const { response, body } = await open(wire, (piece) => piece);
    const given = response.headers;
    // Windmill may not look at conditions: then they are looked at here.
    const failed = failedCondition(request.headers, given);
    const isPart = response.status === 206;
    if (failed !== undefined || isHead) release(body);
    if (failed !== undefined) return answer(failed, given);
    if (isHead) return answer(200, given);
    if (isPart && isOtherState(request.headers, given)) {
      release(body);
      return await ask({});
    }
    const shown = givenHeaders(given, object.s3, options);
    return new Response(sized(body, shown.get("content-length")), { status: isPart ? 206 : 200, headers: shown });
  }

  function answer(status: number, given: Headers): Response {
    const shown = givenHeaders(given, object.s3, options);
    if (!isHead || status !== 200) shown.delete("content-length");
    return new Response(null, { status, headers: shown });
  }

  try {
    return await ask(range === undefined || isHead ? {} : { range });
  } catch (error) {
    const { status = 0 } = Object(error) as { readonly status?: number }; // `as`: errors of the client have it as a number
    const given = last?.headers ?? new Headers();
    if (status === 304 || status === 412) return answer(status, given);
    if (status === 416) {
      const refused = refuse(416, "RangeError", "The object has no such part");
      const whole = given.get("content-range");
      if (whole !== null) refused.headers.set("content-range", whole);
      return refused;
    }
    if (signed && (status === 401 || status === 403)) {
      return refuse(401, "SignatureError", "The signature of the address is wrong, or its time is over");
    }
    throw error;
  }
}

/** Where the object of a request is read, or the response that says why not. */
async function sourceOf(asked: Asked, context: HandlerContext): Promise<Source | Response> {
  const { request, object, path, client, options } = asked;
  const { signed = true, authorize } = options;
  const query = new URL(request.url).searchParams;
  if (signed && query.has("sig") && /^(?:GET|HEAD)$/.test(request.method)) {
    const exp = query.get("exp") ?? "", sig = query.get("sig") ?? "";
    if (!/^\d{1,12}$/.test(exp) || !/^[\w.~-]{1,512}$/.test(sig)) {
      return refuse(401, "SignatureError", "The signature of the address is no signature");
    }
    if (Number(exp) * 1000 <= (client.clock ?? systemClock).now()) {
      return refuse(401, "SignatureError", "The time of the address is over");
    }
    // Nothing but the signature may open it.
    const headers = Object.entries(client.headers ?? {}).filter(([name]) => !/^(?:authorization|cookie)$/i.test(name));
    const anonymous = { ...client, token: null, headers: Object.fromEntries(headers) };
    return {
      client: anonymous,
      route: inWorkspace(anonymous, `s3_proxy/${path}`),
      query: queryOf({ exp, sig }),
      signed: true,
    };
  }
  const allowed = await authorize?.(request, object, context) ?? false;
  if (allowed instanceof Response) return allowed;
  if (allowed !== true) return refuse(401, "UnauthorizedError", "This object is not open to whoever asks");
  return {
    client,
    route: inWorkspace(client, "job_helpers/download_s3_file"),
    query: queryOf({ file_key: object.s3, storage: object.storage }),
    signed: false,
  };
}

function tooLarge(maxBytes: number): HandlerError {
  return new HandlerError(413, "PayloadTooLargeError", `An object has at most ${maxBytes} bytes`);
}

/** Writes an object as it comes. */
async function write({ request, object, client, options }: Asked): Promise<Response> {
  const { maxBytes = 104_857_600, timeoutMs } = options;
  const { headers, body } = request;
  for (const name of ["content-range", "content-encoding", "if-match", "if-none-match", "if-unmodified-since"]) {
    // What cannot be promised is refused: a part, or what is packed, would be stored as the object.
    if (headers.has(name)) return refuse(400, "InputError", `An object is written whole: "${name}" is not supported`);
  }
  if (Number(headers.get("content-length")) > maxBytes) throw tooLarge(maxBytes);
  let length = 0;
  const counted = body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        length += piece.length;
        if (length > maxBytes) throw tooLarge(maxBytes);
        controller.enqueue(piece);
      },
    }),
  );
  const record = await uploadObject(client, object, counted ?? new Uint8Array(), {
    signal: request.signal,
    contentType: headers.get("content-type") ?? undefined,
    contentDisposition: headers.get("content-disposition") ?? undefined,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return Response.json(record);
}

/** What went wrong on the way to Windmill, as what it means for an object. */
function meaningOf(error: unknown, request: Request): unknown {
  if (request.signal.aborted) {
    return new HandlerError(499, "ClientClosedRequestError", "Whoever asked has left", undefined, { cause: error });
  }
  const { status } = Object(error) as { readonly status?: unknown }; // `as`: if it has one
  if (hasCode(error, "WINDMILL_API") && status === 404) {
    return new HandlerError(404, "NotFoundError", "There is no such object", undefined, { cause: error });
  }
  if (hasCode(error, "DEADLINE_EXCEEDED")) {
    return new HandlerError(504, "DeadlineError", "Windmill did not answer in time", undefined, { cause: error });
  }
  return error;
}

/**
 * Makes a handler that serves objects of a workspace's storages: GET and HEAD, with ranges and conditions as far as Windmill and the
 * storage give them, and PUT and DELETE if `methods` says so. Content streams both ways and is never held whole.
 *
 * An address with a signature (`client.s3.presign(object, { baseUrl })` with this handler's origin) is checked by Windmill. For
 * all others `authorize` decides; without it they are refused.
 *
 * @example One folder of the default storage, for whoever has a session
 * ```ts
 * import { s3Proxy } from "@windkit/windmill-client/handlers";
 *
 * const files = s3Proxy({
 *   basePath: "/files",
 *   storage: "",
 *   prefix: "public/",
 *   client: { baseUrl: "https://windmill.example", workspace: "acme", token: "secret" },
 *   authorize: (request) => request.headers.get("cookie")?.includes("session=") ?? false,
 * });
 * const response = await files(new Request("https://edge.example/files/report.pdf"));
 * if (response.status !== 401) throw new Error(`Expected 401, found ${response.status}`);
 * ```
 */
export function s3Proxy(options: S3ProxyOptions = {}): Handler {
  const { methods = [], authorize } = options;
  const allowed = ["GET", "HEAD", ...methods];
  if (methods.length > 0 && authorize === undefined) {
    throw new TypeError(`Cannot allow ${methods.join(", ")}: expected 'authorize', which decides who may`);
  }
  return (request, context = {}) =>
    answerOrError(request, options, async () => {
      const addressed = addressOf(new URL(request.url).pathname, options);
      if (addressed === undefined) return refuse(404, "NotFoundError", "The address names no object");
      if (typeof addressed === "string") return refuse(400, "InputError", addressed);
      if (!allowed.includes(request.method)) {
        const allow = allowed.join(", ");
        const refused = refuse(405, "MethodNotAllowedError", `Expected ${allow}, found ${request.method}`);
        refused.headers.set("allow", allow);
        return refused;
      }
      try {
        const client = await connectionOf(options, request, context);
        const asked = { ...addressed, request, client, options };
        const source = await sourceOf(asked, context);
        if (source instanceof Response) return source;
        if (request.method === "PUT") return await write(asked);
        if (request.method !== "DELETE") return await read(asked, source);
        await deleteObject(client, addressed.object, { signal: request.signal });
        return new Response(null, { status: 204 });
      } catch (error) {
        throw meaningOf(error, request);
      }
    });
}
