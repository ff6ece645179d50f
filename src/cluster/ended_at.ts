/**
 * When calls of this job ended, by the server's times: for `race`, whose branches have all ended when the body runs again.
 *
 * @module
 */
import type { Key } from "../workflow/journal.ts";
import { ask, jobServer } from "./job_server.ts";

/** An entry of the timeline (wac-protocol 2.4): of a task's job, or of a step. */
interface TimelineEntry {
  readonly name?: unknown;
  readonly scheduled_for?: unknown;
  readonly started_at?: unknown;
  readonly duration_ms?: unknown;
}

/**
 * Asks the server.
 *
 * @param keys the calls; what is not known of one is left out
 * @param log takes the line that says why nothing is known
 * @returns milliseconds since 1970, by key
 */
export async function endedAt(keys: readonly Key[], log: (line: string) => void): Promise<ReadonlyMap<Key, number>> {
  const ends = new Map<Key, number>();
  const server = jobServer();
  if (server === undefined) return ends;
  try {
    const route = `jobs_u/getupdate/${server.job}?running=true&no_logs=true`;
    const update: unknown = JSON.parse(await ask(server, route, (response) => response.text()));
    const { workflow_as_code_status: timeline } = Object(update) as {
      readonly workflow_as_code_status?: Readonly<Record<string, TimelineEntry | null>> | null;
    };
    const wanted = new Set(keys);
    for (const entry of Object.values(timeline ?? {})) {
      const { name, scheduled_for, started_at = scheduled_for, duration_ms } = entry ?? {};
      const start = typeof started_at === "string" ? Date.parse(started_at) : NaN;
      if (typeof name !== "string" || !wanted.has(name) || typeof duration_ms !== "number") continue;
      if (!Number.isNaN(start)) ends.set(name, start + duration_ms);
    }
  } catch (error) {
    log(`WAC: the times of the branches of race() are not known, so the first in their order wins: ${error}`);
  }
  return ends;
}
