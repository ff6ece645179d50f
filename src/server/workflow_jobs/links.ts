/**
 * Addresses by which people answer approvals (wac-protocol 8.2).
 *
 * @module
 */
import type { ServerContext } from "../ports.ts";
import { pageToken, resumeIdOf, signatureOf } from "./signatures.ts";

/** The three addresses of an approval. */
export interface ApprovalLinks {
  readonly approvalPage: string;
  readonly resume: string;
  readonly cancel: string;
}

/** What links are made of. */
export type LinkParts = Pick<ServerContext, "workspace" | "baseUrl" | "secrets">;

/** The addresses for a number. An approver that is named is part of the signature. */
export function linksFor(parts: LinkParts, job: string, resumeId: number, approver?: string): ApprovalLinks {
  const { workspace, baseUrl, secrets } = parts;
  const { signingKey } = secrets;
  const signature = signatureOf(signingKey, job, resumeId, approver);
  const query = approver === undefined ? "" : `?approver=${encodeURIComponent(approver)}`;
  const base = `${baseUrl}/api/w/${workspace}/jobs_u`;
  return {
    approvalPage: `${baseUrl}/approve/${workspace}/${job}?token=${pageToken(signingKey, job)}`,
    resume: `${base}/resume/${job}/${resumeId}/${signature}${query}`,
    cancel: `${base}/cancel/${job}/${resumeId}/${signature}${query}`,
  };
}

/** The addresses of the step of a key. */
export function linksOf(parts: LinkParts, job: string, key: string, approver?: string): ApprovalLinks {
  return linksFor(parts, job, resumeIdOf(key), approver);
}
