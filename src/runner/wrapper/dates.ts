/**
 * Arguments that are dates: JSON has none.
 *
 * @module
 */

/** What a parameter that is typed `Date` gets. */
export function dateOf(value: unknown): Date | undefined {
  if (value instanceof Date) return value;
  return value ? new Date(value as string | number) : undefined;
}
