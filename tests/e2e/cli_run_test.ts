import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { jsonLines, workspace } from "./_cli.ts";

const IMPORT =
  'import { sleep, step, task, taskFlow, taskScript, waitForApproval, workflow } from "windmill-client";\n';

/** Leaves a line in `log.txt` for everything that runs: what ran how often is counted from there. */
const LOGGED = `import { appendFileSync, existsSync } from "node:fs";
const log = (line: string) => appendFileSync("log.txt", line + "\\n");
log("import");
`;

const HELLO = `${IMPORT}${LOGGED}
const compose = task(async (name: string) => { log("compose"); return "Hello, " + name; });
export const main = workflow(async (name: string = "world", loud: boolean = false) => {
  const text = await compose(name);
  return { text: loud ? text.toUpperCase() : text };
});
`;

/** Blocks in its second call until there is a file "go". */
const BLOCKS = `${IMPORT}${LOGGED}
const first = task(async () => { log("first"); return 1; });
const second = task(async () => { log("second"); if (!existsSync("go")) await new Promise(() => {}); return 2; });
export const main = workflow(async (n: number = 0) => n + await first() + await second());
`;

const ASKS = `${IMPORT}
export default workflow(async (what: string = "it") => {
  const answer = await waitForApproval({ key: "sign_off", timeout: 600, description: "Ship " + what + "?" });
  return { what, ...answer };
});
`;

function lines(text: string): readonly string[] {
  return text.trim().split("\n");
}

Deno.test("run prints the result alone on stdout, and progress on stderr", async () => {
  await using space = workspace({ "f/a/hello.ts": HELLO });
  const { code, stdout, stderr } = await space.windkit(
    "run",
    "f/a/hello.ts",
    "--args",
    '{"loud": true, "name": "Ada"}',
  );
  equal(JSON.parse(stdout), { text: "HELLO, ADA" });
  equal(code, 0);
  match(stderr, /^f\/a\/hello {2}run hello-\d{8}-\w{8}$/m);
  match(stderr, /^✓ compose +\d+ ms$/m);
  match(stderr, /^✓ completed after /m);
  // deno-lint-ignore no-control-regex -- no colours where nobody sees them
  ok(!/\x1b/.test(stderr));
});

Deno.test("run takes positional arguments, and none", async () => {
  await using space = workspace({ "f/a/hello.ts": HELLO });
  equal(JSON.parse((await space.windkit("run", "f/a/hello.ts", "--args", '["Bo", true]')).stdout), {
    text: "HELLO, BO",
  });
  equal(JSON.parse((await space.windkit("run", "f/a/hello.ts")).stdout), { text: "Hello, world" });
});

Deno.test("run --json prints events and then the result, one JSON object per line", async () => {
  await using space = workspace({ "f/a/hello.ts": HELLO });
  const { code, stdout, stderr } = await space.windkit("run", "f/a/hello.ts", "--run-id", "r", "--json");
  equal(code, 0);
  equal(stderr, "");
  const events = jsonLines(stdout);
  equal(events.map(({ event }) => event), [
    "run",
    "run_started",
    "call_started",
    "call_settled",
    "run_closed",
    "result",
  ]);
  const { pid, ...begin } = events[0] ?? {};
  equal(typeof pid, "number");
  equal(begin, {
    event: "run",
    run: "r",
    workflow: "f/a/hello",
    data: join(space.dir, ".windkit"),
    records: 0,
    edited: false,
  });
  const { key, kind, attempt } = events[2] ?? {};
  equal({ key, kind, attempt }, { key: "compose", kind: "task", attempt: 1 });
  equal(events.at(-1), {
    event: "result",
    run: "r",
    status: "completed",
    result: { text: "Hello, world" },
    exitCode: 0,
  });
});

Deno.test("run with the id of a finished run prints the recorded result and imports nothing", async () => {
  await using space = workspace({ "f/a/hello.ts": HELLO });
  const first = await space.windkit("run", "f/a/hello.ts", "--run-id", "r", "--args", '{"name":"Ada"}');
  equal(lines(space.read("log.txt")), ["import", "compose"]);
  for (const more of [[], ["--args", '{ "name" : "Ada" }']]) {
    const again = await space.windkit("run", "f/a/hello.ts", "--run-id", "r", ...more);
    equal(again.code, 0);
    equal(again.stdout, first.stdout);
    match(again.stderr, /as recorded: nothing was run/);
  }
  equal(lines(space.read("log.txt")), ["import", "compose"]);
});

Deno.test("run refuses other arguments and another workflow under a known id, and says what differs", async () => {
  await using space = workspace({ "f/a/hello.ts": HELLO, "f/b/hello.ts": HELLO });
  await space.windkit("run", "f/a/hello.ts", "--run-id", "r", "--args", '{"name":"Ada"}');
  const args = await space.windkit("run", "f/a/hello.ts", "--run-id", "r", "--args", '{"name":"Bo"}');
  equal(args.code, 2);
  match(args.stderr, /args +recorded: {"name":"Ada"}\n +given: +{"name":"Bo"}/);
  const file = await space.windkit("run", "f/b/hello.ts", "--run-id", "r");
  equal(file.code, 2);
  match(file.stderr, /workflow +recorded: f\/a\/hello\n +given: +f\/b\/hello/);
  equal(lines(space.read("log.txt")), ["import", "compose"]);
});

Deno.test("run goes on after kill -9: what was committed does not run again", async () => {
  await using space = workspace({ "f/a/blocks.ts": BLOCKS });
  const killed = space.start("run", "f/a/blocks.ts", "--run-id", "r", "--args", '{"n": 10}', "--json");
  await killed.line('"call_started","run":"r","key":"second"');
  killed.kill("SIGKILL");
  await killed.ended;
  equal((await space.windkit("runs", "--state", "active", "--json")).stdout.includes('"id":"r"'), true);
  match((await space.windkit("runs")).stdout, /^r +f\/a\/blocks +interrupted/m);

  space.write("go", "");
  const { code, stdout, stderr } = await space.windkit("run", "f/a/blocks.ts", "--run-id", "r", "--args", '{"n": 10}');
  equal(code, 0);
  equal(JSON.parse(stdout), 13);
  match(stderr, /goes on after 1 recorded outcome,/);
  equal(lines(space.read("log.txt")), ["import", "first", "second", "import", "second"]);
  match((await space.windkit("doctor")).stdout, /sound/);
});

for (const [signal, code, word] of [["SIGINT", 130, "Ctrl-C"], ["SIGTERM", 143, "SIGTERM"]] as const) {
  Deno.test(`run stops cleanly at ${word}, says how to go on, and does`, async () => {
    await using space = workspace({ "f/a/blocks.ts": BLOCKS });
    const run = space.start("run", "f/a/blocks.ts", "--run-id", "r", "--data", "some data");
    await run.line("✓ first");
    run.kill(signal);
    const stopped = await run.ended;
    equal(stopped.code, code);
    equal(stopped.stdout, "");
    match(
      stopped.stderr,
      /■ stopped after .*; run r can go on\n.* run f\/a\/blocks\.ts --run-id r --data 'some data'\n$/,
    );
    ok(!existsSync(join(space.dir, "some data", "owner.json")), "the folder was not closed");

    space.write("go", "");
    const again = await space.windkit("run", "f/a/blocks.ts", "--run-id", "r", "--data", "some data");
    equal([again.code, again.stdout], [0, "3\n"]);
    equal(lines(space.read("log.txt")).filter((line) => line === "first").length, 1);
  });
}

Deno.test("run --json ends an interrupted run with a line that says how to go on", async () => {
  await using space = workspace({ "f/a/blocks.ts": BLOCKS });
  const run = space.start("run", "f/a/blocks.ts", "--run-id", "r", "--json");
  await run.line('"key":"second"');
  run.kill("SIGINT");
  const { status, exitCode, resume, error } = jsonLines((await run.ended).stdout).at(-1) ?? {};
  equal({ status, exitCode }, { status: "stopped", exitCode: 130 });
  match(String(resume), /run f\/a\/blocks\.ts --run-id r$/);
  equal((error as { readonly message: string }).message, "Stopped by Ctrl-C");
});

Deno.test("runs, approve and doctor work from another process while run is running", async () => {
  await using space = workspace({ "f/a/asks.ts": ASKS });
  const run = space.start("run", "f/a/asks.ts", "--run-id", "r", "--no-input");
  match(await run.line("waits for approval"), /^\? sign_off waits for approval until .*: Ship it\?$/);
  match(await run.line("approve"), / approve r sign_off$/);
  match((await space.windkit("runs")).stdout, /^r +f\/a\/asks +waits for approval sign_off/m);
  match((await space.windkit("runs", "show", "r")).stdout, /sign_off +asks/);
  match((await space.windkit("doctor")).stdout, new RegExp(`process ${run.pid} since`));

  const granted = await space.windkit("approve", "r", "--value", '{"n":1}', "--approver", "Ada");
  equal([granted.code, granted.stdout, granted.stderr], [0, '✓ Approved "sign_off" of run r\n', ""]);
  const { code, stdout } = await run.ended;
  equal(code, 0);
  equal(JSON.parse(stdout), { what: "it", approved: true, approver: "Ada", value: { n: 1 } });

  const late = await space.windkit("approve", "r");
  equal(late.code, 2);
  match(late.stderr, /it has ended \(completed\)/);
});

Deno.test("run --json tells an approval with the command that grants it; a rejection is a result", async () => {
  await using space = workspace({ "f/a/asks.ts": ASKS });
  const run = space.start("run", "f/a/asks.ts", "--run-id", "r", "--json");
  const asked = JSON.parse(await run.line("approval_waiting")) as Readonly<Record<string, unknown>>;
  equal([asked["key"], asked["description"]], ["sign_off", "Ship it?"]);
  match(String(asked["grant"]), / approve r sign_off$/);
  const rejected = await space.windkit("approve", "r", "sign_off", "--reject", "--json");
  equal(jsonLines(rejected.stdout), [{ run: "r", key: "sign_off", approved: false, approver: "tester" }]);
  const { status, result } = jsonLines((await run.ended).stdout).at(-1) ?? {};
  equal({ status, result }, {
    status: "completed",
    result: { what: "it", approved: false, approver: "tester", value: null },
  });
});

Deno.test("approve answers a run that nobody drives, once, and the run takes it when it goes on", async () => {
  await using space = workspace({ "f/a/asks.ts": ASKS });
  const run = space.start("run", "f/a/asks.ts", "--run-id", "r");
  await run.line("approve");
  run.kill("SIGKILL");
  await run.ended;
  const { code, stderr } = await space.windkit("approve", "r");
  equal(code, 0);
  match(stderr, /No process drives it now/);
  const twice = await space.windkit("approve", "r", "sign_off", "--reject");
  equal(twice.code, 2);
  match(twice.stderr, /is answered already \(approved by tester\)/);
  const ended = await space.windkit("run", "f/a/asks.ts", "--run-id", "r");
  equal(ended.code, 0);
  equal((JSON.parse(ended.stdout) as { readonly approved: boolean }).approved, true);
});

Deno.test("an approval that comes before it is asked for is kept", async () => {
  await using space = workspace({
    "f/a/late.ts": `${IMPORT}import { existsSync } from "node:fs";
const wait = task(async () => { if (!existsSync("go")) await new Promise(() => {}); });
export const main = workflow(async () => { await wait(); return await waitForApproval({ key: "ok" }); });`,
  });
  const run = space.start("run", "f/a/late.ts", "--run-id", "r", "--json");
  await run.line('"key":"wait"');
  const none = await space.windkit("approve", "r");
  equal(none.code, 2);
  match(none.stderr, /it waits for none/);
  const early = await space.windkit("approve", "r", "ok");
  match(early.stdout, /Approved "ok" of run r: kept until the run asks for it/);
  run.kill("SIGKILL");
  await run.ended;
  space.write("go", "");
  const { code, stdout } = await space.windkit("run", "f/a/late.ts", "--run-id", "r", "--no-input");
  equal([code, JSON.parse(stdout).approver], [0, "tester"]);
});

Deno.test("approve with a key that the run does not wait for says which ones it waits for, and keeps the answer", async () => {
  await using space = workspace({ "f/a/asks.ts": ASKS });
  const run = space.start("run", "f/a/asks.ts", "--run-id", "r");
  await run.line("approve");
  const typo = await space.windkit("approve", "r", "sign_of");
  equal([typo.code, typo.stdout], [0, '✓ Approved "sign_of" of run r: kept until the run asks for it\n']);
  equal(typo.stderr, 'The run waits for "sign_off" now: this answer is for "sign_of" alone\n');
  const [json] = jsonLines((await space.windkit("approve", "r", "other", "--json")).stdout);
  equal(json, { run: "r", key: "other", approved: true, approver: "tester", kept: true, waits: ["sign_off"] });
  equal((await space.windkit("approve", "r", "sign_off")).stderr, "");
  equal((await run.ended).code, 0);
});

Deno.test("cancel ends a run that another process drives: exit code 3, now and when it is asked for again", async () => {
  await using space = workspace({ "f/a/asks.ts": ASKS });
  const run = space.start("run", "f/a/asks.ts", "--run-id", "r");
  await run.line("approve");
  equal((await space.windkit("cancel", "r", "--reason", "No longer needed")).code, 0);
  const { code, stderr } = await run.ended;
  equal(code, 3);
  match(stderr, /✗ cancelled after .*: No longer needed/);
  const again = await space.windkit("run", "f/a/asks.ts", "--run-id", "r", "--json");
  equal(again.code, 3);
  equal(jsonLines(again.stdout).map(({ event, status }) => [event, status]), [["result", "cancelled"]]);
  equal((await space.windkit("cancel", "r")).code, 2);
});

Deno.test("a second run in a data folder that is driven is refused: exit code 4, with the driver's process id", async () => {
  await using space = workspace({ "f/a/asks.ts": ASKS });
  const run = space.start("run", "f/a/asks.ts", "--run-id", "r");
  await run.line("approve");
  const other = await space.windkit("run", "f/a/asks.ts", "--run-id", "other");
  equal(other.code, 4);
  match(other.stderr, new RegExp(`^windkit: Cannot drive .*process ${run.pid}`));
  equal(other.stderr.trim().split("\n").length, 1);
  const json = await space.windkit("run", "f/a/asks.ts", "--run-id", "other", "--json");
  equal([json.code, json.stderr], [4, ""]);
  const [line] = jsonLines(json.stdout);
  equal([line?.["event"], line?.["exitCode"]], ["error", 4]);
});

Deno.test("run leaves the other runs of the folder as they are", async () => {
  await using space = workspace({ "f/a/blocks.ts": BLOCKS, "f/a/hello.ts": HELLO });
  const run = space.start("run", "f/a/blocks.ts", "--run-id", "left", "--json");
  await run.line('"key":"second"');
  run.kill("SIGKILL");
  await run.ended;
  const before = (await space.windkit("runs", "show", "left", "--json")).stdout;
  equal((await space.windkit("run", "f/a/hello.ts", "--run-id", "other")).code, 0);
  space.write("go", "");
  equal((await space.windkit("run", "f/a/blocks.ts", "--run-id", "another")).code, 0);
  equal((await space.windkit("runs", "show", "left", "--json")).stdout, before);
  match((await space.windkit("runs")).stdout, /^left +f\/a\/blocks +interrupted/m);
});

Deno.test("a failed run ends with exit code 1, the error, its step and its line, also when it is asked for again", async () => {
  await using space = workspace({
    "f/a/fails.ts": `${IMPORT}
const load = task(async () => {
  throw new RangeError("no such shelf");
}, { retry: { attempts: 1 } });
export const main = workflow(async () => await load());`,
  });
  const failed = await space.windkit("run", "f/a/fails.ts", "--run-id", "r");
  equal([failed.code, failed.stdout], [1, ""]);
  match(failed.stderr, /^✗ load .* no such shelf$/m);
  match(failed.stderr, /^✗ load#2 .* no such shelf$/m);
  match(failed.stderr, /^✗ failed after .*: RangeError in "load#2": no such shelf$/m);
  match(failed.stderr, /fails\.ts:4:9/);
  const again = await space.windkit("run", "f/a/fails.ts", "--run-id", "r", "--json");
  equal(again.code, 1);
  const { status, error } = jsonLines(again.stdout)[0] ?? {};
  equal([status, (error as { readonly message: string }).message], ["failed", "no such shelf"]);
});

Deno.test("an edited file may go on when it asks for the same, and is stopped with exit code 5 when it does not", async () => {
  await using space = workspace({ "f/a/blocks.ts": BLOCKS });
  for (const id of ["same", "other"]) {
    const run = space.start("run", "f/a/blocks.ts", "--run-id", id, "--json");
    await run.line('"key":"second"');
    run.kill("SIGKILL");
    await run.ended;
  }
  space.write("go", "");
  space.write("f/a/blocks.ts", `// edited\n${BLOCKS}`);
  const same = await space.windkit("run", "f/a/blocks.ts", "--run-id", "same");
  equal([same.code, same.stdout], [0, "3\n"]);
  match(same.stderr, /the file was edited since/);

  space.write("f/a/blocks.ts", BLOCKS.replaceAll("first", "begin"));
  const other = await space.windkit("run", "f/a/blocks.ts", "--run-id", "other");
  equal(other.code, 5);
  match(other.stderr, /Cannot replay run "other"/);
  match(other.stderr, /"first"/);
  match(other.stderr, /"begin"/);
  space.write("f/a/blocks.ts", BLOCKS);
  equal((await space.windkit("run", "f/a/blocks.ts", "--run-id", "other")).code, 0);
});

Deno.test("run tells at once that the code of a parked run no longer fits, and that it fits again", async () => {
  const body = (name: string, wait: string): string =>
    `${IMPORT}export const main = workflow(async () => {
  const value = await step("${name}", () => 1);
  ${wait}
  return value;
});`;
  const sleeps = "await sleep(1e6);";
  const asks = 'await waitForApproval({ key: "ok", timeout: 1e6 });';
  await using space = workspace({ "f/a/sleeps.ts": body("first", sleeps), "f/a/asks.ts": body("first", asks) });
  for (const [file, wait] of [["sleeps", sleeps], ["asks", asks]] as const) {
    const path = `f/a/${file}.ts`;
    const run = space.start("run", path, "--run-id", file, "--json");
    await run.line("run_parked");
    run.kill("SIGKILL");
    await run.ended;
    const before = (await space.windkit("runs", "show", file, "--json")).stdout;

    space.write(path, body("begin", wait));
    const { code, stderr } = await space.windkit("run", path, "--run-id", file);
    equal(code, 5);
    match(stderr, new RegExp(`Cannot replay run "${file}"`));
    equal((await space.windkit("runs", "show", file, "--json")).stdout, before);

    space.write(path, body("first", wait));
    const again = space.start("run", path, "--run-id", file, "--json");
    match(await again.line("run_parked"), new RegExp(`"run":"${file}"`));
    again.kill("SIGINT");
    equal((await again.ended).code, 130);
  }
});

Deno.test("keys are the worker's: arrow tasks have their variable's name, and relative imports work", async () => {
  await using space = workspace({
    "f/a/keys.ts": `${IMPORT}import { twice } from "./helper.ts";
export const double = task(async (n: number) => twice(n));
const inc = task(async (n: number) => n + 1);
export const main = workflow(async () => await double(await inc(await inc(0))));`,
    "f/a/helper.ts": "export const twice = (n: number): number => 2 * n;",
  });
  const { stdout } = await space.windkit("run", "f/a/keys.ts", "--json");
  const keys = jsonLines(stdout).filter(({ event }) => event === "call_settled").map(({ key }) => key);
  equal(keys, ["inc", "inc_2", "double"]);
  equal(jsonLines(stdout).at(-1)?.["result"], 4);
  equal([...Deno.readDirSync(join(space.dir, "f", "a"))].map(({ name }) => name).sort(), ["helper.ts", "keys.ts"]);
});

Deno.test("what a workflow prints does not get into stdout", async () => {
  await using space = workspace({
    "f/a/prints.ts": `${IMPORT}export const main = workflow(async () => {
  await step("one", () => console.log("from the step", { a: 1 }));
  console.error("two\\nlines");
  return 1;
});`,
  });
  const text = await space.windkit("run", "f/a/prints.ts");
  equal(text.stdout, "1\n");
  match(text.stderr, /^│ from the step { a: 1 }$/m);
  match(text.stderr, /^│ two\n│ lines$/m);
  const events = jsonLines((await space.windkit("run", "f/a/prints.ts", "--json")).stdout);
  const logs = events.filter(({ event }) => event === "log").map(({ level, text }) => [level, text]);
  equal(logs, [["info", "from the step { a: 1 }"], ["error", "two\nlines"]]);
});

Deno.test("A workflow with modules is a folder: it runs by its entry, with the name of the script", async () => {
  await using space = workspace({
    "f/a/flow__mod/script.ts": `${IMPORT}import { double } from "./math.ts";
export const main = workflow(async (n: number) => [
  double(n),
  await taskScript("./tasks/add.ts")({ a: n, b: 1 }),
  await taskScript("./tasks/add")({ a: n, b: 2 }),
  await taskScript("f/a/other")({}),
]);`,
    "f/a/flow__mod/math.ts": "export const double = (n: number) => 2 * n;",
    "f/a/flow__mod/tasks/add.ts": "export function main(a: number, b: number) { return a + b; }",
    "f/a/other__mod/script.ts": `import { word } from "./words.ts";\nexport const main = () => word;`,
    "f/a/other__mod/words.ts": "export const word = 'other';",
  });
  const { stdout, stderr } = await space.windkit("run", "f/a/flow__mod/script.ts", "--args", '{"n":3}');
  equal(stdout === "" ? stderr : JSON.parse(stdout), [6, 4, 5, "other"]);
  const events = jsonLines(
    (await space.windkit("run", "f/a/flow__mod/script.ts", "--json", "--args", '{"n":1}')).stdout,
  );
  equal([...new Set(events.flatMap(({ workflow }) => workflow ?? []))], ["f/a/flow"]);
});

Deno.test("taskScript runs main of the path in the workspace by name; taskFlow says what it needs", async () => {
  await using space = workspace({
    "f/a/calls.ts": `${IMPORT}const resize = taskScript("f/tools/resize");
export const main = workflow(async () => await resize({ width: 3, image: "x" }));`,
    "f/a/missing.ts": `${IMPORT}const gone = taskScript("u/ada/gone");
export const main = workflow(async () => await gone({}));`,
    "f/a/flows.ts": `${IMPORT}const flow = taskFlow("f/flows/nightly");
export const main = workflow(async () => await flow({}));`,
    "f/tools/resize.ts":
      "export function main(image: string, width: number = 1, height: number = 7) { return [image, width, height]; }",
  });
  const called = await space.windkit("run", "f/a/calls.ts");
  equal(JSON.parse(called.stdout), ["x", 3, 7]);
  match(called.stderr, /^✓ resize /m);
  const missing = await space.windkit("run", "f/a/missing.ts");
  equal(missing.code, 1);
  match(missing.stderr, /Cannot run script "u\/ada\/gone": there is no such/);
  const flow = await space.windkit("run", "f/a/flows.ts");
  equal(flow.code, 1);
  match(flow.stderr, /Cannot run taskFlow\("f\/flows\/nightly"\): this engine has no executor for flows/);
});

Deno.test("the entry is the default export when it is a workflow, else the first export that is one", async () => {
  await using space = workspace({
    "a.ts": `${IMPORT}export const other = workflow(async () => 1); export default workflow(async () => 2);`,
    "b.ts": `${IMPORT}export const x = 5; export const second = workflow(async () => 3); export default async () => 4;`,
    "c.js": `${IMPORT}export const main = workflow(async () => 5);`,
    "d.mjs": `${
      IMPORT.replace("windmill-client", "@windkit/windmill-client")
    }export const main = workflow(async () => 6);`,
  });
  for (const [file, result] of [["a.ts", 2], ["b.ts", 3], ["c.js", 5], ["d.mjs", 6]] as const) {
    equal((await space.windkit("run", file)).stdout, `${result}\n`, file);
  }
});

Deno.test("a file with several workflows and no default export: which one is run is said on stderr", async () => {
  await using space = workspace({
    "two.ts": `${IMPORT}export const zeta = workflow(async () => 1); export const alpha = workflow(async () => 2);`,
    "three.ts": `${IMPORT}export const c = workflow(async () => 1); export const b = workflow(async () => 2);
export const a = workflow(async () => 3); export const also_a = a;`,
    "one.ts": `${IMPORT}export const main = workflow(async () => 4); export const alias = main;`,
  });
  const two = await space.windkit("run", "two.ts");
  equal(two.stdout, "2\n");
  match(
    two.stderr,
    /^! "two\.ts" exports 2 workflows, and none as default: "alpha" is run, the first by name; the other one is "zeta"$/m,
  );
  const three = jsonLines((await space.windkit("run", "three.ts", "--json")).stdout);
  match(
    String(three.find(({ event }) => event === "warning")?.["message"]),
    /exports 3 workflows, .*: "a" is run, the first by name; the others are "b", "c"$/,
  );
  const one = await space.windkit("run", "one.ts");
  equal(one.stdout, "4\n");
  ok(!one.stderr.includes("!"), one.stderr);
});

Deno.test("runs remove removes a run that stopped, that is damaged or an orphan, with all that is kept of it", async () => {
  await using space = workspace({ "f/a/asks.ts": ASKS, "f/a/hello.ts": HELLO });
  for (const id of ["parked", "damaged", "orphan"]) {
    const run = space.start("run", "f/a/asks.ts", "--run-id", id);
    await run.line("approve");
    run.kill("SIGKILL");
    await run.ended;
  }
  await space.windkit("run", "f/a/hello.ts", "--run-id", "other");
  const other = (await space.windkit("runs", "show", "other", "--json")).stdout;
  await space.windkit("approve", "parked", "later");
  using db = new DatabaseSync(join(space.dir, ".windkit", "windkit.db"));
  const damaged = db.prepare(
    "UPDATE records SET text = substr(text, 1, 40) WHERE run = (SELECT no FROM runs WHERE id = 'damaged')",
  ).run();
  ok(Number(damaged.changes) > 0);
  equal(db.prepare("UPDATE runs SET state = ? WHERE id = 'orphan'").run(4).changes, 1);
  db.close();
  equal((await space.windkit("runs", "show", "damaged")).code, 4);
  match((await space.windkit("runs")).stdout, /^orphan +f\/a\/asks +orphan /m);

  const parked = await space.windkit("runs", "remove", "parked", "--yes");
  equal([parked.code, parked.stderr], [0, ""]);
  match(
    parked.stdout,
    /^✓ Removed run parked of f\/a\/asks \(waits for approval sign_off\) with its journal and 1 message that it has not taken\n$/,
  );
  equal((await space.windkit("runs", "remove", "damaged", "--yes")).code, 0);
  equal((await space.windkit("runs", "remove", "orphan", "--yes", "--json")).stdout, '{"removed":"orphan"}\n');
  equal(jsonLines((await space.windkit("runs", "--json")).stdout).map(({ id }) => id), ["other"]);
  equal((await space.windkit("runs", "show", "other", "--json")).stdout, other);
  const doctor = await space.windkit("doctor");
  equal(doctor.code, 0);
  match(doctor.stdout, /^messages +none$/m);
  equal((await space.windkit("runs", "remove", "parked", "--yes")).code, 2);
});

Deno.test("runs remove needs --yes without a terminal, and the folder to itself", async () => {
  await using space = workspace({ "f/a/asks.ts": ASKS });
  const run = space.start("run", "f/a/asks.ts", "--run-id", "r", "--data", "d");
  await run.line("approve");
  const driven = await space.windkit("runs", "remove", "r", "--yes", "--data", "d");
  equal([driven.code, driven.stdout], [4, ""]);
  match(driven.stderr, new RegExp(`^windkit: Cannot drive .*process ${run.pid}`));
  for (const argv of [[], ["--json"]]) {
    const { code, stdout, stderr } = await space.windkit("runs", "remove", "r", "--data", "d", ...argv);
    equal(code, 2);
    match(`${stdout}${stderr}`, /Cannot remove run "r" unasked|Cannot remove run \\"r\\" unasked/);
    match(`${stdout}${stderr}`, /runs remove r --yes --data d/);
  }
  equal((await space.windkit("approve", "r", "--data", "d")).code, 0);
  equal((await run.ended).code, 0);
});

Deno.test("runs lists newest first, by state, as JSON; show prints a journal; prune removes what is old", async () => {
  await using space = workspace({
    "f/a/hello.ts": HELLO,
    "f/a/fails.ts": `${IMPORT}export const main = workflow(async () => { throw new Error("x"); });`,
  });
  await space.windkit("run", "f/a/hello.ts", "--run-id", "one");
  await space.windkit("run", "f/a/hello.ts", "--run-id", "two");
  await space.windkit("run", "f/a/fails.ts", "--run-id", "three");
  const ids = async (...args: readonly string[]): Promise<readonly unknown[]> =>
    jsonLines((await space.windkit("runs", "--json", ...args)).stdout).map(({ id }) => id);
  equal(await ids(), ["three", "two", "one"]);
  equal(await ids("--state", "completed"), ["two", "one"]);
  equal(await ids("--state", "failed"), ["three"]);
  equal(await ids("--limit", "1"), ["three"]);
  match((await space.windkit("runs", "list", "--limit", "2")).stderr, /The newest 2 only/);
  equal((await space.windkit("runs", "--state", "parked")).stdout, "No runs that are parked\n");

  const shown = await space.windkit("runs", "show", "one");
  match(shown.stdout, /^args +{}$/m);
  match(shown.stdout, /compose +done +\d+ ms +windkit\/\d+ +"Hello, world"$/m);
  const records = jsonLines((await space.windkit("runs", "show", "one", "--json")).stdout);
  equal(records.map(({ t, seq }) => [t, seq]), [["opened", 0], ["settled", 1], ["closed", 2]]);

  equal((await space.windkit("runs", "prune", "--older-than", "1h")).stdout, "Removed 0 runs\n");
  const unasked = await space.windkit("runs", "prune", "--older-than", "0s");
  equal(unasked.code, 2);
  match(
    unasked.stderr,
    /Cannot remove 3 runs unasked: nobody can be asked without a terminal\n.* --older-than 0s --yes$/m,
  );
  equal((await space.windkit("runs", "prune", "--older-than", "0s", "--json")).code, 2);
  equal((await space.windkit("runs", "prune", "--older-than", "0s", "--yes", "--json")).stdout, '{"pruned":3}\n');
  equal((await space.windkit("runs")).stdout, "No runs\n");
});

Deno.test("a damaged data folder is exit code 4, from every command, and is not replaced", async () => {
  await using space = workspace({ "f/a/hello.ts": HELLO });
  space.write(".windkit/windkit.db", "this is no database, only text that is long enough to look at\n".repeat(20));
  const before = space.read(".windkit/windkit.db");
  for (const argv of [["run", "f/a/hello.ts"], ["runs"], ["approve", "x"], ["doctor"]]) {
    equal((await space.windkit(...argv)).code, 4, argv.join(" "));
  }
  equal(space.read(".windkit/windkit.db"), before);
});
