/**
 * How a round tells the Windmill worker's wrapper what it ends with.
 *
 * @module
 */

/**
 * Ends a round: the wrapper hands `dispatchInfo` to the worker. The workflow's own code never sees it.
 *
 * Its shape is the official client's (wac-protocol 3).
 */
export class StepSuspend extends Error {
  /** Always `"StepSuspend"`: the wrapper looks for it. */
  override readonly name = "StepSuspend";
  /** What the worker is to do. */
  readonly dispatchInfo: Readonly<Record<string, unknown>>;
  /** Builds the error. */
  constructor(dispatchInfo: Readonly<Record<string, unknown>>) {
    super("The workflow waits for a step: this is a message to the Windmill worker, not a failure");
    this.dispatchInfo = dispatchInfo;
  }
}
