/** Values that the steps of a flow share on one worker, as files. */
import * as wmill from "@windkit/windmill-client";
import { createClient } from "@windkit/windmill-client";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { builtin, noFileSystem, withTemporaryFolder } from "./env.ts";
import { test } from "./harness.ts";

interface Files {
  readFileSync(path: string, encoding: "utf8"): string;
  writeFileSync(path: string, text: string): void;
  readdirSync(path: string): string[];
  mkdirSync(path: string): void;
}

function fs(): Files {
  const found = builtin<Files>("node:fs");
  if (found === undefined) throw new Error("Expected files");
  return found;
}

test("setSharedState() writes what the Python client writes, and getSharedState() reads it", async () => {
  await withTemporaryFolder(async (root) => {
    await wmill.setSharedState({ name: "Zoë ✓", list: [1, null] }, undefined, { root });
    assertEquals(
      fs().readFileSync(`${root}/state.json`, "utf8"),
      '{\n    "name": "Zoë ✓",\n    "list": [\n        1,\n        null\n    ]\n}',
    );
    assertEquals(await wmill.getSharedState(undefined, { root }), { name: "Zoë ✓", list: [1, null] });
    const { shared } = createClient();
    await shared.set(undefined, { root, path: "deep/er/x.json" });
    assertEquals(await shared.get({ root, path: "deep/er/x.json" }), null);
    await shared.set(0, { root, path: "deep/er/x.json" });
    assertEquals(await shared.find({ root: `${root}/`, path: "deep/er/x.json" }), 0);
    // What is replaced leaves nothing behind.
    assertEquals(fs().readdirSync(root).toSorted(), ["deep", "state.json"]);
    assertEquals(fs().readdirSync(`${root}/deep/er`), ["x.json"]);
  });
}, noFileSystem);

test("what was not set is undefined for find(), and a clear error for get()", async () => {
  await withTemporaryFolder(async (root) => {
    assertEquals(await createClient().shared.find({ root }), undefined);
    await assertRejects(() => wmill.getSharedState("x.json", { root }), "CONFIGURATION", 'No shared state at "x.json"');
  });
}, noFileSystem);

test("a path cannot lead out of the shared folder", async () => {
  await withTemporaryFolder(async (folder) => {
    const root = `${folder}/shared`;
    fs().mkdirSync(root);
    fs().writeFileSync(`${folder}/secret.json`, "1");
    const bad = [
      "../secret.json",
      "a/../../secret.json",
      "..\\secret.json",
      `${folder}/secret.json`,
      "/etc/passwd",
      "\\x",
      "C:\\x",
      "c:x",
      "",
      ".",
      "..",
      "./x",
      "a//b",
      "a/",
      "a\0b",
      null as unknown as string,
    ];
    for (const path of bad) {
      for (const call of [() => wmill.getSharedState(path, { root }), () => wmill.setSharedState(1, path, { root })]) {
        const error = await assertRejects(call, undefined, "in the shared folder");
        assert(error instanceof RangeError, `${path}: ${error.name}: ${error.message}`);
      }
    }
    assertEquals(fs().readdirSync(folder).toSorted(), ["secret.json", "shared"]);
    assertEquals(fs().readdirSync(root), []);
  });
}, noFileSystem);

test("shared state that is no JSON is an error that names the file, and does not quote it", async () => {
  await withTemporaryFolder(async (root) => {
    for (const content of ["", "hunter2", '{"a":']) {
      fs().writeFileSync(`${root}/state.json`, content);
      const error = await assertRejects(() => wmill.getSharedState("state.json", { root }), "CONFIGURATION", "JSON");
      assert(error.message.includes(`${root}/state.json`) && !error.message.includes("hunter2"), error.message);
    }
    fs().mkdirSync(`${root}/folder.json`);
    await assertRejects(() => wmill.getSharedState("folder.json", { root }), "CONFIGURATION", "Cannot read");
    await assertRejects(() => wmill.setSharedState(1, "folder.json", { root }), "CONFIGURATION", "Cannot write");
    assertEquals(fs().readdirSync(root).toSorted(), ["folder.json", "state.json"]);
    const error = await assertRejects(() => wmill.setSharedState(() => 1, "f.json", { root }), undefined, "no JSON");
    assert(error instanceof TypeError, error.name);
  });
}, noFileSystem);

test("where there is no shared folder, or no folder at all, the error says so", async () => {
  const root = "/nowhere/none";
  await assertRejects(() => wmill.setSharedState(1, "s.json", { root }), "HOST_UNSUPPORTED", "shared folder");
  await assertRejects(() => wmill.getSharedState("s.json", { root }), "HOST_UNSUPPORTED", "shared folder");
  await assertRejects(() => createClient().shared.find({ root }), "HOST_UNSUPPORTED", "shared folder");
});

test("the pickle pair names the JSON function", async () => {
  assertEquals(wmill.SHARED_FOLDER, "/shared");
  await assertRejects(() => wmill.setSharedStatePickle({ a: 1 }), "HOST_UNSUPPORTED", "use setSharedState()");
  await assertRejects(() => wmill.getSharedStatePickle(), "HOST_UNSUPPORTED", "use getSharedState()");
});
