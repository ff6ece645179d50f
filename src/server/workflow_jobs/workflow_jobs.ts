/**
 * Workflows as code as jobs: the run of the embedded engine whose id is the job's, and the process that its body runs in.
 *
 * The engine has the journal, the timers and the messages; the job table has the place in the queue, the log and the outcome. A
 * run that the engine takes into memory asks for a process, and its job is begun for that; a run that waits leaves memory, its
 * process ends, and its job is suspended. What a crash leaves of one of the two is found by the other: a run's id is its job's, a
 * task's job has an id that follows from its run and key.
 *
 * @module
 */
import { decode } from "../../base/canonical.ts";
import { hasCode } from "../../base/errors.ts";
import { recognise } from "../../base/recognition.ts";
import type { Engine, EngineEvent } from "../../engine/api.ts";
import { newestOf } from "../../engine/chain.ts";
import { createEngine } from "../../engine/engine.ts";
import { createLocalHost } from "../../engine/host.ts";
import type { RunRow, Storage } from "../../engine/ports.ts";
import { workflowElsewhere } from "../../engine/session_factory.ts";
import type { JobError, JobOutcome } from "../../runner/ports.ts";
import type { Capability, Command, Failure, JournalRecord, Json } from "../../workflow/journal.ts";
import type { Job, JobExecution, ServerContext } from "../ports.ts";
import { type Answers, createAnswers } from "./answers.ts";
import { type BodyProcess, startBodyProcess } from "./body_process.ts";
import { createChildren, jobIdOf, taskOf } from "./children.ts";
import { createDesk, type Desk } from "./desk.ts";
import { createLineReader } from "./from_body.ts";
import { createRemoteSession, type RemoteSession } from "./remote_session.ts";
import { createSeals, sealedStorage } from "./sealed_storage.ts";
import { createSources } from "./sources.ts";
import { createTimelines, statusFields } from "./timeline.ts";
import { createTold } from "./told.ts";

/** How workflows are run. */
export interface WorkflowJobsOptions {
  /** Where runs are kept. It is this server's alone, and closed with it. */
  readonly storage: Storage;
  /** How long the body of a cancelled workflow may go on, in milliseconds. @default 5000 */
  readonly cancelGraceMs?: number;
  /** How long a replay may take, in milliseconds. @default 30000 */
  readonly replayMs?: number;
  /** How long ended runs are kept, in milliseconds. @default as long as jobs are: 30 days */
  readonly retentionMs?: number;
  /** Hears errors that are nobody's. */
  readonly report?: (error: unknown) => void;
}

/** Workflows of a server. */
export interface WorkflowJobs extends Answers {
  /** Their approvals, as pages show them. */
  readonly approvals: Desk;
  /** The engine, once it is open. */
  readonly engine: Promise<Engine>;
  /** True for a job that is run as a workflow. */
  isWorkflow(job: Job): boolean;
  /** The workflow's job that a job is a task of; the job itself when it is none. */
  workflowOf(job: Job): Job;
  /** Stops driving runs; they go on with the next server. */
  close(): Promise<void>;
}

/** What a body may do here: all but starting runs of the engine, for scripts of the folder are jobs. */
const CAN: readonly Capability[] = ["events", "firstOf", "overlap", "subSecond", "continue", "cancel", "checked"];

/** The one workflow that the engine knows: each run's code is its job's. */
const WORKFLOW = "job";

/** More than ever run: the queue of jobs says how many do. */
const MANY = 1_000_000;

/** How long a process may be silent that should have ended, or should read what it is told. */
const SILENT_MS = 2000;

/** How long lines about steps are gathered: those of a short workflow are written with its end. */
const MARKS_MS = 100;

/** Open jobs that are looked at once when the server begins. */
const PAGE = 1000;

/** A job whose workflow is driven now. */
interface Drive {
  readonly job: Job;
  readonly execution: JobExecution;
  process: BodyProcess | undefined;
  /** Error of a process that died, or of a run that does not fit its code. */
  error: JobError | undefined;
  /** What the body returned, once that is recorded: canonical text. */
  result: string | undefined;
  /** Lines of the log about steps and waits that are not written yet. */
  marks: string;
  timer: unknown;
  /** Something has changed that the drive waits for. */
  wake: () => void;
}

/** Makes the workflows of a server, and hangs them into its jobs: to be called before the jobs begin. */
export function createWorkflowJobs(context: ServerContext, options: WorkflowJobsOptions): WorkflowJobs {
  const { jobs, folder, clock, database } = context;
  const { storage, cancelGraceMs = 5000, replayMs = 30_000, retentionMs = 30 * 86_400_000, report = () => {} } =
    options;
  const drives = new Map<string, Drive>();
  /** Sessions that wait for a process, by job. */
  const waiting = new Map<string, RemoteSession>();
  /** Sessions that have one, by run. */
  const connected = new Map<string, RemoteSession>();
  /** Jobs that are about to end with their runs. */
  const over = new Set<string>();
  let closed = false;

  const sources = createSources(database);
  const seals = createSeals(database);
  const timelines = createTimelines(jobs, clock);
  function log(job: string, text: string): void {
    const drive = drives.get(job);
    if (drive === undefined) return;
    drive.marks += text;
    drive.timer ??= clock.setTimeout(() => writeMarks(drive), MARKS_MS);
  }
  function writeMarks(drive: Drive): void {
    if (drive.timer !== undefined) clock.clearTimeout(drive.timer);
    drive.timer = undefined;
    const { marks } = drive;
    drive.marks = "";
    if (marks !== "") drive.execution.io.log(marks);
  }
  const children = createChildren({
    context,
    timelines,
    log,
    abort: (run, key, reason) => connected.get(run)?.abort(key, reason),
  });
  const answers = createAnswers({ context, engine: () => engine });
  const told = createTold({
    context,
    timelines,
    log,
    asked: (job, key) => void answers.takeBanked(job, key).catch(report),
  });

  // What belongs to jobs that are not kept any more.
  for (const table of ["workflow_answers", "workflow_sources", "workflow_seals"]) {
    database.run(`DELETE FROM ${table} WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = ${table}.job)`);
  }
  const sessionHost = { read: createLineReader(), need, refusal };
  const runs = sealedStorage(storage, context.secrets, (run) => seals.isSealed(jobIdOf(run)));
  const engine = createEngine({
    storage: runs,
    workflows: {
      [WORKFLOW]: workflowElsewhere((header, ports) => createRemoteSession(header, ports, sessionHost)),
    },
    host: { ...createLocalHost(), can: new Set(CAN), now: () => clock.now() },
    executor: children.executor,
    onEvent,
    // A run that waits has no process.
    maxParkedInMemory: 0,
    concurrency: MANY,
    maxActiveRuns: MANY,
    callSites: false,
    cancelGraceMs,
    retentionMs,
  });
  engine.then(reconcile).catch((error) => closed ? undefined : report(error));

  // --- What the engine asks and tells ---

  /** A run was taken into memory: its job is begun, or goes on. */
  function need(session: RemoteSession): void {
    const id = jobIdOf(session.header.id);
    const job = jobs.get(id);
    if (job === undefined || job.completedAt !== undefined) {
      return session.fail({ name: "Canceled", message: `Job ${id} has ended` });
    }
    waiting.set(id, session);
    session.onLeave(() => {
      if (waiting.get(id) === session) waiting.delete(id);
      drives.get(id)?.wake();
    });
    timelines.restore(id, session.history);
    const drive = drives.get(id);
    if (drive === undefined) jobs.resume(id);
    else drive.wake();
  }

  function refusal(command: Command): JobError | undefined {
    if (command.c !== "call" || command.call.kind !== "approval") return undefined;
    const { selfApproval } = Object(command.call.options) as { readonly selfApproval?: unknown };
    if (selfApproval !== false) return undefined;
    // As a worker of the community edition does.
    return { name: "ExecutionErr", message: "Disabling self-approval is an enterprise only feature" };
  }

  function onEvent(event: EngineEvent): void {
    if (event.event === "failed") return report(event.error);
    if (!("run" in event) || event.run === undefined) return;
    const id = jobIdOf(event.run);
    try {
      told(id, event);
    } catch (error) {
      report(error);
    }
    const drive = drives.get(id);
    if (drive === undefined) return;
    if (event.event === "run_stopped" && !closed) {
      const { name, message } = event.error;
      drive.error = { name, message };
    } else if (event.event === "run_closed" && event.status === "completed") {
      drive.result = connected.get(event.run)?.result;
    }
    drive.wake();
  }

  /** What one of the two knew alone when the server ended: cancels of the job table, ends of the engine. */
  async function reconcile(): Promise<void> {
    const open: Job[] = [];
    for (let offset = 0; offset === open.length; offset += PAGE) {
      open.push(...jobs.list({ completed: false, offset, limit: PAGE }));
    }
    for (const job of open) {
      if (closed) return;
      if (!isWorkflow(job)) continue;
      if (job.canceled) cancelRun(job.id, job.canceledReason);
      else if (job.suspended && (await stateIn(job.id)) !== "open") jobs.resume(job.id);
    }
  }

  /** Where the last run of a job is. */
  async function stateIn(job: string): Promise<"open" | "closed" | "none"> {
    const row = await newestOf(runs, job);
    if (row === undefined) return "none";
    return row.state === "closed" ? "closed" : "open";
  }

  function cancelRun(id: string, reason?: string): void {
    engine.then((opened) => opened.cancel(id, reason)).catch((error) => {
      if (!closed && !hasCode(error, "UNKNOWN_RUN")) report(error);
    });
  }

  // --- Which jobs ---

  function isWorkflow(job: Job): boolean {
    const { entrypoint, kind, language, content, hash } = job;
    if (entrypoint !== undefined || (kind !== "script" && kind !== "preview") || language !== "bun") return false;
    if (taskOf(job)?.inline === true) return false;
    if (content !== undefined) return recognise(content).recognised;
    return hash !== undefined && folder.scriptByHash(hash)?.autoKind === "wac";
  }

  function workflowOf(job: Job): Job {
    const parent = taskOf(job)?.inline === true && job.parent !== undefined ? jobs.get(job.parent) : undefined;
    return parent ?? job;
  }

  // --- One job ---

  function openProcess(drive: Drive): BodyProcess {
    const { execution } = drive;
    const job = { ...execution.job, resolve: sources.pinned(drive.job.id, execution.job.resolve) };
    const io = {
      ...execution.io,
      log: (text: string): void => {
        writeMarks(drive);
        execution.io.log(text);
      },
    };
    return drive.process = startBodyProcess({ runner: execution.runner, job, io }, (error, session) => {
      // What ends with the server is begun again by the next one.
      if (closed) return;
      drive.error = error;
      session.fail(error);
    });
  }

  /** Arguments that the preprocessor makes of the event. */
  async function preprocessed({ runner, job, io }: JobExecution): Promise<JobOutcome> {
    const { preprocess: _, ...plain } = job;
    if (runner === undefined) throw new Error(`Windkit runs no scripts of language ${job.language}`);
    const made = await runner.run({ ...plain, entrypoint: "preprocessor" }, io);
    if (!made.ok) return made;
    // `as`: JSON. What becomes arguments has numbers that code can look at.
    const result = JSON.parse(JSON.stringify(made.result)) as Json;
    return { ...made, result: typeof result !== "object" || result === null ? {} : result };
  }

  /** Sees to it that a job has a run; gives the job's outcome when it cannot have one. */
  async function begin(drive: Drive, opened: Engine): Promise<JobOutcome | undefined> {
    const { job, execution } = drive;
    if (await rowOf(opened, job.id) !== undefined) return undefined;
    // Begun anew it would do again what it has done.
    const { _checkpoint: asked, ...known } = statusFields(job.workflowAsCodeStatus);
    // What a workflow that another one has started was asked with is no trace of a run.
    const steps = Object.keys(statusFields(statusFields(asked).completed_steps));
    if (steps.length > 0 || Object.keys(known).some((name) => !name.startsWith("_minted"))) {
      throw new Error(`The run of job ${job.id} is gone: the folder of runs has been removed, or replaced`);
    }
    let { args } = job;
    if (job.preprocess === true) {
      const made = await preprocessed(execution);
      if (!made.ok || execution.io.signal.aborted) return made;
      // `as`: an object, and JSON.
      args = made.result as Readonly<Record<string, Json>>;
    }
    // What the arguments refer to may be secret, and may be in whatever the body records of them.
    if (JSON.stringify(execution.job.args) !== JSON.stringify(job.args)) seals.seal(job.id);
    openProcess(drive);
    const run = await opened.start(WORKFLOW, args, { runId: job.id });
    const now = jobs.get(job.id);
    // It was cancelled while it was begun.
    if (now?.canceled === true) await run.cancel(now.canceledReason);
    return undefined;
  }

  async function rowOf(opened: Engine, run: string): Promise<RunRow | undefined> {
    try {
      return await (await opened.run(run)).row();
    } catch (error) {
      if (hasCode(error, "UNKNOWN_RUN")) return undefined;
      throw error;
    }
  }

  /** How a job's run, or the last that goes on for it, has ended; the row of one that has not. */
  async function stateOf(opened: Engine, { job, error }: Drive): Promise<JobOutcome | RunRow> {
    const row = await newestOf(runs, job.id);
    if (row === undefined) throw new Error(`The run of job ${job.id} is gone`);
    if (row.state !== "closed") return row;
    const last = (await opened.journal(row.id)).at(-1);
    if (last?.t !== "closed") throw new Error(`The run of job ${job.id} has no recorded end`);
    if (last.next !== undefined) throw new Error(`The run of job ${job.id} is gone: it went on as "${last.next}"`);
    return await outcomeOf(opened, job, last, error);
  }

  async function outcomeOf(
    opened: Engine,
    job: Job,
    { outcome }: Extract<JournalRecord, { readonly t: "closed" }>,
    death: JobError | undefined,
  ): Promise<JobOutcome> {
    const [first] = job.preprocess === true ? await opened.journal(job.id) : [];
    // `as`: arguments go by name, and canonical text is JSON.
    const args = first?.t === "opened"
      ? { args: decode(first.header.args) as Readonly<Record<string, Json>> }
      : undefined;
    if (outcome?.ok === true) return { ok: true, result: decode(outcome.value) as Json, ...args };
    const failed = outcome === undefined ? { name: "Error", message: "It has no outcome" } : errorOf(outcome.failure);
    return { ok: false, error: death ?? failed, ...args };
  }

  async function drive(job: Job, execution: JobExecution): Promise<JobOutcome | "suspended"> {
    const { signal } = execution.io;
    const current: Drive = {
      job,
      execution,
      process: undefined,
      error: undefined,
      result: undefined,
      marks: "",
      timer: undefined,
      wake: () => {},
    };
    const onAbort = (): void => current.wake();
    drives.set(job.id, current);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const opened = await engine;
      const early = await begin(current, opened);
      if (early !== undefined) return early;
      for (;;) {
        // Made before anything is looked at: what comes meanwhile is not missed.
        const changed = new Promise<void>((resolve) => current.wake = resolve);
        const session = waiting.get(job.id);
        if (signal.aborted || (closed && current.result === undefined)) return "suspended";
        if (session !== undefined) {
          waiting.delete(job.id);
          await serve(current, session);
          continue;
        }
        const { result } = current;
        // What is known need not be read; what a preprocessor has made is in the journal.
        const state = result === undefined || job.preprocess === true
          ? await stateOf(opened, current)
          : { ok: true as const, result: decode(result) as Json };
        if ("ok" in state) {
          over.add(job.id);
          return state;
        }
        if (current.error !== undefined && !waiting.has(job.id) && state.state !== "closed") {
          return { ok: false, error: current.error };
        }
        if (state.state === "parked" && !waiting.has(job.id)) return "suspended";
        await changed;
      }
    } catch (error) {
      if (closed) return "suspended";
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      current.process?.kill(new Error("The workflow needs no process any more"));
      await current.process?.ended;
      writeMarks(current);
      // The rest of an ended one is written with its end.
      if (!over.has(job.id)) timelines.flush(job.id);
      if (drives.get(job.id) === current) drives.delete(job.id);
    }
  }

  /** Serves a session to its end with a process. */
  async function serve(drive: Drive, session: RemoteSession): Promise<void> {
    const { job, execution } = drive;
    const { header } = session;
    const body = drive.process ?? openProcess(drive);
    // What a preprocessor made, or the run before this one, is in the run; else what the arguments refer to is read anew.
    const given = header.id === job.id && job.preprocess !== true ? execution.job.args : undefined;
    connected.set(header.id, session);
    const timers = [clock.setTimeout(() => session.stopReplay(), replayMs)];
    const left = new Promise<void>((resolve) => session.onLeave(resolve));
    body.connect(session, given);
    try {
      await left;
      timers.push(clock.setTimeout(() => body.kill(new Error("The workflow has ended")), SILENT_MS));
      await body.ended;
    } finally {
      for (const timer of timers) clock.clearTimeout(timer);
      connected.delete(header.id);
      drive.process = undefined;
    }
  }

  /** Ends the process of a cancelled workflow that does not read what it is told: its body is busy, and hears of no cancel. */
  function watchCancel(id: string, heard: number | undefined): void {
    clock.setTimeout(() => {
      const drive = drives.get(id);
      const session = [...connected.values()].find((one) => jobIdOf(one.header.id) === id && !one.left);
      if (drive === undefined || session === undefined || closed) return;
      if (session.unread && session.heard === heard) {
        return drive.process?.kill(new Error("The cancelled workflow does not answer"));
      }
      watchCancel(id, session.heard);
    }, SILENT_MS);
  }

  jobs.hooks.run = (job, execution) =>
    children.run(job, execution) ?? (isWorkflow(job) ? drive(job, execution) : undefined);
  jobs.hooks.cancel = (job, by, reason) => {
    // One that was not begun has nothing to take back.
    if (job.startedAt === undefined || !isWorkflow(job)) return false;
    database.afterCommit(() => {
      // Its tasks are the engine's; what else it has started ends as the children of any job do.
      for (const child of jobs.list({ parent: job.id, completed: false, offset: 0, limit: PAGE })) {
        if (taskOf(child) === undefined) void jobs.cancel(child.id, by, reason);
      }
      cancelRun(job.id, reason);
      watchCancel(job.id, undefined);
    });
    return true;
  };
  jobs.hooks.ended = (job) => {
    children.ended(job);
    if (!isWorkflow(job)) return;
    children.endAll(job);
    sources.forget(job.id);
    timelines.flush(job.id);
    if (over.delete(job.id)) seals.forget(job.id);
    else database.afterCommit(() => cancelRun(job.id, "Its job has ended"));
  };
  jobs.hooks.readSecret = (id) => {
    // Also what a task's script has read comes to its workflow.
    for (let job = jobs.get(id); job !== undefined; job = job.parent === undefined ? undefined : jobs.get(job.parent)) {
      if (isWorkflow(job)) seals.seal(job.id);
    }
  };
  jobs.hooks.close = close;

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    try {
      await (await engine).close();
    } catch (error) {
      report(error);
    }
    for (const { wake } of drives.values()) wake();
    timelines.close();
  }

  return { ...answers, engine, isWorkflow, workflowOf, close, approvals: createDesk(context, answers, workflowOf) };
}

/** The error of a job whose run failed. */
function errorOf({ error, message }: Failure): JobError {
  const { name, stack, extra } = error;
  return {
    name,
    message: error.message === "" ? message : error.message,
    ...(stack === undefined ? undefined : { stack }),
    ...(extra === undefined ? undefined : { extra }),
  };
}
