/** Workflows as code as jobs: secrets that a workflow reads or is given are in none of the engine's files. */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { workflowTests } from "./_workflow_kit.ts";

const { server, test, logOf, until } = await workflowTests();

test("arguments that refer to variables are filled in, and their values are in no journal", async () => {
  const path = "f/kit/pass", value = "hunter-2-hunter";
  server.server.context.folder.writeVariable({ path, value, isSecret: true, description: "" });
  const job = await server.run(
    `
import { step, workflow } from "windmill-client";
export const main = workflow(async (pass: string) => { await step("look", () => pass.length); return pass.length; });`,
    { pass: "$var:f/kit/pass" },
  );
  equal(job.result, 15);
  equal(await storedText(), "");
});

test("what a workflow records after it has read a secret is encrypted in the file, and replayed all the same", async () => {
  const path = "f/kit/key", value = "correct-horse-battery";
  server.server.context.folder.writeVariable({ path, value, isSecret: true, description: "" });
  const job = await server.run(`
import { getVariable, sleep, step, workflow } from "windmill-client";
export const main = workflow(async () => {
  const key = await step("read", async () => await getVariable("f/kit/key"));
  await sleep(1);
  return key.length;
});`);
  equal(job.result, value.length, logOf(job));
  const journal = await (await server.server.context.workflows?.engine)?.journal(job.id);
  ok(JSON.stringify(journal).includes(value), "the journal has not what a replay needs");
  equal(await storedText(), "");
});

test("a secret that comes to a task's script through its arguments or a resource is one that its workflow has read", async () => {
  const { folder } = server.server.context;
  folder.writeVariable({ path: "f/kit/argued", value: "argued-secret-word", isSecret: true, description: "" });
  folder.writeResource({
    path: "f/kit/held",
    value: { of: "$var:f/kit/argued" },
    resourceType: "any",
    description: "",
  });
  server.put({ "f/kit/echo.ts": `export async function main(word: unknown) { return [...JSON.stringify(word)]; }\n` });
  await until(() => folder.script("f/kit/echo") !== undefined);
  for (const word of ["$var:f/kit/argued", "$res:f/kit/held"]) {
    const job = await server.run(`
import { taskScript, workflow } from "windmill-client";
const echo = taskScript("f/kit/echo");
export const main = workflow(async () => (await echo({ word: ${JSON.stringify(word)} })).length);`);
    ok(Number(job.result) >= 20, logOf(job));
    // By no value in them: letter by letter it can be read, and not found.
    equal(await storedText([`"a\\",\\"r\\",\\"g\\"`, '"a","r","g"']), "");
  }
});

test("a secret that a workflow was given without asking for it is encrypted in its journal as well", async () => {
  const value = "given-in-plain-words";
  server.server.context.folder.writeVariable({ path: "f/kit/given", value, isSecret: true, description: "" });
  const job = await server.run(
    `
import { step, workflow } from "windmill-client";
export const main = workflow(async (word: string) => await step("take", () => ({ word })));`,
    { word: value },
  );
  equal([job.result, job.args], [{ word: value }, { word: value }], logOf(job));
  equal(await storedText([value]), "");
});

/** Secrets of these tests that the engine's files have. */
async function storedText(words = ["hunter-2-hunter", "correct-horse-battery"]): Promise<string> {
  let found = "";
  for await (const { name } of Deno.readDir(`${server.root}/.windkit/runs`)) {
    const text = new TextDecoder("latin1").decode(await Deno.readFile(`${server.root}/.windkit/runs/${name}`));
    for (const word of words) {
      if (text.includes(word)) found += `${name}: ${word}\n`;
    }
  }
  return found;
}
