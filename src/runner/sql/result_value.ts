/**
 * A result's text as a value.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";

interface RawJson {
  readonly rawJSON: (text: string) => Json;
}

/**
 * Reads the text of a result. Whole numbers that a JavaScript number cannot hold keep their digits: `JSON.stringify` writes them as
 * they were (`JSON.rawJSON`), so that a client whose language has larger numbers reads them right.
 */
export function valueOfResult(text: string): Json {
  const value = JSON.parse(text) as Json;
  if (!/\d{16}/.test(text) || !("rawJSON" in JSON)) return value;
  const { rawJSON } = JSON as unknown as RawJson; // `as`: newer than the types; its absence was tested above
  return JSON.parse(text, function (_key, found: unknown, context?: { readonly source?: string }): unknown {
    const { source } = context ?? {};
    const isLarge = typeof found === "number" && !Number.isSafeInteger(found) && /^-?\d{16,}$/.test(source ?? "");
    return isLarge ? rawJSON(source ?? "") : found;
  }) as Json;
}
