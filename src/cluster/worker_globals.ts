/**
 * The replay context that the Windmill worker's wrapper makes of a job's checkpoint, and where a workflow finds it (wac-protocol
 * 1.4, 1.5). It lies on `globalThis`, so that two copies of the client agree.
 *
 * @module
 */

/** What a round reads of a context; the official client's has it too. */
export interface WorkerContext {
  /** Outcomes by key. */
  readonly completed: Readonly<Record<string, unknown>>;
  /** In a child job: the one call to run. */
  readonly _executingKey: string | null;
}

/** Where it lies. */
export interface WorkerGlobals {
  __wmill_wf_ctx?: WorkerContext | null;
}

/** The context that a wrapper set, through this copy of the client or another; undefined without one. */
export function workerContext(): WorkerContext | undefined {
  return (globalThis as WorkerGlobals).__wmill_wf_ctx ?? undefined;
}
