/**
 * Declarations of a workspace by the name of each subpath, in programs of their own: TypeScript merges augmentations for a whole
 * program. What the root's name gives is in `tests/types/`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { pathToFileURL } from "node:url";
import { runCommand } from "../run/command.ts";
import { root } from "../run/runtimes.ts";

const OWN = "@windkit/windmill-client";

function declaration(module: string, member: string): string {
  return `export {};\ndeclare module "${module}" {\n  interface ${member}\n}\n`;
}

/** Uses by every subpath: the declared script gives text, others give nothing that is known. */
const USE = `
import { runScriptByPath, taskScript } from "${OWN}";
import { createClient } from "${OWN}/client";
import { taskScript as subpathTask } from "${OWN}/workflow";

export const results: Promise<string>[] = [
  runScriptByPath("f/a/b", { x: 1 }),
  createClient().jobs.run("f/a/b", { x: 1 }),
  taskScript("f/a/b")({ x: 1 }),
  subpathTask("f/a/b")({ x: 1 }),
];
// @ts-expect-error -- an argument of another type
void createClient().jobs.run("f/a/b", { x: "1" });
// @ts-expect-error -- it is text
export const wrong: number = await taskScript("f/a/b")({ x: 1 });
`;

interface Configuration {
  readonly exports: Readonly<Record<string, string>>;
  readonly compilerOptions: unknown;
}

const { exports, compilerOptions } = JSON.parse(await readFile(`${root}deno.json`, "utf8")) as Configuration;
const imports = Object.fromEntries(
  Object.entries(exports).map(([subpath, path]) => [OWN + subpath.slice(1), pathToFileURL(`${root}${path}`).href]),
);

/** Type-checks files as a program of their own, and gives what is wrong. */
async function check(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(`${tmpdir()}/windkit_declared_`);
  try {
    const all = { ...files, "deno.json": JSON.stringify({ imports, compilerOptions }) };
    for (const [file, text] of Object.entries(all)) await writeFile(`${folder}/${file}`, text);
    const { code, output } = await runCommand([Deno.execPath(), "check", "--quiet", ...Object.keys(files)], {
      cwd: folder,
      mayFail: true,
      env: { NO_COLOR: "1" },
    });
    assert.equal(code === 0, output.trim() === "", output);
    return output;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const script = `{ "f/a/b": { args: { x: number }; result: string } }`;

for (const subpath of ["", "/client", "/workflow"]) {
  Deno.test(`declared types: by the name "${OWN}${subpath}" they are known to all subpaths`, async () => {
    const output = await check({
      "declared.ts": declaration(OWN + subpath, `WindmillTypes { scripts: ${script} }`),
      "use.ts": USE,
    });
    assert.equal(output, "");
  });
}

Deno.test("declared types: two files by one name are both known, with WindmillTypes beside them", async () => {
  const output = await check({
    "declared.ts": declaration(OWN, `WindmillScripts ${script}`),
    "generated.ts": declaration(OWN, `WindmillScripts { "f/c/d": { result: 7 } }`),
    "more.ts": declaration(OWN, `WindmillTypes { scripts: { "f/e/f": { result: 8 } } }`),
    "use.ts": `${USE}
export const sum: 7 = await runScriptByPath("f/c/d");
export const other: 8 = await runScriptByPath("f/e/f");
`,
  });
  assert.equal(output, "");
});

Deno.test("declared types: of one interface by two names, one is lost: the documentation says to write one name", async () => {
  const output = await check({
    "declared.ts": declaration(OWN, `WindmillScripts ${script}`),
    "generated.ts": declaration(`${OWN}/client`, `WindmillScripts { "f/c/d": { result: 7 } }`),
    "use.ts": `${USE}\nexport const sum: 7 = await runScriptByPath("f/c/d");\n`,
  });
  assert.match(output, /TS2322/, "TypeScript merges them now: the documentation may say so");
});

Deno.test("declared types: where nothing is declared, every path takes any arguments and gives unknown", async () => {
  const output = await check({
    "use.ts": `
import { createClient, getResource, getVariable, runFlow, runScriptByPath, taskScript } from "${OWN}";

const client = createClient();
export async function use<P extends string>(path: P): Promise<string> {
  const unknowns: unknown[] = [await runScriptByPath(path, { any: 1 }), await client.jobs.run(path), await runFlow(path)];
  const typed: number = await client.jobs.run<number>("f/a/b", { any: 1 });
  const inferred: Date[] = await getResource("u/a/b");
  // @ts-expect-error -- it is unknown
  (await getResource("u/a/b")).host;
  // @ts-expect-error -- it is unknown
  (await client.jobs.run("f/a/b")).host;
  return await getVariable(path) + await client.variables.get("f/a/b") + unknowns.length + typed + inferred.length;
}
export const result: Promise<unknown> = taskScript("f/a/b")(1, 2);
`,
  });
  assert.equal(output, "");
});
