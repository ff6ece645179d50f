import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Import, judgeImport, layerProblems, LAYERS } from "./layers.ts";

const name = "@windkit/windmill-client";

function judge(from: string, specifier: string, to?: string, typeOnly = false): string | undefined {
  const found: Import = { from, line: 1, specifier, to, typeOnly };
  return judgeImport(found, name);
}

Deno.test("judgeImport() allows exactly the folders of the table", () => {
  const layers = Object.keys(LAYERS).filter((layer) => layer !== "mod.ts" && layer !== "edge");
  for (const from of layers) {
    for (const to of layers) {
      const problem = judge(`src/${from}/a.ts`, `../${to}/b.ts`, `src/${to}/b.ts`);
      const allowed = from === to || LAYERS[from]?.layers.includes(to) === true;
      assert.equal(problem === undefined, allowed, `${from} imports ${to}: ${problem}`);
    }
  }
});

Deno.test("judgeImport() lets nothing but edge and compat import mod.ts, and nothing import edge", () => {
  for (const from of Object.keys(LAYERS).filter((layer) => layer !== "mod.ts" && layer !== "edge")) {
    assert.equal(judge(`src/${from}/a.ts`, "../../mod.ts", "mod.ts") === undefined, from === "compat", from);
    assert.ok(judge(`src/${from}/a.ts`, "../../edge/deno.ts", "edge/deno.ts"));
  }
  assert.equal(judge("edge/deno.ts", "../mod.ts", "mod.ts"), undefined);
});

Deno.test("judgeImport() shows an adapter the ports of the engine, and nothing else of it", () => {
  assert.equal(judge("src/storage/a.ts", "../engine/ports.ts", "src/engine/ports.ts"), undefined);
  assert.ok(judge("src/storage/a.ts", "../engine/engine.ts", "src/engine/engine.ts"));
  assert.equal(judge("src/storage/a.ts", "../workflow/journal.ts", "src/workflow/journal.ts", true), undefined);
  assert.match(
    judge("src/storage/a.ts", "../workflow/keys.ts", "src/workflow/keys.ts") ?? "",
    /types of workflow only/,
  );
});

Deno.test("judgeImport() keeps Node's modules, packages and addresses out of the core", () => {
  for (const layer of ["base", "platform", "wire", "http", "sdk", "workflow", "cluster", "engine", "storage"]) {
    for (const specifier of ["node:fs", "hono", "@scope/thing/part", "npm:hono@4", "https://example.com/a.ts"]) {
      assert.ok(judge(`src/${layer}/a.ts`, specifier), `${layer} imports ${specifier}`);
    }
  }
  assert.equal(judge("src/cli/a.ts", "node:fs"), undefined);
});

Deno.test("judgeImport() refuses jsr: everywhere", () => {
  for (const from of ["src/cli/a.ts", "tests/run/a.ts", "npm/build.ts", "examples/hello/a.ts"]) {
    assert.match(judge(from, "jsr:@std/assert") ?? "", /jsr:/);
  }
});

Deno.test("judgeImport() keeps the suite to public names and its own folder", () => {
  assert.equal(judge("tests/suite/a.ts", `${name}/errors`, "src/base/errors.ts"), undefined);
  assert.equal(judge("tests/suite/a.ts", "./assert.ts", "tests/suite/assert.ts"), undefined);
  assert.ok(judge("tests/suite/a.ts", "../../src/base/errors.ts", "src/base/errors.ts"));
  assert.ok(judge("tests/suite/a.ts", "node:fs"));
  assert.ok(judge("tests/suite/a.ts", "fast-check"));
  assert.ok(judge("tests/suite/a.ts", `${name}-other`));
});

Deno.test("judgeImport() wants a line in the table for every folder of src", () => {
  assert.match(judge("src/extras/a.ts", "./b.ts", "src/extras/b.ts") ?? "", /no line in the table/);
});

Deno.test("layerProblems() finds planted violations in real files", async () => {
  const root = await mkdtemp(join(tmpdir(), "windkit-layers-"));
  try {
    const files: Readonly<Record<string, string>> = {
      "src/base/a.ts": "export const a = 1;\n",
      "src/base/b.ts": '// import "../sdk/c.ts" in a comment is none\nexport { c } from "../sdk/c.ts";\n',
      "src/sdk/c.ts": 'import { a } from "../base/a.ts";\nexport const c = a;\n',
      "src/workflow/d.ts":
        'export async function d(): Promise<unknown> {\n  return await import("../engine/e.ts");\n}\n',
      "src/engine/e.ts": 'import type { F } from "../storage/f.ts";\nexport type E = F;\n',
      "src/storage/f.ts": 'import { readFile } from "node:fs/promises";\nexport type F = typeof readFile;\n',
      "src/sdk/badName.ts": "export {};\n",
    };
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    const problems = await layerProblems(root, Object.keys(files), name);
    assert.deepEqual(problems.map((text) => text.replace(/: .*/, "")).toSorted(), [
      'src/base/b.ts:2 imports "../sdk/c.ts"',
      'src/engine/e.ts:1 imports "../storage/f.ts"',
      "src/sdk/badName.ts",
      'src/storage/f.ts:1 imports "node:fs/promises"',
      'src/workflow/d.ts:2 imports "../engine/e.ts"',
    ]);
  } finally {
    await rm(root, { recursive: true });
  }
});
