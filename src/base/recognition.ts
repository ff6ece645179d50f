/**
 * What the Windmill worker reads off a TypeScript file's text: whether it is workflow-as-code, by the worker's own rule to the letter
 * (wac-protocol 1.1), and the annotations at its top.
 *
 * @module
 */

/** What the worker's rule sees in a text. Lines count from 1. */
export interface Recognition {
  /** True when both halves of the rule hold: the worker drives the file round by round. */
  readonly recognised: boolean;
  /** First line that counts as an import of `windmill-client`. */
  readonly importLine?: number;
  /** First line that counts as naming `workflow`. */
  readonly workflowLine?: number;
}

/**
 * Applies the rule. It goes by lines and by text alone: comments at the end of a line, block comments and strings count like code.
 *
 * @param source text of the file
 * @returns what was seen
 *
 * @example The name of a package may contain the text
 * ```ts ignore
 * recognise('import { workflow } from "@windkit/windmill-client";').recognised; // true
 * ```
 */
export function recognise(source: string): Recognition {
  let importLine: number | undefined;
  let workflowLine: number | undefined;
  /** Line on which the open import block named `workflow`; 0: not yet. Undefined: no block is open. */
  let block: number | undefined;
  for (const [i, raw] of source.split("\n").entries()) {
    const line = raw.trim();
    if (line.startsWith("//")) continue;
    const at = i + 1;
    const named = line.includes("workflow");
    if (line.includes("windmill-client") && /^(?:import|from)/.test(line)) {
      importLine ??= at;
      if (named) workflowLine ??= at;
      block = undefined;
    } else if (line.startsWith("import") && line.includes("{") && !line.includes("}")) {
      block = named ? at : 0;
    } else if (block !== undefined) {
      if (named && block === 0) block = at;
      if (line.includes("windmill-client")) {
        importLine ??= at;
        if (block > 0) workflowLine ??= block;
        block = undefined;
      } else if (line.includes("}")) {
        block = undefined;
      }
    }
    if (line.includes("export") && line.includes("workflow(")) workflowLine ??= at;
  }
  return {
    recognised: importLine !== undefined && workflowLine !== undefined,
    ...(importLine === undefined ? undefined : { importLine }),
    ...(workflowLine === undefined ? undefined : { workflowLine }),
  };
}

/**
 * The names that the worker gives by a comment at the top of a script (`//native`, `//nodejs`, ...), with their lines.
 *
 * @param source text of the file
 * @returns annotation to line
 */
export function annotations(source: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [i, raw] of source.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#!")) continue;
    if (!line.startsWith("//")) break;
    const [word = ""] = line.slice(2).trim().split(/\s+/);
    if (!found.has(word)) found.set(word, i + 1);
  }
  return found;
}
