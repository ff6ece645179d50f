/**
 * One round under the Windmill worker's wrapper: the core runs the body, and what the round ends with is thrown in the one shape
 * that the wrapper recognises (wac-protocol 1.5, strategy A).
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { decode, encode } from "../base/canonical.ts";
import { ReplayMismatchError } from "../base/errors.ts";
import { wallClock } from "../platform/clock.ts";
import { readEnv } from "../platform/env.ts";
import { hop } from "../platform/hop.ts";
import { randomBytes } from "../platform/random.ts";
import { runWith } from "../platform/run_context.ts";
import { changeNotice, mismatchError, nonConfluentNotice } from "../workflow/explain.ts";
import type { Command, Failure, Json } from "../workflow/journal.ts";
import { runRound } from "../workflow/round.ts";
import { endedAt } from "./ended_at.ts";
import { inlinePoster } from "./inline_checkpoint.ts";
import { StepSuspend } from "./step_suspend.ts";
import type { WorkerContext } from "./worker_globals.ts";

/** How long a body that waits for other calls may still come to one that it made before. */
const PATIENCE_MS = 30_000;

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
  const isChild = typeof context._executingKey === "string";
  const post = isChild ? undefined : inlinePoster(log);
  const values = args.map(argument);
  const message = await runRound(
    {
      body: () => body(...values as never[]),
      hop,
      now: wallClock,
      runId: readEnv("WM_JOB_ID") ?? "",
      signal: new AbortController().signal,
      enter: (session, info, fn) =>
        runWith(info === undefined ? { session } : { session, info }, fn, info !== undefined),
      seed: () => toHex(randomBytes(16)),
      endedAt: (keys) => endedAt(keys, log),
      note: (command) => log(noteOf(command)),
      log,
      patience: (then) => {
        const timer = setTimeout(then, PATIENCE_MS);
        return () => clearTimeout(timer);
      },
      ...(post === undefined ? undefined : { post }),
    },
    { completed_steps: context.completed, _executing_key: context._executingKey },
    decode(encode(args)) as Json,
  );
  switch (message.type) {
    case "complete":
      if (!isChild) return message.result;
      throw new StepSuspend({ mode: "step_complete", steps: [], result: message.result });
    case "failed":
      throw errorOfRound(message.failure, readEnv("WM_JOB_ID") ?? "");
    case "dispatch":
      throw new StepSuspend({ mode: message.mode, steps: message.steps });
    default: {
      const { type: mode, ...info } = message;
      throw new StepSuspend({ mode, ...info, steps: [] });
    }
  }
}

/** The worker reads some lines of the job's log. */
function log(line: string): void {
  console.log(line);
}

/** An argument as the body gets it: absent ones have their defaults, and the wrapper makes Dates where the body says Date. */
function argument(value: unknown): unknown {
  return value === undefined || value instanceof Date ? value : decode(encode(value));
}

/** A line of the log for what the body logs, and for what is worth one. */
function noteOf(command: Extract<Command, { readonly c: "log" | "notice" }>): string {
  if (command.c === "log") {
    const { level, message, data } = command;
    return `[${level}] ${message}${data === undefined ? "" : ` ${JSON.stringify(data)}`}`;
  }
  return command.notice === "non-confluent"
    ? nonConfluentNotice(command.key, command.name)
    : changeNotice(command.notice, command.key, command.recorded, command.asked);
}

/** The error that the wrapper writes down: name, message, stack, and every other own property as `extra` (wac-protocol 3). */
function errorOfRound(failure: Failure, runId: string): Error {
  const { code, message, error: { name, stack, extra } } = failure;
  if (code === "REPLAY_MISMATCH") {
    return extra === undefined ? new ReplayMismatchError(message, failure.stepKey) : mismatchError(runId, failure);
  }
  const thrown = new Error(message);
  // The wrapper would take it for the end of a round.
  const suspended = name === "StepSuspend";
  const shown = suspended
    ? {
      name: "HostUnsupportedError",
      message:
        "Cannot run the workflow: a function of another package suspended it. Import `workflow` and the functions that its " +
        "body calls from one package",
    }
    : { name };
  const fields = { ...(!suspended && typeof extra === "object" ? extra : undefined), stack, ...shown };
  for (const [key, value] of Object.entries(fields)) {
    // Defined, not assigned: a field may be called "__proto__".
    Object.defineProperty(thrown, key, { value, writable: true, enumerable: true, configurable: true });
  }
  return thrown;
}
