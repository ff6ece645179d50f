/**
 * Approvals under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type { CallOptions } from "../../http/transport.ts";
import type { ResumeUrls } from "../../wire/approvals.ts";
import {
  askInSlack,
  askInTeams,
  readApprovalAddresses,
  readResumeAddresses,
  type SlackApproval,
  type TeamsApproval,
} from "../approvals.ts";
import { defaultClient } from "../default_client.ts";

/**
 * Reads the addresses that resume the flow after the current step. Their number is drawn by the machine's cryptography; the
 * official client's is `Math.random`'s, and it sends `NO_JOB_ID` outside a job.
 *
 * @param approver who decides
 * @param flowLevel true signs for the flow instead of its step: any later step that waits takes the approval
 */
export function getResumeUrls(approver?: string, flowLevel?: boolean, options?: CallOptions): Promise<ResumeUrls> {
  return readResumeAddresses(defaultClient(), {
    ...options,
    ...(approver === undefined ? {} : { approver }),
    ...(flowLevel === undefined ? {} : { flowLevel }),
  });
}

/**
 * Reads the addresses that resume the flow after the current step.
 *
 * @param approver who decides
 * @deprecated Use {@linkcode getResumeUrls} instead.
 */
export function getResumeEndpoints(approver?: string): Promise<ResumeUrls> {
  return getResumeUrls(approver);
}

/**
 * Reads the addresses of one `waitForApproval` of a workflow: the same on every replay. Servers before 1.771.0 have none, and
 * the error says so.
 *
 * @param stepKey the `key` of that `waitForApproval`
 * @param approver who decides
 */
export function getApprovalUrls(
  stepKey: string = "approval",
  approver?: string,
  options?: CallOptions,
): Promise<ResumeUrls> {
  return readApprovalAddresses(defaultClient(), stepKey, {
    ...options,
    ...(approver === undefined ? {} : { approver }),
  });
}

/**
 * Posts a request for an approval to a Slack channel, from a step of a flow. It is made once: although it is a GET, it is not
 * repeated after a failure that passes. Arguments and choices travel in the address, which proxies limit to some thousand
 * characters.
 *
 * @param approval where to, and what it says
 */
export function requestInteractiveSlackApproval(approval: SlackApproval, options?: CallOptions): Promise<void> {
  return askInSlack(defaultClient(), approval, options);
}

/**
 * Posts a request for an approval to a Teams channel, from a step of a flow (enterprise servers only). It is made once, as that
 * of {@linkcode requestInteractiveSlackApproval}. The official client cannot set the texts of the buttons.
 *
 * @param approval where to, and what it says
 */
export function requestInteractiveTeamsApproval(approval: TeamsApproval, options?: CallOptions): Promise<void> {
  return askInTeams(defaultClient(), approval, options);
}
