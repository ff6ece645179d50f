/**
 * What a benchmark measures, how it is printed, and how it is kept.
 *
 * @module
 */

/** One thing that was measured, several times. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

/** One bar of the project, and what was measured against it. */
export interface Bar {
  readonly name: string;
  readonly unit: string;
  readonly measured: number;
  readonly limit: number;
  readonly sense: "at least" | "at most";
  readonly holds: boolean;
}

/** All that one benchmark says. */
export interface Report {
  readonly bench: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly measures: readonly Measure[];
  readonly bars: readonly Bar[];
  /** What a reader must know to read the numbers. */
  readonly notes: readonly string[];
}

/** Takes what a benchmark measures. */
export interface Bench {
  setting(name: string, value: string | number): void;
  measure(name: string, unit: string, values: readonly number[]): Measure;
  bar(name: string, unit: string, measured: number, sense: Bar["sense"], limit: number): void;
  note(text: string): void;
}

/** The middle value; the mean of the middle two when their number is even. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Cannot take the median of no values");
  const sorted = [...values].sort((a, b) => a - b);
  const high = sorted[sorted.length >> 1] ?? 0;
  return sorted.length % 2 === 1 ? high : (high + (sorted[(sorted.length >> 1) - 1] ?? 0)) / 2;
}

/** The middle value of `a[i] / b[i]`: rounds are compared with themselves, because the machine is not the same in all of them. */
export function ratios(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value / (b[i] ?? NaN));
}

/** A number with as many digits as it deserves. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return String(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en-US");
  return size >= 100
    ? value.toFixed(0)
    : size >= 10
    ? value.toFixed(1)
    : size >= 1
    ? value.toFixed(2)
    : value.toFixed(3);
}

/**
 * Runs a benchmark when its file is the program: prints what it measured, and writes it as JSON where `--json=FILE` says.
 *
 * @param name name of the benchmark: that of its file
 * @param isMain `import.meta.main` of its file
 * @param run measures
 */
export async function bench(name: string, isMain: boolean, run: (b: Bench) => Promise<void>): Promise<void> {
  if (!isMain) return;
  const settings: Record<string, string | number> = {};
  const measures: Measure[] = [];
  const bars: Bar[] = [];
  const notes: string[] = [];
  await run({
    setting: (key, value) => void (settings[key] = value),
    measure(title, unit, values) {
      const found: Measure = {
        name: title,
        unit,
        median: median(values),
        min: Math.min(...values),
        max: Math.max(...values),
        runs: values.length,
      };
      measures.push(found);
      console.error(`  ${title}: ${short(found.median)} ${unit} (${short(found.min)} to ${short(found.max)})`);
      return found;
    },
    bar(title, unit, measured, sense, limit) {
      bars.push({
        name: title,
        unit,
        measured,
        limit,
        sense,
        holds: sense === "at least" ? measured >= limit : measured <= limit,
      });
    },
    note: (text) => void notes.push(text),
  });
  const report: Report = { bench: name, settings, measures, bars, notes };
  console.log(printed(report).join("\n"));
  const json = Deno.args.find((arg) => arg.startsWith("--json="))?.slice("--json=".length);
  if (json !== undefined) await Deno.writeTextFile(json, JSON.stringify(report, undefined, 2));
  // Servers of peers and timers of theirs must not keep the program.
  Deno.exit(0);
}

/** A report as lines of text. */
export function printed(report: Report): string[] {
  const lines = ["", `## ${report.bench}`];
  const settings = Object.entries(report.settings).map(([key, value]) => `${key} ${value}`);
  if (settings.length > 0) lines.push("", settings.join("; "));
  lines.push("", ...table(measureRows(report.measures)));
  if (report.bars.length > 0) lines.push("", ...table(barRows(report.bars)));
  for (const note of report.notes) lines.push("", `Note: ${note}`);
  return lines;
}

function measureRows(measures: readonly Measure[]): string[][] {
  return [
    ["measured", "median", "min", "max", "unit", "runs"],
    ...measures.map((m) => [m.name, short(m.median), short(m.min), short(m.max), m.unit, String(m.runs)]),
  ];
}

/** Bars as rows, with a head. */
export function barRows(bars: readonly Bar[]): string[][] {
  return [
    ["bar", "measured", "limit", "unit", "holds"],
    ...bars.map((b) => [b.name, short(b.measured), `${b.sense} ${short(b.limit)}`, b.unit, b.holds ? "yes" : "NO"]),
  ];
}

/** Rows as a table that is read as text and as Markdown. The first row is its head. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const [head = []] = rows;
  const width = head.map((_, i) => Math.max(3, ...rows.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]): string =>
    `| ${width.map((size, i) => (row[i] ?? "").padEnd(size)).join(" | ")} |`;
  return [line(head), `| ${width.map((size) => "-".repeat(size)).join(" | ")} |`, ...rows.slice(1).map(line)];
}

/** A whole number from the command line: `--name=5`. */
export function option(name: string, fallback: number): number {
  const text = Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`Cannot use --${name}: expected a whole number of at least 1, found "${text}"`);
  }
  return value;
}

/**
 * A folder for the files of a benchmark, removed at its end. On the disk that holds the system's temporary folder, or the one that
 * `WINDKIT_BENCH_DIR` names: a disk in memory would make every number about fsync meaningless.
 */
export async function withFolder<T>(run: (dir: string) => Promise<T>): Promise<T> {
  const under = Deno.env.get("WINDKIT_BENCH_DIR");
  const dir = await Deno.makeTempDir({
    prefix: "windkit-bench-",
    ...(under === undefined ? undefined : { dir: under }),
  });
  try {
    return await run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
