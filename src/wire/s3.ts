/**
 * S3 objects, what the server says of them, and settings of connections to their store.
 *
 * @module
 */
import { type Answer, isRecord, readJson, readList, readRecord, unreadable } from "./answer.ts";

/** An S3 object as a URI: `s3://storage/key`, or `s3:///key` for the workspace's default storage. */
export type S3ObjectURI = `s3://${string}/${string}`;

/** An S3 object as a record. */
export interface S3ObjectRecord {
  /** Its key. */
  readonly s3: string;
  /** Name of its storage; null, `""` and absent mean the workspace's default one. */
  readonly storage?: string | null;
  /** Signature for whoever has no token: a query such as `exp=1767225600&sig=12ab`. */
  readonly presigned?: string;
  /** Name of the file that it was made from. */
  readonly filename?: string;
}

/** An S3 object, as scripts take and give it. */
export type S3Object = S3ObjectURI | S3ObjectRecord;

/** What the server knows of an object. */
export interface S3Metadata {
  /** Kind of its content. */
  readonly mime_type?: string | null;
  /** Its size. */
  readonly size_in_bytes?: number | null;
  /** When it was last written, RFC 3339. */
  readonly last_modified?: string | null;
  /** When it expires, RFC 3339. */
  readonly expires?: string | null;
  /** Its version, in a bucket that keeps versions. */
  readonly version_id?: string | null;
  /** The other fields, by the server's names. */
  readonly [field: string]: unknown;
}

/** One page of a list of objects. */
export interface S3Page {
  /** The objects, with their storage. */
  readonly objects: readonly S3ObjectRecord[];
  /** Where the next page begins; undefined for the last one. */
  readonly nextMarker: string | undefined;
  /** True when the instance does not let the caller see all objects. */
  readonly restricted: boolean;
}

/** Decodes the answer to an upload: the key of the object. */
export function readFileKey(answer: Answer): string {
  return readJson(
    answer,
    "a 'file_key'",
    (value): value is { readonly file_key: string } =>
      typeof (value as { readonly file_key?: unknown } | null)?.file_key === "string",
  ).file_key;
}

/** Decodes signed objects, as many as were sent. */
export function readSigned(answer: Answer, count: number): S3ObjectRecord[] {
  const list = readList(
    answer,
    ({ s3, storage, presigned, ...rest }) =>
      typeof s3 === "string" && typeof presigned === "string"
        ? { ...rest, s3, ...(typeof storage === "string" ? { storage } : {}), presigned }
        : undefined,
    "signed objects",
  );
  if (list.length !== count) throw unreadable(answer, `${count} signed objects`, `${list.length}`);
  return list;
}

/** Decodes a page of objects of a storage, which began at a marker. */
export function readPage(answer: Answer, storage: string | undefined, begin: string | undefined): S3Page {
  const expected = "a page of objects";
  const { windmill_large_files: files, next_marker: marker, restricted_access: restricted } = readRecord(
    answer,
    expected,
  );
  if (!Array.isArray(files)) throw unreadable(answer, expected, "no 'windmill_large_files'");
  const objects = files.map((file: unknown, index): S3ObjectRecord => {
    const s3 = isRecord(file) ? file.s3 : undefined;
    if (typeof s3 !== "string") throw unreadable(answer, expected, `something else at index ${index}`);
    return storage === undefined ? { s3 } : { s3, storage };
  });
  const nextMarker = typeof marker === "string" && marker !== "" ? marker : undefined;
  // Who asks for the next page would get this one for ever.
  if (nextMarker !== undefined && nextMarker === begin) throw unreadable(answer, "another marker", "that of this page");
  return { objects, nextMarker, restricted: restricted === true };
}

/** Decodes what is known of an object. */
export function readMetadata(answer: Answer): S3Metadata {
  return readRecord(answer, "metadata of an object") as S3Metadata;
}
