/**
 * Answers to approvals, held against forms of plain JSON schema.
 *
 * @module
 */
import { brokenIn, differences, type Issue, type JsonSchema, kindOf } from "./json_schema.ts";

/**
 * Says where an answer does not fit a form of plain JSON schema: types, choices, bounds and what is required, at any depth. Patterns
 * and formats are not looked at.
 *
 * @param form a JSON schema with `properties`, or one in the field `schema`; against anything else nothing is held
 * @param value the answer
 * @returns undefined when it fits
 */
export function formProblem(form: unknown, value: unknown): string | undefined {
  const { schema: inner } = Object(form) as { readonly schema?: JsonSchema };
  const schema = [inner, form as JsonSchema].find((one) => kindOf(Object(one).properties) === "object");
  if (schema === undefined) return undefined;
  const whole: JsonSchema = { type: "object", ...schema };
  const isNeeded = (schema.required ?? []).length > 0;
  const issues = !isNeeded && isAbsent(value) ? [] : issuesOf(whole, value, []);
  return issues.length === 0 ? undefined : differences(issues, value, whole);
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
