/**
 * Addresses of the approval page.
 *
 * @module
 */
import type { ResumeUrls } from "../wire/approvals.ts";
import type { ApprovalLink } from "./approval_info.ts";

const JOB = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Largest number of a link. */
const MOST = 0xffff_ffff;

/** What a link says, as text. */
interface LinkText {
  readonly job: string;
  readonly resumeId: string;
  readonly signature: string;
  readonly approver: string | null;
  readonly token: string;
}

function linkOf({ job, resumeId, signature, approver, token }: LinkText): ApprovalLink | undefined {
  if (!JOB.test(job) || (token !== "" && !/^[\w.~-]{8,256}$/.test(token))) return undefined;
  const open = { job, ...(token !== "" && { token }) };
  if (resumeId === "" && signature === "") return open;
  if (!/^\d{1,10}$/.test(resumeId) || Number(resumeId) > MOST || !/^[\da-f]{64}$/i.test(signature)) return undefined;
  // A name that is empty is a part of the signature too.
  const signed = { resumeId: Number(resumeId), signature, ...(approver !== null && { approver }) };
  return { ...open, signed };
}

/** The approval that an address is about: by placeholders of its route, else by its query. Undefined where it is none. */
export function readLink(
  address: URL,
  params: Readonly<Record<string, string | undefined>> = {},
): ApprovalLink | undefined {
  const { searchParams } = address;
  const value = (name: string): string => params[name] ?? searchParams.get(name) ?? "";
  return linkOf({
    job: value("job"),
    resumeId: value("resume_id"),
    signature: value("signature"),
    approver: searchParams.get("approver"),
    token: value("token"),
  });
}

/** What an address of Windmill says; undefined when it is none of an approval. */
function signedBy(address: string): LinkText | undefined {
  if (!URL.canParse(address)) return undefined;
  const { pathname, searchParams } = new URL(address);
  const [, job, resumeId = "", signature = ""] =
    /\/jobs_u\/(?:resume|cancel)\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(pathname) ??
      /\/approve\/[^/]+\/([^/]+)$/.exec(pathname) ?? [];
  const text = {
    job: job ?? "",
    resumeId,
    signature,
    approver: searchParams.get("approver"),
    token: searchParams.get("token") ?? "",
  };
  const link = linkOf(text);
  return link?.signed === undefined && link?.token === undefined ? undefined : text;
}

/**
 * The address of an approval on a page that `approval()` serves.
 *
 * @param page address at which the handler is reached
 * @param signed what `getResumeUrls()` or `getApprovalUrls()` gave, or one of its addresses
 * @returns the page's address with what was signed
 * @throws TypeError when it is no such address
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
export function approvalLink(page: string | URL, signed: string | ResumeUrls): string {
  const text = signedBy(typeof signed === "string" ? signed : signed.resume);
  if (text === undefined) {
    // The address itself is a secret.
    throw new TypeError("Cannot make the link of an approval: expected an address of Windmill that resumes or cancels");
  }
  // The token is that of the whole flow's page; of use here only when that is the job that was signed for.
  const own = typeof signed === "string" ? undefined : signedBy(signed.approvalPage);
  const link = new URL(page);
  const values = {
    job: text.job,
    resume_id: text.resumeId || null,
    signature: text.signature || null,
    approver: text.approver,
    token: (own?.job === text.job ? own.token : text.token) || null,
  };
  for (const [name, value] of Object.entries(values)) if (value !== null) link.searchParams.set(name, value);
  return link.href;
}
