/**
 * Following a job to its end: the server says when to look at it, and where it does not, it is looked at again and again.
 *
 * @module
 */
import type { WindmillApiError } from "../base/errors.ts";
import { pause } from "../http/scope.ts";
import type { CallOptions } from "../http/transport.ts";
import { systemClock } from "../platform/network.ts";
import type { JobResult } from "../wire/jobs.ts";
import { jobRoute } from "./_current_job.ts";
import { type ClientOptions, request } from "./connection.ts";

/** Shortest and longest pause after a look; each is 1.5 times the one before. */
const SHORTEST_MS = 50, LONGEST_MS = 1_000;

/** How many streams in a row may end at once, or not be there: after that there are looks only. */
const TRIES = 3;

/** What the calls that follow a job have in common. */
export interface Patience extends CallOptions {
  readonly signal: AbortSignal;
}

/** Options of calls that may not fail because the server is away for a while: a job goes on while a server restarts. */
export function patienceOf(calls: Omit<Patience, "timeoutMs" | "retry">): Patience {
  return { ...calls, timeoutMs: 120_000, retry: { attempts: 99 } };
}

/**
 * Follows a job until it is completed, and tells how it ended.
 *
 * @param listen reads a stream of updates until there is a reason to look at the job; how it ends does not matter
 * @param look looks at the job
 */
export async function followJob(
  client: ClientOptions,
  jobId: string,
  patience: Patience,
  listen: () => Promise<unknown>,
  look: () => Promise<JobResult>,
): Promise<JobResult> {
  const { clock = systemClock } = client;
  let delay = SHORTEST_MS;
  for (let tries = 1;; tries++) {
    const begun = clock.now();
    // Whether the server is there is what the look tells.
    if (tries <= TRIES) await listen().catch(() => patience.signal.throwIfAborted());
    // A stream that served for a while ended as streams do, and is opened again without much ado.
    if (clock.now() - begun > LONGEST_MS) [delay, tries] = [SHORTEST_MS, 0];
    const verdict = await look();
    if (verdict.completed) return verdict;
    // A job that is not there looks like one that is not completed. Not at once: a replica may not know a new one yet.
    if (tries === TRIES) await mustExist(client, jobId, patience);
    await pause(clock, delay, patience.signal);
    delay = Math.min(delay * 1.5, LONGEST_MS);
  }
}

/** Fails when the server refuses to show a job. A refusal that does not name it is that of a server without such a route. */
async function mustExist(client: ClientOptions, jobId: string, patience: Patience): Promise<void> {
  const call = { route: jobRoute(client, "jobs_u/get", jobId), query: "no_logs=true&no_code=true" };
  await request(client, call, patience).catch((error: Partial<WindmillApiError>) => {
    if (error.body?.includes(jobId)) throw error;
  });
}
