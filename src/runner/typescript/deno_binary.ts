/**
 * Finds the Deno that runs scripts.
 *
 * @module
 */
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { MissingPackageError } from "../../base/errors.ts";
import { readEnv } from "../../platform/env.ts";

function isWindows(): boolean {
  return (globalThis as { readonly process?: { readonly platform?: string } }).process?.platform === "win32";
}

/**
 * The path of Deno's binary: what runs this process when that is Deno, else `deno` on PATH, else that of the npm package `deno`,
 * installed beside this one or kept by npx.
 *
 * @param given what the caller says; taken as it is
 * @throws MissingPackageError when there is none
 */
export function findDeno(given?: string): string {
  if (given !== undefined) return given;
  const { Deno: deno } = globalThis as { readonly Deno?: { execPath?(): string } };
  // Bun and Node have no such global; a compiled program of Deno's is no `deno`, and its name says so.
  const own = deno?.execPath?.();
  if (own !== undefined && /(?:^|[\\/])deno(?:\.exe)?$/.test(own)) return own;
  const found = onPath() ?? ofPackage() ?? ofNpx();
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

/** What npx keeps of the package, the newest first; nothing is downloaded. */
function ofNpx(): string | undefined {
  const home = readEnv("HOME");
  const cache = readEnv("npm_config_cache") ??
    (isWindows()
      ? join(readEnv("LOCALAPPDATA") ?? "", "npm-cache")
      : home === undefined
      ? undefined
      : join(home, ".npm"));
  if (cache === undefined) return undefined;
  const kept = join(cache, "_npx");
  if (!existsSync(kept)) return undefined;
  const found = readdirSync(kept).flatMap((name) => {
    const file = join(kept, name, "node_modules", "deno", isWindows() ? "deno.exe" : "deno");
    return isExecutable(file) ? [{ file, at: statSync(file).mtimeMs }] : [];
  });
  return found.sort((a, b) => b.at - a.at)[0]?.file;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not to be run
  }
}
