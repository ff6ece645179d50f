/**
 * A client of one Windmill workspace. Clients share nothing: two of them in one process never see each other's token.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import type { Job, JobResult, JobStatus } from "../wire/jobs.ts";
import type { ResourceRecord } from "../wire/resources.ts";
import { checkOptions, type ClientOptions, workspaceOf } from "./connection.ts";
import {
  type CancelOptions,
  type CancelOutcome,
  type GetJobOptions,
  type ProgressOptions,
  readJobProgress,
  readJobRecord,
  readJobStatus,
  readResult,
  readResultMaybe,
  readRootJobId,
  type ResultMaybeOptions,
  stopJob,
  stopOtherJobs,
  writeProgress,
} from "./job_records.ts";
import { type JobArgs, runJob, type RunOptions, startJob, type StartOptions, type WaitOptions } from "./jobs.ts";
import { type RawAnswer, rawRequest, type RawRequestOptions } from "./raw.ts";
import {
  findResource,
  type GetResourceOptions,
  type ListResourcesOptions,
  readAllResources,
  readDatabaseUrl,
  readResource,
  readResourcePage,
  resourceExists,
  type ResourceFilter,
  type SetResourceOptions,
  writeResource,
} from "./resources.ts";
import { readFlowState, readState, type StateOptions, statePathOf, writeFlowState, writeState } from "./state.ts";
import { readVariable, type SetVariableOptions, variableExists, writeVariable } from "./variables.ts";
import { awaitJob } from "./wait.ts";

export type { Clock } from "../base/clock.ts";
export type { CallOptions, FetchFunction, RequestRetry } from "../http/transport.ts";
export type { Job, JobResult, JobStatus } from "../wire/jobs.ts";
export type { ResourceRecord } from "../wire/resources.ts";
export type { ClientOptions } from "./connection.ts";
export type {
  CancelOptions,
  CancelOutcome,
  GetJobOptions,
  ProgressOptions,
  ResultMaybeOptions,
} from "./job_records.ts";
export type { JobArgs, RunOptions, StartOptions, WaitOptions } from "./jobs.ts";
export type { RawAnswer, RawRequestOptions } from "./raw.ts";
export type { GetResourceOptions, ListResourcesOptions, ResourceFilter, SetResourceOptions } from "./resources.ts";
export type { StateOptions } from "./state.ts";
export type { SetVariableOptions } from "./variables.ts";

/** Scripts, flows and their jobs. */
export interface JobsGroup {
  /** Starts the script at a path and gives the id of its job. */
  readonly start: (path: string, args?: JobArgs | null, options?: StartOptions) => Promise<string>;
  /** Starts one version of a script and gives the id of its job. */
  readonly startByHash: (hash: string, args?: JobArgs | null, options?: StartOptions) => Promise<string>;
  /** Starts the flow at a path and gives the id of its job. It belongs to the running job only if `parentJob` says so. */
  readonly startFlow: (path: string, args?: JobArgs | null, options?: StartOptions) => Promise<string>;
  /** Runs the script at a path and gives its result. The type is the caller's word: nothing checks it. */
  readonly run: <T = unknown>(path: string, args?: JobArgs | null, options?: RunOptions) => Promise<T>;
  /** Runs one version of a script and gives its result. The type is the caller's word: nothing checks it. */
  readonly runByHash: <T = unknown>(hash: string, args?: JobArgs | null, options?: RunOptions) => Promise<T>;
  /** Runs the flow at a path and gives its result. The type is the caller's word: nothing checks it. */
  readonly runFlow: <T = unknown>(path: string, args?: JobArgs | null, options?: RunOptions) => Promise<T>;
  /** Waits for a job and gives its result; JobFailedError when it failed. The type is the caller's word. */
  readonly wait: <T = unknown>(jobId: string, options?: WaitOptions) => Promise<T>;
  /** Reads the record of a job. */
  readonly get: (jobId: string, options?: GetJobOptions) => Promise<Job>;
  /** Tells whether a job is waiting, running or completed. */
  readonly status: (jobId: string, options?: CallOptions) => Promise<JobStatus>;
  /** Reads the result of a completed job; it does not say whether the job succeeded. */
  readonly result: <T = unknown>(jobId: string, options?: CallOptions) => Promise<T>;
  /** Tells whether a job is completed, and then how. An unknown job is one that is not completed. */
  readonly resultMaybe: (jobId: string, options?: ResultMaybeOptions) => Promise<JobResult>;
  /** Cancels a job that is waiting or running; gives the server's words. */
  readonly cancel: (jobId: string, options?: CancelOptions) => Promise<string>;
  /** Cancels every other running job of the current script, and says what became of each. */
  readonly cancelRunning: (options?: CancelOptions) => Promise<Readonly<Record<string, CancelOutcome>>>;
  /** Reports how far the running job is, in percent. */
  readonly setProgress: (percent: number, options?: ProgressOptions) => Promise<void>;
  /** Reads how far a job is, in percent; null when it never said. */
  readonly getProgress: (options?: ProgressOptions) => Promise<number | null>;
  /** Gives the id of the outermost job that a job, by default the running one, belongs to. */
  readonly rootJobId: (jobId?: string, options?: CallOptions) => Promise<string>;
}

/** Variables and secrets. A path may be written as `var://path` or `$var:path`. */
export interface VariablesGroup {
  /** Reads the value of a variable, decrypted. */
  readonly get: (path: string, options?: CallOptions) => Promise<string>;
  /** Tells whether a variable exists. */
  readonly exists: (path: string, options?: CallOptions) => Promise<boolean>;
  /** Writes the value of a variable, and creates it if there is none. */
  readonly set: (path: string, value: string, options?: SetVariableOptions) => Promise<void>;
}

/** Resources. A path may be written as `$res:path` or `res://path`. */
export interface ResourcesGroup {
  /** Reads the value of a resource. The type is the caller's word: nothing checks it. */
  readonly get: <T = unknown>(path: string, options?: GetResourceOptions) => Promise<T>;
  /** Reads the value of a resource, or gives undefined when there is none (status 404); other errors stay errors. */
  readonly find: <T = unknown>(path: string, options?: GetResourceOptions) => Promise<T | undefined>;
  /** Tells whether a resource exists. */
  readonly exists: (path: string, options?: CallOptions) => Promise<boolean>;
  /** Writes the value of a resource, and creates it if there is none and its type is given. */
  readonly set: (path: string, value: unknown, options?: SetResourceOptions) => Promise<void>;
  /** Reads one page of resources. */
  readonly list: (options?: ListResourcesOptions) => Promise<ResourceRecord[]>;
  /** Reads all resources, a page at a time, as the loop over them goes on. */
  readonly listAll: (options?: ResourceFilter) => AsyncGenerator<ResourceRecord, void>;
  /** Makes the connection string of a `postgresql` resource. */
  readonly databaseUrl: (path: string, options?: CallOptions) => Promise<string>;
}

/** State of the running script, and of the flow that it runs in. */
export interface StateGroup {
  /** Where the state of the running script is kept. */
  readonly path: () => string;
  /** Reads the state; undefined when there is none yet. The type is the caller's word: nothing checks it. */
  readonly get: <T = unknown>(options?: StateOptions) => Promise<T | undefined>;
  /** Writes the state, and creates it if there is none. */
  readonly set: (state: unknown, options?: StateOptions) => Promise<void>;
  /** Reads what a job of the running flow left under a key; null when there is nothing. */
  readonly getFlow: <T = unknown>(key: string, options?: CallOptions) => Promise<T | null>;
  /** Leaves a value under a key, for all jobs of the running flow. */
  readonly setFlow: (key: string, value: unknown, options?: CallOptions) => Promise<void>;
}

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
  // `as` below: what the server stores has the type that the caller says it has; nothing here could know better.
  return {
    jobs: {
      start: (path, args, o) => startJob(c, "p", path, args, o),
      startByHash: (hash, args, o) => startJob(c, "h", hash, args, o),
      startFlow: (path, args, o) => startJob(c, "f", path, args, o),
      run: <T>(path: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "p", path, args, o) as Promise<T>,
      runByHash: <T>(hash: string, args?: JobArgs | null, o?: RunOptions) =>
        runJob(c, "h", hash, args, o) as Promise<T>,
      runFlow: <T>(path: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "f", path, args, o) as Promise<T>,
      wait: <T>(jobId: string, o?: WaitOptions) => awaitJob(c, jobId, o) as Promise<T>,
      get: (jobId, o) => readJobRecord(c, jobId, o),
      status: (jobId, o) => readJobStatus(c, jobId, o),
      result: <T>(jobId: string, o?: CallOptions) => readResult(c, jobId, o) as Promise<T>,
      resultMaybe: (jobId, o) => readResultMaybe(c, jobId, o),
      cancel: (jobId, o) => stopJob(c, jobId, o),
      cancelRunning: (o) => stopOtherJobs(c, o),
      setProgress: (percent, o) => writeProgress(c, percent, o),
      getProgress: (o) => readJobProgress(c, o),
      rootJobId: (jobId, o) => readRootJobId(c, jobId, o),
    },
    variables: {
      get: (path, o) => readVariable(c, path, o),
      exists: (path, o) => variableExists(c, path, o),
      set: (path, value, o) => writeVariable(c, path, value, o),
    },
    resources: {
      get: <T>(path: string, o?: GetResourceOptions) => readResource(c, path, o) as Promise<T>,
      find: <T>(path: string, o?: GetResourceOptions) => findResource(c, path, o) as Promise<T | undefined>,
      exists: (path, o) => resourceExists(c, path, o),
      set: (path, value, o) => writeResource(c, path, value, o),
      list: (o) => readResourcePage(c, o),
      listAll: (o) => readAllResources(c, o),
      databaseUrl: (path, o) => readDatabaseUrl(c, path, o),
    },
    state: {
      path: () => statePathOf(c),
      get: <T>(o?: StateOptions) => readState(c, o) as Promise<T | undefined>,
      set: (state, o) => writeState(c, state, o),
      getFlow: <T>(key: string, o?: CallOptions) => readFlowState(c, key, o) as Promise<T | null>,
      setFlow: (key, value, o) => writeFlowState(c, key, value, o),
    },
    workspace: () => workspaceOf(c),
    request: (method, path, o) => rawRequest(c, method, path, o),
  };
}
