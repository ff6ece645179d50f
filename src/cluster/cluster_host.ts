/**
 * How a workflow finds what runs it on a cluster: the core, and the requests to the server.
 *
 * Authors' functions do not name that module, not even in an `import()`: a bundler that splits its output puts what two entries
 * share, and an `import()` is one, into a file that every program loads at its start, so that whoever only reads a variable would
 * pay for the core (measured with esbuild: 5.7 kB more). The entries that Node and Bun get (`hosted.ts`) name it instead.
 *
 * @module
 */
import type { TaskSpec } from "../workflow/body_session.ts";
import type { WorkerContext } from "./worker_globals.ts";

/** What runs workflows and tasks on a cluster. */
export interface ClusterHost {
  /** Runs a workflow's body for one round. */
  runWorkerRound(
    context: WorkerContext,
    body: (...args: never[]) => unknown,
    args: readonly unknown[],
  ): Promise<unknown>;
  /** Runs a task that is called in no round as a job of its own. */
  runV1Task(spec: TaskSpec, args: readonly unknown[]): Promise<unknown>;
}

let loader: (() => Promise<ClusterHost>) | undefined;

/** Says where the host comes from. The last one counts. */
export function useClusterHost(load: () => Promise<ClusterHost>): void {
  loader = load;
}

/** The host, once it is loaded; undefined in an entry without one. */
export function clusterHost(): Promise<ClusterHost> | undefined {
  return loader?.();
}
