/**
 * Runs the registered cases in Deno, Node and Bun. Arguments: a filter (may be empty), a limit in milliseconds (may be
 * absent).
 *
 * @module
 */

import { chooseCases, REPORT_MARK, reportSuite } from "./report.ts";

interface ProcessLike {
  readonly argv: readonly string[];
  readonly stdout: { write(text: string, done: () => void): void };
  on(event: string, listener: (error: unknown) => void): void;
  exit(code: number): never;
}

/** Runs, reports on standard output, and ends the process, whatever the cases left running. */
export async function runProcess(): Promise<void> {
  const { process } = globalThis as unknown as { readonly process: ProcessLike };
  const [filter = "", limit] = process.argv.slice(2);
  const strays: unknown[] = [];
  function collect(error: unknown): void {
    strays.push(error);
  }
  process.on("uncaughtException", collect);
  process.on("unhandledRejection", collect);
  await reportSuite(chooseCases(filter), {
    say: (report) =>
      new Promise((resolve) => process.stdout.write(`${REPORT_MARK}${JSON.stringify(report)}\n`, resolve)),
    strays,
    limitMs: limit === undefined ? undefined : Number(limit),
  });
  process.exit(0);
}
