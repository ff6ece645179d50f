/**
 * Bundles source files for runtimes that do not run TypeScript from this repository.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { runCommand } from "./command.ts";
import { esbuildPath, root } from "./runtimes.ts";

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string>>;
}

/** The package's own names, as the bundler must resolve them: each to its source. */
export async function ownPaths(): Promise<Readonly<Record<string, readonly string[]>>> {
  const manifest = JSON.parse(await readFile(`${root}deno.json`, "utf8")) as Manifest;
  const own = Object.entries(manifest.exports).map(([key, path]) =>
    [manifest.name + key.slice(1), [root + path.slice(2)]] as const
  );
  return Object.fromEntries(own);
}

/** Bundles each entry to one ESM file of its name in `folder`. Built-in modules of Node stay outside. */
export async function bundle(
  entries: readonly string[],
  folder: string,
  options: readonly string[] = [],
): Promise<void> {
  await runCommand([
    esbuildPath(),
    ...entries,
    "--bundle",
    "--format=esm",
    "--target=es2024",
    "--external:node:*",
    "--log-level=warning",
    "--out-extension:.js=.js",
    `--outdir=${folder}`,
    `--tsconfig-raw=${JSON.stringify({ compilerOptions: { paths: await ownPaths() } })}`,
    ...options,
  ], { cwd: root });
}
