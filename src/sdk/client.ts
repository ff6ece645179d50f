/**
 * A client of one Windmill workspace. Clients share nothing: two of them in one process never see each other's token.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import type { MockedApi } from "./_mock.ts";
import { readVersion } from "./_needs_version.ts";
import { type ApprovalsGroup, approvalsGroup } from "./approvals.ts";
import { type ConnectionsGroup, connectionsGroup } from "./connections.ts";
import { checkOptions, type ClientOptions } from "./connection.ts";
import { type JobContext, readContext } from "./context.ts";
import { type Transport, transportOf } from "./endpoint.ts";
import { type JobsGroup, jobsGroup } from "./jobs_group.ts";
import { type KafkaGroup, kafkaGroup } from "./kafka.ts";
import { readMocks } from "./mocked_api.ts";
import { type ResultStreamGroup, resultStreamGroup } from "./result_stream.ts";
import { type ResourcesGroup, resourcesGroup } from "./resources.ts";
import { type S3Group, s3Group } from "./s3.ts";
import { type SharedGroup, sharedGroup } from "./shared_folder.ts";
import { type SqlGroup, sqlGroup } from "./sql.ts";
import { type StateGroup, stateGroup } from "./state.ts";
import { type TeamsGroup, teamsGroup } from "./teams.ts";
import { type TokensGroup, tokensGroup } from "./tokens.ts";
import { type UsersGroup, usersGroup } from "./users.ts";
import { type VariablesGroup, variablesGroup } from "./variables.ts";

export type { Clock } from "../base/clock.ts";
export type { CallOptions, FetchFunction, RequestRetry, TransportOptions } from "../http/transport.ts";
export type { Job, JobResult, JobStatus } from "../wire/jobs.ts";
export type { ResourceRecord } from "../wire/resources.ts";
export type {
  Boto3ConnectionSettings,
  DenoS3LightClientSettings,
  DuckdbConnectionSettings,
  PolarsConnectionSettings,
  S3ConnectionSettings,
} from "../wire/connections.ts";
export type { S3Metadata, S3Object, S3ObjectRecord, S3ObjectURI, S3Page } from "../wire/s3.ts";
export type { ConnectionsGroup } from "./connections.ts";
export type { S3DeleteOptions, S3Filter, S3Group, S3ListOptions } from "./s3.ts";
export type { S3Download, S3DownloadOptions, S3Range } from "./s3_download.ts";
export type { S3PresignOptions, S3SignOptions } from "./s3_public.ts";
export type { S3Content, S3UploadOptions } from "./s3_upload.ts";
export type { ClientOptions } from "./connection.ts";
export type {
  CancelOptions,
  CancelOutcome,
  GetJobOptions,
  ProgressOptions,
  ResultMaybeOptions,
} from "./jobs_records.ts";
export type { JobArgs, RunFlow, RunScript, StartFlow, StartScript } from "./_typed_calls.ts";
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
} from "../base/windmill_types.ts";
export type { CodePreview } from "./_inline_preview.ts";
export type { JobCleanup, RunOptions, StartOptions, WaitOptions } from "./jobs.ts";
export type { JobsGroup, JobTarget } from "./jobs_group.ts";
export type { AllJobsOptions, JobFilter, ListJobsOptions } from "./jobs_list.ts";
export type { JobUpdate, ResultStreamOptions, StreamOptions, UpdatesOptions } from "./jobs_updates.ts";
export type { ResultStreamGroup, ResultStreamWriteOptions } from "./result_stream.ts";
export type { RawAnswer, RawRequestOptions } from "./raw.ts";
export type { GetResourceOptions, SetResourceOptions } from "./_resource_values.ts";
export type {
  CheckedResourceOptions,
  FindResource,
  GetResource,
  ListResourcesOptions,
  ResourceFilter,
  ResourcesGroup,
} from "./resources.ts";
export type { SqlGroup } from "./sql.ts";
export type { DatatableOptions, DatatableSqlTemplateFunction } from "./sql_datatable.ts";
export type { DucklakeSqlTemplateFunction } from "./sql_ducklake.ts";
export type { SqlClientName } from "./sql_names.ts";
export type { DucklakeMaterializeOptions, DucklakePartitionOptions } from "./sql_partitions.ts";
export type {
  RawSql,
  ResultCollection,
  SqlFetchOptions,
  SqlResult,
  SqlRow,
  SqlScalar,
  SqlStatement,
  SqlTemplateFunction,
} from "./sql_statement.ts";
export type { StateGroup, StateOptions } from "./state.ts";
export type { GetVariable, SetVariableOptions, VariablesGroup } from "./variables.ts";
export type { SchemaAnswer, SchemaOutput, StandardSchema } from "../base/standard_schema.ts";
export type { ResumeUrls } from "../wire/approvals.ts";
export type { GlobalUser, WorkspaceUser } from "../wire/users.ts";
export type { MockedApi } from "./_mock.ts";
export type {
  ApprovalMessage,
  ApprovalsGroup,
  ApprovalUrlOptions,
  ResumeUrlOptions,
  SlackApproval,
  TeamsApproval,
} from "./approvals.ts";
export type { JobContext } from "./context.ts";
export type { Transport } from "./endpoint.ts";
export type { KafkaGroup, KafkaOffset } from "./kafka.ts";
export type { SharedOptions } from "./_shared_files.ts";
export type { SharedGroup } from "./shared_folder.ts";
export type { TeamsGroup, TeamsMessageOptions } from "./teams.ts";
export type { CreateTokenOptions, IdTokenOptions, TokensGroup } from "./tokens.ts";
export type { UsersGroup } from "./users.ts";

/** A client of one workspace. Its functions need no receiver: `const { get } = client.variables` works. */
export interface Client extends Transport {
  /** Scripts, flows and their jobs. */
  readonly jobs: JobsGroup;
  /** Variables and secrets. */
  readonly variables: VariablesGroup;
  /** Resources. */
  readonly resources: ResourcesGroup;
  /** State of the running script, and of the flow that it runs in. */
  readonly state: StateGroup;
  /** S3 objects of the workspace's storages. */
  readonly s3: S3Group;
  /** Settings with which other programs reach an S3 store. */
  readonly connections: ConnectionsGroup;
  /** SQL on data tables and ducklakes. */
  readonly sql: SqlGroup;
  /** Approvals: where they are decided, and requests for them in Slack and Teams. */
  readonly approvals: ApprovalsGroup;
  /** Messages to Microsoft Teams. */
  readonly teams: TeamsGroup;
  /** Offsets of Kafka triggers. */
  readonly kafka: KafkaGroup;
  /** Tokens: of the API, and for other services. */
  readonly tokens: TokensGroup;
  /** Users. */
  readonly users: UsersGroup;
  /** Values that the steps of a flow share on one worker. */
  readonly shared: SharedGroup;
  /** Reads the version of the server, for example `CE v1.735.0`. */
  readonly version: (options?: CallOptions) => Promise<string>;
  /** Reads what the worker says of the running job in the environment. */
  readonly context: () => JobContext;
  /** Reads what stands in for the workspace's variables and resources, with what was written; undefined without a mock. */
  readonly mockedApi: () => Promise<Required<MockedApi> | undefined>;
  /** The stream of the running job's result. */
  readonly resultStream: ResultStreamGroup;
}

/**
 * Makes a client. Nothing is read or requested before its first call; only options that are given are checked.
 *
 * @param options where it goes, and as who; what is missing is taken from the environment at each call
 * @returns the client
 * @throws ConfigurationError when an option cannot be used
 *
 * @example Read a variable
 * ```ts
 * import { createClient } from "@windkit/windmill-client/client";
 *
 * const client = createClient({
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "acme",
 *   token: "secret",
 *   fetch: (url) => Promise.resolve(new Response(JSON.stringify(`value of ${new URL(url).pathname}`))),
 * });
 * const value = await client.variables.get("f/team/greeting");
 * if (value !== "value of /api/w/acme/variables/get_value/f/team/greeting") throw new Error(value);
 * ```
 */
export function createClient(options: ClientOptions = {}): Client {
  const c: ClientOptions = { ...options };
  checkOptions(c);
  return {
    jobs: jobsGroup(c),
    variables: variablesGroup(c),
    resources: resourcesGroup(c),
    state: stateGroup(c),
    s3: s3Group(c),
    connections: connectionsGroup(c),
    sql: sqlGroup(c),
    approvals: approvalsGroup(c),
    teams: teamsGroup(c),
    kafka: kafkaGroup(c),
    tokens: tokensGroup(c),
    users: usersGroup(c),
    shared: sharedGroup(),
    version: (o) => readVersion(c, o),
    context: () => readContext(c),
    mockedApi: () => readMocks(c),
    resultStream: resultStreamGroup(),
    ...transportOf(c),
  };
}
