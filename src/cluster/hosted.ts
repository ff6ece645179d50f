/**
 * `./workflow` with the cluster's host: what Node and Bun get under that name, and so the Windmill worker. A workflow that is made
 * with these functions runs there by rounds; made with the plain ones it cannot.
 *
 * @module
 */
export * from "./authoring.ts";
export { task, workflow } from "./hosted_calls.ts";
