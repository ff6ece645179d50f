/**
 * `deno task generate`: writes what is generated from the description of the server, which lies beside the repository.
 *
 * Options: `--check` writes nothing, and fails when a file is not what would be written.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { generatedFiles } from "./files.ts";
import { readSpec, type Spec } from "./spec.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const inputs = fileURLToPath(new URL("../../shared/openapi/", import.meta.url));
const names = ["windmill-1.735.0.yaml", "openflow-1.735.0.yaml", "endpoints.json"] as const;

/** Reads the inputs, or gives undefined where they are not. */
export async function readInputs(): Promise<Spec | undefined> {
  if (!names.every((name) => existsSync(inputs + name))) return undefined;
  const [server = "", flow = "", endpoints = ""] = await Promise.all(names.map((n) => readFile(inputs + n, "utf8")));
  return readSpec(server, flow, endpoints);
}

/** Paths of generated files that are not what would be written; undefined where the inputs are not. */
export async function staleFiles(): Promise<readonly string[] | undefined> {
  const spec = await readInputs();
  if (spec === undefined) return undefined;
  const stale: string[] = [];
  for (const [path, text] of generatedFiles(spec)) {
    if (!existsSync(root + path) || await readFile(root + path, "utf8") !== text) stale.push(path);
  }
  return stale;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--check")) {
    const stale = await staleFiles();
    for (const path of stale ?? []) console.error(`${path} is not what would be written: run \`deno task generate\``);
    if (stale === undefined) console.log("Inputs not here: not checked");
    return stale === undefined || stale.length === 0 ? 0 : 1;
  }
  const spec = await readInputs();
  if (spec === undefined) {
    console.error(`Expected the inputs ${names.join(", ")} in ../shared/openapi, found none or not all`);
    return 1;
  }
  for (const [path, text] of generatedFiles(spec)) {
    await mkdir(dirname(root + path), { recursive: true });
    await writeFile(root + path, text);
    console.log(`${path}: ${(text.length / 1000).toFixed(0)} kB`);
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
