/**
 * Counts for people.
 *
 * @module
 */

/**
 * A count with its noun.
 *
 * @param count how many
 * @param one the word for one
 * @param many the word for several, or none
 * @returns as in `1 run` or `2 runs`
 */
export function countText(count: number, one: string, many: string = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
