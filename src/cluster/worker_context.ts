/**
 * What the Windmill worker's wrapper and a workflow file share: the replay context that the wrapper makes of the job's checkpoint,
 * and the error that tells it how a round ended (wac-protocol 1.4, 1.5). The context lies on `globalThis` too, so that another
 * copy of the client, the official one among them, is understood.
 *
 * @module
 */

/** The job's checkpoint, as the wrapper reads it (wac-protocol 2.2). */
export interface WorkerCheckpoint {
  /** Outcomes by key. */
  readonly completed_steps?: Readonly<Record<string, unknown>> | null;
  /** In a child job: the one call to run. */
  readonly _executing_key?: string | null;
}

/** What a round reads of a context; the official client's has these fields too. */
export interface WorkerContext {
  /** Outcomes by key. */
  readonly completed: Readonly<Record<string, unknown>>;
  /** In a child job: the one call to run. */
  readonly _executingKey: string | null;
}

interface Globals {
  __wmill_wf_ctx?: WorkerContext | null;
}

/**
 * Ends a round: the wrapper hands `dispatchInfo` to the worker. The workflow's own code never sees it.
 *
 * Its shape is the official client's (wac-protocol 3).
 */
export class StepSuspend extends Error {
  /** Always `"StepSuspend"`: the wrapper looks for it. */
  override readonly name = "StepSuspend";
  /** What the worker is to do. */
  readonly dispatchInfo: Readonly<Record<string, unknown>>;
  /** Builds the error. */
  constructor(dispatchInfo: Readonly<Record<string, unknown>>) {
    super("The workflow waits for a step: this is a message to the Windmill worker, not a failure");
    this.dispatchInfo = dispatchInfo;
  }
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
  (globalThis as Globals).__wmill_wf_ctx = context;
}

/** The context that a wrapper set, through this copy of the client or another; undefined without one. */
export function workerContext(): WorkerContext | undefined {
  return (globalThis as Globals).__wmill_wf_ctx ?? undefined;
}
