/**
 * The fast path: a step's outcome is posted to the server while the body runs (wac-protocol 7).
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import { exchange } from "../http/transport.ts";
import { readEnv } from "../platform/env.ts";
import type { InlineCheckpoint, PostAnswer } from "../workflow/round.ts";

/** Longest time of one post. */
const LIMIT_MS = 10_000;

const OFF = /^\s*(0|false|off|no)\s*$/i;

/**
 * What posts the outcomes of this job's steps; undefined where that is switched off, or where it is not known how to reach the
 * server. The environment is read at each post: `WM_WAC_INLINE_FAST_PATH` may be set by the body.
 *
 * @param log takes the line that says why a post failed
 */
export function inlinePoster(
  log: (line: string) => void,
): ((checkpoint: InlineCheckpoint) => Promise<PostAnswer>) | undefined {
  if (target() === undefined) return undefined;
  return async (checkpoint) => {
    const to = target();
    if (to === undefined) return false;
    try {
      return await post(to, checkpoint);
    } catch (error) {
      log(`WAC v2 inline fast path failed for key ${checkpoint.key}, falling back to suspend: ${error}`);
      return false;
    }
  };
}

interface Target {
  readonly url: string;
  readonly token: string;
}

function target(): Target | undefined {
  const job = readEnv("WM_JOB_ID"), workspace = readEnv("WM_WORKSPACE"), token = readEnv("WM_TOKEN");
  if (!job || !workspace || !token || OFF.test(readEnv("WM_WAC_INLINE_FAST_PATH") ?? "")) return undefined;
  const base = (readEnv("BASE_INTERNAL_URL") || readEnv("BASE_URL") || "http://localhost:8000").replace(/\/+$/, "");
  const place = encodeSegment(workspace, "WM_WORKSPACE");
  return { url: `${base}/api/w/${place}/jobs/wac/inline_checkpoint/${encodeSegment(job, "WM_JOB_ID")}`, token };
}

function post({ url, token }: Target, checkpoint: InlineCheckpoint): Promise<PostAnswer> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const init: RequestInit = { method: "POST", headers, redirect: "manual", body: JSON.stringify(checkpoint) };
  return exchange(
    // Not repeated: the fallback does better, the worker itself writes the outcome down.
    {
      shown: { method: "POST", url },
      url,
      init,
      token,
      idempotent: false,
      client: {},
      options: { timeoutMs: LIMIT_MS },
    },
    async (response) => {
      const text = await response.text();
      const { result } = checkpoint;
      // An older server answers a success with nothing, and what it answers to one is of no interest.
      const isJson = response.headers.get("content-type")?.includes("json") === true;
      if (!isJson || typeof result !== "object" || result === null || !("__wmill_error" in result)) return true;
      return { failure: (JSON.parse(text) as { readonly failure?: unknown } | null)?.failure };
    },
  );
}
