/**
 * Answers of plain text.
 *
 * @module
 */
import { type Answer, readJson, unreadable } from "./answer.ts";

/** Reads the body as a line of plain text. HTML, JSON or an empty body is none: somebody else answered. */
export function readPlain(answer: Answer, expected: string): string {
  const text = answer.text.trim();
  if (/^([<{[]|$)/.test(text)) {
    throw unreadable(answer, expected, text ? "other text" : "nothing");
  }
  return text;
}

/** Reads what says that something was done: any words, or none, but no HTML and no broken JSON. */
export function readDone(answer: Answer): void {
  if (/^\s*[<{[]/.test(answer.text)) readJson(answer, "words");
}
