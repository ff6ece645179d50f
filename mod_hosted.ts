/**
 * The root with the cluster's host: what Node and Bun get under the package's name, and so the Windmill worker.
 *
 * @module
 */
export * from "./mod.ts";
export { task, workflow } from "./src/cluster/hosted_calls.ts";
export { hosted as default } from "./src/compat/hosted_default.ts";
