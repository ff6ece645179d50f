/**
 * `Date` and `Math.random` as the code of a run sees them while schedules are explored: the run's own clock, and numbers that the
 * seed decides. Code outside of a run sees the machine's.
 *
 * @module
 */

/** Time and randomness of the code that runs now. */
export interface Ambient {
  /** Milliseconds since 1970. */
  now(): number;
  /** As `Math.random`. */
  random(): number;
}

interface Installed {
  readonly current: () => Ambient | undefined;
  readonly date: DateConstructor;
  readonly random: () => number;
  users: number;
}

/** Replaces both until the last user is done. */
export function useAmbient(current: () => Ambient | undefined): Disposable {
  const globals = globalThis as { Date: DateConstructor; [INSTALLED]?: Installed | undefined };
  const installed = globals[INSTALLED] ??= install(current);
  installed.users++;
  return {
    [Symbol.dispose](): void {
      if (--installed.users > 0) return;
      globals.Date = installed.date;
      Math.random = installed.random;
      globals[INSTALLED] = undefined;
    },
  };
}

const INSTALLED: unique symbol = Symbol.for("windkit.testing_ambient.1") as typeof INSTALLED;

function install(current: () => Ambient | undefined): Installed {
  const { Date: date } = globalThis;
  const { random } = Math;
  const now = (): number => current()?.now() ?? date.now();
  const virtual: DateConstructor = new Proxy(date, {
    get: (target, name) => name === "now" ? now : Reflect.get(target, name, target),
    apply: () => new date(now()).toString(),
    construct: (target, args, made) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, made === virtual ? target : made) as object,
  });
  globalThis.Date = virtual;
  Math.random = () => current()?.random() ?? random();
  return { current, date, random, users: 0 };
}
