/** Results through everything that gives them: the digits that the job wrote. */
import { assert, assertEquals } from "../suite/assert.ts";
import { openLocal } from "./_local_dev.ts";

const DIGITS = "12345678901234567890123";

Deno.test("numbers that JavaScript cannot hold keep their digits wherever a result is given", async () => {
  await using local = await openLocal({
    files: {
      "f/a/large.ts": `
export async function main() { return { n: JSON.rawJSON("${DIGITS}"), list: [JSON.rawJSON("-${DIGITS}"), 1.5], text: "[${DIGITS}" }; }
`,
      "f/a/large.script.yaml": "summary: ''\nlock: ''\nkind: script\ncache_ttl: 600\n",
      "f/a/alone.ts": `export async function main() { return JSON.rawJSON("${DIGITS}"); }\n`,
      "f/a/flow.ts": `
import { taskScript, workflow } from "windmill-client";
const large = taskScript("f/a/large");
export const main = workflow(async () => (await large({})).n);
`,
    },
  });
  const expected = `{"n":${DIGITS},"list":[-${DIGITS},1.5],"text":"[${DIGITS}"}`;
  const text = async (method: string, path: string, body?: unknown): Promise<string> =>
    await (await local.ask(method, path, body)).text();
  const { jobs } = local.dev.server.context;
  // The second answer is one of the cache.
  for (const _ of [1, 2]) assertEquals(await text("POST", "jobs/run_wait_result/p/f/a/large", {}), expected);
  assertEquals(await text("POST", "jobs/run_wait_result/p/f/a/alone", {}), DIGITS);
  const id = await text("POST", "jobs/run/p/f/a/large", {});
  await jobs.wait(id, AbortSignal.timeout(20_000));
  assertEquals(await text("GET", `jobs_u/completed/get_result/${id}`), expected);
  for (const path of ["completed/get_result_maybe", "completed/get", "get", "getupdate", "getupdate_sse"]) {
    const answer = await text("GET", `jobs_u/${path}/${id}?only_result=true`);
    assert(answer.includes(expected), `${path}: ${answer}`);
  }
  const headers = { authorization: `Bearer ${local.token}` };
  const whole = await (await fetch(`${local.url}/run/${id}/result.json`, { headers })).text();
  assertEquals(whole.replaceAll(/\s/g, ""), expected);
  const page = await (await fetch(`${local.url}/run/${id}`, { headers })).text();
  assert(page.includes(`-${DIGITS}</span>`) && !page.includes("rawJSON"), page);
  // Code that is given such a number has the nearest one that it can hold.
  assertEquals((await local.run("f/a/flow")).body, Number(DIGITS));
});
