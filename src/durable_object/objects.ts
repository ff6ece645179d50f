/**
 * The two classes that a Worker exports.
 *
 * @module
 */
import type { RunRow } from "../engine/ports.ts";
import type { PendingApproval } from "../engine/api.ts";
import type { JournalRecord } from "../workflow/journal.ts";
import { createIndexObject, type IndexMethods, type IndexPage, type IndexQuery } from "./index_object.ts";
import { requireRunContext } from "./object_host.ts";
import type { IndexUpdate } from "./outbox.ts";
import type { AsyncLocalStorageClass, ObjectBase, ObjectState } from "./platform.ts";
import {
  type ApproveRequest,
  type CancelRequest,
  createRunObject,
  type OutcomeAnswer,
  type OutcomeRequest,
  type RunMethods,
  type RunObject,
  type RunObjectOptions,
  type RunRequest,
  type RunStatusAnswer,
  type SignalRequest,
  type StartRequest,
} from "./run_object.ts";
import { answer } from "./wire.ts";

/** What runs in the objects, and what of the platform is passed in. */
export interface WorkflowObjectsOptions extends RunObjectOptions {
  /**
   * `DurableObject` of "cloudflare:workers": the classes extend it, which is what lets them be called by RPC. It is not imported here,
   * because nothing but Cloudflare's runtime has it.
   *
   * @default the runtime's, with the flag nodejs_compat; without one the objects answer `fetch` alone
   */
  readonly DurableObject?: ObjectBase;
  /** The class of `node:async_hooks`, where the flag nodejs_als is set, and not nodejs_compat. @default the runtime's */
  readonly AsyncLocalStorage?: AsyncLocalStorageClass;
}

/** An object of one run. */
export interface WorkflowRunObject extends RunMethods {
  /** Answers `POST /<method>` with the method's argument as JSON: `{ value }`, or `{ error }` with a fitting status. */
  fetch(request: Request): Promise<Response>;
  /** Called by the platform. */
  alarm(): Promise<void>;
}

/** The index of a namespace. */
export interface WorkflowIndexObject extends IndexMethods {
  /** Answers `POST /<method>` as a run's object does. */
  fetch(request: Request): Promise<Response>;
}

/** The classes to export from a Worker under these names. */
export interface WorkflowObjects {
  /** Class of the objects of runs. */
  readonly WorkflowRun: new (ctx: ObjectState, env: unknown) => WorkflowRunObject;
  /** Class of the indexes. */
  readonly WorkflowIndex: new (ctx: ObjectState, env: unknown) => WorkflowIndexObject;
}

class Plain {}

/** The platform's class, where it can be had without an import. */
function platformBase(): ObjectBase | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (name: string) => { readonly DurableObject?: ObjectBase } | undefined };
  };
  return process?.getBuiltinModule?.("cloudflare:workers")?.DurableObject;
}

/**
 * Makes the classes of a Worker's Durable Objects that run workflows: one object for each run, and one index for each namespace.
 *
 * @param options the workflows by name, and bounds
 * @returns the classes, to be exported under their names
 * @throws HostUnsupportedError when the runtime has no AsyncLocalStorage: the runs of two objects could not be told apart
 *
 * @example A Worker
 * ```ts
 * import { createWorkflowObjects, workflowRuns, type ObjectNamespace } from "@windkit/windmill-client/durable-object";
 * import { sleep, step, workflow } from "@windkit/windmill-client/workflow";
 *
 * const greet = workflow(async (name: string) => {
 *   await sleep(86_400);
 *   return await step("greeting", () => `Hello ${name}`);
 * });
 *
 * export const { WorkflowRun, WorkflowIndex } = createWorkflowObjects({ workflows: { greet } });
 *
 * const worker = {
 *   async fetch(_request: Request, env: { RUN: ObjectNamespace; INDEX: ObjectNamespace }): Promise<Response> {
 *     const run = await workflowRuns(env.RUN, env.INDEX).start("greet", ["Ada"]);
 *     return Response.json({ started: run.id });
 *   },
 * };
 * export default worker;
 * ```
 */
export function createWorkflowObjects(options: WorkflowObjectsOptions): WorkflowObjects {
  const { DurableObject, AsyncLocalStorage, ...rest } = options;
  requireRunContext(AsyncLocalStorage);
  const Base: ObjectBase = DurableObject ?? platformBase() ?? Plain;

  // deno-lint-ignore windkit/inheritance -- the platform calls by RPC what extends its class, and nothing else
  class WorkflowRun extends Base implements WorkflowRunObject {
    readonly #run: RunObject;

    constructor(ctx: ObjectState, env: unknown) {
      super(ctx, env);
      this.#run = createRunObject(ctx, env, rest);
    }
    fetch(request: Request): Promise<Response> {
      return answer(request, this.#run.methods as never);
    }
    alarm(): Promise<void> {
      return this.#run.alarm();
    }
    start(request: StartRequest): Promise<RunStatusAnswer> {
      return this.#run.methods.start(request);
    }
    status(request: RunRequest): Promise<RunStatusAnswer> {
      return this.#run.methods.status(request);
    }
    outcome(request: OutcomeRequest): Promise<OutcomeAnswer> {
      return this.#run.methods.outcome(request);
    }
    signal(request: SignalRequest): Promise<void> {
      return this.#run.methods.signal(request);
    }
    approve(request: ApproveRequest): Promise<void> {
      return this.#run.methods.approve(request);
    }
    approvals(request: RunRequest): Promise<readonly PendingApproval[]> {
      return this.#run.methods.approvals(request);
    }
    cancel(request: CancelRequest): Promise<void> {
      return this.#run.methods.cancel(request);
    }
    journal(request: RunRequest): Promise<readonly JournalRecord[]> {
      return this.#run.methods.journal(request);
    }
    runs(request?: { readonly limit?: number }): Promise<readonly RunRow[]> {
      return this.#run.methods.runs(request);
    }
    reindex(): Promise<void> {
      return this.#run.methods.reindex();
    }
  }

  // deno-lint-ignore windkit/inheritance -- the platform calls by RPC what extends its class, and nothing else
  class WorkflowIndex extends Base implements WorkflowIndexObject {
    readonly #index: IndexMethods;

    constructor(ctx: ObjectState, env: unknown) {
      super(ctx, env);
      this.#index = createIndexObject(ctx);
    }
    fetch(request: Request): Promise<Response> {
      return answer(request, this.#index as never);
    }
    update(update: IndexUpdate): Promise<void> {
      return this.#index.update(update);
    }
    list(query?: IndexQuery): Promise<IndexPage> {
      return this.#index.list(query);
    }
  }

  return { WorkflowRun, WorkflowIndex };
}
