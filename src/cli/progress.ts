/**
 * What a run is doing, as data: fed with the engine's events, asked for lines. Knows no terminal and no clock.
 *
 * @module
 */
import type { EngineEvent } from "../engine/api.ts";
import type { JournalRecord, Key } from "../workflow/journal.ts";
import { clip, clock, duration, oneLine, type Paint } from "./format.ts";

/** Something that goes on now. */
interface Active {
  readonly key: Key;
  readonly kind: "task" | "step" | "undo" | "sleep" | "approval" | "event" | "child";
  readonly since: number;
  /** An event's name, a child's run. */
  readonly what?: string;
  /** When a wait ends by itself. */
  readonly until?: number;
}

/** The progress of one run. */
export interface Progress {
  /** Takes an event in; gives the line that it is worth, if any. */
  take(event: EngineEvent, now: number): string | undefined;
  /** Takes the journal of an earlier process in; gives the lines that tell what it did. */
  recall(records: readonly JournalRecord[], now: number): void;
  /** What goes on now, for a display that is drawn over and over. */
  live(now: number, frame: number, columns: number): readonly string[];
  /** Calls that have settled well, and those that failed. */
  readonly counts: { readonly done: number; readonly failed: number };
}

const SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const SHOWN = 8;
const KEY_COLUMNS = 28;

/**
 * Makes the progress of one run.
 *
 * @param shown id of the run: events of others are passed over
 * @param colors how to paint
 * @param startedAt when this process began with it
 * @returns an empty progress
 */
export function createProgress(shown: string, colors: Paint, startedAt: number): Progress {
  const active = new Map<Key, Active>();
  /** The run that goes on for it. */
  let run = shown;
  let done = 0;
  let failed = 0;
  /** What the body said last of how far it is. */
  let said: string | undefined;

  const line = (mark: string, key: string, time: string, more = ""): string =>
    `${mark} ${key.padEnd(KEY_COLUMNS)} ${colors.faint(time.padStart(9))}${more === "" ? "" : `  ${more}`}`;

  function settled(event: EngineEvent & { readonly event: "call_settled" }): string | undefined {
    const { key, kind, ok, startedAt: from, at, failure } = event;
    active.delete(key);
    if (ok) done++;
    else failed++;
    if (kind === "sleep" && key.includes("#retry")) return undefined; // a back-off: the failure before it was told
    const time = duration(at - from);
    if (ok) return line(colors.good("✓"), oneLine(key), time);
    return line(colors.bad("✗"), oneLine(key), time, colors.bad(oneLine(failure?.message ?? "failed")));
  }

  return {
    take(event, now): string | undefined {
      if (!("run" in event) || event.run !== run) return undefined;
      switch (event.event) {
        case "call_started":
          active.set(event.key, { key: event.key, kind: event.kind, since: event.at });
          return undefined;
        case "sleep_started":
          active.set(event.key, { key: event.key, kind: "sleep", since: now, until: event.dueAt });
          return undefined;
        case "approval_waiting":
          active.set(event.key, { key: event.key, kind: "approval", since: now, until: event.expiresAt });
          return undefined;
        case "event_waiting": {
          const { key, name, expiresAt } = event;
          const until = expiresAt === undefined ? {} : { until: expiresAt };
          active.set(key, { key, kind: "event", since: now, ...until, ...(name === key ? {} : { what: name }) });
          return undefined;
        }
        case "child_waiting":
          active.set(event.key, { key: event.key, kind: "child", since: now, what: event.child });
          return undefined;
        case "progress":
          said = clip(oneLine(typeof event.value === "string" ? event.value : JSON.stringify(event.value)), 80);
          return undefined;
        case "log": {
          const { level, message, data } = event;
          const mark = level === "error" ? colors.bad("│") : level === "warn" ? colors.wait("│") : colors.faint("│");
          return `${mark} ${oneLine(message)}${
            data === undefined ? "" : ` ${colors.faint(clip(JSON.stringify(data), 200))}`
          }`;
        }
        case "answer_refused":
          return `${colors.wait("!")} ${oneLine(event.key)}: an answer does not fit, and is waited for again: ${
            oneLine(event.reason)
          }`;
        case "call_settled":
          return settled(event);
        case "call_dropped":
          active.delete(event.key);
          return undefined;
        case "warning":
          return `${colors.wait("!")} ${oneLine(event.message)}`;
        case "run_closed":
          active.clear();
          if (event.next === undefined) return undefined;
          run = event.next;
          return `${colors.busy("»")} goes on as run ${oneLine(event.next)}`;
        case "run_stopped":
          active.clear();
          return undefined;
        case "run_started":
        case "run_resumed":
        case "run_parked":
          return undefined;
      }
    },
    recall(records, now): void {
      for (const record of records) {
        if (record.t === "settled") {
          active.delete(record.key);
          if (record.outcome.ok) done++;
          else failed++;
        }
        if (record.t === "abandoned") active.delete(record.key);
        if (record.t === "called") {
          const { key, call: { kind }, dueAt } = record;
          if (kind !== "sleep" && kind !== "approval" && kind !== "event" && kind !== "child") continue;
          const what = record.call.kind === "event"
            ? { what: record.call.name }
            : record.call.kind === "child"
            ? { what: record.call.runId }
            : {};
          const until = dueAt === undefined ? {} : { until: dueAt };
          active.set(key, { key, kind, since: Math.min(record.at, now), ...until, ...what });
        }
      }
    },
    live(now, frame, columns): readonly string[] {
      const all = [...active.values()];
      const lines = all.slice(0, SHOWN).map((call) => {
        const name = oneLine(call.key).padEnd(KEY_COLUMNS);
        const until = call.until === undefined ? "" : ` until ${clock(call.until, now)}`;
        if (call.kind === "sleep") return `${colors.wait("◷")} ${name} ${colors.faint(`sleeps${until}`)}`;
        if (call.kind === "approval") return `${colors.wait("?")} ${name} ${colors.wait(`waits for approval${until}`)}`;
        if (call.kind === "event") {
          return `${colors.wait("?")} ${name} ${
            colors.wait(`waits for event ${oneLine(call.what ?? call.key)}${until}`)
          }`;
        }
        if (call.kind === "child") {
          return `${colors.busy("»")} ${name} ${colors.faint(`run ${oneLine(call.what ?? "")}`)}`;
        }
        const spinner = colors.busy(SPINNER[frame % SPINNER.length] ?? "");
        return `${spinner} ${name} ${colors.faint(duration(now - call.since).padStart(9))}`;
      });
      if (all.length > SHOWN) lines.push(colors.faint(`  and ${all.length - SHOWN} more`));
      const running = all.filter(({ kind }) => kind === "task" || kind === "step" || kind === "undo").length;
      const parts = [`${done} done`];
      if (failed > 0) parts.push(`${failed} failed`);
      if (running > 0) parts.push(`${running} running`);
      parts.push(duration(now - startedAt));
      if (said !== undefined) parts.push(said);
      lines.push(colors.faint(`  ${parts.join(" · ")}`));
      return lines.map((text) => clip(text, columns - 1));
    },
    get counts(): { readonly done: number; readonly failed: number } {
      return { done, failed };
    },
  };
}
