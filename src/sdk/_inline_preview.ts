/**
 * Running code that is not deployed: on this worker where that is possible, as a job elsewhere.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import type { JobArgs } from "./_typed_calls.ts";
import { requestResult } from "./_wait_result.ts";
import { baseOf, type ClientOptions, inWorkspace, type PostCall } from "./connection.ts";

/** Code to run. */
export interface CodePreview {
  /** The code. */
  readonly content: string;
  /** Its language, by the server's name, such as `postgresql` or `bun`. */
  readonly language: string;
  /** Arguments by name. */
  readonly args: JobArgs;
}

/** Tells whether the API is on this machine: a worker's own server, which runs code without a job. */
export function hasInternalServer(client: ClientOptions): boolean {
  return /^\w+:\/\/(localhost|127\.0\.0\.1)([:/]|$)/i.test(baseOf(client));
}

/** The call that runs code. */
export function previewCall(client: ClientOptions, body: CodePreview): PostCall {
  const way = hasInternalServer(client) ? "inline" : "wait_result";
  return { route: inWorkspace(client, `jobs/run_${way}/preview`), body };
}

/**
 * Runs code and gives its result.
 *
 * @throws JobFailedError when it ran as a job that failed
 */
export async function runPreview(client: ClientOptions, preview: CodePreview, options?: CallOptions): Promise<unknown> {
  return await requestResult(client, previewCall(client, preview), "The code", "", options);
}
