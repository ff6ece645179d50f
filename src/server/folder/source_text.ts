/**
 * A script's code as text: without comments, and cut where its brackets and texts allow it. The tokens are those of the runner.
 *
 * No parser is loaded for it: the metadata that `wmill sync pull` wrote has the schema, and only a script that was never pulled needs
 * one. `windmill-parser-wasm-ts` would cost 0.3 s and 1.5 MB at the first of them, `@babel/parser` 60 ms.
 *
 * @module
 */
import { type Token, tokensOf } from "../../runner/typescript/tokens.ts";

const OPENING = "([{";
const CLOSING = ")]}";

/** The tokens, of which a template is one together with the expressions in it. */
function wholeTokens(source: string): readonly Token[] {
  const whole: Token[] = [];
  let open = 0;
  let from = 0;
  for (const token of tokensOf(source)) {
    const { kind, start, end } = token;
    if (kind !== "template") {
      if (open === 0) whole.push(token);
      continue;
    }
    const begins = source[start] === "`";
    if (begins && open++ === 0) from = start;
    if (source[end - 1] === "`" && !(begins && end === start + 1)) open--;
    if (open === 0) whole.push({ kind, text: "", start: from, end });
  }
  if (open > 0) whole.push({ kind: "template", text: "", start: from, end: source.length });
  return whole;
}

/** Code in which every position is that of the source. */
export interface BlankedCode {
  /** Without comments, and without what is inside of texts and regular expressions. */
  readonly code: string;
  /** Without comments. */
  readonly texts: string;
}

/** Blanks what is no code: every position stays. */
export function blank(source: string): BlankedCode {
  let code = "", texts = "", at = 0;
  for (const { kind, start, end } of wholeTokens(source)) {
    // White space and comments.
    const between = spaces(source.slice(at, start));
    const piece = source.slice(start, end);
    code += between + blanked(kind, piece);
    texts += between + piece;
    at = end;
  }
  const rest = spaces(source.slice(at));
  return { code: code + rest, texts: texts + rest };
}

function blanked(kind: Token["kind"], piece: string): string {
  if (kind === "regex") return spaces(piece);
  // Quotes stay, so that a text is still seen to be one.
  if (kind !== "string" && kind !== "template") return piece;
  return piece.length < 2 ? piece : piece.charAt(0) + spaces(piece.slice(1, -1)) + piece.slice(-1);
}

function spaces(text: string): string {
  return /\S/.test(text) ? text.replace(/\S/g, " ") : text;
}

/**
 * Finds the end of a bracket.
 *
 * @param code blanked code
 * @param open position of the opening bracket
 * @returns position behind the closing one, or the end of the code
 */
export function closingOf(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    const char = code.charAt(at);
    if (OPENING.includes(char)) depth++;
    else if (CLOSING.includes(char) && --depth === 0) return at + 1;
  }
  return code.length;
}

/**
 * Splits code where a separator stands outside of all brackets and texts.
 *
 * @param source the code, without comments
 * @param separators single characters; a line feed may be one
 * @returns the pieces, trimmed, without empty ones
 */
export function splitTop(source: string, separators: string): readonly string[] {
  const pieces: string[] = [];
  const byLine = separators.includes("\n");
  let depth = 0;
  let from = 0;
  let at = 0;
  for (const { kind, text, start, end } of wholeTokens(source)) {
    if (byLine && depth === 0 && source.slice(at, start).includes("\n")) {
      pieces.push(source.slice(from, start));
      from = start;
    }
    at = end;
    if (kind !== "punctuation") continue;
    if (OPENING.includes(text) || text === "<") depth++;
    else if (CLOSING.includes(text) || text === ">") depth--;
    else if (depth === 0 && separators.includes(text)) {
      pieces.push(source.slice(from, start));
      from = end;
    }
  }
  pieces.push(source.slice(from));
  return pieces.map((piece) => piece.trim()).filter((piece) => piece !== "");
}
