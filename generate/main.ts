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
import { isCoverageStale, writeCoverage } from "./coverage.ts";
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

/** Paths of documents whose generated part is not what would be written: that needs no inputs. */
export async function staleDocuments(): Promise<readonly string[]> {
  return await isCoverageStale() ? ["docs/server.md"] : [];
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--check")) {
    const stale = await staleFiles();
    const all = [...stale ?? [], ...await staleDocuments()];
    for (const path of all) console.error(`${path} is not what would be written: run \`deno task generate\``);
    if (stale === undefined) console.log("Inputs not here: the types are not checked");
    return all.length === 0 ? 0 : 1;
  }
  await writeCoverage();
  console.log("docs/server.md: the operations that the local server answers");
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
