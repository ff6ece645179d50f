/**
 * Reading requests: bodies, queries, ids.
 *
 * @module
 */
import type { Context } from "hono";
import { isRecord } from "../../wire/answer.ts";
import { badRequest, notFound, Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Job, Jobs } from "../ports.ts";

/** Longest body that is read into memory: what is larger goes to the endpoints of objects, which stream. */
export const MAX_BODY_BYTES: number = 32 * 1024 * 1024;

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

/** Bytes of a body, and not one more than the limit. */
export async function readBytes(
  request: Request,
  maxBytes: number = MAX_BODY_BYTES,
): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = (): Refusal => new Refusal(413, `Payload too large: the body is bounded to ${maxBytes} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge();
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

/** Text of a body. */
export async function readText(request: Request, maxBytes?: number): Promise<string> {
  const bytes = await readBytes(request, maxBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badRequest("invalid utf8: the body is no UTF-8");
  }
}

/** JSON of a body; undefined for an empty one. */
export async function readJson(request: Request, maxBytes?: number): Promise<Json | undefined> {
  const text = await readText(request, maxBytes);
  return text === "" ? undefined : parseJson(text);
}

/** How deep JSON may be that somebody sends: what is much deeper, the database and code that walks values cannot take. */
const MAX_JSON_DEPTH = 500;

/** Refuses a text of JSON that is too deep, before anything walks its value. */
function checkDepth(text: string): void {
  let depth = 0, inText = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (inText) {
      if (sign === 0x5c) at++; // a backslash, and what it stands before
      else if (sign === 0x22) inText = false;
    } else if (sign === 0x22) inText = true;
    else if (sign === 0x5b || sign === 0x7b) {
      if (++depth > MAX_JSON_DEPTH) {
        throw new Refusal(
          400,
          `Failed to parse the request body as JSON: it is nested deeper than ${MAX_JSON_DEPTH} levels`,
        );
      }
    } else if (sign === 0x5d || sign === 0x7d) depth--;
  }
}

/** JSON of a text that somebody sent. */
export function parseJson(text: string): Json {
  checkDepth(text);
  try {
    // `as`: what JSON.parse gives is JSON.
    return JSON.parse(text) as Json;
  } catch (error) {
    const detail = error instanceof Error ? error.message : "";
    throw new Refusal(400, `Failed to parse the request body as JSON: ${detail}`);
  }
}

/** A body that is an object of JSON. */
export async function readFields(request: Request, maxBytes?: number): Promise<Readonly<Record<string, Json>>> {
  const value = await readJson(request, maxBytes);
  if (isRecord(value)) return value;
  throw new Refusal(422, "Failed to deserialize the JSON body into the target type: invalid type, expected a map");
}

/** A text of an object; undefined when it is not there. */
export function optionalText(fields: Readonly<Record<string, Json>>, name: string): string | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || typeof value === "string") return value;
  throw new Refusal(422, `Failed to deserialize the JSON body into the target type: ${name}: expected a string`);
}

/** A parameter of the path. */
export function param(c: Context, name: string): string {
  return c.req.param(name) ?? "";
}

/** Id of a job, of the path. */
export function idParam(c: Context, name = "id"): string {
  return checkId(param(c, name), name);
}

/** Refuses what is no id of a job; gives it as it is stored. */
export function checkId(id: string, name = "id"): string {
  if (UUID.test(id)) return id.toLowerCase();
  throw new Refusal(400, `Invalid URL: Cannot parse \`${name}\` with value \`${id}\`: UUID parsing failed`);
}

/** The job of the path. */
export function jobParam(c: Context, jobs: Pick<Jobs, "get">): Job {
  const id = idParam(c);
  const job = jobs.get(id);
  if (job === undefined) throw notFound(`Job not found at name ${id}`);
  return job;
}

/** A text of the query; undefined when it is not there or empty. */
export function queryText(c: Context, name: string): string | undefined {
  return c.req.query(name) || undefined;
}

/** A number of the query. */
export function queryNumber(c: Context, name: string): number | undefined {
  const value = queryText(c, name);
  if (value === undefined) return undefined;
  if (/^-?\d{1,15}$/.test(value)) return Number(value);
  throw new Refusal(400, `Failed to deserialize query string: ${name}: invalid digit found in string`);
}

/** True or false of the query; undefined when it is not there. */
export function queryFlag(c: Context, name: string): boolean | undefined {
  const value = queryText(c, name);
  if (value === undefined) return undefined;
  if (value === "true" || value === "false") return value === "true";
  throw new Refusal(400, `Failed to deserialize query string: ${name}: provided string was not \`true\` or \`false\``);
}

/** A time of the query, in milliseconds since 1970. */
export function queryTime(c: Context, name: string): number | undefined {
  const value = queryText(c, name);
  if (value === undefined) return undefined;
  const at = Date.parse(value);
  if (Number.isFinite(at)) return at;
  throw new Refusal(400, `Failed to deserialize query string: ${name}: input contains invalid characters`);
}

/** When a job is to begin, by the query; undefined for at once. */
export function queryStart(c: Context, now: number): number | undefined {
  const seconds = queryNumber(c, "scheduled_in_secs");
  const at = queryTime(c, "scheduled_for") ?? (seconds === undefined ? undefined : now + seconds * 1000);
  if (at === undefined || Number.isFinite(new Date(at).getTime())) return at;
  throw new Refusal(400, "Failed to deserialize query string: scheduled_in_secs: it is no time of any calendar");
}

/** Which part of a list the query asks for. */
export function pageOf(c: Context, perPage = 30): { readonly offset: number; readonly limit: number } {
  const limit = Math.min(Math.max(queryNumber(c, "per_page") ?? perPage, 1), 100);
  const page = Math.max(queryNumber(c, "page") ?? 1, 1);
  return { offset: (page - 1) * limit, limit };
}
