/**
 * What marks a function as a workflow: `_is_workflow`, which the Windmill worker looks for (wac-protocol 1.4), and the body that
 * an engine runs.
 *
 * @module
 */

/** Where a workflow keeps its body. Registered, so that another copy of this package finds it. */
export const WORKFLOW_BODY: unique symbol = Symbol.for("windkit.workflow_body") as typeof WORKFLOW_BODY;

/** A function that `workflow()` returned. */
// deno-lint-ignore no-explicit-any -- the parameters are the user's
export type Workflow<F extends (...args: any[]) => unknown> = F & {
  /** Read by the Windmill worker. */
  readonly _is_workflow: true;
};

/** The body to run for a workflow, or for a plain function. */
export function bodyOf<F extends (...args: never[]) => unknown>(fn: F): F {
  return (fn as { readonly [WORKFLOW_BODY]?: F })[WORKFLOW_BODY] ?? fn;
}
