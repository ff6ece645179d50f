/**
 * The first of several branches, and a bound on the time of one: what is left of the others is given up.
 *
 * @module
 */
import { CancelledError, HostUnsupportedError, WaitTimeoutError } from "../base/errors.ts";
import { wait } from "../platform/clock.ts";
import { isConcurrent, runWith } from "../platform/run_context.ts";
import type { BodySession, Scope } from "../workflow/body_session.ts";
import type { Key } from "../workflow/journal.ts";
import { here } from "./_here.ts";

/** What {@linkcode race} gives of an object: the name of the branch that came first, and what it gave. */
export type RaceWinner<T extends RaceBranches> = {
  readonly [K in keyof T]: { readonly winner: K; readonly value: Awaited<ReturnType<T[K]>> };
}[keyof T];

/** Branches by name. */
export type RaceBranches = Readonly<Record<string, () => unknown>>;

/**
 * Runs branches at the same time and gives the first to finish; a branch that fails first fails the race. What the others still
 * wait for is given up: their tasks' signals are aborted, their pending calls reject with `CancelledError`, and they can make no
 * further ones.
 *
 * On the engine and at the edge the first is the one whose outcome was recorded first. On a cluster, where the parent wakes only
 * when all its jobs have ended, all branches end, and the winner is the one that was done earliest by the server's times,
 * recorded in a `__windkit/` record; branches there may call tasks and steps only (anything else is an error at the call).
 * `Promise.race` gives up nothing, and on a cluster gives the first in the order of the array.
 *
 * @param branches functions, by name or in an array
 * @returns `winner` (the name, or the index) and its `value`
 * @throws TypeError when there is no branch, or one is no function
 *
 * @example
 * ```ts
 * import { race, sleep, step } from "@windkit/windmill-client/workflow";
 *
 * const first = await race({
 *   answer: () => step("ask", () => 42),
 *   late: () => sleep(0.05),
 * });
 * if (first.winner !== "answer" || first.value !== 42) throw new Error("the timer was faster");
 * ```
 */
export function race<T extends RaceBranches>(branches: T): Promise<RaceWinner<T>>;
/** The same for an array: `winner` is the index. */
export function race<T extends readonly (() => unknown)[]>(
  branches: readonly [...T],
): Promise<{ readonly winner: number; readonly value: Awaited<ReturnType<T[number]>> }>;
export async function race(
  branches: RaceBranches | readonly (() => unknown)[],
): Promise<{ readonly winner: number | string; readonly value: unknown }> {
  const entries: readonly (readonly [number | string, () => unknown])[] = Array.isArray(branches)
    ? (branches as readonly (() => unknown)[]).map((fn, i) => [i, fn] as const)
    : Object.entries(branches as RaceBranches);
  if (entries.length === 0) throw new TypeError("Cannot run race(): expected at least one branch, found none");
  for (const [name, fn] of entries) {
    if (typeof fn === "function") continue;
    throw new TypeError(
      `Cannot run race(): branch "${name}" must be a function that makes the calls, found ${typeof fn}`,
    );
  }
  // Before any `await`: the scope is that of the code that calls.
  const session = here("race");
  if (session instanceof Promise) return await session;
  if (session === undefined) {
    return await Promise.race(entries.map(async ([winner, fn]) => ({ winner, value: await fn() })));
  }
  needContext("race");
  const outer = session.scope;
  const overlap = session.can.has("firstOf");
  const scopes = entries.map(() => session.openScope(outer, !overlap));
  const running = entries.map(([winner, fn], i) =>
    runWith({ session, scope: scopes[i] }, async () => ({ winner, value: await fn() }), true)
  );
  if (!overlap) return await earliest(session, running, scopes, outer);
  let first = 0;
  try {
    return await Promise.race(
      running.map((branch, i) => {
        const note = (): void => void (first = i);
        return branch.then((won) => (note(), won), (error) => {
          note();
          throw error;
        });
      }),
    );
  } finally {
    const error = new CancelledError("Another branch of the race came first");
    for (const [i, scope] of scopes.entries()) if (i !== first) session.stopScope(scope, "race", error);
  }
}

/** A host that wakes the body when all jobs have ended: the earliest by their times. */
async function earliest<T>(
  session: BodySession,
  running: readonly Promise<T>[],
  scopes: readonly Scope[],
  outer: Scope | undefined,
): Promise<T> {
  await Promise.allSettled(running);
  const keys = scopes.flatMap((scope) => scope.keys);
  const times = session.peekMarker("race") === undefined ? await session.endedAt(keys) : undefined;
  const first = session.marker("race", () => {
    const ends = scopes.map((scope) =>
      Math.max(-Infinity, ...scope.keys.map((key: Key) => times?.get(key) ?? Infinity))
    );
    return ends.indexOf(Math.min(...ends));
  });
  // For a race around this one: it ends when its winner does.
  outer?.keys.push(...scopes[first as number]?.keys ?? []);
  return await (running[first as number] as Promise<T>);
}

/** What {@linkcode withTimeout} takes beside time and function. */
export interface TimeoutOptions<V> {
  /** Given instead of an error when the time is over. */
  readonly onTimeout: V;
}

/**
 * Runs a function of the body with a bound on its time. When it is over, what the function still waits for is given up as in
 * {@linkcode race}.
 *
 * Engine and edge only: on a cluster tasks and sleeps do not overlap. There, give tasks and approvals their own `timeout`.
 *
 * @param seconds how long it may take; fractions count
 * @param fn makes the calls
 * @returns what `fn` gives, or `onTimeout`
 * @throws WaitTimeoutError when the time is over and there is no `onTimeout`; HostUnsupportedError on a cluster
 *
 * @example
 * ```ts
 * import { step, withTimeout } from "@windkit/windmill-client/workflow";
 *
 * const answer = await withTimeout(5, () => step("ask", () => 42), { onTimeout: undefined });
 * if (answer !== 42) throw new Error("no answer");
 * ```
 */
export function withTimeout<R>(seconds: number, fn: () => R): Promise<Awaited<R>>;
/** The same with a value instead of an error. */
export function withTimeout<R, V>(seconds: number, fn: () => R, options: TimeoutOptions<V>): Promise<Awaited<R> | V>;
export async function withTimeout(
  seconds: number,
  fn: () => unknown,
  options?: TimeoutOptions<unknown>,
): Promise<unknown> {
  if (!(typeof seconds === "number" && seconds >= 0 && seconds < Infinity)) {
    throw new RangeError(
      `Cannot run withTimeout(): 'seconds' must be a finite number of 0 or more, found ${String(seconds)}`,
    );
  }
  if (typeof fn !== "function") {
    throw new TypeError(`Cannot run withTimeout(): expected a function that makes the calls, found ${typeof fn}`);
  }
  const ms = Math.round(seconds * 1000);
  const timedOut = (): unknown => {
    if (options !== undefined && "onTimeout" in options) return options.onTimeout;
    throw new WaitTimeoutError(`The time of ${seconds} s was over`);
  };
  const session = here("withTimeout");
  if (session instanceof Promise) return await session;
  if (session === undefined) {
    const over = Symbol("over");
    const first = await Promise.race([fn(), wait(ms).then(() => over)]);
    return first === over ? timedOut() : first;
  }
  if (!session.can.has("firstOf")) {
    throw new HostUnsupportedError(
      `Cannot call withTimeout() on ${session.hostName}: tasks and sleeps do not overlap there. ` +
        `Give the task, or the approval, a 'timeout' of its own`,
    );
  }
  needContext("withTimeout");
  const outer = session.scope;
  const scope = session.openScope(outer);
  const timer = session.openScope(outer);
  const work = runWith({ session, scope }, async () => ({ value: await fn() }), true);
  session.scope = timer;
  const over = session.sleep({ ms }, "timeout");
  try {
    const done = await Promise.race([work, over]);
    if (done !== undefined) return done.value;
    session.stopScope(scope, "timeout", new CancelledError(`The time of ${seconds} s was over`));
    return timedOut();
  } finally {
    session.stopScope(timer, "race", new CancelledError("What it bounded has ended"));
  }
}

/** Scopes are found as runs are: across `await`. */
export function needContext(what: string): void {
  if (isConcurrent()) return;
  throw new HostUnsupportedError(
    `Cannot call ${what}() where the runtime has no AsyncLocalStorage: its branches could not be told apart. ` +
      `On Cloudflare, set the compatibility flag nodejs_compat`,
  );
}
