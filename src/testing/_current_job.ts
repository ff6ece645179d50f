/**
 * The job that the tested code believes to run in, and the environment that a worker gives it.
 *
 * @module
 */
import type { Mock } from "./_mock.ts";

/** The job that the tested code believes to run in. */
export interface MockCurrentJob {
  /** Path of its script. @default "u/mock/script" */
  readonly path?: string;
  /** Path of the flow that it is a step of. @default none */
  readonly flowPath?: string;
  /** Id of the step. @default "a" */
  readonly stepId?: string;
}

/** Makes the job, and the flow that it is a step of, and gives the variables that a worker sets. */
export function startCurrentJob(mock: Omit<Mock, "store">, job: MockCurrentJob): Readonly<Record<string, string>> {
  const { path = "u/mock/script", flowPath, stepId = "a" } = job;
  const { baseUrl, workspace, user, jobs } = mock;
  const flow = flowPath === undefined
    ? undefined
    : jobs.start({ kind: "flow", path: flowPath, args: {}, run: undefined });
  const { id } = jobs.start({ kind: "script", path, args: {}, run: undefined, parentJob: flow?.id, rootJob: flow?.id });
  // What has no value is the empty text, as workers set it.
  return {
    BASE_INTERNAL_URL: baseUrl,
    BASE_URL: baseUrl,
    WM_BASE_URL: baseUrl,
    WM_TOKEN: [...mock.tokens][0] ?? "",
    WM_WORKSPACE: workspace,
    WM_EMAIL: user.email,
    WM_USERNAME: user.username,
    WM_PERMISSIONED_AS: `u/${user.username}`,
    WM_END_USER_EMAIL: "",
    WM_JOB_ID: id,
    WM_JOB_PATH: path,
    WM_ROOT_JOB_ID: flow?.id ?? id,
    WM_FLOW_JOB_ID: flow?.id ?? "",
    WM_ROOT_FLOW_JOB_ID: flow?.id ?? "",
    WM_FLOW_PATH: flowPath ?? "",
    WM_FLOW_STEP_ID: flow === undefined ? "" : stepId,
    WM_STATE_PATH: flow === undefined ? `${path}/user` : `${flowPath}/${stepId}_user`,
    WM_SCHEDULE_PATH: "",
    WM_WORKER_GROUP: "default",
  };
}
