/**
 * Approvals: where they are decided, and requests for them in Slack and Teams.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import { encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { randomUint32 } from "../platform/random.ts";
import { readResumeUrls, type ResumeUrls } from "../wire/approvals.ts";
import { readDone } from "../wire/plain.ts";
import { currentJob, jobRoute } from "./_current_job.ts";
import { callSince } from "./_needs_version.ts";
import { type ClientOptions, queryOf, request, variable } from "./connection.ts";

/** Options of reading the addresses of an approval. */
export interface ApprovalUrlOptions extends CallOptions {
  /** Who decides: it is a part of what the addresses are signed for. @default nobody in particular */
  readonly approver?: string;
  /** The job that waits. @default the running one */
  readonly jobId?: string;
}

/** Options of reading the addresses that resume a flow. */
export interface ResumeUrlOptions extends ApprovalUrlOptions {
  /** True signs for the flow instead of its step: any later step that waits takes the approval. @default false */
  readonly flowLevel?: boolean;
}

/** Reads the addresses that resume the flow after the current step. */
export async function readResumeAddresses(
  client: ClientOptions,
  options: ResumeUrlOptions = {},
): Promise<ResumeUrls> {
  const { approver, flowLevel, jobId } = options;
  // The server takes 32 bits without sign, and keeps one decision for each number: two askers must not draw the same.
  const route = `${jobRoute(client, "jobs/resume_urls", currentJob(client, jobId))}/${randomUint32()}`;
  const query = queryOf({ approver, flow_level: flowLevel });
  return readResumeUrls(await request(client, { route, query }, options));
}

/** Reads the addresses of one `waitForApproval` of a workflow, the same on every replay. */
export async function readApprovalAddresses(
  client: ClientOptions,
  key: string = "approval",
  options: ApprovalUrlOptions = {},
): Promise<ResumeUrls> {
  const { approver, jobId } = options;
  if (typeof key !== "string" || key.trim() === "" || /[/\\]/.test(key)) {
    throw new RangeError(`Expected a key without "/" and "\\", not blank, found ${JSON.stringify(key)}`);
  }
  const job = jobRoute(client, "jobs/wac_approval_urls", currentJob(client, jobId));
  const call = { route: `${job}/${encodeSegment(key, "key of an approval")}`, query: queryOf({ approver }) };
  return readResumeUrls(
    await callSince(client, "getApprovalUrls()", "1.771.0", options, () => request(client, call, options)),
  );
}

/** What a request for an approval says in Slack and in Teams. */
export interface ApprovalMessage {
  /** Text above the buttons. @default the server's */
  readonly message?: string;
  /** Who is asked. @default nobody in particular */
  readonly approver?: string;
  /** Values that the fields of the form begin with. */
  readonly defaultArgsJson?: Readonly<Record<string, unknown>>;
  /** Choices of the form's fields, by field. */
  readonly dynamicEnumsJson?: Readonly<Record<string, unknown>>;
  /** Text of the button that goes on. @default the server's */
  readonly resumeButtonText?: string;
  /** Text of the button that cancels. @default the server's */
  readonly cancelButtonText?: string;
}

/** A request for an approval in Slack. */
export interface SlackApproval extends ApprovalMessage {
  /** Path of the Slack resource. */
  readonly slackResourcePath: string;
  /** Id of the channel. */
  readonly channelId: string;
}

/** A request for an approval in Microsoft Teams. The official client cannot set the texts of the buttons. */
export interface TeamsApproval extends ApprovalMessage {
  /** Name of the team. */
  readonly teamName: string;
  /** Name of the channel. */
  readonly channelName: string;
}

async function ask(
  client: ClientOptions,
  kind: string,
  place: string,
  approval: SlackApproval | TeamsApproval,
  options?: CallOptions,
): Promise<void> {
  for (const name of ["WM_FLOW_JOB_ID", "WM_FLOW_STEP_ID"]) {
    if (variable(client, name) !== undefined) continue;
    throw new ConfigurationError(`Only a step of a flow can ask for an approval: ${name} is not set`);
  }
  const given: Readonly<Record<string, unknown>> = { ...approval, flowStepId: variable(client, "WM_FLOW_STEP_ID") };
  // In the official order; undefined is left out.
  const names =
    `approver message ${place} flowStepId defaultArgsJson dynamicEnumsJson resumeButtonText cancelButtonText`;
  const query = queryOf(Object.fromEntries(
    names.split(" ").map((name) => {
      const value = given[name];
      if (place.includes(name) && (typeof value !== "string" || value === "")) {
        throw new TypeError(`Expected text as '${name}', found ${JSON.stringify(value)}`);
      }
      const text = name.endsWith("Json") ? JSON.stringify(value) : value as string | undefined;
      return [name.replace(/[A-Z]/g, "_$&").toLowerCase(), text];
    }),
  ));
  const route = jobRoute(client, `jobs/${kind}_approval`, currentJob(client, undefined));
  // It posts a message, although it is a GET: repeated, it would post two.
  readDone(await request(client, { route, query, idempotent: false }, options));
}

/** Posts a request for an approval to a Slack channel. It is made once: a failure that passes is not repeated. */
export function askInSlack(client: ClientOptions, approval: SlackApproval, options?: CallOptions): Promise<void> {
  return ask(client, "slack", "slackResourcePath channelId", approval, options);
}

/** Posts a request for an approval to a Teams channel. It is made once: a failure that passes is not repeated. */
export function askInTeams(client: ClientOptions, approval: TeamsApproval, options?: CallOptions): Promise<void> {
  return ask(client, "teams", "teamName channelName", approval, options);
}

/** Approvals: where they are decided, and requests for them in Slack and Teams. */
export interface ApprovalsGroup {
  /** Reads the addresses that resume the flow after the current step. Each call gives other ones. */
  readonly resumeUrls: (options?: ResumeUrlOptions) => Promise<ResumeUrls>;
  /** Reads the addresses of one `waitForApproval` of a workflow, by default the one without a key: the same on every replay. */
  readonly urls: (key?: string, options?: ApprovalUrlOptions) => Promise<ResumeUrls>;
  /** Posts a request for an approval to a Slack channel, from a step of a flow. Never repeated. */
  readonly requestSlack: (approval: SlackApproval, options?: CallOptions) => Promise<void>;
  /** Posts a request for an approval to a Teams channel, from a step of a flow. Never repeated. */
  readonly requestTeams: (approval: TeamsApproval, options?: CallOptions) => Promise<void>;
}

/** The functions of this group for one client. */
export function approvalsGroup(c: ClientOptions): ApprovalsGroup {
  return {
    resumeUrls: (o) => readResumeAddresses(c, o),
    urls: (key, o) => readApprovalAddresses(c, key, o),
    requestSlack: (approval, o) => askInSlack(c, approval, o),
    requestTeams: (approval, o) => askInTeams(c, approval, o),
  };
}
