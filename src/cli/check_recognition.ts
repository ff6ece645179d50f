/**
 * Whether the Windmill worker takes a file for workflow-as-code: its own rule, to the letter (wac-protocol 1.1), and what came close
 * to it.
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

/** A half of the rule that a file does not fulfil. */
export interface Miss {
  /** The line that comes closest, else 1. */
  readonly line: number;
  /** What is missing, and what is wrong with that line. */
  readonly text: string;
  /** What to write. */
  readonly instead: string;
}

/**
 * Says why a text is not recognised.
 *
 * @param source text of the file
 * @returns one entry for each half of the rule that does not hold
 */
export function misses(source: string): readonly Miss[] {
  const { importLine, workflowLine } = recognise(source);
  const lines = source.split("\n").map((line) => line.trim());
  const find = (test: (line: string) => boolean): number => lines.findIndex((line) => test(line)) + 1;
  const found: Miss[] = [];
  if (importLine === undefined) {
    const half = "No line begins with `import` or `from` and contains `windmill-client`";
    const named = find((line) => line.includes("windmill-client"));
    const shown = lines[named - 1] ?? "";
    found.push({
      line: Math.max(1, named),
      text: named === 0
        ? half
        : shown.startsWith("//")
        ? `${half}: line ${named} is a comment`
        : /\brequire\s*\(|\bimport\s*\(/.test(shown)
        ? `${half}: line ${named} loads it with a call, which does not count`
        : `${half}: line ${named} has the name, but begins otherwise`,
      instead: 'import "windmill-client";',
    });
  }
  if (workflowLine === undefined) {
    const half = "No line has both `export` and `workflow(`, and no import of `windmill-client` names `workflow`";
    const called = find((line) => !line.startsWith("//") && line.includes("workflow("));
    const other = find((line) => !line.startsWith("//") && /\w*[wW]orkflow\w*\s*(?:<.*>)?\s*\(/.test(line));
    const line = called > 0 ? called : other;
    found.push({
      line: Math.max(1, line),
      text: called > 0
        ? `${half}: line ${called} calls it without \`export\``
        : other > 0
        ? `${half}: line ${other} calls something of another name, or with something between name and parenthesis`
        : half,
      instead: "export const main = workflow(async () => { ... });",
    });
  }
  return found;
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
