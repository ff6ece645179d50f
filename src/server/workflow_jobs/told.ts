/**
 * What the engine tells of a run, in its job's timeline and log: the entries of wac-protocol 2.4 and the lines of 13.
 *
 * @module
 */
import type { EngineEvent } from "../../engine/api.ts";
import type { Json } from "../../workflow/journal.ts";
import type { ServerContext } from "../ports.ts";
import { linksOf } from "./links.ts";
import { iso, statusFields, type Timelines } from "./timeline.ts";

/** What {@linkcode createTold} needs. */
export interface ToldParts {
  readonly context: ServerContext;
  readonly timelines: Timelines;
  /** Writes to the log of a job. */
  log(job: string, text: string): void;
  /** An approval is waited for, from now on or again. */
  asked(job: string, key: string): void;
}

/** How an approval is shown, as the body said it. */
interface Shown {
  readonly skin?: Json;
  readonly description?: Json;
}

/** The key of the call whose repetition a backoff waits for: `a#retry2` is of `a`. */
function repeatedBy(key: string): string | undefined {
  return /^(.+)#retry\d+(?:_\d+)?$/s.exec(key)?.[1];
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 100) / 10);
}

/** Makes what hears of the runs of a server. */
export function createTold({ context, timelines, log, asked }: ToldParts): (job: string, event: EngineEvent) => void {
  const { jobs } = context;

  return (job, event) => {
    switch (event.event) {
      case "call_started": {
        if (event.kind === "task") return;
        const { key } = event;
        const at = iso(event.at);
        timelines.patch(job, `_step/${key}`, {
          scheduled_for: at,
          started_at: at,
          name: key,
          duration_ms: undefined,
          failed: undefined,
        });
        return log(job, `\n--- WAC: ${key} ---\nWM_WAC_STEP: ${JSON.stringify({ key, started_at: at })}\n`);
      }
      case "call_settled": {
        const { key, kind, ok, at, startedAt } = event;
        if (kind === "step" || kind === "undo" || kind === "approval" || kind === "event") {
          timelines.patch(job, `_step/${key}`, {
            duration_ms: Math.max(0, at - startedAt),
            ...(ok ? undefined : { failed: true }),
          });
        }
        if (!ok && kind !== "approval") {
          log(job, `--- WAC: ${key} failed ---\n${event.failure === undefined ? "" : `${event.failure.message}\n`}`);
        }
        return;
      }
      case "sleep_started": {
        const { key, dueAt } = event, name = `_step/${key}`;
        // A replay tells of it again.
        if (timelines.has(job, name)) return;
        const now = context.now(), left = seconds(dueAt - now), repeats = repeatedBy(key);
        timelines.patch(job, name, { scheduled_for: iso(now), name: key, sleep_duration_s: left });
        return log(
          job,
          `\n--- WAC: sleep(${key}, ${left}s)${repeats === undefined ? "" : ` before retrying ${repeats}`} ---\n`,
        );
      }
      case "event_waiting": {
        const { key, name } = event, entry = `_step/${key}`;
        if (timelines.has(job, entry)) return;
        const now = iso(context.now());
        timelines.patch(job, entry, { scheduled_for: now, started_at: now, name: key, event: name });
        return log(job, `\n--- WAC: event(${name}) ---\n`);
      }
      case "approval_waiting": {
        const { key, form, timeoutMs } = event;
        const name = `_step/${key}`;
        if (!timelines.has(job, name)) {
          const { skin, description } = statusFields(event.options) as Shown;
          const shown = { form: form ?? null, self_approval_disabled: false, ...linksOf(context, job, key) };
          const now = iso(context.now());
          timelines.patch(job, "_approval", { key, timeout: timeoutMs / 1000, skin, description, ...shown });
          timelines.patch(job, name, { scheduled_for: now, started_at: now, name: key, approval: true, ...shown });
          timelines.flush(job);
          log(job, `\n--- WAC: approval(${key}) ---\n`);
        }
        return asked(job, key);
      }
      case "progress": {
        timelines.patch(job, "_windkit_progress", { value: event.value });
        const percent = typeof event.value === "number" ? event.value : statusFields(event.value).percent;
        if (typeof percent === "number" && percent >= 0 && percent <= 100) jobs.setProgress(job, Math.trunc(percent));
        return;
      }
      case "log": {
        const data = event.data === undefined ? "" : ` ${JSON.stringify(event.data)}`;
        return log(job, `[${event.level}] ${event.message}${data}\n`);
      }
      case "warning":
        return log(job, `[Windkit: ${event.message}]\n`);
      case "run_closed":
        if (event.status === "completed") log(job, "\n--- WAC: complete ---\n");
        return;
      case "answer_refused":
        return log(job, `[Windkit: an answer to "${event.key}" was refused: ${event.reason}]\n`);
      default:
        return;
    }
  };
}
