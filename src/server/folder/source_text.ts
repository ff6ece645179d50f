/**
 * Reads just enough of TypeScript to find a function's parameters and exports: texts, comments and brackets.
 *
 * No parser is loaded for it: the metadata that `wmill sync pull` wrote has the schema, and only a script that was never pulled needs
 * one. `windmill-parser-wasm-ts` would cost 0.3 s and 1.5 MB at the first of them, `@babel/parser` 60 ms.
 *
 * @module
 */

const OPENING = "([{";
const CLOSING = ")]}";

/**
 * Blanks comments, and what is inside of texts and regular expressions: every position stays.
 *
 * @param source the code
 * @param keepTexts leaves texts as they are
 * @returns code of the same length
 */
export function blank(source: string, keepTexts = false): string {
  let out = "";
  let at = 0;
  /** Last character that means something: it tells a division from a regular expression. */
  let before = "";
  while (at < source.length) {
    const end = skippedTo(source, at, before);
    if (end > at) {
      const piece = source.slice(at, end);
      const comment = piece.startsWith("//") || piece.startsWith("/*");
      out += comment || !keepTexts ? blanked(piece, comment) : piece;
      if (!comment) before = "x";
      at = end;
      continue;
    }
    const char = source[at] ?? "";
    out += char;
    if (char.trim() !== "") before = char;
    at++;
  }
  return out;
}

/** Quotes stay, so that a text is still seen to be one. */
function blanked(piece: string, comment: boolean): string {
  const inner = (text: string): string => text.replace(/[^\n]/g, " ");
  return comment || piece.length < 2
    ? inner(piece)
    : piece.charAt(0) + inner(piece.slice(1, -1)) + piece.charAt(piece.length - 1);
}

/** Where the comment, text or regular expression ends that begins here; `at` when none does. */
function skippedTo(source: string, at: number, before: string): number {
  const char = source[at];
  if (char === '"' || char === "'" || char === "`") return textEnd(source, at);
  if (char !== "/") return at;
  const next = source[at + 1];
  if (next === "/") return endOr(source, source.indexOf("\n", at), 0);
  if (next === "*") return endOr(source, source.indexOf("*/", at + 2), 2);
  if (before !== "" && !"(,=:[!&|?{};+-*%~^<>".includes(before)) return at;
  const found = /^\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/.exec(source.slice(at, at + 2000));
  return found === null ? at : at + found[0].length;
}

function endOr(source: string, found: number, length: number): number {
  return found < 0 ? source.length : found + length;
}

function textEnd(source: string, from: number): number {
  const quote = source[from];
  for (let at = from + 1; at < source.length; at++) {
    const char = source[at];
    if (char === "\\") at++;
    else if (char === quote) return at + 1;
    else if (char === "\n" && quote !== "`") return at;
    else if (quote === "`" && char === "$" && source[at + 1] === "{") at = closingOf(source, at + 1) - 1;
  }
  return source.length;
}

/**
 * Finds the end of a bracket.
 *
 * @param source code, blanked or not
 * @param open position of the opening bracket
 * @returns position behind the closing one, or the end of the code
 */
export function closingOf(source: string, open: number): number {
  let depth = 0;
  for (let at = open; at < source.length;) {
    const end = skippedTo(source, at, "(");
    if (end > at) {
      at = end;
      continue;
    }
    const char = source[at] ?? "";
    if (OPENING.includes(char)) depth++;
    else if (CLOSING.includes(char) && --depth === 0) return at + 1;
    at++;
  }
  return source.length;
}

/**
 * Splits code where a separator stands outside of all brackets and texts.
 *
 * @param source the code, without comments
 * @param separators single characters
 * @returns the pieces, trimmed, without empty ones
 */
export function splitTop(source: string, separators: string): readonly string[] {
  const pieces: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < source.length;) {
    const end = skippedTo(source, at, "x");
    if (end > at) {
      at = end;
      continue;
    }
    const char = source[at] ?? "";
    if (OPENING.includes(char) || char === "<") depth++;
    else if (CLOSING.includes(char) || (char === ">" && source[at - 1] !== "=")) depth--;
    else if (depth === 0 && separators.includes(char)) {
      pieces.push(source.slice(start, at));
      start = at + 1;
    }
    at++;
  }
  pieces.push(source.slice(start));
  return pieces.map((piece) => piece.trim()).filter((piece) => piece !== "");
}
