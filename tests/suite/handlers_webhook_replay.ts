/** Webhooks: what runs once, however often it is sent, and what is known of a delivery that was. */
import { createReplayWindow, github, webhook } from "@windkit/windmill-client/handlers";
import { mockWindmill } from "@windkit/windmill-client/testing";
import { assert, assertEquals } from "./assert.ts";
import { options as reach, type Seen, serve, settle, text } from "./_client_kit.ts";
import { base64, genuine, hex, hmac, keeping, refusal, request, VECTORS } from "./_webhook_kit.ts";
import { test } from "./harness.ts";

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
