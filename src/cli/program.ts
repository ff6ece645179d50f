/**
 * How this program was called: what it tells a user to type must work when it is typed.
 *
 * @module
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { quote } from "./format.ts";
import { runtimeOf } from "./runtime.ts";

/**
 * The words to type before a command's name.
 *
 * @param main URL of the main module
 * @param cwd where they are typed
 * @param env the environment: `deno task` and npx leave their traces there
 * @returns as in `npx windkit`, `deno task windkit` or `node dist/main.js`
 */
export function programName(
  main: string,
  cwd: string = process.cwd(),
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const { name: runtime, version } = runtimeOf();
  const isByNpx = env["npm_command"] === "exec" && env["npm_lifecycle_event"] === "npx";
  if (!main.startsWith("file:")) return `${runtime === "Deno" ? "deno run -A" : runtime.toLowerCase()} ${main}`;
  const path = fileURLToPath(main);
  if (runtime === "Deno") {
    // Who called it by npx may have no other.
    const deno = isByNpx ? `npx -y deno@${version}` : "deno";
    // `deno task` runs in the folder that declares the task, and says where it was typed: there, or further below.
    const typedIn = isByNpx || env["npm_config_user_agent"]?.startsWith("deno/") === true ? env["INIT_CWD"] : undefined;
    const isTask = typedIn !== undefined && !relative(cwd, typedIn).startsWith("..") && hasTask(cwd);
    return isTask ? `${deno} task windkit` : `${deno} run -A ${quote(shorter(cwd, path))}`;
  }
  const called = process.argv[1] ?? path;
  const isInstalled = basename(called).startsWith("windkit") || path.includes("/node_modules/");
  if (isInstalled) {
    if (isBinary(cwd)) return runtime === "Bun" ? "bunx windkit" : "npx windkit";
    return isByNpx ? "npx -p @windkit/windmill-client windkit" : "windkit";
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

/** npx and bunx look upwards. */
function isBinary(folder: string): boolean {
  if (existsSync(join(folder, "node_modules", ".bin", "windkit"))) return true;
  const above = dirname(folder);
  return above !== folder && isBinary(above);
}

function hasTask(folder: string): boolean {
  const file = join(folder, "deno.json");
  return existsSync(file) && /"windkit"\s*:/.test(readFileSync(file, "utf8"));
}

function shorter(cwd: string, path: string): string {
  const way = relative(cwd, path);
  return way.startsWith("..") ? path : way;
}
