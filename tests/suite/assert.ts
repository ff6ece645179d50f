/** Assertions for the suite: they run on every runtime, workerd without Node's built-ins included. */

function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return typeof value === "string"
      ? JSON.stringify(value)
      : JSON.stringify(value, (_k, v) => typeof v === "bigint" ? `${v}n` : v === undefined ? "undefined" : v, 2) ??
        String(value);
  } catch {
    return String(value);
  }
}

/** Deep equality of JSON-like values, bytes, dates, maps and sets; NaN equals NaN, key order does not matter. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date) return a.getTime() === (b as Date).getTime();
  if (ArrayBuffer.isView(a)) {
    const x = a as Uint8Array, y = b as Uint8Array;
    return x.length === y.length && x.every((v, i) => v === y[i]);
  }
  if (a instanceof Map || a instanceof Set) return same([...a], [...b as Iterable<unknown>]);
  if (a instanceof Error) return a.name === (b as Error).name && a.message === (b as Error).message;
  const ka = Object.keys(a), kb = Object.keys(b);
  return ka.length === kb.length &&
    ka.every((k) => Object.hasOwn(b, k) && same((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k]));
}

/** Fails unless `actual` equals `expected`, deeply. */
export function assertEquals(actual: unknown, expected: unknown, message = "Values differ"): void {
  if (!same(actual, expected)) {
    throw new Error(`${message}\n  actual:   ${show(actual)}\n  expected: ${show(expected)}`);
  }
}

/** Fails unless the value is true. */
export function assert(value: unknown, message = "Expected something true"): asserts value {
  if (!value) throw new Error(message);
}

/** Fails unless `text` contains `part`. */
export function assertIncludes(text: string, part: string): void {
  if (!text.includes(part)) throw new Error(`Expected a text with ${show(part)}, found ${show(text)}`);
}

/** Fails unless `fn` throws or rejects; returns what it threw. With `code`, the error must carry it. */
export async function assertRejects(fn: () => unknown, code?: string, messagePart?: string): Promise<Error> {
  let thrown: unknown;
  try {
    await fn();
  } catch (error) {
    thrown = error;
    if (!(error instanceof Error)) throw new Error(`Expected an Error, found ${show(error)}`);
    const found = (error as { code?: unknown }).code;
    if (code !== undefined && found !== code) {
      throw new Error(`Expected an error with code ${code}, found ${show(found)}: ${error.stack}`);
    }
    if (messagePart !== undefined) assertIncludes(error.message, messagePart);
    return error;
  }
  throw new Error(
    `Expected an error${code === undefined ? "" : ` with code ${code}`}, none came${thrown === undefined ? "" : "."}`,
  );
}
