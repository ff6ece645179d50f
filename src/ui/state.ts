/**
 * Where a run is, in a word and a mark. The mark is a shape: nobody has to tell colours apart.
 *
 * @module
 */
import { type Html, markup } from "../forms/html.ts";

/** A run as pages show it. A job of the server is one. */
export interface RunView {
  readonly id: string;
  readonly kind: string;
  readonly path?: string;
  readonly hash?: string;
  readonly language: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly scheduledFor: number;
  readonly parent?: string;
  readonly tag: string;
  readonly running: boolean;
  readonly suspended: boolean;
  readonly canceled: boolean;
  readonly canceledBy?: string;
  readonly canceledReason?: string;
  readonly completedAt?: number;
  readonly success?: boolean;
  readonly result?: unknown;
  readonly durationMs?: number;
  readonly memPeakBytes?: number;
  readonly progress?: number;
  readonly workflowAsCodeStatus?: unknown;
  readonly entrypoint?: string;
  readonly restarts: number;
}

/** Where a run, or a step of one, is. */
export type State = "queued" | "scheduled" | "running" | "waiting" | "done" | "failed" | "canceled";

const WORDS: Readonly<Record<State, string>> = {
  queued: "Queued",
  scheduled: "Scheduled",
  running: "Running",
  waiting: "Waiting",
  done: "Done",
  failed: "Failed",
  canceled: "Cancelled",
};

/** Where a run is. */
export function stateOf(run: RunView, now: number): State {
  if (run.completedAt !== undefined) return run.canceled ? "canceled" : run.success === true ? "done" : "failed";
  if (run.suspended) return "waiting";
  if (run.running) return "running";
  return run.scheduledFor > now ? "scheduled" : "queued";
}

/** The word for a state. */
export function stateWord(state: State): string {
  return WORDS[state];
}

/** The mark of a state. */
export function markHtml(state: State): Html {
  return markup`<svg class="mark" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">${
    shapeOf(state)
  }</svg>`;
}

function shapeOf(state: State): Html {
  switch (state) {
    case "done":
      return markup`<path d="M3 8.5l3.2 3.2L13 4.8" fill="none" stroke="currentColor" stroke-width="2"/>`;
    case "failed":
      return markup`<path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" stroke-width="2"/>`;
    case "canceled":
      return markup`<circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="1.75"/><path d="M4.5 11.5l7-7" stroke="currentColor" stroke-width="1.75"/>`;
    case "running":
      return markup`<circle class="pulse" cx="8" cy="8" r="5" fill="currentColor"/>`;
    case "waiting":
      return markup`<path d="M5.5 3.5v9M10.5 3.5v9" stroke="currentColor" stroke-width="2.25"/>`;
    case "scheduled":
    case "queued":
      return markup`<circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="1.75" stroke-dasharray="3 2.2"/>`;
  }
}

/** The mark and the word of a state. */
export function stateHtml(state: State): Html {
  return markup`<span class="state is-${state}">${markHtml(state)}${stateWord(state)}</span>`;
}

/** What a run is called: the path of its script, or what it is when it has none. */
export function runName(run: RunView): string {
  const name = run.path ?? (run.kind === "preview" ? "Preview" : run.kind === "identity" ? "Identity" : "No path");
  return run.entrypoint === undefined ? name : `${name} · ${run.entrypoint}`;
}
