/**
 * What a replay needs of this machine.
 *
 * @module
 */
import type { ReplayPorts } from "../workflow/replay.ts";
import { createCallSites } from "./call_site.ts";
import { createLocalHost } from "./host.ts";

/**
 * The run context and the timers of this machine, for one replay: the places of its calls are remembered.
 *
 * @param patienceMs real time that the body may take for something that is no call
 */
export function replayPorts(patienceMs: number): ReplayPorts {
  const host = createLocalHost();
  const sites = createCallSites();
  return {
    hop: host.hop,
    enter: (session, info, fn) => host.context.run(info === undefined ? { session } : { session, info }, fn),
    patience(then): () => void {
      const timer = setInterval(then, patienceMs);
      return () => clearInterval(timer);
    },
    site: (name) => sites("", name),
  };
}
