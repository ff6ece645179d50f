import * as api from "@windkit/windmill-client/api";
import * as client from "@windkit/windmill-client/client";
import * as compat from "@windkit/windmill-client/compat";
import * as engine from "@windkit/windmill-client/engine";
import * as errors from "@windkit/windmill-client/errors";
import * as root from "@windkit/windmill-client";
import * as memory from "@windkit/windmill-client/storage/memory";
import * as sqlite from "@windkit/windmill-client/storage/sqlite";
import * as testing from "@windkit/windmill-client/testing";
import * as workflow from "@windkit/windmill-client/workflow";
import { assert, assertEquals } from "./assert.ts";
import { test } from "./harness.ts";

// deno task pin writes this list.
const pinned: Readonly<Record<string, readonly string[]>> = {
  ".": [
    "CancelledError",
    "ConfigurationError",
    "DeadlineError",
    "HostUnsupportedError",
    "JobFailedError",
    "SHARED_FOLDER",
    "TaskError",
    "ValidationError",
    "WindmillApiError",
    "appendPartition",
    "appendToResultStream",
    "base64ToUint8Array",
    "boto3ConnectionSettings",
    "cancelJob",
    "cancelOnExit",
    "cancelRunning",
    "commitKafkaOffsets",
    "context",
    "createClient",
    "createToken",
    "databaseUrlFromResource",
    "datatable",
    "decodePayload",
    "default",
    "definePreprocessor",
    "deleteS3File",
    "deleteS3Object",
    "denoS3LightClientSettings",
    "deprecate",
    "duckdbConnectionSettings",
    "ducklake",
    "get",
    "getApprovalUrls",
    "getBoto3ConnectionSettings",
    "getClient",
    "getDuckdbConnectionSettings",
    "getEnv",
    "getFlowUserState",
    "getIdToken",
    "getInternalState",
    "getJob",
    "getJobStatus",
    "getMockedApi",
    "getPolarsConnectionSettings",
    "getPresignedS3PublicUrl",
    "getPresignedS3PublicUrls",
    "getProgress",
    "getResource",
    "getResult",
    "getResultMaybe",
    "getResumeEndpoints",
    "getResumeUrls",
    "getRootJobId",
    "getSharedState",
    "getSharedStatePickle",
    "getState",
    "getStatePath",
    "getVariable",
    "getVersion",
    "getWorkspace",
    "hasCode",
    "inferSqlType",
    "initGlobalClient",
    "listResources",
    "loadS3File",
    "loadS3FileReader",
    "loadS3FileStream",
    "parallel",
    "parseResourceSyntax",
    "parseS3Object",
    "parseSqlClientName",
    "parseVariableSyntax",
    "polarsConnectionSettings",
    "post",
    "readPartition",
    "requestInteractiveSlackApproval",
    "requestInteractiveTeamsApproval",
    "resolveDefaultResource",
    "runFlow",
    "runFlowAsync",
    "runInlineScriptPreview",
    "runScript",
    "runScriptAsync",
    "runScriptByHash",
    "runScriptByHashAsync",
    "runScriptByPath",
    "runScriptByPathAsync",
    "runScriptByPathSync",
    "runScriptSync",
    "sendTeamsMessage",
    "setClient",
    "setFlowUserState",
    "setInternalState",
    "setProgress",
    "setResource",
    "setSharedState",
    "setSharedStatePickle",
    "setState",
    "setVariable",
    "signS3Object",
    "signS3Objects",
    "sleep",
    "sqlIdentifier",
    "state",
    "statePath",
    "step",
    "streamResult",
    "task",
    "taskFlow",
    "taskInfo",
    "taskScript",
    "uint8ArrayToBase64",
    "upsertPartition",
    "user",
    "usernameToEmail",
    "version",
    "waitForApproval",
    "waitJob",
    "whoami",
    "workerHasInternalServer",
    "workflow",
    "writeS3File",
  ],
  "./client": [
    "createClient",
  ],
  "./api": [
    "createApi",
    "createApiClient",
    "operations",
  ],
  "./compat": [
    "AdminService",
    "AgentWorkersService",
    "AiEvalsService",
    "AiService",
    "AmqpTriggerService",
    "ApiError",
    "AppService",
    "AssetService",
    "AuditService",
    "AzureTriggerService",
    "CancelError",
    "CancelablePromise",
    "CancelledError",
    "CaptureService",
    "ConcurrencyGroupsService",
    "ConfigService",
    "ConfigurationError",
    "DataMetricService",
    "DbtService",
    "DeadlineError",
    "DocumentationService",
    "DraftService",
    "EmailTriggerService",
    "FavoriteService",
    "FlowConversationsService",
    "FlowService",
    "FolderService",
    "GcpTriggerService",
    "GitSyncService",
    "GranularAclService",
    "GroupService",
    "HealthService",
    "HelpersService",
    "HostUnsupportedError",
    "HttpTriggerService",
    "HubPublishService",
    "IndexSearchService",
    "InputService",
    "IntegrationService",
    "JobFailedError",
    "JobService",
    "KafkaTriggerService",
    "McpOauthService",
    "McpService",
    "MetricsService",
    "MqttTriggerService",
    "NativeTriggerService",
    "NatsTriggerService",
    "NpmProxyService",
    "OauthService",
    "OidcService",
    "OpenAPI",
    "OpenapiService",
    "PathAutocompleteService",
    "PostgresTriggerService",
    "RawAppService",
    "ResourceService",
    "SHARED_FOLDER",
    "ScheduleService",
    "ScriptService",
    "ServiceLogsService",
    "SettingService",
    "SettingsService",
    "SqsTriggerService",
    "StepSuspend",
    "TaskError",
    "TeamsService",
    "TokenService",
    "TrashService",
    "TriggerService",
    "UserService",
    "ValidationError",
    "VariableService",
    "VolumeService",
    "WebsocketTriggerService",
    "WindmillApiError",
    "WorkerService",
    "WorkflowCtx",
    "WorkspaceDependenciesService",
    "WorkspaceIntegrationService",
    "WorkspaceService",
    "_workflowCtx",
    "appendPartition",
    "appendToResultStream",
    "base64ToUint8Array",
    "boto3ConnectionSettings",
    "cancelJob",
    "cancelOnExit",
    "cancelRunning",
    "commitKafkaOffsets",
    "context",
    "createClient",
    "createToken",
    "databaseUrlFromResource",
    "datatable",
    "decodePayload",
    "default",
    "definePreprocessor",
    "deleteS3File",
    "deleteS3Object",
    "denoS3LightClientSettings",
    "deprecate",
    "duckdbConnectionSettings",
    "ducklake",
    "get",
    "getApprovalUrls",
    "getBoto3ConnectionSettings",
    "getClient",
    "getDuckdbConnectionSettings",
    "getEnv",
    "getFlowUserState",
    "getIdToken",
    "getInternalState",
    "getJob",
    "getJobStatus",
    "getMockedApi",
    "getPolarsConnectionSettings",
    "getPresignedS3PublicUrl",
    "getPresignedS3PublicUrls",
    "getProgress",
    "getResource",
    "getResult",
    "getResultMaybe",
    "getResumeEndpoints",
    "getResumeUrls",
    "getRootJobId",
    "getSharedState",
    "getSharedStatePickle",
    "getState",
    "getStatePath",
    "getVariable",
    "getVersion",
    "getWorkspace",
    "hasCode",
    "inferSqlType",
    "initGlobalClient",
    "listResources",
    "loadS3File",
    "loadS3FileReader",
    "loadS3FileStream",
    "parallel",
    "parseResourceSyntax",
    "parseS3Object",
    "parseSqlClientName",
    "parseVariableSyntax",
    "polarsConnectionSettings",
    "post",
    "readPartition",
    "requestInteractiveSlackApproval",
    "requestInteractiveTeamsApproval",
    "resolveDefaultResource",
    "runFlow",
    "runFlowAsync",
    "runInlineScriptPreview",
    "runScript",
    "runScriptAsync",
    "runScriptByHash",
    "runScriptByHashAsync",
    "runScriptByPath",
    "runScriptByPathAsync",
    "runScriptByPathSync",
    "runScriptSync",
    "sendTeamsMessage",
    "setClient",
    "setFlowUserState",
    "setInternalState",
    "setProgress",
    "setResource",
    "setSharedState",
    "setSharedStatePickle",
    "setState",
    "setVariable",
    "setWorkflowCtx",
    "signS3Object",
    "signS3Objects",
    "sleep",
    "sqlIdentifier",
    "state",
    "statePath",
    "step",
    "streamResult",
    "task",
    "taskFlow",
    "taskInfo",
    "taskScript",
    "uint8ArrayToBase64",
    "upsertPartition",
    "user",
    "usernameToEmail",
    "version",
    "waitForApproval",
    "waitJob",
    "whoami",
    "workerHasInternalServer",
    "workflow",
    "writeS3File",
  ],
  "./workflow": [
    "TaskError",
    "parallel",
    "sleep",
    "step",
    "task",
    "taskFlow",
    "taskInfo",
    "taskScript",
    "waitForApproval",
    "workflow",
  ],
  "./engine": [
    "createEngine",
    "createLocalHost",
    "journalView",
    "pendingApprovals",
    "readJournal",
    "verifyChain",
  ],
  "./storage/memory": [
    "createMemoryStorage",
  ],
  "./storage/sqlite": [
    "openSqliteStorage",
  ],
  "./testing": [
    "mockWindmill",
  ],
  "./errors": [
    "CancelledError",
    "CompensationError",
    "ConfigurationError",
    "DeadlineError",
    "EngineClosedError",
    "HostUnsupportedError",
    "JobFailedError",
    "JournalCorruptError",
    "MissingPackageError",
    "NonDeterminismError",
    "NonRetryableError",
    "PayloadTooLargeError",
    "ReplayMismatchError",
    "RetryAfterError",
    "RunExistsError",
    "RunFailedError",
    "SchemaTooNewError",
    "StorageFailedError",
    "StorageFullError",
    "StorageLockedError",
    "StorageReadOnlyError",
    "TaskError",
    "UnknownRunError",
    "UnknownWorkflowError",
    "ValidationError",
    "WaitTimeoutError",
    "WindmillApiError",
    "hasCode",
  ],
  "./cli": [
    "main",
  ],
};
// End of the list.

/** The members of the default export of windmill-client 1.818.0. */
const officialDefault = (
  "setClient getVariable setVariable getResource setResource getResumeUrls setState setProgress getProgress getState getIdToken " +
  "denoS3LightClientSettings cancelJob loadS3FileStream loadS3File writeS3File deleteS3File signS3Objects signS3Object " +
  "getPresignedS3PublicUrls getPresignedS3PublicUrl task taskScript taskFlow workflow step sleep parallel waitForApproval " +
  "getApprovalUrls WorkflowCtx _workflowCtx setWorkflowCtx StepSuspend runScript runScriptAsync runScriptByPath " +
  "runScriptByHash runScriptByPathAsync runScriptByHashAsync runFlow runFlowAsync waitJob getRootJobId setFlowUserState " +
  "getFlowUserState usernameToEmail requestInteractiveSlackApproval requestInteractiveTeamsApproval appendToResultStream " +
  "streamResult datatable ducklake upsertPartition appendPartition SHARED_FOLDER getWorkspace getStatePath getInternalState " +
  "setInternalState getResumeEndpoints getResult getResultMaybe resolveDefaultResource databaseUrlFromResource " +
  "base64ToUint8Array uint8ArrayToBase64 parseS3Object commitKafkaOffsets AdminService AuditService FlowService " +
  "GranularAclService GroupService JobService ResourceService VariableService ScriptService ScheduleService SettingsService " +
  "UserService WorkspaceService TeamsService"
).split(" ");

/** The subpaths that load on every runtime. `./cli` needs the built-in modules of a server runtime at load. */
const modules: Readonly<Record<string, object>> = {
  ".": root,
  "./client": client,
  "./api": api,
  "./compat": compat,
  "./workflow": workflow,
  "./engine": engine,
  "./storage/memory": memory,
  "./storage/sqlite": sqlite,
  "./testing": testing,
  "./errors": errors,
};

for (const [subpath, module] of Object.entries(modules)) {
  test(`public API: "${subpath}" exports the pinned names and no other`, () => {
    assertEquals(Object.keys(module).toSorted(), pinned[subpath]);
  });

  test(`public API: nothing that "${subpath}" exports is undefined`, () => {
    for (const [name, value] of Object.entries(module)) assert(value !== undefined, `"${name}" is undefined`);
  });
}

test("public API: every pinned subpath but the command line is loaded here", () => {
  assertEquals(Object.keys(modules).toSorted(), Object.keys(pinned).filter((key) => key !== "./cli").toSorted());
});

test("public API: the default export has every name of the root, as the name itself has it", () => {
  const { default: all, ...names } = root;
  assertEquals(Object.keys(all).toSorted(), Object.keys(names).toSorted());
  for (const [name, value] of Object.entries(names)) {
    assert((all as Record<string, unknown>)[name] === value, `"${name}" of the default export is another`);
  }
});

test("public API: a member of the default export can be replaced, as test doubles are", () => {
  const all = root.default as { getVariable: unknown };
  const before = all.getVariable;
  try {
    all.getVariable = () => Promise.resolve("double");
    assert(root.default.getVariable !== root.getVariable, "Expected the double");
  } finally {
    all.getVariable = before;
  }
});

test("public API: the default export of ./compat has what the official client's has", () => {
  const all = compat.default as unknown as Record<string, unknown>;
  for (const name of officialDefault) {
    if (name === "_workflowCtx") continue;
    assert(all[name] !== undefined, `"${name}" is missing`);
    assert(
      all[name] === (compat as unknown as Record<string, unknown>)[name],
      `"${name}" is another than the name itself`,
    );
  }
  const context = new compat.WorkflowCtx({});
  try {
    compat.setWorkflowCtx(context);
    assert(compat.default._workflowCtx === context, "Expected the current context");
  } finally {
    compat.setWorkflowCtx(null);
  }
});

test("public API: one name means one thing on every subpath", () => {
  const seen = new Map<string, { readonly subpath: string; readonly value: unknown }>();
  for (const [subpath, module] of Object.entries(modules)) {
    for (const [name, value] of Object.entries(module)) {
      if (name === "default") continue; // that of ./compat has more members than the root's
      const first = seen.get(name);
      if (first === undefined) seen.set(name, { subpath, value });
      else assert(first.value === value, `"${name}" of "${subpath}" is another than that of "${first.subpath}"`);
    }
  }
});
