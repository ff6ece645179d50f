/**
 * The two functions that find the cluster's host. They have a file of their own: of a module that two entries share and that exports
 * all of another (`export *`), a bundler that splits its output keeps the module's own names alone.
 *
 * @module
 */
import {
  type Task,
  task as plainTask,
  type TaskFunction,
  type UndoableTask,
  type Workflow,
  workflow as plainWorkflow,
} from "./authoring.ts";
import { useClusterHost } from "./cluster_host.ts";
import { loadHost } from "./load_host.ts";

/** `workflow()` of `./workflow`, which finds its host on a cluster. */
export function workflow<F extends TaskFunction>(fn: F): Workflow<F> {
  useClusterHost(loadHost);
  return plainWorkflow(fn);
}

/** `task()` of `./workflow`, which finds its host on a cluster. */
export function task<F extends TaskFunction>(fn: F, options?: UndoableTask<F>): Task<Parameters<F>, ReturnType<F>>;
/** The same with a name (or a script's path) first, as the Windmill worker writes it. */
export function task<F extends TaskFunction>(
  name: string,
  fn: F,
  options?: UndoableTask<F>,
): Task<Parameters<F>, ReturnType<F>>;
export function task(...args: readonly unknown[]): TaskFunction {
  useClusterHost(loadHost);
  // `as` -- the arguments of whichever overload was called
  return (plainTask as (...args: readonly unknown[]) => TaskFunction)(...args);
}
