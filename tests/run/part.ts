/**
 * What a part of the pipeline answers, and how it is printed.
 *
 * @module
 */

/** What became of one part. */
export interface PartResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What is printed in any case. */
  readonly lines: readonly string[];
  /** Each failure, in full. */
  readonly failures: readonly string[];
}

/** One part: a name, and what it does. */
export interface Part {
  readonly name: string;
  run(): Promise<PartResult>;
}

const FAILURES_IN_FULL = 12;

/** Lays out rows in columns: text to the left, numbers to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): readonly string[] {
  const width = head.map((title, i) => Math.max(title.length, ...rows.map((row) => String(row[i] ?? "").length)));
  function line(cells: readonly (string | number)[]): string {
    return cells.map((cell, i) => {
      const text = String(cell), size = width[i] ?? 0;
      return typeof cell === "number" ? text.padStart(size) : text.padEnd(size);
    }).join("  ").trimEnd();
  }
  return [line(head), line(width.map((size) => "-".repeat(size))), ...rows.map(line)];
}

/** A part that only holds or not: no tests are counted, a failure counts as one failed. */
export function gateResult(lines: readonly string[], failures: readonly string[]): PartResult {
  return { passed: 0, failed: failures.length === 0 ? 0 : 1, skipped: 0, lines, failures };
}

/** `N passed, N failed`, and how many were skipped when some were. */
export function closingLine(results: readonly PartResult[]): string {
  const sum = (key: "passed" | "failed" | "skipped"): number => results.reduce((n, r) => n + r[key], 0);
  const skipped = sum("skipped");
  return `${sum("passed")} passed, ${sum("failed")} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`;
}

/** Runs all parts, also after one failed, prints what became of each, and the sum as the last line. Returns the exit code. */
export async function runParts(parts: readonly Part[], print: (line: string) => void): Promise<number> {
  const results: PartResult[] = [];
  const rows: (readonly (string | number)[])[] = [];
  for (const part of parts) {
    const begun = performance.now();
    let result: PartResult;
    try {
      result = await part.run();
    } catch (error) {
      result = gateResult([], [error instanceof Error ? error.stack ?? error.message : String(error)]);
    }
    const seconds = `${((performance.now() - begun) / 1000).toFixed(1)} s`;
    results.push(result);
    const verdict = result.failed > 0 ? "FAILED" : "ok";
    print(`== ${part.name}: ${verdict} (${seconds})`);
    for (const line of result.lines) print(`   ${line}`);
    for (const failure of result.failures.slice(0, FAILURES_IN_FULL)) print(`-- ${failure}\n`);
    if (result.failures.length > FAILURES_IN_FULL) {
      print(`-- and ${result.failures.length - FAILURES_IN_FULL} more:`);
      for (const failure of result.failures.slice(FAILURES_IN_FULL)) print(`   ${failure.split("\n")[0] ?? ""}`);
    }
    rows.push([part.name, verdict, result.passed, result.failed, result.skipped, seconds]);
  }
  print("");
  for (const line of table(["part", "verdict", "passed", "failed", "skipped", "time"], rows)) print(line);
  print("");
  print(closingLine(results));
  return results.some((r) => r.failed > 0) ? 1 : 0;
}
