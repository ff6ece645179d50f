/**
 * The default export: an object of everything that the root exports by name, as `import wmill from "windmill-client"` gives. It is
 * a plain object of plain names: a bundler leaves it out where nobody uses it, and a test may replace a member.
 *
 * @module
 */
import { createClient } from "../sdk/client.ts";
import { getWorkspace, setClient } from "../sdk/default_client.ts";
import { getVariable, parseVariableSyntax, setVariable } from "../sdk/top_level/variables.ts";
import {
  databaseUrlFromResource,
  getResource,
  listResources,
  parseResourceSyntax,
  resolveDefaultResource,
  setResource,
} from "../sdk/top_level/resources.ts";
import {
  getFlowUserState,
  getInternalState,
  getState,
  getStatePath,
  setFlowUserState,
  setInternalState,
  setState,
  state,
  statePath,
} from "../sdk/top_level/state.ts";
import {
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
  runInlineScriptPreview,
  runScript,
  runScriptAsync,
  runScriptByHash,
  runScriptByHashAsync,
  runScriptByPath,
  runScriptByPathAsync,
  runScriptByPathSync,
  runScriptSync,
  setProgress,
  waitJob,
  workerHasInternalServer,
} from "../sdk/top_level/jobs.ts";
import { cancelOnExit } from "../sdk/jobs_cleanup.ts";
import { appendToResultStream, streamResult } from "../sdk/top_level/result_stream.ts";
import { base64ToUint8Array, uint8ArrayToBase64 } from "../sdk/top_level/base64.ts";
import {
  getApprovalUrls,
  getResumeEndpoints,
  getResumeUrls,
  requestInteractiveSlackApproval,
  requestInteractiveTeamsApproval,
} from "../sdk/top_level/approvals.ts";
import { context, getEnv } from "../sdk/top_level/context.ts";
import { deprecate } from "../sdk/top_level/deprecate.ts";
import { commitKafkaOffsets } from "../sdk/top_level/kafka.ts";
import { getMockedApi } from "../sdk/top_level/mocked_api.ts";
import { get, getClient, initGlobalClient, post } from "../sdk/top_level/endpoint.ts";
import {
  getSharedState,
  getSharedStatePickle,
  setSharedState,
  setSharedStatePickle,
  SHARED_FOLDER,
} from "../sdk/top_level/shared_folder.ts";
import { sendTeamsMessage } from "../sdk/top_level/teams.ts";
import { createToken, getIdToken } from "../sdk/top_level/tokens.ts";
import { user, usernameToEmail, whoami } from "../sdk/top_level/users.ts";
import { getVersion, version } from "../sdk/top_level/version.ts";
import {
  deleteS3File,
  deleteS3Object,
  getPresignedS3PublicUrl,
  getPresignedS3PublicUrls,
  loadS3File,
  loadS3FileReader,
  loadS3FileStream,
  parseS3Object,
  signS3Object,
  signS3Objects,
  writeS3File,
} from "../sdk/top_level/s3.ts";
import {
  boto3ConnectionSettings,
  denoS3LightClientSettings,
  duckdbConnectionSettings,
  getBoto3ConnectionSettings,
  getDuckdbConnectionSettings,
  getPolarsConnectionSettings,
  polarsConnectionSettings,
} from "../sdk/top_level/connections.ts";
import {
  appendPartition,
  datatable,
  ducklake,
  inferSqlType,
  parseSqlClientName,
  readPartition,
  sqlIdentifier,
  upsertPartition,
} from "../sdk/top_level/sql.ts";
import { decodePayload, definePreprocessor } from "../sdk/preprocessor.ts";
import {
  cancelSignal,
  childWorkflow,
  CompensationError,
  continueAsNew,
  defineError,
  defineEvent,
  knownFailure,
  log,
  NonRetryableError,
  now,
  parallel,
  patched,
  progress,
  race,
  random,
  RetryAfterError,
  saga,
  sleep,
  sleepUntil,
  step,
  task,
  TaskError,
  taskFlow,
  taskInfo,
  taskScript,
  uuid,
  waitForApproval,
  waitForEvent,
  WaitTimeoutError,
  withTimeout,
  workflow,
} from "../cluster/authoring.ts";
import {
  CancelledError,
  ConfigurationError,
  DeadlineError,
  hasCode,
  HostUnsupportedError,
  JobFailedError,
  ValidationError,
  WindmillApiError,
} from "../base/errors.ts";
import type * as clientModule from "../sdk/client.ts";
import type * as defaultClientModule from "../sdk/default_client.ts";
import type * as variablesModule from "../sdk/top_level/variables.ts";
import type * as resourcesModule from "../sdk/top_level/resources.ts";
import type * as stateModule from "../sdk/top_level/state.ts";
import type * as jobsModule from "../sdk/top_level/jobs.ts";
import type * as jobsCleanupModule from "../sdk/jobs_cleanup.ts";
import type * as resultStreamModule from "../sdk/top_level/result_stream.ts";
import type * as base64Module from "../sdk/top_level/base64.ts";
import type * as approvalsModule from "../sdk/top_level/approvals.ts";
import type * as contextModule from "../sdk/top_level/context.ts";
import type * as deprecateModule from "../sdk/top_level/deprecate.ts";
import type * as kafkaModule from "../sdk/top_level/kafka.ts";
import type * as mockedApiModule from "../sdk/top_level/mocked_api.ts";
import type * as endpointModule from "../sdk/top_level/endpoint.ts";
import type * as sharedFolderModule from "../sdk/top_level/shared_folder.ts";
import type * as teamsModule from "../sdk/top_level/teams.ts";
import type * as tokensModule from "../sdk/top_level/tokens.ts";
import type * as usersModule from "../sdk/top_level/users.ts";
import type * as versionModule from "../sdk/top_level/version.ts";
import type * as s3Module from "../sdk/top_level/s3.ts";
import type * as connectionsModule from "../sdk/top_level/connections.ts";
import type * as sqlModule from "../sdk/top_level/sql.ts";
import type * as preprocessorModule from "../sdk/preprocessor.ts";
import type * as authoringModule from "../cluster/authoring.ts";
import type * as errorsModule from "../base/errors.ts";

/** Type of the default export. */
export type DefaultExport =
  & Pick<typeof clientModule, "createClient">
  & Pick<typeof defaultClientModule, "getWorkspace" | "setClient">
  & typeof variablesModule
  & typeof resourcesModule
  & typeof stateModule
  & typeof jobsModule
  & Pick<typeof jobsCleanupModule, "cancelOnExit">
  & typeof resultStreamModule
  & typeof base64Module
  & typeof approvalsModule
  & typeof contextModule
  & typeof deprecateModule
  & typeof kafkaModule
  & typeof mockedApiModule
  & typeof endpointModule
  & typeof sharedFolderModule
  & typeof teamsModule
  & typeof tokensModule
  & typeof usersModule
  & typeof versionModule
  & typeof s3Module
  & typeof connectionsModule
  & typeof sqlModule
  & Pick<typeof preprocessorModule, "decodePayload" | "definePreprocessor">
  & Pick<
    typeof authoringModule,
    | "cancelSignal"
    | "childWorkflow"
    | "CompensationError"
    | "continueAsNew"
    | "defineError"
    | "defineEvent"
    | "knownFailure"
    | "log"
    | "NonRetryableError"
    | "now"
    | "parallel"
    | "patched"
    | "progress"
    | "race"
    | "random"
    | "RetryAfterError"
    | "saga"
    | "sleep"
    | "sleepUntil"
    | "step"
    | "task"
    | "TaskError"
    | "taskFlow"
    | "taskInfo"
    | "taskScript"
    | "uuid"
    | "waitForApproval"
    | "waitForEvent"
    | "WaitTimeoutError"
    | "withTimeout"
    | "workflow"
  >
  & Pick<
    typeof errorsModule,
    | "CancelledError"
    | "ConfigurationError"
    | "DeadlineError"
    | "hasCode"
    | "HostUnsupportedError"
    | "JobFailedError"
    | "ValidationError"
    | "WindmillApiError"
  >;

/** Everything that the root exports by name. */
export const wmill: DefaultExport = {
  appendPartition,
  appendToResultStream,
  base64ToUint8Array,
  boto3ConnectionSettings,
  cancelJob,
  CancelledError,
  cancelOnExit,
  cancelRunning,
  cancelSignal,
  childWorkflow,
  commitKafkaOffsets,
  CompensationError,
  ConfigurationError,
  context,
  continueAsNew,
  createClient,
  createToken,
  databaseUrlFromResource,
  datatable,
  DeadlineError,
  decodePayload,
  defineError,
  defineEvent,
  definePreprocessor,
  deleteS3File,
  deleteS3Object,
  denoS3LightClientSettings,
  deprecate,
  duckdbConnectionSettings,
  ducklake,
  get,
  getApprovalUrls,
  getBoto3ConnectionSettings,
  getClient,
  getDuckdbConnectionSettings,
  getEnv,
  getFlowUserState,
  getIdToken,
  getInternalState,
  getJob,
  getJobStatus,
  getMockedApi,
  getPolarsConnectionSettings,
  getPresignedS3PublicUrl,
  getPresignedS3PublicUrls,
  getProgress,
  getResource,
  getResult,
  getResultMaybe,
  getResumeEndpoints,
  getResumeUrls,
  getRootJobId,
  getSharedState,
  getSharedStatePickle,
  getState,
  getStatePath,
  getVariable,
  getVersion,
  getWorkspace,
  hasCode,
  HostUnsupportedError,
  inferSqlType,
  initGlobalClient,
  JobFailedError,
  knownFailure,
  listResources,
  loadS3File,
  loadS3FileReader,
  loadS3FileStream,
  log,
  NonRetryableError,
  now,
  parallel,
  parseResourceSyntax,
  parseS3Object,
  parseSqlClientName,
  parseVariableSyntax,
  patched,
  polarsConnectionSettings,
  post,
  progress,
  race,
  random,
  readPartition,
  requestInteractiveSlackApproval,
  requestInteractiveTeamsApproval,
  resolveDefaultResource,
  RetryAfterError,
  runFlow,
  runFlowAsync,
  runInlineScriptPreview,
  runScript,
  runScriptAsync,
  runScriptByHash,
  runScriptByHashAsync,
  runScriptByPath,
  runScriptByPathAsync,
  runScriptByPathSync,
  runScriptSync,
  saga,
  sendTeamsMessage,
  setClient,
  setFlowUserState,
  setInternalState,
  setProgress,
  setResource,
  setSharedState,
  setSharedStatePickle,
  setState,
  setVariable,
  SHARED_FOLDER,
  signS3Object,
  signS3Objects,
  sleep,
  sleepUntil,
  sqlIdentifier,
  state,
  statePath,
  step,
  streamResult,
  task,
  TaskError,
  taskFlow,
  taskInfo,
  taskScript,
  uint8ArrayToBase64,
  upsertPartition,
  user,
  usernameToEmail,
  uuid,
  ValidationError,
  version,
  waitForApproval,
  waitForEvent,
  waitJob,
  WaitTimeoutError,
  whoami,
  WindmillApiError,
  withTimeout,
  workerHasInternalServer,
  workflow,
  writeS3File,
};
