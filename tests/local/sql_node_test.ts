/**
 * The runner of SQL where the server runs on Node: its processes are Node's.
 *
 * @module
 */
import { equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runtimes } from "../run/runtimes.ts";
import { CACHE_FOLDER } from "./_sql_kit.ts";

const PROGRAM = fileURLToPath(new URL("./_sql_on_node.ts", import.meta.url));
const EXPECTED = JSON.stringify([
  { ok: true, result: [{ a: 1, b: "DIGITS" }] },
  { ok: false, error: { name: "ExecutionErr", message: 'db error: ERROR: relation "absent" does not exist' } },
  { ok: true, result: [{ a: 1 }] },
]).replace('"DIGITS"', "9007199254740993");

for (const { name, absent, command } of runtimes().filter((one) => one.name.startsWith("Node"))) {
  Deno.test({
    name: `SQL runner on ${name}`,
    ignore: absent !== undefined,
    async fn() {
      const { stdout, stderr } = await new Deno.Command(command("suite", "", 0)[0] ?? "", {
        args: ["--experimental-strip-types", "--disable-warning=ExperimentalWarning", PROGRAM, CACHE_FOLDER],
        stdout: "piped",
        stderr: "piped",
      }).output();
      equal(new TextDecoder().decode(stdout).trim(), EXPECTED, new TextDecoder().decode(stderr));
    },
  });
}
