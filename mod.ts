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
  TransportOptions,
  VariablesGroup,
  WaitOptions,
} from "./src/sdk/client.ts";
export { getWorkspace, setClient } from "./src/sdk/default_client.ts";
export { getVariable, parseVariableSyntax, setVariable } from "./src/sdk/top_level/variables.ts";
export {
  databaseUrlFromResource,
  getResource,
  listResources,
  parseResourceSyntax,
  resolveDefaultResource,
  setResource,
} from "./src/sdk/top_level/resources.ts";
export {
  getFlowUserState,
  getInternalState,
  getState,
  getStatePath,
  setFlowUserState,
  setInternalState,
  setState,
  statePath,
} from "./src/sdk/top_level/state.ts";
export {
  cancelJob,
  cancelRunning,
  getJob,
  getJobStatus,
  getProgress,
  getResult,
  getResultMaybe,
  getRootJobId,
  runFlow,
  runFlowAsync,
  runScript,
  runScriptAsync,
  runScriptByHash,
  runScriptByHashAsync,
  runScriptByPath,
  runScriptByPathAsync,
  setProgress,
  waitJob,
} from "./src/sdk/top_level/jobs.ts";

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
