/**
 * A runner in Node, or wherever this runs: it prints what its jobs gave.
 *
 * @module
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTypeScriptRunner } from "../../src/runner/typescript/mod.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "windkit-runner-node-")));
const server = createServer((request, response) => response.end(`server ${request.url}`));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
const runner = await createTypeScriptRunner({ jobsFolder: join(folder, "jobs"), cacheFolder: join(folder, "cache") });

async function run(content: string, signal: AbortSignal, log: (text: string) => void): Promise<unknown> {
  const outcome = await runner.run({
    id: "1",
    language: "deno",
    content,
    args: { n: 1 },
    env: { BASE_URL: `http://127.0.0.1:${port}` },
    resolve: () => Promise.resolve(undefined),
  }, { log, stream() {}, signal });
  return outcome.ok ? outcome.result : [outcome.error.name, outcome.error.message];
}

try {
  const never = new AbortController().signal;
  const controller = new AbortController();
  console.log(JSON.stringify([
    await run(
      `import { sleep } from "windmill-client";
       export const main = async (n: number) => [n, typeof sleep, await (await fetch("http://127.0.0.1:${port}/x")).text()];`,
      never,
      () => {},
    ),
    String(await run("export const main = () => 'ä'.repeat(5_000_000);", never, () => {})).length,
    await run("export const main = () => Deno.readTextFileSync('/etc/passwd');", never, () => {}),
    await run(
      "export const main = () => { console.log('on'); for (;;); };",
      controller.signal,
      () => controller.abort(new Error("stop")),
    ),
  ]));
} finally {
  await runner[Symbol.asyncDispose]();
  server.close();
  rmSync(folder, { recursive: true, force: true });
}
