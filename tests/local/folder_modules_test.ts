/** Modules of scripts in a synced folder: both layouts, versions, the API, and what is wrong with them. */
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { type TrialFolder, trialFolder } from "./_folder_kit.ts";

const ENTRY = `import { helper } from "./helper";\nexport const main = (n: number) => helper(n);\n`;
const HELPER = `import { twice } from "./utils/math";\nexport const helper = (n: number) => twice(n) + 1;\n`;
const MATH = "export const twice = (n: number) => 2 * n;\n";
const FOLDER = {
  "f/a/x__mod/script.ts": ENTRY,
  "f/a/x__mod/script.yaml": "summary: In a folder # as pulled\nlock: '!inline f/a/x__mod/script.lock'\n",
  "f/a/x__mod/script.lock": "L",
  "f/a/x__mod/helper.ts": HELPER,
  "f/a/x__mod/helper.lock": "HL",
  "f/a/x__mod/utils/math.ts": MATH,
};
const MODULES = {
  "helper.ts": { content: HELPER, language: "bun", lock: "HL" },
  "utils/math.ts": { content: MATH, language: "bun" },
};

function problemsOf({ folder }: TrialFolder): readonly string[] {
  return folder.problems.map(({ file, message }) => `${file}: ${message}`);
}
/** All files below `f`, by path. */
function filesOf({ root }: TrialFolder): Readonly<Record<string, string>> {
  const files = readdirSync(`${root}/f`, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    files.filter((one) => one.isFile()).map(({ parentPath, name }) => {
      const path = `${parentPath}/${name}`;
      return [path.slice(root.length + 1), readFileSync(path, "utf8")];
    }),
  );
}
function record(trial: TrialFolder, path = "f/a/x"): Promise<Record<string, unknown>> {
  return trial.ask("GET", `scripts/get/p/${path}`).then((answer) => answer.json() as Record<string, unknown>);
}

Deno.test("A script with modules is read from its folder, and with modules beside it", async () => {
  await using trial = await trialFolder({
    ...FOLDER,
    "f/a/x__mod/README.md": "no code",
    "f/a/flat.ts": ENTRY,
    "f/a/flat.script.yaml": "summary: Beside\n",
    "f/a/flat__mod/helper.ts": HELPER,
    "f/a/flat__mod/q.pg.sql": "select 1",
    "f/a/flat__mod/q.pg.lock": "QL",
    "f/a/flat__mod/.hidden/x.ts": MATH,
    "f/a/flat__mod/node_modules/x/index.ts": MATH,
    "f/a/alone__mod/script.deno.ts": MATH,
    "f/a/alone__mod/script.json": '{"summary":"Alone"}',
    "f/a/y.flow/z__mod/script.ts": MATH,
  });
  const { folder } = trial;
  assertEquals(folder.scripts().map(({ path }) => path), ["f/a/alone", "f/a/flat", "f/a/x"]);
  const script = folder.script("f/a/x");
  assertEquals([script?.content, script?.summary, script?.lock, script?.language], [ENTRY, "In a folder", "L", "bun"]);
  assertEquals(script?.modules, MODULES);
  const flat = folder.script("f/a/flat");
  assertEquals([flat?.summary, flat?.modules], ["Beside", {
    "helper.ts": { content: HELPER, language: "bun" },
    "q.pg.sql": { content: "select 1", language: "postgresql", lock: "QL" },
  }]);
  const alone = folder.script("f/a/alone");
  assertEquals([alone?.summary, alone?.language, alone?.modules], ["Alone", "deno", undefined]);
  assertEquals(problemsOf(trial), []);
  assertEquals((await record(trial)).modules, MODULES);
  assertEquals((await record(trial, "f/a/alone")).modules, null);
});

Deno.test("A change of a module, a new one and one that is gone are versions that the next question sees", async () => {
  await using trial = await trialFolder({ ...FOLDER, "f/a/plain.ts": MATH });
  const { folder } = trial;
  const first = folder.script("f/a/x");
  const hashes = [first?.hash];
  const seen = (): string => {
    const script = folder.script("f/a/x");
    hashes.push(script?.hash);
    return Object.entries(script?.modules ?? {}).map(([key, { content }]) => `${key}=${content.length}`).join(" ");
  };
  trial.put({ "f/a/x__mod/utils/math.ts": `${MATH}//` });
  assertEquals(seen(), `helper.ts=${HELPER.length} utils/math.ts=${MATH.length + 2}`);
  trial.put({ "f/a/x__mod/utils/new.ts": "1" });
  assertEquals(seen(), `helper.ts=${HELPER.length} utils/math.ts=${MATH.length + 2} utils/new.ts=1`);
  trial.put({ "f/a/x__mod/helper.lock": "other" });
  assertEquals(seen(), `helper.ts=${HELPER.length} utils/math.ts=${MATH.length + 2} utils/new.ts=1`);
  rmSync(trial.path("f/a/x__mod/utils"), { recursive: true });
  assertEquals(seen(), `helper.ts=${HELPER.length}`);
  trial.put({ "f/a/x__mod/more/deep.ts": "12" });
  assertEquals(seen(), `helper.ts=${HELPER.length} more/deep.ts=2`);
  assertEquals(new Set(hashes).size, 6);
  // Versions that are not live any more have their modules.
  assertEquals(folder.scriptByHash(first?.hash ?? "")?.modules, MODULES);
  // A script becomes one with modules.
  assertEquals(folder.script("f/a/plain")?.modules, undefined);
  trial.put({ "f/a/plain__mod/m.ts": "1" });
  assertEquals(Object.keys(folder.script("f/a/plain")?.modules ?? {}), ["m.ts"]);
  rmSync(trial.path("f/a/plain__mod"), { recursive: true });
  assertEquals(folder.script("f/a/plain")?.modules, undefined);
  // A script that nobody has seen before.
  trial.put({ "f/a/late__mod/script.ts": MATH });
  assertEquals(folder.script("f/a/late")?.content, MATH);
  await using again = await trial.reopen();
  assertEquals(again.folder.scriptByHash(first?.hash ?? "")?.modules, MODULES);
});

Deno.test("What is wrong with modules is told with the file", async () => {
  await using trial = await trialFolder({
    "f/a/both.ts": MATH,
    "f/a/both__mod/script.ts": ENTRY,
    "f/a/both__mod/helper.ts": HELPER,
    "f/a/none__mod/helper.ts": HELPER,
    "f/a/described__mod/script.yaml": "summary: x\n",
    "f/a/lang.ts": MATH,
    "f/a/lang__mod/tool.py": "def main(): pass",
    "f/a/snake__mod/script.py": "def main(): pass",
    "f/a/snake__mod/tool.py": "def main(): pass",
    "f/a/bytes.ts": ENTRY,
    "f/a/bytes__mod/helper.ts": new Uint8Array([0xff, 0xfe]),
    "f/a/linked.ts": MATH,
    "f/a/linked__mod/real.ts": MATH,
    "f/top__mod/script.ts": MATH,
    "f/a/dot.ted__mod/script.ts": MATH,
    "secret.ts": "export const secret = 1;",
  });
  const { folder } = trial;
  symlinkSync(trial.path("secret.ts"), trial.path("f/a/linked__mod/link.ts"));
  symlinkSync(trial.path("f/a/linked__mod"), trial.path("f/a/plain__mod"));
  folder.refresh();
  const problems = problemsOf(trial);
  for (
    const [file, words] of [
      ["f/a/both.ts", 'remove "f/a/both__mod/script.ts" or this one'],
      ["f/a/none__mod", 'there is no code: expected "f/a/none__mod/script.ts", or "f/a/none.ts"'],
      ["f/a/described__mod/script.yaml", 'the script "f/a/described", of which there is no code'],
      ["f/a/lang__mod/tool.py", "runs no code of language python3"],
      ["f/a/bytes__mod/helper.ts", "its bytes are not UTF-8"],
      ["f/a/linked__mod/link.ts", "It is a link"],
      ["f/a/plain__mod", "It is a link"],
      ["f/top__mod", "that no script can be called as"],
      ["f/a/dot.ted__mod", "that no script can be called as"],
    ] as const
  ) {
    const found = problems.filter((problem) => problem.startsWith(`${file}: `));
    assertEquals(found.length, 1, `${file} in ${problems.join("\n")}`);
    assertIncludes(found[0] ?? "", words);
  }
  assertEquals(problems.length, 9, problems.join("\n"));
  assertEquals(Object.keys(folder.script("f/a/linked")?.modules ?? {}), ["real.ts"]);
  assertEquals(folder.script("f/a/lang")?.modules?.["tool.py"]?.language, "python3");
  for (
    const [path, words] of [
      ["f/a/both", "f/a/both.ts: "],
      ["f/a/none", "f/a/none__mod: "],
      ["f/a/bytes", "f/a/bytes__mod/helper.ts: "],
    ] as const
  ) {
    assertEquals(folder.script(path), undefined);
    assertIncludes((await trial.ask("GET", `scripts/get/p/${path}`)).text, words);
  }
  for (const path of ["f/a/x__mod/script", "f/a/linked__mod/real", "f/a/linked__mod/../../../secret"]) {
    assertEquals(folder.script(path), undefined);
    assertEquals((await trial.ask("POST", "scripts/create", { path, content: MATH, language: "bun" })).status, 400);
  }
  assertEquals(folder.dataFile("f/a/linked__mod/real.ts"), undefined);
});

Deno.test("A version with modules is written as a folder, one without as a file, and nothing of the other is left", async () => {
  await using trial = await trialFolder({
    "f/a/x.ts": MATH,
    "f/a/x.script.yaml": "# mine\nsummary: Before # kept\nunknown: 1\nlock: ''\n",
    "f/a/other.ts": MATH,
  });
  const create = async (fields: object): Promise<string> => {
    const body = { path: "f/a/x", summary: "S", description: "", language: "bun", auto_parent: true, ...fields };
    const answer = await trial.ask("POST", "scripts/create", body);
    assertEquals(answer.status, 201, answer.text);
    return answer.text;
  };
  const first = trial.folder.script("f/a/x")?.hash ?? "";
  const second = await create({
    content: ENTRY,
    lock: "L",
    modules: { ...MODULES, "q.pg.sql": { content: "select 1", language: "postgresql", lock: null } },
  });
  const { "f/a/x__mod/script.yaml": yaml, ...rest } = filesOf(trial);
  assertEquals(rest, {
    "f/a/other.ts": MATH,
    "f/a/x__mod/helper.lock": "HL",
    "f/a/x__mod/helper.ts": HELPER,
    "f/a/x__mod/q.pg.sql": "select 1",
    "f/a/x__mod/script.lock": "L",
    "f/a/x__mod/script.ts": ENTRY,
    "f/a/x__mod/utils/math.ts": MATH,
  });
  for (const words of ["# mine", "summary: S # kept", "unknown: 1", "lock: '!inline f/a/x__mod/script.lock'"]) {
    assertIncludes(yaml ?? "", words);
  }
  assertEquals((await record(trial)).hash, second);
  assertEquals((await record(trial)).modules, {
    ...MODULES,
    "q.pg.sql": { content: "select 1", language: "postgresql" },
  });
  // Fewer modules, and another language of the script.
  const third = await create({
    content: ENTRY,
    language: "deno",
    modules: { "helper.ts": { content: "1", language: "bun" } },
  });
  assertEquals(Object.keys(filesOf(trial)).sort(), [
    "f/a/other.ts",
    "f/a/x__mod/helper.ts",
    "f/a/x__mod/script.deno.ts",
    "f/a/x__mod/script.yaml",
  ]);
  await create({ content: MATH });
  assertEquals(Object.keys(filesOf(trial)).sort(), ["f/a/other.ts", "f/a/x.script.yaml", "f/a/x.ts"]);
  assertIncludes(filesOf(trial)["f/a/x.script.yaml"] ?? "", "summary: S # kept");
  assert(!existsSync(trial.path("f/a/x__mod")), "The folder is gone");
  assertEquals((await record(trial)).modules, null);
  const versions = (await trial.ask("GET", "scripts/history/p/f/a/x")).json() as readonly { script_hash: string }[];
  assertEquals(versions.slice(1).map(({ script_hash }) => script_hash), [third, second, first]);
  const old = (await trial.ask("GET", `scripts/get/h/${second}`)).json() as Record<string, unknown>;
  assertEquals([Object.keys(old.modules as object), old.content], [["helper.ts", "q.pg.sql", "utils/math.ts"], ENTRY]);
  assertEquals(problemsOf(trial), []);
});

Deno.test("Removing a script with modules removes all of it, and a new one of its path has none of them", async () => {
  await using trial = await trialFolder({ ...FOLDER, "f/a/x__mod/NOTES.md": "mine", "f/a/y__mod/left.ts": MATH });
  assertEquals((await trial.ask("POST", "scripts/delete/p/f/a/x")).status, 200);
  assertEquals(filesOf(trial), { "f/a/x__mod/NOTES.md": "mine", "f/a/y__mod/left.ts": MATH });
  assertEquals(trial.folder.script("f/a/x"), undefined);
  const created = await trial.ask("POST", "scripts/create", { path: "f/a/y", content: MATH, language: "bun" });
  assertEquals([created.status, (await record(trial, "f/a/y")).modules], [201, null]);
  assert(!existsSync(trial.path("f/a/y__mod")), "What was left of another version is gone");
});

Deno.test("Modules that a folder cannot have are refused, and nothing is written", async () => {
  await using trial = await trialFolder({
    ...FOLDER,
    "f/a/blocked__mod/x/y.ts": MATH,
    "f/a/blocked__mod/script.ts": MATH,
  });
  const before = filesOf(trial);
  const one = { content: MATH, language: "bun" };
  for (
    const [modules, words] of [
      [{ "../../../evil.ts": one }, "is no name of a file"],
      [{ "/etc/evil.ts": one }, "is no name of a file"],
      [{ "a/./b.ts": one }, "is no name of a file"],
      [{ "a\\b.ts": one }, "is no name of a file"],
      [{ ".env.ts": one }, "is no name of a file"],
      [{ "con.ts": one }, "on Windows"],
      [{ [`${"\u00e9".repeat(120)}.ts`]: one }, "has 243 bytes, and may have at most 200"],
      [{ "node_modules/x.ts": one }, "passed over"],
      [{ "script.ts": one }, "the script itself"],
      [{ "script.bun.ts": one }, "the script itself"],
      [{ "helper.ts": { ...one, language: "python3" } }, 'of the language "python3", and its name says "bun"'],
      [{ "helper": one }, "its name says none"],
      [{ "helper.lock": one }, "its name says none"],
      [{ "a.ts": one, "A.ts": one }, "differ only in case"],
      [{ "a.ts": { ...one, lock: "1" }, "a.py": { ...one, language: "python3", lock: "2" } }, "different locks"],
      [{ "a.ts": one, "a.ts/b.ts": one }, 'below a file: the module "a.ts"'],
      [{ "A.ts": one, "a.ts/c/b.ts": one }, 'below a file: the module "A.ts"'],
      [{ "a.ts": { ...one, lock: "1" }, "a.lock/b.ts": one }, 'below a file: the module "a.ts", or its lock'],
      [{ "a.ts": { language: "bun" } }, 'expected "content" and "language" of "a.ts"'],
      [{ "a.ts": "text" }, 'expected "content" and "language" of "a.ts"'],
      [[one], "expected a map"],
    ] as const
  ) {
    const body = { path: "f/a/x", auto_parent: true, content: "changed", language: "bun", modules };
    const { status, text } = await trial.ask("POST", "scripts/create", body);
    assertEquals(status, 400, `${JSON.stringify(modules)} ${text}`);
    assertIncludes(text, words);
    assertEquals(filesOf(trial), before);
  }
  // One that the disk refuses when others are written already: `x` is a folder.
  const writes = {
    path: "f/a/blocked",
    content: "changed",
    language: "bun",
    modules: { "b/c.ts": one, "x/y.ts/z.ts": one },
  };
  assert((await trial.ask("POST", "scripts/create", { ...writes, auto_parent: true })).status >= 400, "Refused");
  assertEquals(filesOf(trial), before);
  assert(!existsSync(trial.path("f/a/blocked__mod/b")), "No folder is left either");
  assertEquals(trial.folder.script("f/a/blocked")?.content, MATH);
});
