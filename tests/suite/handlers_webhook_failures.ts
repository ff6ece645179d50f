/** Webhooks: what is answered when something fails: the handler's own code, Windmill, or the job. */
import { webhook } from "@windkit/windmill-client/handlers";
import { mockWindmill } from "@windkit/windmill-client/testing";
import { assertEquals, assertIncludes } from "./assert.ts";
import { options as reach, serve, text } from "./_client_kit.ts";
import { genuine, refusal, request, VECTORS } from "./_webhook_kit.ts";
import { test } from "./harness.ts";

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
