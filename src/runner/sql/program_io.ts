/**
 * How the processes of databases are spoken to: a request is a line of JSON; an answer is a line of JSON, and a second line with the
 * result when there is one, so that a large result is not a text within a text.
 *
 * Answers have a pipe of their own. What a database writes to its output may be the words of a script (`CALL enable_logging` of DuckDB
 * has it so), and must not be taken for an answer.
 *
 * @module
 */
import { Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import type { SqlResult } from "./pg_run.ts";

/** The first line of an answer. */
export type Answer =
  | { readonly kind: "ready" }
  | { readonly kind: "result"; readonly warnings: readonly string[] }
  | { readonly kind: "error"; readonly name: string; readonly message: string };

/** An answer as it is written. */
export function frameResult({ text, warnings }: SqlResult): string {
  return `${JSON.stringify({ kind: "result", warnings } satisfies Answer)}\n${text}\n`;
}

/** An error as it is written. */
export function frameError(error: unknown, word: (error: unknown) => string): string {
  const name = error instanceof Error && error.name === "ExecutionErr" ? error.name : "Error";
  return `${JSON.stringify({ kind: "error", name, message: word(error) } satisfies Answer)}\n`;
}

/** What is written when requests can come. */
export const READY: string = `{"kind":"ready"}\n`;

/** Tells each request as it comes. The process ends with its input: nobody waits for it any more. */
export function onRequests(tell: (line: string) => void): void {
  // Ctrl-C at the server's terminal goes to all its processes: the server lets jobs end first, and then closes the input.
  process.on("SIGINT", () => {});
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  lines.on("line", tell);
  lines.on("close", () => process.exit(0));
}

/** Number of the pipe for answers. */
export const ANSWERS = 3;

let pipe: Socket | undefined;
let written: Promise<void> = /* @__PURE__ */ Promise.resolve();

/** Writes an answer. */
export function answer(text: string): void {
  if (pipe === undefined) {
    pipe = new Socket({ fd: ANSWERS, readable: false, writable: true });
    // Nobody reads any more: the input ends, too.
    pipe.on("error", () => "The server has ended");
  }
  const to = pipe;
  written = new Promise((resolve) => void to.write(text, () => resolve()));
}

/** Ends the process when what was answered has been written. */
export async function exitAnswered(): Promise<never> {
  await written;
  process.exit(0);
}
