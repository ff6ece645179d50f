/**
 * Approvals as the server describes them.
 *
 * @module
 */
import { type Answer, readRecord, unreadable } from "./answer.ts";

/** Where an approval is decided. Whoever has the address may decide: treat it as a secret. */
export interface ResumeUrls {
  /** The page for people. */
  readonly approvalPage: string;
  /** Address that goes on: GET, or POST with the payload of the approval. */
  readonly resume: string;
  /** Address that cancels: GET or POST. */
  readonly cancel: string;
}

/** Decodes the addresses of an approval. */
export function readResumeUrls(answer: Answer): ResumeUrls {
  const expected = "'approvalPage', 'resume' and 'cancel'";
  const { approvalPage, resume, cancel } = readRecord(answer, expected);
  if (typeof approvalPage !== "string" || typeof resume !== "string" || typeof cancel !== "string") {
    throw unreadable(answer, expected, "something else");
  }
  return { approvalPage, resume, cancel };
}
