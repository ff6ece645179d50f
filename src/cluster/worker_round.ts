/**
 * One round under the Windmill worker's wrapper: the core runs the body, and what the round ends with is thrown in the one shape
 * that the wrapper recognises (wac-protocol 1.5, strategy A).
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
import { StepSuspend } from "./step_suspend.ts";
import type { WorkerContext } from "./worker_globals.ts";

/**
 * Runs a workflow's body for one round.
 *
 * @returns the workflow's result, when this round completes it
 * @throws StepSuspend when the worker has something to do first, or when the one call of a child job is done
 */
export async function runWorkerRound(
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
