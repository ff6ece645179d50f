/**
 * S3 objects of a workspace's storages.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import { readDone } from "../wire/plain.ts";
import {
  readMetadata,
  readPage,
  type S3Metadata,
  type S3Object,
  type S3ObjectRecord,
  type S3Page,
} from "../wire/s3.ts";
import { resourcePathOf } from "./_resource_path.ts";
import { type ClientOptions, inWorkspace, queryOf, request } from "./connection.ts";
import { downloadObject, type S3Download, type S3DownloadOptions } from "./s3_download.ts";
import { parseObject } from "./s3_object.ts";
import { presignObjects, type S3PresignOptions, type S3SignOptions, signObjects } from "./s3_public.ts";
import { type S3Content, type S3UploadOptions, uploadObject } from "./s3_upload.ts";

/** Options of deleting an object. */
export interface S3DeleteOptions extends CallOptions {
  /** Path of the S3 resource; may begin with `$res:` or `res://`. @default the workspace's */
  readonly resourcePath?: string | undefined;
}

/** What a list of objects is narrowed to. */
export interface S3Filter extends CallOptions {
  /** Only objects whose key begins so. */
  readonly prefix?: string;
  /** Name of the storage. @default the workspace's default one */
  readonly storage?: string;
  /** How many there are in a page, at most. @default 1000 */
  readonly perPage?: number;
}

/** Options of reading one page of objects. */
export interface S3ListOptions extends S3Filter {
  /** Where the page begins: `nextMarker` of the one before. @default the beginning */
  readonly marker?: string;
}

/** Deletes an object for good. */
export async function deleteObject(
  client: ClientOptions,
  object: S3Object,
  options: S3DeleteOptions = {},
): Promise<void> {
  const { s3, storage } = parseObject(object);
  const query = queryOf({ file_key: s3, s3_resource_path: resourcePathOf(options.resourcePath), storage });
  const route = inWorkspace(client, "job_helpers/delete_s3_file");
  readDone(await request(client, { method: "DELETE", route, query }, options));
}

/** Reads what is known of an object, but not its content. */
async function readObjectMetadata(
  client: ClientOptions,
  object: S3Object,
  options?: CallOptions,
): Promise<S3Metadata> {
  const { s3, storage } = parseObject(object);
  const query = queryOf({ file_key: s3, storage });
  return readMetadata(
    await request(client, { route: inWorkspace(client, "job_helpers/load_file_metadata"), query }, options),
  );
}

/** Moves an object to another key of its storage. */
async function moveObject(
  client: ClientOptions,
  from: S3Object,
  to: S3Object,
  options?: CallOptions,
): Promise<S3ObjectRecord> {
  const { s3, storage } = parseObject(from), target = parseObject(to);
  if (target.storage !== storage) {
    throw new TypeError(
      `Cannot move ${JSON.stringify(s3)} from storage "${storage ?? ""}" to "${
        target.storage ?? ""
      }": expected the same storage`,
    );
  }
  const query = queryOf({ src_file_key: s3, dest_file_key: target.s3, storage });
  // A GET by name only: made again after it was done, it fails.
  const call = { route: inWorkspace(client, "job_helpers/move_s3_file"), query, idempotent: false };
  readDone(await request(client, call, options));
  return storage === undefined ? { s3: target.s3 } : { s3: target.s3, storage };
}

/** Reads one page of objects, by key. */
async function readObjectPage(client: ClientOptions, options: S3ListOptions = {}): Promise<S3Page> {
  const { prefix, storage, perPage = 1000, marker } = options;
  if (!(perPage >= 1 && Number.isSafeInteger(perPage))) {
    throw new RangeError(`Cannot list objects: 'perPage' must be a whole number >= 1: current value is ${perPage}`);
  }
  const query = queryOf({ max_keys: perPage, marker, prefix, storage: storage || undefined });
  const answer = await request(client, { route: inWorkspace(client, "job_helpers/list_stored_files"), query }, options);
  return readPage(answer, storage || undefined, marker);
}

/** Reads all objects, page by page, as the loop over them goes on. */
async function* readAllObjects(
  client: ClientOptions,
  options: S3Filter = {},
): AsyncGenerator<S3ObjectRecord, void> {
  let page = await readObjectPage(client, options);
  for (;;) {
    yield* page.objects;
    if (page.nextMarker === undefined) return;
    page = await readObjectPage(client, { ...options, marker: page.nextMarker });
  }
}

/** S3 objects. An object is written as `s3://storage/key`, `s3:///key` or `{ s3: key, storage }`. */
export interface S3Group {
  /** Opens an object for reading: a stream, with methods that read it whole. */
  readonly download: (object: S3Object, options?: S3DownloadOptions) => Promise<S3Download>;
  /**
   * Writes an object: text, bytes, a Blob, a stream or an async iterable. Without an object the server makes a key.
   * Streams are sent as they come, in constant memory.
   */
  readonly upload: (
    object: S3Object | null | undefined,
    content: S3Content,
    options?: S3UploadOptions,
  ) => Promise<S3ObjectRecord>;
  /** Deletes an object for good. */
  readonly delete: (object: S3Object, options?: S3DeleteOptions) => Promise<void>;
  /** Reads what is known of an object, but not its content. */
  readonly metadata: (object: S3Object, options?: CallOptions) => Promise<S3Metadata>;
  /** Moves an object to another key of its storage. */
  readonly move: (from: S3Object, to: S3Object, options?: CallOptions) => Promise<S3ObjectRecord>;
  /** Reads one page of objects, by key. */
  readonly list: (options?: S3ListOptions) => Promise<S3Page>;
  /** Reads all objects, a page at a time, as the loop over them goes on. */
  readonly listAll: (options?: S3Filter) => AsyncGenerator<S3ObjectRecord, void>;
  /** Signs an object for whoever has no token. */
  readonly sign: (object: S3Object, options?: S3SignOptions) => Promise<S3ObjectRecord>;
  /** Signs objects, in one request; the result is in their order. */
  readonly signAll: (objects: readonly S3Object[], options?: S3SignOptions) => Promise<S3ObjectRecord[]>;
  /** Makes the public address of an object, and signs it first unless it has a signature that holds. */
  readonly presign: (object: S3Object, options?: S3PresignOptions) => Promise<string>;
  /** Makes public addresses of objects; those without a signature that holds are signed, in one request. */
  readonly presignAll: (objects: readonly S3Object[], options?: S3PresignOptions) => Promise<string[]>;
}

/** The functions of this group for one client. */
export function s3Group(c: ClientOptions): S3Group {
  return {
    download: (object, o) => downloadObject(c, object, o),
    upload: (object, content, o) => uploadObject(c, object, content, o),
    delete: (object, o) => deleteObject(c, object, o),
    metadata: (object, o) => readObjectMetadata(c, object, o),
    move: (from, to, o) => moveObject(c, from, to, o),
    list: (o) => readObjectPage(c, o),
    listAll: (o) => readAllObjects(c, o),
    sign: async (object, o) => (await signObjects(c, [object], o))[0] as S3ObjectRecord, // `as`: as many as were sent
    signAll: (objects, o) => signObjects(c, objects, o),
    presign: async (object, o) => (await presignObjects(c, [object], o))[0] as string, // `as`: as many as were given
    presignAll: (objects, o) => presignObjects(c, objects, o),
  };
}
