/** The synced folder: what is inside of it, and that nothing else is read or written. */
import { readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "../../src/workflow/journal.ts";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { MAIN, thrown, trialFolder } from "./_folder_kit.ts";

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
