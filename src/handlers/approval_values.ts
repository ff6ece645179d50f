/**
 * An answer in JSON, looked at as one that was typed into the form.
 *
 * @module
 */
import { type Field, inputName } from "../forms/fields.ts";
import { type FormAnswer, readForm } from "../forms/values.ts";

const NEEDS: Readonly<Record<string, "string" | "number" | "boolean">> = {
  number: "number",
  integer: "number",
  boolean: "boolean",
  text: "string",
  textarea: "string",
  email: "string",
  url: "string",
  password: "string",
  date: "string",
  time: "string",
};

function isKind(value: unknown, kind: string): boolean {
  const found = typeof value;
  return found === kind;
}

/** The place of a value among those that are offered; one that is none of them is no place. */
function placeOf(field: Field, value: unknown): string {
  const text = JSON.stringify(value);
  return String(field.options.findIndex((option) => JSON.stringify(option) === text));
}

/** What a browser would send for a value, or what is wrong with its kind. */
function textsOf(field: Field, value: unknown): readonly string[] | { readonly error: string } {
  const { kind } = field;
  const wanted = NEEDS[kind];
  if (wanted !== undefined && !isKind(value, wanted)) return { error: `Expected a ${wanted}` };
  if (kind === "boolean") return value === true ? ["true"] : [];
  if (kind === "select") return [placeOf(field, value)];
  if (kind === "choices" || kind === "texts") {
    if (!Array.isArray(value)) return { error: "Expected a list" };
    if (kind === "choices") return value.map((one) => placeOf(field, one));
    const item = field.items === "text" ? "string" : "number";
    return value.every((one) => isKind(one, item)) ? [value.join("\n")] : { error: `Expected a list of ${item}s` };
  }
  // Other kinds are written as JSON, or are a text: a moment, the path of a resource.
  if (kind === "datetime") {
    const at = typeof value === "string" ? Date.parse(value) : NaN;
    return Number.isFinite(at) ? [new Date(at).toISOString().slice(0, -1)] : { error: "Expected a date and a time" };
  }
  if (kind === "resource" && typeof value === "string") return [value];
  return [wanted === undefined ? JSON.stringify(value) : `${value}`];
}

/** Reads an answer in JSON. Fields that are not in the form are no part of it. */
export function readPayload(fields: readonly Field[], payload: Readonly<Record<string, unknown>>): FormAnswer {
  const sent = new URLSearchParams(), errors = new Map<string, string>();
  for (const field of fields) {
    const value = Object.hasOwn(payload, field.name) ? payload[field.name] : undefined;
    if (value === undefined || value === null) continue;
    const texts = textsOf(field, value);
    if ("error" in texts) errors.set(field.name, texts.error);
    else for (const text of texts) sent.append(inputName(field), text);
  }
  const read = readForm(fields, sent);
  // A list of texts keeps its ends of lines: a form has one text on a line.
  const values = fields.filter(({ kind, items, name }) =>
    kind === "texts" && items === "text" && Object.hasOwn(payload, name)
  )
    .map(({ name }) => [name, payload[name]] as const);
  return {
    texts: read.texts,
    values: { ...read.values, ...Object.fromEntries(values) },
    // The kind of a value goes before what its text lacks.
    errors: new Map([...read.errors, ...errors]),
  };
}
