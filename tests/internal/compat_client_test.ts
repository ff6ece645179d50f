/** The official services and their configuration over the client of the top-level functions. */
import assert from "node:assert/strict";
import { getVariable, JobService, OpenAPI, setClient } from "../../src/compat/mod.ts";
import { changeDefaultClient, defaultClient, useClient } from "../../src/sdk/default_client.ts";
import { stillClock } from "../suite/_client_kit.ts";

Deno.test("services: whoever runs something waits for it without a limit, others have the client's", async () => {
  const clock = stillClock();
  let answer = (): void => {};
  setClient("tok", "http://stub.test", "ws");
  changeDefaultClient({
    clock,
    fetch: () => new Promise((resolve) => answer = () => resolve(Response.json({ ok: 1 }))),
  });
  const run = JobService.runWaitResultScriptByPath({ path: "f/a", requestBody: {} });
  await clock.pass(24 * 3_600_000);
  answer();
  assert.deepEqual(await run, { ok: 1 });

  const list = JobService.listJobs().catch((error: unknown) => error);
  await clock.pass(121_000);
  assert.match(String(await list), /Waited 120000 ms for GET .*jobs\/list/);

  const limited = JobService.runWaitResultScriptByPath({ path: "f/a", requestBody: {} }, { timeoutMs: 10 });
  await assert.rejects(async () => await clock.drive(limited.promise), /Waited 10 ms/);
  changeDefaultClient({
    fetch,
    clock: { now: Date.now, setTimeout: (f, ms) => setTimeout(f, ms), clearTimeout: (t) => clearTimeout(t as number) },
  });
  setClient();
});

Deno.test("OpenAPI: what it adds to requests stays with the client that it was added to", async () => {
  const seen: string[] = [];
  const answering = (name: string) => (_: string, init: RequestInit): Promise<Response> => {
    seen.push(`${name} ${new Headers(init.headers).get("x-a")}`);
    return Promise.resolve(Response.json("v"));
  };
  const where = { baseUrl: "http://stub.test", token: "t", workspace: "ws" };
  const restore = useClient({ ...where, fetch: answering("first") });
  OpenAPI.HEADERS = { "x-a": "1" };
  await getVariable("a");
  const back = useClient({ ...where, fetch: answering("second") });
  await getVariable("a");
  OpenAPI.HEADERS = { "x-a": "2" };
  setClient("t", where.baseUrl, "ws");
  await getVariable("a");
  back();
  await getVariable("a");
  restore();
  assert.deepEqual(seen, ["first 1", "second null", "second 2", "first 2"]);
  OpenAPI.HEADERS = undefined;
});

Deno.test("changeDefaultClient() changes what setClient() cannot, for good, and the rest until it is called", () => {
  const restore = useClient({ timeoutMs: 1 });
  changeDefaultClient({ token: "t", headers: { a: "b" } });
  assert.deepEqual(defaultClient(), { timeoutMs: 1, token: "t", headers: { a: "b" } });
  setClient(undefined, "http://h");
  assert.deepEqual(defaultClient(), { timeoutMs: 1, baseUrl: "http://h", headers: { a: "b" } });
  restore();
});
