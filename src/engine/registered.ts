/**
 * The workflows that an engine can run, by name.
 *
 * @module
 */
import { UnknownWorkflowError } from "../base/errors.ts";
import { bodyOf } from "../workflow/definition.ts";
import type { Json } from "../workflow/journal.ts";
import type { EngineOptions, WorkflowFunction } from "./api.ts";
import { checkArguments } from "./run_header.ts";

/** Workflows of one engine. */
export class Registered {
  readonly #workflows: EngineOptions["workflows"];

  constructor(workflows: EngineOptions["workflows"]) {
    this.#workflows = workflows;
  }

  has(workflow: string): boolean {
    return Object.hasOwn(this.#workflows, workflow);
  }

  /** Body of a workflow that is registered. */
  body(workflow: string): WorkflowFunction {
    return bodyOf(this.#workflows[workflow] as WorkflowFunction);
  }

  /**
   * Checks that a run can be started.
   *
   * @param args its arguments, unless they are known to fit
   * @throws UnknownWorkflowError, TypeError
   */
  check(workflow: string, args?: Json): void {
    if (this.has(workflow)) {
      if (args !== undefined) checkArguments(workflow, this.body(workflow), args);
      return;
    }
    const known = Object.keys(this.#workflows);
    throw new UnknownWorkflowError(
      `Cannot start workflow "${workflow}": it is not registered. Registered: ${
        known.map((k) => `"${k}"`).join(", ") || "none"
      }`,
    );
  }
}
