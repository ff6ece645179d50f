/**
 * Loads a workflow file, and finds what to run in it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { WorkflowFunction } from "../engine/api.ts";
import { UsageError } from "./exit_codes.ts";
import { lacksTaskNames, prepareToLoad } from "./module_hooks.ts";
import { runtimeOf } from "./runtime.ts";
import type { Place } from "./workspace.ts";

/**
 * Hash of a file's text: recorded with a run, to tell when the file was edited since.
 *
 * @param file absolute path
 * @returns 64 hex digits of SHA-256
 */
export function hashSource(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

/**
 * Imports the file and picks its entry: the default export when it is a workflow, else the first export that is one
 * (wac-protocol 1.4).
 *
 * @param place the file
 * @param given the path as it was given, for errors
 * @returns what `workflow()` returned there
 */
export async function loadWorkflow(place: Place, given: string): Promise<WorkflowFunction> {
  const url = pathToFileURL(realpathSync(place.file)).href;
  await prepareToLoad(url);
  const namespace = await importFile(url, given);
  if (lacksTaskNames(url)) {
    throw new UsageError(
      `Cannot name the tasks of "${given}": this runtime took it for a CommonJS file, so they would have other keys than on a cluster`,
      `Add "type": "module" to the package.json beside it, or write the names: task("load", async () => { ... })`,
    );
  }
  const entry = [namespace["default"], ...Object.values(namespace)].find(isWorkflow);
  if (entry !== undefined) return entry;
  const names = Object.keys(namespace);
  throw new UsageError(
    `No workflow in "${given}": ${
      names.length === 0 ? "it exports nothing" : `its exports (${names.join(", ")}) are none`
    }`,
    "Export what workflow() returns: export const main = workflow(async () => { ... })",
  );
}

/**
 * Imports a file of the user's. What goes wrong is the file's fault, and the error says so.
 *
 * @param url the file's URL
 * @param given the path as it was given, for errors
 * @returns the module's namespace
 */
export async function importFile(url: string, given: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await import(url) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new UsageError(`Cannot load "${given}": ${reason(error)}`, hint(error), { cause: error });
  }
}

function isWorkflow(value: unknown): value is WorkflowFunction {
  return typeof value === "function" && (value as { readonly _is_workflow?: unknown })._is_workflow === true;
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) {
    const { message } = (error ?? {}) as { readonly message?: unknown };
    return typeof message === "string" ? message : String(error);
  }
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(reason).join("\n");
  return error.name === "Error" ? error.message : `${error.name}: ${error.message}`;
}

function hint(error: unknown): string | undefined {
  const { code, stack } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly code?: unknown;
    readonly stack?: unknown;
  };
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" && runtimeOf().name === "Node") {
    return `Node ${runtimeOf().version} does not run TypeScript: use Node 22.18 or newer, or a JavaScript file`;
  }
  // The place in the user's own code, when there is one: the runtime's and this package's frames say nothing to them.
  const frames = typeof stack === "string" ? stack.split("\n") : [];
  const own = new URL("..", import.meta.url);
  return frames.find((line) =>
    /^\s+at .*file:\/\/|^\s+at .*\(\/|^\s+at \//.test(line) &&
    ![own.href, fileURLToPath(own)].some((place) => line.includes(place)) // Bun names paths, the others URLs
  )?.trim();
}
