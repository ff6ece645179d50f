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

/**
 * Reads the parameters of a file's workflows: of the function that `NAME = workflow(...)` or `export default workflow(...)` is given,
 * there or by its name.
 *
 * @param tokens the file's tokens
 * @returns signatures by the names of exports, as far as the text tells
 */
export function workflowSignatures(tokens: readonly Token[]): Readonly<Record<string, Signature>> {
  const found = new Map<string, Signature>();
  /** Names that are exported as others. */
  const renamed: (readonly [from: string, to: string])[] = [];
  let depth = 0;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    if (depth === 0 && token.kind === "word") {
      const { text } = token;
      if (text === "default" && is(tokens[i - 1], "export")) {
        const signature = givenTo(tokens, i + 1);
        if (signature !== undefined) found.set("default", signature);
        else if (tokens[i + 1]?.kind === "word") renamed.push([tokens[i + 1]?.text ?? "", "default"]);
      } else if (is(tokens[i + 1], "{") && text === "export") {
        renamed.push(...exportedNames(tokens, i + 2));
      } else if (["const", "let", "var"].includes(tokens[i - 1]?.text ?? "")) {
        const at = valueAfter(tokens, i + 1);
        const signature = at === undefined ? undefined : givenTo(tokens, at);
        if (signature !== undefined) found.set(text, signature);
      }
    }
    depth += opens(token) - closes(token);
  }
  for (const [from, to] of renamed) {
    const signature = found.get(from);
    if (signature !== undefined) found.set(to, signature);
  }
  return Object.fromEntries(found);
}

/** `a, b as c` of an export, from the token after its brace. */
function exportedNames(tokens: readonly Token[], from: number): readonly (readonly [string, string])[] {
  const names: (readonly [string, string])[] = [];
  for (let i = from; i < tokens.length && !is(tokens[i], "}"); i++) {
    if (is(tokens[i + 1], "as")) names.push([tokens[i]?.text ?? "", tokens[i + 2]?.text ?? ""]);
  }
  return names;
}

/** Signature of the function that the call at `at` is given first. */
function givenTo(tokens: readonly Token[], at: number): Signature | undefined {
  let i = at;
  while (tokens[i]?.kind === "word" && is(tokens[i + 1], ".")) i += 2;
  if (tokens[i]?.kind !== "word") return undefined;
  i = afterTypes(tokens, i + 1);
  if (!is(tokens[i], "(")) return undefined;
  const name = tokens[i + 1];
  if (name?.kind === "word" && (is(tokens[i + 2], ")") || is(tokens[i + 2], ","))) {
    return signatureOf(tokens, name.text);
  }
  const open = functionAt(tokens, i + 1);
  return open === undefined ? undefined : read(tokens, open);
}

/** Index of the parenthesis that begins the parameters of the function whose name is at `at`. */
function openingAfter(tokens: readonly Token[], at: number): number | undefined {
  const before = tokens[at - 1]?.text === "*" ? tokens[at - 2] : tokens[at - 1];
  if (before?.kind !== "word" || !["function", "const", "let", "var"].includes(before.text)) return undefined;
  if (before.text !== "function") {
    const value = valueAfter(tokens, at + 1);
    return value === undefined ? undefined : functionAt(tokens, value);
  }
  const i = afterTypes(tokens, at + 1);
  return is(tokens[i], "(") ? i : undefined;
}

/** Index of what a variable is set to; a declared type may hold anything. */
function valueAfter(tokens: readonly Token[], at: number): number | undefined {
  let i = at;
  while (i < tokens.length && !(is(tokens[i], "=") && !is(tokens[i + 1], ">")) && !is(tokens[i], ";")) i++;
  return is(tokens[i], "=") ? i + 1 : undefined;
}

/** Index of the parenthesis of `async (`, `function (`, `async function name (`. */
function functionAt(tokens: readonly Token[], at: number): number | undefined {
  let i = at;
  if (is(tokens[i], "async")) i++;
  if (is(tokens[i], "function")) {
    i++;
    if (is(tokens[i], "*")) i++;
    if (tokens[i]?.kind === "word") i++;
  }
  i = afterTypes(tokens, i);
  return is(tokens[i], "(") ? i : undefined;
}

/** Index after type parameters that may be at `at`. */
function afterTypes(tokens: readonly Token[], at: number): number {
  if (!is(tokens[at], "<")) return at;
  let i = at;
  for (let depth = 0; i < tokens.length; i++) {
    if (is(tokens[i], "<")) depth++;
    if (is(tokens[i], ">") && !is(tokens[i - 1], "=") && --depth === 0) break;
  }
  return i + 1;
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
