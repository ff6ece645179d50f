/**
 * The endpoints around users, tokens, approvals and messages.
 *
 * @module
 */
import { jsonResponse, notFound, Refusal, textResponse } from "../wire/refusal.ts";
import { payloadOf } from "./_job_routes.ts";
import { rootOf } from "./_jobs.ts";
import type { Mock } from "./_mock.ts";
import { type Call, fields, type RouteTable } from "./_router.ts";

function base64Url(value: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Addresses that approve or reject, for a number or the key of a step. */
async function approvalUrls(mock: Mock, call: Call, jobId: string, key: string): Promise<Response> {
  const job = mock.jobOf(jobId);
  const target = call.query.get("flow_level") === "true" ? job.parentJob ?? job.id : job.id;
  const approver = call.query.get("approver");
  const signature = await mock.signer("approval", target, key, approver ?? "");
  const query = approver === null ? "" : `?approver=${encodeURIComponent(approver)}`;
  const place = `${encodeURIComponent(target)}/${encodeURIComponent(key)}/${signature}${query}`;
  const base = `${mock.baseUrl}/api/w/${encodeURIComponent(mock.workspace)}/jobs_u`;
  return jsonResponse({
    approvalPage: `${mock.baseUrl}/approve/${encodeURIComponent(mock.workspace)}/${rootOf(job)}?token=${signature}`,
    resume: `${base}/resume/${place}`,
    cancel: `${base}/cancel/${place}`,
  });
}

async function answerApproval(mock: Mock, call: Call, approved: boolean, params: readonly string[]): Promise<Response> {
  const [jobId = "", key = "", signature = ""] = params;
  const approver = call.query.get("approver") ?? undefined;
  if (signature !== await mock.signer("approval", jobId, key, approver ?? "")) {
    throw new Refusal(403, "Permission denied: the signature is wrong");
  }
  const payload = call.method === "GET" ? payloadOf(call) : call.json();
  mock.approvals.push({ jobId, key, approved, approver, payload });
  return textResponse(approved ? "resumed" : "canceled");
}

/** A message that is only taken: `mock.requests` has it. */
function taken(
  mock: Mock,
  answer: (call: Call, ...params: string[]) => Response,
): (call: Call, id?: string) => Response {
  return (call, id = "") => {
    mock.jobOf(id);
    return answer(call, id);
  };
}

/** The endpoints around people. */
export function peopleRoutes(mock: Mock): RouteTable {
  const { user } = mock;
  const approve = (approved: boolean) => (call: Call, ...params: string[]): Promise<Response> =>
    answerApproval(mock, call, approved, params);
  return {
    "GET /version": () => textResponse(mock.version),
    "GET /users/whoami": () =>
      jsonResponse({
        email: user.email,
        login_type: "password",
        super_admin: false,
        devops: false,
        verified: true,
        name: user.username,
        company: null,
        username: user.username,
        operator_only: false,
        first_time_user: false,
        role_source: "manual",
        disabled: false,
      }),
    "GET users/whoami": () =>
      jsonResponse({
        workspace_id: mock.workspace,
        email: user.email,
        username: user.username,
        is_admin: false,
        is_super_admin: false,
        operator: false,
        disabled: false,
        groups: ["all"],
        folders: [],
        folders_owners: [],
      }),
    "GET users/username_to_email/*": (_call, username = "") => {
      if (username !== user.username) throw notFound(`user not found at name ${username}`);
      return textResponse(user.email);
    },
    "POST /users/tokens/create": (call) => {
      fields(call);
      const token = mock.nextId().replaceAll("-", "");
      mock.tokens.add(token);
      return textResponse(token, 201);
    },
    "POST oidc/token/**": (call, audience = "") => {
      const now = Math.floor(mock.clock.now() / 1000);
      const lifetime = Number(call.query.get("expires_in") ?? 172_800);
      const claims = {
        iss: `${mock.baseUrl}/api/oidc/`,
        sub: user.email,
        aud: audience,
        exp: now + lifetime,
        iat: now,
        email: user.email,
        workspace: mock.workspace,
      };
      // It is not signed: who verifies tokens needs another kind of test.
      return textResponse(`${base64Url({ alg: "none", typ: "JWT" })}.${base64Url(claims)}.`);
    },
    "GET jobs/resume_urls/*/*": (call, id = "", nonce = "") => {
      if (!/^\d{1,10}$/.test(nonce) || Number(nonce) >= 2 ** 32) {
        throw new Refusal(400, `Invalid URL: Cannot parse value at index 2 with value \`${nonce}\` to a \`u32\``);
      }
      return approvalUrls(mock, call, id, nonce);
    },
    "GET jobs/wac_approval_urls/*/*": (call, id = "", key = "") => approvalUrls(mock, call, id, key),
    "GET jobs_u/resume/*/*/*": approve(true),
    "POST jobs_u/resume/*/*/*": approve(true),
    "GET jobs_u/cancel/*/*/*": approve(false),
    "POST jobs_u/cancel/*/*/*": approve(false),
    "GET jobs/slack_approval/*": taken(mock, () => textResponse("Slack approval request sent")),
    "GET jobs/teams_approval/*": taken(mock, () => textResponse("Teams approval request sent")),
    "POST jobs/wac/inline_checkpoint/*": taken(mock, () => jsonResponse(null)),
    "POST /teams/activities": () => jsonResponse(null),
    "POST kafka_triggers/commit_offsets/**": (_call, path = "") =>
      textResponse(`Committed offset for kafka trigger ${path}`),
    "POST assets/record_materialization": () => jsonResponse(null),
  };
}
