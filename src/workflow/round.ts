/**
 * One round: the body of a workflow from the top against a checkpoint, and the one message that the round ends with. This is how
 * the Windmill worker drives a workflow (wac-protocol 2 to 10); `src/cluster` puts a worker's process around it.
 *
 * A round ends when the body has ended, or when everything it does waits for something outside. Until then steps run: their
 * outcomes are posted one at a time (a second post in flight could undo the first: wac-protocol 7), and what runs is awaited
 * before the round ends, so that no step's body runs twice. Then tasks are dispatched together, else one approval is waited
 * for, else one sleep.
 *
 * @module
 */
import { encode } from "../base/canonical.ts";
import { CANONICAL_CODEC } from "./flags.ts";
import { failureOf } from "./failure.ts";
import type { Call, Command, Encoded, Failure, Json, Key, Outcome, RunHeader, TaskInfo } from "./journal.ts";
import { type BodySession, createSession } from "./session.ts";

/** What a round starts from: the fields of wac-protocol 2.2 that the process reads. */
export interface Checkpoint {
  /** Results, failure records, approval results, `true` for sleeps, by key. */
  readonly completed_steps?: Readonly<Record<Key, unknown>>;
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
  /**
   * The fast path: makes a step's outcome durable. True: it is, the body goes on. False, or no port: the round ends with it.
   */
  post?(checkpoint: InlineCheckpoint): Promise<boolean>;
}

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
  return new Promise((resolve, reject) => new Round(ports, checkpoint, resolve).begin(args, checkpoint, reject));
}

class Round {
  readonly #ports: RoundPorts;
  readonly #resolve: (message: RoundMessage) => void;
  readonly #session: BodySession;
  readonly #child: boolean;
  #tasks: CallCommand[] = [];
  #approvals: CallCommand[] = [];
  #sleeps: CallCommand[] = [];
  #posting: Promise<unknown> = Promise.resolve();
  #running = 0;
  #slow = false;
  #epoch = 0;
  #armed = false;
  #driving = false;
  #over = false;

  constructor(ports: RoundPorts, checkpoint: Checkpoint, resolve: (message: RoundMessage) => void) {
    this.#ports = ports;
    this.#resolve = resolve;
    this.#child = typeof checkpoint._executing_key === "string";
    this.#session = createSession({
      body: ports.body,
      hop: ports.hop,
      enter: (session, info, fn) => ports.enter(session as BodySession, info, fn),
      wake: () => this.#wake(),
    });
  }

  begin(args: Json, checkpoint: Checkpoint, reject: (error: unknown) => void): void {
    try {
      const { completed_steps: completed = {}, _executing_key: only } = checkpoint;
      const rest = new Map(Object.entries(completed).map(([key, value]) => [key, outcomeOf(value, key)]));
      this.#session.begin(headerOf(this.#ports, args), [], only == null ? { rest } : { only, rest });
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

  #drive(): void {
    for (const command of this.#session.take()) {
      if (this.#over) return;
      if (command.c === "close") return this.#end(closing(command.outcome));
      if (command.c !== "call") continue;
      const { kind } = command.call;
      if (this.#child) void this.#execute(command);
      else if (kind === "step" || kind === "undo") void this.#step(command);
      else if (kind === "task") this.#tasks.push(command);
      else if (kind === "approval") this.#approvals.push(command);
      else if (kind === "sleep") this.#sleeps.push(command);
    }
    this.#arm();
  }

  /** A child runs its one call, whether or not the body awaits it. */
  async #execute({ key, call }: CallCommand): Promise<void> {
    this.#running++;
    const outcome = await this.#session.invoke(key, this.#info(key, call));
    this.#end(closing(outcome));
  }

  async #step({ key, call }: CallCommand): Promise<void> {
    if (this.#slow) return; // one result fits into the message of a round: the others run in later rounds
    this.#slow = this.#ports.post === undefined;
    this.#running++;
    const start = this.#ports.now();
    const outcome = await this.#session.invoke(key, this.#info(key, call));
    const message: InlineCheckpoint = {
      key,
      result: resultOf(outcome, key),
      started_at: new Date(start).toISOString(),
      duration_ms: Math.max(0, Math.round(this.#ports.now() - start)),
    };
    const { post } = this.#ports;
    const posted = post === undefined
      ? Promise.resolve(false)
      : this.#posting.then(() => post(message)).catch(() => false);
    this.#posting = posted;
    if (!await posted) return this.#end({ type: "inline_checkpoint", ...message });
    this.#running--;
    this.#epoch++;
    this.#session.feed([{ c: "settle", key, outcome }]);
    this.#arm();
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
    if (this.#over || this.#running > 0 || this.#child) return;
    const [task] = this.#tasks;
    if (task !== undefined) {
      const steps = this.#tasks.map((t) => this.#dispatched(t));
      return this.#end({ type: "dispatch", mode: steps.length > 1 ? "parallel" : "sequential", steps });
    }
    const [approval] = this.#approvals;
    if (approval?.call.kind === "approval") return this.#end(approvalMessage(approval.key, approval.call));
    const [sleep] = this.#sleeps;
    if (sleep?.call.kind === "sleep") {
      const seconds = Math.max(1, Math.round((sleep.call.ms ?? 0) / 1000));
      this.#end({ type: "sleep", key: sleep.key, seconds });
    }
    // Else the body waits for something of its own.
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
      ...(o.timeoutS === undefined ? undefined : { timeout: o.timeoutS }),
      ...(o.tag === undefined ? undefined : { tag: o.tag }),
      ...(o.cacheTtlS === undefined ? undefined : { cache_ttl: o.cacheTtlS }),
      ...(o.priority === undefined ? undefined : { priority: o.priority }),
      ...(o.concurrentLimit === undefined ? undefined : { concurrent_limit: o.concurrentLimit }),
      ...(o.concurrencyKey === undefined ? undefined : { concurrency_key: o.concurrencyKey }),
      ...(o.concurrencyWindowS === undefined ? undefined : { concurrency_time_window_s: o.concurrencyWindowS }),
    };
  }

  #info(key: Key, call: Call): TaskInfo {
    const { runId, signal } = this.#ports;
    const [base, attempt] = "base" in call ? [call.base, call.attempt] : [key, 1];
    return { runId, key, attempt, idempotencyKey: `${runId}/${base}`, signal };
  }

  #end(message: RoundMessage): void {
    if (this.#over) return;
    this.#over = true;
    this.#resolve(message);
  }
}

function headerOf(ports: RoundPorts, args: Json): RunHeader {
  const { runId, now } = ports;
  const encoded: Encoded = encode(args);
  return {
    v: 1,
    id: runId,
    workflow: "",
    sourceHash: "",
    sdk: "",
    flags: [],
    codec: CANONICAL_CODEC,
    seed: "",
    args: encoded,
    createdAt: now(),
  };
}

/** A value of `completed_steps`: any truthy `__wmill_error` is a failure, as the official clients read it (wac-protocol 5.3). */
function outcomeOf(value: unknown, key: Key): Outcome {
  if (typeof value !== "object" || value === null || !("__wmill_error" in value) || !value.__wmill_error) {
    return { ok: true, value: encode(value) };
  }
  const { message, step_key: stepKey, child_job_id: childJobId, result } = value as Record<string, unknown>;
  const error = typeof result === "object" && result !== null && "error" in result ? result.error : undefined;
  const failure = failureOf(error ?? { message }, key);
  return {
    ok: false,
    failure: {
      ...failure,
      message: typeof message === "string" && message !== "" ? message : failure.message,
      stepKey: typeof stepKey === "string" ? stepKey : key,
      ...(typeof childJobId === "string" ? { childJobId } : undefined),
      error: { ...failure.error, ...(error as object | undefined) } as Failure["error"],
    },
  };
}

/** A step's outcome as the protocol records it. */
function resultOf(outcome: Outcome, key: Key): Json {
  if (outcome.ok) return JSON.parse(outcome.value) as Json;
  const { message, error } = outcome.failure;
  return { __wmill_error: true, message, step_key: key, result: { error } } as unknown as Json;
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
