/**
 * Waits for what comes from outside the body, beside approvals: events, dates, other workflows, a next run.
 *
 * @module
 */
import { encode } from "../base/canonical.ts";
import { HostUnsupportedError, WaitTimeoutError } from "../base/errors.ts";
import type { SchemaOutput, StandardSchema } from "../base/standard_schema.ts";
import type { ScriptArgs, ScriptPath, ScriptResult } from "../base/windmill_types.ts";
import { wait, wallClock } from "../platform/clock.ts";
import type { BodySession } from "../workflow/body_session.ts";
import type { Json } from "../workflow/journal.ts";
import { here, nameProblem, outside } from "./_here.ts";
import { isStandardSchema, schemaCheck, schemaOutput } from "./schema_check.ts";

/** What `waitForEvent` takes beside the name. */
export interface EventOptions {
  /** How long to wait, in seconds; fractions count. @default undefined: for ever */
  readonly timeout?: number;
}

/** A kind of event with a typed payload: see {@linkcode defineEvent}. */
export interface EventType<T> {
  /** Name under which it is sent. */
  readonly name: string;
  /** What its payload must be. */
  readonly schema: StandardSchema<T>;
}

/**
 * Names a kind of event and what it carries, once for who waits and who sends.
 *
 * @param name name of the event
 * @param schema any schema of the Standard Schema kind
 *
 * @example
 * ```ts
 * import { defineEvent, type StandardSchema, waitForEvent, workflow } from "@windkit/windmill-client/workflow";
 *
 * // What `z.number()` of Zod gives has this form.
 * const amount: StandardSchema<number> = {
 *   "~standard": {
 *     version: 1,
 *     vendor: "example",
 *     validate: (value) => typeof value === "number" ? { value } : { issues: [{ message: "Expected a number" }] },
 *   },
 * };
 * const paid = defineEvent("paid", amount);
 * export const order = workflow(async () => await waitForEvent(paid) * 2); // engine.signal(runId, paid, 21)
 * ```
 */
export function defineEvent<S extends StandardSchema>(name: string, schema: S): EventType<SchemaOutput<S>> {
  const wrong = eventProblem(name) ?? (isStandardSchema(schema) ? undefined : "have a Standard Schema");
  if (wrong !== undefined) throw new TypeError(`Cannot define event ${JSON.stringify(name)}: it must ${wrong}`);
  return { name, schema: schema as StandardSchema<SchemaOutput<S>> };
}

/**
 * Waits until somebody sends an event to the run: `engine.signal(runId, name, payload)`, `run.signal(name, payload)` or
 * `windkit signal`. One that came early is taken at once; each wait takes one, the oldest first.
 *
 * With a schema a payload that does not fit is refused: its sender is told, and the run still waits.
 *
 * Engine and edge only: on a cluster use `waitForApproval`, whose links carry a payload.
 *
 * @param event name of the event, or what {@linkcode defineEvent} gave
 * @returns the payload
 * @throws WaitTimeoutError when the time is over and there is no `onTimeout`; HostUnsupportedError on a cluster, and outside a run
 *
 * @example
 * ```ts
 * import { createEngine } from "@windkit/windmill-client/engine";
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 * import { waitForEvent, workflow } from "@windkit/windmill-client/workflow";
 *
 * const order = workflow(async () => await waitForEvent("paid", { timeout: 3600, onTimeout: "not paid" }));
 * await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { order } });
 * const run = await engine.start("order");
 * await engine.post({ id: "1", run: run.id, kind: "event", name: "paid", payload: "3" });
 * if (await run.result() !== 3) throw new Error("not paid");
 * ```
 */
export function waitForEvent<T, V>(
  event: EventType<T>,
  options: EventOptions & { readonly onTimeout: V },
): Promise<T | V>;
/** Without a value for when the time is over. */
export function waitForEvent<T>(event: EventType<T>, options?: EventOptions): Promise<T>;
/** By name, with a schema. */
export function waitForEvent<S extends StandardSchema, V>(
  name: string,
  options: EventOptions & { readonly schema: S; readonly onTimeout: V },
): Promise<SchemaOutput<S> | V>;
/** By name, with a schema, without a value for when the time is over. */
export function waitForEvent<S extends StandardSchema>(
  name: string,
  options: EventOptions & { readonly schema: S },
): Promise<SchemaOutput<S>>;
// The tuple keeps `T` from being inferred of what the result is wanted for, as `NoInfer` does, and is gone once it is known.
/** By name. `T` is the payload's type as you say it is: nothing checks it. */
export function waitForEvent<T = Json, V = T | null>(
  name: string,
  options: EventOptions & { readonly onTimeout: V },
): Promise<[T][T extends unknown ? 0 : never] | V>;
/** By name, without a value for when the time is over. `T` is the payload's type as you say it is: nothing checks it. */
export function waitForEvent<T = Json>(
  name: string,
  options?: EventOptions,
): Promise<[T][T extends unknown ? 0 : never]>;
export async function waitForEvent(
  event: string | EventType<unknown>,
  options: EventOptions & { readonly schema?: StandardSchema; readonly onTimeout?: unknown } = {},
): Promise<unknown> {
  const { name, schema } = typeof event === "string" ? { name: event, schema: options.schema } : event ?? {};
  const { timeout } = options;
  const wrong = eventProblem(name);
  if (wrong !== undefined) throw new TypeError(`Cannot wait for event ${JSON.stringify(name)}: its name must ${wrong}`);
  if (timeout !== undefined && !(typeof timeout === "number" && timeout >= 0 && timeout < Infinity)) {
    throw new RangeError(
      `Cannot wait for event "${name}": 'timeout' must be a finite number of seconds, 0 or more, found ${
        String(timeout)
      }`,
    );
  }
  if (schema !== undefined && !isStandardSchema(schema)) {
    throw new TypeError(`Cannot wait for event "${name}": 'schema' must be of the Standard Schema kind`);
  }
  const session = here("waitForEvent");
  if (session instanceof Promise) return await session;
  if (session === undefined) return await outside("waitForEvent");
  need(session, "events", "waitForEvent", "Use waitForApproval(), whose links carry a payload");
  const { payload, timedOut } = await session.event({
    name,
    timeoutMs: timeout === undefined ? undefined : Math.round(timeout * 1000),
    check: schema === undefined ? undefined : schemaCheck(schema),
  });
  if (!timedOut) return schema === undefined ? payload : await schemaOutput(schema, payload, `event "${name}"`);
  if ("onTimeout" in options) return options.onTimeout;
  throw new WaitTimeoutError(`Event "${name}" did not come within ${timeout} s`);
}

function eventProblem(name: unknown): string | undefined {
  const wrong = nameProblem(name);
  if (wrong !== undefined) return `be ${wrong}`;
  return name === "" ? "not be empty" : undefined;
}

/**
 * Waits, durably, until a date. One that has passed is no wait.
 *
 * On a cluster the round asks for the seconds that are left, rounded up, at least 1.
 *
 * @param date a date, its ISO text (what a step gives of a `Date`), or milliseconds since 1970
 * @throws RangeError when it is no date
 *
 * @example
 * ```ts
 * import { sleepUntil } from "@windkit/windmill-client/workflow";
 *
 * await sleepUntil("2020-01-01T00:00:00Z");
 * ```
 */
export async function sleepUntil(date: Date | string | number): Promise<void> {
  const until = date instanceof Date ? date.getTime() : typeof date === "string" ? Date.parse(date) : date;
  if (!(typeof until === "number" && Math.abs(until) <= 8.64e15)) {
    throw new RangeError(`Cannot sleep: expected a date, ISO text or milliseconds since 1970, found ${String(date)}`);
  }
  const session = here("sleepUntil");
  if (session instanceof Promise) return await session;
  if (session === undefined) return await wait(Math.max(0, until - wallClock()));
  return await session.sleep({ until });
}

/** What `childWorkflow` takes beside name and arguments. */
export interface ChildOptions {
  /** Id of the child's run, on the engine and at the edge. @default the parent's id and a number */
  readonly runId?: string;
}

/**
 * Starts another workflow and waits for its result. It is a run of its own, with a journal of its own; when this one is cancelled,
 * or fails, so is it.
 *
 * On the engine and at the edge `name` is the name under which the other workflow is registered. On a cluster it is the path of
 * its script, which is dispatched like a `taskScript`.
 *
 * @param name name, or path, of the workflow
 * @param args its arguments by name
 * @returns its result
 * @throws TaskError when it fails, or is not known
 *
 * @example
 * ```ts
 * import { createEngine } from "@windkit/windmill-client/engine";
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 * import { childWorkflow, workflow } from "@windkit/windmill-client/workflow";
 *
 * const double = workflow(async (n: number) => await Promise.resolve(n * 2));
 * const main = workflow(async () => await childWorkflow("double", { n: 21 }));
 * if (typeof createEngine !== "function" || typeof createMemoryStorage !== "function") throw new Error("no engine");
 * if (await double(21) !== 42 || typeof main !== "function") throw new Error("no workflow");
 * ```
 */
export function childWorkflow<P extends ScriptPath>(
  name: P,
  args: ScriptArgs<P>,
  options?: ChildOptions,
): Promise<ScriptResult<P>>;
/** The same for one that is not declared. */
export function childWorkflow<R = unknown>(
  name: string,
  args?: Readonly<Record<string, unknown>>,
  options?: ChildOptions,
): Promise<R>;
export async function childWorkflow(
  name: string,
  args: unknown = {},
  options: ChildOptions = {},
): Promise<unknown> {
  const wrong = eventProblem(name);
  if (wrong !== undefined) throw new TypeError(`Cannot start a child workflow: its name must ${wrong}`);
  const session = here(`childWorkflow("${name}")`);
  if (session instanceof Promise) return await session;
  if (session === undefined) return await outside(`childWorkflow("${name}")`);
  if (session.can.has("childRuns")) return await session.child({ workflow: name, runId: options.runId }, args);
  const last = name.split("/").at(-1) || "child";
  return await session.task({ name: last, via: "script", script: name, options: {} }, [args]);
}

/**
 * Ends this run and begins another one of the same workflow, with an empty journal: for what goes on for ever. Whoever waits for
 * the result of this run gets the one of the last run of the chain. Events that nothing has taken move along; what has an `undo` is
 * final; tasks and steps that run are waited for (a failure that nobody awaits fails this run instead), everything else that is
 * pending is given up.
 *
 * Engine and edge only.
 *
 * @param args arguments of the next run, by name
 * @returns never: the body does not go on
 * @throws HostUnsupportedError on a cluster, and outside a run
 *
 * @example
 * ```ts
 * import { continueAsNew, sleep, step, workflow } from "@windkit/windmill-client/workflow";
 *
 * export const poll = workflow(async (seen: number) => {
 *   for (let i = 0; i < 100; i++) {
 *     seen = await step("look", () => seen + 1);
 *     await sleep(60);
 *   }
 *   return await continueAsNew({ seen });
 * });
 * ```
 */
export async function continueAsNew(args: Readonly<Record<string, unknown>> = {}): Promise<never> {
  const session = here("continueAsNew");
  if (session instanceof Promise) return await session;
  if (session === undefined) return await outside("continueAsNew");
  need(session, "continue", "continueAsNew", "Start a next job with runScriptByPathAsync() in a step");
  return await session.continueAsNew(encode(args));
}

function need(session: BodySession, what: "events" | "continue", name: string, instead: string): void {
  if (session.can.has(what)) return;
  throw new HostUnsupportedError(
    `Cannot call ${name}() on ${session.hostName}: it has nothing to do this with. ${instead}`,
  );
}
