/**
 * Values that come from outside, held against a schema: what is told to who sent them, and what the body gets.
 *
 * @module
 */
import { ValidationError, type ValidationIssue } from "../base/errors.ts";
import type { SchemaAnswer, StandardSchema } from "../base/standard_schema.ts";

/** Differences that a text names, and characters of each part: a value with 10,000 wrong fields has a short reason too. */
const NAMED = 5;
const LONGEST = 100;

/** What an answer's issue may have beyond the interface: Zod, Valibot and ArkType all say what they expected. */
interface Issue extends ValidationIssue {
  readonly expected?: unknown;
}

/** What is read of a JSON schema, beside bounds. */
interface JsonSchema {
  readonly type?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly unknown[];
  readonly items?: unknown;
  readonly format?: unknown;
}

/** True for a schema of the Standard Schema kind. ArkType's are functions. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return typeof (value as Partial<StandardSchema>)["~standard"]?.validate === "function";
}

/**
 * Makes of a schema what a host asks before it takes a value.
 *
 * @param jsonSchema the same as JSON schema, where there is one: it says of bounds and choices what libraries do not
 * @returns a function that gives undefined for a value that fits, else where it differs, what kind of value is there, and what
 * was expected. The value itself is never in that text: it may be a secret, and the text ends up in logs and in answers
 */
export function schemaCheck(
  schema: StandardSchema,
  jsonSchema?: unknown,
): (value: unknown) => Promise<string | undefined> {
  return async (value) => {
    const answer = await ask(schema, value);
    return answer.issues === undefined ? undefined : differences(answer.issues, value, jsonSchema);
  };
}

/**
 * Gives what a schema makes of a value.
 *
 * @param what names the value in the error, e.g. `the answer of approval "sign_off"`
 * @throws ValidationError when it does not fit
 */
export async function schemaOutput<Output>(
  schema: StandardSchema<Output>,
  value: unknown,
  what: string,
): Promise<Output> {
  const answer = await ask(schema, value);
  if (answer.issues === undefined) return answer.value;
  throw new ValidationError(
    `Expected ${what} to fit its schema, found a difference at ${differences(answer.issues, value)}`,
    answer.issues,
  );
}

/** What the schema says now; undefined when it must be waited for. */
export function schemaAnswer<Output>(schema: StandardSchema<Output>, value: unknown): SchemaAnswer<Output> | undefined {
  const answer = schema["~standard"].validate(value);
  return "then" in answer ? undefined : answer;
}

/** A schema whose own code throws refuses the value: whoever sent it can send another one. */
async function ask<Output>(schema: StandardSchema<Output>, value: unknown): Promise<SchemaAnswer<Output>> {
  try {
    return await schema["~standard"].validate(value);
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    return {
      issues: [{ message: String(error), expected: `no ${name}` }] as Issue[],
    };
  }
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
function brokenIn(part: JsonSchema, found: unknown): string | undefined {
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

/**
 * Makes of an approval's form of plain JSON schema what a host asks before it takes an answer: types, choices, bounds and what is
 * required, at any depth. Patterns and formats are not looked at.
 *
 * @param form a JSON schema with `properties`, or one in the field `schema`
 * @returns undefined when the form is none: nothing is checked then
 */
export function formCheck(form: unknown): ((value: unknown) => Promise<string | undefined>) | undefined {
  const { schema: inner } = Object(form) as { readonly schema?: JsonSchema };
  const schema = [inner, form as JsonSchema].find((one) => kindOf(Object(one).properties) === "object");
  if (schema === undefined) return undefined;
  const whole: JsonSchema = { type: "object", ...schema };
  const isNeeded = (schema.required ?? []).length > 0;
  return (value) => {
    const issues = !isNeeded && isAbsent(value) ? [] : issuesOf(whole, value, []);
    return Promise.resolve(issues.length === 0 ? undefined : differences(issues, value, whole));
  };
}

/** Where a value differs from a JSON schema. */
function issuesOf(part: JsonSchema, value: unknown, path: readonly string[]): readonly Issue[] {
  // What refers to a variable or a resource stands for its value.
  if (typeof value === "string" && /^\$(?:res|var):/.test(value)) return [];
  const expected = brokenIn(part, value);
  if (expected !== undefined) return [{ message: `Expected ${expected}`, path, expected }];
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown, i) => issuesOf(Object(part.items), item, [...path, String(i)]));
  }
  if (kindOf(value) !== "object") return [];
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(part.properties ?? {}).flatMap(([name, field]) => {
    const found = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!isAbsent(found)) return issuesOf(Object(field), found, [...path, name]);
    const { type } = Object(field) as JsonSchema;
    return part.required?.includes(name) === true && !(found === null && Array.isArray(type) && type.includes("null"))
      ? [{ message: "Required", path: [...path, name], expected: typeof type === "string" ? type : "a value" }]
      : [];
  });
}

/** What a page sends of a field that was left empty. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
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
