/**
 * Arguments of a job, out of the request that starts it.
 *
 * @module
 */
import type { Context } from "hono";
import { isRecord } from "../../wire/answer.ts";
import { badRequest, Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Script } from "../ports.ts";
import { parseJson, queryFlag, queryText, readText } from "./_request.ts";

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

async function sentBy(c: Context): Promise<Sent> {
  if (c.req.method === "GET") return { body: payloadOf(c) ?? {} };
  const type = (c.req.header("content-type") ?? "").toLowerCase();
  const text = await readText(c.req.raw);
  const raw = queryFlag(c, "raw") === true ? { raw: text } : {};
  if (type === "" || /^application\/(?:[\w.-]+\+)?json/.test(type)) {
    return { body: text === "" ? {} : parseJson(text), ...raw };
  }
  if (type.startsWith("application/x-www-form-urlencoded")) {
    return { body: Object.fromEntries(new URLSearchParams(text)), ...raw };
  }
  if (/^(?:text\/(?:plain|xml)|application\/xml)/.test(type)) return { body: {}, raw: text };
  throw new Refusal(415, `Unsupported media type: ${JSON.stringify(type)} is not read as arguments`);
}

/** Values of the query and of headers that the query asks for as arguments. */
function extrasOf(c: Context): Record<string, Json> {
  const extras: Record<string, Json> = {};
  const names = (list: string | undefined): string[] =>
    (list ?? "").split(",").map((name) => name.trim()).filter(Boolean);
  for (const name of names(queryText(c, "include_header"))) {
    // The token of whoever asks is not for the script. What can be the name of none is in no request.
    const isRead = /^[\w!#$%&'*+.^`|~-]+$/.test(name) && !/^(?:authorization|cookie)$/i.test(name);
    const value = isRead ? c.req.header(name) : undefined;
    if (value !== undefined) extras[name.toLowerCase().replaceAll("-", "_")] = value;
  }
  for (const name of names(queryText(c, "include_query"))) {
    const value = c.req.query(name);
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
export async function jobInput(c: Context, script: Script | undefined): Promise<JobInput> {
  const { body, raw } = await sentBy(c);
  const extras = extrasOf(c);
  const preprocess = script?.hasPreprocessor === true && queryFlag(c, "skip_preprocessor") !== true;
  if (preprocess && takesEvent(script.content)) {
    // `as`: what is absent is left out, the rest is JSON.
    const headers = Object.fromEntries(c.req.raw.headers.entries()) as Record<string, Json>;
    delete headers.authorization;
    delete headers.cookie;
    const event = { kind: "webhook", body, raw_string: raw ?? null, query: c.req.query(), headers };
    return { args: { event }, preprocess };
  }
  const named: Args = isRecord(body) && queryFlag(c, "wrap_body") !== true ? body : { body };
  const trigger: Args = preprocess ? { wm_trigger: { kind: "webhook", webhook: {} } } : {};
  const sent: Args = raw === undefined ? {} : { raw_string: raw };
  return { args: { ...named, ...extras, ...sent, ...trigger }, preprocess };
}
