/**
 * Approvals: their links, what a page shows of them, and answers (wac-protocol 8).
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { badRequest, jsonResponse, Refusal, textResponse } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import { callerOf, findCaller, refuseOtherJobs } from "../auth.ts";
import { recordOf } from "../jobs/record.ts";
import type { Approver, Job, ServerContext } from "../ports.ts";
import { randomNumber } from "../workflow_jobs/desk.ts";
import { linksFor, linksOf } from "../workflow_jobs/links.ts";
import { isSameSignature, signatureOf } from "../workflow_jobs/signatures.ts";
import { statusFields } from "../workflow_jobs/timeline.ts";
import type { WorkflowJobs } from "../workflow_jobs/workflow_jobs.ts";
import { payloadOf } from "./_arguments.ts";
import { jobParam, optionalText, param, queryText, readFields, readJson } from "./_request.ts";

/** Largest number of a link. */
const MOST = 0xffff_ffff;

/** The number of a link, of the path. */
function numberParam(c: Context): number {
  const text = param(c, "resume_id"), value = Number(text);
  if (/^\d{1,10}$/.test(text) && value <= MOST) return value;
  throw new Refusal(400, `Invalid URL: Cannot parse \`resume_id\` with value \`${text}\`: expected a u32`);
}

/** The key of a step, of the path: what `waitForApproval` takes as one. */
function keyParam(c: Context): string {
  const key = param(c, "step_key");
  if (key.trim() !== "" && key !== "." && key !== ".." && !/[/\\\0]/.test(key)) return key;
  throw badRequest(`step key ${JSON.stringify(key)} must not be blank, "." or "..", nor contain "/" or "\\"`);
}

/** The endpoints of approvals. */
export function approvalRoutes(context: ServerContext): Hono {
  const { jobs, secrets, workspace } = context;
  const { signingKey } = secrets;
  const app = new Hono();

  function workflows(): WorkflowJobs {
    if (context.workflows !== undefined) return context.workflows;
    throw badRequest("this Windkit server runs no workflows: nothing waits for an approval");
  }
  /** The workflow that a job is, or is a task of. */
  function workflowParam(c: Context): Job {
    const found = jobParam(c, jobs);
    return context.workflows?.workflowOf(found) ?? found;
  }
  function ownWorkflow(c: Context): Job {
    const job = workflowParam(c);
    refuseOtherJobs(jobs, callerOf(c.req.raw), job.id);
    return job;
  }

  // --- Links ---

  app.get("/w/:workspace/jobs/resume_urls/:id/:resume_id", (c) => {
    // One that is named is signed along, also when its name is empty, as the Python client sends it.
    const approver = c.req.query("approver");
    return jsonResponse(linksFor(context, ownWorkflow(c).id, numberParam(c), approver));
  });
  app.get("/w/:workspace/jobs/job_signature/:id/:resume_id", (c) => {
    const approver = c.req.query("approver");
    return textResponse(signatureOf(signingKey, ownWorkflow(c).id, numberParam(c), approver));
  });
  app.get("/w/:workspace/jobs/wac_approval_urls/:id/:step_key", (c) => {
    const job = ownWorkflow(c), key = keyParam(c);
    if (job.completedAt !== undefined) throw badRequest(`job ${job.id} has ended: it waits for no approval`);
    workflows().mint(job.id, key);
    return jsonResponse(linksOf(context, job.id, key, queryText(c, "approver")));
  });

  // --- Answers ---

  /** The job of a link whose signature is right. */
  function signedJob(c: Context): { readonly job: Job; readonly resumeId: number; readonly approver?: string } {
    const resumeId = numberParam(c), approver = queryText(c, "approver");
    const id = param(c, "id").toLowerCase();
    const expected = /^[\da-f-]{36}$/.test(id) ? signatureOf(signingKey, id, resumeId, approver) : "";
    // Before it is looked for: who has no signature is not told which jobs there are.
    if (expected === "" || !isSameSignature(param(c, "signature"), expected)) {
      throw new Refusal(401, "Not authorized: Invalid signature");
    }
    return { job: workflowParam(c), resumeId, ...(approver === undefined ? undefined : { approver }) };
  }

  for (const way of ["resume", "cancel"] as const) {
    app.on(["GET", "POST"], `/w/:workspace/jobs_u/${way}/:id/:resume_id/:signature`, async (c) => {
      const { job, resumeId, approver } = signedJob(c);
      const value = c.req.method === "GET" ? payloadOf(c) : await readJson(c.req.raw);
      await workflows().answer(job, {
        resumeId,
        approver,
        value: value ?? null,
        approved: way === "resume",
        bound: true,
      });
      return textResponse("", 201);
    });
  }
  app.get("/w/:workspace/jobs_u/get_flow/:id/:resume_id/:signature", (c) => {
    const { job } = signedJob(c);
    return jsonResponse({ job: recordOf(job, { workspace }), approvers: approversOf(job) });
  });

  function approverOf(c: Context, token: string | undefined): Approver {
    const caller = findCaller(c.req.raw);
    return { ...(token !== undefined && { token }), ...(caller !== undefined && { caller }) };
  }

  app.post("/w/:workspace/jobs_u/flow/resume_suspended/:job_id", async (c) => {
    const fields = await readFields(c.req.raw);
    const { payload = null, approved = true } = fields;
    const approver = approverOf(c, optionalText(fields, "approval_token"));
    const job = workflows().approvals.admit(param(c, "job_id"), approver);
    if (typeof approved !== "boolean") throw badRequest("approved: expected a boolean");
    // The key is Windkit's: where a workflow waits for several approvals at a time.
    const key = optionalText(fields, "step_key");
    const name = approver.caller?.username;
    await workflows().answer(job, {
      resumeId: randomNumber(),
      key,
      approver: name,
      value: payload,
      approved,
      bound: false,
    });
    return textResponse("", 201);
  });
  app.post("/w/:workspace/jobs/flow/resume/:id", async (c) => {
    const caller = callerOf(c.req.raw);
    const job = ownWorkflow(c);
    const value = await readJson(c.req.raw) ?? null;
    await workflows().answer(job, { resumeId: 0, approver: caller.username, value, approved: true, bound: false });
    return textResponse("", 201);
  });

  // --- What a page shows ---

  function approversOf(job: Job): readonly { readonly resume_id: number; readonly approver: string }[] {
    const taken = context.workflows?.taken(job.id) ?? [];
    return taken.map(({ resumeId, approver }) => ({ resume_id: resumeId, approver: approver ?? "anonymous" }));
  }
  app.get("/w/:workspace/jobs_u/flow/approval_info/:job_id", async (c) => {
    const job = workflows().approvals.admit(param(c, "job_id"), approverOf(c, queryText(c, "token")));
    const pending = job.completedAt === undefined ? await workflows().pending(job.id) : [];
    const [first] = pending;
    const { skin, description } = statusFields(first?.options);
    const shown = (value: Json | undefined): Json => value ?? null;
    return jsonResponse({
      flow_id: job.id,
      form_schema: shown(first?.form),
      description: shown(description),
      skin: skin ?? "detailed",
      approval_conditions: null,
      can_approve: first !== undefined,
      user_auth_required: false,
      hide_cancel: false,
      flow_summary: job.path ?? null,
      step_summary: first?.key ?? null,
      approvers: approversOf(job),
      // Windkit's: all that is waited for, until when.
      pending: pending.map(({ key, form, expiresAt, options }) => ({
        key,
        form: shown(form),
        options: shown(options),
        expires_at: new Date(expiresAt).toISOString(),
      })),
    });
  });
  return app;
}
