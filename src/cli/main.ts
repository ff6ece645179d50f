#!/usr/bin/env node
/**
 * The `windkit` command.
 *
 * @module
 */
import type { WorkflowFunction } from "../engine/api.ts";
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

/**
 * Loads a workflow file as `windkit run` does: its tasks have the names that they have on a cluster, and the names of this package
 * lead to this very copy of it, `windmill-client` too. For tests.
 *
 * @param file URL or path of the file
 * @returns its workflow: the default export, else the first by name
 * @throws UsageError when there is none, or it cannot be loaded
 *
 * @example
 * ```ts
 * import { loadWorkflow } from "@windkit/windmill-client/cli";
 *
 * const missing = await loadWorkflow("no/such/file.ts").catch((error: Error) => error.message);
 * if (missing !== 'No such file: "no/such/file.ts"') throw new Error("found");
 * ```
 */
export async function loadWorkflow(file: string | URL): Promise<WorkflowFunction> {
  const [{ loadWorkflow: load }, { checkFile, placeOf }, { fileURLToPath }, { default: process }] = await Promise.all([
    import("./load_workflow.ts"),
    import("./workspace.ts"),
    import("node:url"),
    import("node:process"),
  ]);
  const path = file instanceof URL ? fileURLToPath(file) : file;
  const place = placeOf(path, process.cwd());
  checkFile(place, path);
  return (await load(place, path)).workflow;
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
