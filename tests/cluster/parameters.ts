/**
 * Parameters of a script's entry point, found by the server's own parser.
 *
 * @module
 */
import { initSync, parse_deno } from "windmill-parser-wasm-ts";
import type { WrapperRound } from "./wrapper.ts";

const wasm = new URL("./windmill_parser_wasm_bg.wasm", import.meta.resolve("windmill-parser-wasm-ts"));
initSync({ module: await Deno.readFile(wasm) });

/** Parameters of a script's `main`, or of another function that it exports; none when the parser does not see them. */
export function parametersIn(code: string, entry?: string): WrapperRound["parameters"] {
  let parsed: { readonly args: readonly { readonly name: string; readonly typ: unknown }[] };
  try {
    parsed = JSON.parse(parse_deno(code, entry)) as typeof parsed;
  } catch (error) {
    if (typeof error === "string") return [];
    throw error;
  }
  return parsed.args.map(({ name, typ }) => ({ name, date: typ === "datetime" }));
}

const known = new WeakMap<object, WrapperRound["parameters"]>();

/** The same for a workflow that is made already: the parser gets its text. */
export function parametersOf(workflow: object): WrapperRound["parameters"] {
  const before = known.get(workflow);
  if (before !== undefined) return before;
  const body = (workflow as { [name: symbol]: unknown })[Symbol.for("windkit.workflow_body")] ?? workflow;
  const found = parametersIn(`export const main = workflow(${String(body)})`);
  known.set(workflow, found);
  return found;
}
