/**
 * Settings of connections to an S3 store, as the server gives them and as other programs take them.
 *
 * @module
 */
import { type Answer, isRecord, readRecord, unreadable } from "./answer.ts";

/** Settings for a client of S3: the S3 resource itself. */
export interface S3ConnectionSettings {
  /** Name of the bucket. */
  readonly bucket: string;
  /** Region of the bucket. */
  readonly region: string;
  /** Host of the store. */
  readonly endPoint: string;
  /** True for https. */
  readonly useSSL: boolean;
  /** True when the bucket is in the path of an address, not in its host. */
  readonly pathStyle: boolean;
  /** Port of the store, unless it is the usual one. */
  readonly port?: number | null;
  /** Id of the access key; absent where the store needs none. */
  readonly accessKey?: string | null;
  /** The access key's secret. */
  readonly secretKey?: string | null;
  /** Token of a session, with keys that hold for some time. */
  readonly token?: string | null;
}

/** The official name of {@linkcode S3ConnectionSettings}. */
export type DenoS3LightClientSettings = S3ConnectionSettings;

/** Settings for DuckDB. */
export interface DuckdbConnectionSettings {
  /** Statements that make DuckDB reach the store. */
  readonly connection_settings_str: string;
  /** Where the container is, for Azure. */
  readonly azure_container_path?: string | null;
}

/** Settings for Polars. */
export interface PolarsConnectionSettings {
  /** Arguments of s3fs. */
  readonly s3fs_args: Readonly<Record<string, unknown>>;
  /** Options of Polars' own readers. */
  readonly storage_options: Readonly<Record<string, unknown>>;
}

/** Arguments of boto3's `client("s3", ...)`. */
export interface Boto3ConnectionSettings {
  /** Address of the store. */
  readonly endpoint_url: string;
  /** Region of the bucket. */
  readonly region_name: string;
  /** True for https. */
  readonly use_ssl: boolean;
  /** Id of the access key; absent where the store needs none. */
  readonly aws_access_key_id?: string;
  /** The access key's secret. */
  readonly aws_secret_access_key?: string;
  /** Token of a session. */
  readonly aws_session_token?: string;
}

/** Decodes a record that has texts in some fields. */
function readTexts(answer: Answer, what: string, ...names: string[]): Readonly<Record<string, unknown>> {
  const record = readRecord(answer, what);
  for (const name of names) {
    if (typeof record[name] !== "string") throw unreadable(answer, what, `no text in '${name}'`);
  }
  return record;
}

/** Decodes an S3 resource. */
export function readS3Connection(answer: Answer): S3ConnectionSettings {
  return readTexts(answer, "an S3 resource", "bucket", "region", "endPoint") as unknown as S3ConnectionSettings;
}

/** Decodes settings for DuckDB. */
export function readDuckdb(answer: Answer): DuckdbConnectionSettings {
  return readTexts(answer, "settings for DuckDB", "connection_settings_str") as unknown as DuckdbConnectionSettings;
}

/** Decodes settings for Polars. */
export function readPolars(answer: Answer): PolarsConnectionSettings {
  const record = readRecord(answer, "settings for Polars");
  for (const name of ["s3fs_args", "storage_options"]) {
    if (!isRecord(record[name])) throw unreadable(answer, "settings for Polars", `no object in '${name}'`);
  }
  return record as unknown as PolarsConnectionSettings;
}

/** Makes the arguments for boto3 of a resource. Keys that the resource lacks are left out: boto3 then looks for its own. */
export function boto3Of(resource: S3ConnectionSettings): Boto3ConnectionSettings {
  const { endPoint, port, region, useSSL, accessKey, secretKey, token } = resource;
  return {
    endpoint_url: `http${useSSL ? "s" : ""}://${endPoint}${port ? `:${port}` : ""}`,
    region_name: region,
    use_ssl: useSSL,
    ...(accessKey ? { aws_access_key_id: accessKey } : {}),
    ...(secretKey ? { aws_secret_access_key: secretKey } : {}),
    ...(token ? { aws_session_token: token } : {}),
  };
}
