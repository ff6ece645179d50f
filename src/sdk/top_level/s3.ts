/**
 * S3 objects under the official clients' names, with their arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official clients, all of them: an error status is an error (WindmillApiError with status and
 * body), keys are encoded, a storage that is null or `""` is the default one, a missing workspace or token is a ConfigurationError
 * before any request, `""` in the environment is unset, and calls have time limits, repetition where it is safe, and signals.
 * Time limits count silence: a transfer that goes on is never ended. `$res:path` and `res://path` name a resource too.
 *
 * @module
 */
import type { S3Object, S3ObjectRecord } from "../../wire/s3.ts";
import type { ClientOptions } from "../connection.ts";
import { defaultClient } from "../default_client.ts";
import { deleteObject, type S3DeleteOptions } from "../s3.ts";
import { downloadObject, type S3Download, type S3DownloadOptions } from "../s3_download.ts";
import { parseObject } from "../s3_object.ts";
import { presignObjects, type S3PresignOptions, type S3SignOptions, signObjects } from "../s3_public.ts";
import { type S3Content, type S3UploadOptions, uploadObject } from "../s3_upload.ts";

/** The client of a call, in another workspace if one is given. */
function clientIn(workspace: string | undefined): ClientOptions {
  return { ...defaultClient(), ...(workspace && { workspace }) };
}

/**
 * Gives the record of an S3 object.
 *
 * @param s3Object `s3://storage/key`, `s3:///key` for the default storage, or a record
 * @returns a record, without a storage that means the default one; the official function gives a record back as it is
 * @throws TypeError when it has no key, is no such text, or is no record
 */
export function parseS3Object(s3Object: S3Object): S3ObjectRecord {
  return parseObject(s3Object);
}

/**
 * Opens an S3 object for reading. It resolves when the content begins: to a stream with the reading methods of a Blob, where the
 * official function holds all of the content in a Blob. Whoever needs a Blob itself, for a form say, calls `blob()`. It can be
 * read once; read it to its end, or give it up with `cancel()`.
 *
 * @param s3object the object
 * @param s3ResourcePath path of the S3 resource; the workspace's store when it is not given
 * @param workspace id of the workspace; the client's when it is not given
 * @param options a part of it, progress, signal
 *
 * @example Copy an object, in constant memory
 * ```ts
 * import { loadS3FileStream, setClient, writeS3File } from "@windkit/windmill-client";
 *
 * const stored = new Map<string | null, ArrayBuffer>([["a", new TextEncoder().encode("some content").buffer]]);
 * globalThis.fetch = async (url, init) => {
 *   const key = new URL(`${url}`).searchParams.get("file_key");
 *   if (init?.method !== "POST") return new Response(stored.get(key));
 *   stored.set(key, await new Response(init.body).arrayBuffer());
 *   return Response.json({ file_key: key });
 * };
 * setClient("secret", "https://windmill.example.com", "acme");
 *
 * await writeS3File("s3:///b", await loadS3FileStream("s3:///a"));
 * if (new TextDecoder().decode(stored.get("b")) !== "some content") throw new Error("not copied");
 * ```
 */
export function loadS3FileStream(
  s3object: S3Object,
  s3ResourcePath?: string,
  workspace?: string,
  options?: S3DownloadOptions,
): Promise<S3Download> {
  return downloadObject(clientIn(workspace), s3object, { resourcePath: s3ResourcePath, ...options });
}

/** Opens an S3 object for reading: {@linkcode loadS3FileStream} under the Python client's name. */
export function loadS3FileReader(
  s3object: S3Object,
  s3ResourcePath?: string,
  workspace?: string,
  options?: S3DownloadOptions,
): Promise<S3Download> {
  return loadS3FileStream(s3object, s3ResourcePath, workspace, options);
}

/**
 * Reads an S3 object whole. The official function copies it twice on the way.
 *
 * @param s3object the object
 * @param s3ResourcePath path of the S3 resource; the workspace's store when it is not given
 * @param workspace id of the workspace; the client's when it is not given
 * @param options a part of it, progress, signal
 */
export async function loadS3File(
  s3object: S3Object,
  s3ResourcePath?: string,
  workspace?: string,
  options?: S3DownloadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  return await (await loadS3FileStream(s3object, s3ResourcePath, workspace, options)).bytes();
}

/**
 * Writes an S3 object. Streams and async iterables are sent as they come, in constant memory. The official function stores the JSON
 * of anything but text and Blobs, and reports success.
 *
 * @param s3object the object; undefined lets the server make a key
 * @param fileContent text, bytes, a Blob, a stream or an async iterable
 * @param s3ResourcePath path of the S3 resource; the workspace's store when it is not given
 * @param contentType kind of the content; the Blob's own, or that of the key's ending, when it is not given
 * @param contentDisposition how browsers are to show it
 * @param workspace id of the workspace; the client's when it is not given
 * @param options progress, signal
 * @returns the object, with the key that it has
 * @throws TypeError for content that is none, and for a stream in a browser that sends none
 */
export function writeS3File(
  s3object: S3Object | null | undefined,
  fileContent: S3Content,
  s3ResourcePath?: string,
  contentType?: string,
  contentDisposition?: string,
  workspace?: string,
  options?: S3UploadOptions,
): Promise<S3ObjectRecord> {
  return uploadObject(clientIn(workspace), s3object, fileContent, {
    resourcePath: s3ResourcePath,
    contentType,
    contentDisposition,
    ...options,
  });
}

/**
 * Deletes an S3 object for good. The official function has no way to name an S3 resource: the options have.
 *
 * @param s3object the object
 * @param workspace id of the workspace; the client's when it is not given
 */
export function deleteS3File(s3object: S3Object, workspace?: string, options?: S3DeleteOptions): Promise<void> {
  return deleteObject(clientIn(workspace), s3object, options);
}

/** Deletes an S3 object for good: {@linkcode deleteS3File} with the name and the arguments of the Python client. */
export function deleteS3Object(s3object: S3Object, s3ResourcePath?: string, options?: S3DeleteOptions): Promise<void> {
  return deleteObject(defaultClient(), s3object, { resourcePath: s3ResourcePath, ...options });
}

/**
 * Signs S3 objects for whoever has no token, such as the viewers of a public app.
 *
 * @param options how long the signatures hold
 * @returns the objects with their signatures, in their order
 */
export function signS3Objects(s3objects: readonly S3Object[], options?: S3SignOptions): Promise<S3ObjectRecord[]> {
  return signObjects(defaultClient(), s3objects, options);
}

/** Signs one S3 object: {@linkcode signS3Objects}. */
export async function signS3Object(s3object: S3Object, options?: S3SignOptions): Promise<S3ObjectRecord> {
  const [signed] = await signS3Objects([s3object], options);
  return signed as S3ObjectRecord; // `as`: there are as many as were sent
}

/**
 * Makes public addresses of S3 objects. Those without a signature, or with one that ends within 30 s, are signed first, in one
 * request; the official function hands out addresses that hold no more. Keys are encoded, where the official function breaks at
 * spaces, `?` and `#`.
 *
 * @param options the public address of the instance, and how long new signatures hold
 * @throws RangeError for a key with `.` or `..` between slashes, which no address can hold
 * @throws ConfigurationError when no address of the instance is known; the official function then takes localhost
 */
export function getPresignedS3PublicUrls(
  s3Objects: readonly S3Object[],
  options?: S3PresignOptions,
): Promise<string[]> {
  return presignObjects(defaultClient(), s3Objects, options);
}

/** Makes the public address of one S3 object: {@linkcode getPresignedS3PublicUrls}. */
export async function getPresignedS3PublicUrl(s3Object: S3Object, options?: S3PresignOptions): Promise<string> {
  const [address] = await getPresignedS3PublicUrls([s3Object], options);
  return address as string; // `as`: there are as many as were given
}
