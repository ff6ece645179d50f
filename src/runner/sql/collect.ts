/**
 * Rows of statements as the result of a job, in JSON text.
 *
 * @module
 */
import type { Collection } from "./declarations.ts";
import type { Meter } from "./limits.ts";

/** Tells whether a statement's rows are part of the result. */
export function isCollected({ statements }: Collection, index: number, count: number): boolean {
  return statements === "all" || index === count - 1;
}

/** One statement's rows, as they come. */
export interface RowCollector {
  /** Adds a row of JSON texts. False when no more rows are needed. */
  add(cells: readonly string[]): boolean;
  /** The statement's part of the result. */
  text(): string;
}

/** Collects rows of a statement with these columns. */
export function rowCollector(
  { firstRow, scalar }: Collection,
  columns: readonly string[],
  meter: Meter,
): RowCollector {
  const keys = columns.map((name) => JSON.stringify(name));
  const rows: string[] = [];
  return {
    add(cells) {
      const row = scalar ? cells[0] ?? "null" : `{${cells.map((cell, i) => `${keys[i]}:${cell}`).join(",")}}`;
      rows.push(row);
      meter.add(row, rows.length);
      return !firstRow;
    },
    text: () => firstRow ? rows[0] ?? "null" : `[${rows.join(",")}]`,
  };
}

/** The result of the collected statements. */
export function resultOf({ statements, firstRow }: Collection, parts: readonly string[]): string {
  if (statements === "all") return `[${parts.join(",")}]`;
  return parts.at(-1) ?? (firstRow ? "null" : "[]");
}
