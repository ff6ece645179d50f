/**
 * Signatures of S3 objects, and addresses for whoever has no token.
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { systemClock } from "../platform/network.ts";
import { readSigned, type S3Object, type S3ObjectRecord } from "../wire/s3.ts";
import { baseOf, type ClientOptions, inWorkspace, post, variable } from "./connection.ts";
import { parseObject } from "./s3_object.ts";

/** Options of signing objects. */
export interface S3SignOptions extends CallOptions {
  /** How long the signature holds, in seconds; the server keeps it between 60 and 604800. @default the server's 43200 */
  readonly expirySecs?: number;
}

/** Options of making public addresses. */
export interface S3PresignOptions extends S3SignOptions {
  /** Public address of the instance, without `/api`. @default the client's own if it was given, else `WM_BASE_URL`, else the client's */
  readonly baseUrl?: string;
}

/** A signature that ends sooner is made anew: whoever gets the address needs time to use it, and no two clocks are the same. */
const MARGIN_MS = 30_000;

/** Signs objects, in one request; the result is in their order. */
export async function signObjects(
  client: ClientOptions,
  objects: readonly S3Object[],
  options: S3SignOptions = {},
): Promise<S3ObjectRecord[]> {
  const { expirySecs } = options;
  if (expirySecs !== undefined && !(expirySecs > 0 && Number.isSafeInteger(expirySecs))) {
    throw new RangeError(
      `Cannot sign objects: 'expirySecs' must be a whole number > 0: current value is ${expirySecs}`,
    );
  }
  // An old signature means nothing to the server.
  const records = objects.map((object) => ({ ...parseObject(object), presigned: undefined }));
  if (records.length === 0) return [];
  const body = { s3_objects: records, expiry_secs: expirySecs };
  const call = { route: inWorkspace(client, "apps/sign_s3_objects"), body, idempotent: true };
  return readSigned(await post(client, call, options), records.length);
}

/** True for a signature that holds at a time; one without an end holds. Other programs write null or `""` for none. */
function holds({ presigned }: S3ObjectRecord, ms: number): boolean {
  return !!presigned && !(Number(new URLSearchParams(presigned).get("exp") ?? Infinity) * 1000 < ms);
}

/** Encodes a key for an address, in which slashes stay. */
function encodeKey(key: string): string {
  return key.split("/").map((segment) => {
    // Whoever reads an address resolves these, encoded too: it would be the address of another object.
    if (/^\.{1,2}$/.test(segment)) {
      throw new RangeError(`Cannot make an address of key ${JSON.stringify(key)}: it has "." or ".." between slashes`);
    }
    return encodeURIComponent(segment);
  }).join("/");
}

/**
 * Makes public addresses of objects. Those without a signature, or with one that ends within 30 s by the local clock, are signed in
 * one request, and what the server then says is taken as it is, whatever the local clock shows.
 */
export async function presignObjects(
  client: ClientOptions,
  objects: readonly S3Object[],
  options: S3PresignOptions = {},
): Promise<string[]> {
  const baseUrl = options.baseUrl ?? client.baseUrl ?? variable(client, "WM_BASE_URL");
  const base = baseOf({ ...client, ...(baseUrl === undefined ? {} : { baseUrl }) });
  const place = `${base}/api/${inWorkspace(client, "s3_proxy")}`;
  const records = objects.map(parseObject);
  // The addresses come first: a key that has none is an error before any request.
  const addresses = records.map(({ s3, storage }) =>
    `${place}/${storage ? encodeSegment(storage, "storage") : "_default_"}/${encodeKey(s3)}`
  );
  const soon = (client.clock ?? systemClock).now() + MARGIN_MS;
  const signed = await signObjects(client, records.filter((record) => !holds(record, soon)), options);
  let next = 0;
  return records.map((record, index) =>
    `${addresses[index]}?${holds(record, soon) ? record.presigned : signed[next++]?.presigned}`
  );
}
