/**
 * Results of jobs as answers, by Windmill's own conventions.
 *
 * @module
 */
import { isRecord } from "../wire/answer.ts";
import { HandlerError } from "./_answer.ts";

/** Statuses of answers without a body. */
const BARE = /^(204|205|304)$/;

/**
 * Headers that say how an answer came here, or that hold for the instance's own pages: they are those of servers on the way, not
 * those of a script.
 */
const OTHERS =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-(length|encoding)|date|server|via|alt-svc|strict-transport-security|access-control-.*|nel|report-to|x-powered-by|cf-.*)$/;

/** Headers of an answer that are passed on. What a browser makes of the body is no matter of `passes`. */
export function passedHeaders(given: Headers, passes: (name: string) => boolean): Headers {
  const headers = new Headers();
  const type = given.get("content-type");
  given.forEach((value, name) => {
    if (!OTHERS.test(name) && passes(name)) headers.append(name, value);
  });
  if (type !== null) headers.set("content-type", type);
  if (type !== "application/json") guard(headers);
  return headers;
}

/** Of a script's own: HTML of it is shown, and must not act as a page of this site. */
function guard(headers: Headers): void {
  headers.set("content-security-policy", "sandbox");
  headers.set("x-content-type-options", "nosniff");
}

/** An answer with a body, where its status may have one. */
export function answerOf(body: BodyInit | null, status: number, headers: Headers): Response {
  return new Response(BARE.test(`${status}`) ? null : body, { status, headers });
}

function odd(what: string): never {
  throw new HandlerError(502, "WindmillApiError", `The job's result asks for ${what}`);
}

/**
 * The answer to a result, as Windmill's `run_wait_result` gives it: JSON, or what the result itself says by
 * `windmill_status_code`, `windmill_content_type`, `windmill_headers` (or `wm_` instead of `windmill_`) and `result`.
 */
export function resultAnswer(result: unknown, success: boolean, passes: (name: string) => boolean): Response {
  const headers = new Headers();
  const fields = isRecord(result) ? result : {};
  const [status, type, given] = ["status_code", "content_type", "headers"]
    .map((name) => fields[`windmill_${name}`] ?? fields[`wm_${name}`] ?? null);
  const controlled = (status ?? type ?? given) !== null;
  const body = (controlled ? fields.result : result) ?? null;
  if (isRecord(given)) {
    for (const [name, value] of Object.entries(given)) {
      try {
        // A length or an encoding of a script's own would make another answer of what follows on the connection.
        const small = name.toLowerCase();
        if (!OTHERS.test(small) && passes(small)) {
          headers.set(name, typeof value === "string" ? value : JSON.stringify(value));
        }
      } catch {
        odd("a header that is none");
      }
    }
  }
  const code = status ?? (success ? controlled && body === null ? 204 : 200 : 422);
  if (!(Number.isInteger(code) && Number(code) > 199 && Number(code) < 600)) odd("a status that is none");
  const raw = typeof type === "string";
  const text = controlled && body === null ? null : raw && typeof body === "string" ? body : JSON.stringify(body);
  if (raw) headers.set("content-type", type);
  else if (text !== null && !BARE.test(`${code}`)) headers.set("content-type", "application/json");
  if (controlled) guard(headers);
  return answerOf(raw ? text ?? "" : text, Number(code), headers);
}

/** A failed job's result without its stack, which says where files are. */
export function withoutStack(result: unknown): unknown {
  if (!isRecord(result) || !isRecord(result.error)) return result;
  const { stack: _, ...error } = result.error;
  return { ...result, error };
}
