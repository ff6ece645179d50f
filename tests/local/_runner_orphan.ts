/**
 * A server that will be killed: a job that does not end by itself, and a process that waits.
 *
 * @module
 */
import { createTypeScriptRunner } from "../../src/runner/typescript/mod.ts";

const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "windkit-runner-orphan-" }));
console.log(folder);
const runner = await createTypeScriptRunner({
  jobsFolder: `${folder}/jobs`,
  cacheFolder: `${folder}/cache`,
  poolSize: 2,
});
await runner.run({
  id: "1",
  language: "bun",
  content: "export function main() { console.log('looping'); for (;;); }",
  args: {},
  env: {},
  resolve: () => Promise.resolve(undefined),
}, {
  log: (text) => Deno.stdout.writeSync(new TextEncoder().encode(text)),
  stream() {},
  signal: new AbortController().signal,
});
