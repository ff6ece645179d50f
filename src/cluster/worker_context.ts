/**
 * What the Windmill worker's wrapper imports from a client: the context of a round, and where it is set (wac-protocol 1.4).
 *
 * @module
 */
import { useClusterHost } from "./cluster_host.ts";
import { runV1Task } from "./v1_task.ts";
import type { WorkerContext, WorkerGlobals } from "./worker_globals.ts";
import { runWorkerRound } from "./worker_round.ts";

export { StepSuspend } from "./step_suspend.ts";
export type { WorkerContext } from "./worker_globals.ts";

/** The job's checkpoint, as the wrapper reads it (wac-protocol 2.2). */
export interface WorkerCheckpoint {
  /** Outcomes by key. */
  readonly completed_steps?: Readonly<Record<string, unknown>> | null;
  /** In a child job: the one call to run. */
  readonly _executing_key?: string | null;
}

/**
 * The replay context of one round, made by the worker's wrapper. The methods that it calls after the body find nothing left to do:
 * here the round ends before the body does.
 */
export class WorkflowCtx implements WorkerContext {
  /** Outcomes by key. */
  readonly completed: Readonly<Record<string, unknown>>;
  /** In a child job: the one call to run. */
  readonly _executingKey: string | null;
  /** Builds the context of a checkpoint. */
  constructor(checkpoint: WorkerCheckpoint = {}) {
    useClusterHost(() => Promise.resolve({ runWorkerRound, runV1Task }));
    this.completed = checkpoint.completed_steps ?? {};
    this._executingKey = checkpoint._executing_key ?? null;
  }
  /** Calls that the body left pending; none. */
  _flushPending(): readonly never[] {
    return [];
  }
  /** A suspension that the body caught; none can be. */
  _takePendingSuspend(): null {
    return null;
  }
  /** A failure that the body caught on its way to the worker; none can be. */
  _takePendingStepFailure(): null {
    return null;
  }
  /** Says which failures nobody saw; they fail the run instead. */
  _warnUnobservedTaskFailures(): void {}
}

/** The context of the running round; null outside one. */
export let _workflowCtx: WorkerContext | null = null;

/** Sets the context of the round that begins, or null when it has ended. The worker's wrapper calls it. */
export function setWorkflowCtx(context: WorkerContext | null): void {
  _workflowCtx = context;
  (globalThis as WorkerGlobals).__wmill_wf_ctx = context;
}
