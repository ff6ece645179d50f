/**
 * A client of one Windmill workspace. Clients share nothing: two of them in one process never see each other's token.
 *
 * @module
 */
import { checkOptions, type ClientOptions, workspaceOf } from "./connection.ts";
import { type JobsGroup, jobsGroup } from "./jobs_group.ts";
import { type RawAnswer, rawRequest, type RawRequestOptions } from "./raw.ts";
import { type ResourcesGroup, resourcesGroup } from "./resources.ts";
import { type StateGroup, stateGroup } from "./state.ts";
import { type VariablesGroup, variablesGroup } from "./variables.ts";

export type { Clock } from "../base/clock.ts";
export type { CallOptions, FetchFunction, RequestRetry, TransportOptions } from "../http/transport.ts";
export type { Job, JobResult, JobStatus } from "../wire/jobs.ts";
export type { ResourceRecord } from "../wire/resources.ts";
export type { ClientOptions } from "./connection.ts";
export type {
  CancelOptions,
  CancelOutcome,
  GetJobOptions,
  ProgressOptions,
  ResultMaybeOptions,
} from "./jobs_records.ts";
export type { RunOptions, StartOptions, WaitOptions } from "./jobs.ts";
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
export type { JobsGroup } from "./jobs_group.ts";
export type { RawAnswer, RawRequestOptions } from "./raw.ts";
export type { GetResourceOptions, SetResourceOptions } from "./_resource_values.ts";
export type { FindResource, GetResource, ListResourcesOptions, ResourceFilter, ResourcesGroup } from "./resources.ts";
export type { StateGroup, StateOptions } from "./state.ts";
export type { GetVariable, SetVariableOptions, VariablesGroup } from "./variables.ts";

/** A client of one workspace. Its functions need no receiver: `const { get } = client.variables` works. */
export interface Client {
  /** Scripts, flows and their jobs. */
  readonly jobs: JobsGroup;
  /** Variables and secrets. */
  readonly variables: VariablesGroup;
  /** Resources. */
  readonly resources: ResourcesGroup;
  /** State of the running script, and of the flow that it runs in. */
  readonly state: StateGroup;
  /** Gives the id of the workspace; ConfigurationError when there is none. */
  readonly workspace: () => string;
  /**
   * Makes a request that no function speaks for. The path is below `/api` and not encoded, such as
   * `/w/{workspace}/scripts/list`; `{workspace}` is filled in.
   */
  readonly request: (method: string, path: string, options?: RawRequestOptions) => Promise<RawAnswer>;
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
    workspace: () => workspaceOf(c),
    request: (method, path, o) => rawRequest(c, method, path, o),
  };
}
