/**
 * Addresses of the approval page.
 *
 * @module
 */
import type { ApprovalLink } from "./approval_info.ts";

const JOB = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Largest number of a link. */
const MOST = 0xffff_ffff;

function linkOf(job: string, resumeId: string, signature: string, approver: string | null): ApprovalLink | undefined {
  if (!JOB.test(job)) return undefined;
  if (resumeId === "" && signature === "") return { job };
  if (!/^\d{1,10}$/.test(resumeId) || Number(resumeId) > MOST || !/^[\da-f]{64}$/i.test(signature)) return undefined;
  // A name that is empty is a part of the signature too.
  const signed = { resumeId: Number(resumeId), signature, ...(approver !== null && { approver }) };
  return { job, signed };
}

/** The approval that an address is about: by placeholders of its route, else by its query. Undefined where it is none. */
export function readLink(
  address: URL,
  params: Readonly<Record<string, string | undefined>> = {},
): ApprovalLink | undefined {
  const { searchParams } = address;
  const value = (name: string): string => params[name] ?? searchParams.get(name) ?? "";
  return linkOf(value("job"), value("resume_id"), value("signature"), searchParams.get("approver"));
}

/**
 * The address of an approval on a page that `approval()` serves.
 *
 * @param page address at which the handler is reached
 * @param resume the address `resume` or `cancel` that Windmill signed: of `getResumeUrls()` or `getApprovalUrls()`
 * @returns the page's address with what was signed
 * @throws TypeError when `resume` is no such address
 *
 * @example
 * ```ts
 * import { approvalLink } from "@windkit/windmill-client/handlers";
 *
 * const job = "0190f8a2-0000-7000-8000-000000000000";
 * const resume = `https://windmill.example/api/w/shop/jobs_u/resume/${job}/7/${"ab".repeat(32)}?approver=Ann`;
 * const link = new URL(approvalLink("https://edge.example/approve", resume));
 * if (link.searchParams.get("job") !== job || link.searchParams.get("approver") !== "Ann") throw new Error(link.href);
 * ```
 */
export function approvalLink(page: string | URL, resume: string): string {
  const signed = URL.canParse(resume) ? new URL(resume) : undefined;
  const [, job = "", resumeId = "", signature = ""] =
    /\/jobs_u\/(?:resume|cancel)\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(signed?.pathname ?? "") ?? [];
  const approver = signed?.searchParams.get("approver") ?? null;
  if (linkOf(job, resumeId, signature, approver)?.signed === undefined) {
    // The address itself is a secret.
    throw new TypeError("Cannot make the link of an approval: expected an address of Windmill that resumes or cancels");
  }
  const link = new URL(page);
  const values = { job, resume_id: resumeId, signature, approver };
  for (const [name, value] of Object.entries(values)) if (value !== null) link.searchParams.set(name, value);
  return link.href;
}
