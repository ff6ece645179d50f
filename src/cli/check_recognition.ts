/**
 * What came close to the rule by which the Windmill worker takes a file for workflow-as-code (`src/base/recognition.ts`).
 *
 * @module
 */
import { recognise } from "../base/recognition.ts";

export { annotations, recognise, type Recognition } from "../base/recognition.ts";

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
