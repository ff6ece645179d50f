/**
 * Ids and signatures of approval links (wac-protocol 8.2).
 *
 * @module
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { toHex } from "../../base/bytes.ts";

/** Key of the signatures: a text's is its UTF-8. */
export type SigningKey = string | Uint8Array;

/** The number by which links name a step: the first four bytes of its key's SHA-256. */
export function resumeIdOf(key: string): number {
  return createHash("sha256").update(key).digest().readUInt32BE(0);
}

/** The signature of a link. An approver that is named is part of it. */
export function signatureOf(secret: SigningKey, job: string, resumeId: number, approver?: string): string {
  const id = new Uint8Array(4);
  new DataView(id.buffer).setUint32(0, resumeId);
  return createHmac("sha256", secret).update(uuidBytes(job)).update(id).update(approver ?? "").digest("hex");
}

/** The token of a job's approval page. */
export function pageToken(secret: SigningKey, job: string): string {
  return createHmac("sha256", secret).update(`${job}approval_token`).digest("hex");
}

/** True when both are the same; how long it takes says nothing of where they differ. */
export function isSameSignature(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => new TextEncoder().encode(text)) as [Uint8Array, Uint8Array];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The id of an answer's row: the job's id, its last four bytes combined with the number. */
export function resumeRowId(job: string, resumeId: number): string {
  const id = uuidBytes(job);
  const view = new DataView(id.buffer);
  view.setUint32(12, (view.getUint32(12) ^ resumeId) >>> 0);
  return uuidOf(id);
}

/** The id of the job that runs one attempt of a task: the same whenever the attempt is begun again. */
export function childIdOf(run: string, key: string): string {
  const bytes = new Uint8Array(createHash("sha256").update(JSON.stringify([run, key])).digest().subarray(0, 16));
  // A UUID whose digits mean nothing: version 8.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return uuidOf(bytes);
}

function uuidOf(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function uuidBytes(uuid: string): Uint8Array<ArrayBuffer> {
  const hex = uuid.replaceAll("-", "");
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}
