/**
 * Values of DuckDB as JSON, as Windmill gives them: numbers of 64 bits with all their digits, larger ones and decimals as text,
 * timestamps and times as text with the microseconds (or the unit of their type) since the epoch or midnight, dates as the number of
 * days since 1970, blobs as arrays of bytes, intervals as `{ months, days, nanos }`.
 *
 * @module
 */

/** A type of DuckDB: the part that is used here. */
export interface DuckType {
  /** Name in DuckDB's words: `BIGINT`, `DECIMAL(10,2)`, `STRUCT(a INTEGER)`. */
  toString(): string;
  /** `JSON` for a text that holds JSON. */
  readonly alias?: string;
}

interface Composite {
  readonly items?: readonly unknown[];
  readonly entries?: unknown;
  readonly months?: number;
  readonly days?: number;
  readonly micros?: bigint;
  readonly bytes?: Uint8Array;
  readonly tag?: string;
  readonly value?: unknown;
  readonly seconds?: bigint;
  readonly milliseconds?: bigint;
  readonly nanoseconds?: bigint;
  readonly nanos?: bigint;
  readonly millis?: bigint;
}

function memberText(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${duckText(value)}`;
}

/** A value as JSON text; `type` is that of its column, and undefined inside of lists and structs. */
export function duckText(value: unknown, type?: DuckType): string {
  switch (typeof value) {
    case "boolean":
      return `${value}`;
    case "number":
      return Number.isFinite(value) ? `${value}` : JSON.stringify(`${value}`);
    case "bigint": {
      const large = type === undefined ? BigInt.asIntN(64, value) !== value : /^U?HUGEINT|^BIGNUM/.test(`${type}`);
      return large ? `"${value}"` : `${value}`;
    }
    case "string":
      return type?.alias === "JSON" ? jsonText(value) : JSON.stringify(value);
    case "object":
      return value === null ? "null" : compositeText(value);
  }
  return JSON.stringify(`${value}`);
}

function jsonText(text: string): string {
  // Line feeds stand between its parts only: in strings they are escaped.
  return text.replace(/[\r\n]+/g, " ");
}

function compositeText(value: object): string {
  const { items, entries, months, days, micros, bytes, tag, ...rest } = value as Composite;
  if (items !== undefined) return `[${items.map((item) => duckText(item)).join(",")}]`;
  if (Array.isArray(entries)) {
    const members = entries as readonly { readonly key: unknown; readonly value: unknown }[];
    return `{${members.map((entry) => memberText(`${entry.key}`, entry.value)).join(",")}}`;
  }
  if (entries !== undefined) {
    return `{${Object.entries(entries as object).map(([name, item]) => memberText(name, item)).join(",")}}`;
  }
  if (months !== undefined) return `{"months":${months},"days":${days ?? 0},"nanos":${(micros ?? 0n) * 1000n}}`;
  if (days !== undefined) return `${days}`;
  if (bytes !== undefined) return `[${bytes.join(",")}]`;
  if (tag !== undefined) return duckText(rest.value);
  const time = micros ?? rest.nanoseconds ?? rest.nanos ?? rest.milliseconds ?? rest.millis ?? rest.seconds;
  // Decimals, UUIDs, bits, times with a zone: in DuckDB's words.
  return JSON.stringify(`${time === undefined || "offset" in value ? value : time}`);
}
