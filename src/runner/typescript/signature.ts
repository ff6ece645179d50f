/**
 * Reads the parameters of a script's function from its text, as Windmill's parser does: arguments come by name, and what is typed
 * `Date` becomes one.
 *
 * @module
 */
import type { Token } from "./tokens.ts";

/** Parameters of a function. */
export interface Signature {
  /** Names in order; a destructured parameter is called `anon1`, `anon2`, ... as Windmill calls it. */
  readonly names: readonly string[];
  /** Those that are typed `Date`. */
  readonly dates: readonly string[];
}

/**
 * Reads the parameters of `function NAME(...)` or `NAME = (...) =>` at the top of a file.
 *
 * @param tokens the file's tokens
 * @param name name of the function
 * @returns undefined when the text has no such function: it may come from another file
 */
export function signatureOf(tokens: readonly Token[], name: string): Signature | undefined {
  let depth = 0;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (depth === 0 && token.text === name && token.kind === "word") {
      const open = openingAfter(tokens, i);
      if (open !== undefined) return read(tokens, open);
    }
    depth += opens(token) - closes(token);
  }
  return undefined;
}

/** Index of the parenthesis that begins the parameters of the function whose name is at `at`. */
function openingAfter(tokens: readonly Token[], at: number): number | undefined {
  const before = tokens[at - 1]?.text === "*" ? tokens[at - 2] : tokens[at - 1];
  let i = at + 1;
  if (before?.kind !== "word" || !["function", "const", "let", "var"].includes(before.text)) return undefined;
  if (before.text !== "function") {
    // A declared type may hold anything: what is meant is `= async (`, `= function (`, `= async function name (`.
    while (i < tokens.length && !(is(tokens[i], "=") && !is(tokens[i - 1], ">")) && !is(tokens[i], ";")) i++;
    if (!is(tokens[i], "=")) return undefined;
    i++;
    if (is(tokens[i], "async")) i++;
    if (is(tokens[i], "function")) {
      i++;
      if (is(tokens[i], "*")) i++;
      if (tokens[i]?.kind === "word") i++;
    }
  }
  if (is(tokens[i], "<")) {
    // Type parameters.
    for (let depth = 0; i < tokens.length; i++) {
      if (is(tokens[i], "<")) depth++;
      if (is(tokens[i], ">") && --depth === 0) break;
    }
    i++;
  }
  return is(tokens[i], "(") ? i : undefined;
}

function read(tokens: readonly Token[], open: number): Signature {
  const names: string[] = [];
  const dates: string[] = [];
  let depth = 0;
  let angles = 0;
  let unnamed = 0;
  let part: Token[] = [];

  function take(): void {
    if (part.length === 0) return;
    const first = is(part[0], "...") ? part[1] : part[0];
    const name = first?.kind === "word" ? first.text : `anon${++unnamed}`;
    names.push(name);
    if (first?.kind === "word" && isDate(part)) dates.push(name);
    part = [];
  }
  for (let i = open + 1; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (depth === 0 && is(token, ")")) break;
    // Angles nest in types only: not in a default value, nor in `=>`.
    if (is(token, "<")) angles++;
    if (is(token, ">") && angles > 0) angles--;
    depth += opens(token) - closes(token);
    if (depth === 0 && angles === 0 && is(token, ",")) take();
    else part.push(token);
  }
  take();
  return { names, dates };
}

/** `name: Date`, with null or undefined beside it, in any namespace. */
function isDate(part: readonly Token[]): boolean {
  const colon = part.findIndex((token, i) => i < 4 && is(token, ":"));
  if (colon < 0) return false;
  const type: string[] = [];
  for (const token of part.slice(colon + 1)) {
    if (is(token, "=")) break;
    if (!is(token, "(") && !is(token, ")")) type.push(token.kind === "string" ? `"${token.text}"` : token.text);
  }
  const named = type.join("").split("|").filter((one) => one !== "null" && one !== "undefined" && one !== "");
  return named.length === 1 && /^(?:[\w$]+\.)*Date$/.test(named[0] as string);
}

function is(token: Token | undefined, text: string): boolean {
  return token?.text === text && token.kind !== "string";
}

/** 1 for what opens a bracket, also of an expression in a template; else 0. */
function opens({ kind, text }: Token): number {
  if (kind === "template") return text.endsWith("${") ? 1 : 0;
  return kind === "punctuation" && /^[([{]$/.test(text) ? 1 : 0;
}

function closes({ kind, text }: Token): number {
  if (kind === "template") return text.startsWith("}") ? 1 : 0;
  return kind === "punctuation" && /^[)\]}]$/.test(text) ? 1 : 0;
}
