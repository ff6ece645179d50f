/**
 * Runs in Durable Objects, as a Worker sees them.
 *
 * @module
 */
import { orAbort } from "../base/or_abort.ts";
import type { ApprovalAnswer, PendingApproval, SignalOptions, TypedEvent, WorkflowFunction } from "../engine/api.ts";
import type { JournalRecord, Json } from "../workflow/journal.ts";
import type { IndexPage, IndexQuery } from "./index_object.ts";
import type { ObjectNamespace } from "./platform.ts";
import type { IndexMethods } from "./index_object.ts";
import type { OutcomeAnswer, RunMethods, RunStatusAnswer } from "./run_object.ts";
import { fromWire, type WireError } from "./wire.ts";

/** Where the runs of a caller are. */
export interface WorkflowRunsOptions {
  /** Keeps the runs of tenants apart, and has an index of its own. @default "default" */
  readonly namespace?: string;
}

/** How a run is started. */
export interface StartRunOptions {
  /** Chosen by the caller, to make the start idempotent. @default a random id */
  readonly runId?: string;
  /** The run fails with `DeadlineError` after this many milliseconds. */
  readonly deadlineMs?: number;
}

/** How long to wait for a result. */
export interface ResultOptions {
  /** Gives up waiting; the run goes on. */
  readonly signal?: AbortSignal;
}

/** One run. */
export interface ObjectRun {
  /** Id of the run. */
  readonly id: string;
  /**
   * Waits for the end of the run, or of the last one that goes on for it. An object in which all is parked is asked again now and then,
   * and not held in memory meanwhile. Throws what `RunHandle.result` of the engine throws.
   */
  result(options?: ResultOptions): Promise<Json>;
  /** The run as it is stored now. Throws `UnknownRunError`. */
  status(): Promise<RunStatusAnswer>;
  /** Sends an event. */
  signal<T>(event: TypedEvent<T>, payload: T, options?: SignalOptions): Promise<void>;
  /** The same by name. */
  signal(name: string, payload?: Json | object, options?: SignalOptions): Promise<void>;
  /** Answers an approval; `key` is optional when exactly one is waited for. Throws `NotWaitingError` where it has an answer already. */
  approve(key?: string, answer?: ApprovalAnswer): Promise<void>;
  /** Approvals that the run waits for. */
  approvals(): Promise<readonly PendingApproval[]>;
  /** Asks the run to end. */
  cancel(reason?: string): Promise<void>;
  /** The verified journal of the run. */
  journal(): Promise<readonly JournalRecord[]>;
}

/** The runs of a namespace. */
export interface WorkflowRuns<W> {
  /** Begins a run in an object of its own. Arguments are kept as JSON: an array goes by order, an object by the parameters' names. */
  start(workflow: keyof W & string, args?: Json | object, options?: StartRunOptions): Promise<ObjectRun>;
  /**
   * A run that was started before. One that another run began, or that goes on for it, is in that one's object: `root` names it, as
   * `list` does. Nothing is asked before a method is called.
   */
  run(id: string, options?: { readonly root?: string }): ObjectRun;
  /** Runs of the namespace, by its index, which hears of a change a moment after it was made. */
  list(query?: IndexQuery): Promise<IndexPage>;
}

/** Attempts to reach an object that is moved or started anew. Every call is safe to repeat. */
const ATTEMPTS = 5;
/** How long one request for a result waits in the object, in milliseconds. */
const WAIT_MS = 20_000;
/** Pauses between requests for the result of a run that is parked, in milliseconds: each half as long again as the one before. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 2000;

/**
 * The runs of a namespace, for a Worker that has bindings to the classes of {@linkcode createWorkflowObjects}.
 *
 * @param runs binding to the objects of runs
 * @param index binding to the indexes
 * @param options which namespace
 *
 * @example Start, and ask later
 * ```ts
 * import { type ObjectNamespace, workflowRuns } from "@windkit/windmill-client/durable-object";
 *
 * async function handle(env: { RUN: ObjectNamespace; INDEX: ObjectNamespace }): Promise<unknown> {
 *   const runs = workflowRuns(env.RUN, env.INDEX, { namespace: "acme" });
 *   const run = await runs.start("greet", ["Ada"], { runId: "greet-ada" });
 *   return [await run.status(), await runs.list({ state: "parked" })];
 * }
 * if (typeof handle !== "function") throw new Error("no function");
 * ```
 */
export function workflowRuns<W = Record<string, WorkflowFunction>>(
  runs: ObjectNamespace,
  index: ObjectNamespace,
  options: WorkflowRunsOptions = {},
): WorkflowRuns<W> {
  const { namespace = "default" } = options;

  function objectOf(root: string): <T>(method: keyof RunMethods, body: unknown, signal?: AbortSignal) => Promise<T> {
    // No namespace and run share their name with others: what separates them is not in the first part.
    const name = `${encodeURIComponent(namespace)}/${root}`;
    return (method, body, signal) => ask(runs, name, method, body, signal);
  }

  function runOf(id: string, root: string): ObjectRun {
    const call = objectOf(root);
    const runId = id;
    return {
      id,
      result: ({ signal } = {}) => resultOf((body) => call("outcome", { runId, ...body }, signal), signal),
      status: () => call("status", { runId }),
      signal: (
        event: string | TypedEvent<unknown>,
        payload?: unknown,
        { id = crypto.randomUUID() }: SignalOptions = {},
      ) =>
        // Under one id, so that it may be sent twice.
        call<void>("signal", { runId, name: typeof event === "string" ? event : event.name, payload, id }),
      approve: (key, answer = {}) => call("approve", { runId, key, ...answer }),
      approvals: () => call("approvals", { runId }),
      cancel: (reason) => call("cancel", { runId, reason }),
      journal: () => call("journal", { runId }),
    };
  }

  return {
    async start(workflow, args = {}, { runId = crypto.randomUUID(), deadlineMs } = {}) {
      await objectOf(runId)("start", { namespace, runId, workflow, args, deadlineMs });
      return runOf(runId, runId);
    },
    run: (id, { root = id } = {}) => runOf(id, root),
    list: (query = {}) => ask<IndexPage>(index, namespace, "list" satisfies keyof IndexMethods, query),
  };
}

async function ask<T>(
  objects: ObjectNamespace,
  name: string,
  method: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    signal?.throwIfAborted();
    try {
      // A stub whose object has failed stays broken: each attempt takes a new one.
      const answering = objects.get(objects.idFromName(name)).fetch(
        new Request(`https://run.invalid/${method}`, { method: "POST", body: JSON.stringify(body) }),
      );
      // Whoever gives up does so at once: the object may take its time to answer, and is not told.
      const response = await (signal === undefined ? answering : orAbort(answering, signal));
      const answered = await response.json() as { readonly value: T; readonly error?: WireError };
      // An engine that was closed is opened anew by the next call.
      if (answered.error !== undefined && (answered.error.code !== "ENGINE_CLOSED" || attempt >= ATTEMPTS)) {
        throw new Answered(fromWire(answered.error));
      }
      if (answered.error !== undefined) throw fromWire(answered.error);
      return answered.value;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Answered) throw error.error;
      const { overloaded } = error as { readonly overloaded?: unknown };
      if (attempt >= ATTEMPTS || overloaded === true) throw error;
      await pause(FIRST_PAUSE_MS * 2 ** attempt, signal);
    }
  }
}

/** What the object itself answered: asking again would not change it. */
class Answered {
  readonly error: Error;

  constructor(error: Error) {
    this.error = error;
  }
}

async function resultOf(
  outcome: (body: { readonly waitMs: number }) => Promise<OutcomeAnswer>,
  signal: AbortSignal | undefined,
): Promise<Json> {
  for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
    const answer = await outcome({ waitMs: WAIT_MS });
    if (answer.done) {
      if ("error" in answer) throw fromWire(answer.error);
      return answer.value;
    }
    // It was waited for in the object.
    if (answer.state === "active") pauseMs = FIRST_PAUSE_MS;
    await pause(Math.max(1, Math.min(pauseMs, (answer.wakeAt ?? Infinity) - Date.now())), signal);
  }
}

/** A wait of the caller's own. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
