/**
 * Finds the Deno that runs scripts.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { MissingPackageError } from "../../base/errors.ts";
import { readEnv } from "../../platform/env.ts";

const isWindows = (): boolean => (globalThis as { process?: { platform?: string } }).process?.platform === "win32";

/**
 * The path of Deno's binary: what runs this process when that is Deno, else `deno` on PATH, else that of the npm package `deno`,
 * installed beside this one or kept by npx.
 *
 * @param given what the caller says; taken as it is
 * @throws MissingPackageError when there is none
 */
export async function findDeno(given?: string): Promise<string> {
  if (given !== undefined) return given;
  const { Deno: deno } = globalThis as { readonly Deno?: { execPath?(): string } };
  // Bun and Node have no such global; a compiled program of Deno's is no `deno`, and its name says so.
  const own = deno?.execPath?.();
  if (own !== undefined && /(?:^|[\\/])deno(?:\.exe)?$/.test(own)) return own;
  const found = onPath() ?? ofPackage() ?? await ofNpx();
  if (found !== undefined) return found;
  throw new MissingPackageError(
    "Cannot run TypeScript scripts: there is no `deno` on PATH. Install it (https://deno.com), or the npm package: npm install deno",
  );
}

function onPath(): string | undefined {
  const name = isWindows() ? "deno.exe" : "deno";
  for (const folder of (readEnv("PATH") ?? "").split(delimiter)) {
    // A script of npm's (`node_modules/.bin/deno`) starts Node first, which costs more than Deno itself.
    if (folder === "" || /node_modules[\\/]\.bin$/.test(folder)) continue;
    const file = join(folder, name);
    if (isExecutable(file)) return file;
  }
  return undefined;
}

function ofPackage(): string | undefined {
  for (const base of [import.meta.url, `file://${(globalThis as { process?: { cwd(): string } }).process?.cwd()}/_`]) {
    try {
      const file = join(createRequire(base).resolve("deno/package.json"), "..", isWindows() ? "deno.exe" : "deno");
      if (isExecutable(file)) return file;
    } catch {
      continue; // not installed there
    }
  }
  return undefined;
}

/** What npx keeps of the package; nothing is downloaded. */
async function ofNpx(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(
      isWindows() ? "npx.cmd" : "npx",
      ["--no", "deno", "eval", "console.log(Deno.execPath())"],
      { timeout: 20_000, shell: isWindows() },
    );
    const file = stdout.trim().split("\n").at(-1) ?? "";
    return isExecutable(file) ? file : undefined;
  } catch {
    return undefined; // no npx, or it has no such package
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not to be run
  }
}
