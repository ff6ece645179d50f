/**
 * Tasks of workflows as jobs of their own: of an inline task, whose closure runs in the workflow's process, and of a task that is
 * another script of the folder.
 *
 * The id of a task's job follows from its run and its key, and its outcome is what the job's row says: a server that dies between
 * the end of the job and the record of the engine finds it there, and runs nothing twice.
 *
 * @module
 */
import { decode, encode } from "../../base/canonical.ts";
import { hasCode } from "../../base/errors.ts";
import type { Executor, Work } from "../../engine/ports.ts";
import type { JobOutcome } from "../../runner/ports.ts";
import { failureOfRecord } from "../../workflow/failure_record.ts";
import type { Call, Json, Key, Outcome } from "../../workflow/journal.ts";
import type { Job, JobExecution, JobRequest, Script, ScriptModule, ServerContext } from "../ports.ts";
import { failureOfJob } from "./remote_session.ts";
import { childIdOf } from "./signatures.ts";
import { iso, statusFields, type Timelines } from "./timeline.ts";

type TaskCall = Extract<Call, { readonly kind: "task" }>;

/** Longest delay of a timer. */
const LONGEST_MS = 2_147_483_647;

/** Which call of a run a job carries out. */
export interface TaskOf {
  readonly run: string;
  readonly key: Key;
  /** The closure runs in the workflow's process. */
  readonly inline: boolean;
}

/** What a job is to its workflow; undefined for one that is no task of any. */
export function taskOf(job: Job): TaskOf | undefined {
  const { _windkit, _executing_key } = statusFields(statusFields(job.workflowAsCodeStatus)._checkpoint);
  const { run, key } = statusFields(_windkit);
  if (job.parent === undefined || typeof run !== "string" || typeof key !== "string") return undefined;
  return { run, key, inline: _executing_key === key };
}

/** Id of the job that a run belongs to: one that goes on for another one is the same job's. */
export function jobIdOf(run: string): string {
  const at = run.indexOf("~");
  return at < 0 ? run : run.slice(0, at);
}

/** Children of workflows. */
export interface Children {
  /** What the engine runs tasks with. */
  readonly executor: Executor;
  /** Runs the job of an inline task; undefined for any other job. */
  run(job: Job, execution: JobExecution): Promise<JobOutcome | "suspended"> | undefined;
  /** Ends the tasks of a workflow that has ended. Called in the transaction of its end. */
  endAll(workflow: Job): void;
  /** A job has ended. */
  ended(job: Job): void;
}

/** What {@linkcode createChildren} needs. */
export interface ChildrenParts {
  readonly context: ServerContext;
  readonly timelines: Timelines;
  /** Writes to the log of a workflow's job. */
  log(job: string, text: string): void;
  /** Asks the process of a run to end a closure. */
  abort(run: string, key: Key, reason: string): void;
}

/** The outcome of a call as its job's row has it. */
function outcomeOfChild(job: Job, key: Key): Outcome {
  if (job.success === true) return { ok: true, value: encode(job.result ?? null) };
  const error = statusFields(statusFields(job.result).error);
  const message = typeof error.message === "string" && error.message !== "" ? error.message : `Task '${key}' failed`;
  const record = { message, step_key: key, child_job_id: job.id, result: { error } };
  return { ok: false, failure: failureOfRecord(record, key) };
}

/** What a closure gave as the outcome of its job. */
function outcomeOfJob(outcome: Outcome): JobOutcome {
  // `as`: canonical text is JSON.
  if (outcome.ok) return { ok: true, result: decode(outcome.value) as Json };
  const { name, message, stack, extra } = outcome.failure.error;
  return {
    ok: false,
    error: {
      name,
      message,
      ...(stack === undefined ? undefined : { stack }),
      ...(extra === undefined ? undefined : { extra }),
    },
  };
}

function refused(key: Key, message: string, name = "Error"): Outcome {
  const failure = failureOfJob({ name, message }, key);
  return { ok: false, failure: { ...failure, retryable: false } };
}

/** What a script of the folder says of its jobs, as far as the task does not. */
function optionsOf(call: TaskCall, parent: Job, script?: Script): Partial<JobRequest> {
  const { tag, timeoutS, cacheTtlS, priority, concurrentLimit, concurrencyKey, concurrencyWindowS } = call.options;
  const chosen = {
    // A task that says nothing is put where its workflow is (wac-protocol 6).
    tag: tag ?? parent.tag,
    timeoutS: timeoutS ?? script?.timeoutS ?? parent.timeoutS,
    cacheTtlS: cacheTtlS ?? script?.cacheTtlS,
    priority: priority ?? script?.priority ?? parent.priority,
    concurrentLimit: concurrentLimit ?? script?.concurrentLimit,
    concurrencyKey: concurrencyKey ?? script?.concurrencyKey ??
      // The tasks of one name are limited together, and not with their workflow.
      (concurrentLimit === undefined || script !== undefined
        ? undefined
        : `$workspace/task/${parent.path ?? parent.hash ?? ""}/${call.name}`),
    concurrencyWindowS: concurrencyWindowS ?? script?.concurrencyWindowS,
  };
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined));
}

/** Path of the script that a task names: one that begins with `./` or `../` is beside the workflow's. */
function scriptPath(named: string, parent: Job): string {
  if (!/^\.\.?\//.test(named)) return named;
  const parts = (parent.path ?? "").split("/").slice(0, -1);
  for (const part of named.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/").replace(/(?:\.(?:bun|deno))?\.ts$/, "");
}

/** Makes the children of a server's workflows. */
export function createChildren({ context, timelines, log, abort }: ChildrenParts): Children {
  const { jobs, folder, clock } = context;
  /** Closures that wait for their job to be begun, or run, by its id. */
  const offered = new Map<string, Pick<Work, "run" | "key"> & { readonly invoke: () => Promise<Outcome> }>();

  /** The module that a task names, of the version that its workflow runs. */
  function moduleOf(named: string, parent: Job): ScriptModule | undefined {
    if (!named.startsWith("./")) return undefined;
    const modules = jobs.modules(parent) ?? {};
    const name = named.slice(2);
    const found = [name, `${name}.ts`].find((one) => Object.hasOwn(modules, one));
    return found === undefined ? undefined : modules[found];
  }

  function requestOf({ run, key, invoke }: Work, call: TaskCall, parent: Job): JobRequest | Outcome {
    const common = {
      id: childIdOf(run, key),
      parent: parent.id,
      root: parent.root ?? parent.id,
      caller: {
        username: parent.createdBy,
        email: parent.email,
        isAdmin: context.identity.owner.username === parent.createdBy,
        job: parent.id,
      },
    };
    const origin = { completed_steps: {}, _windkit: { run, key } };
    // `as`: canonical text is JSON.
    const args = decode(call.args) as Json;
    if (call.via === "inline" && invoke !== undefined) {
      const { kind, path, hash, content, language } = parent;
      return {
        ...common,
        ...optionsOf(call, parent),
        kind,
        language,
        ...(path === undefined ? undefined : { path }),
        ...(hash === undefined ? undefined : { hash }),
        ...(content === undefined ? undefined : { content }),
        args: parent.args,
        checkpoint: { ...origin, _executing_key: key, _executing_args: args },
      };
    }
    const named = call.script ?? call.name;
    if (call.via === "flow") {
      return refused(
        key,
        `Cannot run taskFlow("${named}"): this Windkit server runs scripts and workflows as code, and no flows`,
        "HostUnsupportedError",
      );
    }
    const module = moduleOf(named, parent);
    if (module !== undefined) {
      return {
        ...common,
        ...optionsOf(call, parent),
        // Code of its own at the script's path, as a worker runs it: it sees no other modules.
        kind: "preview",
        ...(parent.path === undefined ? undefined : { path: parent.path }),
        content: module.content,
        language: module.language,
        args: statusFields(args),
        checkpoint: origin,
      };
    }
    const script = folder.script(scriptPath(named, parent));
    if (script === undefined) {
      const missing = named.startsWith("./") ? `Module '${named.slice(2)}' not found in script modules` : undefined;
      return refused(key, missing ?? `Not found: script not found at name ${named}`);
    }
    return {
      ...common,
      ...optionsOf(call, parent, script),
      kind: "script",
      path: script.path,
      hash: script.hash,
      language: script.language,
      args: statusFields(args),
      checkpoint: origin,
    };
  }

  async function start(work: Work): Promise<Outcome> {
    const { run, key, call, info, invoke } = work;
    const parent = jobs.get(jobIdOf(run));
    if (call.kind !== "task" || parent === undefined) {
      return refused(key, `Cannot run "${key}": its workflow is no job`);
    }
    const id = childIdOf(run, key);
    let child = jobs.get(id);
    const isNew = child === undefined;
    if (child === undefined) {
      const request = requestOf(work, call, parent);
      if ("ok" in request) return request;
      if (invoke !== undefined) offered.set(id, { run, key, invoke });
      timelines.patch(parent.id, id, { scheduled_for: iso(context.now()), name: key });
      log(parent.id, `\n--- WAC: ${key} ---\n`);
      try {
        child = await jobs.start(request);
      } catch (error) {
        offered.delete(id);
        throw error;
      }
    }
    if (child.completedAt === undefined) {
      if (invoke !== undefined && !isNew) {
        offered.set(id, { run, key, invoke });
        // It was begun before its workflow was there again.
        jobs.resume(id);
      }
      const stop = new AbortController();
      const onAbort = (): void => {
        const { reason } = info.signal;
        // A run that leaves memory finds its tasks again; the end of a run ends them (`endAll`).
        if (hasCode(reason, "ENGINE_CLOSED")) return stop.abort(reason);
        void jobs.cancel(id, "system", reason instanceof Error ? reason.message : String(reason));
      };
      info.signal.addEventListener("abort", onAbort, { once: true });
      if (info.signal.aborted) onAbort();
      try {
        child = await jobs.wait(id, stop.signal);
      } finally {
        offered.delete(id);
        info.signal.removeEventListener("abort", onAbort);
      }
    }
    stamp(parent.id, child, key);
    return outcomeOfChild(child, key);
  }

  /** The entry of an ended child, whole: after a crash parts of it may not have been written. */
  function stamp(parent: string, child: Job, key: Key): void {
    timelines.patch(parent, child.id, {
      scheduled_for: iso(child.scheduledFor),
      name: key,
      ...(child.startedAt === undefined ? undefined : { started_at: iso(child.startedAt) }),
      ...(child.durationMs === undefined ? undefined : { duration_ms: child.durationMs }),
    });
  }

  async function runInline(job: Job, task: TaskOf, { io }: JobExecution): Promise<JobOutcome | "suspended"> {
    const work = offered.get(job.id);
    // The workflow is about to be replayed: it asks for the task then.
    if (work === undefined) return "suspended";
    const { parent = "" } = job;
    timelines.patch(parent, job.id, { started_at: iso(context.now()) });
    io.log(
      `[Windkit: this task runs in the process of its workflow, job ${parent}: what it prints is in the log of that]\n`,
    );
    let timer: unknown;
    const stopped = new Promise<JobOutcome>((resolve) => {
      const stop = (name: string, message: string): void => {
        abort(task.run, task.key, message);
        resolve({ ok: false, error: { name, message } });
      };
      const onAbort = (): void =>
        stop("Canceled", String((io.signal.reason as Error | undefined)?.message ?? "Canceled"));
      io.signal.addEventListener("abort", onAbort, { once: true });
      if (io.signal.aborted) return onAbort();
      const { timeoutS } = job;
      if (timeoutS === undefined || timeoutS * 1000 > LONGEST_MS) return;
      timer = clock.setTimeout(
        () => stop("TimeoutError", `Task "${task.key}" timed out after ${timeoutS} s`),
        timeoutS * 1000,
      );
    });
    try {
      return await Promise.race([work.invoke().then(outcomeOfJob), stopped]);
    } finally {
      clock.clearTimeout(timer);
    }
  }

  return {
    executor: { timesItself: true, accepts: (call) => call.kind === "task", start },
    run: (job, execution) => {
      const task = taskOf(job);
      return task?.inline === true ? runInline(job, task, execution) : undefined;
    },
    endAll: (workflow) => {
      const query = { parent: workflow.id, completed: false, offset: 0, limit: 10_000 };
      for (const child of jobs.list(query)) {
        if (taskOf(child) !== undefined) void jobs.cancel(child.id, "system", "its workflow has ended");
      }
    },
    ended: (job) => {
      const task = taskOf(job);
      if (task !== undefined && job.parent !== undefined) stamp(job.parent, job, task.key);
    },
  };
}
