import { createCipheriv, createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { readSignature } from "../../src/server/folder/signature.ts";
import { openWithWorkspaceKey } from "../../src/server/folder/workspace_key.ts";
import type { Json } from "../../src/workflow/journal.ts";
import { unpinned } from "../../src/server/folder/imports.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { trialFolder } from "./_folder_kit.ts";

const MAIN = "export async function main(name: string, times = 2) {\n  return name.repeat(times);\n}\n";

function thrown(run: () => unknown): { readonly message: string; readonly status?: number } {
  try {
    run();
  } catch (error) {
    return error as Error & { readonly status?: number };
  }
  throw new Error("Nothing was thrown");
}

function problemsOf(
  folder: { readonly problems: readonly { readonly file: string; readonly message: string }[] },
): string[] {
  return folder.problems.map(({ file, message }) => `${file}: ${message}`);
}

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

Deno.test("dataFile() gives texts that are nothing else, and nothing from outside", async () => {
  await using trial = await trialFolder({
    "f/a/x.ts": MAIN,
    "f/a/x.script.yaml": "summary: ''\n",
    "f/a/x.script.lock": "{}",
    "f/a/data.json": '{"n":1}',
    "f/a/mail.txt": "Hello",
    "f/a/key.variable.json": '{"value":"s3cret"}',
    "f/a/db.resource.yaml": "value: {}\n",
    "f/a/ini.resource.file.ini": "x",
    "f/a/.env": "x",
    "f/a/more.env": "x",
    "f/a/y.flow/data.json": "1",
    "f/.hidden/data.json": "1",
    "other/data.json": "1",
    "data.json": "1",
    "f/a/binary.txt": new Uint8Array([0xff, 0xfe]),
  });
  const { folder, root } = trial;
  symlinkSync(join(root, "f/a/data.json"), join(root, "f/a/link.json"));
  assertEquals(["data.json", "mail.txt", "more.env"].map((name) => folder.dataFile(`f/a/${name}`)), [
    '{"n":1}',
    "Hello",
    "x",
  ]);
  const none = [
    ...["x.ts", "x.script.yaml", "x.script.lock", "key.variable.json", "db.resource.yaml", "ini.resource.file.ini"],
    ...[".env", "y.flow/data.json", "link.json", "none.json", "../../data.json", "../../.windkit/key", "./data.json"],
  ].map((name) => `f/a/${name}`);
  for (const file of [...none, "f/.hidden/data.json", "other/data.json", "data.json", ".windkit/key", "/etc/passwd"]) {
    assertEquals(folder.dataFile(file), undefined, file);
  }
  assertIncludes(thrown(() => folder.dataFile("f/a/binary.txt")).message, "is no text");
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

Deno.test("Nothing outside of the folder is read or written, through links least of all", async () => {
  await using outside = await trialFolder({ "f/a/secret.ts": MAIN, "secret.txt": "outside" });
  await using trial = await trialFolder({ "f/a/x.ts": MAIN });
  symlinkSync(outside.path("f/a/secret.ts"), trial.path("f/a/linked.ts"));
  symlinkSync(outside.path("f/a"), trial.path("f/linked"));
  symlinkSync(outside.path("f"), trial.path("u"));
  symlinkSync(outside.path("secret.txt"), trial.path("f/a/written.variable.yaml"));
  trial.folder.refresh();
  assertEquals(trial.folder.scripts().map(({ path }) => path), ["f/a/x"]);
  assertEquals(
    trial.folder.problems.map(({ file }) => file),
    ["f/a/linked.ts", "f/a/written.variable.yaml", "f/linked", "u"],
  );
  const write = (path: string) =>
    thrown(() => trial.folder.writeVariable({ path, value: "x", isSecret: false, description: "" }));
  assertIncludes(write("f/linked/new").message, "no folder of its own");
  assertIncludes(write("u/me/new").message, "no folder of its own");
  for (
    const path of [
      "../x/y",
      "f/../../y",
      "f/a/../../../y",
      "/etc/x/y",
      "f//x",
      "f/a/",
      "x/a/b",
      "f/a/.x",
      "f/a\\b/c",
      "f/a/b.c",
      "f/a.flow/c",
      "f/a/x\u0000y",
    ]
  ) {
    assertIncludes(write(path).message, "Bad request: The path");
    assertEquals(trial.folder.script(path), undefined);
    assertEquals(trial.folder.variable(path, true), undefined);
    assertEquals(trial.folder.resource(path), undefined);
  }
  // A file takes the place of a link, the link's target stays.
  trial.folder.writeVariable({ path: "f/a/written", value: "inside", isSecret: false, description: "" });
  assertEquals(readFileSync(outside.path("secret.txt"), "utf8"), "outside");
  assertEquals(trial.folder.variable("f/a/written", true)?.value, "inside");
});

Deno.test("Writing keeps comments, order and unknown fields, and changes a file as a whole", async () => {
  await using trial = await trialFolder({
    "f/a/x.ts": MAIN,
    "f/a/x.script.yaml":
      "# ours\nsummary: old # kept\nlabels:\n  - a\nlock: ''\nenvs: [A=1]\nschema:\n  type: object\n",
    "f/a/v.variable.yaml": "# why\ndescription: d\nvalue: old\nis_secret: false\naccount: 7\n",
    "f/a/r.resource.json": '{"value":{"a":1},"resource_type":"any","description":"","labels":["x"]}',
    "f/a/file.resource.yaml": "value:\n  content: '!inline f/a/file.resource.file.txt'\nresource_type: text_file\n",
    "f/a/file.resource.file.txt": "hello",
  });
  const { folder } = trial;
  folder.writeScript({
    ...folder.script("f/a/x") ?? ({} as never),
    content: "export function main() {}",
    summary: "new",
    lock: "L",
  });
  const yaml = readFileSync(trial.path("f/a/x.script.yaml"), "utf8");
  assertIncludes(yaml, "# ours\nsummary: new # kept\nlabels:\n  - a\n");
  assertIncludes(yaml, "lock: '!inline f/a/x.script.lock'\nenvs: [ A=1 ]");
  assertEquals(readFileSync(trial.path("f/a/x.script.lock"), "utf8"), "L");
  assertEquals(folder.script("f/a/x")?.lock, "L");
  folder.writeVariable({ path: "f/a/v", value: "new", isSecret: false, description: "d" });
  assertEquals(
    readFileSync(trial.path("f/a/v.variable.yaml"), "utf8"),
    "# why\ndescription: d\nvalue: new\nis_secret: false\naccount: 7\n",
  );
  folder.writeResource({ path: "f/a/r", value: { a: [2] }, resourceType: "any", description: "" });
  assertEquals(JSON.parse(readFileSync(trial.path("f/a/r.resource.json"), "utf8")), {
    value: { a: [2] },
    resource_type: "any",
    description: "",
    labels: ["x"],
  });
  assertEquals(folder.resource("f/a/file")?.value, { content: "hello" });
  folder.writeResource({ path: "f/a/file", value: { content: "bye" }, resourceType: "text_file", description: "" });
  assertEquals(readFileSync(trial.path("f/a/file.resource.file.txt"), "utf8"), "bye");
  assertIncludes(readFileSync(trial.path("f/a/file.resource.yaml"), "utf8"), "!inline f/a/file.resource.file.txt");
});

Deno.test("A value that looks like something else is read as it was written", async () => {
  await using trial = await trialFolder({});
  const { folder } = trial;
  const values = [
    "true",
    "12",
    "null",
    "",
    " x ",
    "a: b",
    "# no",
    "line\nline\n",
    "'\"",
    "=",
    "2026-01-01",
    "\t",
    "ünï",
  ];
  for (const [at, value] of values.entries()) {
    folder.writeVariable({ path: `f/a/v${at}`, value, isSecret: false, description: value });
    folder.writeResource({
      path: `f/a/r${at}`,
      value: { [value]: [value, { a: value }] },
      resourceType: "any",
      description: "",
    });
  }
  await using next = await trial.reopen();
  for (const [at, value] of values.entries()) {
    const { value: read, description } = next.folder.variable(`f/a/v${at}`, true) ?? {};
    assertEquals([read, description], [value, value]);
    assertEquals(next.folder.resource(`f/a/r${at}`)?.value, { [value]: [value, { a: value }] });
  }
});

Deno.test("A write that cannot be done leaves the file as it was", async () => {
  await using trial = await trialFolder({ "f/a/v.variable.yaml": "value: old\n" });
  if (Deno.uid() === 0) {
    // Root writes anywhere: a folder in the place of the file is refused to everybody.
    mkdirSync(trial.path("f/a/r.resource.yaml"));
    thrown(() => trial.folder.writeResource({ path: "f/a/r", value: 1, resourceType: "any", description: "" }));
  } else {
    chmodSync(trial.path("f/a"), 0o500);
    thrown(() => trial.folder.writeVariable({ path: "f/a/v", value: "new", isSecret: false, description: "" }));
    chmodSync(trial.path("f/a"), 0o700);
  }
  assertEquals(trial.folder.variable("f/a/v", true)?.value, "old");
  assertEquals(Array.from(Deno.readDirSync(trial.path("f/a"))).filter(({ name }) => name.endsWith(".tmp")), []);
});

Deno.test("A saved file is live at the next question, and a version that was live is found by its hash", async () => {
  await using trial = await trialFolder({ "f/a/x.ts": MAIN });
  const { folder } = trial;
  const first = folder.script("f/a/x");
  trial.put({ "f/a/x.ts": "export function main() { return 2 }\n" });
  const second = folder.script("f/a/x");
  assertIncludes(second?.content ?? "", "return 2");
  assert(first?.hash !== second?.hash, "Another version");
  assertEquals(folder.scriptByHash(first?.hash ?? "")?.content, MAIN);
  trial.put({ "f/a/x.script.yaml": "summary: now described\n" });
  assertEquals(folder.script("f/a/x")?.summary, "now described");
  trial.put({ "f/b/new.ts": MAIN });
  assertEquals(folder.script("f/b/new")?.content, MAIN);
  renameSync(trial.path("f/a/x.ts"), trial.path("f/a/y.ts"));
  assertEquals(folder.script("f/a/x"), undefined);
  assertEquals(folder.script("f/a/y")?.content, second?.content);
  assertEquals(folder.scriptByHash(second?.hash ?? "")?.path, "f/a/x");
  await using next = await trial.reopen();
  assertEquals(next.folder.scriptByHash(first?.hash ?? "")?.content, MAIN);
  assertEquals(next.folder.scriptVersions("f/a/x").length, 3);
});

Deno.test("Versions that were replaced long ago, and that nothing refers to, are forgotten", async () => {
  let now = Date.UTC(2026, 0, 1);
  const DAY = 86_400_000;
  await using trial = await trialFolder({ "f/a/one.ts": MAIN, "f/a/gone.ts": MAIN }, { now: () => now });
  const { folder } = trial;
  const hashes: string[] = [];
  const forget = (before: number, used: readonly string[] = []) => folder.forgetVersions(before, () => new Set(used));
  for (const text of ["// 2\n", "// three\n", "// number four\n"]) {
    hashes.push(folder.script("f/a/one")?.hash ?? "");
    now += DAY;
    trial.put({ "f/a/one.ts": text + MAIN });
  }
  const gone = folder.script("f/a/gone")?.hash ?? "";
  const current = folder.script("f/a/one")?.hash ?? "";
  const left = () => [...hashes, gone, current].map((hash) => folder.scriptByHash(hash) !== undefined);
  now += DAY;
  // It was live until today, whenever it was stored.
  folder.deleteScript("f/a/gone");
  assertEquals(left(), [true, true, true, true, true]);
  const begin = Date.UTC(2026, 0, 1);
  assertEquals(forget(begin + DAY), 0);
  assertEquals(forget(begin + 2 * DAY + 1, hashes.slice(1, 2)), 1);
  assertEquals(left(), [false, true, true, true, true]);
  assertEquals(forget(begin + 4 * DAY), 2);
  assertEquals(left(), [false, false, false, true, true]);
  assertEquals(forget(begin + 5 * DAY), 1);
  assertEquals(left(), [false, false, false, false, true]);
  assertEquals(folder.scriptVersions("f/a/one").map(({ hash }) => hash), [current]);
});

Deno.test("The same content has the same hash, whenever it was written", async () => {
  await using trial = await trialFolder({ "f/a/x.ts": MAIN });
  const { hash } = trial.folder.script("f/a/x") ?? {};
  utimesSync(trial.path("f/a/x.ts"), 1, 1);
  assertEquals(trial.folder.script("f/a/x")?.hash, hash);
});

Deno.test("watch() tells what has changed, many files at once", async () => {
  await using trial = await trialFolder({ "f/a/x.ts": MAIN });
  const { promise, resolve } = Promise.withResolvers<void>();
  const told: (readonly string[])[] = [];
  using _watching = trial.folder.watch((files) => {
    told.push(files);
    const all = new Set(told.flat());
    if (["f/a/x.ts", "f/a/y.variable.yaml", "u/me/z.ts", "f/c/d/deep.ts"].every((file) => all.has(file))) resolve();
  });
  trial.put({ "f/a/x.ts": "export function main() {}\n", "f/a/y.variable.yaml": "value: y\n", "u/me/z.ts": MAIN });
  trial.put({ "f/c/d/deep.ts": MAIN, ".windkit/noise": "x", "node_modules/noise/x.js": "x" });
  await promise;
  assert(told.flat().every((file) => /^[fu]\//.test(file)), `Only Windmill's files: ${told.flat()}`);
  assertEquals(trial.folder.script("u/me/z")?.content, MAIN);
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

Deno.test("Secrets that are written stay in the data folder, sealed, and out of every file", async () => {
  await using trial = await trialFolder({ "f/a/plain.variable.yaml": "value: was-public\nis_secret: false\n" });
  const secret = "s3cret-value-0815";
  trial.folder.writeVariable({ path: "f/a/key", value: secret, isSecret: true, description: "a key" });
  trial.folder.writeVariable({ path: "f/a/plain", value: "now-secret", isSecret: true, description: "" });
  assertEquals(trial.folder.variable("f/a/key", false), {
    path: "f/a/key",
    value: null,
    isSecret: true,
    description: "a key",
  });
  assertEquals(trial.folder.variable("f/a/key", true)?.value, secret);
  assertEquals(trial.secrets.redact(`x ${secret} now-secret`), "x *** ***");
  assert(!existsSync(trial.path("f/a/plain.variable.yaml")), "No copy of the old value is left");
  assertEquals(trial.folder.variables().map(({ path, value }) => [path, value]), [["f/a/key", null], [
    "f/a/plain",
    null,
  ]]);
  await using next = await trial.reopen();
  assertEquals(next.folder.variable("f/a/key", true)?.value, secret);
  assertEquals(next.secrets.redact(`x ${secret}`), "x ***");
  for (const file of Deno.readDirSync(next.dataDir)) {
    const bytes = Deno.readFileSync(join(next.dataDir, file.name));
    assert(!new TextDecoder("latin1").decode(bytes).includes(secret), `${file.name} has it`);
  }
  next.folder.writeVariable({ path: "f/a/key", value: "public", isSecret: false, description: "" });
  assertIncludes(readFileSync(next.path("f/a/key.variable.yaml"), "utf8"), "value: public");
  assert(next.folder.deleteVariable("f/a/key") && next.folder.deleteVariable("f/a/plain"), "Both are removed");
  assertEquals(next.folder.variables(), []);
  assert(!next.folder.deleteVariable("f/a/key"), "It is gone");
});

/** As the server of a workspace seals it. */
function sealed(value: string, key: string): string {
  const cipher = createCipheriv("aes-256-cbc", createHash("sha256").update(key).digest(), new Uint8Array(16));
  return cipher.update(value, "utf8", "base64") + cipher.final("base64");
}

Deno.test("Secrets of a pulled folder are opened with the workspace's key, read as plain text, or said to be closed", async () => {
  const value = sealed("from the cluster", "K".repeat(64));
  const file = `value: ${value}\nis_secret: true\ndescription: d\n`;
  await using closed = await trialFolder({
    "f/a/s.variable.yaml": file,
    "f/a/p.variable.yaml": "value: not sealed\nis_secret: true\n",
  });
  assertEquals(closed.folder.variable("f/a/s", false), {
    path: "f/a/s",
    value: null,
    isSecret: true,
    description: "d",
  });
  assertIncludes(thrown(() => closed.folder.variable("f/a/s", true)).message, "not in the folder");
  assertEquals(closed.folder.variable("f/a/p", true)?.value, "not sealed");
  // What is set here stands over the file's value until that changes.
  closed.folder.writeVariable({ path: "f/a/s", value: "local", isSecret: true, description: "d" });
  assertEquals(readFileSync(closed.path("f/a/s.variable.yaml"), "utf8"), file);
  assertEquals(closed.folder.variable("f/a/s", true)?.value, "local");
  closed.put({ "f/a/s.variable.yaml": "value: pulled later\nis_secret: true\n" });
  assertEquals(closed.folder.variable("f/a/s", true)?.value, "pulled later");
  await using open = await trialFolder({ "f/a/s.variable.yaml": file, "encryption_key.yaml": `${"K".repeat(64)}\n` });
  assertEquals(open.folder.variable("f/a/s", true)?.value, "from the cluster");
  await using wrong = await trialFolder({ "f/a/s.variable.yaml": file, "encryption_key.yaml": `${"L".repeat(64)}\n` });
  assertIncludes(thrown(() => wrong.folder.variable("f/a/s", true)).message, "another than the folder's");
  await using plain = await trialFolder({ "f/a/s.variable.yaml": file, "wmill.yaml": "plainSecrets: true\n" });
  assertEquals(plain.folder.variable("f/a/s", true)?.value, value);
});

Deno.test("openWithWorkspaceKey() opens what the library's own documents have as their example", () => {
  const published = "DS/2U8royDnJDiNY2ps3f6ZoTbpZo8ZtUGYLGEjwLDQ=";
  assertEquals(openWithWorkspaceKey(published, "magickey"), "http://magiclen.org");
  assertEquals(openWithWorkspaceKey(published, "another"), undefined);
});

Deno.test("States stay in the data folder, as the command line does not pull them", async () => {
  await using trial = await trialFolder({});
  trial.folder.writeResource({ path: "f/x/y/user", value: { n: 1 }, resourceType: "state", description: "" });
  assert(!existsSync(trial.path("f")), "No file");
  await using next = await trial.reopen();
  assertEquals(next.folder.resource("f/x/y/user")?.value, { n: 1 });
  assertEquals(next.folder.resources().map(({ path }) => path), ["f/x/y/user"]);
  assert(next.folder.deleteResource("f/x/y/user"), "Removed");
  // One that holds a secret is encrypted like it.
  next.folder.writeVariable({ path: "u/me/word", value: "word-in-a-state", isSecret: true, description: "" });
  const state = { path: "u/me/s", value: { last: "word-in-a-state" }, resourceType: "state", description: "" };
  next.folder.writeResource(state);
  const rows = JSON.stringify(next.database.all("SELECT * FROM kept_resources"));
  assert(!rows.includes("word-in-a-state") && rows.includes("u/me/s"), rows);
  assertEquals(next.folder.resource("u/me/s")?.value, state.value);
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

Deno.test("interpolate() fills in references at any depth, and refuses circles and what is not there", async () => {
  await using trial = await trialFolder({
    "f/a/v.variable.yaml": "value: text\n",
    "f/a/s.variable.yaml": "value: '$var:f/a/v'\nis_secret: true\n",
    "f/a/r.resource.yaml":
      "value:\n  a: $var:f/a/v\n  list: [[[$res:f/a/inner]]]\n  who: $WM_USERNAME\nresource_type: any\n",
    "f/a/inner.resource.yaml": "value: $var:f/a/s\nresource_type: any\n",
    "f/a/c1.resource.yaml": "value: {x: $res:f/a/c2}\nresource_type: any\n",
    "f/a/c2.resource.yaml": "value: [$res:f/a/c1]\nresource_type: any\n",
    ...Object.fromEntries(Array.from({ length: 30 }, (_, at) => [
      `f/b/d${at}.resource.yaml`,
      `value: [$res:f/b/d${at + 1}, $res:f/b/d${at + 1}]\nresource_type: any\n`,
    ])),
    "f/b/d30.resource.yaml": "value: 1\nresource_type: any\n",
  });
  const { folder } = trial;
  // A variable's value is text: what looks like a reference in it is none.
  assertEquals(folder.interpolate({ r: "$res:f/a/r", plain: "$var", "$var:f/a/v": 1 }, { WM_USERNAME: "me" }), {
    r: { a: "text", list: [[["$var:f/a/v"]]], who: "me" },
    plain: "$var",
    "$var:f/a/v": 1,
  });
  assertEquals(folder.interpolate(["$WM_USERNAME", "x $var:f/a/v"]), ["$WM_USERNAME", "x $var:f/a/v"]);
  const circle = thrown(() => folder.interpolate("$res:f/a/c1"));
  assertEquals([circle.status, circle.message], [
    400,
    "Bad request: resources refer to each other in a circle: $res:f/a/c1 -> $res:f/a/c2 -> $res:f/a/c1",
  ]);
  assertEquals(thrown(() => folder.interpolate("$var:f/a/none")).message, "Not found: Variable f/a/none not found");
  assertEquals(
    thrown(() => folder.interpolate("$res:f/a/none")).message,
    "Not found: Resource not found at name f/a/none",
  );
  assertEquals(thrown(() => folder.interpolate("$res:none")).message, "Internal: Invalid resource path: none");
  assertIncludes(thrown(() => folder.interpolate("$res:f/b/d0")).message, "more than 10000");
  const many = Array.from({ length: 200_000 }, (_, at) => at);
  assertEquals((folder.interpolate({ many }) as { many: unknown[] }).many.length, many.length);
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

Deno.test("A script's language may change: the old file goes", async () => {
  await using trial = await trialFolder({
    "f/a/x.ts": MAIN,
    "f/a/x.script.lock": "L",
    "f/a/x.script.yaml": "lock: '!inline f/a/x.script.lock'\n",
  });
  trial.folder.writeScript({ path: "f/a/x", content: "-- $1 a (int)\nselect $1", language: "postgresql" });
  assert(!existsSync(trial.path("f/a/x.ts")) && !existsSync(trial.path("f/a/x.script.lock")), "Removed");
  assertEquals(trial.folder.script("f/a/x")?.language, "postgresql");
  assertIncludes(
    thrown(() => trial.folder.writeScript({ path: "f/a/y", content: "", language: "cobol" })).message,
    "cobol",
  );
  assert(trial.folder.deleteScript("f/a/x") && !existsSync(trial.path("f/a/x.script.yaml")), "Both files go");
});

Deno.test("readSignature() infers what people write", () => {
  const fields = (source: string, language = "bun"): unknown => {
    const { properties, required } = readSignature(source, language).schema as Record<string, unknown>;
    return [properties, required];
  };
  assertEquals(
    fields(`export async function main(
      a: string, // the first, (a)
      b = 3, c?: { x: number; y?: string[] }, d: "p" | "q" = "p", e: RT.Postgresql,
      f: Date, g: Array<number> = [1, 2], h: string = "a, b) // c", i: wmill.S3Object | null = null,
    ) {}`),
    [{
      a: { type: "string" },
      b: { type: "integer", default: 3 },
      c: {
        type: "object",
        properties: { x: { type: "number" }, y: { type: "array", items: { type: "string" } } },
        required: ["x"],
        default: null,
      },
      d: { type: "string", enum: ["p", "q"], default: "p" },
      e: { type: "object", format: "resource-postgresql" },
      f: { type: "string", format: "date-time" },
      g: { type: "array", items: { type: "number" }, default: [1, 2] },
      h: { type: "string", default: "a, b) // c" },
      i: { type: "object", format: "resource-s3_object", default: null },
    }, ["a", "e", "f"]],
  );
  assertEquals(fields("-- $1 id (int)\n-- $2 name (text) = 'bob'\n-- database f/a/db\nselect 1", "postgresql"), [
    { id: { type: "integer" }, name: { type: "string", default: "bob" } },
    ["id"],
  ]);
  assertEquals(fields("-- %%of%% a/b = a\n-- %%by%%\n-- $x (int)\nfrom %%of%% order by %%by%%, $x", "duckdb"), [
    { x: { type: "integer" }, of: { type: "string", enum: ["a", "b"], default: "a" }, by: { type: "string" } },
    ["x", "by"],
  ]);
  assertEquals(fields("-- $1 id\nselect 1", "postgresql"), [
    { database: { type: "object", format: "resource-postgresql" }, id: { type: "string" } },
    ["database", "id"],
  ]);
  // What stands before it does not hide it: a division in a template, quotes in a regular expression.
  const before =
    "const half = (n: number) => `${(n / 2).toFixed(1)} s`;\nconst quotes = () => { return /[`\"')]/; };\n";
  assertEquals(fields(`${before}export function main(count: number, at = /[),]/, rest = 4 / 2) {}`), [
    { count: { type: "number" }, at: {}, rest: {} },
    ["count"],
  ]);
  // Nothing that people write makes it throw or run on.
  for (
    const source of [
      "export function main(",
      "export function main(a: {",
      "export const main = workflow(",
      "`${`",
      "/* main(",
      "export default",
    ]
  ) {
    readSignature(source, "bun");
  }
});

Deno.test("unpinned() takes versions out of imports and nothing else", () => {
  assertEquals(
    unpinned(
      `import a from "zod@4.1.0";\nimport b from '@s/n@^1/sub';\nexport * from "npm:x@1/y";\nconst c = await import("d@2");\nimport "./a@2.ts";\nconst mail = "me@example.com";`,
    ),
    `import a from "zod";\nimport b from '@s/n/sub';\nexport * from "npm:x/y";\nconst c = await import("d");\nimport "./a@2.ts";\nconst mail = "me@example.com";`,
  );
});

Deno.test("Modes of files stay as they were", async () => {
  await using trial = await trialFolder({ "f/a/v.variable.yaml": "value: old\n" });
  chmodSync(trial.path("f/a/v.variable.yaml"), 0o600);
  trial.folder.writeVariable({ path: "f/a/v", value: "new", isSecret: false, description: "" });
  assertEquals(statSync(trial.path("f/a/v.variable.yaml")).mode & 0o777, 0o600);
  rmSync(trial.path("f/a/v.variable.yaml"));
  assertEquals(trial.folder.variable("f/a/v", true), undefined);
  writeFileSync(trial.path("f/a/v.variable.yaml"), "value: back\n");
  assertEquals(trial.folder.variable("f/a/v", true)?.value, "back");
});

Deno.test("A folder that becomes a link after it was read is none", async () => {
  await using outside = await trialFolder({ "x.ts": "outside", "v.variable.yaml": "value: outside\n" });
  await using trial = await trialFolder({ "f/a/x.ts": MAIN, "f/a/v.variable.yaml": "value: inside\n" });
  assert(trial.folder.script("f/a/x") !== undefined && trial.folder.variable("f/a/v", true) !== undefined, "Read");
  rmSync(trial.path("f/a"), { recursive: true });
  symlinkSync(outside.root, trial.path("f/a"));
  assertEquals(trial.folder.script("f/a/x"), undefined);
  assertEquals(trial.folder.variable("f/a/v", true), undefined);
  assertEquals(trial.folder.scripts(), []);
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

Deno.test("A data folder that is inside of the folder under any name is no part of it", async () => {
  await using trial = await trialFolder({ "f/a/x.ts": MAIN, "f/data/jobs/y.ts": MAIN });
  assertEquals(trial.folder.scripts().length, 2);
  symlinkSync(trial.path("f/data"), trial.path("elsewhere"));
  const { openFolder } = await import("../../src/server/folder/folder.ts");
  using folder = await openFolder({
    root: trial.root,
    dataDir: trial.path("elsewhere"),
    database: trial.database,
    secrets: trial.secrets,
    owner: "me",
    now: Date.now,
  });
  assertEquals(folder.scripts().map(({ path }) => path), ["f/a/x"]);
});

Deno.test("A resource's value leads to no file that is not one of a resource, neither to read nor to write", async () => {
  await using trial = await trialFolder({
    "f/a/x.ts": MAIN,
    "f/a/old.resource.yaml": "value:\n  content: '!inline .windkit/key'\nresource_type: any\n",
    "f/a/code.resource.yaml": "value:\n  content: '!inline f/a/x.ts'\nresource_type: any\n",
    "f/a/all.resource.yaml": "value: '!inline_fileset .windkit'\nresource_type: any\n",
    "f/a/y.ts": MAIN,
    "f/a/y.script.yaml": "lock: '!inline .windkit/key'\n",
  });
  const { folder } = trial;
  for (const path of ["f/a/old", "f/a/code", "f/a/all"]) {
    assertEquals(folder.resource(path), undefined);
    assertIncludes(folder.problems.find(({ file }) => file.startsWith(path))?.message ?? "", "refers to no file");
  }
  assertEquals(folder.script("f/a/y")?.lock, undefined);
  const refused = (value: Json, path = "f/a/new"): string => {
    try {
      folder.writeResource({ path, value, resourceType: "any", description: "" });
      return "written";
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
  };
  for (const value of ["!inline_fileset f/a", { content: "!inline f/a/x.ts" }, { content: "!inline .windkit/key" }]) {
    assertIncludes(refused(value), 'must not begin with "!inline"');
  }
  // One that cannot be read is replaced, in its own file.
  assertEquals(refused({ content: "taken" }, "f/a/code"), "written");
  assertEquals(folder.resource("f/a/code")?.value, { content: "taken" });
  assertEquals(readFileSync(trial.path("f/a/x.ts"), "utf8"), MAIN);
  assertEquals(folder.resource("f/a/new"), undefined);
});
