/**
 * Results of jobs as answers.
 *
 * @module
 */
import type { Context } from "hono";
import { isRecord } from "../../wire/answer.ts";
import { jsonResponse, Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Job, ServerContext } from "../ports.ts";
import { callerOf } from "../auth.ts";
import { exactResult } from "../jobs/exact_result.ts";

/** How long an answer is waited for: the server's own limit when nobody sets one. */
const WAIT_S = 600;

/** Waits for a job as `run_wait_result` does, and answers with its result. Who hangs up cancels it. */
export async function answerResult(context: ServerContext, c: Context, { id }: Job): Promise<Response> {
  const { jobs, clock } = context;
  const late = new AbortController();
  const timer = clock.setTimeout(() => late.abort(), WAIT_S * 1000);
  const gone = c.req.raw.signal;
  try {
    const job = await jobs.wait(id, AbortSignal.any([gone, late.signal]));
    return resultResponse(exactResult(job) ?? null, job.success === true);
  } catch (error) {
    if (!gone.aborted && !late.signal.aborted) throw error;
    const reason = gone.aborted ? "http connection broke" : `timeout after ${WAIT_S}s`;
    await jobs.cancel(id, callerOf(c.req.raw).username, reason);
    throw new Refusal(500, `timeout after ${WAIT_S}s`);
  } finally {
    clock.clearTimeout(timer);
  }
}

/** The field of a result that says how it is to be answered. */
function control(result: Readonly<Record<string, Json>>, name: string): Json {
  return result[`windmill_${name}`] ?? result[`wm_${name}`] ?? null;
}

/**
 * Headers that a result does not set: those of the connection and of how the body is sent, which the listener makes; cookies and
 * what is kept of this origin; which other origins may read, and what a page of this one may do.
 */
const NOT_A_RESULTS =
  /^(?:connection|keep-alive|upgrade|te|trailers?|transfer-encoding|content-length|content-encoding|date|server|proxy-.*|set-cookie2?|clear-site-data|access-control-.*|content-security-policy.*|x-content-type-options|x-frame-options|cross-origin-.*|strict-transport-security|alt-svc|refresh|service-worker.*|nel|report-to|reporting-endpoints|origin-agent-cluster)$/i;

function setHeader(headers: Headers, name: string, value: string): void {
  try {
    headers.set(name, value);
  } catch (cause) {
    void cause;
    throw new Refusal(500, `Internal: Invalid header name or value: ${JSON.stringify(name.slice(0, 100))}`);
  }
}

function headersOf(given: Json): Headers {
  const headers = new Headers();
  if (!isRecord(given)) return headers;
  for (const [name, value] of Object.entries(given)) {
    if (!NOT_A_RESULTS.test(name)) setHeader(headers, name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return headers;
}

/** The answer to a result: as JSON, or as the result itself says. */
function resultResponse(result: Json, success: boolean): Response {
  const usual = success ? 200 : 422;
  if (!isRecord(result)) return jsonResponse(result, usual);
  const status = control(result, "status_code"),
    type = control(result, "content_type"),
    given = control(result, "headers");
  if (status === null && type === null && given === null) return jsonResponse(result, usual);
  const body = result.result ?? null;
  if (status !== null && !(typeof status === "number" && Number.isInteger(status) && status >= 200 && status <= 599)) {
    throw new Refusal(500, "Invalid status code");
  }
  const code = typeof status === "number" ? status : !success ? 422 : body === null ? 204 : 200;
  const headers = headersOf(given);
  // Such answers have no body, whatever the result says.
  const bare = code === 204 || code === 205 || code === 304;
  if (typeof type === "string") setHeader(headers, "content-type", type);
  else if (body !== null && !bare) headers.set("content-type", "application/json");
  const text = body === null ? "" : typeof type === "string" && typeof body === "string" ? body : JSON.stringify(body);
  // A script's HTML is shown, and must not act as a page of this server.
  headers.set("content-security-policy", "sandbox");
  headers.set("x-content-type-options", "nosniff");
  return new Response(bare || body === null && typeof type !== "string" ? null : text, { status: code, headers });
}
