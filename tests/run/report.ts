/**
 * Runs the registered cases and tells about them in lines that the pipeline reads.
 *
 * A case fails when it throws, when it does not end in time, and when something that it left behind (a rejected promise
 * nobody awaits, a throw in a timer) surfaces before the next case starts.
 *
 * @module
 */

import { type Case, registered, runCases } from "../suite/harness.ts";

/** What a runtime says while it runs the suite. */
export type Report =
  | { readonly kind: "plan"; readonly names: readonly string[] }
  | { readonly kind: "start"; readonly name: string }
  | {
    readonly kind: "result";
    readonly name: string;
    readonly status: "passed" | "failed" | "skipped";
    readonly detail?: string;
    readonly ms: number;
  }
  | { readonly kind: "end" };

/** Begins each line of a report, so that what a case prints is not taken for one. */
export const REPORT_MARK = "@windkit-report ";

/** Cases whose names begin with this run only when they are asked for: they take the whole process down. */
export const ALONE_PREFIX = "alone: ";

/** How to run the cases. */
export interface ReportOptions {
  /** Takes one report. Settles when it is out of this thread's hands. */
  readonly say: (report: Report) => Promise<void>;
  /** The list that collects errors no case caught. */
  readonly strays: unknown[];
  /**
   * After how many milliseconds a case fails.
   *
   * @default 30000
   */
  readonly limitMs?: number | undefined;
}

// A case may replace the timer of the global object by a fake one.
const later = globalThis.setTimeout;

/** Lets everything run that is ready: rejections nobody handled are told of only then. */
function turn(): Promise<void> {
  return new Promise((resolve) => later(resolve, 0));
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? `${error.name}: ${error.message}` : String(error);
}

/** The cases to run: those whose name contains the text, or all that need not run alone. */
export function chooseCases(filter: string): readonly Case[] {
  return registered().filter((c) => filter === "" ? !c.name.startsWith(ALONE_PREFIX) : c.name.includes(filter));
}

/** Runs one case and says what became of it. */
export async function reportCase(c: Case, options: ReportOptions): Promise<void> {
  const { say, strays, limitMs } = options;
  strays.length = 0;
  const results = await runCases([c], limitMs);
  if (c.skip === undefined) await turn();
  for (const result of results) {
    if (strays.length === 0) {
      await say({ kind: "result", ...result });
      continue;
    }
    const left = strays.map((error) => `Left behind, caught by nobody: ${textOf(error)}`);
    const detail = [...(result.detail === undefined ? [] : [result.detail]), ...left].join("\n");
    await say({ kind: "result", name: result.name, status: "failed", detail, ms: result.ms });
  }
}

/** Runs cases one after another, and says what became of each. */
export async function reportSuite(cases: readonly Case[], options: ReportOptions): Promise<void> {
  const { say } = options;
  await say({ kind: "plan", names: cases.map((c) => c.name) });
  for (const c of cases) {
    await say({ kind: "start", name: c.name });
    await reportCase(c, options);
  }
  await say({ kind: "end" });
}
