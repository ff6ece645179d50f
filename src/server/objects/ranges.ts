/**
 * Parts of objects.
 *
 * @module
 */
import type { ObjectRange } from "../ports.ts";

/** The bytes of a range that an object of a size has; none when the range is behind its end. */
export function partOf(size: number, range?: ObjectRange): { readonly start: number; readonly end: number } {
  if (range === undefined) return { start: 0, end: size };
  if ("last" in range) return { start: Math.max(0, size - range.last), end: size };
  const start = Math.min(range.start, size);
  return { start, end: Math.max(start, Math.min(range.end ?? size, size)) };
}

/**
 * Reads the header `Range`. One range only: many are answered with the whole object, as RFC 9110 lets a server do, and so is what
 * is no range of bytes.
 */
export function readRange(header: string | null): ObjectRange | undefined {
  const [, first = "", last = ""] = /^bytes=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header ?? "") ?? [];
  if (first === "") return last === "" ? undefined : { last: Number(last) };
  if (last === "") return { start: Number(first) };
  // A range that ends before it begins is none.
  return Number(last) < Number(first) ? undefined : { start: Number(first), end: Number(last) + 1 };
}
