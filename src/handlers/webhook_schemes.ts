/**
 * How senders sign what they send: GitHub, Stripe, Slack, and whoever keeps to Standard Webhooks.
 *
 * All of them sign with HMAC and SHA-256. It is computed by Web Crypto, which compares in constant time.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { ConfigurationError } from "../base/errors.ts";

/** What is wrong with a delivery. */
export type WebhookProblem =
  /** There is no signature, or another header is missing that belongs to it. */
  | "missing"
  /** The signature, its timestamp or the body is cut off or badly encoded. */
  | "malformed"
  /** The timestamp is too far from now. */
  | "stale"
  /** No secret makes this signature of this body. */
  | "mismatch"
  /** There is more body than is read. */
  | "too-large";

const STATUS: Readonly<Record<WebhookProblem, number>> = {
  missing: 401,
  malformed: 400,
  stale: 401,
  mismatch: 401,
  "too-large": 413,
};

/** A delivery that is not taken. Schemes throw it; the handler answers with its status and its message. */
export class WebhookRejectedError extends Error {
  /** Always `"WebhookRejectedError"`. */
  override readonly name = "WebhookRejectedError";
  /** Always `"WEBHOOK_REJECTED"`. */
  readonly code = "WEBHOOK_REJECTED";
  /** What is wrong. */
  readonly problem: WebhookProblem;
  /** Status of the answer: 400, 401 or 413. */
  readonly status: number;
  /**
   * Builds the error.
   *
   * @param message goes to the sender: no secret, and nothing that was computed of one
   * @param problem what is wrong
   */
  constructor(message: string, problem: WebhookProblem) {
    super(message);
    this.problem = problem;
    this.status = STATUS[problem];
  }
}

/** A delivery whose sender is to be proven. */
export interface WebhookDelivery {
  /** Headers of the request. */
  readonly headers: Headers;
  /** The body as it came, byte by byte: that is what is signed. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The secrets that are known; at least one, unless the handler was given none. */
  readonly secrets: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What is known of a delivery whose sender was proven. */
export interface WebhookProof {
  /** The same for all attempts to deliver one message, another one for every other message. Without it nothing is known twice. */
  readonly id?: string;
  /** Answers the request at once: nothing is run. */
  readonly answer?: Response;
}

/** A way of signing. */
export interface WebhookScheme {
  /** Its name: ids of two schemes are never the same. */
  readonly name: string;
  /** False for one that needs no secret of the handler's. @default true */
  readonly needsSecret?: boolean;
  /**
   * Proves who sent a delivery.
   *
   * @throws WebhookRejectedError when it cannot be proven
   */
  readonly verify: (delivery: WebhookDelivery) => WebhookProof | Promise<WebhookProof>;
}

/** Options of schemes whose signature has a timestamp. */
export interface ToleranceOptions {
  /** How far the timestamp may be from now, in seconds: in the past as in the future. @default 300 */
  readonly toleranceSeconds?: number;
}

/** More signatures in one header than any sender has secrets. */
const MAX_SIGNATURES = 16;

/** The 32 bytes of a signature, as text. */
const HEX = /^[\da-f]{64}$/i, BASE64 = /^[A-Za-z\d+/]{43}=$/;

/** Bytes of a signature in hexadecimal digits. */
function hexBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/** Bytes of a text in base 64. */
function base64Bytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function signatureBytes(
  signature: Uint8Array<ArrayBuffer> | { readonly hex: string } | { readonly base64: string },
): Uint8Array<ArrayBuffer> {
  if ("hex" in signature) return HEX.test(signature.hex) ? hexBytes(signature.hex) : new Uint8Array();
  if ("base64" in signature) return BASE64.test(signature.base64) ? base64Bytes(signature.base64) : new Uint8Array();
  return signature;
}

/** A header that must be there. */
function header(headers: Headers, name: string): string {
  const value = headers.get(name);
  if (value !== null && value !== "") return value;
  throw new WebhookRejectedError(`Expected the header '${name}', found none`, "missing");
}

function malformed(name: string, expected: string): WebhookRejectedError {
  return new WebhookRejectedError(`Expected ${expected} in the header '${name}', found something else`, "malformed");
}

/** Refuses a timestamp that is too far from now. */
function checkTime(text: string, name: string, now: number, options: ToleranceOptions): void {
  const { toleranceSeconds = 300 } = options;
  if (!/^\d{1,12}$/.test(text)) throw malformed(name, "a timestamp in seconds");
  const age = now / 1000 - Number(text);
  if (Math.abs(age) <= toleranceSeconds) return;
  throw new WebhookRejectedError(
    `Expected a timestamp at most ${toleranceSeconds} s from now, found one ${
      age > 0 ? "further back" : "further ahead"
    }`,
    "stale",
  );
}

/** The bytes of texts and bytes, one after the other. */
function joined(parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const pieces = parts.map((part) => typeof part === "string" ? new TextEncoder().encode(part) : part);
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * True when a signature is the HMAC of some bytes under one of the secrets: for schemes of one's own.
 *
 * Web Crypto compares, in constant time. A signature of another length than 32 bytes is none.
 *
 * @param secrets secrets, as text (its bytes in UTF-8) or as bytes
 * @param signed what is signed: texts and bytes, which are put together
 * @param signature the bytes of the signature, or their text; what cannot be read is no signature
 *
 * @example A header of base 64, as Shopify has it
 * ```ts
 * import { isSigned } from "@windkit/windmill-client/handlers";
 *
 * const signature = { base64: "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0=" };
 * if (!await isSigned(["shop-secret"], ['{"id":1}'], signature)) throw new Error("It is signed");
 * ```
 */
export async function isSigned(
  secrets: readonly (string | Uint8Array<ArrayBuffer>)[],
  signed: readonly (string | Uint8Array)[],
  signature: Uint8Array<ArrayBuffer> | { readonly hex: string } | { readonly base64: string },
): Promise<boolean> {
  const bytes = joined(signed), given = signatureBytes(signature);
  let found = false;
  for (const secret of secrets) {
    const raw = typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
    // With a secret that everybody knows everybody signs.
    if (raw.length === 0) throw new ConfigurationError("Expected a secret of the webhook, found an empty one");
    const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    // All of them are tried: how long it takes does not say which one was right.
    if (await crypto.subtle.verify("HMAC", key, given, bytes)) found = true;
  }
  return found;
}

/** The first signature that is right, in hexadecimal digits. */
async function proven(
  secrets: readonly (string | Uint8Array<ArrayBuffer>)[],
  signed: readonly (string | Uint8Array)[],
  signatures: readonly Uint8Array<ArrayBuffer>[],
): Promise<string> {
  for (const signature of signatures) if (await isSigned(secrets, signed, signature)) return toHex(signature);
  throw new WebhookRejectedError(
    "The signature is not that of this body under a secret that is known here",
    "mismatch",
  );
}

/** A field of a body of JSON, when there is one and it is text. */
function fieldOf(body: Uint8Array, name: string): string | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    const field = Object(value)[name];
    return typeof field === "string" && field !== "" ? field : undefined;
  } catch {
    // It is a form, or no JSON for another reason: who reads the body says so.
    return undefined;
  }
}

/** Options of {@linkcode github}. */
export interface GitHubOptions {
  /**
   * What makes two deliveries the same: `delivery` is the id of GitHub's header together with the body, `body` the body alone.
   * GitHub signs neither its id nor a time, so that whoever got hold of one delivery can send it again under another id: `body`
   * keeps that out, and takes two events with the same body (a workflow that is dispatched twice, say) for one.
   *
   * @default "delivery"
   */
  readonly sameBy?: "delivery" | "body";
}

/**
 * GitHub's webhooks: `X-Hub-Signature-256`, with the id of `X-GitHub-Delivery`.
 *
 * @example
 * ```ts
 * import { github, webhook } from "@windkit/windmill-client/handlers";
 *
 * const handler = webhook({ verify: github(), secret: "It's a Secret to Everybody", handle: (event) => console.log(event.body) });
 * const answer = await handler(
 *   new Request("https://example.com/hook", {
 *     method: "POST",
 *     headers: {
 *       "content-type": "text/plain",
 *       "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
 *     },
 *     body: "Hello, World!",
 *   }),
 * );
 * if (answer.status !== 200) throw new Error(await answer.text());
 * ```
 */
export function github(options: GitHubOptions = {}): WebhookScheme {
  return {
    name: "github",
    verify: async ({ headers, body, secrets }) => {
      const name = "x-hub-signature-256";
      const [, digits = ""] = /^sha256=(.*)$/.exec(header(headers, name)) ?? [];
      if (!HEX.test(digits)) throw malformed(name, '"sha256=" and 64 hexadecimal digits');
      const signature = await proven(secrets, [body], [hexBytes(digits)]);
      const delivery = options.sameBy === "body" ? "" : headers.get("x-github-delivery") ?? "";
      return { id: `${delivery}\n${signature}` };
    },
  };
}

/** Stripe's webhooks: `Stripe-Signature`, with the id of the event in the body. */
export function stripe(options: ToleranceOptions = {}): WebhookScheme {
  return {
    name: "stripe",
    verify: async ({ headers, body, secrets, now }) => {
      const name = "stripe-signature";
      const fields = header(headers, name).split(",").map((field) => /^(\w+)=(.*)$/.exec(field.trim()) ?? []);
      const times = fields.filter(([, key]) => key === "t").map(([, , value = ""]) => value);
      const digits = fields.filter(([, key]) => key === "v1").map(([, , value = ""]) => value);
      const [time = ""] = times;
      if (times.length !== 1 || digits.length > MAX_SIGNATURES || !digits.every((one) => HEX.test(one))) {
        throw malformed(name, 'a "t=" and each "v1=" with 64 hexadecimal digits');
      }
      if (digits.length === 0) throw new WebhookRejectedError(`Expected a "v1=" in the header '${name}'`, "missing");
      checkTime(time, name, now, options);
      const signature = await proven(secrets, [`${time}.`, body], digits.map(hexBytes));
      // Stripe signs a later attempt anew, with its own time.
      return { id: fieldOf(body, "id") ?? `${time}.${signature}` };
    },
  };
}

/** Slack's events, commands and interactions: `X-Slack-Signature`. The challenge of a new address is answered by itself. */
export function slack(options: ToleranceOptions = {}): WebhookScheme {
  return {
    name: "slack",
    verify: async ({ headers, body, secrets, now }) => {
      const name = "x-slack-signature", timeName = "x-slack-request-timestamp";
      const [, digits = ""] = /^v0=(.*)$/.exec(header(headers, name)) ?? [];
      const time = header(headers, timeName);
      if (!HEX.test(digits)) throw malformed(name, '"v0=" and 64 hexadecimal digits');
      checkTime(time, timeName, now, options);
      const signature = await proven(secrets, [`v0:${time}:`, body], [hexBytes(digits)]);
      if (fieldOf(body, "type") === "url_verification") {
        const answer = fieldOf(body, "challenge") ?? "";
        return { answer: new Response(answer, { headers: { "content-type": "text/plain; charset=utf-8" } }) };
      }
      return { id: fieldOf(body, "event_id") ?? `${time}.${signature}` };
    },
  };
}

/** Options of {@linkcode standardWebhooks}. */
export interface StandardWebhooksOptions extends ToleranceOptions {
  /** What the names of the three headers begin with: `svix` for senders of before the standard. @default "webhook" */
  readonly prefix?: string;
}

/** The bytes of a secret: base 64, often behind `whsec_`. */
function standardSecret(secret: string): Uint8Array<ArrayBuffer> {
  const text = secret.replace(/^whsec_/, "").replaceAll("-", "+").replaceAll("_", "/").replace(/={1,2}$/, "");
  if (/^[A-Za-z\d+/]{2,}$/.test(text) && text.length % 4 !== 1) return base64Bytes(text);
  throw new ConfigurationError(
    "Expected base 64 as the secret of the webhook, with or without 'whsec_', found other text",
  );
}

/** Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp` and `webhook-signature`, of which those of version `v1` are looked at. */
export function standardWebhooks(options: StandardWebhooksOptions = {}): WebhookScheme {
  const { prefix = "webhook" } = options;
  return {
    name: "standard",
    verify: async ({ headers, body, secrets, now }) => {
      const name = `${prefix}-signature`, timeName = `${prefix}-timestamp`;
      const keys = secrets.map(standardSecret);
      const id = header(headers, `${prefix}-id`), time = header(headers, timeName);
      const given = header(headers, name).split(" ").filter((one) => one !== "");
      const signatures = given.filter((one) => one.startsWith("v1,")).map((one) => one.slice(3));
      // 32 bytes are 43 characters and a sign of equality.
      if (
        signatures.length > MAX_SIGNATURES || !given.every((one) => /^\w+,./.test(one)) ||
        !signatures.every((one) => BASE64.test(one))
      ) throw malformed(name, '"v1," and 32 bytes in base 64, or several of them with a space between');
      if (signatures.length === 0) {
        throw new WebhookRejectedError(`Expected a "v1," in the header '${name}'`, "missing");
      }
      checkTime(time, timeName, now, options);
      await proven(keys, [`${id}.${time}.`, body], signatures.map(base64Bytes));
      return { id };
    },
  };
}
