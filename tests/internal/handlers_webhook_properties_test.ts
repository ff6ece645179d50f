/** Webhooks by generated deliveries: what is signed is let in, what was changed anywhere is not, and garbage never is an error of ours. */
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import fc from "fast-check";
import { github, slack, standardWebhooks, stripe, webhook, type WebhookScheme } from "../../src/handlers/mod.ts";

const runs = Deno.env.get("WINDKIT_SOAK") === "1" ? 20_000 : 300;

interface Sender {
  readonly scheme: WebhookScheme;
  readonly secret: (key: Uint8Array) => string;
  /** Node's HMAC: another implementation than the one that is tested. */
  readonly sign: (secret: string, at: number, id: string, body: Uint8Array) => Record<string, string>;
}

function mac(key: string | Uint8Array, ...parts: (string | Uint8Array)[]) {
  const hash = createHmac("sha256", key);
  for (const part of parts) hash.update(part);
  return hash;
}
function textSecret(key: Uint8Array): string {
  return `s${[...key].join(".")}`;
}

const SENDERS: readonly Sender[] = [
  {
    scheme: github(),
    secret: textSecret,
    sign: (secret, _, id, body) => ({
      "x-hub-signature-256": `sha256=${mac(secret, body).digest("hex")}`,
      "x-github-delivery": id,
    }),
  },
  {
    scheme: stripe(),
    secret: textSecret,
    sign: (secret, at, _, body) => ({
      "stripe-signature": `t=${at},v1=${mac(secret, `${at}.`, body).digest("hex")}`,
    }),
  },
  {
    scheme: slack(),
    secret: textSecret,
    sign: (secret, at, _, body) => ({
      "x-slack-request-timestamp": `${at}`,
      "x-slack-signature": `v0=${mac(secret, `v0:${at}:`, body).digest("hex")}`,
    }),
  },
  {
    scheme: standardWebhooks(),
    secret: (key) => `whsec_${btoa(String.fromCharCode(...key))}`,
    sign: (secret, at, id, body) => ({
      "webhook-id": id,
      "webhook-timestamp": `${at}`,
      "webhook-signature": `v1,${
        mac(Uint8Array.from(atob(secret.slice(6)), (char) => char.charCodeAt(0)), `${id}.${at}.`, body).digest("base64")
      }`,
    }),
  },
];

const AT = 1_700_000_000;

async function deliver(
  scheme: WebhookScheme,
  secrets: readonly string[],
  headers: Readonly<Record<string, string>>,
  body: Uint8Array<ArrayBuffer>,
): Promise<{ readonly status: number; readonly handled: number; readonly said: string }> {
  let handled = 0;
  const handler = webhook({
    verify: scheme,
    secret: secrets,
    clock: { now: () => AT * 1000 },
    handle: () => void handled++,
  });
  const response = await handler(
    new Request("https://edge.test/", {
      method: "POST",
      headers: { "content-type": "application/octet-stream", ...headers },
      body,
    }),
  );
  return { status: response.status, handled, said: await response.text() };
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((value) => new Uint8Array(value));
const key = fc.uint8Array({ minLength: 1, maxLength: 70 }).map((value) => new Uint8Array(value));
const id = fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom(..."abcXYZ019-_.:/") });

for (const { scheme, secret, sign } of SENDERS) {
  Deno.test(`webhook properties: ${scheme.name}: what is signed is let in, under any of the known secrets`, async () => {
    await fc.assert(
      fc.asyncProperty(
        bytes,
        key,
        key,
        id,
        fc.integer({ min: -300, max: 300 }),
        fc.boolean(),
        async (body, one, two, name, off, first) => {
          const right = secret(one), secrets = first ? [right, secret(two)] : [secret(two), right];
          const { status, handled, said } = await deliver(scheme, secrets, sign(right, AT + off, name, body), body);
          assert.deepEqual([status, handled], [200, 1], said);
        },
      ),
      { numRuns: runs },
    );
  });

  Deno.test(`webhook properties: ${scheme.name}: a change of one bit or character anywhere is not let in, and the answer has no secret`, async () => {
    await fc.assert(
      fc.asyncProperty(bytes, key, fc.nat(), fc.nat(), fc.boolean(), async (body, one, where, bit, inBody) => {
        const right = secret(one), headers = sign(right, AT, "msg_1", body);
        const changed = new Uint8Array(body);
        if (inBody && body.length > 0) {
          changed[where % body.length] = (body[where % body.length] ?? 0) ^ (1 << (bit % 8));
        } else {
          // The id of GitHub is not signed.
          const names = Object.keys(headers).filter((name) => name !== "x-github-delivery");
          const name = names[where % names.length] ?? "", value = headers[name] ?? "";
          const at = bit % value.length;
          const other = value[at] === "0" ? "1" : "0";
          // Hexadecimal digits have two forms.
          if (other.toLowerCase() === value[at]?.toLowerCase()) return;
          headers[name] = value.slice(0, at) + other + value.slice(at + 1);
          // The last character of base 64 holds bits of no byte: both say the same bytes.
          if (scheme.name === "standard" && /[^=]=$/.test(value) && at === value.length - 2) return;
        }
        const { status, handled, said } = await deliver(scheme, [right], headers, changed);
        assert.ok((status === 400 || status === 401) && handled === 0, `${status} ${said}`);
        assert.ok(!said.includes(right), said);
      }),
      { numRuns: runs },
    );
  });

  Deno.test(`webhook properties: ${scheme.name}: headers of garbage are answered 400 or 401`, async () => {
    const names = Object.keys(sign("whsec_AAAA", AT, "id", new Uint8Array()));
    const garbage = fc.oneof(
      fc.string({ maxLength: 300, unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)) }),
      fc.array(
        fc.constantFrom(
          "v1,",
          "v1=",
          "v0=",
          "t=",
          "sha256=",
          ",",
          " ",
          "=",
          "0".repeat(64),
          "A".repeat(43),
          `${AT}`,
          "-",
          "é",
        ),
        { maxLength: 40 },
      )
        .map((parts) => parts.join("")),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(garbage, { minLength: names.length, maxLength: names.length }),
        bytes,
        async (values, body) => {
          const headers = Object.fromEntries(names.map((name, at) => [name, values[at] ?? ""]));
          const { status, handled, said } = await deliver(scheme, [secret(Uint8Array.of(1, 2, 3))], headers, body);
          assert.ok((status === 400 || status === 401) && handled === 0, `${status} ${said}`);
        },
      ),
      { numRuns: runs },
    );
  });
}

Deno.test("webhook properties: ids of messages and jobs are the same for the same message, and of no two others", async () => {
  const messages = new Map<string, string>(), ids = new Map<string, string>();
  await fc.assert(
    fc.asyncProperty(id, fc.constantFrom("a", "b"), async (name, scheme) => {
      let found: string | undefined;
      const handler = webhook({
        verify: { name: scheme, needsSecret: false, verify: () => ({ id: name }) },
        handle: (_, call) => {
          found = call.id;
        },
      });
      await handler(
        new Request("https://edge.test/", {
          method: "POST",
          body: randomUUID(),
          headers: { "content-type": "text/plain" },
        }),
      );
      const message = `${scheme} ${name}`;
      assert.equal(messages.get(`${found}`) ?? message, message);
      assert.equal(ids.get(message) ?? found, found);
      messages.set(`${found}`, message);
      ids.set(message, `${found}`);
    }),
    { numRuns: runs },
  );
});
