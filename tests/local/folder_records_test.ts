/** The synced folder: secrets, states, and values that refer to others. */
import { createCipheriv, createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openWithWorkspaceKey } from "../../src/server/folder/workspace_key.ts";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { thrown, trialFolder } from "./_folder_kit.ts";

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
