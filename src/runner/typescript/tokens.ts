/**
 * Reads a TypeScript text as tokens: as much as it takes to find imports and the parameters of a function. No parser is loaded for
 * that: the runner must work without any package, and a script's text is read before each of its jobs (some 30 µs a kilobyte). Whether a
 * `/` divides or begins a regular expression is told by what stands before it, which is right but for odd places; an import that
 * is missed for that is found by `deno info`, which reads the same files with the runtime's own parser.
 *
 * @module
 */

/** A piece of the text. */
export interface Token {
  readonly kind: "word" | "punctuation" | "string" | "template" | "number" | "regex";
  /** As it is written; of a string, what it means. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Words after which a `/` begins a regular expression. */
const BEFORE_REGEX = new Set(
  ("return typeof case in of do else void delete instanceof new throw await yield").split(" "),
);
const WORD = /[\p{ID_Start}_$#@\\][\p{ID_Continue}$\u200c\u200d\\]*/uy;
const NUMBER = /\.?\d[\w.]*/y;
const REGEX = /\/(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[\p{ID_Continue}]*/uy;

/** Reads all tokens. A text that is no program gives some tokens, too. */
export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  /** One for each open template, with the braces that are open in its expression. */
  const templates: number[] = [];

  function push(kind: Token["kind"], end: number, text = source.slice(at, end)): void {
    tokens.push({ kind, text, start: at, end });
    at = end;
  }
  /** The text of a template from `at` on: to its end, or to the next expression. */
  function template(from: number): void {
    let i = from;
    while (i < source.length) {
      const char = source[i];
      if (char === "\\") i += 2;
      else if (char === "`") return push("template", i + 1);
      else if (char === "$" && source[i + 1] === "{") {
        templates.push(0);
        return push("template", i + 2);
      } else i++;
    }
    push("template", source.length);
  }

  while (at < source.length) {
    const char = source[at] as string;
    if (/\s/.test(char)) {
      at++;
    } else if (char === "/" && source[at + 1] === "/") {
      const end = source.indexOf("\n", at);
      at = end < 0 ? source.length : end;
    } else if (char === "/" && source[at + 1] === "*") {
      const end = source.indexOf("*/", at + 2);
      at = end < 0 ? source.length : end + 2;
    } else if (char === '"' || char === "'") {
      let end = at + 1;
      while (end < source.length && source[end] !== char && source[end] !== "\n") end += source[end] === "\\" ? 2 : 1;
      push("string", Math.min(end + 1, source.length), meaning(source.slice(at + 1, end)));
    } else if (char === "`") {
      template(at + 1);
    } else if (char === "}" && templates.at(-1) === 0) {
      templates.pop();
      template(at + 1);
    } else if (/[\p{ID_Start}_$#@\\]/u.test(char) || source.codePointAt(at) as number > 0xffff) {
      push("word", matched(WORD) ?? at + 1);
    } else if (/\d/.test(char) || (char === "." && /\d/.test(source[at + 1] ?? ""))) {
      push("number", matched(NUMBER) ?? at + 1);
    } else if (char === "/" && mayBeginRegex(tokens.at(-1))) {
      const end = matched(REGEX);
      if (end === undefined) push("punctuation", at + 1);
      else push("regex", end);
    } else {
      const open = templates.length - 1;
      if (open >= 0) templates[open] = (templates[open] ?? 0) + (char === "{" ? 1 : char === "}" ? -1 : 0);
      const length = source.startsWith("...", at) ? 3 : source.startsWith("=>", at) ? 2 : 1;
      push("punctuation", at + length);
    }
  }
  return tokens;

  function matched(pattern: RegExp): number | undefined {
    pattern.lastIndex = at;
    return pattern.test(source) ? pattern.lastIndex : undefined;
  }
}

function mayBeginRegex(before: Token | undefined): boolean {
  if (before === undefined) return true;
  if (before.kind === "word") return BEFORE_REGEX.has(before.text);
  return before.kind === "punctuation" && !/^[)\]}]$/.test(before.text);
}

/** What a string between its quotes means. */
function meaning(raw: string): string {
  if (!raw.includes("\\")) return raw;
  return raw.replace(
    /\\(?:u\{([\da-f]+)\}|u([\da-f]{4})|x([\da-f]{2})|(\r\n|[^]))/gi,
    (_, point?: string, unit?: string, byte?: string, char = "") => {
      const code = point ?? unit ?? byte;
      if (code !== undefined) return String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff));
      if (/[\r\n\u2028\u2029]/.test(char)) return "";
      return ESCAPES[char] ?? char;
    },
  );
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", v: "\v", 0: "\0" };

/** Number of the line that holds a place of the text, from 1. */
export function lineAt(source: string, at: number): number {
  let line = 1;
  for (let i = source.indexOf("\n"); i >= 0 && i < at; i = source.indexOf("\n", i + 1)) line++;
  return line;
}
