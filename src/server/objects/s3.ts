/**
 * Objects in a real S3: requests that are signed, uploads in parts as they come.
 *
 * @module
 */
import { MissingPackageError } from "../../base/errors.ts";
import { badRequest, Refusal } from "../../wire/refusal.ts";
import type {
  ListedObject,
  ObjectData,
  ObjectInfo,
  ObjectList,
  ObjectListOptions,
  ObjectMeta,
  ObjectRange,
  ObjectStore,
  S3Settings,
} from "../ports.ts";
import { giveUp, tooLarge } from "./files.ts";
import { checkKey, keyBytes } from "./keys.ts";
import { partOf } from "./ranges.ts";
import { endpointOf, hostOf } from "./settings.ts";
import { readXml, type XmlElement } from "./xml.ts";

/** How much of an upload is in memory. S3 takes 10,000 parts, all but the last of at least 5 MiB; some stores want equal ones. */
const PART_BYTES = 8 * 1024 * 1024;
const MAX_PARTS = 10_000;
/** How many objects S3 lists at once, at most. */
const PAGE = 1000;
/** A copy inside the store is one request up to this size. */
const MAX_COPY_BYTES = 5 * 1024 ** 3;
/** How often a request is made again that failed in a way that passes. */
const RETRIES = 2;

/** Makes a request of a store. */
type Send = (address: string, init: RequestInit) => Promise<Response>;

/** What {@linkcode openS3} needs. */
export interface S3Options {
  readonly settings: S3Settings;
  /** Longest object, in bytes. */
  readonly maxBytes: number;
  readonly fetch?: (request: Request) => Promise<Response>;
}

/** Signs a request, when the store wants that. */
async function signerOf(settings: S3Settings): Promise<(address: string, init: RequestInit) => Promise<Request>> {
  const { accessKey, secretKey, token, region } = settings;
  if (accessKey === undefined || secretKey === undefined) return async (address, init) => new Request(address, init);
  let aws: typeof import("aws4fetch");
  try {
    aws = await import("aws4fetch");
  } catch (cause) {
    throw new MissingPackageError(
      'Cannot reach an S3 store: it needs the package "aws4fetch" (1.0.20 or newer), which is not installed',
      { cause },
    );
  }
  const client = new aws.AwsClient({
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    ...(token === undefined ? {} : { sessionToken: token }),
    service: "s3",
    region,
  });
  return (address, init) => client.sign(address, init);
}

function createSend(settings: S3Settings, send: (request: Request) => Promise<Response>): Send {
  let signer: ReturnType<typeof signerOf> | undefined;
  return async (address, init) => {
    const sign = await (signer ??= signerOf(settings));
    for (let attempt = 0;; attempt++) {
      let response: Response;
      try {
        response = await send(await sign(address, init));
      } catch (error) {
        if (error instanceof Refusal) throw error;
        if (attempt < RETRIES) continue;
        const reason = error instanceof Error ? error.message : String(error);
        throw new Refusal(502, `Object storage error: ${endpointOf(settings)} could not be reached: ${reason}`);
      }
      // All bodies here are whole, so that they can be sent again. What S3 says of load is over at the next call, mostly.
      if (attempt === RETRIES || (response.status !== 429 && response.status < 500)) return response;
      await response.body?.cancel();
    }
  };
}

function timeOf(text: string | null | undefined): number {
  const at = Date.parse(text ?? "");
  return Number.isFinite(at) ? at : 0;
}

function infoOf(headers: Headers, size: number): ObjectInfo {
  const contentType = headers.get("content-type"), contentDisposition = headers.get("content-disposition");
  return {
    size,
    etag: headers.get("etag") ?? "",
    lastModified: timeOf(headers.get("last-modified")),
    ...(contentType === null ? {} : { contentType }),
    ...(contentDisposition === null ? {} : { contentDisposition }),
  };
}

/** A key in an address. What reads addresses takes `.` and `..` for places, encoded too: no request can have such a key. */
function encodeKey(key: string): string {
  return key.split("/").map((part) => {
    if (/^\.{1,2}$/.test(part)) {
      throw badRequest(`An S3 store cannot be asked for ${JSON.stringify(key)}: it has "." or ".." between slashes`);
    }
    return encodeURIComponent(part);
  }).join("/");
}

/** Headers of what is kept beside an object. */
function metaHeaders({ contentType, contentDisposition }: ObjectMeta): Record<string, string> {
  for (const value of [contentType, contentDisposition]) {
    // The signature is of the text, the header of its bytes: they are the same for ASCII alone.
    if (value !== undefined && /[^\x20-\x7e]/.test(value)) {
      throw badRequest(`An S3 store keeps headers of ASCII only: ${JSON.stringify(value)} has other characters`);
    }
  }
  return {
    "content-type": contentType ?? "application/octet-stream",
    ...(contentDisposition === undefined ? {} : { "content-disposition": contentDisposition }),
  };
}

function rangeHeader({ start, end }: { readonly start: number; readonly end?: number }): string {
  return `bytes=${start}-${end === undefined ? "" : end - 1}`;
}

/** A body, cut into pieces of one size, but the last. */
async function* partsOf(body: ReadableStream<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let part = new Uint8Array(PART_BYTES), length = 0, size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (size > maxBytes) throw tooLarge(maxBytes);
    for (let at = 0; at < piece.byteLength;) {
      const taken = piece.subarray(at, at + PART_BYTES - length);
      part.set(taken, length);
      at += taken.byteLength;
      length += taken.byteLength;
      if (length < PART_BYTES) continue;
      yield part;
      // What was handed on may be sent still.
      [part, length] = [new Uint8Array(PART_BYTES), 0];
    }
  }
  if (length > 0 || size === 0) yield part.slice(0, length);
}

/** A store that sends the request elsewhere would send it to whatever it likes, with a signature that is not for that. */
export function fetchHere(request: Request): Promise<Response> {
  return fetch(request, { redirect: "manual" });
}

/** Opens a bucket. No request is made before the first call. */
export function openS3({ settings, maxBytes, fetch: send = fetchHere }: S3Options): ObjectStore {
  const request = createSend(settings, send);
  const { bucket, pathStyle, useSSL } = settings;
  const root = pathStyle
    ? `${endpointOf(settings)}/${bucket}/`
    : `${useSSL ? "https" : "http"}://${bucket}.${hostOf(settings)}/`;

  /** What a store said that it should not have. */
  async function failure(action: string, response: Response): Promise<Refusal> {
    const error = readXml(await response.text());
    const said = [error?.text("Code"), error?.text("Message")].filter((text) => text !== undefined).join(": ");
    return new Refusal(
      response.status === 403 ? 403 : 502,
      `Object storage error: bucket "${bucket}" did not ${action}: status ${response.status}${said && `, ${said}`}`,
    );
  }

  async function must(action: string, address: string, init: RequestInit): Promise<Response> {
    const response = await request(address, init);
    if (!response.ok) throw await failure(action, response);
    return response;
  }

  async function read(key: string, range?: ObjectRange): Promise<ObjectData | undefined> {
    checkKey(key);
    if (range !== undefined && "last" in range) {
      // Not every store knows ranges that count from the end.
      const info = await stat(key);
      return info && read(key, partOf(info.size, range));
    }
    const headers: Readonly<Record<string, string>> = range === undefined ? {} : { range: rangeHeader(range) };
    // What is compressed must stay so, or its length is another.
    const response = await request(root + encodeKey(key), {
      headers: { ...headers, "accept-encoding": "identity" },
    });
    if (response.status === 404) {
      await response.body?.cancel();
      return undefined;
    }
    if (response.status === 416) {
      await response.body?.cancel();
      const info = await stat(key);
      if (info === undefined) return undefined;
      const none = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
      return { ...info, part: { start: info.size, end: info.size }, body: none };
    }
    if (!response.ok) throw await failure("give an object", response);
    const body = response.body ?? new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
    const [, first, last, whole] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
    if (response.status === 206 && whole !== undefined) {
      return {
        ...infoOf(response.headers, Number(whole)),
        part: { start: Number(first), end: Number(last) + 1 },
        body,
      };
    }
    const size = Number(response.headers.get("content-length") ?? Number.NaN);
    if (!Number.isFinite(size)) {
      giveUp(body, undefined);
      throw new Refusal(502, `Object storage error: bucket "${bucket}" does not say how long an object is`);
    }
    // A store that knows no ranges, or an object without bytes, of which there are none.
    return { ...infoOf(response.headers, size), part: { start: 0, end: size }, body };
  }

  async function stat(key: string): Promise<ObjectInfo | undefined> {
    checkKey(key);
    const response = await request(root + encodeKey(key), {
      method: "HEAD",
      headers: { "accept-encoding": "identity" },
    });
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    if (!response.ok) throw await failure("tell of an object", response);
    return infoOf(response.headers, Number(response.headers.get("content-length") ?? 0));
  }

  async function write(key: string, body: ReadableStream<Uint8Array>, meta: ObjectMeta): Promise<ObjectInfo> {
    let upload: string | undefined;
    try {
      checkKey(key);
      const address = root + encodeKey(key), headers = metaHeaders(meta);
      const tags: string[] = [];
      let size = 0, held: Uint8Array<ArrayBuffer> | undefined, etag = "";
      const sendPart = async (part: Uint8Array<ArrayBuffer>): Promise<void> => {
        if (tags.length === MAX_PARTS) throw tooLarge(MAX_PARTS * PART_BYTES);
        upload ??= await begin(address, headers);
        const query = `?partNumber=${tags.length + 1}&uploadId=${encodeURIComponent(upload)}`;
        const response = await must("take a part of an object", address + query, { method: "PUT", body: part });
        await response.body?.cancel();
        tags.push(response.headers.get("etag") ?? "");
      };
      // One part is held back: an object that is one part is one request.
      for await (const part of partsOf(body, maxBytes)) {
        if (held !== undefined) await sendPart(held);
        held = part;
        size += part.byteLength;
      }
      const last = held ?? new Uint8Array();
      if (upload === undefined) {
        const response = await must("take an object", address, { method: "PUT", headers, body: last });
        await response.body?.cancel();
        etag = response.headers.get("etag") ?? "";
      } else {
        await sendPart(last);
        etag = await complete(address, upload, tags);
      }
      upload = undefined;
      return { ...meta, size, etag, lastModified: 0 };
    } catch (error) {
      giveUp(body, error);
      if (upload !== undefined) await abort(root + encodeKey(key), upload);
      throw error;
    }
  }

  async function begin(address: string, headers: Record<string, string>): Promise<string> {
    const response = await must("begin an upload", `${address}?uploads=`, { method: "POST", headers });
    const id = readXml(await response.text())?.text("UploadId");
    if (id === undefined) throw new Refusal(502, `Object storage error: bucket "${bucket}" gave an upload no id`);
    return id;
  }

  async function complete(address: string, upload: string, tags: readonly string[]): Promise<string> {
    const parts = tags.map((tag, i) =>
      `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag.replaceAll('"', "&quot;")}</ETag></Part>`
    );
    const response = await must("complete an upload", `${address}?uploadId=${encodeURIComponent(upload)}`, {
      method: "POST",
      body: `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`,
    });
    const text = await response.text(), answer = readXml(text);
    // The status is sent before the store knows how it ends.
    if (answer?.name === "Error") throw await failure("complete an upload", new Response(text, { status: 500 }));
    return answer?.text("ETag") ?? "";
  }

  async function abort(address: string, upload: string): Promise<void> {
    const response = await request(`${address}?uploadId=${encodeURIComponent(upload)}`, { method: "DELETE" });
    await response.body?.cancel();
  }

  async function copy(from: string, to: string, { size }: ObjectInfo): Promise<boolean> {
    if (size > MAX_COPY_BYTES) return false;
    const source = `/${bucket}/${encodeKey(from)}`;
    const response = await request(root + encodeKey(to), { method: "PUT", headers: { "x-amz-copy-source": source } });
    const answer = readXml(await response.text());
    return response.ok && answer?.name !== "Error";
  }

  async function move(from: string, to: string): Promise<boolean> {
    checkKey(to);
    const info = await stat(from);
    if (info === undefined) return false;
    if (from === to) return true;
    // Not every store can copy every key: what it cannot goes through here.
    if (!await copy(from, to, info)) {
      const found = await read(from);
      if (found === undefined) return false;
      await write(to, found.body, found);
    }
    await remove(from);
    return true;
  }

  async function remove(key: string): Promise<boolean> {
    checkKey(key);
    const response = await request(root + encodeKey(key), { method: "DELETE" });
    if (!response.ok && response.status !== 404) throw await failure("delete an object", response);
    await response.body?.cancel();
    return response.status !== 404;
  }

  async function page(prefix: string, marker: string, limit: number): Promise<ObjectList> {
    // The first version of the call: its marker may be any key, and every store knows it.
    const query = new URLSearchParams({
      "encoding-type": "url",
      "max-keys": `${Math.min(limit, PAGE)}`,
      prefix,
      marker,
    });
    // A space is %20 in the signature.
    const response = await must("list its objects", `${root}?${`${query}`.replaceAll("+", "%20")}`, {});
    const list = readXml(await response.text());
    const encoded = list?.text("EncodingType") === "url";
    const objects = (list?.all("Contents") ?? []).map((item: XmlElement): ListedObject => {
      const key = item.text("Key") ?? "";
      return {
        key: encoded ? decodeURIComponent(key.replaceAll("+", " ")) : key,
        size: Number(item.text("Size") ?? 0),
        lastModified: timeOf(item.text("LastModified")),
      };
    });
    const next = list?.text("IsTruncated") === "true" ? objects.at(-1)?.key : undefined;
    return { objects, ...(next === undefined ? {} : { next }) };
  }

  async function list({ prefix, marker = "", limit }: ObjectListOptions): Promise<ObjectList> {
    const objects: ListedObject[] = [];
    for (let from = marker;;) {
      const { objects: found, next } = await page(prefix, from, limit - objects.length);
      objects.push(...found);
      if (next === undefined) return { objects };
      if (objects.length >= limit) return { objects, next };
      if (compareKeys(next, from) <= 0) {
        throw new Refusal(502, `Object storage error: bucket "${bucket}" lists the same objects again`);
      }
      from = next;
    }
  }

  return { read, write, remove, move, list, stat, s3: settings };
}

/** As S3 orders keys: by their bytes in UTF-8. */
function compareKeys(a: string, b: string): number {
  const left = keyBytes(a), right = keyBytes(b);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
