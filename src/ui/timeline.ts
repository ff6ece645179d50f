/**
 * The timeline of a workflow: its steps, attempts, waits, approvals and children, out of what a job's status says of them
 * (`workflow_as_code_status`) and of the jobs it started.
 *
 * @module
 */
import { type Fields, isFields } from "../base/exact_numbers.ts";
import { type Html, markup } from "../forms/html.ts";
import { durationText, sinceHtml, timeHtml } from "./format.ts";
import { markHtml, type RunView, type State, stateOf, stateWord } from "./state.ts";

/** What an entry is. */
type EntryKind = "step" | "job" | "sleep" | "approval" | "event";

/** One line of a timeline. Times are milliseconds since 1970. */
export interface TimelineEntry {
  readonly kind: EntryKind;
  readonly name: string;
  /** The second attempt has 2. */
  readonly attempt: number;
  /** The attempt that a wait is before. */
  readonly before?: number;
  readonly state: State;
  /** When it was asked for, when it began, when it ended. */
  readonly askedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  /** Id of its job. */
  readonly job?: string;
  /** Where its approval is given. */
  readonly approvalPage?: string;
}

/** Lines that are shown: a workflow may have thousands. */
const MAX_ENTRIES = 500;

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** `name#2` is the second attempt of `name`, `name#retry2` the wait before it; `_2` behind a number parts keys that collide. */
const ATTEMPT = /^(.+)#(retry)?(\d{1,4})(?:_\d+)?$/s;

function timeOf(value: unknown): number | undefined {
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const at = new Date(value).getTime();
  return Number.isFinite(at) ? at : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function hasFailed(value: unknown): boolean {
  return isFields(value) && value["__wmill_error"] === true;
}

/** The entries of a run's timeline, in the order in which they were asked for. */
export function timelineOf(
  run: RunView,
  children: ReadonlyMap<string, RunView>,
  now: number,
): readonly TimelineEntry[] {
  const status = isFields(run.workflowAsCodeStatus) ? run.workflowAsCodeStatus : {};
  const checkpoint = isFields(status["_checkpoint"]) ? status["_checkpoint"] : {};
  const completed = isFields(checkpoint["completed_steps"]) ? checkpoint["completed_steps"] : {};
  const entries: TimelineEntry[] = [];
  const seen = new Set<string>();

  /** Where an entry without a job of its own is. */
  function stepState(key: string, about: Fields, endedAt: number | undefined, waits: boolean): State {
    // A server that keeps no checkpoint says it in the entry.
    if (hasFailed(completed[key]) || about["failed"] === true) return "failed";
    if (endedAt !== undefined || Object.hasOwn(completed, key)) return "done";
    // Whatever had not ended when the run did never will.
    if (run.completedAt !== undefined) return "canceled";
    return waits ? "waiting" : "running";
  }

  function add(id: string, about: Readonly<Record<string, unknown>>): void {
    const isStep = id.startsWith("_step/");
    if (!isStep && !UUID.test(id)) return;
    const key = typeof about["name"] === "string" ? about["name"] : isStep ? id.slice("_step/".length) : id;
    // What the runtime keeps for itself.
    if (key.startsWith("__windkit/")) return;
    const [, base = key, retry, number] = ATTEMPT.exec(key) ?? [];
    const attempt = number === undefined || retry !== undefined ? 1 : Number(number);
    const job = isStep ? undefined : children.get(id);
    const askedAt = timeOf(about["scheduled_for"]) ?? job?.createdAt ?? run.startedAt ?? run.createdAt;
    const begun = timeOf(about["started_at"]) ?? job?.startedAt;
    const ms = numberOf(about["duration_ms"]);
    const sleepS = numberOf(about["sleep_duration_s"]);
    const named = { name: base, attempt, ...(retry !== undefined && { before: Number(number) }), askedAt };
    if (!isStep) {
      seen.add(id);
      const endedAt = job?.completedAt ?? (ms === undefined ? undefined : (begun ?? askedAt) + ms);
      const state = job !== undefined ? stateOf(job, now) : stepState(key, about, endedAt, begun === undefined);
      entries.push({
        ...named,
        kind: "job",
        state,
        job: id,
        ...(begun !== undefined && { startedAt: begun }),
        ...(endedAt !== undefined && { endedAt }),
      });
      return;
    }
    if (sleepS !== undefined) {
      const wakes = askedAt + sleepS * 1000;
      const over = wakes <= now || Object.hasOwn(completed, key);
      const endedAt = over ? Math.min(wakes, run.completedAt ?? now) : undefined;
      entries.push({
        ...named,
        kind: "sleep",
        state: stepState(key, about, endedAt, true),
        startedAt: askedAt,
        ...(endedAt === undefined ? run.completedAt !== undefined && { endedAt: run.completedAt } : { endedAt }),
      });
      return;
    }
    const startedAt = begun ?? askedAt;
    const endedAt = ms === undefined ? run.completedAt : startedAt + ms;
    const approval = about["approval"] === true, event = typeof about["event"] === "string";
    const page = about["approvalPage"];
    entries.push({
      ...named,
      kind: approval ? "approval" : event ? "event" : "step",
      state: stepState(key, about, ms === undefined ? undefined : endedAt, approval || event),
      startedAt,
      ...(endedAt !== undefined && { endedAt }),
      ...(approval && typeof page === "string" && { approvalPage: page }),
    });
  }

  for (const [id, about] of Object.entries(status)) if (isFields(about)) add(id, about);
  for (const [id, child] of children) {
    if (seen.has(id)) continue;
    entries.push({
      kind: "job",
      name: child.path ?? child.kind,
      attempt: 1,
      state: stateOf(child, now),
      askedAt: child.createdAt,
      ...(child.startedAt !== undefined && { startedAt: child.startedAt }),
      ...(child.completedAt !== undefined && { endedAt: child.completedAt }),
      job: id,
    });
  }
  return entries.toSorted((a, b) => a.askedAt - b.askedAt);
}

const KINDS: Readonly<Record<EntryKind, string>> = {
  step: "step",
  job: "job",
  sleep: "sleep",
  approval: "approval",
  event: "event",
};

/** The path and query of an address of this server; undefined for another one's. */
function ownPath(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { pathname, search, protocol } = new URL(address);
  return /^https?:$/.test(protocol) && pathname.startsWith("/approve/") ? pathname + search : undefined;
}

function percent(value: number): string {
  return `${Math.round(Math.min(Math.max(value, 0), 100) * 100) / 100}%`;
}

function barHtml(entry: TimelineEntry, from: number, span: number, now: number): Html {
  const { askedAt, startedAt, endedAt, state } = entry;
  const end = endedAt ?? now, begin = startedAt ?? end;
  const at = (time: number): number => (time - from) / span * 100;
  const width = Math.max(at(end) - at(begin), 0.6);
  const left = Math.min(at(begin), 99.4);
  return markup`<svg class="bar is-${state} of-${entry.kind}" width="100%" height="10" aria-hidden="true" focusable="false"><rect class="track" x="0" y="4" width="100%" height="2" rx="1"/>${
    begin > askedAt &&
    markup`<rect class="wait" x="${percent(at(askedAt))}" y="3" width="${
      percent(at(begin) - at(askedAt))
    }" height="4" rx="2"/>`
  }${
    startedAt !== undefined &&
    markup`<rect class="fill" x="${percent(left)}" y="0" width="${percent(width)}" height="10" rx="3"/>`
  }</svg>`;
}

function entryHtml(entry: TimelineEntry, from: number, span: number, now: number): Html {
  const { kind, name, attempt, before, state, askedAt, startedAt, endedAt, job, approvalPage } = entry;
  const page = approvalPage === undefined || state !== "waiting" ? undefined : ownPath(approvalPage);
  const what = before !== undefined
    ? `wait before attempt ${before}`
    : attempt > 1
    ? `attempt ${attempt}`
    : KINDS[kind];
  const since = startedAt ?? askedAt;
  return markup`<li class="entry">
<div class="entry-name"><span class="is-${state}">${markHtml(state)}<span class="hidden">${
    stateWord(state)
  }: </span></span>
<span class="entry-label">${
    job === undefined
      ? markup`<span class="name">${name}</span>`
      : markup`<a class="name" id="to-${job}" href="/run/${job}">${name}</a>`
  } <span class="kind">${what}</span></span></div>
<div class="entry-bar">${barHtml(entry, from, span, now)}</div>
<div class="entry-time">${
    endedAt === undefined ? sinceHtml(since, now) : markup`<span class="dur">${durationText(endedAt - since)}</span>`
  }</div>
${
    page !== undefined &&
    markup`<p class="entry-more"><a class="button" id="approve-${askedAt}" href="${page}">Answer the approval</a></p>`
  }
</li>`;
}

/** A timeline, with the axis that all its bars share. */
export function timelineHtml(entries: readonly TimelineEntry[], now: number): Html {
  const shown = entries.slice(0, MAX_ENTRIES);
  const from = Math.min(...shown.map(({ askedAt }) => askedAt));
  const to = Math.max(...shown.map(({ endedAt }) => endedAt ?? now));
  const span = Math.max(to - from, 1);
  return markup`<ol class="timeline">${shown.map((entry) => entryHtml(entry, from, span, now))}</ol>
<p class="axis"><span>${timeHtml(from)}</span><span>${durationText(span)} in all</span></p>${
    entries.length > shown.length && markup`<p class="note">The first ${shown.length} of ${entries.length}.</p>`
  }`;
}
