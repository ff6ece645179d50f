/**
 * Settings with which other programs reach the S3 store of a workspace, or of an S3 resource. They hold secrets.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import type { Answer } from "../wire/answer.ts";
import {
  type Boto3ConnectionSettings,
  boto3Of,
  type DuckdbConnectionSettings,
  type PolarsConnectionSettings,
  readDuckdb,
  readPolars,
  readS3Connection,
  type S3ConnectionSettings,
} from "../wire/connections.ts";
import { resourcePathOf } from "./_resource_path.ts";
import { type ClientOptions, inWorkspace, post } from "./connection.ts";

function ask(client: ClientOptions, what: string, path?: string, options?: CallOptions): Promise<Answer> {
  const body = { s3_resource_path: resourcePathOf(path) };
  const route = inWorkspace(client, `job_helpers/v2/${what}`);
  // It is a POST that changes nothing.
  return post(client, { route, body, idempotent: true }, options);
}

/** Reads the settings for DuckDB. */
export async function readDuckdbSettings(
  client: ClientOptions,
  path?: string,
  options?: CallOptions,
): Promise<DuckdbConnectionSettings> {
  return readDuckdb(await ask(client, "duckdb_connection_settings", path, options));
}

/** Reads the settings for Polars. */
export async function readPolarsSettings(
  client: ClientOptions,
  path?: string,
  options?: CallOptions,
): Promise<PolarsConnectionSettings> {
  return readPolars(await ask(client, "polars_connection_settings", path, options));
}

/** Reads the settings for a client of S3. */
export async function readS3Settings(
  client: ClientOptions,
  path?: string,
  options?: CallOptions,
): Promise<S3ConnectionSettings> {
  return readS3Connection(await ask(client, "s3_resource_info", path, options));
}

/** Reads the settings for boto3. */
export async function readBoto3Settings(
  client: ClientOptions,
  path?: string,
  options?: CallOptions,
): Promise<Boto3ConnectionSettings> {
  return boto3Of(await readS3Settings(client, path, options));
}

/**
 * Settings with which other programs reach an S3 store, with its secrets. A path names an S3 resource, and may begin with `$res:` or
 * `res://`; without one it is the workspace's store.
 */
export interface ConnectionsGroup {
  /** Gives the resource itself, as clients of S3 for Deno, Node and others take it. */
  readonly s3: (resourcePath?: string, options?: CallOptions) => Promise<S3ConnectionSettings>;
  /** Gives statements for DuckDB. */
  readonly duckdb: (resourcePath?: string, options?: CallOptions) => Promise<DuckdbConnectionSettings>;
  /** Gives options for Polars and s3fs. */
  readonly polars: (resourcePath?: string, options?: CallOptions) => Promise<PolarsConnectionSettings>;
  /** Gives arguments for boto3. */
  readonly boto3: (resourcePath?: string, options?: CallOptions) => Promise<Boto3ConnectionSettings>;
}

/** The functions of this group for one client. */
export function connectionsGroup(c: ClientOptions): ConnectionsGroup {
  return {
    s3: (path, o) => readS3Settings(c, path, o),
    duckdb: (path, o) => readDuckdbSettings(c, path, o),
    polars: (path, o) => readPolarsSettings(c, path, o),
    boto3: (path, o) => readBoto3Settings(c, path, o),
  };
}
