import * as errors from "@windkit/windmill-client/errors";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

const detail = { error: { name: "RangeError", message: "too many" } };

/** One of every class that the subpath exports, with the code it must carry. */
const all: readonly (readonly [string, Error])[] = [
  ["TASK_FAILED", new errors.TaskError("too many", "load", detail)],
  ["RUN_FAILED", new errors.RunFailedError("run-1", detail.error, "load")],
  ["REPLAY_MISMATCH", new errors.ReplayMismatchError("Differs", "load")],
  ["NON_DETERMINISM", new errors.NonDeterminismError("Read the clock")],
  ["CANCELLED", new errors.CancelledError("Stopped")],
  ["DEADLINE_EXCEEDED", new errors.DeadlineError("Too late")],
  ["STORAGE_LOCKED", new errors.StorageLockedError("Held", { pid: 7 })],
  ["STORAGE_FULL", new errors.StorageFullError("Full")],
  ["STORAGE_READ_ONLY", new errors.StorageReadOnlyError("Read only")],
  ["ENGINE_CLOSED", new errors.EngineClosedError("Closed")],
  ["STORAGE_FAILED", new errors.StorageFailedError("Closed")],
  ["SCHEMA_TOO_NEW", new errors.SchemaTooNewError("Newer")],
  ["JOURNAL_CORRUPT", new errors.JournalCorruptError("Damaged", { runId: "run-1", seq: 3 })],
  ["UNKNOWN_WORKFLOW", new errors.UnknownWorkflowError("No such workflow")],
  ["UNKNOWN_RUN", new errors.UnknownRunError("No such run")],
  ["NOT_WAITING", new errors.NotWaitingError("Has ended")],
  ["RUN_EXISTS", new errors.RunExistsError("Differs", ["args"])],
  ["HOST_UNSUPPORTED", new errors.HostUnsupportedError("Not here")],
  ["PAYLOAD_TOO_LARGE", new errors.PayloadTooLargeError("Too large")],
  [
    "WINDMILL_API",
    new errors.WindmillApiError("Refused", {
      status: 403,
      request: { method: "GET", url: "http://localhost/api/w/a/users/whoami" },
      body: "no",
    }),
  ],
  ["JOB_FAILED", new errors.JobFailedError("Failed", "job-1", null)],
  ["CONFIGURATION", new errors.ConfigurationError("No workspace")],
  ["VALIDATION_FAILED", new errors.ValidationError("Does not fit", [{ message: "not text", path: ["host"] }])],
  ["NON_RETRYABLE", new errors.NonRetryableError("Expired")],
  ["RETRY_AFTER", new errors.RetryAfterError("Busy", 5)],
  ["WAIT_TIMEOUT", new errors.WaitTimeoutError("Nobody came")],
  ["COMPENSATION_FAILED", new errors.CompensationError("Both", new Error("No"), new Error("stuck"))],
  ["MISSING_PACKAGE", new errors.MissingPackageError("No such package")],
];

test("errors: every exported class has a case here", () => {
  const classes = Object.entries(errors).filter(([, value]) => value.prototype instanceof Error).map(([name]) => name);
  assertEquals(all.map(([, error]) => error.name).toSorted(), classes.toSorted());
});

test("errors: name is the class's own and survives minification", () => {
  for (const [, error] of all) {
    const found = (errors as unknown as Record<string, new (...args: never[]) => Error>)[error.name];
    assert(found !== undefined && error instanceof found, `Expected an export named "${error.name}"`);
  }
});

test("errors: codes are literal and unique", () => {
  assertEquals(all.map(([, error]) => (error as { code?: unknown }).code), all.map(([code]) => code));
  assertEquals(new Set(all.map(([code]) => code)).size, all.length);
});

test("hasCode() knows an error of another copy of the package by its code", () => {
  const foreign = Object.assign(new Error("too many"), { code: "TASK_FAILED" });
  assert(errors.hasCode(foreign, "TASK_FAILED"));
  assert(!errors.hasCode(foreign, "RUN_FAILED"));
});

test("hasCode() answers false for values that are no errors", () => {
  for (const value of [undefined, null, "TASK_FAILED", 1, {}, new Error("TASK_FAILED")]) {
    assert(!errors.hasCode(value, "TASK_FAILED"), `Took ${String(value)} for an error with a code`);
  }
});

test("TaskError carries key, recorded error and child job", () => {
  const error = new errors.TaskError("too many", "load", detail, "job-9");
  assertEquals([error.message, error.step_key, error.child_job_id, error.result], [
    "too many",
    "load",
    "job-9",
    detail,
  ]);
});

test("RunFailedError repeats the failure of the run", async () => {
  const error = await assertRejects(
    () => Promise.reject(new errors.RunFailedError("run-1", detail.error, "load")),
    "RUN_FAILED",
    "too many",
  );
  assert(errors.hasCode(error, "RUN_FAILED"));
  const failed = error as errors.RunFailedError;
  assertEquals([failed.runId, failed.errorName, failed.stepKey, failed.detail], [
    "run-1",
    "RangeError",
    "load",
    detail.error,
  ]);
});

test("errors keep their cause", () => {
  const cause = new Error("disk");
  assertEquals(new errors.StorageFailedError("Cannot commit", { cause }).cause, cause);
  assertEquals(new errors.JournalCorruptError("Damaged", {}, { cause }).cause, cause);
  assertEquals(new errors.StorageLockedError("Held", undefined, { cause }).cause, cause);
});
