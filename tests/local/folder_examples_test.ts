/**
 * The example workspace is a folder that nothing is wrong with, and what is inferred of code is what Windmill's own parser infers.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { initSync, parse_deno as parse } from "windmill-parser-wasm-ts";
import { readSignature } from "../../src/server/folder/signature.ts";
import { assert, assertEquals } from "../suite/assert.ts";
import { trialFolder } from "./_folder_kit.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples/workspace", import.meta.url));

Deno.test("The example workspace is read without a problem, and says itself what its code takes", async () => {
  const root = mkdtempSync(join(tmpdir(), "windkit-examples-"));
  try {
    cpSync(EXAMPLES, root, { recursive: true });
    await using trial = await trialFolder({}, { root });
    const { folder } = trial;
    assertEquals(folder.problems, []);
    const scripts = folder.scripts();
    assert(scripts.length >= 12, `${scripts.length} scripts`);
    for (const { path, content, language, schema, summary } of scripts) {
      assert(summary !== "", `${path} has a summary`);
      const { order, required } = schema as Record<string, unknown>;
      const inferred = readSignature(content, language).schema as Record<string, unknown>;
      assertEquals([path, order, required], [path, inferred.order, inferred.required]);
    }
    assertEquals(
      scripts.filter(({ autoKind }) => autoKind === "wac").map(({ path }) => path),
      ["f/shop/approve_refund", "f/shop/closing_time", "f/shop/fulfil_order"],
    );
    assertEquals(folder.interpolate(folder.resource("f/shop/settings")?.value ?? null), {
      name: "Corner Coffee",
      currency: "EUR",
      payment_key: "pk_example_0123456789",
      low_stock: 5,
    });
    assertEquals(folder.resourceTypes().map(({ name }) => name), ["c_shop"]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

interface Parsed {
  readonly args: readonly { readonly name: string; readonly has_default: boolean; readonly typ: unknown }[];
  readonly auto_kind: string | null;
  readonly has_preprocessor: boolean | null;
}

/** What a parsed type is in a schema: its JSON type. */
function kindOf(typ: unknown): string {
  const [name, inner] = typeof typ === "string"
    ? [typ, undefined]
    : Object.entries(typ as Record<string, unknown>)[0] ?? [];
  const kinds: Record<string, string> = {
    str: "string",
    float: "number",
    int: "integer",
    bool: "boolean",
    datetime: "string",
    bytes: "string",
    email: "string",
    list: "array",
    object: "object",
    resource: "object",
    dynselect: "object",
  };
  // A type that the parser does not know either.
  return name === undefined || inner === "" ? "?" : kinds[name] ?? "?";
}

Deno.test("readSignature() agrees with Windmill's parser on the examples and on what people write", () => {
  const wasm = new URL("./windmill_parser_wasm_bg.wasm", import.meta.resolve("windmill-parser-wasm-ts"));
  initSync({ module: readFileSync(wasm) });
  const examples = ["f/shop", "f/reports"].flatMap((folder) =>
    readdirSync(join(EXAMPLES, folder)).filter((name) => name.endsWith(".ts")).map((name) =>
      readFileSync(join(EXAMPLES, folder, name), "utf8")
    )
  );
  const written = [
    "export async function main(a: string, b: number, c: boolean, d: string[], e: number[] = [1], f?: Date) {}",
    "export async function main(x: 'a' | 'b' = 'a', y: { n: number; s?: string }, z = 'text', t = true, u = 3.5) {}",
    "type Postgresql = { host: string };\nexport async function main(db: Postgresql, s3: wmill.S3Object) {}",
    "export async function main(a: string | null, b: string | undefined, c: any, d = null) {}",
    "export default async function main(a: Array<string>, b: object = {}) {}",
    'export async function preprocessor(event: any) {}\nexport async function main(a = "x, (y) // z", b: string) {}',
    "export function helper() {}",
  ];
  for (const source of [...examples, ...written]) {
    const theirs = JSON.parse(parse(source)) as Parsed;
    const ours = readSignature(source, "bun");
    const { properties, order, required } = ours.schema as {
      readonly properties: Readonly<Record<string, { readonly type?: string }>>;
      readonly order: readonly string[];
      readonly required: readonly string[];
    };
    assertEquals(order, theirs.args.map(({ name }) => name), source);
    assertEquals(required, theirs.args.filter(({ has_default }) => !has_default).map(({ name }) => name), source);
    for (const { name, typ } of theirs.args) {
      const kind = kindOf(typ);
      if (kind !== "?") assertEquals([name, properties[name]?.type], [name, kind], source);
    }
    assertEquals(ours.hasPreprocessor, theirs.has_preprocessor ?? false, source);
    assertEquals(ours.hasMain, theirs.auto_kind !== "lib", source);
  }
});
