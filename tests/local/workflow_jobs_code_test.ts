/** Workflows as code as jobs: the code that one has: modules, imports and data files of the version that it began with. */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import type { Job } from "../../src/server/ports.ts";
import { errorOf, workflowTests } from "./_workflow_kit.ts";

const { server, test, childrenOf, logOf, until } = await workflowTests();

test("taskScript runs modules of the workflow's version as jobs below it; unknown ones fail as on a cluster", async () => {
  const yaml = "summary: ''\n";
  server.put({
    "f/mods/flow__mod/script.ts": `
import { step, task, taskScript, waitForEvent, workflow } from "windmill-client";
import { name } from "./names";
const near = task(async () => name);
export const main = workflow(async (n: number) => {
  const one = await taskScript("./add.ts", { timeout: 60 })({ a: n, b: 1 });
  await waitForEvent("go");
  const two = await taskScript("./more/add")({ a: one, b: 1 });
  const caught = [];
  for (const name of ["./none", "./none.ts", "./more"]) {
    try { await taskScript(name)({}); } catch (error) { caught.push(error.message); }
  }
  return [one, two, await near(), await step("s", () => name), caught];
});`,
    "f/mods/flow__mod/script.yaml": yaml,
    "f/mods/flow__mod/names.ts": "export const name = 'first';",
    "f/mods/flow__mod/add.ts": "export const main = (a: number, b: number) => a + b;",
    "f/mods/flow__mod/more/add.ts":
      `import { ten } from "/f/mods/ten";\nexport const main = (a: number, b: number) => ten * (a + b);`,
    "f/mods/ten.ts": "export const ten = 10;",
    "f/mods/add.ts": "export const main = () => 'of the workspace';",
  });
  const id = await server.start("f/mods/flow", { n: 1 });
  await server.when(id, ({ suspended }) => suspended);
  // What is saved now is for the next job.
  server.put({
    "f/mods/flow__mod/names.ts": "export const name = 'second';",
    "f/mods/flow__mod/more/add.ts": "export const main = () => 'new';",
  });
  equal((await server.ask("POST", `windkit/workflows/${id}/events/go`, {})).ok, true);
  const job = await server.ended(id);
  const missing = (name: string): string => `Module '${name}' not found in script modules`;
  equal(job.result, [2, 30, "first", "first", [missing("none"), missing("none.ts"), missing("more")]], logOf(job));
  const [one, two] = childrenOf(job);
  equal([one?.kind, one?.path, one?.args, one?.timeoutS, one?.language], [
    "preview",
    "f/mods/flow",
    { a: 1, b: 1 },
    60,
    "bun",
  ]);
  equal(two?.args, { a: 2, b: 1 });
  const next = await server.start("f/mods/flow", { n: 1 });
  await server.when(next, ({ suspended }) => suspended);
  await (await server.ask("POST", `windkit/workflows/${next}/events/go`, {})).text();
  equal(((await server.ended(next)).result as unknown as readonly unknown[]).slice(0, 4), [
    2,
    "new",
    "second",
    "second",
  ]);
});

test("code that is not deployed has the modules that it is sent with, as long as its job is kept", async () => {
  const bun = (content: string) => ({ content, language: "bun", lock: null });
  const preview = async (body: object, query = ""): Promise<Job> => {
    const sent = { language: "bun", path: "f/mods/draft", args: { n: 2 }, ...body };
    const response = await server.ask("POST", `jobs/run/preview${query}`, sent);
    return await server.ended(await response.text());
  };
  const content = `
import { taskScript, task, workflow } from "windmill-client";
import { twice } from "./lib/math";
const kept = task(async (n: number) => twice(n), { cache_ttl: 600 });
export const main = workflow(async (n: number) => [await kept(n), await taskScript("./add.ts")({ n })]);`;
  const modules = {
    "lib/math.ts": bun("export const twice = (n: number) => 2 * n;"),
    "add.ts": bun("export const main = (n: number) => n + 1;"),
  };
  const job = await preview({ content, modules });
  equal(job.result, [4, 3], logOf(job));
  const other = await preview({
    content,
    modules: { ...modules, "lib/math.ts": bun("export const twice = () => 0;") },
  });
  equal(other.result, [0, 3]);
  const plain = 'import { n } from "./m"; export const main = () => n;';
  for (const n of [1, 2]) {
    const { result } = await preview(
      { content: plain, modules: { "m.ts": bun(`export const n = ${n};`) } },
      "?cache_ttl=60",
    );
    equal(result, n);
  }
  const random = { content: 'import "./m"; export const main = () => Math.random();' };
  const drawn: unknown[] = [];
  for (const n of [1, 1, 2]) {
    drawn.push(
      (await preview({ ...random, modules: { "m.ts": bun(`export const n = ${n};`) } }, "?cache_ttl=60")).result,
    );
  }
  equal([drawn[0] === drawn[1], drawn[1] === drawn[2]], [true, false]);
  match(String(errorOf(await preview({ content: plain })).message), /there is no script "f\/mods\/m"/);
  const wrong = await server.ask("POST", "jobs/run/preview", {
    content: plain,
    language: "bun",
    modules: { "m.ts": {} },
  });
  equal([wrong.status, /expected "content"/.test(await wrong.text())], [400, true]);
  const out = await preview({
    content: 'import "../../x"; export const main = 1;',
    modules: { "../../x.ts": bun("") },
  });
  match(String(errorOf(out).message), /leads out of the script's modules/);
  const { database, jobs } = server.server.context;
  const count = (): number => database.get<{ n: number }>("SELECT count(*) AS n FROM preview_modules")?.n ?? 0;
  const before = count();
  ok(before >= 5);
  jobs.erase(job.id);
  equal(count(), before - 1);
});

test("a running workflow keeps the code that it began with, also of what it imports", async () => {
  const flow = (word: string): string => `
import { sleep, workflow } from "windmill-client";
import { word } from "./word.ts";
export const main = workflow(async () => { await sleep(1); return "${word} " + word; });`;
  server.put({ "f/kit/word.ts": `export const word = "old";`, "f/kit/talk.ts": flow("old") });
  await until(() => server.server.context.folder.script("f/kit/talk") !== undefined);
  const id = await server.start("f/kit/talk");
  await server.when(id, ({ suspended }) => suspended);
  server.put({ "f/kit/word.ts": `export const word = "new";`, "f/kit/talk.ts": flow("new") });
  await until(() => server.server.context.folder.script("f/kit/talk")?.content.includes('"new "') === true);
  equal((await server.ended(id)).result, "old old");
  equal((await server.run("f/kit/talk")).result, "new new");
});

test("scripts and workflows import data files of the folder, as JSON and as text", async () => {
  server.put({
    "f/kit/prices.json": '{"tea":3}',
    "f/kit/mail.txt": "Hello",
    "f/kit/bill.ts": `import prices from "./prices.json" with { type: "json" };
import again from "/f/kit/prices.json";
import mail from "./mail.txt" with { type: "text" };
export async function main() { return [prices.tea, again.tea, mail]; }`,
    "f/kit/later.ts": `import { sleep, workflow } from "windmill-client";
import prices from "./prices.json";
export const main = workflow(async () => { await sleep(1); return prices.tea; });`,
    "f/kit/leak.ts": `import key from "./key.variable.json";\nexport function main() { return key; }`,
    "f/kit/key.variable.json": '{"value":"s3cret"}',
  });
  await until(() => server.server.context.folder.script("f/kit/leak") !== undefined);
  equal((await server.run("f/kit/bill")).result, [3, 3, "Hello"]);
  const id = await server.start("f/kit/later");
  await server.when(id, ({ suspended }) => suspended);
  server.put({ "f/kit/prices.json": '{"tea":4}' });
  // What it began with.
  equal((await server.ended(id)).result, 3);
  equal((await server.run("f/kit/bill")).result, [4, 4, "Hello"]);
  const { result } = await server.run("f/kit/leak");
  ok(JSON.stringify(result).includes("in the workspace"), JSON.stringify(result));
});
