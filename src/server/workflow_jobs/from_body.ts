/**
 * Reads what the process of a workflow's body says. Its script may say anything: what the engine is handed has the form that the
 * engine trusts, or the process is given up.
 *
 * @module
 */
import type { FromBody } from "../../runner/wrapper/session_lines.ts";
import { isRecord } from "../../wire/answer.ts";

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

/** Reads one line. Throws an error that shows the line's beginning, when it is none that a body says. */
export type LineReader = (line: string) => FromBody;

/** Makes a reader of lines. */
export function createLineReader(): LineReader {
  const text: Check = (value) => typeof value === "string";
  const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
  const number: Check = (value) => typeof value === "number" && Number.isFinite(value);
  // What is added to a time gives one that can be written.
  const ms: Check = (value) => number(value) && (value as number) >= 0 && (value as number) <= 4e15;
  const flag: Check = (value) => typeof value === "boolean";
  const json: Check = (value) => value !== undefined;
  const option = (check: Check): Check => (value) => value === undefined || check(value);
  const oneOf = (...values: readonly unknown[]): Check => (value) => values.includes(value);
  const encoded: Check = (value) => {
    if (typeof value !== "string") return false;
    try {
      JSON.parse(value);
      return true;
    } catch {
      return false; // no JSON: that is the answer
    }
  };

  /** An object whose fields pass; others are no matter. */
  function fields(checks: Readonly<Record<string, Check>>): Check {
    const all = Object.entries(checks);
    return (value) => isRecord(value) && all.every(([name, check]) => check(value[name]));
  }

  const failure = fields({
    message: text,
    stepKey: text,
    childJobId: option(text),
    error: fields({ name: text, message: text, stack: option(text) }),
    code: option(text),
    retryable: option(flag),
    retryAfterMs: option(number),
  });
  const outcome: Check = (value) =>
    isRecord(value) && (value.ok === true ? encoded(value.value) : value.ok === false && failure(value.failure));
  const retry = option(
    fields({ attempts: count, delayS: option(number), multiplier: option(number), maxDelayS: option(number) }),
  );
  const fingerprint = fields({
    kind: text,
    name: text,
    digest: text,
    args: option(text),
    site: option(text),
    code: option(text),
  });

  const task = fields({
    name: text,
    via: oneOf("inline", "script", "flow"),
    script: option(text),
    args: encoded,
    options: fields({
      timeoutS: option(number),
      tag: option(text),
      cacheTtlS: option(number),
      priority: option(number),
      concurrentLimit: option(number),
      concurrencyKey: option(text),
      concurrencyWindowS: option(number),
    }),
    retry,
    base: text,
    attempt: count,
  });

  /** Calls by their kind. A child workflow is none: its host does not offer it. */
  const calls: Readonly<Record<string, Check>> = {
    task,
    step: fields({ name: text, retry, base: text, attempt: count }),
    undo: fields({ of: text, retry, base: text, attempt: count }),
    sleep: (value) => fields({ until: option(number), ms: option(ms), backoffOf: option(text) })(value),
    approval: fields({ timeoutMs: ms }),
    event: fields({ name: text, timeoutMs: option(ms) }),
  };

  const call: Check = (value) =>
    isRecord(value) && typeof value.kind === "string" && Object.hasOwn(calls, value.kind) &&
    calls[value.kind]?.(value) === true;

  /** Commands by their names. */
  const commands: Readonly<Record<string, Check>> = {
    call: (value) => fields({ n: count, key: text, call, fp: fingerprint })(value) && kindsAgree(value as Fields),
    marker: fields({ name: text, after: count, value: json }),
    abandon: fields({ key: text, why: oneOf("race", "timeout", "cancel", "end") }),
    close: (value) =>
      fields({ status: oneOf("completed", "failed", "cancelled", "continued"), mismatch: option(flag) })(value) &&
      closes(value as Fields),
    log: fields({ level: oneOf("debug", "info", "warn", "error"), message: text }),
    notice: (value) =>
      fields({ key: text })(value) &&
      ((value as Fields).notice === "non-confluent"
        ? text((value as Fields).name)
        : fields({ notice: oneOf("changed-arguments", "changed-code"), recorded: fingerprint, asked: fingerprint })(
          value,
        )),
  };

  function kindsAgree({ call: asked, fp }: Fields): boolean {
    return (asked as Fields).kind === (fp as Fields).kind;
  }

  function closes({ status, outcome: ended, nextArgs }: Fields): boolean {
    return status === "continued"
      ? encoded(nextArgs)
      : outcome(ended) && ((ended as Fields).ok === (status === "completed"));
  }

  const state = fields({
    heard: count,
    busy: flag,
    calls: count,
    pending: count,
    replaying: flag,
    undos: count,
    seeded: flag,
    compensating: flag,
  });

  const command: Check = (value) =>
    isRecord(value) && typeof value.c === "string" && Object.hasOwn(commands, value.c) &&
    commands[value.c]?.(value) === true;

  const messages: readonly Check[] = [
    fields({ state, commands: (value) => Array.isArray(value) && value.every(command) }),
    fields({ ran: text, outcome }),
    fields({ checked: count, problem: (value) => value === null || typeof value === "string" }),
    fields({ late: flag }),
  ];

  return (line) => {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      value = undefined; // no JSON: refused below
    }
    // `as`: looked at here.
    if (messages.some((check) => check(value))) return value as FromBody;
    throw new Error(`Cannot drive the workflow: its process said ${JSON.stringify(line.slice(0, 120))}`);
  };
}
