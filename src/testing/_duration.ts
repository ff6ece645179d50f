/**
 * Lengths of time as tests write them.
 *
 * @module
 */

/** A length of time with its unit: `"250ms"`, `"30s"`, `"5m"`, `"2h"`, `"1d"`. */
export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A length of time in milliseconds. `where` names the option, for the error. */
export function milliseconds(value: Duration, where: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value);
  const unit = UNIT_MS[match?.[2] ?? ""];
  if (unit !== undefined) return Math.round(Number(match?.[1]) * unit);
  throw new TypeError(
    `Cannot read '${where}': it must be a number with ms, s, m, h or d, as in "2h", found ${JSON.stringify(value)}`,
  );
}

/** Milliseconds as a person reads them. */
export function durationText(ms: number): string {
  if (ms === 0) return "at once";
  for (const unit of ["d", "h", "m", "s"]) {
    const size = UNIT_MS[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}
