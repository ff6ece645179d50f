/**
 * The functions that a workflow file is written with. Each finds its run at the call, never at import: the session of the
 * running engine, else none, and then tasks run as plain functions.
 *
 * @module
 */
import { decode, encode, type Jsonified } from "../base/canonical.ts";
import { HostUnsupportedError } from "../base/errors.ts";
import type {
  CallArgs,
  FlowArgs,
  FlowPath,
  FlowResult,
  ScriptArgs,
  ScriptPath,
  ScriptResult,
} from "../base/windmill_types.ts";
import { wait } from "../platform/clock.ts";
import { permittedEnv } from "../platform/env.ts";
import { currentRun } from "../platform/run_context.ts";
import { type Workflow, WORKFLOW_BODY } from "../workflow/definition.ts";
import type { TaskInfo, TaskWire } from "../workflow/journal.ts";
import { givenArguments } from "../workflow/parameters.ts";
import { type RetryOptions, retryPolicy } from "../workflow/retry.ts";
import type { StepSpec, TaskSpec, UndoSpec } from "../workflow/body_session.ts";
import { clusterHost } from "./cluster_host.ts";
import { type Current, here, nameProblem, outside, plainly } from "./_here.ts";
import { workerContext } from "./worker_globals.ts";

export type { Jsonified, JsonifiedFields, JsonValue } from "../base/canonical.ts";
export {
  CompensationError,
  NonRetryableError,
  RetryAfterError,
  TaskError,
  type TaskErrorDetail,
  WaitTimeoutError,
} from "../base/errors.ts";
export type {
  CallArgs,
  Declared,
  FlowArgs,
  FlowPath,
  FlowResult,
  ScriptArgs,
  ScriptPath,
  ScriptResult,
  WindmillFlows,
  WindmillResources,
  WindmillScripts,
  WindmillTypes,
  WindmillVariables,
} from "../base/windmill_types.ts";
export {
  type ApprovalGranted,
  type ApprovalInstead,
  type ApprovalOptions,
  type ApprovalRejected,
  type ApprovalResult,
  type ApprovalSchema,
  type ApprovalTimedOut,
  type CheckedApprovalOptions,
  waitForApproval,
} from "./approval.ts";
export {
  type DefinedError,
  type DefinedErrorClass,
  defineError,
  type DefineErrorOptions,
  type ErrorData,
  type Known,
  type KnownFailure,
  knownFailure,
  type SchemaInput,
} from "./define_error.ts";
export type { SchemaAnswer, SchemaOutput, StandardSchema } from "../base/standard_schema.ts";
export type { ValidationIssue } from "../base/errors.ts";
export type { Workflow } from "../workflow/definition.ts";
export type { Json, LogLevel, TaskInfo } from "../workflow/journal.ts";
export type { RetryOptions } from "../workflow/retry.ts";
export { race, type RaceBranches, type RaceWinner, type TimeoutOptions, withTimeout } from "./race.ts";
export { saga } from "./saga.ts";
export {
  type ChildOptions,
  childWorkflow,
  continueAsNew,
  defineEvent,
  type EventOptions,
  type EventType,
  sleepUntil,
  waitForEvent,
} from "./waits.ts";
export { cancelSignal, log, now, patched, progress, random, uuid } from "./values.ts";

/** Options of a task, in the official client's names and units (seconds). */
export interface TaskOptions {
  /** Longest time of one attempt, in seconds. Its `taskInfo().signal` is aborted then. @default undefined: no limit */
  readonly timeout?: number;
  /** When and how often a failed attempt is repeated. @default undefined: never */
  readonly retry?: RetryOptions;
  /** What a failure does that nobody awaits: fail the run, or nothing. @default "fail" */
  readonly unawaited?: "fail" | "ignore";
  /** Worker tag on a cluster. */
  readonly tag?: string;
  /** How long a cluster may reuse the result, in seconds. */
  readonly cache_ttl?: number;
  /** Priority on a cluster. */
  readonly priority?: number;
  /** How many may run at once on a cluster. */
  readonly concurrency_limit?: number;
  /** What `concurrency_limit` counts by. */
  readonly concurrency_key?: string;
  /** Window of `concurrency_limit`, in seconds. */
  readonly concurrency_time_window_s?: number;
}

/** Options of a task that can be taken back. */
export interface UndoableTask<F extends TaskFunction> extends TaskOptions {
  /**
   * Takes the effect back when the workflow, or the {@linkcode saga} around the call, fails: called with the recorded result and the
   * arguments. It runs as a step.
   */
  readonly undo?: (result: Jsonified<Awaited<ReturnType<F>>>, ...args: Parameters<F>) => unknown;
  /** When and how often a failed undo is repeated. @default three times, after 1, 2 and 4 seconds */
  readonly undoRetry?: RetryOptions;
}

/** A task: called with the function's arguments, gives what the function gives, as it was recorded. */
export type Task<A extends readonly unknown[], R> = (...args: A) => Promise<Jsonified<Awaited<R>>>;

/** The official client's name for the type of a task. */
export type JsonifiedFn<F extends TaskFunction> = Task<Parameters<F>, ReturnType<F>>;

/** The official client's name for {@linkcode RetryOptions}. */
export type TaskRetry = RetryOptions;

/** A function that a task is made of. */
// deno-lint-ignore no-explicit-any -- parameters of user functions are contravariant: `unknown[]` would refuse them all
export type TaskFunction = (...args: any[]) => unknown;

/** What `parallel` takes beside items and function. */
export interface ParallelOptions {
  /** Calls that run at once; 0 or less is all of them, as in Windmill's Python client. @default undefined: all */
  readonly concurrency?: number;
  /**
   * `fail-fast`: the first failure rejects, and no further item begins. `collect`: all items run, and the results are those of
   * `Promise.allSettled`.
   * @default "fail-fast"
   */
  readonly onError?: "fail-fast" | "collect";
}

/**
 * Marks an async function as a workflow: the entry point of its file.
 *
 * @param fn the body: it must do the same calls in the same order when it runs again with the same outcomes
 * @returns the function; called outside an engine it runs at once, and so do its tasks
 *
 * @example A workflow is a function
 * ```ts
 * import { step, workflow } from "@windkit/windmill-client/workflow";
 *
 * export const greet = workflow(async (name: string) => {
 *   return await step("greeting", () => `Hello ${name}`);
 * });
 *
 * if (await greet("Ada") !== "Hello Ada") throw new Error("no greeting");
 * ```
 */
export function workflow<F extends TaskFunction>(fn: F): Workflow<F> {
  if (typeof fn !== "function") throw new TypeError(`Cannot make a workflow: expected a function, found ${typeof fn}`);
  // A function of its own: the same body may be a workflow under two names.
  const run = function (this: unknown, ...args: unknown[]): unknown {
    // Under the worker's wrapper, a call from outside is a round.
    const context = currentRun() === undefined ? workerContext() : undefined;
    if (context === undefined) return fn.apply(this, args);
    return clusterHost()?.then(({ runWorkerRound }) => runWorkerRound(context, fn, args)) ?? noHost("workflow");
  };
  return Object.assign(run, { _is_workflow: true, [WORKFLOW_BODY]: fn }) as unknown as Workflow<F>;
}

/**
 * Makes a task of a function: each call of it in a workflow is recorded, and runs once however often the workflow is replayed.
 *
 * @param fn what to run; its name is the task's. An arrow function has none: give one, or write `task("name", fn)`
 * @param options timeout, retry and what a cluster acts on
 * @returns a function with the same parameters
 * @throws RangeError when `retry` is out of range
 *
 * @example A retried task
 * ```ts
 * import { task, workflow } from "@windkit/windmill-client/workflow";
 *
 * const double = task(async function double(n: number) {
 *   return n * 2;
 * }, { retry: { attempts: 2 } });
 *
 * export const main = workflow(async (n: number) => await double(n) + 1);
 *
 * if (await main(20) !== 41) throw new Error("wrong sum");
 * ```
 */
export function task<F extends TaskFunction>(fn: F, options?: UndoableTask<F>): Task<Parameters<F>, ReturnType<F>>;
/** The same with a name (or a script's path) first, as the Windmill worker writes it. */
export function task<F extends TaskFunction>(
  name: string,
  fn: F,
  options?: UndoableTask<F>,
): Task<Parameters<F>, ReturnType<F>>;
export function task(
  first: string | TaskFunction,
  second?: TaskFunction | UndoableTask<TaskFunction>,
  third?: UndoableTask<TaskFunction>,
): TaskFunction {
  const [path, fn, options = {}] = typeof first === "string"
    ? [first, second, third]
    : [undefined, first, second as UndoableTask<TaskFunction> | undefined];
  if (typeof fn !== "function") {
    throw new TypeError(
      `Cannot make a task${path === undefined ? "" : ` "${path}"`}: expected a function, found ${typeof fn}`,
    );
  }
  const name = fn.name || path || "step";
  const wrong = nameProblem(name);
  if (wrong !== undefined) throw new TypeError(`Cannot make a task: its name must be ${wrong}`);
  const spec: TaskSpec = {
    name,
    via: "inline",
    ...(path === undefined ? undefined : { script: path }),
    ...wireOptions(options),
    undo: undoSpec(options),
    fn,
  };
  return (...args: unknown[]) => {
    const current = here(`task ${spec.name}`);
    return current instanceof Promise
      ? current
      : current?.task(spec, args) ?? alone(spec, () => fn(...decode(encode(givenArguments(args))) as unknown[]), args);
  };
}

/** A task of a script or flow that is not declared: it takes the arguments as one object, or one after the other. */
export type ExternalTask = (...args: readonly unknown[]) => Promise<unknown>;

/**
 * A task that runs a script of the workspace. One that is declared in {@linkcode WindmillTypes} has the types of its declaration.
 *
 * @param path path of the script, `f/folder/name`, or `./module.ts` of the same script
 * @returns a function that takes the script's arguments as one object
 *
 * @example
 * ```ts
 * import { taskScript, workflow } from "@windkit/windmill-client/workflow";
 *
 * const resize = taskScript("f/images/resize");
 * export const main = workflow(async (image: string) => await resize({ image, width: 200 }));
 * ```
 */
export function taskScript<P extends ScriptPath>(
  path: P,
  options?: TaskOptions,
): (...args: CallArgs<ScriptArgs<P>, []>) => Promise<ScriptResult<P>>;
/** The same for a script that is not declared. */
export function taskScript(path: string, options?: TaskOptions): ExternalTask;
export function taskScript(path: string, options?: TaskOptions): ExternalTask {
  return external("script", path, options);
}

/**
 * A task that runs a flow of the workspace. It needs an engine with an executor for flows, or a cluster. One that is declared
 * in {@linkcode WindmillTypes} has the types of its declaration.
 */
export function taskFlow<P extends FlowPath>(
  path: P,
  options?: TaskOptions,
): (...args: CallArgs<FlowArgs<P>, []>) => Promise<FlowResult<P>>;
/** The same for a flow that is not declared. */
export function taskFlow(path: string, options?: TaskOptions): ExternalTask;
export function taskFlow(path: string, options?: TaskOptions): ExternalTask {
  return external("flow", path, options);
}

function external(via: "script" | "flow", path: string, options?: TaskOptions): ExternalTask {
  const what = via === "script" ? "taskScript" : "taskFlow";
  const wrong = nameProblem(path);
  if (wrong !== undefined) throw new TypeError(`Cannot make a ${what}: 'path' must be ${wrong}`);
  const spec: TaskSpec = { name: path.split("/").at(-1) || "step", via, script: path, ...wireOptions(options) };
  return (...args: readonly unknown[]) => {
    const current = here(`${what}("${path}")`);
    return current instanceof Promise ? current : current?.task(spec, args) ?? outside(`${what}("${path}")`);
  };
}

/** What `step` takes beside name and function. */
export interface StepOptions<R> {
  /** When and how often a failed attempt is repeated, in the units of a task's. @default undefined: never */
  readonly retry?: RetryOptions;
  /** What a failure does that nobody awaits: fail the run, or nothing. @default "fail" */
  readonly unawaited?: "fail" | "ignore";
  /** Takes the effect back when the workflow, or the {@linkcode saga} around the step, fails: called with the recorded result. */
  readonly undo?: (result: Jsonified<Awaited<R>>) => unknown;
  /** When and how often a failed undo is repeated. @default three times, after 1, 2 and 4 seconds */
  readonly undoRetry?: RetryOptions;
}

/**
 * Runs a function once and records its result: for what is small, or not deterministic.
 *
 * On a cluster it is an inline step of the round: it runs in the workflow's own process, and its attempts are entries of the
 * timeline of their own, with sleeps between them.
 *
 * @param name name in the journal
 * @param fn what to run
 * @param options retry, undo
 * @returns the result as it was recorded
 * @throws TaskError when it failed for good
 *
 * @example
 * ```ts
 * import { step } from "@windkit/windmill-client/workflow";
 *
 * const when = await step("when", () => new Date(0)); // a Date is recorded as its ISO text
 * if (when !== "1970-01-01T00:00:00.000Z") throw new Error("not recorded");
 * ```
 */
export function step<R>(name: string, fn: () => R, options?: StepOptions<R>): Promise<Jsonified<Awaited<R>>> {
  const wrong = nameProblem(name);
  if (wrong !== undefined) return Promise.reject(new TypeError(`Cannot run a step: 'name' must be ${wrong}`));
  if (typeof fn !== "function") {
    return Promise.reject(new TypeError(`Cannot run step "${name}": expected a function, found ${typeof fn}`));
  }
  let spec: StepSpec;
  try {
    spec = options === undefined ? { name: name || "step", fn } : {
      name: name || "step",
      fn,
      retry: retryPolicy(options.retry, "run a step"),
      unawaited: options.unawaited,
      undo: undoSpec(options),
    };
  } catch (error) {
    return Promise.reject(error);
  }
  const current = here(`step("${name}")`);
  const result = current instanceof Promise ? current : current?.step(spec) ?? plainly(fn);
  return result as Promise<Jsonified<Awaited<R>>>;
}

function undoSpec(
  // deno-lint-ignore no-explicit-any -- called with what was recorded of the result, whatever its type is
  { undo, undoRetry }: { readonly undo?: ((...args: any[]) => unknown) | undefined; readonly undoRetry?: RetryOptions },
): UndoSpec | undefined {
  const retry = retryPolicy(undoRetry, "repeat an undo");
  if (undo === undefined) return undefined;
  if (typeof undo !== "function") throw new TypeError(`Cannot use 'undo': expected a function, found ${typeof undo}`);
  return { fn: undo, ...(retry === undefined ? undefined : { retry }) };
}

/**
 * Waits, durably: the run may be parked, and its process may end.
 *
 * @param seconds how long. On a cluster it is rounded to whole seconds, at least 1
 * @throws RangeError unless it is a number from 0 to 4294967295
 *
 * @example
 * ```ts
 * import { sleep } from "@windkit/windmill-client/workflow";
 *
 * await sleep(0.001);
 * ```
 */
export function sleep(seconds: number): Promise<void> {
  if (!(typeof seconds === "number" && seconds >= 0 && seconds <= 4294967295)) {
    return Promise.reject(
      new RangeError(`Cannot sleep: 'seconds' must be a number from 0 to 4294967295, found ${String(seconds)}`),
    );
  }
  const current = here("sleep");
  const ms = Math.round(seconds * 1000);
  return current instanceof Promise ? current : current?.sleep({ ms }) ?? wait(ms);
}

/**
 * Calls a function for each item, a bounded number at a time, and gives the results in the items' order. The window slides: the
 * next item begins when any running one ends. The first failure rejects, and calls that have begun go on; with
 * `onError: "collect"` all items run.
 *
 * On a cluster, where a round's jobs are dispatched together and the body wakes when all have ended, the window is a barrier.
 *
 * @throws RangeError when `concurrency` is no number, or `onError` is neither of the two
 *
 * @example
 * ```ts
 * import { parallel } from "@windkit/windmill-client/workflow";
 *
 * const squares = await parallel([1, 2, 3], async (n) => n * n, { concurrency: 2 });
 * if (squares.join() !== "1,4,9") throw new Error("wrong squares");
 *
 * const all = await parallel([1, 0], async (n) => {
 *   if (n === 0) throw new Error("no");
 *   return n;
 * }, { onError: "collect" });
 * if (all.map((one) => one.status).join() !== "fulfilled,rejected") throw new Error("wrong states");
 * ```
 */
export function parallel<T, R>(
  items: Iterable<T>,
  fn: (item: T) => R | PromiseLike<R>,
  options: ParallelOptions & { readonly onError: "collect" },
): Promise<PromiseSettledResult<Awaited<R>>[]>;
/** The same, in which the first failure rejects. */
export function parallel<T, R>(
  items: Iterable<T>,
  fn: (item: T) => R | PromiseLike<R>,
  options?: ParallelOptions,
): Promise<Awaited<R>[]>;
export async function parallel(
  items: Iterable<unknown>,
  fn: (item: unknown) => unknown,
  options: ParallelOptions = {},
): Promise<unknown[]> {
  const list = [...items];
  const { concurrency = 0, onError = "fail-fast" } = options;
  if (typeof concurrency !== "number" || Number.isNaN(concurrency)) {
    throw new RangeError(`Cannot run in parallel: 'concurrency' must be a number, found ${String(concurrency)}`);
  }
  if (onError !== "fail-fast" && onError !== "collect") {
    throw new RangeError(
      `Cannot run in parallel: 'onError' must be "fail-fast" or "collect", found ${JSON.stringify(onError)}`,
    );
  }
  const session = (currentRun() as Current | undefined)?.session;
  const results: unknown[] = [];
  let next = 0;
  let failed = false;
  async function work(): Promise<void> {
    while (next < list.length && !failed) {
      const index = next++;
      const item = list[index];
      try {
        const value = await (session === undefined ? fn(item) : session.ordered(() => fn(item)));
        results[index] = onError === "collect" ? { status: "fulfilled", value } : value;
      } catch (reason) {
        if (onError === "collect") {
          results[index] = { status: "rejected", reason };
          continue;
        }
        failed = true;
        throw reason;
      }
    }
  }
  const width = concurrency < 1 ? list.length : Math.min(Math.floor(concurrency), list.length);
  await Promise.all(Array.from({ length: width }, work));
  return results;
}

/**
 * What the running task or step may know about itself: run id, key, attempt, idempotency key, abort signal.
 *
 * @throws Error outside the body of a task or step
 */
export function taskInfo(): TaskInfo {
  const info = (currentRun() as Current | undefined)?.info;
  if (info === undefined) {
    throw new Error("Cannot read taskInfo(): it is known inside the body of a task or step that an engine runs");
  }
  return info;
}

/** A task without a run: in a job of a Windmill worker it is a job of its own (wac-protocol 12), elsewhere a call. */
function alone(spec: TaskSpec, call: () => unknown, args: readonly unknown[]): Promise<unknown> {
  if (!permittedEnv("WM_JOB_ID") || permittedEnv("WM_FLOW_JOB_ID")) return plainly(call);
  return clusterHost()?.then(({ runV1Task }) => runV1Task(spec, args)) ?? noHost(`task ${spec.name}`);
}

function noHost(what: string): Promise<never> {
  return Promise.reject(
    new HostUnsupportedError(
      `Cannot run ${what} in a job of a cluster: this build of the package has no host for it. ` +
        `Bundlers must resolve the package with the condition "bun" or "node"`,
    ),
  );
}

function wireOptions(options: TaskOptions = {}): Pick<TaskSpec, "options" | "retry" | "unawaited"> {
  const { timeout, retry, unawaited } = options;
  if (timeout !== undefined && !(typeof timeout === "number" && timeout > 0)) {
    throw new RangeError(`Cannot make a task: 'timeout' must be a number of seconds above 0, found ${String(timeout)}`);
  }
  const wire: Record<string, unknown> = {
    timeoutS: timeout,
    tag: options.tag,
    cacheTtlS: options.cache_ttl,
    priority: options.priority,
    concurrentLimit: options.concurrency_limit,
    concurrencyKey: options.concurrency_key,
    concurrencyWindowS: options.concurrency_time_window_s,
  };
  for (const name of Object.keys(wire)) if (wire[name] === undefined) delete wire[name];
  return { options: wire as TaskWire, retry: retryPolicy(retry), unawaited };
}
