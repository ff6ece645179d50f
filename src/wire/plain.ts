/**
 * Answers of plain text.
 *
 * @module
 */
import { type Answer, unreadable } from "./answer.ts";

/** Reads the body as a line of plain text. A page of HTML or an empty body is none: somebody else answered. */
export function readPlain(answer: Answer, expected: string): string {
  const text = answer.text.trim();
  if (text === "" || text.startsWith("<")) throw unreadable(answer, expected, text === "" ? "nothing" : "HTML");
  return text;
}
