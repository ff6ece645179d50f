import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startProcess, terminal } from "./_cli.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LAST =
  /^✓ (\d+) outcomes committed, 0 committed steps ran twice, (\d+) attempts? cut short by the kill and repeated \((summarize_month[\w, #]*)\), 1 crash survived$/;

function check(stdout: string): void {
  const lines = stdout.replaceAll("\r", "").trim().split("\n");
  const folder = /^data folder {2}(\.windkit\/demo-\w+)/m.exec(stdout)?.[1];
  ok(folder !== undefined, stdout);
  ok(existsSync(`${ROOT}/${folder}/windkit.db`), `${folder} is not there`);
  rmSync(`${ROOT}/${folder}`, { recursive: true });
  const [, outcomes, attempts, names] = LAST.exec(lines.at(-1) ?? "") ?? [];
  equal(outcomes, "17", stdout);
  ok(Number(attempts) >= 1);
  equal(names?.split(", ").length, Number(attempts));
  match(stdout, /✗ kill -9 \d+ while it ran summarize_month/);
  match(stdout, /load_days +2 {2}failed, done +\d+ /);
  match(stdout, /summarize_month\w* +2 {2}killed, done +\d+, \d+ /);
  match(stdout, /Seattle 2012: 366 days, .* published by the demo/);
  match(stdout, /36 rows doubtful: lines 8, /);
}

Deno.test("the demo survives its kill, keeps its promises and names its data folder", async () => {
  const { code, stdout, stderr } = await startProcess(Deno.execPath(), ["run", "-A", "examples/demo.ts"], ROOT).ended;
  equal([code, stderr], [0, ""], stdout);
  // deno-lint-ignore no-control-regex -- plain lines where there is no terminal
  ok(!/\x1b/.test(stdout), "control characters without a terminal");
  check(stdout);
});

Deno.test({
  name: "the demo does the same in a terminal, with a live display",
  ignore: terminal === undefined, // the program "script" gives the process a terminal, and is not installed
  async fn() {
    const { program, args } = terminal?.(Deno.execPath(), ["run", "-A", "examples/demo.ts"]) ??
      { program: "", args: [] };
    const { code, stdout } = await startProcess(program, args, ROOT).ended;
    equal(code, 0, stdout);
    // deno-lint-ignore no-control-regex -- cursor movements are what is looked for
    ok(/\x1b\[\d+A\x1b\[J/.test(stdout), "nothing was drawn over");
    check(stdout);
  },
});
