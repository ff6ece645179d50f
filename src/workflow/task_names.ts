/**
 * Names for tasks that are arrow functions. The Windmill worker writes the variable's name into the call
 * (wac-protocol 1.4), so a task declared as `const load = task(async () => ...)` has the key `load` there; the command line
 * does the same to what it loads, so the keys are the same here.
 *
 * @module
 */

/** A declaration whose `task` call begins with an unnamed async function; the name goes before `async`. */
const DECLARATION = /\b(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*=\s*task\s*(?:<[^>]*>)?\s*\(\s*(?=async\b)/g;

/** A name that is written into a text. */
export interface WrittenName {
  readonly name: string;
  /** Where it is written: before the `async` of the task's function. */
  readonly at: number;
}

/**
 * Finds the names that the worker writes in. It goes by the text alone: any function called `task` counts, in comments too.
 *
 * @param source text of the workflow file
 * @returns names in the order of the text
 */
export function writtenNames(source: string): readonly WrittenName[] {
  return [...source.matchAll(DECLARATION)].map(({ 0: found, 1: name = "", index }) => ({
    name,
    at: index + found.length,
  }));
}

/**
 * Writes each task's name into its declaration. Nothing but columns of the changed lines moves.
 *
 * @param source text of the workflow file
 * @returns the text to run; `source` itself when there is nothing to name
 */
export function nameTasks(source: string): string {
  return source.replace(DECLARATION, (found, name: string) => `${found}${JSON.stringify(name)}, `);
}
