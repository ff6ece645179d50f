/**
 * A script that cannot be run as it is written.
 *
 * @module
 */

/** What is wrong with a script before it runs. Its message is shown to the script's author. */
export class ScriptError extends Error {
  /** Name of the error in the job's result. */
  override readonly name: string = "ImportError";
}
