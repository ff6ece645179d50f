/**
 * Running code that is not deployed: on this worker where that is possible, as a job elsewhere.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import type { JobArgs } from "./_typed_calls.ts";
import { requestResult } from "./_wait_result.ts";
import { type ClientOptions, inWorkspace, prepare } from "./connection.ts";

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
  const { shown } = prepare({ ...client, token: null }, { route: "" });
  return /^https?:\/\/(localhost|127\.0\.0\.1)[:/]/i.test(shown.url);
}

/**
 * Runs code and gives its result.
 *
 * @throws JobFailedError when it ran as a job that failed
 */
export async function runPreview(client: ClientOptions, preview: CodePreview, options?: CallOptions): Promise<unknown> {
  const route = inWorkspace(client, `jobs/${hasInternalServer(client) ? "run_inline" : "run_wait_result"}/preview`);
  return await requestResult(client, { route, body: preview }, "The code", "", options);
}
