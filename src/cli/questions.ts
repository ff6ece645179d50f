/**
 * Asks a person at the terminal.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
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
  const { ask, close, ended } = openInput();
  const either = AbortSignal.any([signal, ended]);
  const answerTo = (text: string): Promise<string> => ask(text, either);
  try {
    const { key, description } = question;
    process.stderr.write(`\n${colors.wait("?")} ${colors.strong(oneLine(description ?? `Approve "${key}"?`))}\n`);
    const approved = await yesOrNo(answerTo, `  ${colors.faint(oneLine(key))}  y/n: `);
    const fields = formFields(question.form);
    const needed = neededFields(question.form);
    // No form looks at what goes with a rejection.
    const none = !approved || needed === undefined ? "none" : needed.length === 0 ? "{}" : undefined;
    const instead = none === undefined ? "" : `, or Enter for ${none}`;
    for (;;) {
      const text = (await answerTo(`  Value as JSON${fields === "" ? "" : ` with ${fields}`}${instead}: `)).trim();
      if (text === "" && none !== undefined) return none === "none" ? { approved } : { approved, value: {} };
      try {
        return { approved, value: parseJson("The value", text) };
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        process.stderr.write(`  ${colors.bad(error.message)}\n`);
      }
    }
  } catch (error) {
    if (!either.aborted) throw error;
    process.stderr.write("\n"); // the answer came from elsewhere, in the middle of this line
    return undefined;
  } finally {
    close();
  }
}

/**
 * Asks a question that has two answers.
 *
 * @param question one line
 * @param colors how to paint
 * @returns true for yes; false for no, and at the end of the input
 */
export async function askYesNo(question: string, colors: Paint): Promise<boolean> {
  const { ask, close, ended } = openInput();
  try {
    process.stderr.write(`${colors.wait("?")} ${colors.strong(oneLine(question))}\n`);
    return await yesOrNo((text) => ask(text, ended), "  y/n: ");
  } catch (error) {
    if (!ended.aborted) throw error;
    process.stderr.write("\n");
    return false;
  } finally {
    close();
  }
}

async function yesOrNo(answerTo: (text: string) => Promise<string>, text: string): Promise<boolean> {
  for (;;) {
    const answer = (await answerTo(text)).trim().toLowerCase();
    if (answer === "y" || answer === "yes") return true;
    if (answer === "n" || answer === "no") return false;
  }
}

interface Input {
  /** Prints a text and waits for a line; lines typed ahead are kept. */
  readonly ask: (text: string, signal: AbortSignal) => Promise<string>;
  readonly close: () => void;
  /** Aborted at the end of the input. */
  readonly ended: AbortSignal;
}

function openInput(): Input {
  // Without `terminal`, the terminal itself edits the line, and Ctrl-C stays a signal.
  const reader = createInterface({ input: process.stdin, terminal: false });
  const typed: string[] = [];
  const ended = new AbortController();
  let take: ((line: string) => void) | undefined;
  reader.on("line", (line) => {
    if (take === undefined) typed.push(line);
    else take(line);
  });
  reader.once("close", () => ended.abort());
  return {
    async ask(text, signal): Promise<string> {
      process.stderr.write(text);
      const ahead = typed.shift();
      if (ahead !== undefined) return ahead;
      signal.throwIfAborted();
      return await new Promise<string>((resolve, reject) => {
        take = (line): void => {
          take = undefined;
          resolve(line);
        };
        signal.addEventListener("abort", () => {
          take = undefined;
          reject(signal.reason as Error);
        }, { once: true });
      });
    },
    close: () => reader.close(),
    ended: ended.signal,
  };
}

/** A field of a form. */
interface Field {
  readonly type?: Json;
  readonly enum?: Json;
  readonly const?: Json;
  readonly default?: Json;
  readonly minimum?: Json;
}

/** Fields of a form, in their order: a server's page reads them in `schema`, which may be a map of fields. */
function readForm(form: Json | undefined): {
  readonly fields: ReadonlyMap<string, Field>;
  /** Names of fields that must be there; undefined when the form does not say. */
  readonly needed: readonly string[] | undefined;
} {
  const { schema = form } = Object(form) as { readonly schema?: Json };
  const { properties = schema === form ? undefined : schema, order, required } = Object(schema) as {
    readonly properties?: Json;
    readonly order?: Json;
    readonly required?: Json;
  };
  const fields = Object(properties) as Readonly<Record<string, Field | null>>;
  const names = Array.isArray(order) ? order.map(String).filter((name) => Object.hasOwn(fields, name)) : [];
  return {
    fields: new Map([...new Set([...names, ...Object.keys(fields)])].map((name) => [name, fields[name] ?? {}])),
    needed: Array.isArray(required) ? required.map(String) : undefined,
  };
}

function formFields(form: Json | undefined): string {
  return [...readForm(form).fields].map(([name, { type }]) => `${name}${typeof type === "string" ? ` (${type})` : ""}`)
    .join(", ");
}

function neededFields(form: Json | undefined): readonly string[] | undefined {
  return readForm(form).needed;
}

/**
 * A value to begin with for a form: its required fields, to be filled in.
 *
 * @param form the form
 * @returns undefined when nothing is required
 */
export function formTemplate(form: Json | undefined): Json | undefined {
  const { fields, needed = [] } = readForm(form);
  if (needed.length === 0) return undefined;
  return Object.fromEntries(needed.map((name) => [name, sample(fields.get(name) ?? {})]));
}

function sample({ type, enum: choices, const: only, default: given, minimum }: Field): Json {
  const known = given ?? only ?? (Array.isArray(choices) ? choices[0] as Json : undefined);
  if (known !== undefined) return known;
  switch (type) {
    case "number":
    case "integer":
      return typeof minimum === "number" ? minimum : 0;
    case "boolean":
      return false;
    case "array":
      return [];
    case "object":
      return {};
    default:
      return "...";
  }
}
