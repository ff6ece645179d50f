/**
 * The fast path: a step's outcome is posted to the server while the body runs (wac-protocol 7).
 *
 * @module
 */
import { readEnv } from "../platform/env.ts";
import type { InlineCheckpoint, PostAnswer } from "../workflow/round.ts";
import { ask, type JobServer, jobServer } from "./job_server.ts";

const OFF = /^\s*(0|false|off|no)\s*$/i;

/**
 * What posts the outcomes of this job's steps; undefined where that is switched off, or where it is not known how to reach the
 * server. The environment is read again at each post.
 *
 * @param log takes the line that says why a post failed
 */
export function inlinePoster(
  log: (line: string) => void,
): ((checkpoint: InlineCheckpoint) => Promise<PostAnswer>) | undefined {
  if (target() === undefined) return undefined;
  return async (checkpoint) => {
    const server = target();
    if (server === undefined) return false;
    try {
      return await post(server, checkpoint);
    } catch (error) {
      // The fallback does better than another try: the worker itself writes the outcome down.
      log(`WAC v2 inline fast path failed for key ${checkpoint.key}, falling back to suspend: ${error}`);
      return false;
    }
  };
}

function target(): JobServer | undefined {
  return OFF.test(readEnv("WM_WAC_INLINE_FAST_PATH") ?? "") ? undefined : jobServer();
}

function post(server: JobServer, checkpoint: InlineCheckpoint): Promise<PostAnswer> {
  return ask(server, `jobs/wac/inline_checkpoint/${server.job}`, async (response) => {
    const text = await response.text();
    const { result } = checkpoint;
    // An older server answers a success with nothing, and what it answers to one is of no interest.
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    if (!isJson || typeof result !== "object" || result === null || !("__wmill_error" in result)) return true;
    return { failure: (JSON.parse(text) as { readonly failure?: unknown } | null)?.failure };
  }, JSON.stringify(checkpoint));
}
