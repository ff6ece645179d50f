/**
 * What a test gives instead of steps, tasks, scripts and flows, and which of it was used.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import type { CurrentRun, Host, Work } from "../engine/ports.ts";
import { failureOf } from "../workflow/failure.ts";
import type { Json, Outcome } from "../workflow/journal.ts";
import { guess, listed } from "./_words.ts";

/**
 * What a call gives: a value, or a function that is called with the call's arguments (those of the task; none for a step) and
 * gives or throws it.
 */
// deno-lint-ignore no-explicit-any -- parameters of user functions are contravariant: `unknown[]` would refuse them all
export type MockedCall = ((...args: any[]) => unknown) | Json | undefined;

/**
 * A mock of what does not end: until its timeout, or until a race gives it up.
 *
 * @example
 * ```ts
 * import { never, testWorkflow } from "@windkit/windmill-client/testing";
 * import { task, workflow } from "@windkit/windmill-client/workflow";
 *
 * const ask = task("ask", async () => "an answer", { timeout: 30 });
 * const main = workflow(async () => await ask().catch((error: Error) => error.message));
 *
 * await using run = testWorkflow(main, { mocks: { ask: never } });
 * if (!(await run.result()).includes("timed out after 30 s")) throw new Error("it ended");
 * ```
 */
export function never(): Promise<never> {
  return new Promise(() => undefined);
}

/**
 * Calls by key (`"charge_2"`), by name (`"charge"`), or by path of a script or flow (`"f/shop/charge"`). What takes the effect of
 * `charge` back is `"charge#undo"`.
 */
export type Mocks = Readonly<Record<string, MockedCall>>;

/** Errors by key, name or path: one for every attempt, or one each for some attempts, by their number from 1. */
export type Failures = Readonly<Record<string, Error | Readonly<Record<number, Error>>>>;

/** A call that was made. */
export interface MadeCall {
  /** Key of the attempt in the journal. */
  readonly key: string;
  /** Name of the step or task. */
  readonly name: string;
  /** `step` or `task`. */
  readonly kind: string;
  /** Number of the attempt, from 1. */
  readonly attempt: number;
  /** Arguments in order. */
  readonly args: readonly Json[];
}

/** Answers calls, and remembers them. */
export interface MockedCalls {
  /** Names of all calls that were made. */
  readonly names: ReadonlySet<string>;
  /** Keys of calls that nothing stood for. */
  readonly unmocked: ReadonlySet<string>;
  /** Runs a call, or what stands for it. Never rejects. Undefined when it is not to end. */
  start(work: Work, host: Pick<Host, "context">): Promise<Outcome> | undefined;
  /** Mocks and failures that no call used, as sentences. */
  unused(): readonly string[];
}

type Made = Extract<Work["call"], { readonly kind: "task" | "step" | "undo" }>;

function nameOf(call: Made): string {
  return call.kind === "undo" ? call.base : call.name;
}

/** Mocks and failures of one test. `mocks` may still change until a call is made; what has none runs if `runs`. */
export function createMockedCalls(mocks: Mocks, failures: Failures, runs = true): MockedCalls {
  const used = new Set<string>();
  const names = new Set<string>();
  const unmocked = new Set<string>();

  /** The names that a call goes by, the most exact first. */
  function namesOf({ key, call }: Work): readonly string[] {
    const made = call as Made; // an executor is asked about what runs
    const path = made.kind === "task" ? made.script : undefined;
    return [key, made.base, nameOf(made), ...(path === undefined ? [] : [path])];
  }

  /** What stands for a call: a failure or a mock of its most exact name that has one. */
  function find(work: Work): { readonly error: Error } | { readonly mock: string } | undefined {
    const { attempt } = work.info;
    for (const name of namesOf(work)) {
      const failure = Object.hasOwn(failures, name) ? failures[name] : undefined;
      const error = failure instanceof Error ? failure : failure?.[attempt];
      if (error !== undefined) {
        used.add(`failure ${name}${failure instanceof Error ? "" : ` ${attempt}`}`);
        return { error };
      }
      if (!Object.hasOwn(mocks, name)) continue;
      used.add(`mock ${name}`);
      return { mock: name };
    }
    return undefined;
  }

  function start(work: Work, host: Pick<Host, "context">): Promise<Outcome> | undefined {
    names.add(nameOf(work.call as Made));
    const found = find(work);
    if (found === undefined) {
      unmocked.add(work.key);
      return run(work, undefined, host);
    }
    if ("error" in found) return Promise.resolve({ ok: false, failure: failureOf(found.error, work.key) });
    return mocks[found.mock] === never ? undefined : run(work, found.mock, host);
  }

  async function run(work: Work, name: string | undefined, { context }: Pick<Host, "context">): Promise<Outcome> {
    const { key, invoke, info } = work;
    const call = work.call as Made;
    if (name === undefined) {
      if (invoke !== undefined && runs) return await invoke();
      const path = call.kind === "task" && invoke === undefined ? call.script ?? call.name : key;
      const what = invoke === undefined
        ? `${call.kind === "task" && call.via === "flow" ? "taskFlow" : "taskScript"}("${path}")`
        : `${call.kind} "${path}"`;
      const refused = new Error(
        `Cannot run ${what} in this test: it has no mock. Give one, as in mocks: { ${JSON.stringify(path)}: value }`,
      );
      return { ok: false, failure: { ...failureOf(refused, key), retryable: false } };
    }
    const mock = mocks[name];
    try {
      if (typeof mock !== "function") return { ok: true, value: encode(mock) };
      const current = { info } as unknown as CurrentRun; // no session: what stands for a body may ask for its info alone
      return { ok: true, value: encode(await context.run(current, () => mock(...argumentsOf(work)) as unknown)) };
    } catch (thrown) {
      return { ok: false, failure: failureOf(thrown, key) };
    }
  }

  function unused(): readonly string[] {
    const called = `the run called ${names.size === 0 ? "nothing" : listed([...names])}`;
    const sentences: string[] = [];
    for (const name of Object.keys(mocks)) {
      if (used.has(`mock ${name}`)) continue;
      sentences.push(`The mock of "${name}" was not used: ${called}${guess(name, [...names])}`);
    }
    for (const [name, errors] of Object.entries(failures)) {
      const attempts = errors instanceof Error ? [""] : Object.keys(errors).map((n) => ` ${n}`);
      for (const attempt of attempts) {
        if (used.has(`failure ${name}${attempt}`)) continue;
        const which = attempt === "" ? "" : ` of attempt${attempt}`;
        sentences.push(`The failure${which} of "${name}" was not used: ${called}${guess(name, [...names])}`);
      }
    }
    return sentences;
  }

  return { names, unmocked, start, unused };
}

/** The arguments of a call in order; one object for scripts and flows. */
export function argumentsOf(work: Pick<Work, "call">): readonly Json[] {
  const { call } = work;
  if (call.kind !== "task") return [];
  const args = decode(call.args) as Json;
  return Array.isArray(args) ? args : [args];
}
