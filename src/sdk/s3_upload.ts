/**
 * Writing of S3 objects.
 *
 * @module
 */
import { type Pieces, sendPieces } from "../http/stream.ts";
import { type CallOptions, send } from "../http/transport.ts";
import { readFileKey, type S3Object, type S3ObjectRecord } from "../wire/s3.ts";
import { resourcePathOf } from "./_resource_path.ts";
import { type ClientOptions, inWorkspace, prepare, queryOf } from "./connection.ts";
import { contentTypeOf } from "./s3_content_type.ts";
import { parseObject } from "./s3_object.ts";

/**
 * Content of an object. What comes in pieces, the last two, is sent as it comes, whatever its length. Memory that threads share is
 * refused: a copy of it is not.
 */
export type S3Content =
  | string
  | ArrayBuffer
  | ArrayBufferView
  | Blob
  | ReadableStream<Uint8Array | string>
  | AsyncIterable<Uint8Array | string>;

/** Options of writing an object. */
export interface S3UploadOptions extends CallOptions {
  /** Kind of the content. @default the Blob's own, else by the ending of the key, else `text/plain` for a string */
  readonly contentType?: string | undefined;
  /** How browsers are to show it, such as `attachment; filename="report.pdf"`. */
  readonly contentDisposition?: string | undefined;
  /** Ending of the key that the server makes when no object is given, without a dot. */
  readonly fileExtension?: string;
  /** Path of the S3 resource; may begin with `$res:` or `res://`. @default the workspace's */
  readonly resourcePath?: string | undefined;
  /** Type of that resource. @default the server's "s3" */
  readonly resourceType?: string;
  /** Is told how many bytes were sent so far: with each piece, or once at the end when the content is whole. */
  readonly onProgress?: (sent: number) => void;
  /**
   * How long the server may take no piece, or give no answer, in milliseconds; for content that is whole, how long it may take with
   * all repetitions, because nothing tells how far it is. @default the client's, and one more for each 16 bytes of whole content
   */
  readonly timeoutMs?: number;
}

/**
 * Writes an object. Content in pieces is never held whole, and is sent once. Content that is whole is sent again after a failure
 * that passes, if there is a key: a server that makes one would make two objects.
 */
export async function uploadObject(
  client: ClientOptions,
  object: S3Object | null | undefined,
  content: S3Content,
  options: S3UploadOptions = {},
): Promise<S3ObjectRecord> {
  const { fileExtension, onProgress } = options;
  const { s3: key, storage }: Partial<S3ObjectRecord> = object === undefined || object === null
    ? {}
    : parseObject(object);
  const text = typeof content === "string";
  // `as`: the kinds of content have some of these; Object lets anything else have none.
  const whole = Object(text ? new TextEncoder().encode(content) : content) as Partial<
    Blob & ArrayBuffer & ArrayBufferView & Pieces
  >;
  // Of all that may have a size, a download and a Map too, a Blob alone can be cut.
  const { size, type, slice, buffer = whole, byteLength = slice && size } = whole;
  // Node sends memory that threads share, which can grow, as text: it is refused below, for it comes in no pieces.
  const length = "grow" in buffer ? undefined : byteLength;
  const request = prepare(client, {
    method: "POST",
    route: inWorkspace(client, "job_helpers/upload_s3_file"),
    query: queryOf({
      file_key: key,
      file_extension: fileExtension,
      s3_resource_path: resourcePathOf(options.resourcePath),
      resource_type: options.resourceType,
      storage,
      content_type: options.contentType ?? (type || contentTypeOf(key ?? `.${fileExtension}`)) ??
        (text ? "text/plain" : null),
      content_disposition: options.contentDisposition,
    }),
    idempotent: !!key,
  }, {
    // Nothing tells how far content is that is whole: it has time for 16 kB/s.
    timeoutMs: (client.timeoutMs ?? 120_000) + (length ?? 0) / 16,
    ...options,
    headers: { ...options.headers, "content-type": "application/octet-stream" },
  });
  const answer = length === undefined
    ? await sendPieces(request, whole, onProgress)
    : await send({ ...request, init: { ...request.init, body: whole as Blob } }); // `as`: it has a length
  if (length !== undefined) onProgress?.(length);
  return { s3: readFileKey(answer), ...(storage && { storage }) };
}
