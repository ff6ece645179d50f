/**
 * The server's handling of a workflow's rounds, written from wac-protocol 2 to 12: a job table in memory and a clock of its own.
 * `routes.ts` has what a round asks of it. What runs a round is passed in: a Bun process (`worker.ts`) or a function of the test's
 * process (`in_process.ts`).
 *
 * @module
 */
import { failureRecord, isObject, storedResult } from "./failure_record.ts";
import {
  type Checkpoint,
  checkpointOf,
  type Completed,
  type External,
  type Job,
  mintedKeysOf,
  type Script,
  statusWith,
} from "./jobs.ts";
import { type Json, jsonb, jsonbText, setKey, write } from "./jsonb.ts";
import { type DispatchStep, parseOutput, type WacOutput } from "./messages.ts";
import { isWorkflowScript } from "./detect.ts";
import type { Answer, ClusterOptions, RoundEnd } from "./options.ts";
import { answerRequest, SECRET, WORKSPACE } from "./routes.ts";
import { pageToken, resumeIdOf, resumeRowId, signatureOf } from "./signatures.ts";

export type { Answer, ClusterOptions, Fault, RoundEnd, RoundInput, Runner } from "./options.ts";

const PARKED_FOR_CHILDREN_MS = 14 * 86_400_000;
const PUBLIC_URL = "http://windmill.test";

/** The stand-in. */
export class Cluster {
  /** Jobs in the order in which they were pushed. */
  readonly jobs = new Map<string, Job>();
  /** Lines that the server logged. */
  readonly log: string[] = [];
  /** Requests of rounds: method and path. */
  readonly requests: string[] = [];
  /** Milliseconds since 1970, on the stand-in's own clock. */
  now = 1_750_000_000_000;
  readonly #options: ClusterOptions;
  #ids = 0;
  #pushed = Promise.withResolvers<void>();
  /** Jobs whose processes have ended, and whose time has not. */
  readonly #ending = new Map<Job, { readonly at: number; readonly completed: Completed }>();

  /** Builds a stand-in without jobs. */
  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  /** The token of a job: what its process has as `WM_TOKEN`. */
  tokenOf(job: Job): string {
    return `jwt_ephemeral_${job.id}`;
  }

  /** Queues a script. */
  start(script: Script, args: Record<string, Json> = {}): Job {
    return this.#push({ script, args, kind: script.hash === undefined ? "preview" : "script" });
  }

  /** Runs a job, and all that it leads to, until it has ended; lets time pass where nothing else is to be done. */
  async drive(job: Job, mostRounds = 1000): Promise<Completed> {
    const { workers = 1 } = this.#options;
    const active = new Set<Promise<void>>();
    let rounds = 0;
    while (job.completed === undefined) {
      const ready = [...this.jobs.values()].filter((j) => this.#isReady(j));
      for (const next of ready.slice(0, workers - active.size)) {
        if (++rounds > mostRounds) throw new Error(`Job ${job.id} has not ended after ${mostRounds} rounds`);
        const run: Promise<void> = this.run(next).finally(() => active.delete(run));
        active.add(run);
      }
      if (active.size > 0) {
        this.#pushed = Promise.withResolvers();
        await Promise.race([...active, this.#pushed.promise]);
        continue;
      }
      if (this.#endOne() || this.#answerOne()) continue;
      const times = [...this.#ending.values()].map(({ at }) => at);
      for (const { completed, running, suspendUntil, scheduledFor } of this.jobs.values()) {
        if (completed !== undefined) continue;
        if (suspendUntil !== undefined) times.push(suspendUntil);
        else if (!running) times.push(scheduledFor);
      }
      const next = Math.min(...times);
      if (!Number.isFinite(next) || next <= this.now) throw new Error(`Nothing wakes job ${job.id}`);
      this.now = next;
    }
    await Promise.all(active);
    return job.completed;
  }

  /** Completes a job whose time has come. */
  #endOne(): boolean {
    for (const [job, { at, completed }] of this.#ending) {
      if (at > this.now) continue;
      this.#ending.delete(job);
      this.#complete(job, completed);
      return true;
    }
    return false;
  }

  #isReady(job: Job): boolean {
    if (job.completed !== undefined || this.#ending.has(job)) return false;
    if (!job.running) return job.scheduledFor <= this.now;
    return job.suspendUntil !== undefined && (job.suspend <= 0 || job.suspendUntil <= this.now);
  }

  #answerOne(): boolean {
    const { answer } = this.#options;
    if (answer === undefined) return false;
    for (const job of this.jobs.values()) {
      if (job.completed !== undefined || job.suspendUntil === undefined || job.suspend <= 0) continue;
      const pending = this.checkpoint(job).pending_steps;
      const [key] = pending?.keys ?? [];
      if (pending?.mode !== "approval" || key === undefined) continue;
      const given = answer(key, job, this);
      if (given === undefined) continue;
      this.resume(job, resumeIdOf(key), given);
      return true;
    }
    return false;
  }

  /** The checkpoint of a job as it is now. */
  checkpoint(job: Job): Checkpoint {
    return checkpointOf(job.status, (line) => this.log.push(line));
  }

  // --- The queue ---

  #push(
    { script, args, kind, parent, step, entrypoint, external, status = null, id = this.#nextId(), tag, timeout }: {
      readonly script: Script;
      readonly args: Record<string, Json>;
      readonly kind: Job["kind"];
      readonly parent?: Job;
      readonly step?: DispatchStep;
      readonly entrypoint?: string;
      readonly external?: External;
      readonly status?: string | null;
      readonly id?: string;
      readonly tag?: string | undefined;
      readonly timeout?: number | undefined;
    },
  ): Job {
    const job: Job = {
      id,
      kind,
      script,
      args: jsonb(args) as Record<string, Json>,
      ...(parent === undefined ? undefined : { parent: parent.id }),
      root: parent?.root ?? id,
      createdBy: parent?.createdBy ?? "ada",
      tag: tag ?? parent?.tag ?? "bun",
      ...(timeout === undefined ? undefined : { timeout }),
      ...(step === undefined ? undefined : { step }),
      ...(entrypoint === undefined ? undefined : { entrypoint }),
      ...(external === undefined ? undefined : { external }),
      status,
      resumes: [],
      suspend: 0,
      running: false,
      scheduledFor: this.now,
      messages: [],
      posted: [],
      hung: 0,
      logs: "",
      rounds: 0,
    };
    this.jobs.set(id, job);
    this.#pushed.resolve();
    return job;
  }

  #nextId(): string {
    return `01900000-0000-7000-8000-${(++this.#ids).toString(16).padStart(12, "0")}`;
  }

  /** Pulls a job and runs one round of it. */
  async run(job: Job): Promise<void> {
    const parked = job.running;
    job.running = true;
    job.suspend = 0;
    delete job.suspendUntil;
    job.startedAt = this.now;
    const parent = job.parent === undefined ? undefined : this.jobs.get(job.parent);
    if (parent !== undefined && !parked) this.#stamp(parent, job.id, { started_at: this.#time() });
    if (job.canceledBy !== undefined) return this.#cancelled(job);
    if (parked) this.#prepareForResume(job);
    if (job.external !== undefined) return this.#runExternal(job, job.external);
    const workflow = job.entrypoint === undefined && isWorkflowScript(job.script.code);
    const first = job.rounds++ === 0;
    const end = await this.#options.runner({
      job,
      workflow,
      preprocess: job.script.preprocess === true && first && job.parent === undefined,
      args: write(job.args),
      checkpoint: write(this.checkpoint(job) as unknown as Json),
      token: this.tokenOf(job),
    });
    job.logs += end.logs;
    if (end.args !== undefined) job.args = jsonb(JSON.parse(end.args)) as Record<string, Json>;
    this.#options.onRoundEnd?.(job, end);
    if (end.code === undefined) job.hung++;
    if (end.code !== 0) return this.#failed(job, end);
    if (end.result === undefined) return this.#fail(job, "ExecutionErr", "Job did not write a result");
    if (!workflow) return this.#succeed(job, end.result);
    try {
      const output = parseOutput(end.result);
      job.messages.push(JSON.parse(end.result) as Json);
      this.#apply(job, output);
    } catch (error) {
      this.#fail(job, "InternalErr", (error as Error).message);
    }
  }

  async #runExternal(job: Job, external: External): Promise<void> {
    try {
      this.#succeed(job, JSON.stringify(await external(job.args, job)) ?? "null");
    } catch (error) {
      const { name, message } = error as Error;
      this.#complete(job, { success: false, result: { error: { name, message } } });
    }
  }

  #succeed(job: Job, result: string): void {
    let value: Json;
    try {
      value = JSON.parse(jsonbText(result)) as Json;
    } catch (error) {
      return this.#fail(job, "InternalErr", (error as Error).message);
    }
    this.#complete(job, { success: true, result: value });
  }

  #failed(job: Job, { code, result, logs }: RoundEnd): void {
    if (code === undefined) return this.#fail(job, "ExecutionErr", "Job timed out");
    if (result === undefined) {
      const last = logs.trim().split("\n").slice(-3).join("\n");
      const message = `exit code for "bun run": ${code}, last log lines:\n\n${last}`;
      return this.#complete(job, {
        success: false,
        result: { error: { name: "ExecutionErr", message, exit_code: code } },
      });
    }
    try {
      this.#complete(job, { success: false, result: jsonb({ error: JSON.parse(result) }) });
    } catch (error) {
      this.#fail(job, "InternalErr", (error as Error).message);
    }
  }

  #fail(job: Job, name: string, message: string): void {
    this.#complete(job, { success: false, result: { error: { name, message } } });
  }

  #cancelled(job: Job): void {
    const reason = job.canceledReason ?? "no reason";
    const message = `Job canceled: ${reason} by ${job.canceledBy}`;
    this.#complete(job, {
      success: false,
      result: { error: { name: "Canceled", message, reason, canceler: job.canceledBy ?? "" } },
    });
  }

  /** Ends a job; what its parent waits for is recorded with it (wac-protocol 5.2). */
  #complete(job: Job, completed: Completed): void {
    if (job.completed !== undefined) return;
    const end = (job.startedAt ?? this.now) + (job.parent === undefined ? 0 : this.#options.duration?.(job) ?? 0);
    if (end > this.now) return void this.#ending.set(job, { at: end, completed });
    job.completed = completed;
    job.running = false;
    const parent = job.parent === undefined ? undefined : this.jobs.get(job.parent);
    if (parent === undefined || parent.completed !== undefined) return;
    const checkpoint = this.checkpoint(parent);
    const pending = checkpoint.pending_steps;
    const key = Object.keys(pending?.job_ids ?? {}).find((k) => pending?.job_ids[k] === job.id);
    this.#stamp(parent, job.id, { duration_ms: this.now - (job.startedAt ?? this.now) });
    if (pending === undefined || key === undefined) return;
    if (!Object.hasOwn(checkpoint.completed_steps, key) && checkpoint.job_ids[key] === job.id) {
      const value = completed.success ? completed.result : failureRecord(completed.result, key, job.id);
      setKey(checkpoint.completed_steps, key, value);
    }
    parent.suspend = Math.max(parent.suspend - 1, 0);
    if (parent.suspend === 0) delete checkpoint.pending_steps;
    this.#save(parent, checkpoint);
  }

  #save(job: Job, checkpoint: Checkpoint): void {
    job.status = statusWith(job.status, { _checkpoint: checkpoint });
  }

  #stamp(job: Job, name: string, patch: Readonly<Record<string, Json>>): void {
    const value = job.status === null ? {} : JSON.parse(job.status) as Record<string, Json>;
    const before = Object.hasOwn(value, name) ? value[name] as Json : null;
    setKey(value, name, { ...(isObject(before) ? before : undefined), ...patch });
    job.status = write(value);
  }

  // --- What a round ends with ---

  #apply(job: Job, output: WacOutput): void {
    switch (output.type) {
      case "complete":
        return this.#succeed(job, JSON.stringify(output.result));
      case "dispatch":
        return this.#dispatch(job, output.mode, output.steps);
      case "inline_checkpoint": {
        this.checkHash(job);
        this.storeStep(job, output);
        job.running = false;
        delete job.startedAt;
        return;
      }
      case "approval":
        return this.#approval(job, output);
      case "sleep": {
        const seconds = Math.max(1, output.seconds);
        this.#stamp(job, `_step/${output.key}`, {
          scheduled_for: this.#time(),
          name: output.key,
          sleep_duration_s: seconds,
        });
        this.#wait(job, "sleep", output.key);
        return this.#park(job, 1, seconds * 1000);
      }
    }
  }

  #wait(job: Job, mode: string, key: string): void {
    const checkpoint = this.checkpoint(job);
    checkpoint.pending_steps = { mode, keys: [key], job_ids: {} };
    this.#save(job, checkpoint);
  }

  /** A cancel that came first wins (wac-protocol 3, parking). */
  #park(job: Job, suspend: number, ms: number): void {
    if (job.canceledBy !== undefined) return this.#cancelled(job);
    job.suspend = suspend;
    job.suspendUntil = this.now + ms;
    delete job.startedAt;
  }

  /** Fails where a job's script is another than that of its first round (wac-protocol 11). */
  checkHash(job: Job): void {
    const hash = job.script.hash ?? "";
    if (hash === "") return;
    const checkpoint = this.checkpoint(job);
    if (checkpoint.source_hash === "") {
      checkpoint.source_hash = hash;
      return this.#save(job, checkpoint);
    }
    if (checkpoint.source_hash === hash) return;
    throw new Error(
      "Workflow source code changed between replays. Cannot safely resume from checkpoint — step keys may have shifted. " +
        "Please restart this workflow.",
    );
  }

  /** Stores what a step gave, as it is kept; gives that (wac-protocol 7). */
  storeStep(job: Job, step: Omit<Extract<WacOutput, { readonly type: "inline_checkpoint" }>, "type">): Json {
    const { key, result, started_at: startedAt, duration_ms: durationMs } = step;
    const stored = storedResult(result, key);
    const checkpoint = this.checkpoint(job);
    setKey(checkpoint.completed_steps, key, stored);
    this.#save(job, checkpoint);
    const at = startedAt ?? this.#time();
    this.#stamp(job, `_step/${key}`, {
      scheduled_for: at,
      started_at: at,
      name: key,
      ...(durationMs === null ? undefined : { duration_ms: durationMs }),
    });
    return stored;
  }

  #dispatch(job: Job, mode: string, steps: readonly DispatchStep[]): void {
    this.checkHash(job);
    const checkpoint = this.checkpoint(job);
    if (Object.keys(checkpoint.input_args).length === 0) checkpoint.input_args = job.args;
    const keys = steps.map((step) => step.key);
    const twice = keys.find((key, i) => keys.indexOf(key) !== i);
    if (twice !== undefined) throw new Error(`Internal: duplicate step key '${twice}' in WAC dispatch`);
    const seed = checkpoint.completed_steps;
    const ids: Record<string, string> = {};
    const jobIds: Record<string, string> = { ...checkpoint.job_ids };
    for (const key of keys) {
      const id = this.#nextId();
      setKey(ids, key, id);
      setKey(jobIds, key, id);
    }
    checkpoint.pending_steps = { mode, keys, job_ids: ids };
    checkpoint.job_ids = jobIds;
    this.#save(job, checkpoint);
    for (const key of keys) this.#stamp(job, ids[key] as string, { scheduled_for: this.#time(), name: key });
    this.#park(job, steps.length, PARKED_FOR_CHILDREN_MS);
    if (job.completed !== undefined) return;
    const pushed: Job[] = [];
    try {
      for (const step of steps) pushed.push(this.#pushChild(job, step, ids[step.key] as string, seed));
    } catch (error) {
      for (const child of pushed) {
        child.canceledBy = "system";
        child.canceledReason = "WAC dispatch failed: not all children could be pushed";
      }
      const left = this.checkpoint(job);
      delete left.pending_steps;
      this.#save(job, left);
      job.suspend = 0;
      delete job.suspendUntil;
      throw error;
    }
  }

  #pushChild(parent: Job, step: DispatchStep, id: string, seed: Readonly<Record<string, Json>>): Job {
    const problem = this.#options.pushFails?.(step);
    if (problem !== undefined) throw new Error(problem);
    const { dispatch_type: type, script: path, args, key, fn_id: fn } = step;
    const common = { parent, step, id, tag: step.tag ?? undefined, timeout: step.timeout ?? parent.timeout };
    if (type !== "script" && type !== "flow") {
      const checkpoint = {
        completed_steps: seed,
        _executing_key: key,
        ...(typeof fn === "string" ? { _executing_fn: fn } : undefined),
        _executing_args: args,
      };
      const status = write({ _checkpoint: checkpoint } as unknown as Json);
      return this.#push({
        ...common,
        script: parent.script,
        args: this.checkpoint(parent).input_args,
        kind: parent.kind,
        status,
      });
    }
    const module = path.startsWith("./") ? parent.script.modules?.[path.slice(2)] : undefined;
    if (path.startsWith("./") && module === undefined) {
      throw new Error(`Module '${path.slice(2)}' not found in script modules`);
    }
    const target = module ?? this.#options.external?.(path, type, step);
    if (target === undefined) throw new Error(`Not found: ${type} at path ${path}`);
    return typeof target === "function"
      ? this.#push({
        ...common,
        script: { code: "" },
        args: args as Record<string, Json>,
        kind: "external",
        external: target,
      })
      : this.#push({ ...common, script: target, args: args as Record<string, Json>, kind: "script" });
  }

  // --- Approvals ---

  #approval(job: Job, output: Extract<WacOutput, { readonly type: "approval" }>): void {
    const { key, form, timeout } = output;
    const disabled = output.self_approval_disabled === true;
    if (disabled) {
      if (this.#options.enterprise === false) throw new Error("Disabling self-approval is an enterprise only feature");
      job.approvalConditions = { self_approval_disabled: true };
    }
    const urls = this.urls(job, key);
    const shown = { form, self_approval_disabled: disabled, ...urls };
    this.#wait(job, "approval", key);
    this.#stamp(job, "_approval", {
      key,
      timeout: timeout ?? 1800,
      skin: output.skin,
      description: output.description,
      ...shown,
    });
    const at = this.#time();
    this.#stamp(job, `_step/${key}`, { scheduled_for: at, started_at: at, name: key, approval: true, ...shown });
    this.#park(job, 1, (timeout ?? 1800) * 1000);
  }

  /** Links of an approval. */
  urls(job: Job, key: string, approver?: string): { approvalPage: string; resume: string; cancel: string } {
    const id = resumeIdOf(key);
    const signature = signatureOf(SECRET, job.id, id, approver);
    const query = approver === undefined ? "" : `?approver=${encodeURIComponent(approver)}`;
    const base = `${PUBLIC_URL}/api/w/${WORKSPACE}/jobs_u`;
    return {
      approvalPage: `${PUBLIC_URL}/approve/${WORKSPACE}/${job.id}?token=${pageToken(SECRET, job.id)}`,
      resume: `${base}/resume/${job.id}/${id}/${signature}${query}`,
      cancel: `${base}/cancel/${job.id}/${id}/${signature}${query}`,
    };
  }

  /** Takes an answer; throws the text with which it is refused. */
  resume(job: Job, resumeId: number, { value = null, approver, approved = true }: Answer, bound = true): void {
    const pending = this.checkpoint(job).pending_steps;
    const current = pending?.mode === "approval" ? pending.keys[0] : undefined;
    const minted = bound ? mintedKeysOf(job).find((key) => resumeIdOf(key) === resumeId) : undefined;
    if (minted !== undefined && minted !== current) {
      throw new Error(`this approval link is bound to step \`${minted}\`, which is not currently awaiting approval`);
    }
    const id = resumeRowId(job.id, resumeId);
    if (job.resumes.some((row) => row.id === id)) throw new Error("resume request already sent");
    job.resumes.push({ id, resumeId, value: jsonb(value), approver: approver ?? null, approved });
    job.suspend = approved ? Math.max(job.suspend - 1, 0) : 0;
  }

  /** Takes the answer of the job's owner, which is bound to no step. */
  resumeByOwner(job: Job, answer: Answer): void {
    this.resume(job, (this.#ids += 1) + 7_000_000, answer, false);
  }

  /** What a parked workflow gets when it is pulled (wac-protocol 8.4 and 9). */
  #prepareForResume(job: Job): void {
    const checkpoint = this.checkpoint(job);
    const { mode, keys: [key] = [] } = checkpoint.pending_steps ?? { mode: "" };
    if (key === undefined || (mode !== "approval" && mode !== "sleep")) return;
    let value: Json = true;
    if (mode === "approval") {
      const others = new Set(mintedKeysOf(job).filter((k) => k !== key).map(resumeIdOf));
      const row = job.resumes.find((r) =>
        !checkpoint.consumed_resume_row_ids.includes(r.id) && !others.has(r.resumeId)
      );
      if (row !== undefined) checkpoint.consumed_resume_row_ids.push(row.id);
      value = row === undefined
        ? { value: null, approver: null, approved: false }
        : { value: row.value, approver: row.approver ?? "anonymous", approved: row.approved };
    }
    setKey(checkpoint.completed_steps, key, value);
    delete checkpoint.pending_steps;
    this.#save(job, checkpoint);
    this.#stamp(job, `_step/${key}`, { duration_ms: 0 });
  }

  /** Cancels a job and what it dispatched. */
  cancel(job: Job, by = "ada", reason = "no longer wanted"): void {
    for (const child of [job, ...[...this.jobs.values()].filter((j) => j.parent === job.id)]) {
      if (child.completed !== undefined) continue;
      child.canceledBy = by;
      child.canceledReason = reason;
      child.scheduledFor = this.now;
      child.suspend = 0;
    }
  }

  #time(): string {
    return new Date(this.now).toISOString();
  }

  /** Queues a task that a plain script calls (wac-protocol 12); it is in its parent's timeline where that is wanted. */
  startTask(
    parent: Job,
    entrypoint: string,
    args: Record<string, Json>,
    { tag, shown }: { readonly tag: string | undefined; readonly shown: boolean },
  ): Job {
    const child = this.#push({
      script: parent.script,
      args: { ...args, _ENTRYPOINT_OVERRIDE: entrypoint },
      kind: parent.kind,
      parent,
      entrypoint,
      tag,
    });
    if (shown) this.#stamp(parent, child.id, { scheduled_for: this.#time(), name: entrypoint });
    return child;
  }

  /** Answers a request of a round. */
  async handle(request: Request): Promise<Response> {
    return await answerRequest(this, this.#options, request);
  }
}
