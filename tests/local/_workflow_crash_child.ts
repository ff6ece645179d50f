/**
 * A server of workflows that is to be killed: it takes up what is in the folder, starts more jobs, and says which. Arguments: the
 * folder, and how many jobs to start.
 */
import { appendFileSync } from "node:fs";
import { Hono } from "hono";
import { workflowServer } from "./_workflow_kit.ts";

/** What a job may ask of {@linkcode countingRoutes}. */
export const COUNTING: readonly string[] = ["POST /w/:workspace/test/did/:job/:key"];

/** Counts what scripts do, in a file that a killed server leaves whole. */
export function countingRoutes(root: string, counted: (line: string) => void = () => {}): () => Hono {
  return () => {
    const app = new Hono();
    app.post("/w/:workspace/test/did/:job/:key", (c) => {
      const line = `${c.req.param("job")} ${c.req.param("key")}`;
      appendFileSync(`${root}/did.txt`, `${line}\n`);
      counted(line);
      return c.text("1");
    });
    return app;
  };
}

/** A workflow of all that may be interrupted. */
const CRASH_FILES: Readonly<Record<string, string>> = {
  "f/k/leaf.ts": "export async function main(n: number) { return n + 100; }",
  "f/k/flow.ts": `
import { sleep, step, task, taskScript, waitForApproval, workflow } from "windmill-client";
const did = async (key: string) => {
  const { BASE_INTERNAL_URL: base, WM_TOKEN: token, WM_JOB_ID: job } = Deno.env.toObject();
  const response = await fetch(\`\${base}/api/w/ws/test/did/\${job}/\${key}\`, { method: "POST", headers: { authorization: \`Bearer \${token}\` } });
  if (!response.ok) throw new Error(\`The server answered \${response.status}\`);
  return Number(await response.text());
};
const one = task(async (key: string, n: number) => { await did(key); return n + 1; });
export const main = workflow(async (n: number) => {
  const a = await step("first", async () => n + await did("first"));
  const b = await one("one", a);
  await sleep(1);
  const [c, d] = await Promise.all([one("one_2", b), one("one_3", b)]);
  const e = await taskScript("f/k/leaf")({ n: c + d });
  return await step("last", async () => e + await did("last"));
});`,
};

if (import.meta.main) {
  const [root = "", count = "0"] = Deno.args;
  const server = await workflowServer({
    root,
    files: CRASH_FILES,
    routes: [countingRoutes(root, (line) => console.log(`did ${line}`))],
    jobRoutes: COUNTING,
    jobs: { concurrency: 3, maxRestarts: 100 },
  });
  const context = server.server.context;
  const script = context.folder.script("f/k/flow");
  if (script === undefined) throw new Error("No script f/k/flow");
  for (let n = 0; n < Number(count); n++) {
    const { path, hash, language } = script;
    const job = await context.jobs.start({
      kind: "script",
      path,
      hash,
      language,
      args: { n },
      caller: context.identity.owner,
    });
    console.log(`started ${job.id}`);
  }
  context.jobs.watchAll((id) => {
    const job = context.jobs.get(id);
    if (job?.completedAt !== undefined && job.parent === undefined) console.log(`ended ${id}`);
  });
  console.log("ready");
}
