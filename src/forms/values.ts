/**
 * What somebody filled in, as values of the schema, and what is wrong with it.
 *
 * @module
 */
import { type Field, inputName } from "./fields.ts";

/** A form that was sent. */
export interface FormAnswer {
  /** By field; what was left empty and need not be there is absent. */
  readonly values: Readonly<Record<string, unknown>>;
  /** What is wrong, by field. */
  readonly errors: ReadonlyMap<string, string>;
  /** What was sent, by field: shown again when something is wrong. */
  readonly texts: ReadonlyMap<string, readonly string[]>;
}

/** A value, or what is wrong with its text. */
type Read = { readonly value: unknown } | { readonly error: string };

/** Longest text that a field of a list or of a form may be. */
const MAX_CHARS = 1_000_000;

function readNumber(text: string, kind: string, { minimum, maximum }: Field): Read {
  const value = Number(text);
  if (!/^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(text) || !Number.isFinite(value)) {
    return { error: `Expected a number, found “${text.slice(0, 40)}”` };
  }
  if (kind === "integer" && !Number.isInteger(value)) return { error: "Expected a whole number" };
  if (minimum !== undefined && value < minimum) return { error: `Expected at least ${minimum}` };
  if (maximum !== undefined && value > maximum) return { error: `Expected at most ${maximum}` };
  return { value };
}

function readText(text: string, { kind, minLength, maxLength }: Field): Read {
  // Browsers send the ends of lines in two characters.
  const value = kind === "textarea" ? text.replaceAll("\r\n", "\n") : text;
  const length = [...value].length;
  if (minLength !== undefined && length < minLength) {
    return { error: `Expected at least ${minLength} characters, found ${length}` };
  }
  if (maxLength !== undefined && length > maxLength) {
    return { error: `Expected at most ${maxLength} characters, found ${length}` };
  }
  if (kind === "email" && !/^[^\s@]+@[^\s@]+$/.test(value)) return { error: "Expected an e-mail address" };
  if (kind === "url" && !URL.canParse(value)) return { error: "Expected an address, https://example.com" };
  return { value };
}

function readMoment(text: string, kind: string): Read {
  if (kind === "time") {
    return /^\d{2}:\d{2}(?::\d{2})?$/.test(text) ? { value: text } : { error: "Expected a time, 14:30" };
  }
  const at = new Date(kind === "date" ? `${text}T00:00:00Z` : `${text}Z`).getTime();
  if (kind === "date") {
    const known = /^\d{4}-\d{2}-\d{2}$/.test(text) && Number.isFinite(at);
    // The 30th of February is the second of March for some.
    const same = known && new Date(at).toISOString().startsWith(text);
    return same ? { value: text } : { error: "Expected a date, 2026-03-31" };
  }
  const known = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text) && Number.isFinite(at);
  return known ? { value: new Date(at).toISOString() } : { error: "Expected a date and a time, 2026-03-31 14:30" };
}

function readJson(text: string): Read {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: `Expected JSON: ${error instanceof Error ? error.message : "it cannot be read"}` };
  }
}

function readTexts(text: string, field: Field): Read {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (field.items === "text") return { value: lines };
  const values: unknown[] = [];
  for (const [at, line] of lines.entries()) {
    const read = readNumber(line.trim(), field.items, field);
    if ("error" in read) return { error: `Line ${at + 1}: ${read.error}` };
    values.push(read.value);
  }
  return { value: values };
}

/** The choice of a place in a list of options. */
function optionAt(field: Field, text: string): Read {
  const at = /^\d{1,6}$/.test(text) ? Number(text) : -1;
  return at >= 0 && at < field.options.length
    ? { value: field.options[at] }
    : { error: "Expected one of those that are offered" };
}

function readField(field: Field, texts: readonly string[]): Read | undefined {
  const { kind, required } = field;
  const [text = ""] = texts;
  if (kind === "boolean") return { value: texts.length > 0 };
  if (kind === "choices") {
    const reads = texts.map((one) => optionAt(field, one));
    const wrong = reads.find((read) => "error" in read);
    if (wrong !== undefined) return wrong;
    if (required && reads.length === 0) return { error: "Choose at least one" };
    return reads.length === 0 && field.initial === undefined
      ? undefined
      : { value: reads.map((read) => "value" in read ? read.value : undefined) };
  }
  if (text.length > MAX_CHARS) return { error: `Expected at most ${MAX_CHARS} characters` };
  const empty = kind === "text" || kind === "textarea" || kind === "password" ? text === "" : text.trim() === "";
  if (empty) {
    if (!required) return undefined;
    return { error: kind === "select" ? "Choose one" : "This is needed" };
  }
  switch (kind) {
    case "number":
    case "integer":
      return readNumber(text.trim(), kind, field);
    case "select":
      return optionAt(field, text);
    case "texts":
      return readTexts(text, field);
    case "date":
    case "time":
    case "datetime":
      return readMoment(text.trim(), kind);
    case "json":
      return readJson(text);
    case "resource":
      return text.trim().startsWith("$") ? { value: text.trim() } : readJson(text);
    default:
      return readText(text, field);
  }
}

/** Reads a form that was sent. A pattern is looked at by the browser only: one that backtracks for ever would hold the server. */
export function readForm(fields: readonly Field[], sent: URLSearchParams): FormAnswer {
  const values: [string, unknown][] = [];
  const errors = new Map<string, string>(), texts = new Map<string, readonly string[]>();
  for (const field of fields) {
    const given = sent.getAll(inputName(field));
    texts.set(field.name, given);
    const read = readField(field, given);
    if (read === undefined) continue;
    if ("error" in read) errors.set(field.name, read.error);
    else values.push([field.name, read.value]);
  }
  return { values: Object.fromEntries(values), errors, texts };
}
