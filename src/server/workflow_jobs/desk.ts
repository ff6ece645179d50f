/**
 * What the page of an approval shows, and who may see it.
 *
 * @module
 */
import { randomBytes } from "../../platform/random.ts";
import { badRequest, notFound, Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import { refuseOtherJobs } from "../auth.ts";
import type { ApprovalInfo, Approvals, Approver, Job, ServerContext } from "../ports.ts";
import type { Answers } from "./answers.ts";
import { isSameSignature, pageToken } from "./signatures.ts";
import { statusFields } from "./timeline.ts";

/** A desk that knows the workflow of a task. */
export interface Desk extends Approvals {
  /** The workflow's job, for who may see its approvals; a refusal for anybody else. */
  admit(job: string, approver: Approver): Job;
}

/** A number for an answer that came by no link. */
export function randomNumber(): number {
  return new DataView(randomBytes(4).buffer).getUint32(0);
}

/** Makes the desk of a server. */
export function createDesk(
  context: Pick<ServerContext, "jobs" | "secrets">,
  answers: Answers,
  workflowOf: (job: Job) => Job,
): Desk {
  const { jobs, secrets } = context;

  function admit(id: string, { token, caller }: Approver): Job {
    const found = jobs.get(id.toLowerCase());
    const job = found && workflowOf(found);
    if (caller !== undefined) {
      if (job === undefined) throw notFound(`Job not found at name ${id}`);
      refuseOtherJobs(jobs, caller, job.id);
      return job;
    }
    // Who has no token is not told which jobs there are.
    if (job !== undefined && token !== undefined && isSameSignature(token, pageToken(secrets.signingKey, job.id))) {
      return job;
    }
    throw new Refusal(401, "Not authorized: the approval token is not that of the job");
  }

  async function info(id: string, approver: Approver): Promise<ApprovalInfo> {
    const job = admit(id, approver);
    const [waits] = job.completedAt === undefined ? await answers.pending(job.id) : [];
    const latest = statusFields(statusFields(job.workflowAsCodeStatus)._approval);
    const step = waits?.key ?? latest.key;
    if (typeof step !== "string") throw notFound(`job ${job.id} has asked for no approval`);
    const { skin, description } = waits === undefined ? latest : statusFields(waits.options);
    const form = waits === undefined ? latest.form : waits.form;
    const defaults = statusFields(latest.default_args);
    return {
      job: job.id,
      step,
      ...(job.path === undefined ? undefined : { path: job.path }),
      ...(description === undefined || description === null ? undefined : { description }),
      ...(form === undefined || form === null ? undefined : { form }),
      ...(Object.keys(defaults).length === 0 ? undefined : { defaults }),
      ...(typeof skin === "string" ? { skin } : undefined),
      pending: waits !== undefined,
      ...(waits === undefined ? undefined : { endsAt: waits.expiresAt }),
      approvers: answers.taken(job.id).map(({ approver: name }) => name ?? "anonymous"),
      canAnswer: waits !== undefined,
    };
  }

  return {
    admit,
    info,
    answer: async (id, approver, { approved, payload }) => {
      const job = admit(id, approver);
      const [waits] = await answers.pending(job.id);
      if (waits === undefined) throw badRequest(`job ${job.id} waits for no approval now`);
      await answers.answer(job, {
        resumeId: randomNumber(),
        key: waits.key,
        value: payload as Json,
        approver: approver.caller?.username,
        approved,
        bound: false,
      });
    },
  };
}
