/**
 * The cluster's host, loaded when a round begins.
 *
 * @module
 */
import type { ClusterHost } from "./cluster_host.ts";

/** Loads the core and what speaks to the server. */
export async function loadHost(): Promise<ClusterHost> {
  const [{ runWorkerRound }, { runV1Task }] = await Promise.all([import("./worker_round.ts"), import("./v1_task.ts")]);
  return { runWorkerRound, runV1Task };
}
