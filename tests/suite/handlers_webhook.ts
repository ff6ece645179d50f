/** Webhooks: what is made of a delivery, and what it starts. */
import { webhook } from "@windkit/windmill-client/handlers";
import { mockWindmill } from "@windkit/windmill-client/testing";
import type { WebhookEvent } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { settle } from "./_client_kit.ts";
import { FORM, genuine, isRefused, keeping, refusal, request, UUID, VECTORS } from "./_webhook_kit.ts";
import { test } from "./harness.ts";

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
