import assert from "node:assert/strict";
import plugin from "./plugin.ts";

const root = new URL("../../", import.meta.url).pathname;

function rulesHit(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, `${root}${path}`, source).map((d) => d.id.replace(/^windkit\//, ""));
}

interface Sample {
  readonly rule: string;
  readonly path?: string;
  readonly bad: readonly string[];
  readonly good: readonly string[];
  /** Places where the same bad text is allowed. */
  readonly allowedIn?: readonly string[];
}

const samples: readonly Sample[] = [
  {
    rule: "top-level-function",
    bad: ["const f = () => 1;", "export const f = async (a: number) => a;", "const g = function () {};"],
    good: ["function f(): void {}", "const a = [1].map((x) => x);", "function f(): void { const g = () => 1; g(); }"],
  },
  {
    rule: "option-default",
    bad: ["const a = options.limit || 50;", 'const a = retryOptions?.name || "x";', "const a = opts.list || [];"],
    good: ["const a = options.limit ?? 50;", "if (options.a || options.b) go();", "const a = text.name || 1;"],
  },
  {
    rule: "empty-catch",
    bad: ["try { go(); } catch {}", "try { go(); } catch { /* never mind */ }"],
    good: ["try { go(); } catch (error) { report(error); }", "try { go(); } finally {}"],
  },
  {
    rule: "erasable",
    bad: [
      "enum Color { Red }",
      "const enum Color { Red }",
      "class A { constructor(readonly x: number) {} }",
      'import fs = require("node:fs");',
      "namespace A { export const x = 1; }",
    ],
    good: ["class A { constructor(x: number) {} }", "declare global { var x: number; }", 'type Color = "red";'],
  },
  {
    rule: "hash-private",
    bad: ["class A { private x = 1; }", "class A { protected go(): void {} }"],
    good: ["class A { #x = 1; public y = 2; go(): void {} }"],
  },
  {
    rule: "inheritance",
    bad: ["class A extends B {}", "class A extends EventTarget {}"],
    good: ["class A extends Error {}", "class A extends TypeError {}", "class A {}"],
    allowedIn: ["tests/internal/a_test.ts"],
  },
  {
    rule: "pure-core",
    path: "src/workflow/a.ts",
    bad: [
      "Date.now();",
      "new Date();",
      "Date();",
      "Math.random();",
      'fetch("x");',
      'console.log("x");',
      "crypto.randomUUID();",
      "globalThis.crypto.randomUUID();",
      "setTimeout(go, 1);",
      "run(setTimeout);",
      "performance.now();",
    ],
    good: [
      "new Date(0);",
      "Math.max(1, 2);",
      "ports.fetch();",
      "({ fetch: 1, console: 2 });",
      "interface A { fetch(): void; crypto: string; }",
    ],
    allowedIn: ["src/engine/a.ts", "tests/internal/a_test.ts"],
  },
  {
    rule: "root-exports",
    path: "mod.ts",
    bad: ['export * from "./src/a.ts";', 'export * as a from "./src/a.ts";'],
    good: ['export { a } from "./src/a.ts";'],
    allowedIn: ["src/sdk/mod.ts"],
  },
  {
    rule: "ambient-read",
    path: "src/engine/a.ts",
    bad: [
      'Deno.env.get("A");',
      "process.env.A;",
      "globalThis.process.argv;",
      "globalThis.process?.env;",
      "globalThis.Deno?.args;",
      "Bun.env.A;",
    ],
    good: [
      'process.getBuiltinModule("node:sqlite");',
      'globalThis.process?.getBuiltinModule?.("node:sqlite");',
      "const isDeno = globalThis.Deno !== undefined;",
      "options.env.A;",
    ],
    allowedIn: ["src/platform/a.ts", "src/cli/a.ts", "src/runner/a.ts", "edge/deno.ts", "tests/run/a.ts"],
  },
  {
    rule: "error-text",
    bad: [
      'throw new Error("invalid interval");',
      'throw new RangeError("Invalid interval.");',
      "throw new TaskError(`bad ${x}`);",
      "throw new TypeError(`Bad ${x}.`);",
    ],
    good: [
      'throw new Error("Cannot wait");',
      "throw new Error(`Cannot wait for ${x}`);",
      "throw new Error(`${x} is not a number`);",
      "throw new Error(\"'a' must be > 0\");",
      "throw new Error(message);",
      'new Thing("small.");',
    ],
    allowedIn: ["tests/internal/a_test.ts"],
  },
];

for (const { rule, path = "src/sdk/a.ts", bad, good, allowedIn = [] } of samples) {
  Deno.test(`windkit/${rule} fires on each bad text`, () => {
    for (const source of bad) {
      assert.ok(rulesHit(path, source).includes(rule), `Expected windkit/${rule} to report: ${source}`);
    }
  });
  Deno.test(`windkit/${rule} is silent on each good text`, () => {
    for (const source of good) {
      assert.deepEqual(rulesHit(path, source).filter((r) => r === rule), [], `Reported by windkit/${rule}: ${source}`);
    }
  });
  for (const place of allowedIn) {
    Deno.test(`windkit/${rule} does not apply in ${place}`, () => {
      for (const source of bad) {
        assert.deepEqual(rulesHit(place, source).filter((r) => r === rule), [], `Reported in ${place}: ${source}`);
      }
    });
  }
}

Deno.test("every rule of the plugin has samples", () => {
  assert.deepEqual(samples.map((s) => s.rule).toSorted(), Object.keys(plugin.rules).toSorted());
});

Deno.test("a path is taken inside the repository, not from the folders above it", () => {
  const source = "const f = Deno.args;";
  const hits = Deno.lint.runPlugin(plugin, "/somewhere/src/other/tests/a.ts", source).map((d) => d.id);
  assert.deepEqual(hits.filter((id) => id === "windkit/ambient-read"), []);
});
