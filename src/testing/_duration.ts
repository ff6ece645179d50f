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

/** Milliseconds as a person reads them: `1d 2h`. */
export function durationText(ms: number): string {
  let rest = ms;
  const parts: string[] = [];
  for (const unit of ["d", "h", "m", "s", "ms"]) {
    const size = UNIT_MS[unit] ?? 1;
    const units = unit === "ms" ? Math.round(rest) : Math.floor(rest / size);
    if (units > 0) parts.push(`${units}${unit}`);
    rest -= units * size;
  }
  return parts.length === 0 ? "0ms" : parts.join(" ");
}
