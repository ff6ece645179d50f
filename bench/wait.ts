/**
 * Waiting for a job that ends 20 ms after its start, against a stub that speaks the stream of updates: how long after the end of the
 * job its result is there. The official client in turns with ours.
 *
 * @module
 */
import { createClient } from "../src/sdk/client.ts";
import { lineStream } from "./_lines.ts";
import { installPeers, peersFolder, versionOf } from "./_peers.ts";
import { bench, median, option } from "./_report.ts";

const TAKES_MS = 20;

/** What is used of the official client. */
interface Official {
  setClient(token: string, baseUrl: string): void;
  runScriptByPath(path: string, args: Record<string, unknown>): Promise<unknown>;
}

async function official(baseUrl: string): Promise<() => Promise<unknown>> {
  Deno.env.set("WM_WORKSPACE", "bench"); // it takes its workspace from nowhere else
  const path = new URL(`file://${peersFolder}node_modules/windmill-client/dist/index.mjs`).href;
  const client = await import(path) as Official;
  client.setClient("token", baseUrl);
  return () => client.runScriptByPath("f/bench/job", {});
}

/** Milliseconds from the end of a job to its result. */
async function delay(run: () => Promise<unknown>): Promise<number> {
  const endedAt = await run();
  const now = performance.timeOrigin + performance.now();
  if (typeof endedAt !== "number") throw new Error(`The job gave ${JSON.stringify(endedAt)}, expected a time`);
  return now - endedAt;
}

await bench("wait", import.meta.main, async (b) => {
  const jobs = option("jobs", 200);
  await installPeers();
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", new URL("_job_server.ts", import.meta.url).href, String(TAKES_MS)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  try {
    const lines = server.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(lineStream()).getReader();
    const { value: port } = await lines.read();
    if (port === undefined) throw new Error("The server of jobs did not start");
    const baseUrl = `http://127.0.0.1:${port}`;
    const client = createClient({ baseUrl, workspace: "bench", token: "token" });
    const ours = (): Promise<unknown> => client.jobs.run("f/bench/job", {});
    const theirs = await official(baseUrl);
    b.setting("windmill-client", await versionOf("windmill-client"));
    b.setting("a job takes, in ms", TAKES_MS);
    const own: number[] = [], other: number[] = [];
    for (let i = -10; i < jobs; i++) {
      const ms = await delay(ours);
      if (i >= 0) own.push(ms);
      // The official client takes half a second a job.
      if (i >= 0 && i % 10 === 0) other.push(await delay(theirs));
    }
    b.measure("Windkit: result after the end of the job", "ms", own);
    b.measure("windmill-client: result after the end of the job", "ms", other);
    b.bar("result after the end of a job", "ms", median(own), "at most", 5);
  } finally {
    server.kill("SIGKILL");
    await server.status;
  }
});
