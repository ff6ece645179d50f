/**
 * A job as its runner gets it: code, arguments with what they refer to, and the variables of its environment.
 *
 * @module
 */
import type { RunnerJob } from "../../runner/ports.ts";
import type { Folder, Job } from "../ports.ts";

/** What a job's environment is made of, beside the job. */
export interface EnvironmentParts {
  readonly workspace: string;
  /** Address under which people reach the server. */
  readonly baseUrl: string;
  /** Address under which the jobs of this machine reach it. */
  readonly internalUrl: string;
  readonly folder: Folder;
}

/** Path where a script keeps its state, as the worker names it. */
function statePathOf({ path, createdBy }: Job): string {
  if (path === undefined || path === "") return `u/${createdBy}/tmp_state`;
  return `${path}${path.endsWith("/") ? "state" : ""}/user`;
}

/** The variables of a job's environment. Those that have no value here are empty, as a worker sets them. */
export function environmentOf(parts: EnvironmentParts, job: Job, token: string): Readonly<Record<string, string>> {
  const { workspace, baseUrl, internalUrl } = parts;
  const { id, path = "" } = job;
  return {
    BASE_URL: internalUrl,
    BASE_INTERNAL_URL: internalUrl,
    WM_BASE_URL: baseUrl,
    WM_WORKSPACE: workspace,
    WM_TOKEN: token,
    WM_EMAIL: job.email,
    WM_USERNAME: job.createdBy,
    WM_PERMISSIONED_AS: `u/${job.createdBy}`,
    WM_END_USER_EMAIL: "",
    WM_JOB_ID: id,
    WM_JOB_PATH: path,
    WM_ROOT_JOB_ID: job.root ?? id,
    WM_FLOW_JOB_ID: "",
    WM_FLOW_PATH: "",
    WM_FLOW_STEP_ID: "",
    WM_ROOT_FLOW_JOB_ID: "",
    WM_SCHEDULE_PATH: "",
    WM_SCHEDULED_FOR: new Date(job.scheduledFor).toISOString(),
    WM_STATE_PATH: statePathOf(job),
    WM_OBJECT_PATH: `${path === "" ? `u/${job.createdBy}` : path}/${id}`,
    WM_RUNNABLE_ID: job.hash ?? "",
    WM_WORKER_GROUP: "windkit",
    WM_TESTED_RUNNABLE: "",
  };
}

/**
 * What a runner is given of a job.
 *
 * @param readSecret called when its arguments refer to a secret, which the job then has read
 * @throws what the folder throws for arguments that refer to something that is not there
 */
export function runnerJobOf(
  parts: EnvironmentParts,
  job: Job,
  code: Pick<RunnerJob, "content" | "modules">,
  token: string,
  readSecret?: () => void,
): RunnerJob {
  const { folder } = parts;
  const env = environmentOf(parts, job, token);
  return {
    id: job.id,
    language: job.language,
    content: code.content,
    ...(code.modules !== undefined && { modules: code.modules }),
    ...(job.path !== undefined && { path: job.path }),
    // `as`: what is resolved in an object of arguments is one of arguments.
    args: folder.interpolate(job.args, env, readSecret) as RunnerJob["args"],
    ...(job.entrypoint !== undefined && { entrypoint: job.entrypoint }),
    ...(job.preprocess === true && { preprocess: true }),
    env,
    ...(job.timeoutS !== undefined && { timeoutMs: job.timeoutS * 1000 }),
    resolve: async (path) => {
      const script = await Promise.resolve(folder.script(path));
      if (script !== undefined) return { content: script.content, language: script.language };
      const content = folder.dataFile(path);
      return content === undefined ? undefined : { content, language: "data" };
    },
  };
}
