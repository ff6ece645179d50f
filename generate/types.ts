/**
 * Schemas as TypeScript: types only, no word of the descriptions.
 *
 * @module
 */
import { nameOf, type Operation, type Parameter, type Result, type Schema, type Spec } from "./spec.ts";

/** What one operation takes and gives, as text. */
export interface OperationTypes {
  /** The options of a call, without those that every call has. */
  readonly takes: string;
  /** What a call gives. */
  readonly gives: string;
  /** What one item of the answer is, where the operation gives its answer in pages. */
  readonly item: string | undefined;
}

/** Stands before the name of a schema. */
export const REFERENCE = "\u00a7";

/** What a parameter may be of which only the name is known. */
const ANY_PARAMETER = "string | number | boolean | readonly (string | number | boolean)[]";

/** Fields that are known to be there to say nothing about the type. */
const SILENT_FIELDS =
  /^(description|example|default|title|discriminator|minLength|maxLength|minimum|maximum|format|x-.*)$/;

const FIELDS = [
  "$ref",
  "type",
  "nullable",
  "enum",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "oneOf",
  "anyOf",
  "allOf",
];

/** A key of an object type. */
export function keyText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** An object type of fields, of which those that end with `?` may be missing. */
export function objectText(fields: Readonly<Record<string, string>>): string {
  const parts = Object.entries(fields).map(([name, type]) => {
    const optional = name.endsWith("?");
    return `${keyText(optional ? name.slice(0, -1) : name)}${optional ? "?" : ""}: ${type}`;
  });
  return parts.length === 0 ? "Record<never, never>" : `{ ${parts.join("; ")} }`;
}

/** A schema as a type. References are names with a sign before them: where they are found depends on the file. */
export function schemaText(schema: Schema): string {
  const unknown = Object.keys(schema).find((field) => !FIELDS.includes(field) && !SILENT_FIELDS.test(field));
  if (unknown !== undefined) throw new Error(`A schema has the field "${unknown}", which is not understood here`);
  const text = bareText(schema);
  return schema.nullable === true && text !== "unknown" ? `${text} | null` : text;
}

/** A type that may stand before `[]` or beside `&`. */
function closed(text: string): string {
  let depth = 0;
  for (const sign of text) {
    if ("{([<".includes(sign)) depth++;
    if ("})]>".includes(sign)) depth--;
    if (depth === 0 && (sign === "|" || sign === "&")) return `(${text})`;
  }
  return text;
}

function joined(texts: readonly string[], sign: "|" | "&"): string {
  const unique = [...new Set(texts)];
  if (unique.length === 1) return unique[0] ?? "";
  // What is also "anything" is what the others are; what may be anything is anything.
  if (sign === "|" && unique.includes("unknown")) return "unknown";
  return unique.filter((text) => text !== "unknown").map(closed).join(` ${sign} `);
}

function bareText(schema: Schema): string {
  const { $ref, type, oneOf, anyOf, allOf, items } = schema;
  if ($ref !== undefined) return REFERENCE + nameOf($ref);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const parts: string[] = [];
  if (allOf !== undefined) parts.push(joined(allOf.map(schemaText), "&"));
  for (const union of [oneOf, anyOf]) if (union !== undefined) parts.push(joined(union.map(schemaText), "|"));
  if (schema.properties !== undefined || schema.additionalProperties !== undefined || type === "object") {
    // Objects of which nothing is said add nothing to what stands beside them.
    if (schema.properties !== undefined || schema.additionalProperties !== undefined || parts.length === 0) {
      parts.push(recordText(schema));
    }
  } else if (type === "array") parts.push(`${closed(items === undefined ? "unknown" : schemaText(items))}[]`);
  else if (type === "string") parts.push(schema.format === "binary" ? "Blob" : "string");
  else if (type === "integer" || type === "number") parts.push("number");
  else if (type === "boolean") parts.push("boolean");
  else if (type !== undefined) throw new Error(`A schema has the type "${type}", which is not understood here`);
  return parts.length === 0 ? "unknown" : joined(parts, "&");
}

function recordText({ properties = {}, required = [], additionalProperties }: Schema): string {
  const fields = Object.fromEntries(
    Object.entries(properties).map((
      [name, schema],
    ) => [`${name}${required.includes(name) ? "" : "?"}`, schemaText(schema)]),
  );
  const names = Object.keys(fields).length;
  // A schema that says nothing of its fields is a record of anything.
  const rest = additionalProperties ?? (names === 0 ? true : false);
  if (rest === false) return names === 0 ? "Record<string, never>" : objectText(fields);
  const value = rest === true ? "unknown" : schemaText(rest);
  if (names === 0) return `{ [name: string]: ${value} }`;
  if (value === "unknown") return objectText(fields).replace(/ \}$/, "; [name: string]: unknown }");
  return `${objectText(fields)} & { [name: string]: ${value} }`;
}

function parameterText({ name, schema, in: place }: Parameter): string {
  if (schema === undefined) {
    return place === "query" ? ANY_PARAMETER : name === "workspace" ? "string" : "string | number";
  }
  const text = schemaText(schema);
  return text.endsWith("[]") ? `readonly ${text}` : text;
}

function resultText(result: Result): string {
  if (result.kind === "json") return result.schema === undefined ? "unknown" : schemaText(result.schema);
  const texts = {
    text: "string",
    stream: "ReadableStream<Uint8Array>",
    events: "AsyncGenerator<string, void>",
    nothing: "void",
    unknown: "unknown",
  };
  return texts[result.kind];
}

/** What a body is, and whether it must be there. */
function bodyField(operation: Operation): Record<string, string> {
  const { body } = operation;
  if (body === undefined) return {};
  const text = body.mediaType === "application/json"
    ? body.schema === undefined ? "unknown" : schemaText(body.schema)
    : body.mediaType === "multipart/form-data"
    ? "FormData"
    : "BinaryBody";
  return { [body.required ? "body" : "body?"]: text };
}

/** The names of the lists that pages of an operation are made of. */
export function isPaged({ method, parameters, results }: Operation, schemas: Spec["schemas"]): boolean {
  const has = (name: string): boolean => parameters.some((p) => p.in === "query" && p.name === name);
  if (method !== "GET" || !has("page") || !has("per_page")) return false;
  return results.every((result) =>
    result.kind === "unknown" || (result.kind === "json" && resolve(result.schema, schemas)?.type === "array")
  );
}

function resolve(schema: Schema | undefined, schemas: Spec["schemas"]): Schema | undefined {
  return schema?.$ref === undefined ? schema : resolve(schemas.get(nameOf(schema.$ref)), schemas);
}

/** What an operation takes and gives. */
export function operationTypes(operation: Operation, schemas: Spec["schemas"]): OperationTypes {
  const { parameters, results } = operation;
  function place(where: "path" | "query"): Record<string, string> {
    const fields = parameters.filter((p) => p.in === where).map((p) => {
      const mayMiss = !p.required || (where === "path" && p.name === "workspace");
      return [`${p.name}${mayMiss ? "?" : ""}`, parameterText(p)] as const;
    });
    if (fields.length === 0) return {};
    const required = fields.some(([name]) => !name.endsWith("?"));
    return { [required ? where : `${where}?`]: objectText(Object.fromEntries(fields)) };
  }
  const params = { ...place("path"), ...place("query") };
  const required = "path" in params || "query" in params;
  const takes = {
    ...(Object.keys(params).length === 0 ? {} : { [required ? "params" : "params?"]: objectText(params) }),
    ...bodyField(operation),
  };
  const gives = joined(results.map(resultText), "|");
  const item = isPaged(operation, schemas) ? gives : undefined;
  return { takes: objectText(takes), gives, item };
}

/** The arguments of an operation under the official client's names. */
export function argumentsText({ parameters, body }: Operation): { readonly text: string; readonly required: boolean } {
  const fields = Object.fromEntries(parameters.map((p) => {
    const mayMiss = !p.required || p.name === "workspace";
    return [`${p.argument}${mayMiss ? "?" : ""}`, parameterText(p)] as const;
  }));
  if (body !== undefined) {
    const { mediaType, schema, argument, required } = body;
    const text = mediaType === "application/octet-stream"
      ? "BinaryBody"
      : schema === undefined
      ? "unknown"
      : schemaText(schema);
    fields[`${argument}${required ? "" : "?"}`] = text;
  }
  return { text: objectText(fields), required: Object.keys(fields).some((name) => !name.endsWith("?")) };
}

/** What a service of the official client gives: files whole, as it does; events one by one, which it does not. */
export function serviceResultText({ results }: Operation): string {
  return joined(results.map((result) => result.kind === "stream" ? "Blob" : resultText(result)), "|");
}
