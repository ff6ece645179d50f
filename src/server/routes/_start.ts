/**
 * Starting a job as a request asks for it.
 *
 * @module
 */
import type { Context } from "hono";
import { isRecord } from "../../wire/answer.ts";
import { badRequest, notFound, Refusal } from "../../wire/refusal.ts";
import type { Job, JobRequest, Script, ServerContext } from "../ports.ts";
import { callerOf, refuseOtherJobs } from "../auth.ts";
import { absent } from "../folder/absent.ts";
import { jobInput } from "./_arguments.ts";
import { modulesOf } from "./_modules.ts";
import { checkId, optionalText, param, queryFlag, queryNumber, queryStart, queryText, readFields } from "./_request.ts";

/** What is run: a script by path or by hash, a flow by path or by version. */
export type Target = "p" | "h" | "f" | "fv";

/** The script that a request is for. */
export function scriptOf({ folder }: ServerContext, target: Target, name: string): Script {
  if (target === "f" || target === "fv") {
    throw notFound(
      `flow not found at name ${name}: this Windkit server runs scripts and workflows as code, and no flows`,
    );
  }
  if (target === "h") {
    const script = folder.scriptByHash(name);
    if (script === undefined) throw notFound(`script not found at hash ${name}`);
    return script;
  }
  const script = folder.script(name);
  if (script !== undefined) return script;
  throw absent(folder, "script", name, `script not found at name ${name}`);
}

/** What the query of every start says. */
function startOptions(context: ServerContext, c: Context): Omit<JobRequest, "kind" | "language" | "args"> {
  const id = queryText(c, "job_id");
  const parent = queryText(c, "parent_job"), root = queryText(c, "root_job");
  const at = queryStart(c, context.now());
  const tag = queryText(c, "tag"), timeoutS = queryNumber(c, "timeout"), cacheTtlS = queryNumber(c, "cache_ttl");
  if (id !== undefined && context.jobs.get(checkId(id, "job_id")) !== undefined) {
    throw badRequest(`Id ${id} already exists`);
  }
  const caller = callerOf(c.req.raw);
  // A job that could say whose child its own child is could make it one of any other job.
  for (const other of [parent, root]) if (other !== undefined) refuseOtherJobs(context.jobs, caller, other);
  return {
    caller,
    ...(id !== undefined && { id: checkId(id, "job_id") }),
    ...(parent !== undefined && { parent: checkId(parent, "parent_job") }),
    ...(root !== undefined && { root: checkId(root, "root_job") }),
    ...(at !== undefined && { scheduledFor: at }),
    ...(tag !== undefined && { tag }),
    ...(timeoutS !== undefined && { timeoutS }),
    ...(cacheTtlS !== undefined && { cacheTtlS }),
    ...(queryFlag(c, "invisible_to_owner") === true && { invisibleToOwner: true }),
  };
}

/** What the file of a script says about its jobs. */
export function scriptOptions(script: Script): Partial<JobRequest> {
  const { tag, timeoutS, cacheTtlS, concurrentLimit, concurrencyWindowS, concurrencyKey, priority } = script;
  return {
    ...(tag !== undefined && { tag }),
    ...(timeoutS !== undefined && { timeoutS }),
    ...(cacheTtlS !== undefined && { cacheTtlS }),
    ...(concurrentLimit !== undefined && { concurrentLimit }),
    ...(concurrencyWindowS !== undefined && { concurrencyWindowS }),
    ...(concurrencyKey !== undefined && { concurrencyKey }),
    ...(priority !== undefined && { priority }),
  };
}

/** Refuses a start when more jobs wait than the caller is ready to wait behind. */
function checkQueue({ jobs }: ServerContext, c: Context): void {
  const limit = queryNumber(c, "queue_limit");
  if (limit === undefined) return;
  const count = jobs.count({ completed: false, scheduledForBeforeNow: true, offset: 0, limit: 1 });
  if (count > limit) throw new Refusal(500, `Internal: Number of queued job is too high: ${count} > ${limit}`);
}

/** Starts the script that a request is for. */
export async function startScript(
  context: ServerContext,
  c: Context,
  target: Target,
  unacknowledged?: boolean,
): Promise<Job> {
  const script = scriptOf(context, target, param(c, "name"));
  checkQueue(context, c);
  const options = startOptions(context, c);
  const { args, preprocess } = await jobInput(context, c, script);
  const request: JobRequest = {
    ...scriptOptions(script),
    ...options,
    kind: "script",
    path: script.path,
    hash: script.hash,
    language: script.language,
    args,
    ...(preprocess && { preprocess }),
  };
  return await context.jobs.start(request, unacknowledged);
}

/** Starts code that is not deployed. */
export async function startPreview(context: ServerContext, c: Context): Promise<Job> {
  const options = startOptions(context, c);
  const fields = await readFields(c.req.raw);
  const { args = {} } = fields;
  if (!isRecord(args)) {
    throw new Refusal(422, "Failed to deserialize the JSON body into the target type: args: expected a map");
  }
  const path = optionalText(fields, "path"),
    tag = optionalText(fields, "tag"),
    hash = optionalText(fields, "script_hash");
  const named = hash === undefined ? undefined : scriptOf(context, "h", hash);
  const content = optionalText(fields, "content") ?? named?.content;
  const language = optionalText(fields, "language") ?? named?.language;
  const modules = modulesOf(fields.modules) ??
    (optionalText(fields, "content") === undefined ? named?.modules : undefined);
  if (optionalText(fields, "kind") === "identity") {
    return await context.jobs.start({ ...options, kind: "identity", language: "identity", args });
  }
  if (content === undefined) throw badRequest("preview: expected the code as 'content'");
  if (language === undefined) throw badRequest("preview: expected the 'language' of the code");
  return await context.jobs.start({
    ...options,
    ...(tag !== undefined && { tag }),
    ...(path !== undefined && { path }),
    kind: "preview",
    content,
    ...(modules !== undefined && { modules }),
    language,
    args,
  });
}
