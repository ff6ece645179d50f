/**
 * Values held against a JSON schema: where they differ, and what was expected there. The value itself is never in that text.
 *
 * @module
 */
import type { ValidationIssue } from "../base/errors.ts";

/** Differences that a text names, and characters of each part: a value with 10,000 wrong fields has a short reason too. */
const NAMED = 5;
const LONGEST = 100;

/** What an answer's issue may have beyond the interface: Zod, Valibot and ArkType all say what they expected. */
export interface Issue extends ValidationIssue {
  readonly expected?: unknown;
}

/** What is read of a JSON schema, beside bounds. */
export interface JsonSchema {
  readonly type?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly unknown[];
  readonly items?: unknown;
  readonly format?: unknown;
}

/** Where a value differs, what kind of value is there, and what was expected. Never the value. */
export function differences(issues: readonly ValidationIssue[], value: unknown, jsonSchema?: unknown): string {
  const places = new Set(issues.map((issue: Issue) => {
    const { path = [], expected } = issue;
    let found: unknown = value;
    // Not `path.map`: ArkType's path is an array of a class that makes "0" of an empty one.
    const names = Array.from(path, (part) => {
      const name = typeof part === "object" ? part.key : part;
      found = Object(found)[name];
      return String(name);
    });
    const wanted = isOfSchema(expected, found) ? expected : expectedBy(jsonSchema, names, found);
    const place = names.map(clip).join(".") || "the top";
    return `${place} (found ${kindOf(found)}${wanted === undefined ? "" : `, expected ${clip(wanted)}`})`;
  }));
  const named = [...places].slice(0, NAMED).join(", ");
  return places.size > NAMED ? `${named} and ${places.size - NAMED} more` : named;
}

/** True when what a library says it expected comes from the schema alone: of a union, ArkType quotes what it found. */
function isOfSchema(expected: unknown, found: unknown): expected is string {
  if (typeof expected !== "string" || expected === "" || expected.includes("(was ")) return false;
  if (typeof found === "object" && found !== null) return !/[{[]/.test(expected);
  const text = String(found);
  return text.length < 3 || !expected.includes(text.slice(0, 16));
}

/**
 * What a JSON schema expects at a place where a value does not fit it. The text is of the schema alone, never of the value.
 *
 * @param schema the schema, of the whole value
 * @param path names that lead to the place
 * @param found what is there
 * @returns undefined when it does not say, or nothing that it says is broken
 */
function expectedBy(schema: unknown, path: readonly string[], found: unknown): string | undefined {
  const part = path.reduce<JsonSchema>(
    (at, name) => Object(at.properties?.[name] ?? at.items),
    Object(schema),
  );
  const { format } = part;
  return brokenIn(part, found) ??
    (typeof found === "string" && format !== undefined ? `format ${quoted(format)}` : undefined);
}

/** What a value breaks of a part of a JSON schema: its choices, its type, its bounds. */
export function brokenIn(part: JsonSchema, found: unknown): string | undefined {
  const { type, enum: choices } = part;
  const kind = kindOf(found);
  if (choices !== undefined) return choices.includes(found) ? undefined : choices.map(quoted).join(" or ");
  if (typeof type === "string" && type !== kind && !(type === "integer" && Number.isInteger(found))) return type;
  const broken = Object.entries(part).flatMap(([keyword, bound]) => {
    const [, exclusive, end, ofLength] = /^(exclusive)?(min|max)(?:imum|(Length|Items))$/i.exec(keyword) ?? [];
    const size = ofLength === undefined ? found : Object(found).length;
    if (end === undefined || typeof size !== "number" || typeof bound !== "number") return [];
    const room = end[1] === "i" ? size - bound : bound - size;
    return room > 0 || (room === 0 && exclusive === undefined) ? [] : `${keyword} ${bound}`;
  });
  return broken.join(", ") || undefined;
}

function quoted(value: unknown): string {
  return JSON.stringify(value);
}

/** What kind of value it is, in words. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function clip(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST).toWellFormed()}...`;
}
