/**
 * Answers that are an object, or a part of it.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Context } from "hono";
import { toHex } from "../../base/bytes.ts";
import { badRequest, notFound } from "../../wire/refusal.ts";
import { readRange } from "../objects/ranges.ts";
import type { ObjectInfo, ObjectStore, ServerContext } from "../ports.ts";
import { findCaller, INERT_DOCUMENT } from "../auth.ts";
import { absent } from "../folder/absent.ts";

/** The key that the server makes where there is none. */
export function newUploadKey(now: number, extension: string | undefined): string {
  const ending = extension === undefined ? "" : `.${extension.replace(/^\.+/, "")}`;
  return `windmill_uploads/upload_${Math.floor(now / 1000)}_${toHex(randomBytes(8))}${ending}`;
}

/** The store that a request is about: that of a resource's path, else a storage by its name. */
export function storeOf(
  { folder, objects }: Pick<ServerContext, "folder" | "objects">,
  asked: {
    readonly resourcePath?: string | null | undefined;
    readonly storage?: string | null | undefined;
    readonly byJob?: boolean;
  },
): ObjectStore {
  const path = asked.resourcePath?.replace(/^(?:\$res:|res:\/\/)/, "") ?? "";
  if (path === "") return objects.storage(asked.storage);
  const resource = folder.resource(path);
  if (resource === undefined) throw absent(folder, "resource", path, `Resource ${path} not found`);
  return objects.resource(folder.interpolate(resource.value), asked.byJob);
}

/** As {@linkcode storeOf}, of the query. */
export function queryStore(context: Pick<ServerContext, "folder" | "objects">, c: Context): ObjectStore {
  return storeOf(context, {
    resourcePath: c.req.query("s3_resource_path"),
    storage: c.req.query("storage"),
    byJob: findCaller(c.req.raw)?.job !== undefined,
  });
}

/** Text of a header. What is no ASCII goes as its UTF-8, as browsers take it. */
function headerText(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** Refuses what no header can hold; gives undefined for nothing. */
export function headerValue(c: Context, name: string): string | undefined {
  const value = c.req.query(name);
  if (value === undefined || value === "") return undefined;
  // deno-lint-ignore no-control-regex -- a header ends at one of them, and another would begin
  if (/[\u0000-\u001f\u007f]/.test(value) || value.length > 1024) {
    throw badRequest(`${name} must be a header of at most 1024 characters, without control characters`);
  }
  return value;
}

function headersOf({ etag, lastModified, contentType, contentDisposition }: ObjectInfo): Headers {
  const headers = new Headers({
    "content-type": headerText(contentType ?? "application/octet-stream"),
    "accept-ranges": "bytes",
    // Whoever keeps it asks whether it is that still; nothing between compresses it, or its length would be another.
    "cache-control": "private, no-cache, no-transform",
    // It comes from this server's origin, and anybody may have written it: no script of it runs as a page of this server.
    "content-security-policy": INERT_DOCUMENT,
    "x-content-type-options": "nosniff",
  });
  if (etag !== "") headers.set("etag", etag);
  if (lastModified > 0) headers.set("last-modified", new Date(lastModified).toUTCString());
  if (contentDisposition !== undefined) headers.set("content-disposition", headerText(contentDisposition));
  return headers;
}

/** True when one of a list of tags is a tag, or the list is `*`. */
function hasTag(list: string, etag: string, weak: boolean): boolean {
  if (list.trim() === "*") return true;
  const bare = etag.replace(/^W\//, "");
  // Two weak tags may be of contents that differ.
  if (!weak && bare !== etag) return false;
  return (list.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => (weak ? tag.replace(/^W\//, "") : tag) === bare);
}

/** Whole seconds of a time: headers have no parts of them. */
function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** The status of a condition that does not hold (RFC 9110, 13.2.2); undefined when all of them do. */
function failedCondition(headers: Headers, { etag, lastModified }: ObjectInfo): 304 | 412 | undefined {
  const time = (name: string): number => Date.parse(headers.get(name) ?? "");
  const match = headers.get("if-match"), noneMatch = headers.get("if-none-match");
  if (match !== null) {
    if (!hasTag(match, etag, false)) return 412;
  } else if (seconds(lastModified) > seconds(time("if-unmodified-since"))) return 412;
  if (noneMatch !== null) return hasTag(noneMatch, etag, true) ? 304 : undefined;
  return seconds(lastModified) <= seconds(time("if-modified-since")) ? 304 : undefined;
}

const CONDITIONS = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];

/** True when a part may be sent: the object is the one of which the reader has the other parts. */
function fitsRange(headers: Headers, { etag, lastModified }: ObjectInfo): boolean {
  const wanted = headers.get("if-range");
  if (wanted === null) return true;
  return wanted.includes('"') ? hasTag(wanted, etag, false) : seconds(Date.parse(wanted)) === seconds(lastModified);
}

/** Answers with an object, the part that `Range` asks for, or what the conditions of a request make of it. */
export async function answerObject(request: Request, store: ObjectStore, key: string): Promise<Response> {
  const missing = () => notFound(`File not found: ${key}`);
  const isHead = request.method === "HEAD", asked = request.headers;
  let range = readRange(asked.get("range"));
  if (isHead || CONDITIONS.some((name) => asked.has(name))) {
    const info = await store.stat(key);
    if (info === undefined) throw missing();
    const status = failedCondition(asked, info);
    if (status !== undefined) return new Response(null, { status, headers: headersOf(info) });
    if (!fitsRange(asked, info)) range = undefined;
    if (isHead) {
      const headers = headersOf(info);
      headers.set("content-length", `${info.size}`);
      return new Response(null, { headers });
    }
  }
  const data = await store.read(key, range);
  if (data === undefined) throw missing();
  const { size, part: { start, end }, body } = data;
  const headers = headersOf(data);
  const isWhole = start === 0 && end === size;
  if (range !== undefined && start === end) {
    await body.cancel();
    headers.set("content-range", `bytes */${size}`);
    headers.set("content-type", "text/plain; charset=utf-8");
    return new Response(`Range not satisfiable: the object has ${size} bytes`, { status: 416, headers });
  }
  headers.set("content-length", `${end - start}`);
  if (range === undefined && isWhole) return new Response(body, { headers });
  headers.set("content-range", `bytes ${start}-${end - 1}/${size}`);
  return new Response(body, { status: 206, headers });
}
