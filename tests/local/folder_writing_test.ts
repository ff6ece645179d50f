/** The synced folder: what is written into it, and how the rest of a file stays as it was. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { MAIN, thrown, trialFolder } from "./_folder_kit.ts";

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
