import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { jsonLines, startProcess, workspace } from "./_cli.ts";

const FILES = {
  "f/a/none.ts": "export const x = 1; export function main() {}",
  "f/a/empty.ts": "",
  "f/a/syntax.ts": "export const x = ;\n",
  "f/a/throws.ts": 'throw new TypeError("not today");',
  "f/a/one.ts": "export const main = 1;",
  "f/a/imports.ts": 'import "./gone.ts";',
  "f/a/names.ts": 'import { gone } from "./good.ts"; gone();',
  "f/a/notes.txt": "text",
  "f/a/good.ts": 'import { workflow } from "windmill-client"; export const main = workflow(async () => 1);',
};

/** Each is wrong in its own way: exit code 2, nothing on stdout, and a text that says what. */
const WRONG: readonly (readonly [argv: readonly string[], text: RegExp])[] = [
  [["frobnicate"], /^windkit: Unknown command "frobnicate"\n/],
  [["run"], /^windkit: Command "run" needs FILE\n/],
  [["run", "f/a/good.ts", "--nope"], /^windkit: Unknown option "--nope"\nSee windkit run --help\n/],
  [["run", "f/a/good.ts", "--args", "{a:1}"], /^windkit: --args is not JSON: .*\nGot: {a:1}\n/],
  [["run", "f/a/gone.ts"], /^windkit: No such file: "f\/a\/gone\.ts"\nLooked for \//],
  [["run", "f/a/good"], /^windkit: No such file: "f\/a\/good"\nThere is "f\/a\/good\.ts"\n/],
  [["run", "f/a"], /^windkit: "f\/a" is a folder: name a workflow file\n/],
  [["run", "f/a/notes.txt"], /^windkit: "f\/a\/notes\.txt" is no workflow file/],
  [
    ["run", "f/a/none.ts"],
    /^windkit: No workflow in "f\/a\/none\.ts": it exports "main", "x", none of which is a workflow\nExport/,
  ],
  [["run", "f/a/one.ts"], /^windkit: No workflow in "f\/a\/one\.ts": it exports "main", which is no workflow\nExport/],
  [["run", "f/a/empty.ts"], /^windkit: No workflow in "f\/a\/empty\.ts": it exports nothing\n/],
  [
    ["run", "f/a/syntax.ts"],
    /^windkit: Cannot load "f\/a\/syntax\.ts": SyntaxError: Expression expected\n[^:]*\nat file:.*syntax\.ts:1:18\n$/,
  ],
  [["run", "f/a/throws.ts"], /^windkit: Cannot load "f\/a\/throws\.ts": TypeError: not today\nat .*throws\.ts:1:7\n$/],
  [
    ["run", "f/a/imports.ts"],
    /^windkit: Cannot load "f\/a\/imports\.ts": .*gone\.ts"\.\nat file:[!-~]*\/imports\.ts:1:8\n$/,
  ],
  [["run", "f/a/names.ts"], /^windkit: Cannot load .*'gone'\nat file:[!-~]*\/names\.ts:1:10\n$/],
  [["runs"], /^windkit: No runs in "\.windkit": there is no such folder\n/],
  [["runs", "--data", "f"], /^windkit: No runs in "f": the folder holds no data of windkit\n/],
  [["approve", "r"], /^windkit: No runs in "\.windkit"/],
  [["cancel", "r"], /^windkit: No runs in "\.windkit"/],
  [["runs", "remove", "r"], /^windkit: No runs in "\.windkit"/],
  [["doctor"], /^windkit: No runs in "\.windkit"/],
];

for (const [argv, text] of WRONG) {
  Deno.test(`windkit ${argv.join(" ")}: exit code 2 and what is wrong`, async () => {
    await using space = workspace(FILES);
    const { code, stdout, stderr } = await space.windkit(...argv);
    match(stderr, text);
    equal([code, stdout], [2, ""]);
    equal([...Deno.readDirSync(space.dir)].map(({ name }) => name), ["f"], "something was left behind");
  });
}

Deno.test("an unknown run is exit code 2", async () => {
  await using space = workspace(FILES);
  equal((await space.windkit("run", "f/a/good.ts", "--data", "d")).code, 0);
  for (
    const argv of [
      ["runs", "show", "zzz"],
      ["runs", "remove", "zzz"],
      ["approve", "zzz"],
      ["cancel", "zzz"],
    ]
  ) {
    const { code, stderr } = await space.windkit(...argv, "--data", "d");
    equal(code, 2);
    match(stderr, /^windkit: No run "zzz" in "d": see windkit runs --data d\n/);
  }
});

Deno.test("--json gives errors as a line too", async () => {
  await using space = workspace(FILES);
  const { code, stdout, stderr } = await space.windkit("run", "f/a/none.ts", "--json");
  equal([code, stderr], [2, ""]);
  const [line] = jsonLines(stdout);
  equal([line?.["event"], line?.["exitCode"]], ["error", 2]);
  match((line?.["error"] as { readonly message: string }).message, /^No workflow in/);
});

Deno.test("commands to type name the task of deno.json when that was called", async () => {
  await using space = workspace(FILES);
  const main = new URL("../../src/cli/main.ts", import.meta.url).pathname;
  space.write("deno.json", JSON.stringify({ tasks: { windkit: `deno run -A '${main}'` } }));
  equal((await space.windkit("run", "f/a/good.ts", "--run-id", "r")).code, 0);
  const task = startProcess(Deno.execPath(), ["task", "windkit", "runs", "remove", "r"], space.dir);
  const { code, stderr } = await task.ended;
  equal(code, 2);
  match(stderr, /^To remove it all the same: (npx -y deno@[\d.]+|deno) task windkit runs remove r --yes$/m);
});

Deno.test("help and --version print on stdout", async () => {
  await using space = workspace();
  const version =
    (JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url))) as { readonly version: string })
      .version;
  equal((await space.windkit("--version")).stdout, `windkit ${version}\n`);
  for (const argv of [[], ["help"], ["run", "--help"], ["runs", "prune", "--help"], ["help", "exit-codes"]]) {
    const { code, stdout, stderr } = await space.windkit(...argv);
    equal([code, stderr], [0, ""]);
    ok(stdout.includes("windkit") || stdout.includes("Exit codes"));
  }
});

Deno.test("a reader that goes away ends a listing quietly, and stops a run so that it can go on", async () => {
  await using space = workspace({
    "f/a/many.ts": `import { step, waitForApproval, workflow } from "windmill-client";
export const main = workflow(async () => {
  for (let i = 0; i < 50; i++) await step("s", () => i);
  await waitForApproval();
});`,
  });
  const { code, stdout } = await new Deno.Command("sh", {
    args: [
      "-c",
      `"$1" run -A "$2" run f/a/many.ts --run-id r --json | head -n 1; "$1" run -A "$2" runs`,
      "sh",
      Deno.execPath(),
      new URL("../../src/cli/main.ts", import.meta.url).pathname,
    ],
    cwd: space.dir,
    stderr: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  equal(code, 0);
  match(text, /^{"event":"run"/);
  match(text, /^r +f\/a\/many +(interrupted|waits for approval approval) /m);
});

Deno.test("a package that is not installed is told by its name, with the file that imports it and the cure", async () => {
  const source = `import { workflow } from "windmill-client";\nexport default workflow(async () => 1);\n`;
  await using space = workspace({
    "f/a/own.ts": `import { z } from "@scope/no-such/part";\nvoid z;\n${source}`,
    "f/a/lib.ts": `export { z } from "no-such";\n`,
    "f/a/uses.ts": `import { z } from "./lib.ts";\nvoid z;\n${source}`,
  });
  const own = await space.windkit("run", "f/a/own.ts");
  equal(own.code, 2);
  match(own.stderr, /Cannot load "f\/a\/own\.ts": the package "@scope\/no-such\/part" is not installed/);
  match(own.stderr, /"imports": \{ "@scope\/no-such": "npm:@scope\/no-such" \}/);
  const uses = await space.windkit("run", "f/a/uses.ts");
  match(uses.stderr, /the package "no-such" is not installed\nimported by \S+f\/a\/lib\.ts/);
});
