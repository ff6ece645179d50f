#!/usr/bin/env node
/**
 * The `windkit` command.
 *
 * @module
 */
import { runtimeOf, runtimeProblem } from "./runtime.ts";

/**
 * Runs `windkit` with the given arguments, in this process: with its streams, its signals and its folder.
 *
 * @param argv the arguments after the program's name
 * @returns the exit code
 *
 * @example The version
 * ```ts
 * import { main } from "@windkit/windmill-client/cli";
 *
 * const code = await main(["--version"]);
 * if (code !== 0) throw new Error("no version");
 * ```
 */
export async function main(argv: readonly string[]): Promise<number> {
  const problem = runtimeProblem(runtimeOf());
  if (problem !== undefined) {
    console.error(`windkit: ${problem}`);
    return 2;
  }
  // Loaded only now: an older runtime lacks what these modules import.
  const { runCommandLine } = await import("./commands.ts");
  return await runCommandLine(argv, import.meta.url);
}

/** True when this module is the program; the flag is missing in Node before 24.2. */
async function isProgram(): Promise<boolean> {
  const { main: flag } = import.meta as ImportMeta & { readonly main?: boolean };
  if (flag !== undefined) return flag;
  return (await import("./program.ts")).isProgram(import.meta.url);
}

if (await isProgram()) {
  const { default: process } = await import("node:process");
  // A workflow may leave timers and sockets behind: what it recorded is safe, and nothing waits for them.
  process.exit(await main(process.argv.slice(2)));
}
