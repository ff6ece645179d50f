/** Bounds of jobs as `windkit.json` sets them, and what a job is told that goes beyond one. */
import { assert, assertEquals } from "../suite/assert.ts";
import { openLocal } from "./_local_dev.ts";

Deno.test("windkit.json bounds results, logs, the disk and the time of jobs", async () => {
  // Alone: the others have the time that they need, a database that begins among them.
  await using hurried = await openLocal({
    settings: { limits: { timeout: "2s" } },
    files: { "f/a/time.ts": "export const main = () => new Promise((end) => setTimeout(end, 600_000));\n" },
  });
  await using local = await openLocal({
    settings: { limits: { result: "1k", log: "2k", disk: "1m", jobs: 3 } },
    files: {
      "f/a/result.ts": "export const main = (n: number) => 'x'.repeat(n);\n",
      "f/a/log.ts": "export const main = (n: number) => console.log('y'.repeat(n));\n",
      "f/a/disk.ts":
        "export async function main() { Deno.writeFileSync('x', new Uint8Array(2 ** 21)); await new Promise((end) => setTimeout(end, 600_000)); }\n",
      "f/a/rows.duckdb.sql": "SELECT range AS n, 'a text' AS t FROM range(100);\n",
    },
  });
  const messageOf = async (path: string, args: unknown = {}, server = local): Promise<string> => {
    const { body, status } = await server.run(path, args);
    assertEquals(status, 422);
    return (body as { readonly error: { readonly message: string } }).error.message;
  };
  const text = "x".repeat(900);
  assertEquals(await local.run("f/a/result", { n: 900 }), { status: 200, body: text });
  const [result, disk, time, rows] = await Promise.all([
    messageOf("f/a/result", { n: 1100 }),
    messageOf("f/a/disk"),
    messageOf("f/a/time", {}, hurried),
    messageOf("f/a/rows"),
  ]);
  assertEquals(result, "The result is too long: it has more than 1024 characters");
  assertEquals(disk, "The job was ended: its files take more than its 1 MiB of the disk");
  assertEquals(time, "Job timed out after 2s");
  assert(rows?.includes("more than 1024 bytes") === true, rows);
  const id = await (await local.ask("POST", "jobs/run/p/f/a/log", { n: 5000 })).text();
  const { jobs } = local.dev.server.context;
  await jobs.wait(id, AbortSignal.timeout(20_000));
  const log = jobs.log(id);
  assert(log.startsWith("yyy") && log.includes("it is bounded to 2048 characters") && log.length < 2200, log);
});

Deno.test("what a script may give, a workflow's task may give too", async () => {
  const LENGTH = 17 * 2 ** 20;
  await using local = await openLocal({
    files: {
      "f/a/large.ts": "export const main = (n: number) => 'x'.repeat(n);\n",
      "f/a/flow.ts": `
import { taskScript, workflow } from "windmill-client";
const large = taskScript("f/a/large");
export const main = workflow(async (n: number) => (await large({ n })).length);
`,
    },
  });
  assertEquals(await local.run("f/a/flow", { n: LENGTH }), { status: 200, body: LENGTH });
});
