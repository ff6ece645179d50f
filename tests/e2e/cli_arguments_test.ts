import { deepStrictEqual as equal, ok, throws } from "node:assert/strict";
import process from "node:process";
import { parseCommand } from "../../src/cli/arguments.ts";
import { EXIT, exitCodeOf, UsageError } from "../../src/cli/exit_codes.ts";
import { clip, duration, oneLine, paint, quote, size, table, width, withoutColors } from "../../src/cli/format.ts";
import { HELP_TOPICS, helpText } from "../../src/cli/help.ts";
import { PACKAGE_MODULES } from "../../src/cli/module_hooks.ts";
import { programName } from "../../src/cli/program.ts";
import { runtimeProblem } from "../../src/cli/runtime.ts";
import { listenForSignals } from "../../src/cli/signals.ts";
import { createDisplay } from "../../src/cli/display.ts";
import { nameTasks } from "../../src/workflow/task_names.ts";
import { placeOf } from "../../src/cli/workspace.ts";
import * as errors from "../../src/base/errors.ts";

Deno.test("parseCommand() reads every option of run", () => {
  equal(
    parseCommand([
      "run",
      "f.ts",
      "--args",
      '{"a":1}',
      "--run-id=x",
      "--data",
      "d",
      "--json",
      "--no-input",
      "--durability",
      "process",
    ]),
    {
      command: "run",
      file: "f.ts",
      args: { a: 1 },
      runId: "x",
      data: "d",
      json: true,
      noInput: true,
      durability: "process",
    },
  );
});

Deno.test("parseCommand() leaves out what was not given and fills in the defaults", () => {
  equal(parseCommand(["run", "f.ts"]), {
    command: "run",
    file: "f.ts",
    data: ".windkit",
    json: false,
    noInput: false,
    durability: "power",
  });
  equal(parseCommand(["runs"]), { command: "list", data: ".windkit", json: false });
  equal(parseCommand(["runs", "--json"]), { command: "list", data: ".windkit", json: true });
  equal(parseCommand(["runs", "list", "--state", "failed"]), {
    command: "list",
    data: ".windkit",
    json: false,
    state: "failed",
  });
  equal(parseCommand(["approve", "r"]), {
    command: "approve",
    data: ".windkit",
    json: false,
    run: "r",
    approved: true,
  });
});

Deno.test("parseCommand() reads several files and every option of check", () => {
  equal(parseCommand(["check", "a.ts", "b.ts"]), {
    command: "check",
    files: ["a.ts", "b.ts"],
    json: false,
    strict: false,
    finished: 20,
  });
  equal(parseCommand(["check", "a.ts", "--against", "d", "--finished=0", "--strict", "--json"]), {
    command: "check",
    files: ["a.ts"],
    json: true,
    strict: true,
    against: "d",
    finished: 0,
  });
});

Deno.test("parseCommand() reads every option of capture", () => {
  equal(parseCommand(["capture", "r"]), { command: "capture", data: ".windkit", run: "r", force: false, redact: [] });
  equal(
    parseCommand(["capture", "r", "--file", "f.ts", "--out", "x_test.ts", "--force", "--redact", "pin, iban,"]),
    {
      command: "capture",
      data: ".windkit",
      run: "r",
      file: "f.ts",
      out: "x_test.ts",
      force: true,
      redact: ["pin", "iban"],
    },
  );
});

Deno.test("parseCommand() takes values that look like numbers, negative ones and null", () => {
  equal(parseCommand(["approve", "r", "k", "--value", "-5", "--reject"]), {
    command: "approve",
    data: ".windkit",
    json: false,
    run: "r",
    key: "k",
    approved: false,
    value: -5,
  });
  const command = parseCommand(["approve", "r", "--value", "null"]);
  ok("value" in command && command.value === null);
});

Deno.test("parseCommand() reads runs remove", () => {
  const command = { command: "remove", data: ".windkit", json: false, run: "r" };
  equal(parseCommand(["runs", "remove", "r"]), { ...command, yes: false });
  equal(parseCommand(["runs", "remove", "--yes", "r"]), { ...command, yes: true });
});

Deno.test("parseCommand() reads ages in every unit", () => {
  for (
    const [text, ms] of [["30d", 2_592_000_000], ["12h", 43_200_000], ["45m", 2_700_000], ["10s", 10_000], [
      "2w",
      1_209_600_000,
    ], ["0s", 0]] as const
  ) {
    const command = parseCommand(["runs", "prune", "--older-than", text]);
    equal("olderThanMs" in command && command.olderThanMs, ms);
  }
});

Deno.test("parseCommand() gives help wherever it is asked for", () => {
  for (const topic of HELP_TOPICS) equal(parseCommand(["help", ...topic.split(" ")]), { command: "help", topic });
  for (const argv of [[], ["--help"], ["-h"], ["help"]]) {
    equal(parseCommand(argv), { command: "help", topic: "windkit" });
  }
  equal(parseCommand(["run", "--help"]), { command: "help", topic: "run" });
  equal(parseCommand(["run", "f.ts", "--args", "{}", "-h"]), { command: "help", topic: "run" });
  equal(parseCommand(["runs", "show", "--help"]), { command: "help", topic: "runs show" });
});

const REFUSED: readonly (readonly [argv: readonly string[], text: string])[] = [
  [["rnu", "f.ts"], 'Unknown command "rnu": did you mean "run"?'],
  [["runs", "remvoe", "r"], 'Unknown command "runs remvoe": did you mean "remove"?'],
  [["runs", "remove"], 'Command "runs remove" needs RUN'],
  [["runs", "remove", "r", "s"], 'Unexpected argument "s"'],
  [["runs", "remove", "r", "-y"], 'Unknown option "-y"'],
  [["runs", "shwo"], 'Unknown command "runs shwo": did you mean "show"?'],
  [["--frobnicate"], 'Unknown option "--frobnicate"'],
  [["run", "f.ts", "--arg", "{}"], 'Unknown option "--arg": did you mean "--args"?'],
  [["run", "f.ts", "--reject"], 'Unknown option "--reject"'],
  [["run", "f.ts", "-x"], 'Unknown option "-x"'],
  [["run", "f.ts", "--json=yes"], 'Option "--json" takes no value: got "yes"'],
  [["run", "f.ts", "--args"], 'Option "--args" needs a value'],
  [["run", "f.ts", "--args", "--json"], 'Option "--args" needs a value'],
  [["run", "f.ts", "--data", "a", "--data", "b"], 'Option "--data" is given twice'],
  [["run", "f.ts", "--data="], 'Option "--data" needs the name of a folder: it is empty'],
  [["run"], 'Command "run" needs FILE'],
  [["run", ""], "FILE is empty"],
  [["run", "f.ts", "g.ts"], 'Unexpected argument "g.ts"'],
  [["run", "f.ts", "--args", "{year: 1}"], "--args is not JSON: "],
  [["run", "f.ts", "--args", "5"], "--args must be an object by parameter name, or an array: got a number"],
  [["run", "f.ts", "--args", "null"], "--args must be an object by parameter name, or an array: got null"],
  [["run", "f.ts", "--run-id", "a b"], 'Option "--run-id" must have no spaces and not begin with "-": got "a b"'],
  [["run", "f.ts", "--run-id="], 'Option "--run-id" is empty'],
  [["run", "f.ts", "--durability", "hope"], 'Option "--durability" must be one of power, process: got "hope"'],
  [["runs", "--state", "runing"], 'Option "--state" must be one of '],
  [["runs", "--limit", "0"], 'Option "--limit" must be a whole number above 0: got "0"'],
  [["runs", "show"], 'Command "runs show" needs RUN'],
  [["runs", "prune"], 'Command "runs prune" needs "--older-than"'],
  [
    ["runs", "prune", "--older-than", "30"],
    'Option "--older-than" must be a number and a unit of s, m, h, d or w, as in 30d: got "30"',
  ],
  [["approve"], 'Command "approve" needs RUN'],
  [["approve", "r", "--value", "{"], "--value is not JSON: "],
  [["check"], 'Command "check" needs FILE'],
  [["capture"], 'Command "capture" needs RUN'],
  [["check", ""], "FILE is empty"],
  [["check", "f.ts", "--against="], 'Option "--against" needs the name of a folder: it is empty'],
  [["check", "f.ts", "--finished", "5"], 'Option "--finished" goes with "--against"'],
  [
    ["check", "f.ts", "--against", "d", "--finished", "-1"],
    'Option "--finished" must be a whole number of 0 or more: got "-1"',
  ],
  [["help", "rum"], 'No help on "rum": did you mean "run"?'],
];

for (const [argv, text] of REFUSED) {
  Deno.test(`parseCommand() refuses: ${argv.join(" ")}`, () => {
    throws(() => parseCommand(argv), (error: unknown) => {
      ok(error instanceof UsageError);
      ok(error.message.startsWith(text), `"${error.message}" does not begin with "${text}"`);
      equal(exitCodeOf(error), EXIT.usage);
      return true;
    });
  });
}

Deno.test("helpText() fits into 100 columns and names every command", () => {
  for (const topic of HELP_TOPICS) {
    for (const line of helpText(topic).split("\n")) ok(line.length <= 100, `${topic}: "${line}"`);
  }
  for (const word of ["run FILE", "runs", "approve", "cancel", "check FILE", "doctor", "help"]) {
    ok(helpText("windkit").includes(word));
  }
});

Deno.test("exitCodeOf() gives storage errors 4, mismatches 5, cancellation 3, what the caller named wrongly 2", () => {
  equal(exitCodeOf(new errors.StorageLockedError("x")), 4);
  equal(exitCodeOf(new errors.StorageFullError("x")), 4);
  equal(exitCodeOf(new errors.SchemaTooNewError("x")), 4);
  equal(exitCodeOf(new errors.JournalCorruptError("x")), 4);
  equal(exitCodeOf(new errors.ReplayMismatchError("x", "k")), 5);
  equal(exitCodeOf(new errors.CancelledError("x")), 3);
  equal(exitCodeOf(new errors.UnknownRunError("x")), 2);
  equal(exitCodeOf(new errors.MissingPackageError("x")), 2);
  equal(exitCodeOf(new errors.DeadlineError("x")), 1);
  equal(exitCodeOf(new Error("x")), 1);
});

Deno.test("nameTasks() names arrow tasks as the Windmill worker does", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["const load = task(async (a) => a)", 'const load = task("load", async (a) => a)'],
    [
      "export const load = task(async () => 1, { timeout: 3 })",
      'export const load = task("load", async () => 1, { timeout: 3 })',
    ],
    ["let x = task<(a: number) => void>(async () => {})", "let x = task<(a: number) => void>(async () => {})"],
    ["var $a_1=task<Fn>( async function named() {})", 'var $a_1=task<Fn>( "$a_1", async function named() {})'],
    ["const load = task(\n  async () => 1)", 'const load = task(\n  "load", async () => 1)'],
    ['const load = task("own", async () => 1)', 'const load = task("own", async () => 1)'],
    ["const load = task(() => 1)", "const load = task(() => 1)"],
    ["const load = task(asyncFn)", "const load = task(asyncFn)"],
    ["const load: Task = task(async () => 1)", "const load: Task = task(async () => 1)"],
    ["const load = wmill.task(async () => 1)", "const load = wmill.task(async () => 1)"],
    ["const load = task(/* no */ async () => 1)", "const load = task(/* no */ async () => 1)"],
    ["const load = subtask(async () => 1)", "const load = subtask(async () => 1)"],
  ];
  for (const [source, expected] of cases) equal(nameTasks(source), expected);
});

Deno.test("PACKAGE_MODULES names what the package exports", () => {
  const { name, exports } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url))) as {
    readonly name: string;
    readonly exports: Readonly<Record<string, string>>;
  };
  const here = new URL("../../src/cli/", import.meta.url);
  for (const [path, file] of Object.entries(exports)) {
    const listed = PACKAGE_MODULES[`${name}${path.slice(1)}`];
    ok(listed !== undefined, `"${path}" of deno.json is missing in PACKAGE_MODULES`);
    equal(new URL(`${listed}.ts`, here).href, new URL(file, new URL("../../", import.meta.url)).href);
  }
  equal(PACKAGE_MODULES["windmill-client"], PACKAGE_MODULES[`${name}/compat`]);
});

Deno.test("runtimeProblem() names the versions that are needed, and what was found", () => {
  equal(runtimeProblem({ name: "Node", version: "22.13.0" }), undefined);
  equal(runtimeProblem({ name: "Node", version: "24.0.0" }), undefined);
  equal(runtimeProblem({ name: "Bun", version: "1.4.5" }), undefined);
  const text = runtimeProblem({ name: "Node", version: "20.20.2" }) ?? "";
  ok(text.includes("Node 20.20.2") && text.includes("Node 22.13"), text);
  ok(runtimeProblem({ name: "Node", version: "22.12.0" }) !== undefined);
  ok(runtimeProblem({ name: "Bun", version: "1.3.9" }) !== undefined);
});

Deno.test("programName() says deno task where that was typed, npx where there may be no other deno, else the file", () => {
  const dir = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    const main = `file://${dir}/cli/main.ts`;
    const byTask = { INIT_CWD: dir, npm_config_user_agent: "deno/2.9.6 npm/? deno/2.9.6 linux x86_64" };
    const byNpx = {
      INIT_CWD: dir,
      npm_command: "exec",
      npm_lifecycle_event: "npx",
      npm_config_user_agent: "npm/11.19.1 node/v20.20.2 linux x64",
    };
    const npx = `npx -y deno@${Deno.version.deno}`;
    equal(programName(main, dir, byTask), "deno run -A cli/main.ts"); // another task, of a folder without ours
    Deno.writeTextFileSync(`${dir}/deno.json`, '{"tasks":{"windkit":"deno run -A cli/main.ts"}}');
    equal(programName(main, dir, byTask), "deno task windkit");
    equal(programName(main, dir, { ...byTask, INIT_CWD: `${dir}/f/a` }), "deno task windkit");
    equal(programName(main, dir, { ...byTask, INIT_CWD: `${dir}/..` }), "deno run -A cli/main.ts");
    equal(programName(main, dir, {}), "deno run -A cli/main.ts");
    equal(programName(main, dir, byNpx), `${npx} task windkit`);
    equal(programName(main, `${dir}/cli`, byNpx), `${npx} run -A main.ts`);
    const byNpm = { ...byNpx, npm_command: "run-script", npm_lifecycle_event: "start" };
    equal(programName(main, dir, byNpm), "deno run -A cli/main.ts");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("placeOf() finds the workspace by wmill.yaml, by f or u, by a project file, else by the file's folder", () => {
  const dir = Deno.makeTempDirSync();
  try {
    equal(placeOf("f/weather/report.ts", dir), {
      file: `${dir}/f/weather/report.ts`,
      root: dir,
      name: "f/weather/report",
    });
    equal(placeOf("u/ada/x.bun.ts", dir).name, "u/ada/x");
    equal(placeOf("../a/hello.mjs", `${dir}/b`).name, "hello");
    Deno.writeTextFileSync(`${dir}/package.json`, "{}");
    equal(placeOf("jobs/nightly.js", dir).name, "jobs/nightly");
    Deno.writeTextFileSync(`${dir}/wmill.yaml`, "");
    equal(placeOf("deep/f/x.ts", dir).name, "deep/f/x");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("format: texts keep to their columns, whatever is in them", () => {
  const colors = paint(true);
  equal(width(colors.good("✓ done")), 6);
  equal(width("日本"), 4);
  equal(clip("abcdef", 4), "abc…");
  equal(clip("abc", 3), "abc");
  equal(clip(colors.bad("abcdef"), 4), colors.bad("abc…"));
  ok(width(clip("日本日本", 4)) <= 4);
  equal(oneLine("a\x1b[2Jb\nc\r\n\td"), "ab c d");
  equal(withoutColors("\x1b[0m\x1b[36ma\x1b[0m\r\n\tb\x07"), "a\n\tb");
  equal(paint(false).bad("x"), "x");
  equal([0, 7.4, 999, 1234, 61_000, 7_500_000, 90_000_000].map(duration), [
    "0 ms",
    "7 ms",
    "999 ms",
    "1.2 s",
    "1 min 1 s",
    "2 h 5 min",
    "1 d 1 h",
  ]);
  equal([5, 1500, 2_000_000, 3e9].map(size), ["5 B", "1.5 kB", "2.0 MB", "3.0 GB"]);
  equal(["a-b/c.ts", "a b", "it's", ""].map(quote), ["a-b/c.ts", "'a b'", "'it'\\''s'", "''"]);
  equal(
    table([{ title: "A" }, { title: "B", align: "right" }], [["x", "1"], ["long", "22"]], { paint: paint(false) }),
    "A      B\nx      1\nlong  22",
  );
});

Deno.test("listenForSignals() takes a Ctrl-C that arrives twice for one, and a later one for the wish to end at once", () => {
  let now = 0;
  const exits: unknown[] = [];
  const { exit } = process;
  process.exit = ((code?: number): void => void exits.push(code)) as typeof process.exit;
  const interruptions = listenForSignals(() => now);
  try {
    process.emit("SIGINT");
    ok(interruptions.signal.aborted);
    now = 100; // from the terminal, and once more from `deno task` or npx, which pass it on
    process.emit("SIGINT");
    equal(exits, []);
    now = 2000;
    process.emit("SIGINT");
    equal(exits, [EXIT.interrupted]);
  } finally {
    interruptions.close();
    process.exit = exit;
  }
});

Deno.test("createDisplay() draws over from the first column: the terminal has echoed ^C by then", () => {
  const written: string[] = [];
  const sink = {
    isTerminal: true,
    color: false,
    columns: () => 80,
    write: (text: string): void => void written.push(text),
    flush: () => Promise.resolve(),
  };
  const display = createDisplay(sink, () => ["sleeps"]);
  display.line("begun");
  display.close();
  equal(written.at(-1), "\r\x1b[1A\x1b[J");
});
