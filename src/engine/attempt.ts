/**
 * One execution of one attempt of a task or step.
 *
 * @module
 */
import type { Call, Command, Failure, Key, TaskInfo } from "../workflow/journal.ts";
import type { Alarm } from "./alarm_clock.ts";

/** One execution of one attempt. */
export interface Attempt {
  /** Its run, which writes ahead that it has been running for a while. */
  readonly driver: { recordRunning(attempt: Attempt): void };
  readonly key: Key;
  readonly call: Call & { readonly kind: "task" | "step" | "undo" };
  readonly command: Extract<Command, { readonly c: "call" }>;
  startedAt: number;
  controller: AbortController | undefined;
  timeout: Alarm | undefined;
  /** Gives its wait for a place up. */
  leave: () => void;
  holdsPlace: boolean;
  /** Handle of the work that goes on without this process. */
  ref: string | undefined;
}

/** The signal is made when somebody asks for it: an AbortController costs as much as the rest of a small step. */
export class AttemptInfo implements TaskInfo {
  readonly runId: string;
  readonly key: Key;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly #attempt: Attempt;

  constructor(runId: string, attempt: Attempt) {
    const { key, call } = attempt;
    this.runId = runId;
    this.key = key;
    this.attempt = call.attempt;
    this.idempotencyKey = `${runId}/${call.base}`;
    this.#attempt = attempt;
  }

  get signal(): AbortSignal {
    this.#attempt.controller ??= new AbortController();
    return this.#attempt.controller.signal;
  }
}

/** Why a script or a flow cannot run here. */
export function noExecutor(call: Extract<Call, { readonly kind: "task" }>, key: Key): Failure {
  const what = call.via === "flow" ? "taskFlow" : "taskScript";
  const message = `Cannot run ${what}("${call.script}"): this engine has no executor for ${call.via}s. ` +
    `Pass one as 'executor' to createEngine(), or run the workflow on a cluster`;
  return {
    message,
    stepKey: key,
    code: "HOST_UNSUPPORTED",
    retryable: false,
    error: { name: "HostUnsupportedError", message },
  };
}
