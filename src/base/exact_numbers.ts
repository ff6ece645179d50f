/**
 * JSON whose whole numbers keep their digits, whatever a JavaScript number can hold of them.
 *
 * @module
 */

interface RawJson {
  readonly rawJSON: (text: string) => unknown;
  readonly isRawJSON: (value: unknown) => boolean;
}

/** What newer runtimes have of it; undefined where there is nothing. */
function rawJson(): RawJson | undefined {
  return "rawJSON" in JSON ? JSON as unknown as RawJson : undefined; // `as`: newer than the types; it is there
}

/**
 * Reads JSON. Whole numbers that a JavaScript number cannot hold keep their digits: `JSON.stringify` writes them as they were
 * (`JSON.rawJSON`), so that a client whose language has larger numbers reads them right. Such a value is for `JSON.stringify` alone:
 * to code that looks into it, a number of that kind is an object.
 *
 * @param text the JSON
 * @returns the value
 * @throws SyntaxError for a text that is no JSON
 */
export function parseExact(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const raw = rawJson();
  if (raw === undefined || !hasLargeNumber(text)) return value;
  return JSON.parse(text, function (_key, found: unknown, context?: { readonly source?: string }): unknown {
    const { source } = context ?? {};
    const isLarge = typeof found === "number" && !Number.isSafeInteger(found) && /^-?\d{16,}$/.test(source ?? "");
    return isLarge ? raw.rawJSON(source ?? "") : found;
  });
}

/** True when a text of JSON may hold a number that a JavaScript number cannot; false only when it holds none. */
export function hasLargeNumber(text: string): boolean {
  return /(?:^|[[:,])\s*-?\d{16}/.test(text);
}

/** True for a number of {@linkcode parseExact} that is no JavaScript number. */
export function isExactNumber(value: unknown): boolean {
  return typeof value === "object" && rawJson()?.isRawJSON(value) === true;
}

/** An object of JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/** True for an object of names and values, as JSON of {@linkcode parseExact} has it: no list, and no number. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isExactNumber(value);
}
