/**
 * Arguments of a job, out of the request that starts it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Context } from "hono";
import { isRecord } from "../../wire/answer.ts";
import { badRequest, Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import { TOKEN_IN_QUERY } from "../auth.ts";
import { messageOf } from "../folder/disk.ts";
import type { Script, ServerContext } from "../ports.ts";
import { newUploadKey } from "./_object.ts";
import { parseJson, queryFlag, queryText, readBytes, readText } from "./_request.ts";

/** Arguments by name. */
export type Args = Readonly<Record<string, Json>>;

/** What a request says. */
interface Sent {
  readonly body: Json;
  readonly raw?: string;
}

/** The payload of a GET: JSON in base 64. */
export function payloadOf(c: Context): Json | undefined {
  const payload = queryText(c, "payload");
  if (payload === undefined) return undefined;
  try {
    const binary = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    return parseJson(new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0))));
  } catch {
    throw badRequest("Impossible to decode query payload");
  }
}

/** An event of the CloudEvents standard is its data; the rest of it lies beside, under the name that Windmill's server gives it. */
function cloudEvent(body: Json): Json {
  if (!isRecord(body)) throw badRequest("invalid cloudevents+json: expected an object");
  const { data = null, ...about } = body;
  return { ...(isRecord(data) ? data : { body: data }), WEBHOOK__METADATA__: about };
}

/** Most parts of a form: each file is an object, and reading them holds the server. */
const MAX_PARTS = 1000;

/** Refuses a form of very many parts before it is read. */
function checkParts(bytes: Uint8Array<ArrayBuffer>, type: string): void {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) return;
  const sent = Buffer.from(bytes.buffer), line = Buffer.from(`--${boundary}`);
  // The last boundary ends the form, and begins no part.
  let parts = -1;
  for (let at = sent.indexOf(line); at >= 0; at = sent.indexOf(line, at + line.length)) {
    if (++parts > MAX_PARTS) throw new Refusal(413, `Payload too large: a form is bounded to ${MAX_PARTS} parts`);
  }
}

/** The fields of a form with files: texts as they are, files become objects, and a list of them is the field's value. */
async function multipart(context: ServerContext, c: Context): Promise<Json> {
  const type = c.req.header("content-type") ?? "";
  const bytes = await readBytes(c.req.raw);
  checkParts(bytes, type);
  let form: FormData;
  try {
    form = await new Response(bytes, { headers: { "content-type": type } }).formData();
  } catch (error) {
    throw badRequest(`Error reading multipart field: ${messageOf(error)}`);
  }
  const fields = new Map<string, Json>(), files = new Map<string, Json[]>();
  for (const [name, value] of form) {
    if (typeof value === "string") {
      fields.set(name, value);
      continue;
    }
    const key = newUploadKey(context.now(), /\.([^./\\]+)$/.exec(value.name)?.[1]);
    await context.objects.storage().write(key, value.stream(), { contentType: value.type });
    const before = files.get(name);
    if (before === undefined) files.set(name, [{ s3: key }]);
    else before.push({ s3: key });
  }
  return Object.fromEntries([...fields, ...files]);
}

async function sentBy(context: ServerContext, c: Context): Promise<Sent> {
  if (c.req.method === "GET") return { body: payloadOf(c) ?? {} };
  const type = (c.req.header("content-type") ?? "").toLowerCase();
  if (type.startsWith("multipart/form-data")) return { body: await multipart(context, c) };
  if (type.startsWith("application/cloudevents-batch+json")) {
    throw badRequest("Cloud events batching is not supported yet");
  }
  const isJson = type === "" || /^application\/(?:[\w.-]+\+)?json/.test(type);
  if (isJson || type.startsWith("application/x-www-form-urlencoded")) {
    const text = await readText(c.req.raw);
    const raw = queryFlag(c, "raw") === true ? { raw: text } : {};
    if (!isJson) return { body: Object.fromEntries(new URLSearchParams(text)), ...raw };
    const body = text === "" ? {} : parseJson(text);
    return { body: type.startsWith("application/cloudevents+json") ? cloudEvent(body) : body, ...raw };
  }
  const bytes = await readBytes(c.req.raw);
  return { body: {}, raw: textOf(bytes) ?? Buffer.from(bytes).toString("base64") };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A token of this server in the address: it is not for the script, whoever else let its sender in. */
function addressToken({ identity }: ServerContext, c: Context): string | undefined {
  const token = c.req.query(TOKEN_IN_QUERY);
  return token === undefined || identity.callerOf(token) === undefined ? undefined : token;
}

/** The query without such a token. */
function queryOf(context: ServerContext, c: Context): Record<string, Json> {
  const query: Record<string, Json> = c.req.query();
  if (addressToken(context, c) !== undefined) delete query[TOKEN_IN_QUERY];
  return query;
}

/** The headers without what lets their sender in: proxies write the address that was asked for into some. */
function headersOf(context: ServerContext, c: Context): Record<string, string> {
  const token = addressToken(context, c);
  return Object.fromEntries(
    [...c.req.raw.headers].filter(([name, value]) =>
      name !== "authorization" && name !== "cookie" && (token === undefined || !value.includes(token))
    ),
  );
}

/** Values of the query and of headers that the query asks for as arguments. */
function extrasOf(context: ServerContext, c: Context): Record<string, Json> {
  const extras: Record<string, Json> = {};
  const names = (list: string | undefined): string[] =>
    (list ?? "").split(",").map((name) => name.trim()).filter(Boolean);
  const included = names(queryText(c, "include_header")).map((name) => name.toLowerCase());
  const headers = included.length === 0 ? {} : headersOf(context, c);
  for (const name of included) {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (value !== undefined) extras[name.replaceAll("-", "_")] = value;
  }
  const query = queryOf(context, c);
  for (const name of names(queryText(c, "include_query"))) {
    const value = Object.hasOwn(query, name) ? query[name] : undefined;
    if (value !== undefined) extras[name] = value;
  }
  return extras;
}

/** True when a script's preprocessor takes its event as `event`; else it takes arguments by name, the older way. */
function takesEvent(content: string): boolean {
  const [, parameters = ""] = /\bfunction\s+preprocessor\s*\(([^)]*)/.exec(content) ?? [];
  if (/\bwm_trigger\b/.test(parameters)) return false;
  return parameters.trim() === "" || /(?:^|[\s{,])event\b/.test(parameters);
}

/** What a job is started with. */
export interface JobInput {
  readonly args: Args;
  readonly preprocess: boolean;
}

/** The arguments of a script's job; of a script with a preprocessor, the event for that. */
export async function jobInput(context: ServerContext, c: Context, script: Script | undefined): Promise<JobInput> {
  const { body, raw } = await sentBy(context, c);
  const preprocess = script?.hasPreprocessor === true && queryFlag(c, "skip_preprocessor") !== true;
  if (preprocess && takesEvent(script.content)) {
    const event = {
      kind: "webhook",
      body,
      raw_string: raw ?? null,
      query: queryOf(context, c),
      headers: headersOf(context, c),
    };
    return { args: { event }, preprocess };
  }
  const extras = preprocess ? { ...headersOf(context, c), ...queryOf(context, c) } : extrasOf(context, c);
  const named: Args = isRecord(body) && queryFlag(c, "wrap_body") !== true ? body : { body };
  const trigger: Args = preprocess ? { wm_trigger: { kind: "webhook", webhook: {} } } : {};
  const sent: Args = raw === undefined ? {} : { raw_string: raw };
  return { args: { ...named, ...extras, ...sent, ...trigger }, preprocess };
}
