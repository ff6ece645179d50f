/**
 * Runs what `taskScript("f/folder/name")` names: `main` of that file in the workspace folder, in this process, with its
 * arguments by name.
 *
 * @module
 */
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { decode, encode } from "../base/canonical.ts";
import type { Executor } from "../engine/ports.ts";
import { runWith } from "../platform/run_context.ts";
import type { Call, Outcome } from "../workflow/journal.ts";
import { failureOf } from "../workflow/failure.ts";
import { parameterNames } from "../workflow/parameters.ts";
import { importFile } from "./load_workflow.ts";
import { findScript, type Place } from "./workspace.ts";

type Task = Call & { readonly kind: "task" };

/**
 * An executor for the scripts of a workspace folder. Flows are not accepted: the engine says so at the call.
 *
 * @param place the workflow that asks
 * @returns the executor
 */
export function createScriptExecutor(place: Place): Executor {
  return {
    accepts: (call) => call.kind === "task" && call.via === "script",
    async start({ call, key }): Promise<Outcome> {
      try {
        return { ok: true, value: encode(await runScript(place, call as Task)) };
      } catch (error) {
        return { ok: false, failure: failureOf(error, key) };
      }
    },
  };
}

async function runScript(place: Place, call: Task): Promise<unknown> {
  const { script = "" } = call;
  const file = fileOf(place, script);
  const { main } = await importFile(pathToFileURL(realpathSync(file)).href, script);
  if (typeof main !== "function") {
    throw new TypeError(`Cannot run script "${script}": its file must export a function "main", and does not`);
  }
  const args = decode(call.args) as Readonly<Record<string, unknown>>;
  const names = parameterNames(main.toString());
  const values = Array.isArray(args)
    ? args
    : names.map((name, i) => name !== undefined && Object.hasOwn(args, name) ? args[name] : args[`arg${i}`]);
  // A script is a job of its own: what it calls is no part of this run.
  return await runWith(undefined, () => main(...values) as unknown, true);
}

/** `./name` is a module of the workflow itself (in a synced folder: beside it in `<name>__mod`); else a workspace path. */
function fileOf(place: Place, script: string): string {
  const { root, file, name } = place;
  const isModule = script.startsWith("./") || script.startsWith("../");
  const folders = isModule ? [join(root, `${name}__mod`), dirname(file)] : [root];
  for (const folder of folders) {
    const exact = isModule ? join(folder, script) : undefined;
    const found = exact !== undefined && /\.[cm]?[jt]s$/.test(exact) && existsSync(exact)
      ? exact
      : findScript(folder, script);
    if (found === undefined) continue;
    if (relative(root, found).startsWith("..")) {
      throw new Error(`Cannot run script "${script}": it is outside of the workspace ${root}`);
    }
    return found;
  }
  throw new Error(
    `Cannot run script "${script}": there is no such TypeScript or JavaScript file below ${folders.join(" or ")}`,
  );
}
