/**
 * Which run the running code belongs to, kept across `await`: AsyncLocalStorage where the runtime has it (Deno, Node 20.16 or
 * newer, Bun, workerd with `nodejs_compat`), obtained when a workflow first runs, never at import (in Deno, touching `process`
 * at all costs 15 ms). Without it there is one slot, and one run at a time.
 *
 * The holder lives on `globalThis` under a registered symbol, so that two copies of this package in one process (a workflow
 * file's and the command line's) find the same run.
 *
 * @module
 */

interface AsyncLocalStorage<T> {
  run<R>(store: T, fn: () => R): R;
  getStore(): T | undefined;
}

type AsyncLocalStorageClass = new <T>() => AsyncLocalStorage<T>;

interface Holder {
  storage?: AsyncLocalStorage<unknown> | undefined;
  looked?: boolean;
  slot?: unknown;
}

const HOLDER = Symbol.for("windkit.run_context.1");

function holder(): Holder {
  const globals = globalThis as { [HOLDER]?: Holder };
  return globals[HOLDER] ??= {};
}

function storage(): AsyncLocalStorage<unknown> | undefined {
  const h = holder();
  if (h.looked !== true) {
    h.looked = true;
    const { process } = globalThis as {
      process?: { getBuiltinModule?: (name: string) => { AsyncLocalStorage?: AsyncLocalStorageClass } | undefined };
    };
    const Class = process?.getBuiltinModule?.("node:async_hooks")?.AsyncLocalStorage;
    if (Class !== undefined) h.storage = new Class();
  }
  return h.storage;
}

/** True when many runs can be told apart in one process. */
export function isConcurrent(): boolean {
  return storage() !== undefined;
}

/**
 * Runs `fn` with `value` as the current run, for itself and for whatever it starts.
 *
 * @param value the run
 * @param fn what belongs to it
 * @param inner true for the body of a task or step, which runs within a run
 */
export function runWith<T>(value: unknown, fn: () => T, inner = false): T {
  const als = storage();
  if (als !== undefined) return als.run(value, fn);
  // One slot. A run's body leaves it set, because the code after an `await` of the body must find it too: the driver clears it
  // at the end. The body of a task gives it back, for the run goes on while the task waits.
  const h = holder();
  const before = h.slot;
  h.slot = value;
  try {
    return fn();
  } finally {
    if (inner) h.slot = before;
  }
}

/** The current run, or undefined. Looks nothing up when no workflow has run yet. */
export function currentRun(): unknown {
  const h = holder();
  return h.storage === undefined ? h.slot : h.storage.getStore();
}

/** Without asynchronous context: the slot's run has ended. */
export function clearSlot(): void {
  const h = holder();
  if (h.storage === undefined) h.slot = undefined;
}

/** For an entry that imports the class statically (workerd with `nodejs_als`). */
export function useAsyncLocalStorage(Class: AsyncLocalStorageClass): void {
  const h = holder();
  h.looked = true;
  h.storage ??= new Class();
}
