/**
 * A Worker without nodejs_compat: it passes on what it imports.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { DurableObject } from "cloudflare:workers";
import { createWorkflowObjects, type ObjectNamespace, workflowRuns } from "@windkit/windmill-client/durable-object";
import { sleep, step, workflow } from "@windkit/windmill-client/workflow";

const echo = workflow(async (text: string) => {
  await sleep(0.01);
  return await step("echo", () => text);
});

export const { WorkflowRun, WorkflowIndex } = createWorkflowObjects({
  DurableObject,
  AsyncLocalStorage,
  workflows: { echo },
});

interface Env {
  readonly RUN: ObjectNamespace;
  readonly INDEX: ObjectNamespace;
}

export default {
  async fetch(_request: Request, env: Env): Promise<Response> {
    const runs = workflowRuns(env.RUN, env.INDEX);
    const all = ["one", "two", "three"].map(async (text) => await (await runs.start("echo", [text])).result());
    return Response.json(await Promise.all(all));
  },
};
