/**
 * Settings of a real S3: read from `windkit.json` or an S3 resource, and written as other programs take them.
 *
 * @module
 */
import { isRecord } from "../../wire/answer.ts";
import { badRequest, type Refusal } from "../../wire/refusal.ts";
import type { S3Settings } from "../ports.ts";
import type { Json } from "../../workflow/journal.ts";

type Fields = Readonly<Record<string, Json>>;

function wrong(what: string, problem: string): Refusal {
  return badRequest(`${what} is no S3 resource: ${problem}`);
}

function textOf(what: string, fields: Fields, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || value === "") return undefined;
  if (typeof value === "string") return value;
  throw wrong(what, `'${name}' must be a text`);
}

function flagOf(what: string, fields: Fields, name: string): boolean | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === "boolean") return value;
  throw wrong(what, `'${name}' must be true or false`);
}

/**
 * Reads settings: a resource of the type `s3`, with `endPoint`, `port` and `useSSL`, or with an address `endpoint` in their place.
 *
 * @param what how an error calls it
 * @throws Refusal that names the field that is wrong, never its value
 */
export function readS3Settings(what: string, value: Json): S3Settings {
  if (!isRecord(value)) throw wrong(what, "it must have fields");
  const bucket = textOf(what, value, "bucket");
  if (bucket === undefined || !/^[\w.-]{1,255}$/.test(bucket)) {
    throw wrong(what, "'bucket' must be the name of a bucket");
  }
  const accessKey = textOf(what, value, "accessKey"), secretKey = textOf(what, value, "secretKey");
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    throw wrong(what, "it must have both 'accessKey' and 'secretKey', or none of them");
  }
  const token = textOf(what, value, "token");
  return {
    bucket,
    region: textOf(what, value, "region") ?? "us-east-1",
    ...placeOf(what, value),
    ...(accessKey === undefined || secretKey === undefined ? {} : { accessKey, secretKey }),
    ...(token === undefined ? {} : { token }),
  };
}

function placeOf(what: string, fields: Fields): Pick<S3Settings, "endPoint" | "port" | "useSSL" | "pathStyle"> {
  const given = textOf(what, fields, "endpoint") ?? textOf(what, fields, "endPoint");
  if (given === undefined) throw wrong(what, "'endPoint' must be the host of the store");
  const [, scheme] = /^(https?):\/\//.exec(given) ?? [];
  const useSSL = scheme === undefined ? flagOf(what, fields, "useSSL") ?? true : scheme === "https";
  const address = `${useSSL ? "https" : "http"}://${given.replace(/^https?:\/\//, "").replace(/\/+$/, "")}`;
  const url = URL.parse(address);
  if (url === null || url.pathname !== "/" || url.search !== "" || url.username !== "") {
    throw wrong(what, "'endPoint' must be a host, with a port or not");
  }
  const port = url.port === "" ? portOf(what, fields) : Number(url.port);
  // The store of Amazon wants the bucket in the host; whoever runs his own has no names for them.
  const pathStyle = flagOf(what, fields, "pathStyle") ?? !/(?:^|\.)amazonaws\.com$/.test(url.hostname);
  return { endPoint: url.hostname, ...(port === undefined ? {} : { port }), useSSL, pathStyle };
}

function portOf(what: string, fields: Fields): number | undefined {
  const port = fields.port ?? undefined;
  if (port === undefined) return undefined;
  if (typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw wrong(what, "'port' must be a whole number from 1 to 65535");
}

/** Host and port. */
export function hostOf({ endPoint, port }: S3Settings): string {
  return port === undefined ? endPoint : `${endPoint}:${port}`;
}

/** Address of the store, without the bucket. */
export function endpointOf(settings: S3Settings): string {
  return `${settings.useSSL ? "https" : "http"}://${hostOf(settings)}`;
}

/** A text in SQL. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** What makes DuckDB reach the store. */
export function duckdbSettings(settings: S3Settings): { readonly connection_settings_str: string } {
  const { region, pathStyle, useSSL, accessKey, secretKey, token } = settings;
  const lines = [
    `SET home_directory='./';`,
    `INSTALL 'httpfs';`,
    `LOAD 'httpfs';`,
    `SET s3_url_style=${quoted(pathStyle ? "path" : "vhost")};`,
    `SET s3_region=${quoted(region)};`,
    `SET s3_endpoint=${quoted(hostOf(settings))};`,
    `SET s3_use_ssl=${useSSL ? 1 : 0};`,
    ...(accessKey === undefined ? [] : [`SET s3_access_key_id=${quoted(accessKey)};`]),
    ...(secretKey === undefined ? [] : [`SET s3_secret_access_key=${quoted(secretKey)};`]),
    ...(token === undefined ? [] : [`SET s3_session_token=${quoted(token)};`]),
  ];
  return { connection_settings_str: `${lines.join("\n")}\n` };
}

/** Arguments of s3fs. */
export function s3fsArguments(settings: S3Settings): Readonly<Record<string, unknown>> {
  const { region, useSSL, accessKey, secretKey, token } = settings;
  return {
    endpoint_url: endpointOf(settings),
    ...(accessKey === undefined ? {} : { key: accessKey }),
    ...(secretKey === undefined ? {} : { secret: secretKey }),
    ...(token === undefined ? {} : { token }),
    use_ssl: useSSL,
    cache_regions: false,
    client_kwargs: { region_name: region },
  };
}

/** What makes Polars reach the store. */
export function polarsSettings(settings: S3Settings): Readonly<Record<string, unknown>> {
  const { region, useSSL, accessKey, secretKey, token } = settings;
  return {
    s3fs_args: s3fsArguments(settings),
    storage_options: {
      aws_endpoint_url: endpointOf(settings),
      ...(accessKey === undefined ? {} : { aws_access_key_id: accessKey }),
      ...(secretKey === undefined ? {} : { aws_secret_access_key: secretKey }),
      ...(token === undefined ? {} : { aws_session_token: token }),
      aws_region: region,
      aws_allow_http: `${!useSSL}`,
    },
  };
}
