/**
 * The root's default export with the cluster's host.
 *
 * @module
 */
import { task, workflow } from "../cluster/hosted_calls.ts";
import { type DefaultExport, wmill } from "./default_export.ts";

/** Everything that the root exports by name. */
export const hosted: DefaultExport = /* @__PURE__ */ Object.assign(/* @__PURE__ */ Object.create(null), wmill, {
  task,
  workflow,
});
