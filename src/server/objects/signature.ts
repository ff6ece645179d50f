/**
 * Signatures of objects for whoever has no token.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { storageName } from "./keys.ts";

/** How long a signature holds, in seconds: what is taken, at least and at most. */
const LIFETIME_S = 43_200, SHORTEST_S = 60, LONGEST_S = 604_800;

/** What is signed. */
export interface Signed {
  readonly key: string;
  readonly storage?: string | null | undefined;
}

function signatureOf(signingKey: Uint8Array, { key, storage }: Signed, exp: string): Uint8Array {
  // As JSON: no two of them are one text. The first word keeps it apart from what else is signed with the key.
  const text = JSON.stringify(["s3 object", storageName(storage), key, exp]);
  return createHmac("sha256", signingKey).update(text).digest();
}

/** Signs an object: a query, `exp=...&sig=...`. */
export function signObject(signingKey: Uint8Array, object: Signed, nowMs: number, expirySecs = LIFETIME_S): string {
  const exp = `${Math.floor(nowMs / 1000) + Math.min(LONGEST_S, Math.max(SHORTEST_S, Math.floor(expirySecs)))}`;
  return `exp=${exp}&sig=${toHex(signatureOf(signingKey, object, exp))}`;
}

/** What is wrong with the signature of an object; undefined when it holds. */
export function checkSignature(
  signingKey: Uint8Array,
  object: Signed,
  { exp, sig, nowMs }: { readonly exp: string; readonly sig: string; readonly nowMs: number },
): "wrong" | "expired" | undefined {
  if (!/^\d{1,12}$/.test(exp) || !/^[0-9a-f]{64}$/i.test(sig)) return "wrong";
  const given = new Uint8Array(32);
  for (let i = 0; i < 32; i++) given[i] = parseInt(sig.slice(i * 2, i * 2 + 2), 16);
  if (!timingSafeEqual(given, signatureOf(signingKey, object, exp))) return "wrong";
  return Number(exp) * 1000 <= nowMs ? "expired" : undefined;
}
