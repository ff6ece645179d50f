/**
 * Functions from a request to a response that call Windmill: for Workers, Deno, Node and whatever else speaks `Request` and
 * `Response`. `docs/handlers.md` tells of each.
 *
 * @module
 */
export type { HandlerErrorBody, HandlerErrorName } from "./_answer.ts";
export type { ErrorReport } from "./_answer.ts";
export { approval, type ApprovalOptions } from "./approval.ts";
export { approvalLink } from "./approval_link.ts";
export type { Bindings, Connection, Handler, HandlerContext } from "./handler.ts";
export type { InputOptions, InputSource } from "./input.ts";
export { observeHandler, type ObserveHandlerOptions, openTelemetryHandler } from "./observe.ts";
export { runFlow, type RunHandlerOptions, runScript, type StartSettings } from "./run.ts";
export { s3Proxy, type S3ProxyOptions } from "./s3_proxy.ts";
export type { AddressRules } from "./s3_proxy_address.ts";
export type { HeaderRules } from "./s3_proxy_headers.ts";
export {
  type Authorize,
  type FollowJobOptions,
  type StartStreamOptions,
  streamJob,
  type StreamJobOptions,
  type StreamSettings,
} from "./stream_job.ts";
export { webhook } from "./webhook.ts";
export type {
  WebhookBaseOptions,
  WebhookCall,
  WebhookHandleOptions,
  WebhookOptions,
  WebhookRunOptions,
  WebhookSecret,
  WebhookTarget,
} from "./webhook.ts";
export { github, isSigned, slack, standardWebhooks, stripe, WebhookRejectedError } from "./webhook_schemes.ts";
export type {
  GitHubOptions,
  StandardWebhooksOptions,
  ToleranceOptions,
  WebhookDelivery,
  WebhookProblem,
  WebhookProof,
  WebhookScheme,
} from "./webhook_schemes.ts";
export { createReplayWindow } from "./webhook_window.ts";
export type { ReplayWindow, ReplayWindowOptions } from "./webhook_window.ts";
