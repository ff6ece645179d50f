/**
 * The one form that values have wherever they are recorded: what the protocol's encoding leaves of a value, with object keys
 * in the order of PostgreSQL's jsonb. A value is put into this form before it is committed, and what the body gets is read
 * back from it, live as in replay, so the laptop, the edge and the cluster give the same values in the same order.
 *
 * `undefined` becomes null at every depth, a bigint its decimal text, a Date its ISO text, NaN and the infinities null; nested
 * functions and symbols vanish from objects and become null in arrays; Map and Set become `{}` (wac-protocol 7.5). U+0000 and
 * lone surrogates are refused, because jsonb refuses them.
 *
 * @module
 */

/** What a value of type `T` is after it was recorded and read back. */
export type Jsonified<T> = 0 extends 1 & T ? T
  : unknown extends T ? T
  : [T] extends [JsonValue] ? T
  : T extends { toJSON(key: string): infer R } ? Jsonified<R>
  : T extends { toJSON(): infer R } ? Jsonified<R>
  : T extends string | number | boolean | null ? T
  : T extends bigint ? string
  : T extends undefined | void | symbol ? null
  : T extends (...args: never[]) => unknown ? null
  : T extends readonly unknown[] ? { [I in keyof T]: Jsonified<T[I]> }
  : T extends ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> ? Record<never, never>
  : T extends object ? JsonifiedFields<T>
  : never;

/** A value that is JSON already. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | {
  readonly [name: string]: JsonValue;
};

/** Fields of an object that survive: functions and symbols do not, an optional field may also be null. */
export type JsonifiedFields<T> = {
  [K in keyof T as K extends symbol ? never : T[K] extends ((...args: never[]) => unknown) | symbol ? never : K]:
    | Jsonified<Exclude<T[K], undefined>>
    | (undefined extends T[K] ? null : never);
};

interface Frame {
  readonly up: Frame | undefined;
  readonly value: object;
  readonly key: string;
}

/**
 * Writes a value in canonical form.
 *
 * @param value any value
 * @returns canonical JSON text
 * @throws TypeError for U+0000, a lone surrogate or a cycle, with the path to it, and for too many levels
 */
export function encode(value: unknown): string {
  switch (typeof value) {
    case "undefined":
      return "null";
    case "boolean":
      return value ? "true" : "false";
    case "number":
      return Number.isFinite(value) ? `${value}` : "null";
    default:
      break;
  }
  try {
    return write(value, "", undefined) ?? "null";
  } catch (error) {
    // The stack's end: some thousands of levels, depending on the runtime.
    if (!(error instanceof RangeError)) throw error;
    throw new TypeError("Cannot record value: it is nested too deeply", { cause: error });
  }
}

/** Reads canonical text back. */
export function decode(text: string): unknown {
  return JSON.parse(text);
}

function write(input: unknown, key: string, up: Frame | undefined): string | undefined {
  let value = input;
  if (typeof value === "object" && value !== null) {
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") value = toJSON.call(value, key);
    if (value instanceof Number || value instanceof String || value instanceof Boolean) value = value.valueOf();
  }
  switch (typeof value) {
    case "string":
      return quote(value, key, up);
    case "number":
      return Number.isFinite(value) ? `${value}` : "null";
    case "boolean":
      return value ? "true" : "false";
    case "undefined":
      return "null";
    case "bigint":
      return `"${value}"`;
    case "object":
      break;
    default:
      return undefined;
  }
  if (value === null) return "null";
  for (let f = up; f !== undefined; f = f.up) {
    if (f.value === value) throw new TypeError(`Cannot record ${path(key, up)}: it contains itself`);
  }
  const frame: Frame = { up, value, key };
  if (Array.isArray(value)) {
    let text = "[";
    for (let i = 0; i < value.length; i++) {
      text += (i === 0 ? "" : ",") + (write(value[i], `${i}`, frame) ?? "null");
    }
    return text + "]";
  }
  const fields = value as Record<string, unknown>;
  const keys = Object.keys(fields);
  for (let i = 1; i < keys.length; i++) {
    if (jsonbOrder(keys[i - 1] as string, keys[i] as string) > 0) {
      keys.sort(jsonbOrder);
      break;
    }
  }
  let text = "";
  for (const k of keys) {
    const field = write(fields[k], k, frame);
    if (field !== undefined) text += `${text === "" ? "" : ","}${quote(k, k, frame)}:${field}`;
  }
  return `{${text}}`;
}

const SUSPECT = /[\0\ud800-\udfff]/;

function quote(text: string, key: string, up: Frame | undefined): string {
  if (SUSPECT.test(text)) {
    const what = text.includes("\0") ? "U+0000" : text.isWellFormed() ? undefined : "a lone surrogate";
    if (what !== undefined) {
      throw new TypeError(`Cannot record ${path(key, up)}: it contains ${what}, which jsonb refuses`);
    }
  }
  return JSON.stringify(text);
}

/** Where in the value something is: `value.items[3].name`. */
function path(key: string, up: Frame | undefined): string {
  let text = "";
  let last = key;
  for (let f = up; f !== undefined; f = f.up) {
    text = (Array.isArray(f.value)
      ? `[${last}]`
      : /^[A-Za-z_$][\w$]*$/.test(last)
      ? `.${last}`
      : `[${JSON.stringify(last)}]`) +
      text;
    last = f.key;
  }
  return `value${text}`;
}

const ASCII = /^[\0-\x7f]*$/;

/** jsonb's order of object keys: shorter first (in bytes of UTF-8), then bytewise, which is by code point. */
export function jsonbOrder(a: string, b: string): number {
  if (ASCII.test(a) && ASCII.test(b)) return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
  const x = [...a], y = [...b];
  const length = byteLength(x) - byteLength(y);
  if (length !== 0) return length;
  for (let i = 0; i < x.length && i < y.length; i++) {
    const order = (x[i]?.codePointAt(0) ?? 0) - (y[i]?.codePointAt(0) ?? 0);
    if (order !== 0) return order;
  }
  return x.length - y.length;
}

function byteLength(points: readonly string[]): number {
  let bytes = 0;
  for (const p of points) {
    const code = p.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
