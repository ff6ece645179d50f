/**
 * Values as PostgreSQL's `jsonb` keeps them (wac-protocol 2.3): keys in order of their length, then of their bytes, the last of
 * two equal keys, no U+0000, no half of a surrogate pair.
 *
 * @module
 */

/** A value of the table. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const bytes = new TextEncoder();

function order(a: string, b: string): number {
  // All of it ASCII, where characters are bytes.
  if (/^[\0-\x7f]*$/.test(a + b)) return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
  const [x, y] = [bytes.encode(a), bytes.encode(b)];
  if (x.length !== y.length) return x.length - y.length;
  for (const [i, byte] of x.entries()) {
    const other = y[i] ?? 0;
    if (byte !== other) return byte - other;
  }
  return 0;
}

/** Text as `jsonb` would give it back; throws what the server says of text that it refuses. */
export function jsonbText(text: string): string {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    throw new Error(`invalid input syntax for type json: ${(error as Error).message}`, { cause: error });
  }
  return write(value);
}

/** A value as it comes back from the table. */
export function jsonb(value: unknown): Json {
  return JSON.parse(jsonbText(JSON.stringify(value)));
}

/** Text of a value that was read from the table, or made of such: fields that are undefined are none. */
export function write(value: Json): string {
  if (typeof value === "string") return quote(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  if (keys.some((key, i) => i > 0 && order(keys[i - 1] ?? "", key) > 0)) keys.sort(order);
  return `{${keys.map((key) => `${quote(key)}:${write(value[key] as Json)}`).join(",")}}`;
}

function quote(text: string): string {
  if (text.includes("\0")) throw new Error("unsupported Unicode escape sequence: \\u0000 cannot be converted to text.");
  if (!text.isWellFormed()) {
    throw new Error("invalid input syntax for type json: Unicode low surrogate must follow a high one");
  }
  return JSON.stringify(text);
}

/** Sets a key of an object, whatever the key's name is. */
export function setKey(object: Record<string, Json>, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
}
