/** Webhooks: who is let in, what is made of a delivery, what runs once, and what is answered when something fails. */
import {
  createReplayWindow,
  github,
  isSigned,
  slack,
  standardWebhooks,
  stripe,
  webhook,
  type WebhookCall,
  WebhookRejectedError,
  type WebhookScheme,
} from "@windkit/windmill-client/handlers";
import { mockWindmill } from "@windkit/windmill-client/testing";
import type { WebhookEvent } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { options as reach, type Seen, serve, settle, text } from "./_client_kit.ts";
import { test } from "./harness.ts";

const UUID = /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

/** A delivery as its sender documents it. */
interface Vector {
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
const FORM = "application/x-www-form-urlencoded";

/** From the documentation of the senders. Stripe's shows no secret: its signature here was made with Python's `hmac`. */
const VECTORS: Readonly<Record<"github" | "stripe" | "slack" | "standard", Vector>> = {
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
const NAMES = ["github", "stripe", "slack", "standard"] as const;
/** The header of the signature, by scheme. */
const SIGNATURE = {
  github: "x-hub-signature-256",
  stripe: "stripe-signature",
  slack: "x-slack-signature",
  standard: "webhook-signature",
};

type Body = string | Uint8Array<ArrayBuffer>;

function request(headers: Readonly<Record<string, string>>, body: Body, url = "https://edge.test/hook"): Request {
  return new Request(url, { method: "POST", headers, body });
}

/** A handler that keeps what it is called with. */
function keeping(
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

interface Refusal {
  readonly name: string;
  readonly message: string;
  readonly problem?: string;
}

/** Status and error of an answer. */
async function refusal(answer: Promise<Response> | Response): Promise<Refusal & { readonly status: number }> {
  const response = await answer;
  const { error } = await response.json() as { readonly error: Refusal };
  return { status: response.status, ...error };
}
async function isRefused(answer: Promise<Response>, status: number, problem: string, secret = "\0"): Promise<void> {
  const found = await refusal(answer);
  assertEquals([found.status, found.problem], [status, problem], found.message);
  assert(!JSON.stringify(found).includes(secret), "The secret is in the answer");
}

/** Signs as a sender does: the test's own way to it. */
async function hmac(secret: Body, ...parts: Body[]): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = (part: Body) => typeof part === "string" ? new TextEncoder().encode(part) : part;
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const whole = new Uint8Array(await new Blob(parts.map(bytes)).arrayBuffer());
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, whole));
}
function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

// Signatures

for (const name of NAMES) {
  const vector = VECTORS[name], signature = SIGNATURE[name];
  const { secret, headers, body } = vector;
  const right = headers[signature] ?? "";

  test(`webhook: ${name}: the documented example is let in`, async () => {
    const { handler, events, calls } = keeping(vector, secret);
    const answer = await handler(request(headers, body));
    assertEquals([answer.status, await answer.json()], [200, { ok: true }]);
    assertEquals(events.length, 1);
    assert(UUID.test(calls[0]?.id ?? ""), `${calls[0]?.id}`);
  });

  test(`webhook: ${name}: a forged body, secret or signature is not`, async () => {
    const { handler, events } = keeping(vector, secret);
    await isRefused(handler(request(headers, `${body} `)), 401, "mismatch", secret);
    await isRefused(handler(request(headers, "")), 401, "mismatch", secret);
    // The last character of base 64 has bits that are no byte's: the third from the end.
    const at = name === "stripe" ? right.indexOf("v1=654b") + 5 : right.length - 3;
    const other = right[at] === "0" ? "1" : "0";
    const forged = { ...headers, [signature]: right.slice(0, at) + other + right.slice(at + 1) };
    await isRefused(handler(request(forged, body)), 401, "mismatch", secret);
    const wrong = name === "standard" ? `whsec_${btoa("another")}` : "another";
    await isRefused(keeping(vector, wrong).handler(request(headers, body)), 401, "mismatch", secret);
    assertEquals(events.length, 0);
  });

  test(`webhook: ${name}: missing, truncated and badly encoded signatures are told apart, and say nothing secret`, async () => {
    const { handler, events } = keeping(vector, secret);
    for (const header of Object.keys(headers).filter((one) => !/content-type|delivery/.test(one))) {
      const { [header]: _, ...rest } = headers;
      await isRefused(handler(request(rest, body)), 401, "missing", secret);
      await isRefused(handler(request({ ...headers, [header]: "" }, body)), 401, "missing", secret);
    }
    const [start = ""] = /^.*?(?:sha256=|v0=|v1=|v1,)/.exec(right) ?? [];
    const last = right.slice(0, name === "stripe" ? right.indexOf(",v0=") : undefined);
    for (
      const broken of [
        last.slice(0, -1),
        last.slice(0, start.length + 4),
        `${last}0`,
        `${last.slice(0, -4)}zz~~`,
        `${start}é`,
        `${start}`,
        `${last}, ${last}`,
        name === "slack" ? "v1=abc" : "?",
        "x".repeat(5000),
      ]
    ) {
      const found = await refusal(handler(request({ ...headers, [signature]: broken }, body)));
      assert(found.status === 400 || found.status === 401, `${broken}: ${found.status}`);
      assertEquals(found.problem === "malformed" || (found.problem === "missing" && start === broken), true, broken);
      assert(!found.message.includes(secret) && !found.message.includes(right.slice(-20)), found.message);
    }
    assertEquals(events.length, 0);
  });

  test(`webhook: ${name}: of several secrets each is good, the old one as the new one`, async () => {
    const other = name === "standard" ? `whsec_${btoa("another")}` : "another";
    for (const secrets of [[secret, other], [other, secret]]) {
      const { handler, events } = keeping(vector, secrets);
      assertEquals((await handler(request(headers, body))).status, 200);
      assertEquals(events.length, 1);
    }
  });

  test(`webhook: ${name}: a body that comes again is acknowledged, and not handled`, async () => {
    const { handler, events } = keeping(vector, secret);
    assertEquals((await handler(request(headers, body))).status, 200);
    const answer = await handler(request(headers, body));
    assertEquals([answer.status, await answer.json()], [200, { ok: true, duplicate: true }]);
    assertEquals(events.length, 1);
  });

  if (name !== "github") {
    test(`webhook: ${name}: a timestamp is good for 300 s, in both directions`, async () => {
      for (const [off, status] of [[-300, 200], [300, 200], [-301, 401], [301, 401], [1e9, 401]] as const) {
        const { handler } = keeping({ ...vector, at: vector.at + off }, secret);
        const answer = await handler(request(headers, body));
        assertEquals(answer.status, status, `${off}`);
        if (status === 200) continue;
        const { problem, message } = await refusal(answer);
        assertEquals(problem, "stale");
        assertIncludes(message, off > 0 ? "further back" : "further ahead");
      }
      for (const time of ["", "-1", "1e3", "0x10", "NaN", "9".repeat(40), "1614265330.0"]) {
        const changed = name === "stripe"
          ? { ...headers, [signature]: right.replace("1492774577", time) }
          : { ...headers, [name === "slack" ? "x-slack-request-timestamp" : "webhook-timestamp"]: time };
        const { status } = await refusal(keeping(vector, secret).handler(request(changed, body)));
        assertEquals(status, time === "" && name !== "stripe" ? 401 : 400, time);
      }
    });
  }
}

test("webhook: bodies that are no UTF-8 are signed byte by byte, and come in base 64", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  const secret = VECTORS.github.secret;
  const { handler, events } = keeping(VECTORS.github, secret);
  const headers = {
    "content-type": "application/octet-stream",
    // Made with Python's `hmac`.
    "x-hub-signature-256": "sha256=90ae8863901131b841e8cf5c484806df703b082fc7b3292552308ec3f3696956",
  };
  assertEquals((await handler(request(headers, bytes))).status, 200);
  assertEquals([events[0]?.body, events[0]?.raw_string], [{}, base64(bytes)]);
  // The same bytes as JSON are proven, and then no JSON.
  await isRefused(handler(request({ ...headers, "content-type": "application/json" }, bytes)), 400, "malformed");
  const text = `caf\u00e9 \ud83d\ude80`;
  const signed = { "content-type": "text/plain", "x-hub-signature-256": `sha256=${hex(await hmac(secret, text))}` };
  assertEquals((await handler(request(signed, text))).status, 200);
  assertEquals(events[1]?.raw_string, text);
});

test("webhook: standard: secrets without prefix, other prefixes of headers, several signatures, other versions", async () => {
  const { standard } = VECTORS;
  const { headers, body, secret, at } = standard;
  const right = headers["webhook-signature"] ?? "";
  const none = `v1,${base64(new Uint8Array(32))}`;
  for (const signatures of [`${none} ${right}`, `${right} ${none}`, `v1a,abc ${right} v2,~`, ` ${right} `]) {
    const { handler } = keeping(standard, secret.slice(6));
    assertEquals(
      (await handler(request({ ...headers, "webhook-signature": signatures }, body))).status,
      200,
      signatures,
    );
  }
  const many = Array.from({ length: 17 }, () => right).join(" ");
  await isRefused(
    keeping(standard, secret).handler(request({ ...headers, "webhook-signature": many }, body)),
    400,
    "malformed",
  );
  const only = { ...headers, "webhook-signature": "v2,abc" };
  await isRefused(keeping(standard, secret).handler(request(only, body)), 401, "missing");
  // The id is signed too.
  await isRefused(
    keeping(standard, secret).handler(request({ ...headers, "webhook-id": "msg_2" }, body)),
    401,
    "mismatch",
  );
  const svix = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.replace("webhook", "svix"), value]),
  );
  const vector = { ...standard, scheme: standardWebhooks({ prefix: "svix" }), at };
  assertEquals((await keeping(vector, secret).handler(request(svix, body))).status, 200);
  for (const bad of ["whsec_", "whsec_~~~~", "not base 64 at all", "a"]) {
    const found = await refusal(keeping(standard, bad).handler(request(headers, body)));
    assertEquals([found.status, found.name], [500, "ConfigurationError"], bad);
    assert(bad === "a" || bad === "whsec_" || !found.message.includes(bad), found.message);
  }
});

test("webhook: slack: the challenge of an address is answered when it is signed, and nothing is handled", async () => {
  const { slack: vector } = VECTORS;
  const body = JSON.stringify({
    token: "Jhj5",
    challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    type: "url_verification",
  });
  const signature = `v0=${hex(await hmac(vector.secret, `v0:${vector.at}:`, body))}`;
  const headers = { ...vector.headers, "content-type": "application/json", "x-slack-signature": signature };
  const { handler, events } = keeping(vector, vector.secret);
  const answer = await handler(request(headers, body));
  assertEquals([answer.status, await answer.text()], [200, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"]);
  await isRefused(handler(request({ ...headers, "x-slack-signature": `v0=${"0".repeat(64)}` }, body)), 401, "mismatch");
  assertEquals(events.length, 0);
});

test("webhook: a later attempt is signed anew, and has the id of the message", async () => {
  for (const name of ["stripe", "slack", "standard"] as const) {
    const vector = VECTORS[name];
    const body = '{"id":"evt_1","event_id":"Ev1","type":"event_callback"}';
    const ids: (string | undefined)[] = [];
    for (const time of [vector.at, vector.at + 60]) {
      const key = name === "standard"
        ? Uint8Array.from(atob(vector.secret.slice(6)), (char) => char.charCodeAt(0))
        : vector.secret;
      const start = { stripe: `${time}.`, slack: `v0:${time}:`, standard: `msg_1.${time}.` }[name];
      const mac = await hmac(key, start, body);
      const { handler, calls } = keeping(vector, vector.secret);
      const headers: Record<string, Record<string, string>> = {
        stripe: { "stripe-signature": `t=${time},v1=${hex(mac)}` },
        slack: { "x-slack-request-timestamp": `${time}`, "x-slack-signature": `v0=${hex(mac)}` },
        standard: { "webhook-id": "msg_1", "webhook-timestamp": `${time}`, "webhook-signature": `v1,${base64(mac)}` },
      };
      assertEquals((await handler(request(headers[name] ?? {}, body))).status, 200, name);
      ids.push(calls[0]?.id);
    }
    assertEquals(ids[0], ids[1], name);
  }
});

test("webhook: github: the id is that of the delivery and of its body; or of its body alone, when that is wanted", async () => {
  const { github: vector } = VECTORS;
  const again = { ...vector.headers, "x-github-delivery": "another" };
  for (const [scheme, times] of [[github(), 2], [github({ sameBy: "body" }), 1]] as const) {
    const { handler, events } = keeping({ ...vector, scheme }, vector.secret);
    for (const headers of [vector.headers, again]) {
      assertEquals((await handler(request(headers, vector.body))).status, 200);
    }
    assertEquals(events.length, times);
  }
});

test("isSigned() takes secrets as text and as bytes, and signatures of 32 bytes only", async () => {
  const mac = await hmac("key", "a", "b");
  assert(await isSigned(["no", "key"], ["a", new TextEncoder().encode("b")], mac));
  assert(await isSigned([new TextEncoder().encode("key")], ["ab"], mac));
  assert(await isSigned(["key"], ["ab"], { hex: hex(mac).toUpperCase() }));
  assert(await isSigned(["key"], ["ab"], { base64: base64(mac) }));
  for (const other of ["", "~", hex(mac).slice(1), `${hex(mac)}0`, base64(mac).slice(1), ` ${base64(mac)}`]) {
    assert(
      !await isSigned(["key"], ["ab"], { hex: other }) && !await isSigned(["key"], ["ab"], { base64: other }),
      other,
    );
  }
  for (const other of [mac.slice(0, 31), new Uint8Array(0), new Uint8Array(64)]) {
    assert(!await isSigned(["key"], ["ab"], other));
  }
});

// Schemes of one's own

test("isSigned() takes no empty secret: everybody signs with it", async () => {
  const key = await crypto.subtle.importKey("raw", new Uint8Array(64), { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
  ]);
  // A key of HMAC is filled up with zeros: these sign as the empty one does.
  const forged = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode("body")));
  for (const secrets of [[""], ["right", ""], [new Uint8Array()]]) {
    await assertRejects(() => isSigned(secrets, ["body"], forged), "CONFIGURATION", "empty");
  }
  assertEquals(await isSigned([], ["body"], forged), false);
});

test("webhook: a function says whether an event is genuine; false, an error and another value do not let it in", async () => {
  const seen: WebhookEvent[] = [];
  for (const [verdict, status] of [[true, 200], [false, 401], [1 as unknown as boolean, 401]] as const) {
    const handler = webhook({
      verify: async (event, { secrets, body }) => {
        assertEquals([secrets, body.length, event.headers["x-key"]], [["s"], 2, "k"]);
        return await verdict;
      },
      secret: "s",
      handle: (event) => void seen.push(event),
    });
    assertEquals((await handler(request({ "x-key": "k" }, "{}"))).status, status);
  }
  assertEquals(seen.length, 1);
  const failing = webhook({
    verify: () => {
      throw new Error("secret words");
    },
    handle: (event) => void seen.push(event),
  });
  const { status, message } = await refusal(failing(request({}, "{}")));
  assertEquals([status, message, seen.length], [500, "The webhook could not be handled", 1]);
});

test("webhook: a scheme of one's own rejects in its own words, and says the id", async () => {
  const scheme: WebhookScheme = {
    name: "shop",
    verify: async ({ headers, body, secrets }) => {
      const given = headers.get("x-shop-hmac") ?? "";
      if (given === "") throw new WebhookRejectedError("No hmac", "missing");
      if (!await isSigned(secrets, [body], { base64: given })) {
        throw new WebhookRejectedError("Another hmac", "mismatch");
      }
      return { id: headers.get("x-shop-id") ?? "" };
    },
  };
  const { handler, events } = keeping({ ...VECTORS.github, scheme }, "shop-secret");
  const headers = { "x-shop-hmac": "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0=", "x-shop-id": "1" };
  assertEquals((await handler(request(headers, '{"id":1}'))).status, 200);
  assertEquals((await handler(request({ ...headers, "x-shop-id": "2" }, '{"id":1}'))).status, 200);
  assertEquals((await handler(request(headers, '{"id":1}'))).status, 200);
  assertEquals(events.length, 2);
  assertEquals((await refusal(handler(request({}, "{}")))).message, "No hmac");
  assertEquals((await refusal(handler(request(headers, "{}")))).message, "Another hmac");
});

// Bodies

test("webhook: the event is the one of Windmill's webhooks", async () => {
  const handled: WebhookEvent[] = [];
  const handler = (raw: boolean) => webhook({ verify: () => true, raw, handle: (event) => void handled.push(event) });
  const last = () => handled.at(-1);
  const headers = { "content-type": "application/json", authorization: "Bearer x", cookie: "a=b", "x-other": "1" };
  await handler(true)(request(headers, ' {"a": [1]}', "https://edge.test/hook?a=1&b=%20"));
  assertEquals(last()?.kind, "webhook");
  assertEquals(last()?.body, { a: [1] });
  assertEquals(last()?.raw_string, ' {"a": [1]}');
  assertEquals(last()?.query, { a: "1", b: " " });
  assertEquals(Object.keys(last() ?? {}).sort(), ["body", "headers", "kind", "query", "raw_string"]);
  assertEquals([last()?.headers["x-other"], last()?.headers.authorization, last()?.headers.cookie], [
    "1",
    undefined,
    undefined,
  ]);
  for (
    const [type, body, decoded, raw] of [
      ["application/json", "[1]", [1], null],
      ["application/cloudevents+json; charset=utf-8", "null", null, null],
      ["application/json", "", {}, null],
      [FORM, "a=1&b=x+y&b=%C3%A9", { a: "1", b: "\u00e9" }, null],
      ["text/plain", "hello", {}, "hello"],
      ["application/xml", "<a/>", {}, "<a/>"],
    ] as const
  ) {
    assertEquals((await handler(false)(request({ "content-type": type }, body))).status, 200);
    assertEquals([last()?.body, last()?.raw_string], [decoded, raw], type);
  }
  const count = handled.length;
  for (const [type, body] of [["application/json", '{"secret'], [FORM, Uint8Array.of(0xff)]] as const) {
    const found = await refusal(handler(false)(request({ "content-type": type }, body)));
    assertEquals([found.status, found.problem], [400, "malformed"]);
    assert(!found.message.includes("secret"), found.message);
  }
  assertEquals(handled.length, count);
});

test("webhook: a body over the limit is 413, said beforehand or not, and not read to its end", async () => {
  const { github: vector } = VECTORS;
  const { handler } = keeping(vector, vector.secret, { maxBodyBytes: 13 });
  assertEquals((await handler(request(vector.headers, vector.body))).status, 200);
  await isRefused(
    keeping(vector, vector.secret, { maxBodyBytes: 12 }).handler(request(vector.headers, vector.body)),
    413,
    "too-large",
  );
  let pulled = 0, cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (control) => {
      pulled++;
      control.enqueue(new Uint8Array(10));
    },
    cancel: () => {
      cancelled = true;
    },
  });
  const init = { method: "POST", headers: vector.headers, body: endless, duplex: "half" };
  await isRefused(handler(new Request("https://edge.test/", init)), 413, "too-large");
  await settle();
  assert(pulled < 10 && cancelled, `${pulled} pieces were read`);
});

test("webhook: a body that breaks off, or is shorter than was said, is 400", async () => {
  const { github: vector } = VECTORS;
  const { handler, events } = keeping(vector, vector.secret);
  const stream = (end: (control: ReadableStreamDefaultController<Uint8Array>) => void) =>
    new ReadableStream<Uint8Array>({
      start: (control) => {
        control.enqueue(new TextEncoder().encode("Hello, "));
        end(control);
      },
    });
  const send = (body: ReadableStream<Uint8Array>, more: Record<string, string> = {}) =>
    handler(
      new Request(
        "https://edge.test/",
        { method: "POST", headers: { ...vector.headers, ...more }, body, duplex: "half" } as RequestInit,
      ),
    );
  await isRefused(send(stream((control) => control.error(new Error("lost")))), 400, "malformed");
  // Some runtimes do not let a program set the length.
  const short = new Request("https://edge.test/", {
    method: "POST",
    headers: { ...vector.headers, "content-length": "13" },
    body: stream((control) => control.close()),
    duplex: "half",
  } as RequestInit);
  const found = await refusal(handler(short));
  assertEquals(found.status, short.headers.has("content-length") ? 400 : 401);
  assertEquals(events.length, 0);
});

test("webhook: only POST is taken", async () => {
  const { handler } = keeping(VECTORS.github, "s");
  for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
    const answer = await handler(new Request("https://edge.test/", { method }));
    assertEquals([answer.status, answer.headers.get("allow")], [405, "POST"]);
  }
});

// Configuration

test("webhook: a binding that is missing, empty or no text is an error of the first request, and named", async () => {
  const { github: vector } = VECTORS;
  const { headers, body, secret } = vector;
  const handled: unknown[] = [], errors: unknown[] = [];
  const of = (given: Parameters<typeof webhook>[0]["secret"]) =>
    webhook({
      verify: vector.scheme,
      ...(given !== undefined && { secret: given }),
      handle: (event) => void handled.push(event),
      onError: (error) => errors.push(error),
    });
  for (const env of [{}, { GITHUB_SECRET: "" }, { GITHUB_SECRET: 7 }, { OLD: secret }]) {
    const found = await refusal(of({ binding: ["GITHUB_SECRET", "OLD"] })(request(headers, body), { env }));
    assertEquals([found.status, found.name], [500, "ConfigurationError"]);
    assertIncludes(found.message, "'GITHUB_SECRET'");
  }
  for (
    const [given, word] of [[undefined, "'secret'"], ["", "'secret'"], [[], "'secret'"], [["a", ""], "'secret'"], [
      () => undefined,
      "'secret' gives",
    ]] as const
  ) {
    const found = await refusal(of(given)(request(headers, body)));
    assertEquals(found.status, 500);
    assertIncludes(found.message, word);
  }
  assertEquals([handled.length, errors.length], [0, 9]);
  const env = { GITHUB_SECRET: "new", OLD: secret };
  assertEquals((await of({ binding: ["GITHUB_SECRET", "OLD"] })(request(headers, body), { env })).status, 200);
  const looks = of(async (bindings) => [await Promise.resolve(`${bindings.OLD}`)]);
  assertEquals((await looks(request(headers, body), { env })).status, 200);
  for (const wrong of [{}, { run: { script: "f/a/b" }, handle: () => {} }, { handle: () => {}, maxBodyBytes: NaN }]) {
    let thrown: unknown;
    try {
      webhook({ verify: () => true, ...wrong } as Parameters<typeof webhook>[0]);
    } catch (error) {
      thrown = error;
    }
    assert(thrown instanceof TypeError, "Expected a TypeError");
  }
});

// Runs

function genuine(): boolean {
  return true;
}

test("webhook: a script or a flow runs with the event, and the answer is its job's id", async () => {
  const mock = mockWindmill({
    jobs: { "f/shop/pay": ({ event }) => (event as WebhookEvent).body },
    flows: { "f/shop/flow": (args) => args },
  });
  const { github: vector } = VECTORS;
  const shared = { verify: vector.scheme, secret: vector.secret, client: mock.options };
  const answer = await webhook({ ...shared, run: { script: "f/shop/pay" } })(request(vector.headers, vector.body));
  const { jobId } = await answer.json() as { jobId: string };
  assert(UUID.test(jobId), jobId);
  const job = mock.jobs.get(jobId);
  assertEquals([job?.path, (job?.args.event as WebhookEvent).raw_string], ["f/shop/pay", "Hello, World!"]);
  assertIncludes(mock.requests.at(-1)?.url ?? "", "skip_preprocessor=true");
  const waits = webhook({
    ...shared,
    run: (event) => event.query.skip === "1" ? undefined : { flow: "f/shop/flow" },
    args: ({ headers }) => ({ delivery: headers["x-github-delivery"] }),
    start: { skipPreprocessor: false, tag: "edge" },
    wait: true,
  });
  const waited = await waits(request(vector.headers, vector.body));
  assertEquals((await waited.json() as { result: unknown }).result, { delivery: vector.headers["x-github-delivery"] });
  const branches = webhook({
    ...shared,
    run: ({ raw_string: text }) => ({ flow: "f/shop/flow", args: { text } }),
    args: () => ({ text: "of the option" }),
    wait: true,
  });
  const branched = await branches(request({ ...vector.headers, "x-github-delivery": "another" }, vector.body));
  assertEquals((await branched.json() as { result: unknown }).result, { text: "Hello, World!" });
  const before = mock.jobs.size;
  const skipped = await waits(request(vector.headers, vector.body, "https://edge.test/?skip=1"));
  assertEquals([await skipped.json(), mock.jobs.size], [{ ignored: true }, before]);
});

test("webhook: no event has Windmill fill in a secret, unless that is wanted; a function gets it as it is", async () => {
  const mock = mockWindmill({ jobs: { "f/shop/pay": ({ event }) => (event as WebhookEvent).body } });
  const shared = { verify: genuine, client: mock.options, run: { script: "f/shop/pay" } };
  const said = (title: string, url?: string) => {
    return request({ "content-type": "application/json" }, JSON.stringify({ issue: { title } }), url);
  };
  for (const title of ["$var:f/shop/key", "$res:f/shop/db", "$encrypted:abc", "$WM_TOKEN"]) {
    await isRefused(webhook(shared)(said(title)), 400, "malformed", title);
  }
  await isRefused(webhook(shared)(said("", "https://edge.test/hook?a=$var:f/shop/key")), 400, "malformed");
  assertEquals(mock.requests.length, 0);
  for (const title of ["$5", "see $var:f/shop/key", '"$WM_TOKEN"']) {
    assertEquals((await webhook(shared)(said(title))).status, 200);
  }
  assertEquals((await webhook({ ...shared, references: true })(said("$var:f/shop/key"))).status, 200);
  const got: unknown[] = [];
  const { status } = await webhook({ verify: genuine, handle: ({ body }) => void got.push(body) })(said("$WM_TOKEN"));
  assertEquals([status, got], [200, [{ issue: { title: "$WM_TOKEN" } }]]);
});

test("webhook: one message is one job in all isolates, whoever forgets it", async () => {
  const mock = mockWindmill({ jobs: { "f/a/b": () => 1, "f/a/c": () => 1 } });
  const { standard: vector } = VECTORS;
  const isolate = (script: string, workspace?: string) =>
    webhook({
      verify: vector.scheme,
      secret: vector.secret,
      clock: { now: () => vector.at * 1000 },
      client: { ...mock.options, ...(workspace !== undefined && { workspace }) },
      run: { script },
    });
  const one = isolate("f/a/b"), other = isolate("f/a/b");
  const send = async (handler: typeof one) => {
    const answer = await handler(request(vector.headers, vector.body));
    return [answer.status, await answer.json()] as const;
  };
  const [, first] = await send(one);
  const { jobId } = first as { jobId: string };
  assertEquals(await send(other), [200, { jobId }]);
  // The job that the tested code runs in is one too.
  assertEquals(mock.jobs.size, 2);
  const asked = mock.requests.length;
  assertEquals(await send(one), [200, { jobId, duplicate: true }]);
  assertEquals(mock.requests.length, asked, "What this isolate knows is not asked again");
  // Another target is another job.
  const [, second] = await send(isolate("f/a/c"));
  assert((second as { jobId: string }).jobId !== jobId);
});

test("webhook: a start that fails is not recorded: the sender's next attempt starts the job", async () => {
  let down = true;
  const stub = serve(({ target }: Seen) =>
    down ? text("busy", 503) : text(new URL(target, "http://x").searchParams.get("job_id") ?? "", 201)
  );
  const { standard: vector } = VECTORS;
  const recorded: string[] = [], asked: string[] = [], errors: unknown[] = [];
  const handler = webhook({
    verify: vector.scheme,
    secret: vector.secret,
    clock: { now: () => vector.at * 1000 },
    client: reach(stub, { retry: { attempts: 1 } }),
    run: { script: "f/a/b" },
    replay: {
      seen: async (id) => {
        asked.push(id);
        return await recorded.includes(id);
      },
      record: async (id) => void await recorded.push(id),
    },
    onError: (error) => errors.push(error),
  });
  const failed = await refusal(handler(request(vector.headers, vector.body)));
  assertEquals([failed.status, failed.name, failed.message], [502, "WindmillApiError", "Windmill answered 503"]);
  assertEquals([recorded.length, errors.length], [0, 1]);
  down = false;
  const answer = await handler(request(vector.headers, vector.body));
  const { jobId } = await answer.json() as { jobId: string };
  assertEquals([answer.status, recorded, asked], [200, [jobId], [jobId, jobId]]);
  assertEquals(await (await handler(request(vector.headers, vector.body))).json(), { jobId, duplicate: true });
  assertEquals(stub.seen.length, 2);
});

test("webhook: attempts that meet share one start, and its failure", async () => {
  const { standard: vector } = VECTORS;
  for (const fails of [false, true]) {
    const held = Promise.withResolvers<void>();
    const stub = serve(async ({ target }: Seen) => {
      await held.promise;
      return fails ? text("no", 500) : text(new URL(target, "http://x").searchParams.get("job_id") ?? "", 201);
    });
    const kept: Promise<unknown>[] = [];
    let arrived = 0;
    const handler = webhook({
      verify: vector.scheme,
      secret: vector.secret,
      clock: { now: () => vector.at * 1000 },
      client: () => {
        arrived++;
        return reach(stub);
      },
      run: { script: "f/a/b" },
    });
    const context = { waitUntil: (work: Promise<unknown>) => void kept.push(work) };
    const answers = [1, 2, 3].map(() => handler(request(vector.headers, vector.body), context));
    // Web Crypto works beside the event loop: what was given to it before the last of these is done then.
    while (arrived < 3) await settle();
    for (let later = 0; later < 100; later++) await hmac("key", "body");
    await settle();
    held.resolve();
    const statuses = (await Promise.all(answers)).map(({ status }) => status);
    assertEquals(statuses, fails ? [502, 502, 502] : [200, 200, 200]);
    assertEquals([stub.seen.length, kept.length], [1, 1]);
    await Promise.all(kept);
    await Promise.all((await Promise.all(answers)).map((answer) => answer.text()));
  }
});

test("webhook: a delivery that never ends does not hold those that come much later", async () => {
  let now = 0, calls = 0;
  const handler = webhook({
    verify: genuine,
    id: () => "1",
    clock: { now: () => now },
    handle: () => {
      calls++;
      return calls === 1 ? new Promise<void>(() => {}) : undefined;
    },
  });
  void handler(request({}, "{}"));
  while (calls === 0) await settle();
  now = 300_000;
  assertEquals(await (await handler(request({}, "{}"))).json(), { ok: true });
  assertEquals(await (await handler(request({}, "{}"))).json(), { ok: true, duplicate: true });
  assertEquals(calls, 2);
});

test("webhook: handle that fails, by an error or its answer, is called again; its answer is the sender's", async () => {
  const { github: vector } = VECTORS;
  let call = 0;
  const errors: unknown[] = [];
  const handler = webhook({
    verify: vector.scheme,
    secret: vector.secret,
    onError: (error) => {
      errors.push(error);
      throw new Error("Who reports fails too");
    },
    handle: () => {
      call++;
      if (call === 1) throw new Error("tok_secret");
      if (call === 2) return new Response("later", { status: 503 });
      return new Response("taken", { status: 202 });
    },
  });
  const send = async () => {
    const answer = await handler(request(vector.headers, vector.body));
    return [answer.status, await answer.text()];
  };
  assertEquals(await send(), [500, '{"error":{"name":"InternalError","message":"The webhook could not be handled"}}']);
  assertEquals(await send(), [503, "later"]);
  assertEquals(await send(), [202, "taken"]);
  assertEquals(await send(), [200, '{"ok":true,"duplicate":true}']);
  assertEquals([call, errors.length], [3, 1]);
});

test("webhook: what cannot be recorded is done all the same; what cannot be looked up is not", async () => {
  let calls = 0;
  const broken = () => Promise.reject(new Error("store"));
  const errors: unknown[] = [];
  const of = (replay: Parameters<typeof webhook>[0]["replay"]) =>
    webhook({
      verify: genuine,
      id: () => "1",
      handle: () => void calls++,
      onError: (error) => errors.push(error),
      ...(replay && { replay }),
    });
  assertEquals((await of({ seen: () => false, record: broken })(request({}, "{}"))).status, 200);
  assertEquals((await of({ seen: broken, record: () => {} })(request({}, "{}"))).status, 500);
  assertEquals([calls, errors.length], [1, 2]);
});

test("webhook: without an id every delivery is handled, and its job has an id of the server's choice", async () => {
  const mock = mockWindmill({ jobs: { "f/a/b": () => 1 } });
  const handler = webhook({ verify: genuine, run: { script: "f/a/b" }, client: mock.options });
  const ids = [];
  for (let i = 0; i < 2; i++) ids.push((await (await handler(request({}, "{}"))).json() as { jobId: string }).jobId);
  assert(ids[0] !== ids[1], "Expected two jobs");
  assert(!mock.requests.some(({ url }) => url.includes("job_id")), "Nobody chose an id");
});

test("webhook: a Windmill that is slow, missing or answers something else is told apart, in words that say nothing of it", async () => {
  const cases = [
    [() => new Promise<Response>(() => {}), { timeoutMs: 5 }, 504, "Windmill took too long"],
    [() => Promise.reject(new Error("connect tok")), {}, 502, "Windmill gave no answer"],
    [() => text("<html>tok", 200), {}, 502, "Windmill answered 200"],
    [() => text("nothing at f/a/b tok", 404), {}, 502, "Windmill answered 404"],
    [() => text("", 302, { location: "https://other.test/" }), {}, 502, "Windmill answered 302"],
  ] as const;
  for (const [answer, more, status, message] of cases) {
    const handler = webhook({
      verify: genuine,
      run: { script: "f/a/b" },
      client: reach(serve(answer), { retry: { attempts: 1 }, ...more }),
    });
    const found = await refusal(handler(request({}, "{}")));
    assertEquals([found.status, found.message], [status, message]);
  }
  const missing = webhook({ verify: genuine, run: { script: "f/a/b" } });
  const found = await refusal(missing(request({}, "{}"), { env: { WM_WORKSPACE: "ws", WM_TOKEN: "tok" } }));
  assertEquals([found.status, found.name], [500, "ConfigurationError"]);
  assertIncludes(found.message, "WM_BASE_URL");
});

test("webhook: with wait, a failed job is 502, and the next attempt is acknowledged", async () => {
  const mock = mockWindmill({
    jobs: {
      "f/a/b": () => {
        throw new Error("tok_secret");
      },
    },
  });
  const handler = webhook({
    verify: genuine,
    id: () => "1",
    run: { script: "f/a/b" },
    wait: { timeoutMs: 10_000 },
    client: mock.options,
  });
  const found = await refusal(handler(request({}, "{}")));
  assertEquals([found.status, found.name, found.message], [502, "JobFailedError", "The job failed"]);
  const again = await handler(request({}, "{}"));
  assertEquals([again.status, mock.jobs.size], [200, 2]);
});

test("createReplayWindow() keeps the newest, and at least one", async () => {
  const window = createReplayWindow({ capacity: 3 });
  for (const id of ["a", "b", "c", "a", "d"]) await window.record(id);
  assertEquals(await Promise.all(["a", "b", "c", "d"].map((id) => window.seen(id))), [true, false, true, true]);
  let thrown: unknown;
  try {
    createReplayWindow({ capacity: 0 });
  } catch (error) {
    thrown = error;
  }
  assert(thrown instanceof RangeError, "Expected a RangeError");
});
