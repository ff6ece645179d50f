/**
 * Finds the imports of a file in its tokens.
 *
 * @module
 */
import type { Token } from "./tokens.ts";

/** One import. */
export interface ImportText {
  readonly specifier: string;
  /** Place of the specifier with its quotes. */
  readonly start: number;
  readonly end: number;
  /** `import type`, `export type`: nothing is loaded. */
  readonly typeOnly: boolean;
  /** `import("...")`. */
  readonly dynamic: boolean;
  /** It says `with { ... }`. */
  readonly attributes: boolean;
}

/** Imports, exports from other files, and dynamic imports of a text, in order. */
export function importsOf(tokens: readonly Token[]): readonly ImportText[] {
  const found: ImportText[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (token.kind !== "word" || (token.text !== "import" && token.text !== "export")) continue;
    if (tokens[i - 1]?.text === "." && tokens[i - 1]?.kind === "punctuation") continue; // `x.import`
    const next = tokens[i + 1];
    if (token.text === "import" && next?.text === "(" && next.kind === "punctuation") {
      const name = tokens[i + 2];
      const after = tokens[i + 3]?.text;
      // Without an expression in it a template is a text, too.
      if (name?.kind === "string" || (name?.kind === "template" && /^`[^\\]*`$/.test(name.text))) {
        if (after !== ")" && after !== ",") continue;
        const specifier = name.kind === "string" ? name.text : name.text.slice(1, -1);
        found.push({ ...place(name), specifier, typeOnly: false, dynamic: true, attributes: after === "," });
      }
      continue;
    }
    const name = token.text === "import" && next?.kind === "string" ? i + 1 : afterFrom(tokens, i);
    const text = name === undefined ? undefined : tokens[name];
    if (name === undefined || text === undefined) continue;
    found.push({
      ...place(text),
      specifier: text.text,
      typeOnly: next?.text === "type" && name > i + 3 && tokens[i + 2]?.text !== "from",
      dynamic: false,
      attributes: tokens[name + 1]?.text === "with" || tokens[name + 1]?.text === "assert",
    });
    i = name;
  }
  return found;
}

/** Index of the text after `from`, when the statement that begins at `at` has one. */
function afterFrom(tokens: readonly Token[], at: number): number | undefined {
  let braces = 0;
  for (let i = at + 1; i < tokens.length; i++) {
    const { kind, text } = tokens[i] as Token;
    if (kind === "punctuation") {
      if (text === "{") braces++;
      else if (text === "}") braces--;
      else if (text !== "," && text !== "*") return undefined;
    } else if (kind === "word") {
      if (braces === 0 && text === "from" && tokens[i + 1]?.kind === "string") return i + 1;
      if (braces === 0 && STATEMENTS.has(text)) return undefined;
    } else if (kind !== "string" || braces === 0) {
      return undefined;
    }
  }
  return undefined;
}

/** Words that follow `export` where it declares something itself. */
const STATEMENTS = new Set([
  "const",
  "let",
  "var",
  "function",
  "class",
  "enum",
  "default",
  "async",
  "abstract",
  "import",
]);

function place({ start, end }: Token): { readonly start: number; readonly end: number } {
  return { start, end };
}
