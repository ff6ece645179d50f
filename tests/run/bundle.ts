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

async function readManifest(): Promise<Manifest> {
  return JSON.parse(await readFile(`${root}deno.json`, "utf8")) as Manifest;
}

/** The package's own names, each with the path that it stands for. */
async function ownPaths(pathOf: (source: string) => string): Promise<Readonly<Record<string, readonly string[]>>> {
  const { name, exports } = await readManifest();
  return Object.fromEntries(
    Object.entries(exports).map(([key, path]) => [name + key.slice(1), [pathOf(path.slice(2))]]),
  );
}

async function esbuild(entries: readonly string[], folder: string, options: readonly string[]): Promise<void> {
  await runCommand([
    esbuildPath(),
    ...entries,
    "--bundle",
    "--format=esm",
    "--target=es2024",
    "--external:node:*",
    "--log-level=warning",
    `--outdir=${folder}`,
    ...options,
  ], { cwd: root });
}

function pathsOption(paths: Readonly<Record<string, readonly string[]>>): string {
  return `--tsconfig-raw=${JSON.stringify({ compilerOptions: { paths } })}`;
}

/** Bundles each entry with all that it imports, the package too, to one ESM file of its name in `folder`. */
export async function bundle(
  entries: readonly string[],
  folder: string,
  options: readonly string[] = [],
): Promise<void> {
  await esbuild(entries, folder, [pathsOption(await ownPaths((path) => root + path)), ...options]);
}

/** The compiled form of a source, in the folder that {@linkcode buildPackage} fills. */
function compiledPath(source: string): string {
  return source.replace(/\.ts$/, ".js");
}

/**
 * Compiles the package to `folder`, apart from whoever imports it: it finds its own frames in a stack by their folder, as
 * it does where it is installed.
 */
export async function buildPackage(folder: string): Promise<void> {
  const { exports } = await readManifest();
  // The folders below `folder` are those of the sources; shared parts go to `src/shared`, which is one of them.
  await esbuild(Object.values(exports), folder, [
    "--splitting",
    "--keep-names",
    `--outbase=${root}`,
    "--chunk-names=src/shared/[name]-[hash]",
  ]);
}

/** Bundles each entry, but not the package: it is imported from where {@linkcode buildPackage} has put it. */
export async function bundleBeside(packageFolder: string, entries: readonly string[], folder: string): Promise<void> {
  await esbuild(entries, folder, [
    "--keep-names",
    `--external:${packageFolder}*`,
    pathsOption(await ownPaths((path) => packageFolder + compiledPath(path))),
  ]);
}
