/**
 * What the worker says of the running job, in the environment.
 *
 * @module
 */
import { type ClientOptions, variable } from "./connection.ts";

/** The variables of text. A name stands for `WM_` and its words, but for those that have a variable's own name behind it. */
const NAMES =
  "workspace jobId rootJobId jobPath flowJobId rootFlowJobId flowPath flowStepId schedulePath email username " +
  "endUserEmail permissionedAs statePath statePathNew objectPath runnableId testedRunnable workerGroup mockedApiFile rawApp " +
  "baseInternalUrl:BASE_INTERNAL_URL baseUrl:BASE_URL publicBaseUrl:WM_BASE_URL mainOverride:MAIN_OVERRIDE";

/**
 * What the worker says of the running job. What it does not say is undefined; so is what it sets to `""`. The token is not
 * here, so that a context can be printed.
 */
export interface JobContext {
  /** `WM_WORKSPACE`: id of the workspace. */
  readonly workspace: string | undefined;
  /** `WM_JOB_ID`: the running job. */
  readonly jobId: string | undefined;
  /** `WM_ROOT_JOB_ID`: the outermost job that it belongs to. */
  readonly rootJobId: string | undefined;
  /** `WM_JOB_PATH`: path of the script that runs. */
  readonly jobPath: string | undefined;
  /** `WM_FLOW_JOB_ID`: job of the flow that it is a step of. */
  readonly flowJobId: string | undefined;
  /** `WM_ROOT_FLOW_JOB_ID`: job of the outermost flow. */
  readonly rootFlowJobId: string | undefined;
  /** `WM_FLOW_PATH`: path of the flow. */
  readonly flowPath: string | undefined;
  /** `WM_FLOW_STEP_ID`: which step of the flow it is. */
  readonly flowStepId: string | undefined;
  /** `WM_SCHEDULE_PATH`: the schedule that started it. */
  readonly schedulePath: string | undefined;
  /** `WM_SCHEDULED_FOR`: when it was to start; undefined too for a text that is no time. */
  readonly scheduledFor: Date | undefined;
  /** `WM_EMAIL`: address of who runs it. */
  readonly email: string | undefined;
  /** `WM_USERNAME`: name of who runs it. */
  readonly username: string | undefined;
  /** `WM_END_USER_EMAIL`: address of who looks at the app that started it. */
  readonly endUserEmail: string | undefined;
  /** `WM_PERMISSIONED_AS`: whose permissions it has, for example `u/me` or `g/team`. */
  readonly permissionedAs: string | undefined;
  /** `WM_STATE_PATH`: where its state is kept. */
  readonly statePath: string | undefined;
  /** `WM_STATE_PATH_NEW`: the same on servers that set it; it goes before `statePath`. */
  readonly statePathNew: string | undefined;
  /** `WM_OBJECT_PATH`: a path in object storage of its own. */
  readonly objectPath: string | undefined;
  /** `WM_RUNNABLE_ID`: version of the script or flow. */
  readonly runnableId: string | undefined;
  /** `WM_TESTED_RUNNABLE`: path of what a test run tests. */
  readonly testedRunnable: string | undefined;
  /** `WM_WORKER_GROUP`: group of the worker. */
  readonly workerGroup: string | undefined;
  /** `BASE_INTERNAL_URL`: address of the instance for its workers. */
  readonly baseInternalUrl: string | undefined;
  /** `BASE_URL`: address of the instance, for workers or for the public. */
  readonly baseUrl: string | undefined;
  /** `WM_BASE_URL`: address of the instance for the public. */
  readonly publicBaseUrl: string | undefined;
  /** `WM_MOCKED_API_FILE`: file with variables and resources that are used instead of the server's. */
  readonly mockedApiFile: string | undefined;
  /** `WM_RAW_APP`: set in a raw app. */
  readonly rawApp: string | undefined;
  /** `MAIN_OVERRIDE`: the task that this job runs, in a workflow of the first generation. */
  readonly mainOverride: string | undefined;
  /** `WM_PIPELINE`: whether materialisations are recorded. */
  readonly pipeline: boolean;
  /** `WM_WAC_INLINE_FAST_PATH`: whether a workflow's steps are stored without a new round. */
  readonly inlineFastPath: boolean;
}

/** Reads what the worker says of the running job. */
export function readContext(client: ClientOptions): JobContext {
  const texts = NAMES.split(" ").map((entry) => {
    const [name = "", key = `WM_${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`] = entry.split(":");
    return [name, variable(client, key)];
  });
  // The server writes "2026-01-02 03:04:05.678 UTC", which not every runtime reads.
  const at = new Date((variable(client, "WM_SCHEDULED_FOR") ?? "").replace(/ UTC$/, "Z").replace(" ", "T"));
  // `as`: the names are those of the interface; a test compares them.
  return {
    ...Object.fromEntries(texts),
    scheduledFor: Number.isNaN(at.getTime()) ? undefined : at,
    pipeline: variable(client, "WM_PIPELINE") === "true",
    inlineFastPath: !/^\s*(0|false|off|no)\s*$/i.test(variable(client, "WM_WAC_INLINE_FAST_PATH") ?? ""),
  } as JobContext;
}
