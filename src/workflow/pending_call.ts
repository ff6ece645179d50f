/**
 * A call of a body that has not settled, and the scope it was made in: a branch of a race, a saga.
 *
 * @module
 */
import type { Scope } from "./body_session.ts";
import type { Call, Fingerprint, Json, Key, Outcome } from "./journal.ts";

/** A call that has not settled. Optional fields are there in all, so that all have one shape: a step costs less so. */
export interface Pending {
  /** Number of the call, from 1. Set when it is added. */
  n: number;
  readonly key: Key;
  readonly call: Call;
  readonly fp: Fingerprint;
  readonly scope: Scope | undefined;
  /** What runs in this process. */
  readonly closure: (() => unknown) | undefined;
  /** The function that the user wrote: its source is compared, and has the names of a task's arguments. */
  readonly fn: ((...args: never[]) => unknown) | undefined;
  readonly check: ((value: Json) => Promise<string | undefined>) | undefined;
  /** Part of an undo: asked for, and waited for, whatever has become of the run. */
  readonly undoing: boolean;
  readonly settle: (outcome: Outcome) => void;
}

/** What a call is made of, as its kind gives it. */
export interface Asked {
  readonly key: Key;
  readonly call: Call;
  readonly fp: Fingerprint;
  readonly scope: Scope | undefined;
  readonly closure?: (() => unknown) | undefined;
  readonly fn?: ((...args: never[]) => unknown) | undefined;
  readonly check?: ((value: Json) => Promise<string | undefined>) | undefined;
  readonly undoing?: boolean | undefined;
  readonly settle: (outcome: Outcome) => void;
}

/** The call, in the one shape that all have. */
export function pendingOf({ key, call, fp, scope, closure, fn, check, undoing = false, settle }: Asked): Pending {
  return { n: 0, key, call, fp, scope, closure, fn, check, undoing, settle };
}

/** Whether a call acts on the world: what has begun is waited for, so that its outcome is recorded. */
export function acts({ kind }: Call): boolean {
  return kind === "task" || kind === "step" || kind === "undo";
}

/** Whether a call's effect can be taken back. */
export function isUndoable(call: Call): boolean {
  return "undoable" in call;
}

/** Whether a run that goes on as another one waits for a call: what acts on the world, and the next attempt of it. */
export function isCarriedOut(call: Call): boolean {
  return acts(call) || (call.kind === "sleep" && call.backoffOf !== undefined);
}

/** Whether the end of a run waits for a call. After a failure nothing is begun any more, but to take back what was done. */
export function isAwaitedAtEnd({ call, undoing }: Pending, hasFailed: boolean): boolean {
  if (acts(call)) return true;
  if (call.kind === "child") return !hasFailed;
  return call.kind === "sleep" && call.backoffOf !== undefined && (!hasFailed || undoing);
}

/** A scope in another one. Without `tasksOnly` it is like that one, and its calls count as calls of it. */
export function scopeIn(parent: Scope | undefined, tasksOnly: boolean | undefined): Scope {
  if (tasksOnly !== undefined) return { parent, keys: [], tasksOnly, stopped: undefined };
  return { parent, keys: parent?.keys ?? [], tasksOnly: parent?.tasksOnly ?? false, stopped: undefined };
}

/** Why a scope, or one around it, was stopped. */
export function stoppedBy(scope: Scope | undefined): Error | undefined {
  for (let s = scope; s !== undefined; s = s.parent) if (s.stopped !== undefined) return s.stopped;
  return undefined;
}

/** Whether a scope is another one, or within it. */
export function isWithin(scope: Scope | undefined, outer: Scope): boolean {
  for (let s = scope; s !== undefined; s = s.parent) if (s === outer) return true;
  return false;
}
