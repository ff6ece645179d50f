/**
 * Files of object storages in memory.
 *
 * @module
 */

/** A file of the mock. */
export interface MockFile {
  /** Its content. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its content as text. */
  readonly text: () => string;
  /** Its content type. */
  readonly contentType: string;
  /** How a browser saves it, when that was said. */
  readonly contentDisposition: string | undefined;
  /** When it was written. */
  readonly modifiedAt: Date;
}

/** A file to begin with: content, or content and its type. */
export type MockContent =
  | string
  | Uint8Array
  | { readonly content: string | Uint8Array; readonly contentType?: string };

/** Files by name: the key for the workspace's default storage, `s3://storage/key` for others. */
export type S3Store = Map<string, MockFile>;

/** The name of a file in the store. */
export function fileName(storage: string | null | undefined, key: string): string {
  return storage === null || storage === undefined || storage === "" ? key : `s3://${storage}/${key}`;
}

/** Makes a file. */
export function makeFile(
  content: string | Uint8Array,
  contentType: string | null | undefined,
  modifiedAt: Date,
  contentDisposition?: string | null,
): MockFile {
  // A copy: whoever gave the bytes may write to them.
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content);
  return {
    bytes,
    text: () => new TextDecoder().decode(bytes),
    contentType: contentType ?? "application/octet-stream",
    contentDisposition: contentDisposition ?? undefined,
    modifiedAt,
  };
}
