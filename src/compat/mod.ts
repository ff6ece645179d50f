/**
 * Everything that the official client `windmill-client` has, under its names: all of the root, its services, and its
 * configuration. Map the name `windmill-client` to this module, and programs that use it work as they are.
 *
 * @module
 */
export * from "../../mod.ts";
export { default } from "./official_default.ts";
export type { OfficialDefault } from "./official_default.ts";
// What the worker's wrapper imports, where this module takes the official client's place.
export { _workflowCtx, setWorkflowCtx, StepSuspend, WorkflowCtx } from "../cluster/worker_context.ts";
export type { WorkerCheckpoint, WorkerContext } from "../cluster/worker_context.ts";
export { ApiError } from "./api_error.ts";
export type { ApiRequestOptions, ApiResult } from "./api_error.ts";
export { CancelablePromise, CancelError } from "./cancelable.ts";
export type { OnCancel } from "./cancelable.ts";
export { OpenAPI } from "./open_api.ts";
export type { Interceptors, Middleware, OpenAPIConfig, Resolver } from "./open_api.ts";
export * from "./generated/services.gen.ts";
export type { Service, ServiceFunction } from "./services.ts";
export type { Services } from "../wire/generated/services.gen.ts";
export type * from "../wire/generated/schemas.gen.ts";
// The root has other types of these names: here they are what the official client calls so.
export type { Job, Resource, ScriptArgs, WebhookEvent } from "../wire/generated/schemas.gen.ts";
// The official client has a type of its own of this name, too.
export type { S3Object } from "../../mod.ts";
export type { BinaryBody } from "../wire/binary.ts";
