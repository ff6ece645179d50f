/**
 * How a run is told: as text for a person, or as JSON lines for a program.
 *
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { countText } from "../base/count_text.ts";
import { hasCode } from "../base/errors.ts";
import type { EngineEvent } from "../engine/api.ts";
import type { JournalRecord, Json, Key, RunStatus } from "../workflow/journal.ts";
import type { LogLevel } from "./console_capture.ts";
import { createDisplay } from "./display.ts";
import { exitCodeOf } from "./exit_codes.ts";
import { clock, duration, oneLine, paint } from "./format.ts";
import { createProgress } from "./progress.ts";
import { Interruption } from "./signals.ts";
import type { Io } from "./terminal.ts";

/** A run as it begins or goes on. */
export interface Beginning {
  readonly run: string;
  readonly workflow: string;
  readonly data: string;
  /** The journal of earlier processes; empty for a new run. */
  readonly records: readonly JournalRecord[];
  /** True when the file is not the one that began the run. */
  readonly edited: boolean;
}

/** An approval that is waited for. */
export interface Approval {
  readonly key: Key;
  readonly form?: Json;
  readonly description?: string;
  readonly expiresAt: number;
  /** The command that grants it. */
  readonly grant: string;
}

/** How it ended. */
export type Ending =
  | {
    readonly status: Exclude<RunStatus, "failed" | "cancelled">;
    readonly result: Json;
    /** When an earlier process ended it. */
    readonly recordedAt?: number;
  }
  | {
    /** `stopped`: the run did not end, and may go on. */
    readonly status: "failed" | "cancelled" | "stopped";
    readonly error: unknown;
    readonly recordedAt?: number;
    /** The command that goes on, when there is one. */
    readonly resume?: string;
  };

/** Where a run is told. */
export interface Report {
  begin(beginning: Beginning): void;
  event(event: EngineEvent): void;
  approval(approval: Approval): void;
  log(level: LogLevel, text: string): void;
  /** Makes room for a question. */
  pause(): void;
  resume(): void;
  end(run: string, ending: Ending): void;
}

/**
 * The exit code of an ending.
 *
 * @param ending how the run ended
 * @returns the code
 */
export function exitCodeOfEnding(ending: Ending): number {
  if (!("error" in ending)) return 0;
  return ending.error instanceof Interruption ? ending.error.exitCode : exitCodeOf(ending.error);
}

/**
 * JSON lines on stdout.
 *
 * @param io streams
 * @returns the report
 */
export function jsonReport(io: Io): Report {
  const write = (line: unknown): void => io.out.write(`${JSON.stringify(line)}\n`);
  let shown = "";
  return {
    begin({ run, workflow, data, records, edited }): void {
      shown = run;
      write({ event: "run", run, workflow, data, pid: process.pid, records: records.length, edited });
    },
    event(event): void {
      // An approval is told with the command that grants it; commits are the engine's own affair.
      if (event.event === "approval_waiting" || event.event === "committed") return;
      if ("run" in event && event.run !== shown) return;
      write("error" in event ? { ...event, error: errorData(event.error) } : event);
      if (event.event === "run_closed" && event.next !== undefined) shown = event.next;
    },
    approval({ key, form, description, expiresAt, grant }): void {
      const more = { ...(form === undefined ? {} : { form }), ...(description === undefined ? {} : { description }) };
      write({ event: "approval_waiting", run: shown, key, ...more, expiresAt, grant });
    },
    log(level, text): void {
      write({ event: "log", run: shown, level, text });
    },
    pause(): void {},
    resume(): void {},
    end(run, ending): void {
      const { status, recordedAt } = ending;
      const what = "error" in ending ? { error: errorData(ending.error) } : { result: ending.result };
      const more = {
        ...(recordedAt === undefined ? {} : { recordedAt }),
        ...("resume" in ending && ending.resume !== undefined ? { resume: ending.resume } : {}),
      };
      write({ event: "result", run, status, ...what, ...more, exitCode: exitCodeOfEnding(ending) });
    },
  };
}

/**
 * An error as data.
 *
 * @param error what was thrown
 * @returns its name, code and message, and what a failed run recorded
 */
export function errorData(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { code, hint } = error as { readonly code?: unknown; readonly hint?: unknown };
  const failed = hasCode(error, "RUN_FAILED")
    ? error as Error & { readonly errorName?: string; readonly stepKey?: string; readonly detail?: unknown }
    : undefined;
  return {
    name: failed?.errorName ?? error.name,
    message: error.message,
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof hint === "string" ? { hint } : {}),
    ...(failed?.stepKey === undefined ? {} : { stepKey: failed.stepKey }),
    ...(failed?.detail === undefined ? {} : { detail: failed.detail }),
  };
}

/**
 * Text: progress on stderr, the result alone on stdout.
 *
 * @param io streams
 * @returns the report
 */
export function textReport(io: Io): Report {
  const colors = paint(io.err.color);
  const startedAt = Date.now();
  let progress = createProgress("", colors, startedAt);
  let display: ReturnType<typeof createDisplay> | undefined;
  const line = (text: string): void => display === undefined ? io.err.write(`${text}\n`) : display.line(text);

  return {
    begin({ run, workflow, records, edited }): void {
      progress = createProgress(run, colors, startedAt);
      progress.recall(records, startedAt);
      line(`${colors.strong(oneLine(workflow))}  ${colors.faint(`run ${oneLine(run)}`)}`);
      const settled = records.filter((record) => record.t === "settled").length;
      if (records.length > 0) {
        line(`${colors.busy("»")} goes on after ${countText(settled, "recorded outcome")}, none of which runs again`);
      }
      if (edited) {
        line(`${colors.wait("!")} the file was edited since: what is recorded is checked against what it asks for now`);
      }
      display = createDisplay(io.err, (frame, columns) => progress.live(Date.now(), frame, columns));
    },
    event(event): void {
      const text = progress.take(event, Date.now());
      if (text !== undefined) line(text);
    },
    approval({ key, description, expiresAt, grant }): void {
      const words = description === undefined ? "" : `: ${oneLine(description)}`;
      line(`${colors.wait("?")} ${oneLine(key)} waits for approval until ${clock(expiresAt, Date.now())}${words}`);
      line(`    ${colors.strong(grant)}`);
    },
    log(_level, text): void {
      for (const part of text.split("\n")) line(`${colors.faint("│")} ${part}`);
    },
    pause(): void {
      display?.pause();
    },
    resume(): void {
      display?.resume();
    },
    end(run, ending): void {
      display?.close();
      display = undefined;
      const { recordedAt } = ending;
      const when = recordedAt === undefined
        ? ` after ${duration(Date.now() - startedAt)}`
        : ` on ${clock(recordedAt, Number.NaN)}, as recorded: nothing was run`;
      if (!("error" in ending)) {
        line(`${colors.good("✓")} ${colors.strong(ending.status)}${when}`);
        io.out.write(`${JSON.stringify(ending.result, null, 2)}\n`);
        return;
      }
      const { error, status, resume } = ending;
      if (error instanceof Interruption) {
        line(`${colors.wait("■")} ${colors.strong("stopped")}${when}; run ${oneLine(run)} can go on`);
      } else {
        line(`${colors.bad("✗")} ${colors.strong(status)}${when}: ${colors.bad(errorText(error))}`);
        const frames = ownFrames(error);
        if (frames.length > 0) line(colors.faint(frames.join("\n")));
      }
      if (resume !== undefined) line(`    ${colors.strong(resume)}`);
    },
  };
}

/** The error behind a failed run: when a task's failure ended it, the task's own. */
interface Origin {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** The call that failed. */
  readonly step?: string;
}

function originOf(error: unknown): Origin {
  const { name, message, detail } = errorData(error) as unknown as Origin & {
    readonly detail?: Origin & { readonly extra?: Json };
  };
  const { code, result, step_key: step } = Object(detail?.extra) as {
    readonly code?: Json;
    readonly result?: { readonly error?: Origin };
    readonly step_key?: Json;
  };
  const cause = code === "TASK_FAILED" ? result?.error : undefined;
  if (cause !== undefined) return { ...cause, ...(typeof step === "string" ? { step } : {}) };
  return { name, message, ...(detail?.stack === undefined ? {} : { stack: detail.stack }) };
}

function errorText(error: unknown): string {
  const { name, message, step } = originOf(error);
  const where = step === undefined ? "" : ` in "${oneLine(step)}"`;
  return `${hasCode(error, "RUN_FAILED") ? `${name}${where}: ` : ""}${message}`;
}

/** The lines of a failed run's stack that are the user's own. */
function ownFrames(error: unknown): readonly string[] {
  const folder = new URL("..", import.meta.url);
  const own = [folder.href, fileURLToPath(folder)]; // Bun names paths, the others URLs
  return (originOf(error).stack ?? "").split("\n").filter((text) =>
    /^\s+at /.test(text) && !own.some((place) => text.includes(place)) && !/\b(?:node|ext|native):/.test(text)
  ).slice(0, 4).map((text) => `    ${text.trim()}`);
}
