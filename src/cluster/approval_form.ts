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

/** What a schema has that can describe itself. */
interface Describing {
  /** Standard JSON Schema: Zod 4.2, ArkType 2.1.28, `toStandardJsonSchema` of Valibot. */
  readonly "~standard": { readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => object } };
  /** ArkType before it had the interface. */
  readonly toJsonSchema?: () => object;
}

interface ObjectSchema {
  readonly type?: unknown;
  readonly properties?: Fields;
  readonly required?: readonly string[];
  readonly order?: readonly string[];
  /** Variants: a value fits one of them. */
  readonly anyOf?: readonly unknown[];
  readonly oneOf?: readonly unknown[];
  /** A value fits each of them. */
  readonly allOf?: readonly unknown[];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Makes the form of a schema.
 *
 * @param jsonSchema the same as JSON schema; asked of the schema otherwise
 * @throws TypeError when the schema cannot describe itself, or describes something that is no object
 */
export function formOf(schema: StandardSchema, jsonSchema: object = describe(schema)): Json {
  const [properties, required] = fieldsOf(jsonSchema) ?? [];
  if (properties === undefined) {
    const { type = "no 'properties'" } = Object(jsonSchema) as ObjectSchema;
    throw new TypeError(
      `Cannot make the form of an approval: its schema must be one of an object, with fields to fill in, found ${type}`,
    );
  }
  const { order = Object.keys(properties) } = jsonSchema as ObjectSchema;
  return decode(encode({ schema: { ...jsonSchema, type: "object", properties, required, order } })) as Json;
}

function describe(schema: StandardSchema): object {
  const { "~standard": { vendor, jsonSchema }, toJsonSchema } = schema as StandardSchema & Describing;
  let cause: unknown;
  try {
    const described = jsonSchema?.input?.({ target: "draft-2020-12" }) ?? toJsonSchema?.call(schema);
    if (described !== undefined) return described;
  } catch (error) {
    cause = error;
  }
  const why = cause === undefined
    ? 'it has no "~standard.jsonSchema", which Zod 4.2, ArkType 2.1.28 and `toStandardJsonSchema` of Valibot give'
    : (cause as Error).message;
  throw new TypeError(
    `Cannot make the form of an approval: there is no JSON schema of this schema of "${vendor}" (${why}). ` +
      "Pass `form: { schema, jsonSchema }`",
    { cause },
  );
}

/** The fields of an object's schema, those of its variants too, and which are needed; undefined when it describes something else. */
function fieldsOf(schema: unknown): readonly [Fields, readonly string[]] | undefined {
  const { type, properties, required = [], anyOf = [], oneOf = anyOf, allOf = [] } = Object(schema) as ObjectSchema;
  const parts = [...oneOf, ...allOf].map(fieldsOf);
  if ((type ?? "object") !== "object" || !(type ?? properties ?? parts[0]) || parts.includes(undefined)) {
    return undefined;
  }
  const fields = new Map(Object.entries(properties ?? {}));
  const needed = new Set(required);
  for (const [i, part] of parts.entries()) {
    const [more, alsoNeeded] = part as readonly [Fields, readonly string[]]; // none is undefined
    for (const [name, field] of Object.entries(more)) fields.set(name, joined(fields.get(name), field));
    for (const name of alsoNeeded) {
      if (i >= oneOf.length || parts.slice(0, oneOf.length).every((p) => p?.[1].includes(name))) needed.add(name);
    }
  }
  // From a map: a field may be named "__proto__".
  return [Object.fromEntries(fields), [...needed]];
}

/** One field of two variants. What tells them apart is a choice between their texts. */
function joined(a: unknown, b: unknown): unknown {
  if (a === undefined) return b;
  const { const: one, ...rest } = a as { readonly const?: unknown; readonly enum?: readonly unknown[] };
  const other = (b as { readonly const?: unknown }).const;
  if (other === undefined || (one === undefined && rest.enum === undefined)) return a;
  return { ...rest, enum: [...new Set([...rest.enum ?? [one], other])] };
}
