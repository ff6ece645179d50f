/**
 * The endpoints of object storage: files, signatures, public addresses, settings for other clients.
 *
 * @module
 */
import { isRecord } from "../wire/answer.ts";
import { badRequest, jsonResponse, notFound, Refusal } from "../wire/refusal.ts";
import { argsOf } from "./_jobs.ts";
import type { Mock } from "./_mock.ts";
import { type Call, fields, optionalText, queryNumber, type RouteTable } from "./_router.ts";
import { fileName, makeFile, type MockFile } from "./_s3_store.ts";
import { interpolate } from "./_store.ts";

/** The storage of the workspace when no resource says otherwise. */
const DEFAULT_STORAGE: Readonly<Record<string, unknown>> = {
  bucket: "mock",
  region: "us-east-1",
  endPoint: "s3.windmill.test",
  useSSL: true,
  pathStyle: true,
  accessKey: "mock-access-key",
  secretKey: "mock-secret-key",
};

/** How long a signature lasts, in seconds: what is taken, at least and at most. */
const LIFETIME_S = 43_200, SHORTEST_S = 60, LONGEST_S = 604_800;

function required(call: Call, name: string): string {
  const value = call.query.get(name);
  if (value === null) throw new Refusal(400, `Failed to deserialize query string: missing field \`${name}\``);
  return value;
}

function fileAt(mock: Mock, storage: string | null, key: string): MockFile {
  const file = mock.s3.get(fileName(storage, key));
  if (file === undefined) throw notFound(`File not found: ${key}`);
  return file;
}

/** The file of the query's `file_key` and `storage`. */
function fileOf(mock: Mock, call: Call): MockFile {
  return fileAt(mock, call.query.get("storage"), required(call, "file_key"));
}

/** A file, or the part of it that the request's `Range` asks for. */
function answerFile(call: Call, { bytes, contentType, contentDisposition, modifiedAt }: MockFile): Response {
  const headers = new Headers({
    "content-type": contentType,
    "accept-ranges": "bytes",
    "last-modified": modifiedAt.toUTCString(),
  });
  if (contentDisposition !== undefined) headers.set("content-disposition", contentDisposition);
  const size = bytes.length;
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(call.headers.get("range") ?? "") ?? [];
  if (first === "" && last === "") {
    headers.set("content-length", `${size}`);
    return new Response(bytes, { headers });
  }
  // Without a first byte, the number is how many there are at the end.
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === "" || last === "" ? size - 1 : Math.min(size - 1, Number(last));
  if (from >= size || from > to) {
    headers.set("content-range", `bytes */${size}`);
    return new Response("Range not satisfiable", { status: 416, headers });
  }
  headers.set("content-range", `bytes ${from}-${to}/${size}`);
  headers.set("content-length", `${to - from + 1}`);
  return new Response(bytes.slice(from, to + 1), { status: 206, headers });
}

function upload(mock: Mock, call: Call): Response {
  const { query } = call;
  const extension = query.get("file_extension");
  const key = query.get("file_key") ?? `windmill_uploads/${mock.nextId()}${extension === null ? "" : `.${extension}`}`;
  const modified = new Date(mock.clock.now());
  const file = makeFile(call.body, query.get("content_type"), modified, query.get("content_disposition"));
  mock.s3.set(fileName(query.get("storage"), key), file);
  return jsonResponse({ file_key: key });
}

function list(mock: Mock, call: Call): Response {
  const storage = call.query.get("storage"), prefix = call.query.get("prefix") ?? "";
  const marker = call.query.get("marker") ?? "", most = queryNumber(call, "max_keys") ?? 1000;
  const start = fileName(storage, "");
  const keys = [...mock.s3.keys()]
    .filter((name) => start === "" ? !name.startsWith("s3://") : name.startsWith(start))
    .map((name) => name.slice(start.length)).filter((key) => key.startsWith(prefix) && key > marker).sort();
  const page = keys.slice(0, most);
  return jsonResponse({
    next_marker: keys.length > page.length ? page.at(-1) : null,
    windmill_large_files: page.map((s3) => ({ s3 })),
    restricted_access: false,
  });
}

function move(mock: Mock, call: Call): Response {
  const storage = call.query.get("storage");
  const from = required(call, "src_file_key"), to = required(call, "dest_file_key");
  const file = fileAt(mock, storage, from);
  mock.s3.delete(fileName(storage, from));
  mock.s3.set(fileName(storage, to), file);
  return jsonResponse(null);
}

async function sign(mock: Mock, call: Call): Promise<Response> {
  const body = fields(call);
  const objects = body.s3_objects;
  if (!Array.isArray(objects)) throw badRequest("expected s3_objects");
  const asked = typeof body.expiry_secs === "number" ? body.expiry_secs : LIFETIME_S;
  const expires = Math.floor(mock.clock.now() / 1000) + Math.min(LONGEST_S, Math.max(SHORTEST_S, asked));
  return jsonResponse(
    await Promise.all(objects.map(async (object: unknown) => {
      const record = argsOf(object);
      const key = optionalText(record, "s3") ?? "", storage = optionalText(record, "storage") ?? "";
      const signature = await mock.signer("s3", key, `${expires}`, storage);
      return { ...record, presigned: `exp=${expires}&sig=${signature}` };
    })),
  );
}

async function publicFile(mock: Mock, call: Call, storage = "", key = ""): Promise<Response> {
  const bare = storage === "_default_" ? "" : storage;
  const expires = call.query.get("exp") ?? "";
  const signed = call.query.get("sig") === await mock.signer("s3", key, expires, bare);
  if (!signed || Number(expires) * 1000 <= mock.clock.now()) {
    throw new Refusal(401, "Not authorized: the signature is wrong or has expired");
  }
  return answerFile(call, fileAt(mock, bare, key));
}

/** The resource that a request for settings is about: that of its path, else the workspace's storage. */
function storageResource(mock: Mock, call: Call): Readonly<Record<string, unknown>> {
  const path = optionalText(fields(call), "s3_resource_path");
  if (path === undefined) return DEFAULT_STORAGE;
  const found = mock.store.resources.get(path);
  if (found === undefined) throw notFound(`Resource ${path} not found`);
  const value = interpolate(mock.store, found.value, false);
  if (!isRecord(value)) throw badRequest(`Resource ${path} is no S3 resource`);
  return value;
}

function addressOf({ endPoint, port, useSSL }: Readonly<Record<string, unknown>>): string {
  return `${useSSL === false ? "http" : "https"}://${endPoint}${port === undefined || port === null ? "" : `:${port}`}`;
}

function duckdbSettings(mock: Mock, call: Call): Response {
  const resource = storageResource(mock, call);
  const { endPoint, port, region, useSSL, pathStyle, accessKey, secretKey } = resource;
  const place = port === undefined || port === null ? `${endPoint}` : `${endPoint}:${port}`;
  const lines = [
    `SET home_directory='./';`,
    `INSTALL 'httpfs';`,
    `LOAD 'httpfs';`,
    `SET s3_url_style='${pathStyle === false ? "vhost" : "path"}';`,
    `SET s3_region='${region}';`,
    `SET s3_endpoint='${place}';`,
    `SET s3_use_ssl=${useSSL === false ? 0 : 1};`,
    ...(accessKey === undefined ? [] : [`SET s3_access_key_id='${accessKey}';`]),
    ...(secretKey === undefined ? [] : [`SET s3_secret_access_key='${secretKey}';`]),
  ];
  return jsonResponse({ connection_settings_str: `${lines.join("\n")}\n` });
}

function polarsSettings(mock: Mock, call: Call): Response {
  const resource = storageResource(mock, call);
  const { region, useSSL = true, accessKey, secretKey } = resource;
  const address = addressOf(resource);
  return jsonResponse({
    s3fs_args: {
      endpoint_url: address,
      ...(accessKey === undefined ? {} : { key: accessKey }),
      ...(secretKey === undefined ? {} : { secret: secretKey }),
      use_ssl: useSSL,
      cache_regions: false,
      client_kwargs: { region_name: region },
    },
    storage_options: {
      aws_endpoint_url: address,
      ...(accessKey === undefined ? {} : { aws_access_key_id: accessKey }),
      ...(secretKey === undefined ? {} : { aws_secret_access_key: secretKey }),
      aws_region: region,
      aws_allow_http: `${useSSL === false}`,
    },
  });
}

/** The endpoints of object storage. */
export function s3Routes(mock: Mock): RouteTable {
  return {
    "GET job_helpers/download_s3_file": (call) => answerFile(call, fileOf(mock, call)),
    "POST job_helpers/upload_s3_file": (call) => upload(mock, call),
    "DELETE job_helpers/delete_s3_file": (call) => {
      fileOf(mock, call);
      mock.s3.delete(fileName(call.query.get("storage"), required(call, "file_key")));
      return jsonResponse(null);
    },
    "GET job_helpers/load_file_metadata": (call) => {
      const { bytes, contentType, modifiedAt } = fileOf(mock, call);
      return jsonResponse({
        mime_type: contentType,
        size_in_bytes: bytes.length,
        last_modified: modifiedAt.toISOString(),
        expires: null,
        version_id: null,
      });
    },
    "GET job_helpers/list_stored_files": (call) => list(mock, call),
    "GET job_helpers/move_s3_file": (call) => move(mock, call),
    "POST apps/sign_s3_objects": (call) => sign(mock, call),
    "GET s3_proxy/*/**": (call, storage, key) => publicFile(mock, call, storage, key),
    "POST job_helpers/v2/s3_resource_info": (call) => jsonResponse(storageResource(mock, call)),
    "POST job_helpers/v2/duckdb_connection_settings": (call) => duckdbSettings(mock, call),
    "POST job_helpers/v2/polars_connection_settings": (call) => polarsSettings(mock, call),
  };
}
