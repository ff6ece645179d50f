/**
 * The official npm client, unchanged, against the folder's endpoints. It reads its configuration from the environment at import.
 */
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { trialFolder } from "./_folder_kit.ts";

Deno.test("The official client's variables, resources, states, users and scripts have their effect", async () => {
  await using trial = await trialFolder({
    "f/a/db.resource.yaml":
      "value: {host: h, port: 5432, user: u, password: '$var:f/a/pw', dbname: d, sslmode: disable}\nresource_type: postgresql\n",
    "f/a/pw.variable.yaml": "value: pw-12345\nis_secret: true\n",
    "f/a/x.ts": "export function main() {}\n",
  });
  Deno.env.set("WM_WORKSPACE", "trial");
  Deno.env.set("WM_STATE_PATH", "f/a/x/user");
  const wmill = await import("official-windmill-client");
  wmill.setClient(trial.identity.ownerToken, trial.listen());
  const missing = async (run: () => Promise<unknown>): Promise<string> => {
    try {
      await run();
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };

  assertEquals(await wmill.getVariable("f/a/pw"), "pw-12345");
  assertEquals(await wmill.getVariable("var://f/a/pw"), "pw-12345");
  assertIncludes(await missing(() => wmill.getVariable("f/a/none")), "Variable f/a/none not found");
  await wmill.setVariable("u/me/new", "one", true, "made here");
  await wmill.setVariable("u/me/new", "two");
  assertEquals(trial.folder.variable("u/me/new", true), {
    path: "u/me/new",
    value: "two",
    isSecret: true,
    description: "made here",
  });

  assertEquals((await wmill.getResource("$res:f/a/db")).password, "pw-12345");
  assertEquals(await wmill.getResource("f/a/none", true), undefined);
  assertIncludes(await missing(() => wmill.getResource("f/a/none")), "Resource f/a/none not found");
  await wmill.setResource({ a: 1 }, "u/me/res", "c_type");
  await wmill.setResource({ a: 2 }, "u/me/res");
  assertEquals(trial.folder.resource("u/me/res")?.value, { a: 2 });
  // `as`: it is there, and not declared.
  const { databaseUrlFromResource } = wmill.default as unknown as {
    databaseUrlFromResource(path: string): Promise<string>;
  };
  assertIncludes(await databaseUrlFromResource("f/a/db"), "postgresql://u:pw-12345@h:5432/d");

  assertEquals(await wmill.getState(), undefined);
  await wmill.setState({ n: 1 });
  await wmill.setState({ n: 2 });
  assertEquals(await wmill.getState(), { n: 2 });
  assertEquals(trial.folder.resource("f/a/x/user")?.resourceType, "state");

  assertEquals(await wmill.usernameToEmail("me"), "me@example.com");
  const workspace = "trial";
  assertEquals((await wmill.UserService.globalWhoami()).email, "me@example.com");
  assertEquals((await wmill.UserService.whoami({ workspace })).username, "me");
  const token = await wmill.UserService.createToken({ requestBody: { label: "l" } });
  assert(trial.identity.callerOf(token) !== undefined, "The token is good");
  const listed = await wmill.ResourceService.listResource({ workspace, resourceType: "postgresql" });
  assertEquals(listed.map(({ path }) => path), ["f/a/db"]);
  const script = await wmill.ScriptService.getScriptByPath({ workspace, path: "f/a/x" });
  const hash = await wmill.ScriptService.createScript({
    workspace,
    requestBody: {
      path: "f/a/x",
      parent_hash: script.hash,
      content: "export function main() { return 2 }\n",
      language: "bun",
      summary: "s",
      description: "",
    },
  });
  assertEquals(trial.folder.script("f/a/x")?.hash, hash);
  assertEquals(
    await wmill.ScriptService.rawScriptByPath({ workspace, path: "f/a/x.ts" }),
    trial.folder.script("f/a/x")?.content,
  );
  const modules = { "lib/one.ts": { content: "export const one = 1;\n", language: "bun" as const } };
  const content = 'import { one } from "./lib/one";\nexport const main = () => one;\n';
  await wmill.ScriptService.createScript({
    workspace,
    // `as`: the client's types are older than the field.
    requestBody: {
      path: "f/a/x",
      parent_hash: hash,
      content,
      language: "bun",
      summary: "",
      description: "",
      modules,
    } as Parameters<
      typeof wmill.ScriptService.createScript
    >[0]["requestBody"],
  });
  const read = await wmill.ScriptService.getScriptByPath({ workspace, path: "f/a/x" });
  assertEquals({ content: read.content, modules: (read as { modules?: unknown }).modules }, { content, modules });
  assertEquals(Deno.readTextFileSync(trial.path("f/a/x__mod/lib/one.ts")), modules["lib/one.ts"].content);
  assertEquals((await wmill.ScriptService.listScripts({ workspace })).map(({ path }) => path), ["f/a/x"]);
  assertEquals((await wmill.WorkspaceService.listWorkspaces()).map(({ id }) => id), ["trial"]);
  assertEquals(await wmill.VariableService.existsVariable({ workspace, path: "f/a/pw" }), true);
});
