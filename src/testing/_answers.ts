/**
 * The script of those who answer a run: approvals and events.
 *
 * @module
 */
import type { Json } from "../workflow/journal.ts";
import { type Duration, milliseconds } from "./_duration.ts";

/** What an approver does. `"timeout"`: nothing, and the time passes. */
export type ScriptedApproval = "timeout" | {
  /** Granted or rejected. @default true */
  readonly approved?: boolean;
  /** What is entered. @default null */
  readonly value?: Json;
  /** Who answers. @default "anonymous" */
  readonly approver?: string;
  /** How long after the run began to wait for it. @default at once */
  readonly after?: Duration;
};

/** What sends an event. `"timeout"`: nothing, and the time passes. */
export type ScriptedEvent = "timeout" | {
  /** What is sent. @default null */
  readonly payload?: Json;
  /** How long after the run began to wait for it. @default at once */
  readonly after?: Duration;
};

/** One answer to come. */
export interface Answer {
  readonly kind: "approval" | "event";
  /** Key of the approval, name of the event. */
  readonly name: string;
  /** Which one of several events of one name, from 1. */
  readonly no: number;
  readonly value: Json;
  readonly approved: boolean;
  readonly approver: string | undefined;
  readonly afterMs: number;
}

/** The script in order. */
export interface AnswerScript {
  readonly answers: readonly Answer[];
  /** Names whose time is meant to pass, as `kind:name`. */
  readonly expire: ReadonlySet<string>;
}

/** Reads the script of a test. */
export function readAnswers(
  approvals: Readonly<Record<string, ScriptedApproval>> = {},
  events: Readonly<Record<string, ScriptedEvent | readonly ScriptedEvent[]>> = {},
): AnswerScript {
  const answers: Answer[] = [];
  const expire = new Set<string>();
  for (const [name, given] of Object.entries(approvals)) {
    if (given === "timeout") {
      expire.add(`approval:${name}`);
      continue;
    }
    const { approved = true, value = null, approver, after = "0s" } = given;
    const afterMs = milliseconds(after, `approvals.${name}.after`);
    answers.push({ kind: "approval", name, no: 1, value, approved, approver, afterMs });
  }
  for (const [name, given] of Object.entries(events)) {
    const list: readonly ScriptedEvent[] = Array.isArray(given) ? given : [given];
    for (const [i, one] of list.entries()) {
      if (one === "timeout") {
        expire.add(`event:${name}`);
        continue;
      }
      const { payload = null, after = "0s" } = one;
      const afterMs = milliseconds(after, `events.${name}.after`);
      answers.push({ kind: "event", name, no: i + 1, value: payload, approved: true, approver: undefined, afterMs });
    }
  }
  return { answers, expire };
}
