/**
 * Texts that properties about SQL try, and how often.
 *
 * @module
 */
import fc from "fast-check";

const soak = Deno.env.get("WINDKIT_SOAK") === "1";

/** How often a property is tried. */
export function tries(inCi: number): { readonly numRuns: number } {
  return { numRuns: soak ? inCi * 20 : inCi };
}

const common = [
  '"',
  "'",
  ";",
  "--",
  "/*",
  "*/",
  "\\",
  "\n",
  "$1",
  "$arg1",
  "$$",
  "::int",
  ":",
  ".",
  " ",
  "-- result_collection=legacy",
  "SELECT 1",
  "ü",
  "𝒳",
];

/** Text made of what SQL is made of. */
export function attacksWith(...more: readonly string[]): fc.Arbitrary<string> {
  const part = fc.oneof(fc.constantFrom(...common, ...more), fc.string({ unit: "grapheme", maxLength: 4 }));
  return fc.array(part, { maxLength: 8 }).map((parts) => parts.join(""));
}
