/**
 * What a JSON schema expects where a value does not fit it. The text is of the schema alone, never of the value.
 *
 * @module
 */

interface JsonSchema {
  readonly type?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly items?: unknown;
  readonly format?: unknown;
}

/** Keywords of bounds: what is measured of a value, how it is said, and when it is kept. */
const BOUNDS = [
  ["minimum", "number", "at least", (n: number, bound: number) => n >= bound],
  ["exclusiveMinimum", "number", "more than", (n: number, bound: number) => n > bound],
  ["maximum", "number", "at most", (n: number, bound: number) => n <= bound],
  ["exclusiveMaximum", "number", "less than", (n: number, bound: number) => n < bound],
  ["minLength", "string", "a length of at least", (n: number, bound: number) => n >= bound],
  ["maxLength", "string", "a length of at most", (n: number, bound: number) => n <= bound],
  ["minItems", "array", "a length of at least", (n: number, bound: number) => n >= bound],
  ["maxItems", "array", "a length of at most", (n: number, bound: number) => n <= bound],
] as const;

/**
 * Tells what a JSON schema expects at a place.
 *
 * @param schema the schema, of the whole value
 * @param path names that lead to the place
 * @param found what is there
 * @returns undefined when it does not say, or nothing that it says is broken
 */
export function expectedBy(schema: unknown, path: readonly string[], found: unknown): string | undefined {
  const part = path.reduce<unknown>((at, name) => {
    const { properties, items } = Object(at) as JsonSchema;
    return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : items;
  }, schema);
  if (typeof part !== "object" || part === null) return undefined;
  const { type, enum: choices, const: only, format } = part as JsonSchema;
  if (Array.isArray(choices)) {
    return choices.includes(found) ? undefined : `one of ${choices.map((one) => JSON.stringify(one)).join(", ")}`;
  }
  if (only !== undefined) return found === only ? undefined : JSON.stringify(only);
  const kind = Array.isArray(found) ? "array" : found === null ? "null" : typeof found;
  if (typeof type === "string") {
    if (type === "integer" ? !Number.isInteger(found) : type !== kind) return type;
  }
  const size = typeof found === "number" ? found : (Object(found) as { readonly length?: unknown }).length;
  const broken = BOUNDS.flatMap(([keyword, of, words, keeps]) => {
    const bound = (part as Readonly<Record<string, unknown>>)[keyword];
    if (of !== kind || typeof bound !== "number" || typeof size !== "number" || keeps(size, bound)) return [];
    return [`${words} ${bound}`];
  });
  if (broken.length > 0) return broken.join(", ");
  return kind === "string" && typeof format === "string" ? `text of the format "${format}"` : undefined;
}
