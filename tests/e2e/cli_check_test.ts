/** `windkit check` as a command: files, output, exit codes, and recorded runs against a file that was edited. */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CheckResult } from "../../src/cli/check_command.ts";
import { startProcess, workspace } from "./_cli.ts";

const IMPORT = 'import { sleep, step, task, waitForApproval, workflow } from "windmill-client";\n';

const GOOD = `${IMPORT}
const compose = task(async (name: string) => "Hello, " + name);
export const main = workflow(async (name: string = "world") => await compose(name));
`;

const BAD = `${IMPORT}
export const main = workflow(async () => {
  step("late", () => 1);
  return Date.now();
});
`;

const WARNS = `${IMPORT}
export const main = workflow(async () => {
  step("late", () => 1);
});
`;

function resultOf(text: string): CheckResult {
  return JSON.parse(text) as CheckResult;
}

Deno.test("check finds nothing in a good file, says how the worker sees it, and leaves nothing behind", async () => {
  await using space = workspace({ "f/a/good.ts": GOOD });
  const { code, stdout, stderr } = await space.windkit("check", "f/a/good.ts");
  equal([code, stderr], [0, ""]);
  equal(
    stdout,
    'f/a/good.ts: a workflow to the worker, by line 1; run by the official client; entry point "main"; ' +
      "task names written in: compose\nNothing found in 1 file\n",
  );
  equal(existsSync(join(space.dir, ".windkit")), false);
});

Deno.test("check prints findings by place, and ends with 1", async () => {
  await using space = workspace({ "f/a/bad.ts": BAD, "f/a/good.ts": GOOD });
  const { code, stdout } = await space.windkit("check", "f/a/good.ts", "f/a/bad.ts");
  equal(code, 1);
  match(stdout, /^f\/a\/bad\.ts:4:3 warning unawaited: step\("late", \(\) => 1\) is not awaited/m);
  match(stdout, /^f\/a\/bad\.ts:5:10 error clock: Date\.now\(\) is used in the body of "main"$/m);
  match(stdout, /^ {2}instead const now = await step\("now", \(\) => Date\.now\(\)\);$/m);
  match(stdout, /^1 error, 1 warning in 2 files$/m);
});

Deno.test("check fails for warnings with --strict only", async () => {
  await using space = workspace({ "f/a/warns.ts": WARNS });
  equal((await space.windkit("check", "f/a/warns.ts")).code, 0);
  equal((await space.windkit("check", "f/a/warns.ts", "--strict")).code, 1);
});

Deno.test("check --json prints one object", async () => {
  await using space = workspace({ "f/a/bad.ts": BAD });
  const { code, stdout } = await space.windkit("check", "f/a/bad.ts", "--json");
  equal(code, 1);
  equal(stdout.trim().split("\n").length, 1);
  const { v, ok: isOk, errors, warnings, files: [file] } = resultOf(stdout);
  equal([v, isOk, errors, warnings], [1, false, 1, 1]);
  equal([file?.file, file?.recognised, file?.style, file?.entrypoint, file?.tasks], [
    "f/a/bad.ts",
    true,
    "official",
    "main",
    [],
  ]);
  const { why, instead, what, ...place } = file?.findings[1] ?? {};
  equal(place, { rule: "clock", severity: "error", file: "f/a/bad.ts", line: 5, column: 10 });
  ok([why, instead, what].every((text) => typeof text === "string" && text !== ""));
});

Deno.test("check reads what says that a file is for Deno, and follows imports of the workspace", async () => {
  await using space = workspace({
    "wmill.yaml": "defaultTs: deno\n",
    "f/a/good.ts": GOOD,
    "f/a/mine.bun.ts": `${IMPORT}import { stamp } from "/f/b/time.ts";
export const main = workflow(async () => stamp());`,
    "f/b/time.ts": "export const stamp = () => Date.now();\n",
  });
  const { stdout } = await space.windkit("check", "f/a/good.ts", "f/a/mine.bun.ts", "--json");
  equal(
    resultOf(stdout).files.map(({ findings }) => findings.map(({ rule, file, line }) => `${rule} ${file}:${line}`)),
    [["deno f/a/good.ts:1"], ["clock f/b/time.ts:1"]],
  );
});

Deno.test("check refuses what it cannot check, with exit code 2", async () => {
  await using space = workspace({ "f/a/good.ts": GOOD });
  for (
    const [args, text] of [
      [[], /Command "check" needs FILE/],
      [["f/a/none.ts"], /No such file: "f\/a\/none\.ts"/],
      [["f/a"], /is a folder/],
      [["f/a/good.ts", "--finished", "3"], /Option "--finished" goes with "--against"/],
      [["f/a/good.ts", "--against", "nowhere"], /No runs in "nowhere"[^]*Name the folder with --against;/],
      [["f/a/good.ts", "--stricd"], /did you mean "--strict"/],
    ] as const
  ) {
    const { code, stderr } = await space.windkit("check", ...args);
    equal(code, 2, args.join(" "));
    match(stderr, text);
  }
});

Deno.test("check without its parser says which package to add", async () => {
  await using space = workspace({ "f/a/good.ts": GOOD });
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const { code, stderr } = await startProcess(
    Deno.execPath(),
    ["run", "-A", "--no-config", "--no-npm", main, "check", "f/a/good.ts"],
    space.dir,
  ).ended;
  equal(code, 2);
  match(stderr, /the package "@babel\/parser" is not installed\. Add it: deno add npm:@babel\/parser/);
});

// --- Against recorded runs ---

/** Asks after two calls, so that a run without an answer stays. */
const RELEASE = `${IMPORT}
import { appendFileSync } from "node:fs";
const build = task(async (version: string) => {
  appendFileSync("log.txt", "build\\n");
  return version + "-1";
});
export const main = workflow(async (version: string) => {
  const name = await build(version);
  await step("sign", () => name + "!");
  const { approved } = await waitForApproval({ key: "ship", timeout: 3600 });
  await step("ship it", () => approved);
  return approved;
});
`;

/** Bytes of every file of a folder. */
function contents(dir: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(dir).filter((name) => !name.endsWith("-shm")).sort().map((
      name,
    ) => [name, readFileSync(join(dir, name)).toString("base64")]),
  );
}

Deno.test("check --against replays open and finished runs, runs nothing, and changes nothing", async () => {
  await using space = workspace({ "f/a/release.ts": RELEASE });
  const open = space.start("run", "f/a/release.ts", "--run-id", "open", "--args", '["1.0"]', "--no-input", "--json");
  await open.line('"approval_waiting"');
  // The folder is driven meanwhile: the check takes no lock.
  const driven = await space.windkit("check", "f/a/release.ts", "--against", ".windkit", "--json");
  equal([driven.code, driven.stderr], [0, ""]);
  open.kill("SIGINT");
  await open.ended;

  const approved = space.start(
    "run",
    "f/a/release.ts",
    "--run-id",
    "done",
    "--args",
    '["2.0"]',
    "--no-input",
    "--json",
  );
  await approved.line('"approval_waiting"');
  await space.windkit("approve", "done", "ship");
  equal((await approved.ended).code, 0);
  const log = space.read("log.txt");
  const before = contents(join(space.dir, ".windkit"));

  const { code, stdout } = await space.windkit("check", "f/a/release.ts", "--against", ".windkit");
  equal(code, 0);
  match(stdout, /^open unfinished fits: 3 calls, waits for ship$/m);
  match(stdout, /^done finished fits: 4 calls$/m);
  match(stdout, /^2 runs: all fit$/m);
  equal(space.read("log.txt"), log);
  equal(contents(join(space.dir, ".windkit")), before);

  // Another name for the second call breaks both; the finished one alone breaks at its last call.
  space.write("f/a/release.ts", RELEASE.replace('step("sign"', 'step("seal"'));
  const renamed = await space.windkit("check", "f/a/release.ts", "--against", ".windkit", "--json");
  equal(renamed.code, 1);
  const { against } = resultOf(renamed.stdout);
  equal(against?.broken, 2);
  for (const run of against?.runs ?? []) {
    equal([run.verdict, run.at?.key, run.at?.handed, run.asked?.key], ["breaks", "sign", 1, "seal"]);
    match(run.recorded?.site ?? "", /^f\/a\/release\.ts:10:9$/);
    match(run.asked?.site ?? "", /^f\/a\/release\.ts:10:9$/);
  }
  const text = await space.windkit("check", "f/a/release.ts", "--against", ".windkit");
  match(
    text.stdout,
    /^open unfinished breaks at record 2, after 1 outcome: "sign" was recorded, and "seal" is asked for$/m,
  );
  match(text.stdout, /^ {2}recorded step "sign" at f\/a\/release\.ts:10:9$/m);
  match(text.stdout, /^2 runs: 2 would break\n$/m);
  ok(!text.stdout.includes("Nothing found"), text.stdout);

  space.write("f/a/release.ts", RELEASE.replace("return approved;", 'return await step("more", () => 1);'));
  const longer = resultOf((await space.windkit("check", "f/a/release.ts", "--against", ".windkit", "--json")).stdout);
  equal(longer.against?.runs.map(({ run, verdict, asked }) => [run, verdict, asked?.key]), [
    ["open", "fits", undefined],
    ["done", "breaks", "more"],
  ]);
  const none = await space.windkit("check", "f/a/release.ts", "--against", ".windkit", "--finished", "0");
  equal(none.code, 0);
  match(none.stdout, /^1 run: all fit$/m);
});

Deno.test("check --against outlives what a body does of its own", async () => {
  await using space = workspace({ "f/a/release.ts": RELEASE });
  const open = space.start("run", "f/a/release.ts", "--run-id", "open", "--args", '["1.0"]', "--no-input", "--json");
  await open.line('"approval_waiting"');
  open.kill("SIGINT");
  await open.ended;
  const noisy = `void Promise.reject(new Error("nobody looks"));
  setTimeout(() => { throw new Error("later"); }, 5);
  console.log("noise");
  await new Promise((resolve) => setTimeout(resolve, 30));
  const name`;
  space.write("f/a/release.ts", RELEASE.replace("const name", `// windkit-ignore: a test\n  ${noisy}`));
  const fits = await space.windkit("check", "f/a/release.ts", "--against", ".windkit", "--json");
  equal(resultOf(fits.stdout).against?.runs.map(({ verdict }) => verdict), ["fits"]);
  equal(fits.stderr, "");
  space.write("f/a/release.ts", RELEASE.replace("const name", "await new Promise(() => {});\n  const name"));
  const stands = await space.windkit("check", "f/a/release.ts", "--against", ".windkit");
  equal(stands.code, 1);
  match(stands.stdout, /^open unfinished stands still at record 1, after 0 outcomes: .*does not come to "build"/m);
});
