import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { terminal, workspace } from "./_cli.ts";

const FILES = {
  "f/a/asks.ts": `import { task, waitForApproval, workflow } from "windmill-client";
const prepare = task(async () => await new Promise((resolve) => setTimeout(resolve, 150)));
export const main = workflow(async () => {
  await prepare();
  const form = { schema: { type: "object", properties: { at: {}, note: { type: "string" } }, order: ["note", "at"] } };
  const { approved, value } = await waitForApproval({ key: "sign_off", description: "Ship it?", form });
  return { approved, value };
});`,
};

const ignore = terminal === undefined;

Deno.test({
  name: "in a terminal, run shows what goes on, asks at an approval until it is answered, and goes on",
  ignore, // the program "script" gives the process a terminal, and is not installed
  async fn() {
    await using space = workspace(FILES);
    const run = space.startInTerminal("run", "f/a/asks.ts", "--run-id", "r");
    await run.line("1 running");
    await run.line("Ship it?");
    run.type("maybe\ny\n{oops\n");
    await run.line(/Value as JSON with note \(string\), at, or Enter for none: .*The value is not JSON/);
    run.type('{"note":"fine"}\n');
    const { code, stdout } = await run.ended;
    equal(code, 0);
    match(stdout, /✓.* sign_off /);
    match(stdout, /"value": {\s+"note": "fine"\s+},\s+"approved": true/);
    // deno-lint-ignore no-control-regex -- cursor movements are what is looked for
    ok(/\x1b\[\d+A\x1b\[J/.test(stdout), "nothing was drawn over");
  },
});

Deno.test({
  name: "in a terminal, a form with required fields offers no empty answer, but to who rejects",
  ignore, // as above
  async fn() {
    await using space = workspace({
      "f/a/asks.ts": FILES["f/a/asks.ts"].replace("order:", 'required: ["note"], order:'),
    });
    const run = space.startInTerminal("run", "f/a/asks.ts", "--run-id", "r");
    await run.line("Ship it?");
    run.type("y\n\n");
    await run.line(/Value as JSON with note \(string\), at: .*The value is not JSON/);
    run.type('{"note":"fine"}\n');
    equal((await run.ended).code, 0);
    const other = space.startInTerminal("run", "f/a/asks.ts", "--run-id", "s");
    await other.line("Ship it?");
    other.type("n\n\n");
    match((await other.ended).stdout, /, or Enter for none: /);
  },
});

Deno.test({
  name: "in a terminal, an answer from another process ends the question",
  ignore, // as above
  async fn() {
    await using space = workspace(FILES);
    const run = space.startInTerminal("run", "f/a/asks.ts", "--run-id", "r");
    await run.line("Ship it?");
    equal((await space.windkit("approve", "r", "--reject")).code, 0);
    const { code, stdout } = await run.ended;
    equal(code, 0);
    match(stdout, /"approved": false/);
  },
});

Deno.test({
  name: "in a terminal, runs remove asks: n keeps the run, y removes it",
  ignore, // as above
  async fn() {
    await using space = workspace(FILES);
    const run = space.start("run", "f/a/asks.ts", "--run-id", "r");
    await run.line("approve");
    run.kill("SIGKILL");
    await run.ended;
    for (const [answer, code, left] of [["n", 1, 0], ["y", 0, 2]] as const) {
      const remove = space.startInTerminal("runs", "remove", "r");
      await remove.line("Remove run r of f/a/asks (waits for approval sign_off) with its journal?");
      remove.type(`what\n${answer}\n`);
      const ended = await remove.ended;
      equal(ended.code, code);
      match(ended.stdout, code === 0 ? /Removed run r / : /Nothing was removed/);
      equal((await space.windkit("runs", "show", "r")).code, left);
    }
  },
});

Deno.test({
  name: "in a terminal, runs prune asks: n keeps the runs, y removes them",
  ignore, // as above
  async fn() {
    await using space = workspace({
      "f/a/one.ts": `import { workflow } from "windmill-client";\nexport default workflow(async () => 1);\n`,
    });
    await space.windkit("run", "f/a/one.ts", "--run-id", "r");
    for (const [answer, code, left] of [["n", 1, 0], ["y", 0, 2]] as const) {
      const prune = space.startInTerminal("runs", "prune", "--older-than", "0s");
      await prune.line("Remove 1 run that ended more than 0s ago with its journal?");
      prune.type(`${answer}\n`);
      equal((await prune.ended).code, code);
      equal((await space.windkit("runs", "show", "r")).code, left);
    }
  },
});

Deno.test({
  name: "in a terminal, --no-input does not ask; Ctrl-C stops with 130",
  ignore, // as above
  async fn() {
    await using space = workspace(FILES);
    const run = space.startInTerminal("run", "f/a/asks.ts", "--run-id", "r", "--no-input");
    await run.line(/approve r sign_off/);
    run.type("\x03");
    const { code, stdout } = await run.ended;
    equal(code, 130);
    match(stdout, /run r can go on/);
  },
});
