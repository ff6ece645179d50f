/**
 * The fields of a form, out of a JSON schema: what a script takes, or what an approver is asked.
 *
 * @module
 */
import { type Fields, isFields } from "../base/exact_numbers.ts";

/** How a field is filled in. */
export type FieldKind =
  | "text"
  | "textarea"
  | "email"
  | "url"
  | "password"
  | "number"
  | "integer"
  | "boolean"
  | "select"
  | "choices"
  | "texts"
  | "date"
  | "time"
  | "datetime"
  | "resource"
  | "json";

/** One field. */
export interface Field {
  readonly name: string;
  readonly label: string;
  readonly kind: FieldKind;
  readonly required: boolean;
  readonly hint: string;
  /** What it holds when nobody changes it. */
  readonly initial: unknown;
  /** Values to choose among. */
  readonly options: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  /** Kind of the texts of a list. */
  readonly items: "text" | "number" | "integer";
  /** Type of the resource that is wanted. */
  readonly resourceType?: string;
}

/** More fields than any form of a person: the rest is left out. */
const MAX_FIELDS = 200;

function textAt(schema: Fields, name: string): string | undefined {
  const value = schema[name];
  return typeof value === "string" ? value : undefined;
}

function numberAt(schema: Fields, name: string): number | undefined {
  const value = schema[name];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The type that is not null. */
function typeOf(schema: Fields): string | undefined {
  const { type } = schema;
  if (Array.isArray(type)) return type.find((one): one is string => typeof one === "string" && one !== "null");
  return typeof type === "string" ? type : undefined;
}

function textKind(schema: Fields): FieldKind {
  const format = textAt(schema, "format") ?? "";
  const plain: Readonly<Record<string, FieldKind>> = {
    date: "date",
    time: "time",
    "date-time": "datetime",
    "naive-date-time": "datetime",
    email: "email",
    uri: "url",
    url: "url",
    password: "password",
    textarea: "textarea",
    sql: "textarea",
    yaml: "textarea",
  };
  const named = Object.hasOwn(plain, format) ? plain[format] : undefined;
  if (named !== undefined) return named;
  if (schema["password"] === true) return "password";
  if (textAt(schema, "contentEncoding") === "base64") return "textarea";
  const rows = numberAt(schema, "minRows") ?? 0, longest = numberAt(schema, "maxLength") ?? 0;
  return rows > 1 || longest > 200 || textAt(schema, "default")?.includes("\n") === true ? "textarea" : "text";
}

function kindOf(schema: Fields): Pick<Field, "kind" | "options" | "items"> {
  const type = typeOf(schema);
  const items = isFields(schema["items"]) ? schema["items"] : {};
  const itemType = typeOf(items);
  const one = { options: [], items: "text" } as const;
  if (Array.isArray(schema["enum"]) && schema["enum"].length > 0) {
    return { ...one, kind: "select", options: schema["enum"] };
  }
  if ((textAt(schema, "format") ?? "").startsWith("resource-")) return { ...one, kind: "resource" };
  if (type === "string") return { ...one, kind: textKind(schema) };
  if (type === "number" || type === "integer") return { ...one, kind: type };
  if (type === "boolean") return { ...one, kind: "boolean" };
  if (type === "array") {
    if (Array.isArray(items["enum"])) return { ...one, kind: "choices", options: items["enum"] };
    if (itemType === "string" || (itemType === undefined && textAt(schema, "format") === "textarea")) {
      return { ...one, kind: "texts" };
    }
    if (itemType === "number" || itemType === "integer") return { ...one, kind: "texts", items: itemType };
  }
  return { ...one, kind: "json" };
}

/** A schema that stands in a field `schema`, as forms of approvals have it, or by itself. */
function unwrapped(schema: unknown): Fields {
  if (!isFields(schema)) return {};
  const inner = schema["schema"];
  return isFields(inner) && isFields(inner["properties"]) ? inner : schema;
}

/**
 * The fields of a schema, in its order.
 *
 * @param given values that stand in place of the defaults
 */
export function fieldsOf(schema: unknown, given: Fields = {}): readonly Field[] {
  const { properties, required, order } = unwrapped(schema);
  if (!isFields(properties)) return [];
  const wanted = new Set(Array.isArray(required) ? required : []);
  const first = Array.isArray(order) ? order.filter((name): name is string => typeof name === "string") : [];
  const names = [...new Set([...first.filter((name) => Object.hasOwn(properties, name)), ...Object.keys(properties)])];
  return names.slice(0, MAX_FIELDS).map((name): Field => {
    const own = properties[name];
    const about = isFields(own) ? own : {};
    const minimum = numberAt(about, "minimum"), maximum = numberAt(about, "maximum");
    const minLength = numberAt(about, "minLength"), maxLength = numberAt(about, "maxLength");
    const pattern = textAt(about, "pattern"), format = textAt(about, "format") ?? "";
    return {
      name,
      label: textAt(about, "title") || name,
      ...kindOf(about),
      required: wanted.has(name),
      hint: textAt(about, "description") ?? "",
      initial: Object.hasOwn(given, name) ? given[name] : about["default"],
      ...(minimum !== undefined && { minimum }),
      ...(maximum !== undefined && { maximum }),
      ...(minLength !== undefined && { minLength }),
      ...(maxLength !== undefined && { maxLength }),
      ...(pattern !== undefined && { pattern }),
      ...(format.startsWith("resource-") && { resourceType: format.slice("resource-".length) }),
    };
  });
}

/** The name under which a field is sent. */
export function inputName(field: Field): string {
  return `a.${field.name}`;
}
