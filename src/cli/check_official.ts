/**
 * What the official client has: names of `windmill-client` 1.818.0, and which of them ask the server.
 *
 * @module
 */

/** Version of the official client that the lists are of. */
export const OFFICIAL_VERSION = "1.818.0";

/** All values that it exports by name, apart from its services. */
const NAMED: ReadonlySet<string> = /* @__PURE__ */ (() =>
  new Set(
    ("ApiError CancelError CancelablePromise OpenAPI StepSuspend WorkflowCtx _workflowCtx appendPartition " +
      "appendToResultStream cancelJob commitKafkaOffsets datatable default deleteS3File " +
      "denoS3LightClientSettings ducklake getApprovalUrls getFlowUserState getIdToken getPresignedS3PublicUrl " +
      "getPresignedS3PublicUrls getProgress getResource getResumeUrls getRootJobId getState getVariable " +
      "loadS3File loadS3FileStream parallel requestInteractiveSlackApproval requestInteractiveTeamsApproval " +
      "runFlow runFlowAsync runScript runScriptAsync runScriptByHash runScriptByHashAsync runScriptByPath " +
      "runScriptByPathAsync setClient setFlowUserState setProgress setResource setState setVariable " +
      "setWorkflowCtx signS3Object signS3Objects sleep step streamResult task taskFlow taskScript " +
      "upsertPartition usernameToEmail waitForApproval waitJob workflow writeS3File").split(" "),
  ))();

/** What only its default export has beside them. */
const DEFAULT_ONLY: ReadonlySet<string> = /* @__PURE__ */ (() =>
  new Set(
    ("SHARED_FOLDER getWorkspace getStatePath getInternalState setInternalState getResumeEndpoints getResult " +
      "getResultMaybe resolveDefaultResource databaseUrlFromResource base64ToUint8Array uint8ArrayToBase64 " +
      "parseS3Object").split(" "),
  ))();

/**
 * Tells whether the official client has a name.
 *
 * @param name the name
 * @param ofDefault true when it is read from the default export
 */
export function isOfficial(name: string, ofDefault = false): boolean {
  return NAMED.has(name) || (ofDefault && DEFAULT_ONLY.has(name)) || /^[A-Z]\w*Service$/.test(name);
}

/** The names, apart from those of services. */
export function officialNames(ofDefault = false): readonly string[] {
  return ofDefault ? [...NAMED, ...DEFAULT_ONLY] : [...NAMED];
}

const TASK_OPTIONS: readonly string[] = [
  "timeout",
  "retry",
  "tag",
  "cache_ttl",
  "priority",
  "concurrency_limit",
  "concurrency_key",
  "concurrency_time_window_s",
];

/** Options that the official client reads, by function; those of an empty list take none. */
export const OFFICIAL_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  task: TASK_OPTIONS,
  taskScript: TASK_OPTIONS,
  taskFlow: TASK_OPTIONS,
  step: [],
  parallel: ["concurrency"],
  waitForApproval: ["timeout", "form", "key", "selfApproval", "skin", "description"],
};

/** Calls that a run records, and that resolve later. */
export const RECORDED: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "step",
  "sleep",
  "sleepUntil",
  "waitForApproval",
  "waitForEvent",
  "childWorkflow",
  "continueAsNew",
]);

/** Functions that run functions of the body's, and resolve later. */
export const COMBINATORS: ReadonlySet<string> = /* @__PURE__ */ new Set(["parallel", "race", "withTimeout", "saga"]);

/** Functions of the body's that look like questions to the server, and are none. */
const RECORDED_OR_PLAIN: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "getApprovalUrls",
  "setClient",
  "setWorkflowCtx",
  "getStatePath",
  "getWorkspace",
  "createClient",
  "getClient",
  "cancelSignal",
  "cancelOnExit",
  ...RECORDED,
]);

/** Functions that ask the server, and whose names do not begin like the others'. */
const ASKING: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "usernameToEmail",
  "databaseUrlFromResource",
  "datatable",
  "ducklake",
  "readPartition",
  "sendTeamsMessage",
  "whoami",
  "get",
  "post",
]);

/** True for a function of either client that asks the server, or the environment, when it is called. */
export function asksServer(name: string): boolean {
  return !RECORDED_OR_PLAIN.has(name) &&
    (/^(?:get|set|run|wait|cancel|load|write|delete|sign|append|stream|upsert|request|create|resolve|commit|list|upload|download)[A-Z]/
      .test(name) || ASKING.has(name));
}
