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
  AllJobsOptions,
  CallOptions,
  CancelOptions,
  CancelOutcome,
  Client,
  ClientOptions,
  Clock,
  CodePreview,
  FetchFunction,
  FindResource,
  GetJobOptions,
  GetResource,
  GetResourceOptions,
  GetVariable,
  Job,
  JobArgs,
  JobCleanup,
  JobFilter,
  JobResult,
  JobsGroup,
  JobStatus,
  JobTarget,
  JobUpdate,
  ListJobsOptions,
  ListResourcesOptions,
  ProgressOptions,
  RawAnswer,
  RawRequestOptions,
  RequestRetry,
  ResourceFilter,
  ResourceRecord,
  ResourcesGroup,
  ResultMaybeOptions,
  ResultStreamGroup,
  ResultStreamOptions,
  ResultStreamWriteOptions,
  RunFlow,
  RunOptions,
  RunScript,
  SetResourceOptions,
  SetVariableOptions,
  StartFlow,
  StartOptions,
  StartScript,
  StateGroup,
  StateOptions,
  StreamOptions,
  TransportOptions,
  UpdatesOptions,
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
  state,
  statePath,
} from "./src/sdk/top_level/state.ts";
// Jobs and the stream of results.
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
} from "./src/sdk/top_level/jobs.ts";
export { cancelOnExit } from "./src/sdk/jobs_cleanup.ts";
export { appendToResultStream, streamResult } from "./src/sdk/top_level/result_stream.ts";
// Approvals, Teams, Kafka, tokens, users, version, context, mocked API, raw calls, shared folder, base64.
export type {
  ApprovalMessage,
  ApprovalsGroup,
  ApprovalUrlOptions,
  CheckedResourceOptions,
  CreateTokenOptions,
  GlobalUser,
  IdTokenOptions,
  JobContext,
  KafkaGroup,
  KafkaOffset,
  MockedApi,
  ResumeUrlOptions,
  ResumeUrls,
  SchemaAnswer,
  SchemaOutput,
  SharedGroup,
  SharedOptions,
  SlackApproval,
  StandardSchema,
  TeamsApproval,
  TeamsGroup,
  TeamsMessageOptions,
  TokensGroup,
  Transport,
  UsersGroup,
  WorkspaceUser,
} from "./src/sdk/client.ts";
export { base64ToUint8Array, uint8ArrayToBase64 } from "./src/sdk/top_level/base64.ts";
export {
  getApprovalUrls,
  getResumeEndpoints,
  getResumeUrls,
  requestInteractiveSlackApproval,
  requestInteractiveTeamsApproval,
} from "./src/sdk/top_level/approvals.ts";
export { context, getEnv } from "./src/sdk/top_level/context.ts";
export { deprecate } from "./src/sdk/top_level/deprecate.ts";
export { commitKafkaOffsets } from "./src/sdk/top_level/kafka.ts";
export { getMockedApi } from "./src/sdk/top_level/mocked_api.ts";
export { get, getClient, initGlobalClient, post } from "./src/sdk/top_level/endpoint.ts";
export {
  getSharedState,
  getSharedStatePickle,
  setSharedState,
  setSharedStatePickle,
  SHARED_FOLDER,
} from "./src/sdk/top_level/shared_folder.ts";
export { sendTeamsMessage } from "./src/sdk/top_level/teams.ts";
export { createToken, getIdToken } from "./src/sdk/top_level/tokens.ts";
export { user, usernameToEmail, whoami } from "./src/sdk/top_level/users.ts";
export { getVersion, version } from "./src/sdk/top_level/version.ts";

// S3 objects, and settings of connections.
export {
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
} from "./src/sdk/top_level/s3.ts";
export {
  boto3ConnectionSettings,
  denoS3LightClientSettings,
  duckdbConnectionSettings,
  getBoto3ConnectionSettings,
  getDuckdbConnectionSettings,
  getPolarsConnectionSettings,
  polarsConnectionSettings,
} from "./src/sdk/top_level/connections.ts";
export type {
  Boto3ConnectionSettings,
  ConnectionsGroup,
  DenoS3LightClientSettings,
  DuckdbConnectionSettings,
  PolarsConnectionSettings,
  S3ConnectionSettings,
  S3Content,
  S3DeleteOptions,
  S3Download,
  S3DownloadOptions,
  S3Filter,
  S3Group,
  S3ListOptions,
  S3Metadata,
  S3Object,
  S3ObjectRecord,
  S3ObjectURI,
  S3Page,
  S3PresignOptions,
  S3Range,
  S3SignOptions,
  S3UploadOptions,
} from "./src/sdk/client.ts";

// SQL.
export {
  appendPartition,
  datatable,
  ducklake,
  inferSqlType,
  parseSqlClientName,
  readPartition,
  sqlIdentifier,
  upsertPartition,
} from "./src/sdk/top_level/sql.ts";
export type {
  DatatableOptions,
  DatatableSqlTemplateFunction,
  DucklakeMaterializeOptions,
  DucklakePartitionOptions,
  DucklakeSqlTemplateFunction,
  RawSql,
  ResultCollection,
  SqlClientName,
  SqlFetchOptions,
  SqlGroup,
  SqlResult,
  SqlRow,
  SqlScalar,
  SqlStatement,
  SqlTemplateFunction,
} from "./src/sdk/client.ts";

// Types of a workspace, which programs declare; types that Windmill knows by name.
export type {
  CallArgs,
  Declared,
  FlowArgs,
  FlowPath,
  FlowResult,
  OtherPath,
  ResourceName,
  ResourcePath,
  ResourceValue,
  ScriptArgs,
  ScriptPath,
  ScriptResult,
  VariableName,
  VariablePath,
  VariableValue,
  WindmillFlows,
  WindmillResources,
  WindmillScripts,
  WindmillTypes,
  WindmillVariables,
} from "./src/base/windmill_types.ts";
export type {
  Base64,
  Email,
  GcpServiceAccount,
  Kafka,
  Mongodb,
  Mqtt,
  MsSqlServer,
  Mysql,
  Nats,
  Postgresql,
  Resource,
  ResourceTypes,
  S3,
  Slack,
  Smtp,
  Snowflake,
  Sql,
} from "./src/sdk/named_types.ts";

// Preprocessors.
export { decodePayload, definePreprocessor } from "./src/sdk/preprocessor.ts";
export type { PreprocessorTable } from "./src/sdk/preprocessor.ts";
export type {
  AmqpEvent,
  AzureEvent,
  EmailAttachment,
  EmailEvent,
  EventOf,
  GcpEvent,
  HttpEvent,
  KafkaEvent,
  MqttEvent,
  MqttProperties,
  NatsEvent,
  PayloadEvent,
  PostgresEvent,
  PreprocessorEvent,
  PreprocessorKind,
  SqsEvent,
  TextMap,
  WebhookEvent,
  WebsocketEvent,
} from "./src/sdk/preprocessor_events.ts";

// Workflows as code.
export {
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
} from "./src/cluster/authoring.ts";
export type {
  ApprovalGranted,
  ApprovalInstead,
  ApprovalOptions,
  ApprovalRejected,
  ApprovalResult,
  ApprovalSchema,
  ApprovalTimedOut,
  CheckedApprovalOptions,
  ChildOptions,
  DefinedError,
  DefinedErrorClass,
  DefineErrorOptions,
  ErrorData,
  EventOptions,
  EventType,
  ExternalTask,
  Json,
  Jsonified,
  JsonifiedFields,
  JsonifiedFn,
  JsonValue,
  Known,
  KnownFailure,
  LogLevel,
  ParallelOptions,
  RaceBranches,
  RaceWinner,
  RetryOptions,
  SchemaInput,
  StepOptions,
  Task,
  TaskErrorDetail,
  TaskFunction,
  TaskInfo,
  TaskOptions,
  TaskRetry,
  TimeoutOptions,
  UndoableTask,
  Workflow,
} from "./src/cluster/authoring.ts";

// Errors of both.
export {
  CancelledError,
  ConfigurationError,
  DeadlineError,
  hasCode,
  HostUnsupportedError,
  JobFailedError,
  ValidationError,
  WindmillApiError,
} from "./src/base/errors.ts";
export type { ValidationIssue, WindkitErrorCode } from "./src/base/errors.ts";

// Everything as one object.
export { wmill as default } from "./src/compat/default_export.ts";
export type { DefaultExport } from "./src/compat/default_export.ts";
