/**
 * One round: the body of a workflow from the top against a checkpoint, and the one message that the round ends with. This is how
 * the Windmill worker drives a workflow (wac-protocol 2 to 10); `src/cluster` puts a worker's process around it.
 *
 * A round ends when the body has ended, or when everything it does waits for something outside. Until then steps run: their
 * outcomes are posted one at a time (a second post in flight could undo the first: wac-protocol 7), and what runs is awaited
 * before the round ends, so that no step's body runs twice. Then tasks are dispatched together, else one approval is waited
 * for, else one sleep.
 *
 * Without posts one outcome fits into the message of a round, so one step's body runs in it. A post that fails stops the round: no
 * other body begins, those that run are awaited and posted all the same, and the outcome that was refused goes into the message.
 * When a second one is refused there is no place for it, and its body runs again in a later round. The same happens to an outcome
 * that is refused when the body has seen others in an order of their own, and the record of that order is refused too.
 *
 * @module
 */
import { encode } from "../base/canonical.ts";
import { failureRecord, isFailureRecord, normalisedRecord, outcomeOfRecord } from "./failure_record.ts";
import { CANONICAL_CODEC } from "./flags.ts";
import type { Call, Command, Failure, Json, Key, Outcome, RunHeader, TaskInfo } from "./journal.ts";
import {
  createRecorder,
  type Draft,
  type MarkerEntry,
  readRoundHistory,
  type Recorder,
  type RoundHistory,
} from "./round_records.ts";
import { type BodySession, createSession } from "./session.ts";

/** What a round starts from: the fields of wac-protocol 2.2 that the process reads. */
export interface Checkpoint {
  /** Results, failure records, approval results, `true` for sleeps, by key. */
  readonly completed_steps?: Readonly<Record<Key, unknown>> | null;
  /** In a child: the one call to run. */
  readonly _executing_key?: Key | null;
}

/** A task to dispatch: wac-protocol 3. */
export interface DispatchStep {
  readonly name: string;
  readonly script: string;
  readonly args: Readonly<Record<string, Json>>;
  readonly key: Key;
  readonly dispatch_type: "inline" | "script" | "flow";
  readonly timeout?: number;
  readonly tag?: string;
  readonly cache_ttl?: number;
  readonly priority?: number;
  readonly concurrent_limit?: number;
  readonly concurrency_key?: string;
  readonly concurrency_time_window_s?: number;
}

/** How a round ends. `failed` is no message of the protocol: the process ends with an error. */
export type RoundMessage =
  | { readonly type: "complete"; readonly result: Json }
  | { readonly type: "dispatch"; readonly mode: "sequential" | "parallel"; readonly steps: readonly DispatchStep[] }
  | {
    readonly type: "inline_checkpoint";
    readonly key: Key;
    readonly result: Json;
    readonly started_at: string;
    readonly duration_ms: number;
  }
  | {
    readonly type: "approval";
    readonly key: Key;
    readonly timeout: number;
    readonly form: Json;
    readonly self_approval_disabled: boolean;
    readonly skin: Json;
    readonly description: Json;
  }
  | { readonly type: "sleep"; readonly key: Key; readonly seconds: number }
  | { readonly type: "failed"; readonly failure: Failure };

/** What a step left: the body of an inline checkpoint request. */
export interface InlineCheckpoint {
  readonly key: Key;
  /** The value, or a failure record (wac-protocol 5.5). */
  readonly result: Json;
  readonly started_at: string;
  readonly duration_ms: number;
}

/** False: the outcome is not durable. Else it is, and `failure` is the record that the server keeps, where it says so. */
export type PostAnswer = boolean | { readonly failure: unknown };

/** What a round needs from its driver. */
export interface RoundPorts {
  /** The workflow's function. */
  readonly body: (...args: never[]) => unknown;
  /** Calls back in a later macrotask. */
  hop(then: () => void): void;
  /** Runs `fn` so that calls made in it find this session. */
  enter<T>(session: BodySession, info: TaskInfo | undefined, fn: () => T): T;
  /** Milliseconds since 1970. */
  now(): number;
  /** Job id of the run, or of the child. */
  readonly runId: string;
  readonly signal: AbortSignal;
  /** The fast path: makes a step's outcome durable, and the body goes on. Without it, or when it fails, the round ends with it. */
  post?(checkpoint: InlineCheckpoint): Promise<PostAnswer>;
  /** 32 hex digits, for a run that has drawn no random number yet. */
  seed?(): string;
  /** When calls ended, in milliseconds since 1970, by key: for `race`. */
  endedAt?(keys: readonly Key[]): Promise<ReadonlyMap<Key, number>>;
  /** Takes what the body logs, and what is worth a line of the log. */
  note?(command: Extract<Command, { readonly c: "log" | "notice" }>): void;
  /** Takes a line of the job's log: the worker reads some of them (wac-protocol 13). */
  log?(line: string): void;
  /**
   * Calls back after a time in which a body that still comes to a call that it made before has come to it; gives what forgets it.
   * Without it such a body is not waited for.
   */
  patience?(then: () => void): () => void;
}

/** Longest sleep that the worker takes, in seconds. */
const LONGEST_SLEEP = 4294967295;

type CallCommand = Extract<Command, { readonly c: "call" }>;

/**
 * Runs one round.
 *
 * @param ports what the round needs
 * @param checkpoint what is completed so far
 * @param args arguments of the run, by name or in order
 * @returns the message that ends the round
 */
export function runRound(ports: RoundPorts, checkpoint: Checkpoint, args: Json): Promise<RoundMessage> {
  return new Promise((resolve, reject) => new Round(ports, checkpoint, args, resolve).begin(reject));
}

class Round {
  readonly #ports: RoundPorts;
  readonly #args: Json;
  readonly #resolve: (message: RoundMessage) => void;
  readonly #session: BodySession;
  #tasks: CallCommand[] = [];
  #approvals: CallCommand[] = [];
  #sleeps: CallCommand[] = [];
  #posting: Promise<unknown> = Promise.resolve();
  /** What is awaited before the round ends: steps, records, times. */
  #running = 0;
  #steps = 0;
  #deferred: CallCommand[] = [];
  /** Posts do not get through: steps run one after the other. */
  #slow: boolean;
  /** The outcome that could not be posted, with which the round ends. */
  #unposted: InlineCheckpoint | undefined;
  /** Then: calls whose outcomes the body gets in the next round. */
  #kept: Key[] | undefined;
  #refused = 0;
  /** In a child: the one call to run. */
  readonly #only: Key | undefined;
  #bodyEnded = false;
  #waiting: (() => void) | undefined;
  readonly #known: RoundHistory;
  readonly #recorder: Recorder;
  readonly #seed: string;
  /** Of the run, in the jobs of its tasks too. */
  readonly #runId: string;
  /** A record is being posted. */
  #recording: Promise<void> | undefined;
  #recordRefused = false;
  #endsWithRecord = false;
  #epoch = 0;
  #armed = false;
  #driving = false;
  #over = false;

  constructor(ports: RoundPorts, checkpoint: Checkpoint, args: Json, resolve: (message: RoundMessage) => void) {
    this.#ports = ports;
    this.#args = args;
    this.#resolve = resolve;
    this.#only = checkpoint._executing_key ?? undefined;
    this.#slow = ports.post === undefined;
    this.#known = readRoundHistory(
      checkpoint.completed_steps ?? {},
      (value, key) => outcomeOfRecord(value, key, encode),
    );
    this.#runId = (this.#only === undefined ? undefined : this.#known.run) ?? ports.runId;
    this.#seed = this.#known.seed ?? ports.seed?.() ?? "";
    this.#recorder = createRecorder(this.#known, ports.runId);
    this.#session = createSession({
      // A body that takes arguments by name is asked for the names: it cannot be wrapped.
      body: this.#only !== undefined && Array.isArray(args) ? this.#watched(ports.body) : ports.body,
      hop: ports.hop,
      enter: (session, info, fn) => ports.enter(session as BodySession, info, fn),
      wake: () => this.#wake(),
      now: () => ports.now(),
      hostName: "a cluster",
      ...(ports.post === undefined ? undefined : { can: new Set(["checked"]) }),
      asked: () => this.#stir(),
      handed: (key, after, n) => this.#recorder.handed({ key, after }, n),
      ...(ports.endedAt === undefined ? undefined : { endedAt: (keys) => this.#times(keys) }),
    });
  }

  begin(reject: (error: unknown) => void): void {
    try {
      const { history, rest } = this.#known;
      if (this.#known.unchecked !== undefined) {
        this.#log(`WAC: what is replayed of this run is not checked: ${this.#known.unchecked}`);
      }
      this.#session.begin(this.#header(), history, this.#only === undefined ? { rest } : { only: this.#only, rest });
      this.#arm();
    } catch (error) {
      reject(error);
    }
  }

  #wake(): void {
    this.#epoch++;
    if (this.#driving || this.#over) return;
    this.#driving = true;
    void Promise.resolve().then(() => {
      this.#driving = false;
      this.#drive();
    });
  }

  /** The body of a child; its own end means that nothing is left that could come to the one call. */
  #watched(body: RoundPorts["body"]): RoundPorts["body"] {
    const ended = (): void => {
      this.#bodyEnded = true;
      this.#stir();
    };
    return (...args) => {
      const result = new Promise((resolve) => resolve(body(...args)));
      result.then(ended, ended);
      return result;
    };
  }

  #drive(): void {
    const commands = this.#session.take();
    // First of all: a step that begins beside a marker need not run again because the marker has to be recorded.
    for (const command of commands) if (command.c === "marker") this.#recorder.marker(markerOf(command));
    for (const command of commands) {
      if (this.#over) return;
      switch (command.c) {
        case "close":
          return this.#close(command.outcome);
        case "log":
        case "notice":
          if (this.#only === undefined) this.#ports.note?.(command);
          break;
        case "abandon":
          this.#abandon(command.key);
          break;
        case "call":
          this.#call(command);
      }
    }
    this.#arm();
  }

  #call(command: CallCommand): void {
    const { key, call, n, fp } = command;
    this.#recorder.call(key, n, fp);
    if (this.#only !== undefined) void this.#execute(command);
    else if (call.kind === "step" || call.kind === "undo") void this.#step(command);
    else if (call.kind === "task") this.#tasks.push(command);
    else if (call.kind === "approval") this.#approvals.push(command);
    else if (call.kind === "sleep") this.#sleeps.push(command);
  }

  /** The body has given a call up: it is not begun any more. */
  #abandon(key: Key): void {
    const others = (c: CallCommand): boolean => c.key !== key;
    this.#deferred = this.#deferred.filter(others);
    this.#tasks = this.#tasks.filter(others);
    this.#approvals = this.#approvals.filter(others);
    this.#sleeps = this.#sleeps.filter(others);
    this.#recorder.abandoned(key);
  }

  #close(outcome: Outcome | undefined): void {
    if (this.#only !== undefined) return this.#unreached(outcome?.ok === false ? outcome.failure : undefined);
    const [unasked] = outcome?.ok === false ? [] : this.#session.unasked;
    if (unasked === undefined) return this.#end(closing(outcome));
    this.#mismatch(
      unasked,
      `Cannot complete the workflow: "${unasked}" was completed in an earlier round, and the body has ended without asking for it`,
    );
  }

  /** A child runs its one call, whether or not the body awaits it. */
  async #execute({ key, call }: CallCommand): Promise<void> {
    this.#running++;
    const outcome = await this.#session.invoke(key, this.#info(key, call));
    this.#end(closing(outcome));
  }

  async #step(command: CallCommand): Promise<void> {
    const { key, call } = command;
    if (this.#unposted !== undefined) return;
    // One at a time: its outcome may have to go into the message of the round, and then there is no place for another.
    if (this.#slow && this.#steps > 0) return void this.#deferred.push(command);
    this.#steps++;
    this.#running++;
    if (this.#isDue()) await this.#markersRecorded();
    if (this.#unposted === undefined) await this.#run(key, call);
    this.#steps--;
    const next = this.#steps === 0 ? this.#deferred.shift() : undefined;
    if (next !== undefined) void this.#step(next);
    this.#stepped();
  }

  async #run(key: Key, call: Call): Promise<void> {
    const start = this.#ports.now();
    const started_at = new Date(start).toISOString();
    this.#log(`\n--- WAC: ${key} ---`);
    this.#log(`WM_WAC_STEP: ${JSON.stringify({ key, started_at })}`);
    const outcome = await this.#session.invoke(key, this.#info(key, call));
    if (!outcome.ok) {
      this.#log(`--- WAC: ${key} failed ---`);
      this.#log(outcome.failure.error.stack ?? outcome.failure.message);
    }
    const result = resultOf(outcome, key);
    const checkpoint: InlineCheckpoint = {
      key,
      result,
      started_at,
      duration_ms: Math.max(0, Math.round(this.#ports.now() - start)),
    };
    const answer = await this.#post(checkpoint);
    if (answer === false && this.#unposted === undefined) {
      this.#unposted = checkpoint;
      this.#kept = [key];
    } else if (this.#kept !== undefined) {
      // Once the round is to end with an outcome, no other is handed over: in the next one it could come before this one.
      if (answer !== false) this.#kept.push(key);
    } else if (answer !== false) {
      this.#session.feed([{ c: "settle", key, outcome: settled(result, key, answer) }]);
    }
  }

  #stepped(): void {
    this.#running--;
    this.#stir();
  }

  /** Something has happened: whether the round is over is looked at anew. */
  #stir(): void {
    this.#epoch++;
    this.#arm();
  }

  /** Markers and the seed must be durable before what follows them: what is new of them is not, or is on its way. */
  #isDue(): boolean {
    if (this.#session.seeded) this.#recorder.seed(this.#seed);
    return this.#recorder.urgent || this.#recording !== undefined;
  }

  async #markersRecorded(): Promise<void> {
    while (this.#recording !== undefined) await this.#recording;
    if (this.#recorder.urgent && this.#unposted === undefined) await this.#record(true);
  }

  /** Posts what this round did that is new. When it is refused and must be durable, the round ends with it. */
  #record(must: boolean): Promise<void> {
    const draft = this.#recorder.draft();
    if (draft === undefined) return Promise.resolve();
    return this.#recording = this.#post(this.#recordOf(draft)).then((answer) => {
      this.#recording = undefined;
      if (answer !== false) return this.#recorder.commit(draft);
      this.#recordRefused = true;
      if (!must) return;
      // It goes before the outcome of a step: that step runs again, but all that was seen is seen in its order.
      this.#endsWithRecord = true;
      this.#unposted = this.#recordOf(draft);
      this.#kept ??= [];
    });
  }

  #recordOf({ key, result }: Draft): InlineCheckpoint {
    const started_at = new Date(this.#ports.now()).toISOString();
    return { key, result: result as unknown as Json, started_at, duration_ms: 0 }; // `as` -- a record is JSON
  }

  /** Times are asked of the server: the round goes on meanwhile. */
  async #times(keys: readonly Key[]): Promise<ReadonlyMap<Key, number>> {
    this.#running++;
    try {
      return await this.#ports.endedAt?.(keys) ?? new Map();
    } finally {
      this.#stepped();
    }
  }

  /** One at a time. Two that were refused are enough: the server is not asked again. */
  #post(checkpoint: InlineCheckpoint): Promise<PostAnswer> {
    const { post } = this.#ports;
    const answer = this.#posting
      .then(() => post === undefined || this.#refused > 1 ? false : post(checkpoint))
      .catch(() => false)
      .then((posted) => {
        if (posted === false) {
          this.#refused++;
          this.#slow = true;
        }
        return posted;
      });
    this.#posting = answer;
    return answer;
  }

  #log(line: string): void {
    this.#ports.log?.(line);
  }

  /** Looks, after two hops in which nothing was called, whether the round is over. */
  #arm(): void {
    if (this.#armed || this.#over) return;
    this.#armed = true;
    const epoch = this.#epoch;
    this.#ports.hop(() =>
      this.#ports.hop(() => {
        this.#armed = false;
        if (epoch !== this.#epoch || this.#session.busy) return this.#arm();
        this.#quiet();
      })
    );
  }

  #quiet(): void {
    if (this.#over || this.#running > 0) return;
    if (this.#only !== undefined || (this.#session.replaying && this.#unposted === undefined)) {
      return this.#lookForCall();
    }
    const waits = this.#tasks.length + this.#approvals.length + this.#sleeps.length > 0;
    // Else the body waits for something of its own.
    if (this.#unposted === undefined && !waits) return;
    // What was made beside a step whose outcome is to be kept first is made again, unless the body has seen more.
    const must = (this.#unposted === undefined && this.#isDue()) || this.#recorder.isNeeded(this.#kept);
    const may = this.#ports.post !== undefined && this.#unposted === undefined;
    if (((must && !this.#endsWithRecord) || (may && !this.#recordRefused)) && !this.#recorder.isEmpty) {
      this.#running++;
      // Then this is looked at again.
      return void this.#record(must).then(() => this.#stepped());
    }
    if (this.#unposted !== undefined) {
      // The record again, with what was handed over while it was refused.
      const draft = this.#endsWithRecord ? this.#recorder.draft() : undefined;
      return this.#end({
        type: "inline_checkpoint",
        ...(draft === undefined ? this.#unposted : this.#recordOf(draft)),
      });
    }
    this.#suspend();
  }

  #suspend(): void {
    const [task] = this.#tasks;
    if (task !== undefined) {
      const steps = this.#tasks.map((t) => this.#dispatched(t));
      this.#log(`\n--- WAC: ${steps.map(({ name }) => name).join(", ")} ---`);
      return this.#end({ type: "dispatch", mode: steps.length > 1 ? "parallel" : "sequential", steps });
    }
    const [approval] = this.#approvals;
    if (approval?.call.kind === "approval") {
      this.#log(`\n--- WAC: approval(${approval.key}) ---`);
      return this.#end(approvalMessage(approval.key, approval.call));
    }
    const [sleep] = this.#sleeps;
    if (sleep?.call.kind === "sleep") {
      const { key, call: { ms = 0, until, backoffOf } } = sleep;
      const left = until === undefined ? ms / 1000 : Math.ceil((until - this.#ports.now()) / 1000);
      this.#log(
        `\n--- WAC: sleep(${key}, ${left}s) ${backoffOf === undefined ? "" : `before retrying ${backoffOf} `}---`,
      );
      this.#end({ type: "sleep", key, seconds: Math.min(Math.max(1, Math.round(left)), LONGEST_SLEEP) });
    }
  }

  /**
   * The body does nothing that can be seen, and a call that was made before is not made: it has ended, waits for calls that were not
   * made then, or for something of its own.
   */
  #lookForCall(): void {
    if (this.#bodyEnded) return this.#unreached();
    if (this.#session.pending === 0 || this.#waiting !== undefined) return;
    const { calls } = this.#session;
    const { patience } = this.#ports;
    if (patience === undefined) return this.#giveUp();
    this.#waiting = patience(() => {
      this.#waiting = undefined;
      if (calls === this.#session.calls) this.#giveUp();
      else this.#arm();
    });
  }

  #giveUp(): void {
    if (this.#session.replaying) this.#session.giveUp();
    else this.#unreached();
  }

  /** The call of this child was made when it was dispatched, and is not made now. */
  #unreached(failure?: Failure): void {
    if (this.#over || this.#only === undefined || this.#running > 0) return;
    // What differs from the history says more.
    if (failure?.code === "REPLAY_MISMATCH") return this.#end({ type: "failed", failure });
    this.#mismatch(
      this.#only,
      `Cannot run "${this.#only}": the workflow ${
        this.#bodyEnded ? "ended without asking" : "waits for other calls and does not ask"
      } for it, as it did when it was dispatched`,
    );
  }

  #mismatch(stepKey: Key, what: string): void {
    const message =
      `${what}. Either the code was changed meanwhile, or the body decides by something that is not recorded: a clock, ` +
      "a random number, the environment, I/O. Put that into a step()";
    this.#end({
      type: "failed",
      failure: { message, stepKey, code: "REPLAY_MISMATCH", error: { name: "ReplayMismatchError", message } },
    });
  }

  #dispatched({ key, call }: CallCommand): DispatchStep {
    if (call.kind !== "task") throw new Error(`Cannot dispatch "${key}": it is a ${call.kind}`);
    const { name, via, script, options: o } = call;
    const args = JSON.parse(call.args) as Json;
    const names = this.#session.names(key);
    return {
      name: name || key,
      script: script ?? (name || key),
      args: Array.isArray(args)
        ? Object.fromEntries(args.map((value, i) => [names[i] ?? `arg${i}`, value as Json]))
        : args as Record<string, Json>,
      key,
      dispatch_type: via,
      ...(o.timeoutS === undefined ? undefined : { timeout: wholeSeconds(o.timeoutS) }),
      ...(o.tag === undefined ? undefined : { tag: o.tag }),
      ...(o.cacheTtlS === undefined ? undefined : { cache_ttl: wholeSeconds(o.cacheTtlS) }),
      ...(o.priority === undefined ? undefined : { priority: o.priority }),
      ...(o.concurrentLimit === undefined ? undefined : { concurrent_limit: o.concurrentLimit }),
      ...(o.concurrencyKey === undefined ? undefined : { concurrency_key: o.concurrencyKey }),
      ...(o.concurrencyWindowS === undefined
        ? undefined
        : { concurrency_time_window_s: wholeSeconds(o.concurrencyWindowS) }),
    };
  }

  #info(key: Key, call: Call): TaskInfo {
    const { signal } = this.#ports;
    const runId = this.#runId;
    const [base, attempt] = "base" in call ? [call.base, call.attempt] : [key, 1];
    return { runId, key, attempt, idempotencyKey: `${runId}/${base}`, signal };
  }

  #header(): RunHeader {
    return {
      v: 1,
      id: this.#runId,
      workflow: "",
      sourceHash: "",
      sdk: "",
      flags: [],
      codec: CANONICAL_CODEC,
      seed: this.#seed,
      args: encode(this.#args),
      createdAt: this.#ports.now(),
    };
  }

  #end(message: RoundMessage): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting?.();
    this.#resolve(message);
  }
}

function markerOf({ name, after, value }: Extract<Command, { readonly c: "marker" }>): MarkerEntry {
  return { name, after, value };
}

/** A step's outcome as the protocol records it. */
function resultOf(outcome: Outcome, key: Key): Json {
  return outcome.ok ? JSON.parse(outcome.value) as Json : failureRecord(outcome.failure, key);
}

/** What the body gets of a posted result: what it will get of it in every later round. */
function settled(result: Json, key: Key, answer: Exclude<PostAnswer, false>): Outcome {
  const kept = typeof answer === "object" && isFailureRecord(answer.failure) ? answer.failure : undefined;
  return outcomeOfRecord(kept ?? normalisedRecord(result, key), key, encode);
}

/** The worker reads whole seconds, in 32 bits. */
function wholeSeconds(seconds: number): number {
  return Math.min(Math.ceil(seconds), 2147483647);
}

function closing(outcome: Outcome | undefined): RoundMessage {
  if (outcome === undefined || outcome.ok) {
    return { type: "complete", result: JSON.parse(outcome?.value ?? "null") as Json };
  }
  return { type: "failed", failure: outcome.failure };
}

function approvalMessage(key: Key, call: Extract<Call, { readonly kind: "approval" }>): RoundMessage {
  const { selfApproval, skin = null, description = null } = (call.options ?? {}) as Readonly<Record<string, Json>>;
  return {
    type: "approval",
    key,
    timeout: call.timeoutMs / 1000,
    form: call.form ?? null,
    self_approval_disabled: selfApproval === false,
    skin,
    description,
  };
}
