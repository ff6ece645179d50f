import { deepStrictEqual as equal, match } from "node:assert/strict";
import { jsonLines, workspace } from "./_cli.ts";

const FILES = {
  "f/a/asks.ts": `import { step, waitForApproval, workflow } from "windmill-client";
export const main = workflow(async (n: number) => {
  const a = await step("one", () => n + 1);
  const { value } = await waitForApproval({ key: "sign", timeout: 600 });
  return [a, value];
});
`,
};

Deno.test("runs export while another process drives the run; runs import goes on with it elsewhere", async () => {
  await using space = workspace(FILES);
  const driver = space.start("run", "f/a/asks.ts", "--args", '{"n":1}', "--run-id", "r1", "--no-input");
  await driver.line("sign waits for approval");
  const exported = await space.windkit("runs", "export", "r1");
  const lines = jsonLines(exported.stdout);
  const digest = String(lines.at(-1)?.["sha256"]);
  equal([exported.code, exported.stderr], [0, `✓ Exported run r1: 3 records, digest ${digest}\n`]);
  equal(lines.map((line) => Object.keys(line)[1]), ["journal", "record", "record", "record", "end"]);
  driver.kill("SIGTERM");
  await driver.ended;
  space.write("r1.jsonl", exported.stdout);

  const imported = await space.windkit("runs", "import", "r1.jsonl", "--data", "there", "--digest", digest);
  equal([imported.code, imported.stdout], [0, "✓ Imported run r1 of f/a/asks (not ended): 3 records\n"]);
  match(imported.stderr, /^It goes on with: .* run f\/a\/asks\.ts --run-id r1 --data there\n$/);
  const again = await space.windkit("runs", "import", "r1.jsonl", "--data", "there");
  equal([again.code, again.stdout], [0, "✓ There already: run r1 of f/a/asks (not ended), with the same journal\n"]);
  const copy = await space.windkit("runs", "import", "r1.jsonl", "--data", "there", "--as", "r2", "--json");
  equal(jsonLines(copy.stdout), [
    { imported: "r2", created: true, workflow: "f/a/asks", state: "active", records: 3, digest },
  ]);

  for (const [id, value] of [["r1", "7"], ["r2", "8"]] as const) {
    equal((await space.windkit("approve", id, "--value", value, "--data", "there")).code, 0);
    const ended = await space.windkit("run", "f/a/asks.ts", "--run-id", id, "--data", "there", "--json");
    equal([ended.code, jsonLines(ended.stdout).at(-1)?.["result"]], [0, [2, Number(value)]]);
  }
  // It has gone on: what was exported is another journal now.
  const late = await space.windkit("runs", "import", "r1.jsonl", "--data", "there");
  equal(late.code, 2);
  match(late.stderr, /^windkit: Cannot store run "r1": .* the stored one has 5 records, the file 3/);
});

Deno.test("runs export --messages: what is left for a run goes with it", async () => {
  await using space = workspace(FILES);
  const driver = space.start("run", "f/a/asks.ts", "--args", '{"n":1}', "--run-id", "r1", "--no-input");
  await driver.line("sign waits for approval");
  driver.kill("SIGTERM");
  await driver.ended;
  equal((await space.windkit("approve", "r1", "--value", "7")).code, 0);
  const { stdout } = await space.windkit("runs", "export", "r1", "--messages", "--json");
  space.write("r1.jsonl", stdout);
  const imported = await space.windkit("runs", "import", "r1.jsonl", "--data", "there");
  match(imported.stdout, /3 records and 1 message\n$/);
  const ended = await space.windkit("run", "f/a/asks.ts", "--run-id", "r1", "--data", "there", "--no-input");
  equal([ended.code, JSON.parse(ended.stdout)], [0, [2, 7]]);
});

Deno.test("runs export and runs import: what is wrong, and with which exit code", async () => {
  await using space = workspace(FILES);
  const driver = space.start("run", "f/a/asks.ts", "--args", '{"n":1}', "--run-id", "r1", "--no-input");
  await driver.line("sign waits for approval");
  const { stdout } = await space.windkit("runs", "export", "r1");
  space.write("r1.jsonl", stdout);
  space.write("edited.jsonl", stdout.replace('"value":"2"', '"value":"9"'));
  space.write("newer.jsonl", stdout.replace('"journal":{"v":1', '"journal":{"v":2'));
  space.write("other.txt", "hello\n");
  const wrong: readonly (readonly [argv: readonly string[], code: number, text: RegExp])[] = [
    [["runs", "export"], 2, /Command "runs export" needs RUN/],
    [["runs", "export", "zzz"], 2, /No run "zzz" in "\.windkit"/],
    [["runs", "export", "r1", "--data", "gone"], 2, /No runs in "gone"/],
    [["runs", "import"], 2, /Command "runs import" needs FILE/],
    [["runs", "import", "gone.jsonl"], 2, /No such file: "gone\.jsonl"\nLooked for /],
    [["runs", "import", "f"], 2, /Cannot read "f"/],
    [["runs", "import", "r1.jsonl", "--as", "a b"], 2, /Option "--as" must have no spaces/],
    [["runs", "import", "r1.jsonl", "--digest", "12"], 2, /Option "--digest" must be the 64 hex digits/],
    [["runs", "import", "r1.jsonl", "--data", "x", "--digest", "0".repeat(64)], 4, /its digest is .*, expected 0{64}/],
    [["runs", "import", "edited.jsonl", "--data", "x"], 4, /is damaged: record 1 \("one"\) was changed: found SHA-256/],
    [
      ["runs", "import", "newer.jsonl", "--data", "x"],
      4,
      /it has version 2, .* read it with that version, or a newer one/,
    ],
    [
      ["runs", "import", "other.txt", "--data", "x"],
      4,
      /Cannot read journal file: its first line must be .*, found hello/,
    ],
    [["runs", "import", "r1.jsonl"], 4, /drives/],
    [["runs", "imprt", "r1.jsonl"], 2, /Unknown command "runs imprt": did you mean "import"\?/],
  ];
  for (const [argv, code, text] of wrong) {
    const ended = await space.windkit(...argv);
    match(ended.stderr, text);
    equal([ended.code, ended.stdout], [code, ""], argv.join(" "));
  }
  equal([...Deno.readDirSync(space.dir)].filter(({ name }) => name === "x"), [], "a folder was made for a bad file");
  const json = await space.windkit("runs", "import", "edited.jsonl", "--json");
  equal([json.code, jsonLines(json.stdout)[0]?.["exitCode"]], [4, 4]);
});
