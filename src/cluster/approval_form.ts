/**
 * The form of an approval, made of a schema: what the page of a Windmill server and `windkit run` show.
 *
 * A server's page reads `form.schema`: a JSON schema of an object with `properties`, `required` and `order` (where it has no
 * `properties`, the page takes it for a map of fields).
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import type { StandardSchema } from "../base/standard_schema.ts";
import type { Json } from "../workflow/journal.ts";

/** Standard JSON Schema: what a schema has that can describe itself (Zod 4.2, ArkType 2.1.28, `toStandardJsonSchema` of Valibot). */
interface Describing {
  readonly "~standard": {
    readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => unknown };
  };
  /** ArkType before it had the interface. */
  readonly toJsonSchema?: () => unknown;
}

interface ObjectSchema {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
  readonly order?: readonly string[];
}

/** Ways to combine schemas; in all but the last, a value fits one of them. */
const COMBINED = ["anyOf", "oneOf", "allOf"] as const;

/**
 * Makes the form of a schema.
 *
 * @param jsonSchema the same as JSON schema; asked of the schema otherwise
 * @throws TypeError when the schema cannot describe itself, or describes something that is no object
 */
export function formOf(schema: StandardSchema, jsonSchema?: object): Json {
  const described = jsonSchema ?? describe(schema);
  const fields = fieldsOf(described);
  if (fields === undefined) {
    const { type } = Object(described) as ObjectSchema;
    throw new TypeError(
      `Cannot make the form of an approval: its schema must be one of an object, because people fill in fields by name; found ${
        typeof type === "string" ? `type "${type}"` : "none of 'properties', 'anyOf', 'oneOf' and 'allOf'"
      }`,
    );
  }
  const { properties, required } = fields;
  const order = (described as ObjectSchema).order ?? Object.keys(properties);
  return decode(encode({ schema: { ...described, type: "object", properties, required, order } })) as Json;
}

function describe(schema: StandardSchema): object {
  const { "~standard": { vendor, jsonSchema }, toJsonSchema } = schema as StandardSchema & Describing;
  const ask = jsonSchema?.input === undefined
    ? typeof toJsonSchema === "function" ? () => toJsonSchema.call(schema) : undefined
    : () => jsonSchema.input?.({ target: "draft-2020-12" });
  const cure = "pass `form: { schema, jsonSchema }`, with the JSON schema of what people enter";
  if (ask === undefined) {
    throw new TypeError(
      `Cannot make the form of an approval: this schema of "${vendor}" has no JSON schema of its own ("~standard.jsonSchema", ` +
        `as in Zod 4.2, ArkType 2.1.28 or \`toStandardJsonSchema\` of @valibot/to-json-schema): ${cure}`,
    );
  }
  try {
    return ask() as object;
  } catch (error) {
    throw new TypeError(
      `Cannot make the form of an approval: "${vendor}" finds no JSON schema for it (${
        (error as Error).message
      }): ${cure}`,
      { cause: error },
    );
  }
}

/** The fields of an object's schema, those of its variants too; undefined when it describes something else. */
function fieldsOf(schema: unknown): Required<Pick<ObjectSchema, "properties" | "required">> | undefined {
  const { type, properties, required = [] } = Object(schema) as ObjectSchema;
  if (type !== undefined && type !== "object") return undefined;
  let known = type === "object" || properties !== undefined;
  let fields: Readonly<Record<string, unknown>> = properties ?? {};
  let needed = [...required];
  for (const how of COMBINED) {
    const parts = (Object(schema) as Readonly<Record<string, unknown>>)[how];
    if (!Array.isArray(parts) || parts.length === 0) continue;
    const variants = parts.map(fieldsOf);
    let inAll: readonly string[] | undefined;
    for (const variant of variants) {
      if (variant === undefined) return undefined;
      fields = joined(fields, variant.properties);
      if (how === "allOf") needed.push(...variant.required);
      else inAll = inAll === undefined ? variant.required : inAll.filter((name) => variant.required.includes(name));
    }
    needed.push(...inAll ?? []);
    known = true;
  }
  needed = [...new Set(needed)];
  return known ? { properties: fields, required: needed } : undefined;
}

/** Fields of both. What tells variants apart is a choice between their texts. */
function joined(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const fields = new Map(Object.entries(a));
  for (const [name, field] of Object.entries(b)) {
    const first = fields.get(name);
    const [before, after] = [textsOf(first), textsOf(field)];
    if (first === undefined) fields.set(name, field);
    else if (before !== undefined && after !== undefined) {
      const { const: _, ...rest } = first as { readonly const?: unknown };
      fields.set(name, { ...rest, type: "string", enum: [...new Set([...before, ...after])] });
    }
  }
  // From a map: a field may be named "__proto__".
  return Object.fromEntries(fields);
}

/** Texts that a field is bound to. */
function textsOf(field: unknown): readonly string[] | undefined {
  const { const: only, enum: some } = Object(field) as { readonly const?: unknown; readonly enum?: unknown };
  const texts: readonly unknown[] = Array.isArray(some) ? some : [only];
  return texts.every((text) => typeof text === "string") ? texts as readonly string[] : undefined;
}
