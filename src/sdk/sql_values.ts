/**
 * What a value of JavaScript is in SQL: its type, and how it travels in the arguments of a job, which are JSON.
 *
 * @module
 */
import { checked } from "./sql_names.ts";

/** Type in SQL by kind of value. Bytes travel as text in PostgreSQL's own form, since only there a worker decodes them. */
const TYPES: Readonly<Record<string, string>> = {
  String: "TEXT",
  Boolean: "BOOLEAN",
  Number: "FLOAT8",
  BigInt: "BIGINT",
  Date: "TIMESTAMPTZ",
  Uint8Array: "TEXT::BYTEA",
  ArrayBuffer: "TEXT::BYTEA",
  Array: "JSON",
  Object: "JSON",
};

/** What the language calls a value: `Null`, `Date`, `Map`. Plain objects and those of a class are `Object`. */
function kindOf(value: unknown): string {
  return ({}).toString.call(value).slice(8, -1);
}

/** The type in SQL of a value; TEXT for what has none, and for objects that JSON makes a text of. */
export function typeOf(value: unknown): string {
  if (Number.isSafeInteger(value)) return "BIGINT";
  if (!Array.isArray(value)) return TYPES[kindOf(value)] ?? "TEXT";
  const types = new Set(value.map((item) => typeof item === "object" ? "" : typeOf(item)));
  // One scalar kind, or numbers of both kinds.
  const type = `${[...types].sort()}`.replace("BIGINT,F", "F");
  return type && !type.includes(",") ? `${type}[]` : "JSON";
}

/**
 * A value as JSON carries it without loss, at every depth: bigints and the numbers that JSON lacks as text, dates in ISO form,
 * bytes in hex.
 *
 * @throws RangeError when there is something in it that JSON would drop, or turn into something else
 */
export function wireOf(value: unknown, position: number): unknown {
  return JSON.parse(JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, key, found: unknown) {
    // Before its `toJSON` was called, which gives null for an invalid date.
    const raw = this[key];
    const kind = kindOf(raw);
    if (TYPES[kind] === "TEXT::BYTEA") {
      const bytes = new Uint8Array(raw as ArrayBuffer); // `as`: one of the two kinds with this type
      return bytes.reduce((text, byte) => text + (byte + 256).toString(16).slice(1), "\\x");
    }
    if (/^(Big|Num)/.test(kind) && !Number.isFinite(raw)) return `${raw}`;
    const optional = key && found === undefined && !Array.isArray(this);
    checked(kind, raw === null || TYPES[kindOf(found)] || optional, `value ${position}`);
    return found;
  }));
}
