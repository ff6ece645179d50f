/** What is read out of a script's text: its signature, and its imports without their versions. */
import { readSignature } from "../../src/server/folder/signature.ts";
import { unpinned } from "../../src/server/folder/imports.ts";
import { assertEquals } from "../suite/assert.ts";

Deno.test("readSignature() infers what people write", () => {
  const fields = (source: string, language = "bun"): unknown => {
    const { properties, required } = readSignature(source, language).schema as Record<string, unknown>;
    return [properties, required];
  };
  assertEquals(
    fields(`export async function main(
      a: string, // the first, (a)
      b = 3, c?: { x: number; y?: string[] }, d: "p" | "q" = "p", e: RT.Postgresql,
      f: Date, g: Array<number> = [1, 2], h: string = "a, b) // c", i: wmill.S3Object | null = null,
    ) {}`),
    [{
      a: { type: "string" },
      b: { type: "integer", default: 3 },
      c: {
        type: "object",
        properties: { x: { type: "number" }, y: { type: "array", items: { type: "string" } } },
        required: ["x"],
        default: null,
      },
      d: { type: "string", enum: ["p", "q"], default: "p" },
      e: { type: "object", format: "resource-postgresql" },
      f: { type: "string", format: "date-time" },
      g: { type: "array", items: { type: "number" }, default: [1, 2] },
      h: { type: "string", default: "a, b) // c" },
      i: { type: "object", format: "resource-s3_object", default: null },
    }, ["a", "e", "f"]],
  );
  assertEquals(fields("-- $1 id (int)\n-- $2 name (text) = 'bob'\n-- database f/a/db\nselect 1", "postgresql"), [
    { id: { type: "integer" }, name: { type: "string", default: "bob" } },
    ["id"],
  ]);
  assertEquals(fields("-- %%of%% a/b = a\n-- %%by%%\n-- $x (int)\nfrom %%of%% order by %%by%%, $x", "duckdb"), [
    { x: { type: "integer" }, of: { type: "string", enum: ["a", "b"], default: "a" }, by: { type: "string" } },
    ["x", "by"],
  ]);
  assertEquals(fields("-- $1 id\nselect 1", "postgresql"), [
    { database: { type: "object", format: "resource-postgresql" }, id: { type: "string" } },
    ["database", "id"],
  ]);
  // What stands before it does not hide it: a division in a template, quotes in a regular expression.
  const before =
    "const half = (n: number) => `${(n / 2).toFixed(1)} s`;\nconst quotes = () => { return /[`\"')]/; };\n";
  assertEquals(fields(`${before}export function main(count: number, at = /[),]/, rest = 4 / 2) {}`), [
    { count: { type: "number" }, at: {}, rest: {} },
    ["count"],
  ]);
  // Nothing that people write makes it throw or run on.
  for (
    const source of [
      "export function main(",
      "export function main(a: {",
      "export const main = workflow(",
      "`${`",
      "/* main(",
      "export default",
    ]
  ) {
    readSignature(source, "bun");
  }
});

Deno.test("unpinned() takes versions out of imports and nothing else", () => {
  assertEquals(
    unpinned(
      `import a from "zod@4.1.0";\nimport b from '@s/n@^1/sub';\nexport * from "npm:x@1/y";\nconst c = await import("d@2");\nimport "./a@2.ts";\nconst mail = "me@example.com";`,
    ),
    `import a from "zod";\nimport b from '@s/n/sub';\nexport * from "npm:x/y";\nconst c = await import("d");\nimport "./a@2.ts";\nconst mail = "me@example.com";`,
  );
});
