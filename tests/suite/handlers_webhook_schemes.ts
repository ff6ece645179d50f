/** Webhooks: who is let in, by the schemes of the senders and by one's own. */
import {
  isSigned,
  standardWebhooks,
  webhook,
  WebhookRejectedError,
  type WebhookScheme,
} from "@windkit/windmill-client/handlers";
import type { WebhookEvent } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { base64, hex, hmac, isRefused, keeping, refusal, request, UUID, VECTORS } from "./_webhook_kit.ts";
import { test } from "./harness.ts";

const NAMES = ["github", "stripe", "slack", "standard"] as const;
/** The header of the signature, by scheme. */
const SIGNATURE = {
  github: "x-hub-signature-256",
  stripe: "stripe-signature",
  slack: "x-slack-signature",
  standard: "webhook-signature",
};

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
