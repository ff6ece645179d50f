/**
 * What the Windmill worker's wrapper imports from a client: the context of a round, and the error that tells how it ended. The core
 * runs the body, and what the round ends with is thrown in the one shape that the wrapper recognises (wac-protocol 1.5).
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { wallClock } from "../platform/clock.ts";
import { readEnv } from "../platform/env.ts";
import { hop } from "../platform/hop.ts";
import { runWith } from "../platform/run_context.ts";
import type { Json } from "../workflow/journal.ts";
import { runRound } from "../workflow/round.ts";
import type { WorkerContext, WorkerGlobals } from "./worker_context.ts";

/** The job's checkpoint, as the wrapper reads it (wac-protocol 2.2). */
export interface WorkerCheckpoint {
  /** Outcomes by key. */
  readonly completed_steps?: Readonly<Record<string, unknown>> | null;
  /** In a child job: the one call to run. */
  readonly _executing_key?: string | null;
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
  /** Runs a workflow's body for one round. */
  _runRound(body: (...args: never[]) => unknown, args: readonly unknown[]): Promise<unknown> {
    return runRoundOf(this, body, args);
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

/**
 * Runs a workflow's body for one round.
 *
 * @returns the workflow's result, when this round completes it
 * @throws StepSuspend when the worker has something to do first, or when the one call of a child job is done
 */
async function runRoundOf(
  context: WorkerContext,
  body: (...args: never[]) => unknown,
  args: readonly unknown[],
): Promise<unknown> {
  const message = await runRound(
    {
      body,
      hop,
      now: wallClock,
      runId: readEnv("WM_JOB_ID") ?? "",
      signal: new AbortController().signal,
      enter: (session, info, fn) =>
        runWith(info === undefined ? { session } : { session, info }, fn, info !== undefined),
    },
    { completed_steps: context.completed, _executing_key: context._executingKey },
    decode(encode(args)) as Json,
  );
  switch (message.type) {
    case "complete":
      if (typeof context._executingKey !== "string") return message.result;
      throw new StepSuspend({ mode: "step_complete", steps: [], result: message.result });
    case "failed": {
      const { name, message: text, stack, extra } = message.failure.error;
      throw Object.assign(new Error(text), typeof extra === "object" ? extra : undefined, { name, stack });
    }
    case "dispatch":
      throw new StepSuspend({ mode: message.mode, steps: message.steps });
    default: {
      const { type: mode, ...info } = message;
      throw new StepSuspend({ mode, ...info, steps: [] });
    }
  }
}
