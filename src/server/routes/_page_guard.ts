/**
 * What guards the pages: the policy that every one has, tokens of forms, and values without secrets.
 *
 * @module
 */
import type { Context } from "hono";
import { toHex } from "../../base/bytes.ts";
import { isExactNumber } from "../../base/exact_numbers.ts";
import { randomBytes } from "../../platform/random.ts";
import { denied, Refusal } from "../../wire/refusal.ts";
import { findCaller, sessionCookie } from "../auth.ts";
import type { Caller, Secrets, ServerContext } from "../ports.ts";
import { readText } from "./_request.ts";

/** Longest form that is read. */
const MAX_FORM_BYTES = 4 * 1024 * 1024;

/** Deeper values are not shown. */
const MAX_DEPTH = 200;

/** A nonce for one answer. */
export function newNonce(): string {
  return toHex(randomBytes(16));
}

/** Headers of everything that a browser shows. Without a nonce nothing at all is carried out. */
export function guardHeaders(nonce?: string): Record<string, string> {
  const own = nonce === undefined
    ? "sandbox"
    : `script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; img-src data:; connect-src 'self'; form-action 'self'; ` +
      "require-trusted-types-for 'script'; trusted-types windkit";
  return {
    "content-security-policy": `default-src 'none'; base-uri 'none'; frame-ancestors 'none'; ${own}`,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    // With no referrer at all a browser says no origin with forms either, and the gate wants one.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
  };
}

/** A person: jobs and narrowed tokens have no pages. */
export function personOf(c: Context): Caller | undefined {
  const caller = findCaller(c.req.raw);
  return caller === undefined || caller.job !== undefined || caller.scopes !== undefined ? undefined : caller;
}

/** The person who looks at a page. */
export function requirePerson(c: Context): Caller {
  const person = personOf(c);
  if (person === undefined) throw denied("pages are for people: the token of a job, or one with scopes, has none");
  return person;
}

/** The token that goes with the forms of a session: nobody else can make one. */
export async function formTokenOf({ secrets, baseUrl }: ServerContext, c: Context): Promise<string> {
  const text = `windkit page form\n${sessionCookie(c.req.raw, baseUrl) ?? c.req.header("authorization") ?? ""}`;
  const usage = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", new Uint8Array(secrets.signingKey), usage, false, ["sign"]);
  return toHex(new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text))));
}

function sameText(a: string, b: string): boolean {
  let differ = a.length ^ b.length;
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    differ |= (a.charCodeAt(at) | 0) ^ (b.charCodeAt(at) | 0);
  }
  return differ === 0;
}

/** Reads a form of a page; refuses one that was not made for this session. */
export async function readSentForm(context: ServerContext, c: Context): Promise<URLSearchParams> {
  const type = c.req.header("content-type") ?? "";
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) {
    throw new Refusal(415, `Expected a form, "application/x-www-form-urlencoded", found ${JSON.stringify(type)}`);
  }
  const sent = new URLSearchParams(await readText(c.req.raw, MAX_FORM_BYTES));
  if (!sameText(sent.get("form_token") ?? "", await formTokenOf(context, c))) {
    throw denied("the form is not of this session; open its page again");
  }
  return sent;
}

/** A value as it may be seen: secrets are hidden, at any depth. */
export function shownValue(secrets: Secrets, value: unknown, depth = 0): unknown {
  if (typeof value === "string") return secrets.redact(value);
  if (typeof value !== "object" || value === null || isExactNumber(value)) return value;
  if (depth >= MAX_DEPTH) return "… (deeper than is shown)";
  if (Array.isArray(value)) return value.map((item) => shownValue(secrets, item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [secrets.redact(name), shownValue(secrets, item, depth + 1)]),
  );
}
