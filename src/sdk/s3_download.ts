/**
 * Reading of S3 objects.
 *
 * @module
 */
import { release } from "../http/body.ts";
import { open } from "../http/stream.ts";
import type { CallOptions } from "../http/transport.ts";
import { apiError } from "../wire/answer.ts";
import type { S3Object } from "../wire/s3.ts";
import { resourcePathOf } from "./_resource_path.ts";
import { type ClientOptions, inWorkspace, prepare, queryOf } from "./connection.ts";
import { parseObject } from "./s3_object.ts";

/** A part of an object, as in `slice`. */
export interface S3Range {
  /** Position of the first byte. */
  readonly start: number;
  /** Position behind the last byte. @default the object's end */
  readonly end?: number;
}

/** Options of reading an object. */
export interface S3DownloadOptions extends CallOptions {
  /**
   * Only this part of it. A server that sends all of it nevertheless is read up to the part's end, and what comes before the part is
   * left out here: correct, but no faster.
   */
  readonly range?: S3Range;
  /** Path of the S3 resource; may begin with `$res:` or `res://`. @default the workspace's */
  readonly resourcePath?: string | undefined;
  /** Type of that resource. @default the server's "s3" */
  readonly resourceType?: string;
  /** Is told with each piece how many bytes were read so far, and how many there are if that is known. */
  readonly onProgress?: (read: number, size: number | undefined) => void;
  /**
   * How long the answer may take to begin, with repetitions, and then how long the server may send nothing while somebody reads, in
   * milliseconds. A download as a whole has no limit. @default the client's
   */
  readonly timeoutMs?: number;
}

/**
 * The content of an object: a stream, with methods that read it whole. It can be read once, one way or the other; what is not read
 * to its end should be given up with `cancel()`, which closes the connection.
 */
export interface S3Download extends ReadableStream<Uint8Array<ArrayBuffer>> {
  /** Kind of the content; `""` when the server says none. */
  readonly type: string;
  /** How many bytes there are; undefined when the server does not say. */
  readonly size: number | undefined;
  /** Headers of the answer. */
  readonly headers: Headers;
  /** Gives the stream itself, as a Blob does. */
  readonly stream: () => ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Reads all of it as text of UTF-8. */
  readonly text: () => Promise<string>;
  /** Reads all of it as JSON. The type is the caller's word: nothing checks it. */
  readonly json: <T = unknown>() => Promise<T>;
  /** Reads all of it as bytes. */
  readonly bytes: () => Promise<Uint8Array<ArrayBuffer>>;
  /** Reads all of it as a buffer. */
  readonly arrayBuffer: () => Promise<ArrayBuffer>;
  /** Reads all of it as a Blob. */
  readonly blob: () => Promise<Blob>;
}

/** Opens an object for reading: resolves when its content begins. */
export async function downloadObject(
  client: ClientOptions,
  object: S3Object,
  options: S3DownloadOptions = {},
): Promise<S3Download> {
  const { range, resourcePath, resourceType, onProgress } = options;
  const { s3, storage } = parseObject(object);
  const { start = 0, end = Infinity } = range ?? {};
  if (!(start >= 0 && start < end && Number.isInteger(start) && (end === Infinity || Number.isInteger(end)))) {
    throw new RangeError(`Expected a range of whole numbers with 0 <= start < end, found ${start} to ${end}`);
  }
  const query = queryOf({
    file_key: s3,
    s3_resource_path: resourcePathOf(resourcePath),
    resource_type: resourceType,
    storage,
  });
  const call = { route: inWorkspace(client, "job_helpers/download_s3_file"), query, accept: "*/*" };
  const part: Record<string, string> = range === undefined
    ? {}
    : { range: `bytes=${start}-${end === Infinity ? "" : end - 1}` };
  const request = prepare(client, call, { ...options, headers: { ...options.headers, ...part } });

  // Where the next piece is in the object, and what was handed on so far.
  let at = 0, read = 0, size: number | undefined;
  const { response, body } = await open(request, (piece) => {
    if (piece === undefined) {
      if (start > 0 && at <= start) throw fail(416, `the object has ${at} bytes only`);
      return undefined;
    }
    const from = Math.max(start - at, 0), to = end - at;
    at += piece.length;
    if (to <= 0) return undefined;
    const wanted = piece.subarray(from, to);
    read += wanted.length;
    if (wanted.length > 0) onProgress?.(read, size);
    return wanted;
  });

  function fail(status: number, words: string): Error {
    release(body);
    return apiError(request, status, words);
  }

  const { status, headers } = response;
  // A server that knows no ranges answers 200 with all of the object: what was asked for is cut out here.
  if (status !== 200) at = Number(/^bytes (\d+)-/.exec(headers.get("content-range") ?? "")?.[1]);
  if (!(at <= start)) throw fail(status, "expected the object, found something else");
  const length = headers.get("content-encoding") === null ? headers.get("content-length") : null;
  if (length !== null) size = Math.max(0, Math.min(end, at + Number(length)) - start);
  const type = headers.get("content-type") ?? "";

  function whole(): Response {
    return new Response(body);
  }

  return Object.assign(body, {
    type,
    size,
    headers,
    stream: () => body,
    text: () => whole().text(),
    json: () => whole().json(),
    bytes: async () => new Uint8Array(await whole().arrayBuffer()),
    arrayBuffer: () => whole().arrayBuffer(),
    // Bun forgets the kind that a Response says.
    blob: async () => (await whole().blob()).slice(0, undefined, type),
    // Blobs and forms make the text "[object ReadableStream]" of what they do not know, and store that.
    toString(): never {
      throw new TypeError("Expected text() or blob(): an S3 download is a stream");
    },
  });
}
