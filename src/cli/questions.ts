/**
 * Asks a person at the terminal.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline/promises";
import type { ApprovalAnswer } from "../engine/api.ts";
import type { Json } from "../workflow/journal.ts";
import { parseJson } from "./arguments.ts";
import { UsageError } from "./exit_codes.ts";
import { oneLine, type Paint } from "./format.ts";

/** What is asked. */
export interface Question {
  readonly key: string;
  readonly form?: Json;
  /** The workflow's own words. */
  readonly description?: string;
}

/**
 * Asks for an approval.
 *
 * @param question what it is about
 * @param colors how to paint
 * @param signal aborted when the answer came from elsewhere
 * @returns the answer; undefined when the input ended or the signal was aborted
 */
export async function askApproval(
  question: Question,
  colors: Paint,
  signal: AbortSignal,
): Promise<ApprovalAnswer | undefined> {
  // Without `terminal`, the terminal itself edits the line, and Ctrl-C stays a signal.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  const ended = new AbortController();
  lines.once("close", () => ended.abort());
  const either = AbortSignal.any([signal, ended.signal]);
  const ask = (text: string): Promise<string> => lines.question(text, { signal: either });
  try {
    const { key, description } = question;
    process.stderr.write(`\n${colors.wait("?")} ${colors.strong(oneLine(description ?? `Approve "${key}"?`))}\n`);
    let approved: boolean | undefined;
    while (approved === undefined) {
      const answer = (await ask(`  ${colors.faint(oneLine(key))}  y/n: `)).trim().toLowerCase();
      if (answer === "y" || answer === "yes") approved = true;
      if (answer === "n" || answer === "no") approved = false;
    }
    const fields = formFields(question.form);
    for (;;) {
      const text = (await ask(`  Value as JSON${fields === "" ? "" : ` with ${fields}`}, or Enter for none: `)).trim();
      if (text === "") return { approved };
      try {
        return { approved, value: parseJson("The value", text) };
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        process.stderr.write(`  ${colors.bad(error.message)}\n`);
      }
    }
  } catch (error) {
    if (either.aborted) return undefined;
    throw error;
  } finally {
    lines.close();
  }
}

/** Names and types of a form's fields. */
function formFields(form: Json | undefined): string {
  const { properties } = Object(form) as { readonly properties?: Json };
  const entries = Object.entries(Object(properties) as Record<string, { readonly type?: Json } | null>);
  return entries.map(([name, field]) => `${name}${typeof field?.type === "string" ? ` (${field.type})` : ""}`).join(
    ", ",
  );
}
