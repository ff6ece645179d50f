/**
 * Calls that the server answers with the result of a job, once it has one.
 *
 * @module
 */
import { WindmillApiError } from "../base/errors.ts";
import type { CallOptions } from "../http/transport.ts";
import { readJson } from "../wire/answer.ts";
import { resultOf } from "./_job_result.ts";
import { type ClientOptions, post, type PostCall } from "./connection.ts";

/**
 * Makes a call whose answer is a result: JSON, or text when the job says that its result is of another kind, or null for no
 * body. There is no time limit unless one is given: the server's own ends it.
 *
 * @throws JobFailedError for status 422 with the result of a job
 */
export async function requestResult(
  client: ClientOptions,
  call: PostCall,
  what: string,
  jobId: string,
  options?: CallOptions,
): Promise<unknown> {
  let text: string, success = true;
  try {
    const answer = await post(client, call, { timeoutMs: Infinity, ...options });
    ({ text } = answer);
    // What says that it is JSON and is none was cut off, or is somebody else's.
    if (text && /json/.test(`${answer.response.headers.get("content-type")}`)) readJson(answer, "a result");
  } catch (error) {
    // Arguments that the server cannot read are 422 too, with words that are no JSON.
    if (!(error instanceof WindmillApiError && error.status === 422 && isJson(error.body))) throw error;
    ({ body: text } = error);
    success = false;
  }
  const result: unknown = isJson(text) ? JSON.parse(text) : text || null;
  return resultOf(jobId, { success, result }, what);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
