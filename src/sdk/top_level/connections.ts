/**
 * Settings of connections under the official clients' names, with their arguments, on the client that the environment describes or
 * {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official clients, all of them: an error status is an error (WindmillApiError with status and
 * body), a missing workspace or token is a ConfigurationError before any request, `""` in the environment is unset, and calls
 * have time limits, repetition where it is safe, and signals. `$res:path` and `res://path` name a resource too.
 *
 * @module
 */
import type { CallOptions } from "../../http/transport.ts";
import type {
  Boto3ConnectionSettings,
  DuckdbConnectionSettings,
  PolarsConnectionSettings,
  S3ConnectionSettings,
} from "../../wire/connections.ts";
import { readBoto3Settings, readDuckdbSettings, readPolarsSettings, readS3Settings } from "../connections.ts";
import { defaultClient } from "../default_client.ts";

/**
 * Reads the settings for a light client of S3. The official type lacks `port` and `token`, which the server sends.
 *
 * @param s3ResourcePath path of the S3 resource; the workspace's store when it is not given
 * @param workspace id of the workspace; the client's when it is not given
 */
export function denoS3LightClientSettings(
  s3ResourcePath?: string,
  workspace?: string,
  options?: CallOptions,
): Promise<S3ConnectionSettings> {
  const client = defaultClient();
  return readS3Settings(workspace === undefined ? client : { ...client, workspace }, s3ResourcePath, options);
}

/**
 * Reads statements with which DuckDB reaches an S3 store. The official TypeScript client has it as a service only.
 *
 * @param s3ResourcePath path of the S3 resource; the workspace's store when it is not given or `""`
 */
export function getDuckdbConnectionSettings(
  s3ResourcePath?: string,
  options?: CallOptions,
): Promise<DuckdbConnectionSettings> {
  return readDuckdbSettings(defaultClient(), s3ResourcePath, options);
}

/** Reads statements with which DuckDB reaches an S3 store: {@linkcode getDuckdbConnectionSettings} under its other name. */
export function duckdbConnectionSettings(
  s3ResourcePath?: string,
  options?: CallOptions,
): Promise<DuckdbConnectionSettings> {
  return getDuckdbConnectionSettings(s3ResourcePath, options);
}

/**
 * Reads options with which Polars and s3fs reach an S3 store. The official TypeScript client has it as a service only.
 *
 * @param s3ResourcePath path of the S3 resource; the workspace's store when it is not given or `""`
 */
export function getPolarsConnectionSettings(
  s3ResourcePath?: string,
  options?: CallOptions,
): Promise<PolarsConnectionSettings> {
  return readPolarsSettings(defaultClient(), s3ResourcePath, options);
}

/** Reads options with which Polars reaches an S3 store: {@linkcode getPolarsConnectionSettings} under its other name. */
export function polarsConnectionSettings(
  s3ResourcePath?: string,
  options?: CallOptions,
): Promise<PolarsConnectionSettings> {
  return getPolarsConnectionSettings(s3ResourcePath, options);
}

/**
 * Reads arguments with which boto3 reaches an S3 store. The official TypeScript client has no such function; this is the Python
 * client's, which fails where the resource has no keys.
 *
 * @param s3ResourcePath path of the S3 resource; the workspace's store when it is not given or `""`
 */
export function getBoto3ConnectionSettings(
  s3ResourcePath?: string,
  options?: CallOptions,
): Promise<Boto3ConnectionSettings> {
  return readBoto3Settings(defaultClient(), s3ResourcePath, options);
}

/** Reads arguments with which boto3 reaches an S3 store: {@linkcode getBoto3ConnectionSettings} under its other name. */
export function boto3ConnectionSettings(
  s3ResourcePath?: string,
  options?: CallOptions,
): Promise<Boto3ConnectionSettings> {
  return getBoto3ConnectionSettings(s3ResourcePath, options);
}
