/**
 * Assertions about types: they hold, or the file that uses them does not compile.
 *
 * @module
 */

/** True when the two types are the same, not merely assignable to each other. */
export type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

/** Does not compile unless its argument is true. */
export type Holds<T extends true> = T;

/** Gives the type of a value, for `Holds<Same<...>>`. */
export function expectType<Expected>(): <Found>(
  value: Found,
  ...same: Same<Found, Expected> extends true ? [] : [never]
) => void {
  return () => {};
}
