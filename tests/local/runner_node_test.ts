/**
 * The TypeScript runner where the server runs on Node: scripts still run in Deno, which is on PATH or kept by npm.
 *
 * @module
 */
import { deepStrictEqual as equal } from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtimes } from "../run/runtimes.ts";

const PROGRAM = fileURLToPath(new URL("./_runner_on_node.ts", import.meta.url));
const EXPECTED = [
  [1, "function", "server /x"],
  5_000_000,
  ["NotCapable", 'Requires read access to "/etc/passwd", run again with the --allow-read flag'],
  ["Canceled", "stop"],
];

async function run(node: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const { stdout, stderr } = await new Deno.Command(node, {
    args: ["--experimental-strip-types", "--disable-warning=ExperimentalWarning", PROGRAM],
    env,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stdout);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`The program said ${JSON.stringify(text)} and ${new TextDecoder().decode(stderr)}`, { cause });
  }
}

for (const { name, absent, command } of runtimes().filter((one) => one.name.startsWith("Node"))) {
  const node = command("suite", "", 0)[0] ?? "";
  Deno.test({
    name: `runner on ${name}: Deno is found on PATH`,
    ignore: absent !== undefined,
    fn: async () => equal(await run(node, { PATH: dirname(Deno.execPath()) }), EXPECTED),
  });
  Deno.test({
    name: `runner on ${name}: Deno is found where npx keeps it`,
    ignore: absent !== undefined,
    async fn() {
      const cache = mkdtempSync(join(tmpdir(), "windkit-npx-"));
      try {
        const folder = join(cache, "_npx", "0123", "node_modules", "deno");
        mkdirSync(folder, { recursive: true });
        symlinkSync(Deno.execPath(), join(folder, "deno"));
        equal(await run(node, { PATH: "/nowhere", npm_config_cache: cache }), EXPECTED);
      } finally {
        rmSync(cache, { recursive: true, force: true });
      }
    },
  });
}
