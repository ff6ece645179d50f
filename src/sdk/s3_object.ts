/**
 * S3 objects as arguments.
 *
 * @module
 */
import type { S3Object, S3ObjectRecord } from "../wire/s3.ts";

/** The record of an object, as a copy. A storage that is null or `""`, which mean the default one, is not in it. */
export function parseObject(object: S3Object): S3ObjectRecord {
  const uri = typeof object === "string";
  const record: Partial<Record<string, string | null>> = {
    ...(uri ? /^s3:\/\/(?<storage>[^/]*)\/(?<s3>[^]+)$/.exec(object)?.groups : object),
  };
  if (!record.storage) delete record.storage;
  // A lone surrogate would be sent as U+FFFD, which names another object.
  if (record.s3 && record.s3.isWellFormed?.()) return record as unknown as S3ObjectRecord; // `as`: it was just looked at
  throw new TypeError(
    `Expected "s3://storage/key" or { s3: "key" }, found ${JSON.stringify(record.s3 ?? object)}`,
  );
}
