/**
 * How each kind of call is made: its key, what is recorded of it, what is compared on replay, and what its promise gives.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { HostUnsupportedError } from "../base/errors.ts";
import type {
  ApprovalSpec,
  BodySession,
  ChildSpec,
  EventOutcome,
  EventSpec,
  Scope,
  StepSpec,
  TaskSpec,
  UndoSpec,
} from "./body_session.ts";
import { CallPromise } from "./call_promise.ts";
import type { Call, Encoded, Failure, Fingerprint, Key, Outcome, RetryPolicy } from "./journal.ts";
import { givenArguments } from "./parameters.ts";
import { type Asked, type Pending, pendingOf } from "./pending_call.ts";
import { backoffSeconds } from "./retry.ts";
import type { Undo } from "./undos.ts";
import type { Fallible } from "./unseen_failures.ts";

/** The session, as a call sees it that is being made. */
export interface Caller extends Pick<BodySession, "scope" | "hostName"> {
  /** True when nothing may be called now; the call's promise fails where somebody waits for it. */
  refuses(promise: Fallible): boolean;
  draw(name: string): Key;
  /** Next key of a name that is made of another key. */
  drawPart(name: string): Key;
  /** Takes a key that the body chose. False when it is used already. */
  claim(key: Key): boolean;
  fingerprint(kind: Call["kind"], name: string, args: string, fn?: (...args: never[]) => unknown): Fingerprint;
  ask(call: Pending): void;
  /** The call has failed. `unawaited`: what that does to the run when nobody looks at it. */
  reject(promise: Fallible, failure: Failure, unawaited: "fail" | "ignore" | undefined): void;
  /** The call has succeeded, and has an undo, which is called with `args`. */
  undoable(of: Key, scope: Scope | undefined, undo: UndoSpec, args: () => unknown[]): void;
  /** What failed in this scope is not repeated. */
  isOver(scope: Scope | undefined): boolean;
  /** Id of the run of the next call, when that is a child. */
  childId(): string;
}

export function callTask(caller: Caller, spec: TaskSpec, args: readonly unknown[]): Promise<unknown> {
  const promise = new CallPromise<unknown>();
  const { name, via, script, options, retry, fn, unawaited, undo } = spec;
  const encoded = encodeFor(caller, promise, () => via === "inline" ? givenArguments(args) : argumentObject(args));
  if (encoded === undefined) return promise;
  const base = caller.draw(name);
  const fp = caller.fingerprint("task", name, encoded === "[]" ? "" : encoded, fn);
  const closure = fn === undefined ? undefined : (): unknown => fn(...decode(encoded) as never[]);
  const { scope } = caller;
  repeat(caller, {
    base,
    retry,
    scope,
    attempt: (key, attempt, settle) => ({
      key,
      call: {
        kind: "task",
        name,
        via,
        ...(script === undefined ? undefined : { script }),
        args: encoded,
        options,
        ...(retry === undefined ? undefined : { retry }),
        ...(undo === undefined ? undefined : { undoable: true }),
        base,
        attempt,
      },
      fp,
      scope,
      closure,
      fn,
      settle,
    }),
    done: (outcome) => {
      if (!outcome.ok) return caller.reject(promise, outcome.failure, unawaited);
      if (undo !== undefined) {
        const passed = (): unknown[] => {
          const all: unknown = decode(encoded);
          return Array.isArray(all) ? all : [all];
        };
        caller.undoable(base, scope, undo, () => [decode(outcome.value), ...passed()]);
      }
      promise.settle(decode(outcome.value));
    },
  });
  return promise;
}

export function callStep(caller: Caller, spec: StepSpec): Promise<unknown> {
  const promise = new CallPromise<unknown>();
  if (caller.refuses(promise)) return promise;
  const { name, fn, retry, undo } = spec;
  const base = caller.draw(name);
  const fp = caller.fingerprint("step", name, "", fn);
  const { scope } = caller;
  // Most steps are not repeated: they do without the closures of those that are.
  if (retry === undefined) {
    const call: Call = undo === undefined
      ? { kind: "step", name, base, attempt: 1 }
      : { kind: "step", name, undoable: true, base, attempt: 1 };
    askStep(caller, base, call, fp, fn, (outcome) => stepDone(caller, outcome, spec, base, scope, promise));
    return promise;
  }
  repeat(caller, {
    base,
    retry,
    scope,
    attempt: (key, attempt, settle) => ({
      key,
      call: { kind: "step", name, retry, ...(undo === undefined ? undefined : { undoable: true }), base, attempt },
      fp,
      scope,
      closure: fn,
      fn,
      settle,
    }),
    done: (outcome) => stepDone(caller, outcome, spec, base, scope, promise),
  });
  return promise;
}

/** `settle` is an argument, and so has no name: a bundler that keeps names would set it anew for each step, at 2 µs. */
function askStep(
  caller: Caller,
  key: Key,
  call: Call,
  fp: Fingerprint,
  fn: StepSpec["fn"],
  settle: (outcome: Outcome) => void,
): void {
  caller.ask({ n: 0, key, call, fp, scope: caller.scope, closure: fn, fn, check: undefined, undoing: false, settle });
}

function stepDone(
  caller: Caller,
  outcome: Outcome,
  { undo, unawaited }: StepSpec,
  base: Key,
  scope: Scope | undefined,
  promise: CallPromise<unknown>,
): void {
  if (!outcome.ok) return caller.reject(promise, outcome.failure, unawaited);
  if (undo !== undefined) caller.undoable(base, scope, undo, () => [decode(outcome.value)]);
  promise.settle(decode(outcome.value));
}

export function callSleep(
  caller: Caller,
  time: { readonly ms: number } | { readonly until: number },
  name: string,
): Promise<void> {
  const promise = new CallPromise<void>();
  if (refusesWait(caller, "sleep", promise)) return promise;
  ask(caller, {
    key: caller.draw(name),
    call: { kind: "sleep", ...time },
    fp: caller.fingerprint("sleep", name, "ms" in time ? `${time.ms}` : `until ${time.until}`),
    scope: caller.scope,
    settle: (outcome) => outcome.ok ? promise.settle() : caller.reject(promise, outcome.failure, "ignore"),
  });
  return promise;
}

export function callApproval(caller: Caller, spec: ApprovalSpec): Promise<unknown> {
  const promise = new CallPromise<unknown>();
  const { key: chosen, timeoutMs, form, options, check } = spec;
  if (refusesWait(caller, "waitForApproval", promise)) return promise;
  // The form of a schema is not compared: another version of its library may describe it in other words, and an answer that does
  // not fit a changed schema says so itself.
  const compared = check === undefined ? form : undefined;
  const described = encodeFor(caller, promise, () => ({ timeoutMs, form: compared, options }));
  if (described === undefined) return promise;
  if (chosen !== undefined && !caller.claim(chosen)) {
    promise.fail(
      new Error(`WAC step key "${chosen}" is already used in this workflow: give each approval a key of its own`),
    );
    return promise;
  }
  ask(caller, {
    key: chosen ?? caller.draw("approval"),
    call: {
      kind: "approval",
      timeoutMs,
      ...(form === undefined ? undefined : { form }),
      ...(check === undefined ? undefined : { typed: true }),
      ...(options === undefined ? undefined : { options }),
    },
    fp: caller.fingerprint("approval", "approval", described),
    scope: caller.scope,
    check,
    settle: (outcome) =>
      outcome.ok ? promise.settle(decode(outcome.value)) : caller.reject(promise, outcome.failure, "ignore"),
  });
  return promise;
}

export function callEvent(caller: Caller, spec: EventSpec): Promise<EventOutcome> {
  const promise = new CallPromise<EventOutcome>();
  if (refusesWait(caller, "waitForEvent", promise)) return promise;
  const { name, timeoutMs, check } = spec;
  ask(caller, {
    key: caller.draw(name),
    call: { kind: "event", name, ...(timeoutMs === undefined ? undefined : { timeoutMs }) },
    fp: caller.fingerprint("event", name, timeoutMs === undefined ? "" : `${timeoutMs}`),
    scope: caller.scope,
    check,
    settle: (outcome) =>
      outcome.ok
        ? promise.settle(decode(outcome.value) as EventOutcome)
        : caller.reject(promise, outcome.failure, "ignore"),
  });
  return promise;
}

export function callChild(caller: Caller, spec: ChildSpec, args: unknown): Promise<unknown> {
  const promise = new CallPromise<unknown>();
  const encoded = encodeFor(caller, promise, () => args);
  if (encoded === undefined) return promise;
  const { workflow, runId = caller.childId() } = spec;
  const name = workflow.split("/").at(-1) || "child";
  ask(caller, {
    key: caller.draw(name),
    call: { kind: "child", workflow, args: encoded, runId },
    fp: caller.fingerprint("child", name, encoded),
    scope: caller.scope,
    settle: (outcome) =>
      outcome.ok ? promise.settle(decode(outcome.value)) : caller.reject(promise, outcome.failure, "fail"),
  });
  return promise;
}

export function callUndo(caller: Caller, { of, retry, run, fn }: Undo, done: (outcome: Outcome) => void): void {
  const base = caller.draw(`${of}#undo`);
  const fp = caller.fingerprint("undo", `${of}#undo`, "", fn);
  repeat(caller, {
    base,
    retry,
    scope: undefined,
    undoing: true,
    attempt: (key, attempt, settle) => ({
      key,
      call: { kind: "undo", of, ...(retry === undefined ? undefined : { retry }), base, attempt },
      fp,
      scope: undefined,
      closure: run,
      fn,
      undoing: true,
      settle,
    }),
    done,
  });
}

/** A call that may be repeated: how each attempt is asked for, and what the last one does. */
interface Repeated {
  readonly base: Key;
  readonly retry: RetryPolicy | undefined;
  readonly scope: Scope | undefined;
  readonly undoing?: boolean | undefined;
  readonly attempt: (key: Key, attempt: number, settle: (outcome: Outcome) => void) => Asked;
  readonly done: (outcome: Outcome) => void;
}

/** Asks for the first attempt, and for the next one whenever one has failed that may be repeated. */
function repeat(caller: Caller, { base, retry, scope, undoing, attempt, done }: Repeated): void {
  const repeats = retry?.attempts ?? 0;
  const backoffs: Key[] = [];
  const attempts: Key[] = [base];
  for (let i = 0; i < repeats; i++) {
    backoffs.push(caller.drawPart(`${base}#retry${i + 2}`));
    attempts.push(caller.drawPart(`${base}#${i + 2}`));
  }
  const start = (index: number): void =>
    ask(
      caller,
      attempt(attempts[index] as Key, index + 1, (outcome) => {
        if (outcome.ok || index >= repeats || retry === undefined) return done(outcome);
        if (caller.isOver(scope) && undoing !== true) return done(outcome);
        const { retryable, retryAfterMs = 0 } = outcome.failure;
        if (retryable === false) return done(outcome);
        // A cluster sleeps whole seconds, and so does everybody.
        const seconds = Math.max(backoffSeconds(retry, index), Math.ceil(retryAfterMs / 1000));
        if (seconds < 1) return start(index + 1);
        ask(caller, {
          key: backoffs[index] as Key,
          call: { kind: "sleep", ms: seconds * 1000, backoffOf: base },
          fp: caller.fingerprint("sleep", "sleep", `${seconds * 1000}`),
          scope,
          undoing,
          settle: (slept) => slept.ok ? start(index + 1) : done(slept),
        });
      }),
    );
  start(0);
}

function ask(caller: Caller, asked: Asked): void {
  caller.ask(pendingOf(asked));
}

/** Canonical text of arguments; undefined when the call was refused and its promise failed. */
function encodeFor(caller: Caller, promise: Fallible, value: () => unknown): Encoded | undefined {
  if (caller.refuses(promise)) return undefined;
  try {
    return encode(value());
  } catch (error) {
    promise.fail(error as Error);
    return undefined;
  }
}

/** A wait, which some branches cannot have on some hosts. */
function refusesWait(caller: Caller, what: string, promise: Fallible): boolean {
  if (caller.refuses(promise)) return true;
  if (caller.scope?.tasksOnly !== true) return false;
  promise.fail(
    new HostUnsupportedError(
      `Cannot call ${what} in a branch of race() on ${caller.hostName}: the body wakes there only when all jobs have ended. ` +
        `Call tasks and steps only, and give a task a 'timeout' of its own`,
    ),
  );
  return true;
}

/** One object is the arguments by name; anything else is `arg0`, `arg1`, ... (wac-protocol 6.4). */
function argumentObject(args: readonly unknown[]): unknown {
  const [only] = args;
  if (args.length === 1 && typeof only === "object" && only !== null && !Array.isArray(only)) return only;
  return Object.fromEntries(args.map((value, i) => [`arg${i}`, value]));
}
