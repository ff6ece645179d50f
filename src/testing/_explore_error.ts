/**
 * What {@linkcode explore} throws.
 *
 * @module
 */

/** A schedule that breaks something, as data. */
export interface ExploreFailure {
  /** The seed that found it. */
  readonly seed: number;
  /** The shortest schedule that still fails, for `explore(workflow, { seed, schedule })`; `""` is the plain one. */
  readonly schedule: string;
  /** What broke: the result, the journal, a replay, an invariant, ... */
  readonly kind: string;
  /** What happened, line by line. */
  readonly trace: readonly string[];
}

/** A schedule broke something. Its message says what, by which schedule, and how to run that one again. */
export class ExploreError extends Error {
  /** Name of this class. */
  override readonly name = "ExploreError";
  /** Literal code of this class. */
  readonly code = "EXPLORE_FAILED";
  /** The seed that found it. */
  readonly seed: number;
  /** The shortest schedule that still fails. */
  readonly schedule: string;
  /** What broke. */
  readonly kind: string;
  /** What happened, line by line. */
  readonly trace: readonly string[];

  /** Made by {@linkcode explore}. */
  constructor(message: string, failure: ExploreFailure, options?: ErrorOptions) {
    super(message, options);
    this.seed = failure.seed;
    this.schedule = failure.schedule;
    this.kind = failure.kind;
    this.trace = failure.trace;
  }
}
