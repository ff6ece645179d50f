/**
 * Handlers of requests: functions from a `Request` to a `Response`, for servers and edge functions of every kind.
 *
 * @module
 */
export { approval, type ApprovalOptions } from "./approval.ts";
export { approvalLink } from "./approval_link.ts";
export type { Connection, Handler, HandlerContext } from "./handler.ts";
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
