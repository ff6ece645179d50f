/** The synced folder: what is read of it, and what of it cannot be used. */
import { existsSync } from "node:fs";
import { assert, assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { MAIN, problemsOf, thrown, trialFolder } from "./_folder_kit.ts";

Deno.test("openFolder() reads scripts under the names that the command line writes", async () => {
  const sh = "echo hi\n";
  await using trial = await trialFolder({
    "wmill.yaml": "defaultTs: bun\nworkspaces:\n  prod:\n    workspaceId: acme\n    baseUrl: https://x.example\n",
    "f/a/plain.ts": MAIN,
    "f/a/deno_one.deno.ts": MAIN,
    "f/a/fetch_one.fetch.ts": MAIN,
    "f/a/query.pg.sql": "-- $1 id (int)\nselect $1",
    "f/a/lake.duckdb.sql": "-- $min (double) = 1.5\nselect 1",
    "f/a/py.py": "def main(): pass",
    "f/a/shell.sh": sh,
    "u/me/mine.ts": MAIN,
    "g/all/shared.ts": MAIN,
    "f/a/README.md": "no script",
    "f/a/types.d.ts": "export {}",
    "f/a/flow.flow/inner.ts": MAIN,
    "f/a/app__app/inner.ts": MAIN,
    "f/a/node_modules/x/index.ts": MAIN,
    "f/.hidden/x.ts": MAIN,
    "src/helper.ts": MAIN,
    "helper.ts": MAIN,
    "f/toplevel.ts": MAIN,
  });
  const found = trial.folder.scripts().map(({ path, language }) => `${path} ${language}`);
  assertEquals(found, [
    "f/a/deno_one deno",
    "f/a/fetch_one nativets",
    "f/a/lake duckdb",
    "f/a/plain bun",
    "f/a/py python3",
    "f/a/query postgresql",
    "f/a/shell bash",
    "g/all/shared bun",
    "u/me/mine bun",
  ]);
  assertEquals(trial.folder.problems, []);
  assertEquals(trial.folder.workspace, "acme");
  const { schema, hasPreprocessor, autoKind, hash } = trial.folder.script("f/a/plain") ?? {};
  assertEquals((schema as { required: unknown }).required, ["name"]);
  assertEquals([hasPreprocessor, autoKind], [false, undefined]);
  assert(/^[0-9a-f]{16}$/.test(hash ?? ""), "16 hex digits");
});

Deno.test("openFolder() takes a plain .ts for Deno's where wmill.yaml says so", async () => {
  await using trial = await trialFolder({
    "wmill.yaml": "defaultTs: deno\n",
    "f/a/x.ts": MAIN,
    "f/a/y.bun.ts": MAIN,
  });
  assertEquals(trial.folder.script("f/a/x")?.language, "deno");
  assertEquals(trial.folder.script("f/a/y")?.language, "bun");
  trial.folder.writeScript({ path: "f/a/z", content: MAIN, language: "bun" });
  assert(existsSync(trial.path("f/a/z.bun.ts")), "Named as the command line names it");
});

Deno.test("script() reads metadata of YAML and JSON, locks and unknown fields", async () => {
  await using trial = await trialFolder({
    "f/a/x.ts": MAIN,
    "f/a/x.script.yaml": [
      "summary: Sums up",
      "description: |-",
      "  Two",
      "  lines",
      "lock: '!inline f/a/x.script.lock'",
      "kind: trigger",
      "tag: heavy",
      "timeout: 30",
      "cache_ttl: 60",
      "concurrent_limit: 0",
      "concurrency_time_window_s: 10",
      "concurrency_key: k-$args[id]",
      "priority: 5",
      "has_preprocessor: true",
      "labels: [a, b]",
      "schema: {type: object, properties: {}}",
    ].join("\n"),
    "f/a/x.script.lock": '{"dependencies":{}}\n//bun.lock\n',
    "f/a/y.ts": MAIN,
    "f/a/y.script.json": JSON.stringify({ summary: "of JSON", lock: ["a", "b"], schema: { type: "object" } }),
    "f/a/tagged.ts": MAIN,
    "f/a/tagged.script.yaml": "summary: ''\nlock: !inline f/a/x.script.lock\n",
  });
  const { createdAt, hash, content, ...rest } = trial.folder.script("f/a/x") ?? ({} as never);
  assert(createdAt > 0 && hash !== "" && content === MAIN, "From the file");
  assertEquals(rest, {
    path: "f/a/x",
    language: "bun",
    summary: "Sums up",
    description: "Two\nlines",
    schema: { type: "object", properties: {} },
    lock: '{"dependencies":{}}\n//bun.lock\n',
    timeoutS: 30,
    cacheTtlS: 60,
    concurrencyWindowS: 10,
    priority: 5,
    tag: "heavy",
    concurrencyKey: "k-$args[id]",
    hasPreprocessor: true,
    createdBy: "me",
    extra: { kind: "trigger", labels: ["a", "b"] },
  });
  assertEquals(trial.folder.script("f/a/y")?.summary, "of JSON");
  assertEquals(trial.folder.script("f/a/y")?.lock, "a\nb");
  assertIncludes(trial.folder.script("f/a/tagged")?.lock ?? "", "bun.lock");
});

Deno.test("script() tells workflows by the worker's rule, and files that only others import", async () => {
  const workflow =
    'import { workflow } from "windmill-client";\nexport const main = workflow(async (n: number) => n);\n';
  await using trial = await trialFolder({
    "f/a/flow.ts": workflow,
    "f/a/deno_flow.deno.ts": workflow,
    "f/a/library.ts": "export function helper() {}\n",
    "f/a/pre.ts": `export async function preprocessor(event: unknown) { return event; }\n${MAIN}`,
    "f/a/listed.ts": "function preprocessor() {}\nfunction main() {}\nexport { main, preprocessor };\n",
    "f/a/text.ts": `const s = "export function preprocessor(";\n// export function preprocessor(\n${MAIN}`,
  });
  const script = (name: string) => trial.folder.script(`f/a/${name}`);
  assertEquals(script("flow")?.autoKind, "wac");
  assertEquals((script("flow")?.schema as { order: unknown }).order, ["n"]);
  assertEquals(script("deno_flow")?.autoKind, undefined);
  assertEquals(script("library")?.autoKind, "lib");
  assertEquals(["pre", "listed", "text"].map((name) => script(name)?.hasPreprocessor), [true, true, false]);
});

Deno.test("problems lists what cannot be used, and the rest works", async () => {
  const bomb = `a: &a ["x","x","x","x","x","x","x","x","x"]\n${
    "bcdefghi".split("").map((name, at) => {
      const before = "abcdefgh"[at];
      return `${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]`;
    }).join("\n")
  }\n`;
  await using trial = await trialFolder({
    "f/a/good.ts": MAIN,
    "f/a/broken_meta.ts": MAIN,
    "f/a/broken_meta.script.yaml": "summary: 'open\nlock: ''\n",
    "f/a/bomb.ts": MAIN,
    "f/a/bomb.script.yaml": bomb,
    "f/a/bomb.variable.yaml": `value: x\n${bomb}`,
    "f/a/deep.resource.yaml": `value: ${"[".repeat(5000)}${"]".repeat(5000)}\n`,
    "f/a/deep_block.resource.yaml": `${"- ".repeat(300_000)}x\n`,
    "f/a/tags.resource.yaml": `${"!a ".repeat(300_000)}x\n`,
    "f/a/indented.resource.yaml": Array.from({ length: 1200 }, (_, at) => `${" ".repeat(at)}a:\n`).join(""),
    "f/a/large.resource.yaml": `value: "${"x".repeat(3_000_000)}"\n`,
    "f/a/list.resource.yaml": "- a\n- b\n",
    "f/a/twice.ts": MAIN,
    "f/a/twice.py": "def main(): pass",
    "f/a/both.variable.yaml": "value: a\n",
    "f/a/both.variable.json": '{"value":"b"}',
    "f/a/json.variable.json": '{"value": "s3cret", }',
    "f/a/double.variable.yaml": "value: a\nvalue: b\n",
    "f/a/Case.ts": MAIN,
    "f/a/case.ts": MAIN,
    "f/a/orphan.script.yaml": "summary: ''\n",
    "f/a/binary.ts": new Uint8Array([0xff, 0xfe, 0x00]),
    "f/a/inline.resource.yaml": "value:\n  content: '!inline ../../etc/passwd'\nresource_type: text\n",
    "f/a/fine.variable.yaml": "value: fine\n",
    "wmill.yaml": "defaultTs: node\n",
  });
  const { folder } = trial;
  const problems = problemsOf(folder);
  const of = (file: string): string => problems.filter((one) => one.startsWith(`${file}: `)).join("\n");
  assertIncludes(of("f/a/broken_meta.script.yaml"), "runs without its metadata");
  assertIncludes(of("f/a/broken_meta.script.yaml"), "at line ");
  assertIncludes(of("f/a/bomb.script.yaml"), "alias");
  assertIncludes(of("f/a/bomb.variable.yaml"), "alias");
  assertIncludes(of("f/a/deep.resource.yaml"), "open brackets");
  assertIncludes(of("f/a/deep_block.resource.yaml"), "indicators in a row at line 1");
  assertIncludes(of("f/a/tags.resource.yaml"), "tags or anchors in a row");
  assertIncludes(of("f/a/indented.resource.yaml"), "spaces of indentation at line 1001");
  assertIncludes(of("f/a/large.resource.yaml"), "may have at most 2097152");
  assertIncludes(of("f/a/list.resource.yaml"), "must hold fields, and holds a list");
  assertIncludes(of("f/a/twice.py"), '"f/a/twice" has 2 files');
  assertIncludes(of("f/a/both.variable.json"), "2 files");
  assert(!of("f/a/json.variable.json").includes("s3cret"), "A message quotes no value");
  assertIncludes(of("f/a/json.variable.json"), "no JSON");
  assertIncludes(of("f/a/double.variable.yaml"), "unique");
  assertIncludes(of("f/a/Case.ts"), '"f/a/case.ts" only in case');
  assertIncludes(of("f/a/orphan.script.yaml"), "no code");
  assertIncludes(of("f/a/binary.ts"), "UTF-8");
  assertIncludes(of("f/a/inline.resource.yaml"), "refers to no file of its kind");
  assertIncludes(of("wmill.yaml"), "bun or deno");
  assertEquals(folder.script("f/a/good")?.content, MAIN);
  assertEquals(folder.script("f/a/broken_meta")?.content, MAIN);
  assert(folder.script("f/a/bomb") !== undefined && folder.script("f/a/Case") !== undefined, "Code runs");
  assertEquals(folder.script("f/a/twice"), undefined);
  assertEquals(folder.variable("f/a/both", true), undefined);
  assertEquals(folder.variable("f/a/fine", true)?.value, "fine");
  assertEquals(folder.resource("f/a/inline"), undefined);
});

Deno.test("checkCode tells what does not parse, and is asked for the problems only", async () => {
  let asked = 0;
  await using trial = await trialFolder({ "f/a/x.ts": "export function main( {", "f/a/y.ts": MAIN }, {
    checkCode: ({ content }) => (asked++, content === MAIN ? undefined : "Unexpected token (1:23)"),
  });
  trial.folder.scripts();
  assertEquals(asked, 0);
  assertEquals(problemsOf(trial.folder), ["f/a/x.ts: Unexpected token (1:23)"]);
});

Deno.test("A file for one workspace is used for that one", async () => {
  const files = {
    "f/a/v.variable.yaml": "value: plain\n",
    "f/a/v.staging.variable.yaml": "value: staging\n",
    "f/a/r.staging.resource.yaml": "value: 1\nresource_type: any\n",
  };
  await using plain = await trialFolder(files);
  assertEquals(plain.folder.variable("f/a/v", true)?.value, "plain");
  assertEquals(plain.folder.resource("f/a/r"), undefined);
  await using staging = await trialFolder(files, { specific: "staging" });
  assertEquals(staging.folder.variable("f/a/v", true)?.value, "staging");
  assertEquals(staging.folder.resource("f/a/r")?.value, 1);
});

Deno.test("Filesets and resource types are read; types are written and removed", async () => {
  await using trial = await trialFolder({
    "f/a/set.resource.yaml": "value: '!inline_fileset f/a/set.fileset'\nresource_type: c_set\n",
    "f/a/set.fileset/one.txt": "1",
    "f/a/set.fileset/in/two.ts": "2",
    "c_set.resource-type.yaml": "description: a set\nschema:\n  type: object\nformat_extension: txt\n",
  });
  const { folder } = trial;
  assertEquals(folder.resource("f/a/set")?.value, { "one.txt": "1", "in/two.ts": "2" });
  assertEquals(folder.resourceType("c_set"), {
    name: "c_set",
    schema: { type: "object" },
    description: "a set",
    formatExtension: "txt",
  });
  folder.writeResourceType({ name: "c_new", schema: { type: "object" }, description: "" });
  assertEquals(folder.resourceTypes().map(({ name }) => name), ["c_new", "c_set"]);
  assertIncludes(
    thrown(() => folder.writeResourceType({ name: "../x", schema: null, description: "" })).message,
    "Bad request",
  );
  assert(folder.deleteResourceType("c_new") && !existsSync(trial.path("c_new.resource-type.yaml")), "Removed");
});

Deno.test("openFolder() needs a folder, and none of Windmill's files in it", async () => {
  await using trial = await trialFolder({});
  assertEquals([trial.folder.scripts(), trial.folder.variables(), trial.folder.resources(), trial.folder.problems], [
    [],
    [],
    [],
    [],
  ]);
  trial.folder.writeScript({ path: "f/a/first", content: MAIN, language: "bun" });
  assertEquals(trial.folder.script("f/a/first")?.content, MAIN);
  await assertRejects(() => trialFolder({}, { root: trial.path("nowhere") }));
});

Deno.test("readAll() reads everything; what is wrong is known then", async () => {
  await using trial = await trialFolder({
    ...Object.fromEntries(Array.from({ length: 25 }, (_, at) => [`f/a/x${at}.ts`, MAIN])),
    "f/a/x7.script.yaml": "a: [\n",
  });
  await trial.folder.readAll();
  assertEquals(trial.folder.problems.map(({ file }) => file), ["f/a/x7.script.yaml"]);
});

Deno.test("A variable without quotes is the text that was written, and one without a value is empty", async () => {
  await using trial = await trialFolder({
    "f/a/number.variable.yaml": "value: 12\n",
    "f/a/none.variable.yaml": "value:\n",
    "f/a/empty.variable.yaml": "",
  });
  assertEquals(
    ["number", "none", "empty"].map((name) => trial.folder.variable(`f/a/${name}`, true)?.value),
    ["12", "", ""],
  );
});
