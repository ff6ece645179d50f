/**
 * What the cases about webhooks share: deliveries as their senders document them, handlers that keep what they are called with,
 * and signatures made the way a sender makes them.
 *
 * @module
 */
import {
  github,
  slack,
  standardWebhooks,
  stripe,
  webhook,
  type WebhookCall,
  type WebhookScheme,
} from "@windkit/windmill-client/handlers";
import type { WebhookEvent } from "@windkit/windmill-client";
import { assert, assertEquals } from "./assert.ts";

/** What an id that is made of a delivery looks like. */
export const UUID = /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

/** A delivery as its sender documents it. */
export interface Vector {
  readonly scheme: WebhookScheme;
  readonly secret: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Seconds since 1970. */
  readonly at: number;
}

const SLACK_BODY = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V" +
  "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=" +
  "https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=" +
  "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
/** The content type of a form. */
export const FORM = "application/x-www-form-urlencoded";

/** From the documentation of the senders. Stripe's shows no secret: its signature here was made with Python's `hmac`. */
export const VECTORS: Readonly<Record<"github" | "stripe" | "slack" | "standard", Vector>> = {
  github: {
    scheme: github(),
    secret: "It's a Secret to Everybody",
    headers: {
      "content-type": "text/plain",
      "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
      "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    },
    body: "Hello, World!",
    at: 1_700_000_000,
  },
  stripe: {
    scheme: stripe(),
    secret: "whsec_test_secret",
    headers: {
      "content-type": "application/json; charset=utf-8",
      "stripe-signature": "t=1492774577,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd," +
        "v1=654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543," +
        "v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39",
    },
    body: '{"id":"evt_1","object":"event"}',
    at: 1_492_774_577,
  },
  slack: {
    scheme: slack(),
    secret: "8f742231b10e8888abcd99yyyzzz85a5",
    headers: {
      "content-type": FORM,
      "x-slack-request-timestamp": "1531420618",
      "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    },
    body: SLACK_BODY,
    at: 1_531_420_618,
  },
  standard: {
    scheme: standardWebhooks(),
    secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    headers: {
      "content-type": "application/json",
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    body: '{"test": 2432232314}',
    at: 1_614_265_330,
  },
};
/** A body, as text or as bytes. */
export type Body = string | Uint8Array<ArrayBuffer>;

/** A delivery. */
export function request(
  headers: Readonly<Record<string, string>>,
  body: Body,
  url = "https://edge.test/hook",
): Request {
  return new Request(url, { method: "POST", headers, body });
}

/** A handler that keeps what it is called with. */
export function keeping(
  { scheme, at }: Vector,
  secret: string | readonly string[],
  more: { readonly raw?: boolean; readonly maxBodyBytes?: number } = {},
) {
  const events: WebhookEvent[] = [], calls: WebhookCall[] = [], errors: unknown[] = [];
  const handler = webhook({
    verify: scheme,
    secret,
    clock: { now: () => at * 1000 },
    client: { baseUrl: "http://stub.test", workspace: "ws", token: "tok" },
    onError: (error) => errors.push(error),
    handle: (event, call) => {
      events.push(event);
      calls.push(call);
    },
    ...more,
  });
  return { handler, events, calls, errors };
}

/** What an answer says of an error. */
export interface Refusal {
  readonly name: string;
  readonly message: string;
  readonly problem?: string;
}

/** Status and error of an answer. */
export async function refusal(answer: Promise<Response> | Response): Promise<Refusal & { readonly status: number }> {
  const response = await answer;
  const { error } = await response.json() as { readonly error: Refusal };
  return { status: response.status, ...error };
}
/** Fails unless an answer has that status and problem, and does not say the secret. */
export async function isRefused(
  answer: Promise<Response>,
  status: number,
  problem: string,
  secret = "\0",
): Promise<void> {
  const found = await refusal(answer);
  assertEquals([found.status, found.problem], [status, problem], found.message);
  assert(!JSON.stringify(found).includes(secret), "The secret is in the answer");
}

/** Signs as a sender does: the test's own way to it. */
export async function hmac(secret: Body, ...parts: Body[]): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = (part: Body) => typeof part === "string" ? new TextEncoder().encode(part) : part;
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const whole = new Uint8Array(await new Blob(parts.map(bytes)).arrayBuffer());
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, whole));
}
/** Bytes in hex. */
export function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
/** Bytes in base 64. */
export function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Lets everybody in. */
export function genuine(): boolean {
  return true;
}
