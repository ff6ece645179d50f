/**
 * Windkit: a client of Windmill, and workflows as code.
 *
 * The top-level functions work for the client that the environment describes, under the official client's names;
 * {@linkcode createClient} makes clients that share nothing.
 *
 * @module
 */

// The client of Windmill.
export { createClient } from "./src/sdk/client.ts";
export type {
  CallOptions,
  CancelOptions,
  CancelOutcome,
  Client,
  ClientOptions,
  Clock,
  FetchFunction,
  GetJobOptions,
  GetResourceOptions,
  Job,
  JobArgs,
  JobResult,
  JobsGroup,
  JobStatus,
  ListResourcesOptions,
  ProgressOptions,
  RawAnswer,
  RawRequestOptions,
  RequestRetry,
  ResourceFilter,
  ResourceRecord,
  ResourcesGroup,
  ResultMaybeOptions,
  RunOptions,
  SetResourceOptions,
  SetVariableOptions,
  StartOptions,
  StateGroup,
  StateOptions,
  VariablesGroup,
  WaitOptions,
} from "./src/sdk/client.ts";
export { getWorkspace, setClient } from "./src/sdk/default_client.ts";
export {
  cancelJob,
  cancelRunning,
  databaseUrlFromResource,
  getFlowUserState,
  getInternalState,
  getJob,
  getJobStatus,
  getProgress,
  getResource,
  getResult,
  getResultMaybe,
  getRootJobId,
  getState,
  getStatePath,
  getVariable,
  listResources,
  parseResourceSyntax,
  parseVariableSyntax,
  resolveDefaultResource,
  runFlow,
  runFlowAsync,
  runScript,
  runScriptAsync,
  runScriptByHash,
  runScriptByHashAsync,
  runScriptByPath,
  runScriptByPathAsync,
  setFlowUserState,
  setInternalState,
  setProgress,
  setResource,
  setState,
  setVariable,
  statePath,
  waitJob,
} from "./src/sdk/top_level.ts";

// Workflows as code.
export {
  parallel,
  sleep,
  step,
  task,
  TaskError,
  taskFlow,
  taskInfo,
  taskScript,
  waitForApproval,
  workflow,
} from "./src/cluster/authoring.ts";
export type {
  ApprovalOptions,
  ApprovalResult,
  Json,
  Jsonified,
  JsonifiedFields,
  JsonValue,
  ParallelOptions,
  RetryOptions,
  Task,
  TaskErrorDetail,
  TaskFunction,
  TaskInfo,
  TaskOptions,
  Workflow,
} from "./src/cluster/authoring.ts";

// Errors of both.
export {
  CancelledError,
  ConfigurationError,
  DeadlineError,
  hasCode,
  JobFailedError,
  WindmillApiError,
} from "./src/base/errors.ts";
export type { WindkitErrorCode } from "./src/base/errors.ts";
