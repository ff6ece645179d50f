/**
 * Every condition that a caller may want to handle, as one class with a literal `name` and `code`.
 *
 * Test for a kind with {@linkcode hasCode}, not with `instanceof`: two copies of this package in one process (a workflow
 * file's own and the command line's, say) have different classes, but the same codes.
 *
 * @module
 */

import { causeOf, originOf } from "./origin.ts";

/** The literal `code` of every error class in this module. */
export type WindkitErrorCode =
  | "TASK_FAILED"
  | "RUN_FAILED"
  | "REPLAY_MISMATCH"
  | "NON_DETERMINISM"
  | "CANCELLED"
  | "DEADLINE_EXCEEDED"
  | "STORAGE_LOCKED"
  | "STORAGE_FULL"
  | "STORAGE_READ_ONLY"
  | "STORAGE_FAILED"
  | "SCHEMA_TOO_NEW"
  | "JOURNAL_CORRUPT"
  | "UNKNOWN_WORKFLOW"
  | "UNKNOWN_RUN"
  | "RUN_EXISTS"
  | "NOT_WAITING"
  | "HOST_UNSUPPORTED"
  | "ENGINE_CLOSED"
  | "PAYLOAD_TOO_LARGE"
  | "WINDMILL_API"
  | "JOB_FAILED"
  | "CONFIGURATION"
  | "VALIDATION_FAILED"
  | "NON_RETRYABLE"
  | "RETRY_AFTER"
  | "WAIT_TIMEOUT"
  | "COMPENSATION_FAILED"
  | "MISSING_PACKAGE";

/**
 * Tells whether a caught value is this package's error of the given code, whichever copy of the package threw it.
 *
 * @param error the caught value
 * @param code the literal code to look for
 * @returns true when `error` is an object whose `code` is `code`
 *
 * @example Handle one condition
 * ```ts
 * import { ConfigurationError, hasCode } from "@windkit/windmill-client/errors";
 *
 * const error: unknown = new ConfigurationError("No workspace: set WM_WORKSPACE");
 * if (!hasCode(error, "CONFIGURATION")) throw new Error("not recognised");
 * ```
 */
export function hasCode<C extends WindkitErrorCode>(error: unknown, code: C): error is Error & { readonly code: C } {
  return typeof error === "object" && error !== null && (error as { code?: unknown }).code === code;
}

/** What a failed task or step left behind, in the protocol's words (wac-protocol 5.3). */
export interface TaskErrorDetail {
  /** The thrown error as the host recorded it. */
  readonly error: {
    /** Name of the thrown error, `"Error"` when it had none. */
    readonly name: string;
    /** Message of the thrown error. */
    readonly message: string;
    /** Stack, at most 8192 bytes. */
    readonly stack?: string;
    /** Other own properties of the thrown error that are JSON. */
    readonly extra?: unknown;
  };
}

/**
 * A task or a step failed. Its fields are the protocol's (wac-protocol 5.4), equal live and on replay.
 *
 * @example Look at the step that failed
 * ```ts
 * import { TaskError } from "@windkit/windmill-client/errors";
 *
 * const error = new TaskError("out of stock", "reserve", { error: { name: "Error", message: "out of stock" } });
 * if (error.step_key !== "reserve") throw new Error("wrong key");
 * ```
 */
export class TaskError extends Error {
  /** Always `"TaskError"`. */
  override readonly name = "TaskError";
  /** Always `"TASK_FAILED"`. */
  readonly code = "TASK_FAILED";
  /** The recorded error. */
  readonly result: TaskErrorDetail;
  /** Key of the failed call in the run's journal. */
  readonly step_key: string;
  /** Id of the child job that ran the task, where one did (on a cluster). */
  readonly child_job_id: string | undefined;
  /** Builds the error from its recorded parts. */
  constructor(message: string, stepKey: string, result: TaskErrorDetail, childJobId?: string) {
    super(message);
    this.result = result;
    this.step_key = stepKey;
    this.child_job_id = childJobId;
  }
  /** What the thrown error carried, when it was one of a `defineError` class. */
  get data(): unknown {
    return originOf(this.result.error).data;
  }
  /** The thrown error itself, when it was one of a `defineError` class: made again of its record. */
  override get cause(): unknown {
    return causeOf(this.result.error);
  }
}

/** A run ended `failed`: thrown by `handle.result()`. `message` is the failure's own. */
export class RunFailedError extends Error {
  /** Always `"RunFailedError"`. */
  override readonly name = "RunFailedError";
  /** Always `"RUN_FAILED"`. */
  readonly code = "RUN_FAILED";
  /** Id of the failed run. */
  readonly runId: string;
  /** Name of the error that left the workflow's body. */
  readonly errorName: string;
  /** Key of the call whose failure ended the run, when one did. */
  readonly stepKey: string | undefined;
  /** The recorded error: name, message, stack, extra. */
  readonly detail: TaskErrorDetail["error"];
  /** Builds the error from the run's recorded outcome. */
  constructor(runId: string, detail: TaskErrorDetail["error"], stepKey?: string) {
    super(detail.message);
    this.runId = runId;
    this.errorName = detail.name;
    this.stepKey = stepKey;
    this.detail = detail;
  }
  /** What the thrown error carried, when it was one of a `defineError` class. */
  get data(): unknown {
    return originOf(this.detail).data;
  }
}

/** The journal of a run and what the workflow's code asks for now are not the same. */
export class ReplayMismatchError extends Error {
  /** Always `"ReplayMismatchError"`. */
  override readonly name = "ReplayMismatchError";
  /** Always `"REPLAY_MISMATCH"`. */
  readonly code = "REPLAY_MISMATCH";
  /** Key of the call that differs. */
  readonly stepKey: string;
  /** What the journal holds, when it holds something for this key. */
  readonly recorded: unknown;
  /** What the code asked for, when it asked for something. */
  readonly asked: unknown;
  /** Builds the error; `recorded` and `asked` are fingerprints. */
  constructor(message: string, stepKey: string, recorded?: unknown, asked?: unknown) {
    super(message);
    this.stepKey = stepKey;
    this.recorded = recorded;
    this.asked = asked;
  }
}

/** The body of a workflow did something that cannot be replayed. */
export class NonDeterminismError extends Error {
  /** Always `"NonDeterminismError"`. */
  override readonly name = "NonDeterminismError";
  /** Always `"NON_DETERMINISM"`. */
  readonly code = "NON_DETERMINISM";
}

/** The run was cancelled. Pending calls of its body settle with this. */
export class CancelledError extends Error {
  /** Always `"CancelledError"`. */
  override readonly name = "CancelledError";
  /** Always `"CANCELLED"`. */
  readonly code = "CANCELLED";
}

/** A deadline passed: of a run, of a wait, or of a request. */
export class DeadlineError extends Error {
  /** Always `"DeadlineError"`. */
  override readonly name = "DeadlineError";
  /** Always `"DEADLINE_EXCEEDED"`. */
  readonly code = "DEADLINE_EXCEEDED";
}

/** Another process drives the data folder. */
export class StorageLockedError extends Error {
  /** Always `"StorageLockedError"`. */
  override readonly name = "StorageLockedError";
  /** Always `"STORAGE_LOCKED"`. */
  readonly code = "STORAGE_LOCKED";
  /** Who holds it, when it could be read. `since` is in milliseconds since 1970. */
  readonly holder: { readonly name?: string; readonly pid?: number; readonly since?: number } | undefined;
  /** Builds the error; the message should name the holder too. */
  constructor(message: string, holder?: StorageLockedError["holder"], options?: ErrorOptions) {
    super(message, options);
    this.holder = holder;
  }
}

/** The disk is full. Nothing that was acknowledged is lost; the engine has stopped. */
export class StorageFullError extends Error {
  /** Always `"StorageFullError"`. */
  override readonly name = "StorageFullError";
  /** Always `"STORAGE_FULL"`. */
  readonly code = "STORAGE_FULL";
}

/** The data folder cannot be written. */
export class StorageReadOnlyError extends Error {
  /** Always `"StorageReadOnlyError"`. */
  override readonly name = "StorageReadOnlyError";
  /** Always `"STORAGE_READ_ONLY"`. */
  readonly code = "STORAGE_READ_ONLY";
}

/** A commit failed for another reason, or the storage was used after it closed or failed. */
export class StorageFailedError extends Error {
  /** Always `"StorageFailedError"`. */
  override readonly name = "StorageFailedError";
  /** Always `"STORAGE_FAILED"`. */
  readonly code = "STORAGE_FAILED";
}

/** The data was written by a newer version of this package. */
export class SchemaTooNewError extends Error {
  /** Always `"SchemaTooNewError"`. */
  override readonly name = "SchemaTooNewError";
  /** Always `"SCHEMA_TOO_NEW"`. */
  readonly code = "SCHEMA_TOO_NEW";
}

/** Stored data is damaged: a file as a whole, or one run of it. */
export class JournalCorruptError extends Error {
  /** Always `"JournalCorruptError"`. */
  override readonly name = "JournalCorruptError";
  /** Always `"JOURNAL_CORRUPT"`. */
  readonly code = "JOURNAL_CORRUPT";
  /** The damaged run, when the damage is known to be in one. */
  readonly runId: string | undefined;
  /** Position of the first bad record in that run. */
  readonly seq: number | undefined;
  /** Builds the error. */
  constructor(message: string, where: { readonly runId?: string; readonly seq?: number } = {}, options?: ErrorOptions) {
    super(message, options);
    this.runId = where.runId;
    this.seq = where.seq;
  }
}

/** No workflow of that name is registered. */
export class UnknownWorkflowError extends Error {
  /** Always `"UnknownWorkflowError"`. */
  override readonly name = "UnknownWorkflowError";
  /** Always `"UNKNOWN_WORKFLOW"`. */
  readonly code = "UNKNOWN_WORKFLOW";
}

/** No run of that id is stored. */
export class UnknownRunError extends Error {
  /** Always `"UnknownRunError"`. */
  override readonly name = "UnknownRunError";
  /** Always `"UNKNOWN_RUN"`. */
  readonly code = "UNKNOWN_RUN";
}

/** A run of that id exists and differs: `differs` names what (`workflow`, `args`, `source`). */
export class RunExistsError extends Error {
  /** Always `"RunExistsError"`. */
  override readonly name = "RunExistsError";
  /** Always `"RUN_EXISTS"`. */
  readonly code = "RUN_EXISTS";
  /** What differs. */
  readonly differs: readonly string[];
  /** Builds the error. */
  constructor(message: string, differs: readonly string[]) {
    super(message);
    this.differs = differs;
  }
}

/** An answer or an event that a run does not wait for any more, or not yet: the text says what it waits for, or that it has ended. */
export class NotWaitingError extends Error {
  /** Always `"NotWaitingError"`. */
  override readonly name = "NotWaitingError";
  /** Always `"NOT_WAITING"`. */
  readonly code = "NOT_WAITING";
}

/** A primitive was called where it does not work: the text names it, the host, and what to use instead. */
export class HostUnsupportedError extends Error {
  /** Always `"HostUnsupportedError"`. */
  override readonly name = "HostUnsupportedError";
  /** Always `"HOST_UNSUPPORTED"`. */
  readonly code = "HOST_UNSUPPORTED";
}

/**
 * Thrown by a task, a step or an undo: what went wrong will go wrong again, so that no attempt is left to make.
 *
 * On a cluster it crosses as its name and fields (wac-protocol 5.5), and does the same there.
 *
 * @example
 * ```ts
 * import { createEngine } from "@windkit/windmill-client/engine";
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 * import { NonRetryableError, step, workflow } from "@windkit/windmill-client/workflow";
 *
 * let attempts = 0;
 * const main = workflow(async () =>
 *   await step("charge", () => {
 *     attempts++;
 *     throw new NonRetryableError("The card has expired");
 *   }, { retry: { attempts: 5 } })
 * );
 *
 * await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { main } });
 * await (await engine.start("main")).result().catch(() => undefined);
 * if (attempts !== 1) throw new Error(`tried ${attempts} times`);
 * ```
 */
export class NonRetryableError extends Error {
  /** Always `"NonRetryableError"`. */
  override readonly name = "NonRetryableError";
  /** Always `"NON_RETRYABLE"`. */
  readonly code = "NON_RETRYABLE";
}

/**
 * Thrown by a task or a step: not before this time again. It lengthens the delay of the call's retry, and makes no retry of its
 * own where none was asked for. Delays are whole seconds, rounded up, on every host.
 */
export class RetryAfterError extends Error {
  /** Always `"RetryAfterError"`. */
  override readonly name = "RetryAfterError";
  /** Always `"RETRY_AFTER"`. */
  readonly code = "RETRY_AFTER";
  /** Least time before the next attempt, in milliseconds. */
  readonly retryAfterMs: number;
  /**
   * Builds the error.
   *
   * @param after seconds to wait, or the time at which to try again
   * @throws RangeError unless `after` is a finite number of 0 or more, or a valid date
   */
  constructor(message: string, after: number | Date, options?: ErrorOptions) {
    super(message, options);
    const ms = typeof after === "number" ? after * 1000 : after.getTime() - Date.now();
    if (!(ms < Infinity) || (typeof after === "number" && after < 0)) {
      throw new RangeError(
        `Cannot make a RetryAfterError: 'after' must be a finite number of seconds of 0 or more, or a valid date, found ${after}`,
      );
    }
    this.retryAfterMs = Math.max(0, ms);
  }
}

/** Nobody did in time what was waited for: an event, or what a `withTimeout` bounds. */
export class WaitTimeoutError extends Error {
  /** Always `"WaitTimeoutError"`. */
  override readonly name = "WaitTimeoutError";
  /** Always `"WAIT_TIMEOUT"`. */
  readonly code = "WAIT_TIMEOUT";
}

/** Something failed, and then what should have taken back what it had done. `cause` is the first failure. */
export class CompensationError extends Error {
  /** Always `"CompensationError"`. */
  override readonly name = "CompensationError";
  /** Always `"COMPENSATION_FAILED"`. */
  readonly code = "COMPENSATION_FAILED";
  /** How the undo failed. */
  readonly undo: Error;
  /** Builds the error from both failures. */
  constructor(message: string, cause: unknown, undo: Error) {
    super(message, { cause });
    this.undo = undo;
  }
}

/** The engine was closed while something waited for it. What was recorded goes on when an engine is opened again. */
export class EngineClosedError extends Error {
  /** Always `"EngineClosedError"`. */
  override readonly name = "EngineClosedError";
  /** Always `"ENGINE_CLOSED"`. */
  readonly code = "ENGINE_CLOSED";
}

/** A value is larger than the storage takes. */
export class PayloadTooLargeError extends Error {
  /** Always `"PayloadTooLargeError"`. */
  override readonly name = "PayloadTooLargeError";
  /** Always `"PAYLOAD_TOO_LARGE"`. */
  readonly code = "PAYLOAD_TOO_LARGE";
}

/** The Windmill server answered with an error status, or with something that cannot be read. */
export class WindmillApiError extends Error {
  /** Always `"WindmillApiError"`. */
  override readonly name = "WindmillApiError";
  /** Always `"WINDMILL_API"`. */
  readonly code = "WINDMILL_API";
  /** HTTP status, 0 when no answer came. */
  declare readonly status: number;
  /** Method and address of the request, without query values that are secret. */
  declare readonly request: { readonly method: string; readonly url: string };
  /** The answer's body, as text, at most 64 KiB of it. */
  declare readonly body: string;
  /** The SQL statement that failed, with places instead of values, when it was one. */
  declare query?: string;
  /** Builds the error. */
  constructor(message: string, detail: Pick<WindmillApiError, "status" | "request" | "body">, options?: ErrorOptions) {
    super(message, options);
    Object.assign(this, detail);
  }
}

/** A Windmill job ended without success. */
export class JobFailedError extends Error {
  /** Always `"JobFailedError"`. */
  override readonly name = "JobFailedError";
  /** Always `"JOB_FAILED"`. */
  readonly code = "JOB_FAILED";
  /** Id of the job. */
  declare readonly jobId: string;
  /** The job's result as the server gave it; may be null. */
  declare readonly result: unknown;
  /** Name of the error in the job's result, when it has one: `"Canceled"` for a job that was cancelled. */
  declare readonly errorName: string | undefined;
  /** Message of the error in the job's result, when it has one. */
  declare readonly errorMessage: string | undefined;
  /** Builds the error; `failure` is the error in the job's result, as far as it could be read. */
  constructor(
    message: string,
    jobId: string,
    result: unknown,
    failure: { readonly name?: string | undefined; readonly message?: string | undefined } = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    Object.assign(this, { jobId, result, errorName: failure.name, errorMessage: failure.message });
  }
}

/** An option or an environment variable is missing or wrong: the text names it. */
export class ConfigurationError extends Error {
  /** Always `"ConfigurationError"`. */
  override readonly name = "ConfigurationError";
  /** Always `"CONFIGURATION"`. */
  readonly code = "CONFIGURATION";
}

/**
 * A value does not fit its schema. The message says where, and what kind of value is there; the words of the schema library,
 * which may quote the value, are in `issues` only: it may be a secret, and messages end up in logs and in results of jobs.
 */
export class ValidationError extends Error {
  /** Always `"ValidationError"`. */
  override readonly name = "ValidationError";
  /** Always `"VALIDATION_FAILED"`. */
  readonly code = "VALIDATION_FAILED";
  // Private: a worker copies the enumerable fields of an error to the result of its job.
  readonly #issues: readonly ValidationIssue[];
  /** Builds the error from what the schema found. */
  constructor(message: string, issues: readonly ValidationIssue[], options?: ErrorOptions) {
    super(message, options);
    this.#issues = issues;
  }
  /** What the schema found wrong, in the order in which it found it. */
  get issues(): readonly ValidationIssue[] {
    return this.#issues;
  }
}

/** Something that a schema found wrong. */
export interface ValidationIssue {
  /** What is wrong, in the schema library's words. They may quote the value. */
  readonly message: string;
  /** Where it is. */
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** An optional package, or a runtime new enough, is needed: the text names it. */
export class MissingPackageError extends Error {
  /** Always `"MissingPackageError"`. */
  override readonly name = "MissingPackageError";
  /** Always `"MISSING_PACKAGE"`. */
  readonly code = "MISSING_PACKAGE";
}
