/** Handlers and the local server: what a handler answers is what the server itself answers to the same job. */
import assert from "node:assert/strict";
import { runScript, streamJob } from "../../src/handlers/mod.ts";
import type { RunnerIo } from "../../src/runner/ports.ts";
import { createFakeClock } from "./_clock.ts";
import { openTestServer, type TestServer } from "./_server.ts";

const results: Readonly<Record<string, unknown>> = {
  object: { n: 1, text: "ä" },
  text: "text",
  number: 7,
  none: null,
  list: [1, { windmill_status_code: 404 }],
  created: { windmill_status_code: 201, result: { id: 7 } },
  teapot: { wm_status_code: 418, wm_content_type: "text/plain", result: "short and stout" },
  html: { windmill_content_type: "text/html", result: "<p>hi" },
  typed: { windmill_content_type: "application/json", result: { a: 1 } },
  empty: { windmill_content_type: "text/plain" },
  bare: { windmill_status_code: 304 },
  gone: { windmill_headers: { "x-own": "1", "x-list": [1] } },
  moved: { windmill_status_code: 303, windmill_headers: { location: "https://shop.test/" } },
  broken: { windmill_status_code: 502, result: { why: "own" } },
  denied: { windmill_status_code: 401, result: "log in" },
};

function files(): Record<string, (args: unknown, io: RunnerIo) => Promise<unknown>> {
  return {
    ...Object.fromEntries(
      Object.entries(results).map(([name, value]) => [`f/give/${name}`, () => Promise.resolve(value)]),
    ),
    "f/fails": () => Promise.reject(new TypeError("out of stock")),
    "f/echo": (args) => Promise.resolve(args),
  };
}

function client({ url, workspace, token }: TestServer) {
  return { baseUrl: url, workspace, token, env: {} };
}

async function shown(response: Response): Promise<unknown> {
  const headers = [...response.headers].filter(([name]) => !/^(date|vary|content-length|content-encoding)$/.test(name));
  return { status: response.status, headers, body: await response.text() };
}

Deno.test("runScript() answers to every kind of result what the server answers to run_wait_result, in one request or two", async () => {
  await using server = await openTestServer({ files: files() });
  for (const name of Object.keys(results)) {
    const path = `f/give/${name}`;
    const own = await fetch(`${server.url}/api/w/${server.workspace}/jobs/run_wait_result/p/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
      body: "{}",
      redirect: "manual",
    });
    const expected = await shown(own);
    for (const detached of [false, true]) {
      const handler = runScript(path, { client: client(server), detached });
      const found = await shown(await handler(new Request("https://edge.test/")));
      assert.deepEqual(found, expected, `${name}, detached: ${detached}`);
    }
  }
});

Deno.test("runScript() gives arguments to the job, and its error back without a stack", async () => {
  await using server = await openTestServer({ files: files() });
  const echo = runScript("f/echo", { client: client(server) });
  assert.deepEqual(await (await echo(new Request("https://edge.test/?a=1"), { params: { b: "2" } })).json(), {
    a: "1",
    b: "2",
  });
  const fails = runScript("f/fails", { client: client(server) });
  const response = await fails(new Request("https://edge.test/"));
  const { error } = await response.json() as { error: Record<string, unknown> };
  assert.deepEqual([response.status, error.name, error.message, "stack" in error], [
    422,
    "TypeError",
    "out of stock",
    false,
  ]);
  const none = await runScript("f/none", { client: client(server) })(new Request("https://edge.test/"));
  assert.deepEqual([none.status, (await none.json()).error.name], [502, "WindmillApiError"]);
});

Deno.test("runScript() with a deadline ends the job of the server, or leaves it", async () => {
  const started: ((value: string) => void)[] = [];
  let begun = Promise.withResolvers<void>();
  await using server = await openTestServer({
    files: {
      "f/slow": () => {
        begun.resolve();
        return new Promise((resolve) => started.push(resolve));
      },
    },
  });
  const state = async (id: string) => (await server.client.jobs.get(id)) as { canceled?: boolean; success?: boolean };
  const kept: Promise<unknown>[] = [];
  // Time passes when the job has begun: how long its start takes is the machine's affair.
  const asked = async (onDeadline: "cancel" | "leave"): Promise<Response> => {
    const clock = createFakeClock();
    const handler = runScript("f/slow", { client: { ...client(server), clock }, timeoutMs: 300, onDeadline });
    begun = Promise.withResolvers<void>();
    const answer = handler(new Request("https://edge.test/"), { waitUntil: (work) => void kept.push(work) });
    await begun.promise;
    clock.advance(300);
    return await answer;
  };
  const late = await asked("cancel");
  assert.equal(late.status, 504);
  await Promise.all(kept);
  const [job] = await server.client.jobs.list();
  await server.client.jobs.wait(job?.id ?? "").catch(() => {});
  assert.equal((await state(job?.id ?? "")).canceled, true);
  const left = await asked("leave");
  const { error } = await left.json();
  assert.equal(left.status, 504);
  for (const end of started) end("late");
  assert.equal(await server.client.jobs.wait(error.jobId), "late");
});

Deno.test("streamJob() streams a job of the server, and goes on where a browser was", async () => {
  const io = Promise.withResolvers<RunnerIo>(), result = Promise.withResolvers<unknown>();
  await using server = await openTestServer({
    files: {
      "f/led": (_: unknown, given: RunnerIo) => {
        io.resolve(given);
        return result.promise;
      },
    },
  });
  const handler = streamJob({ client: client(server), run: { script: "f/led" } });
  const first = await handler(new Request("https://edge.test/"));
  const { log, stream } = await io.promise;
  log("one\n");
  stream("tok");
  let text = "";
  const reader = first.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (!text.includes('data: {"text":"tok"}')) text += (await reader?.read())?.value;
  await reader?.cancel();
  assert.match(text, /event: logs\ndata: \{"text":"[^"]*one\\n"\}/);
  const place = /id: (.*)\nevent: stream/.exec(text)?.[1] ?? "";
  log("two\n");
  stream("more");
  result.resolve({ done: true });
  const back = await handler(new Request("https://edge.test/", { headers: { "last-event-id": place } }));
  const rest = await back.text();
  assert.match(rest, /event: logs\ndata: \{"text":"[^"]*two\\n/);
  assert.match(rest, /event: stream\ndata: \{"text":"more"\}/);
  assert.doesNotMatch(rest, /"one|"tok"/);
  assert.match(rest, /event: result\ndata: \{"result":\{"done":true\}\}\n\n$/);
  const end = rest.match(/id: (.*\.end\..*)\n/)?.[1] ?? "";
  assert.equal((await handler(new Request("https://edge.test/", { headers: { "last-event-id": end } }))).status, 204);
  assert.equal((await server.client.jobs.list()).length, 1);
});
