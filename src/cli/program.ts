/**
 * How this program was called: what it tells a user to type must work when it is typed.
 *
 * @module
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { quote } from "./format.ts";
import { runtimeOf } from "./runtime.ts";

/**
 * The words to type before a command's name.
 *
 * @param main URL of the main module
 * @returns as in `npx windkit`, `deno task windkit` or `node dist/main.js`
 */
export function programName(main: string): string {
  const cwd = process.cwd();
  const runtime = runtimeOf().name;
  if (!main.startsWith("file:")) return `${runtime === "Deno" ? "deno run -A" : runtime.toLowerCase()} ${main}`;
  const path = fileURLToPath(main);
  if (runtime === "Deno") {
    if (hasTask(cwd)) return "deno task windkit";
    return `deno run -A ${quote(shorter(cwd, path))}`;
  }
  const called = process.argv[1] ?? path;
  const isInstalled = basename(called).startsWith("windkit") || path.includes("/node_modules/");
  if (isInstalled) {
    return existsSync(join(cwd, "node_modules", ".bin", "windkit"))
      ? runtime === "Bun" ? "bunx windkit" : "npx windkit"
      : "windkit";
  }
  return `${runtime.toLowerCase()} ${quote(shorter(cwd, path))}`;
}

/**
 * Tells whether a module is the program that runs, and not one that a program imports.
 *
 * @param main URL of the module
 * @returns true when it is
 */
export function isProgram(main: string): boolean {
  const script = process.argv[1];
  if (script === undefined || !main.startsWith("file:")) return false;
  try {
    return realpathSync(script) === realpathSync(fileURLToPath(main));
  } catch {
    return false; // started in another way: from standard input, or from a file that is gone
  }
}

function hasTask(folder: string): boolean {
  const file = join(folder, "deno.json");
  return existsSync(file) && /"windkit"\s*:/.test(readFileSync(file, "utf8"));
}

function shorter(cwd: string, path: string): string {
  const way = relative(cwd, path);
  return way.startsWith("..") ? path : way;
}
