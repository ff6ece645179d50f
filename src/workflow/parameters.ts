/**
 * Names of a function's parameters, read from its source text: a run's arguments come by name, and a task's arguments are
 * shown by name (wac-protocol 6.6). A destructured parameter has no name; it keeps its place, so later names do not shift
 * (the official client's shift: sdk-contract I 20).
 *
 * @module
 */

/**
 * Reads the parameter names of a function.
 *
 * @param source text of the function, as `Function.prototype.toString` gives it
 * @returns one entry a parameter; `undefined` for a destructured one
 */
export function parameterNames(source: string): readonly (string | undefined)[] {
  const text = source.replace(/^\s*(?:async\b(?!\s*=>)\s*)?(?:function\b\s*)?\*?\s*/, "");
  const bare = /^([\p{ID_Start}_$][\p{ID_Continue}$]*)\s*=>/u.exec(text);
  if (bare?.[1] !== undefined) return [bare[1]];
  const open = text.indexOf("(");
  if (open < 0) return [];
  return split(text, open + 1).map((part) => /^(?:\.\.\.\s*)?([\p{ID_Start}_$][\p{ID_Continue}$]*)/u.exec(part)?.[1]);
}

/** Parameters between the parenthesis before `from` and its partner, split at the commas of that level. */
function split(text: string, from: number): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (let i = from; i < text.length; i++) {
    const char = text[i] as string;
    const skipped = skip(text, i);
    if (skipped > i) {
      if (char !== "/") part += text.slice(i, skipped);
      i = skipped - 1;
      continue;
    }
    if (depth === 0 && char === ")") break;
    if ("([{".includes(char)) depth++;
    if (")]}".includes(char)) depth--;
    if (depth === 0 && char === ",") {
      parts.push(part.trim());
      part = "";
    } else {
      part += char;
    }
  }
  if (part.trim() !== "") parts.push(part.trim());
  return parts;
}

/** End of the comment or string that starts at `i`, else `i`. */
function skip(text: string, i: number): number {
  const char = text[i] as string;
  if (char === "/" && text[i + 1] === "*") return end(text.indexOf("*/", i + 2), 2, text);
  if (char === "/" && text[i + 1] === "/") return end(text.indexOf("\n", i + 2), 1, text);
  if (!`"'\``.includes(char)) return i;
  let j = i + 1;
  while (j < text.length && text[j] !== char) j += text[j] === "\\" ? 2 : 1;
  return j + 1;
}

function end(found: number, length: number, text: string): number {
  return found < 0 ? text.length : found + length;
}

/** Arguments without those at the end that are undefined: null would keep a parameter from its default. */
export function givenArguments(args: readonly unknown[]): readonly unknown[] {
  let { length } = args;
  while (length > 0 && args[length - 1] === undefined) length--;
  return length === args.length ? args : args.slice(0, length);
}

/** A run's arguments in the order of its body's parameters: an array is that order already, an object goes by name. */
export function positional(args: unknown, body: (...args: never[]) => unknown): readonly unknown[] {
  if (Array.isArray(args)) return args;
  if (typeof args !== "object" || args === null) return args === null ? [] : [args];
  const byName = args as Record<string, unknown>;
  const names = parameterNames(Function.prototype.toString.call(body));
  // A single parameter that is destructured has no name: it takes them all.
  if (names.length === 1 && names[0] === undefined) return [byName];
  return names.map((name) => name !== undefined && Object.hasOwn(byName, name) ? byName[name] : undefined);
}
