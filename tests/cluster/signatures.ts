/**
 * Ids and signatures of approval links (wac-protocol 8.2).
 *
 * @module
 */
import { createHash, createHmac } from "node:crypto";

/** The number by which links name a step: the first four bytes of its key's SHA-256. */
export function resumeIdOf(key: string): number {
  return createHash("sha256").update(key).digest().readUInt32BE(0);
}

/** The signature of a link. */
export function signatureOf(secret: string, job: string, resumeId: number, approver?: string): string {
  const id = new Uint8Array(4);
  new DataView(id.buffer).setUint32(0, resumeId);
  return createHmac("sha256", secret).update(uuidBytes(job)).update(id).update(approver ?? "").digest("hex");
}

/** The token of a job's approval page. */
export function pageToken(secret: string, job: string): string {
  return createHmac("sha256", secret).update(`${job}approval_token`).digest("hex");
}

/** The id of an answer's row: the job's id, its last four bytes combined with the number. */
export function resumeRowId(job: string, resumeId: number): string {
  const id = uuidBytes(job);
  const view = new DataView(id.buffer);
  view.setUint32(12, (view.getUint32(12) ^ resumeId) >>> 0);
  const hex = [...id].map((b) => b.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function uuidBytes(uuid: string): Uint8Array<ArrayBuffer> {
  const hex = uuid.replaceAll("-", "");
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}
