/**
 * `deno task pin`: writes the exported names into the two files that pin them. Look at the difference before committing:
 * a name that goes is a breaking change.
 *
 * @module
 */

import { readFile, writeFile } from "node:fs/promises";
import { readApiNames } from "./api_names.ts";
import { runCommand } from "./command.ts";
import { root } from "./runtimes.ts";

const names = await readApiNames();

const suite = `${root}tests/suite/public_api.ts`;
const text = await readFile(suite, "utf8");
const values = Object.fromEntries(Object.entries(names).map(([subpath, { values }]) => [subpath, values]));
const block = /(\/\/ deno task pin writes this list\.\n)[^]*?(\n\/\/ End of the list\.)/;
if (!block.test(text)) throw new Error(`Cannot find the list in "${suite}": its two comments are gone`);
const list = `const pinned: Readonly<Record<string, readonly string[]>> = ${JSON.stringify(values, undefined, 2)};`;
await writeFile(suite, text.replace(block, (_, begin: string, end: string) => begin + list + end));

const types = `${root}tests/internal/public_types.json`;
const typeNames = Object.fromEntries(Object.entries(names).map(([subpath, { types }]) => [subpath, types]));
await writeFile(types, JSON.stringify(typeNames, undefined, 2));

await runCommand([Deno.execPath(), "fmt", "--quiet", suite, types], { cwd: root });
for (const [subpath, { values, types }] of Object.entries(names)) {
  console.log(`${subpath}: ${values.length} values, ${types.length} types`);
}
