/**
 * Workflows in Cloudflare Durable Objects: one object for each run, an index for each namespace.
 *
 * @module
 */
export {
  type ObjectRun,
  type ResultOptions,
  type StartRunOptions,
  type WorkflowRuns,
  workflowRuns,
  type WorkflowRunsOptions,
} from "./client.ts";
export type { IndexedRun, IndexMethods, IndexPage, IndexQuery } from "./index_object.ts";
export {
  createWorkflowObjects,
  type WorkflowIndexObject,
  type WorkflowObjects,
  type WorkflowObjectsOptions,
  type WorkflowRunObject,
} from "./objects.ts";
export type { IndexChange, IndexUpdate } from "./outbox.ts";
export type {
  AsyncLocalStorageClass,
  ObjectBase,
  ObjectNamespace,
  ObjectState,
  ObjectStorage,
  ObjectStub,
} from "./platform.ts";
export type {
  ApproveRequest,
  CancelRequest,
  OutcomeAnswer,
  OutcomeRequest,
  RunMethods,
  RunObjectOptions,
  RunRequest,
  RunStatusAnswer,
  SignalRequest,
  StartRequest,
} from "./run_object.ts";
export type { WireError } from "./wire.ts";
