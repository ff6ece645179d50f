/**
 * All runs, the latest first.
 *
 * @module
 */
import { countText } from "../base/count_text.ts";
import { type Html, markup, urlQuery } from "../forms/html.ts";
import { dateText, durationText, sinceHtml, timeHtml } from "./format.ts";
import { type Frame, pageHtml } from "./page.ts";
import { runName, type RunView, stateHtml, stateOf } from "./state.ts";

/** Which runs to show. */
export interface RunFilter {
  /** Begin of the path. */
  readonly path: string;
  /** One of {@linkcode RUN_STATES}, empty for all. */
  readonly state: string;
  /** Those that other runs started too. */
  readonly inner: boolean;
  /** From 1. */
  readonly page: number;
}

/** The states that can be asked for. */
export const RUN_STATES: readonly (readonly [value: string, name: string])[] = [
  ["", "All"],
  ["running", "Running"],
  ["waiting", "Waiting"],
  ["queued", "Queued"],
  ["success", "Done"],
  ["failure", "Failed"],
  ["canceled", "Cancelled"],
];

/** What the page shows. */
export interface RunsPage {
  readonly filter: RunFilter;
  readonly runs: readonly RunView[];
  /** All that the filter lets through. */
  readonly total: number;
  readonly perPage: number;
  /** Running now, whatever the filter. */
  readonly running: number;
}

/** The filter as the query of an address. */
function filterQuery({ path, state, inner, page }: RunFilter): string {
  return urlQuery({ path, state, inner: inner ? "1" : "", page: page > 1 ? String(page) : "" });
}

function runHtml(run: RunView, now: number): Html {
  const { startedAt, completedAt, durationMs } = run;
  const took = completedAt !== undefined
    ? markup`<span class="dur">${durationText(durationMs ?? 0)}</span>`
    : startedAt === undefined
    ? markup`<span class="dur">–</span>`
    : sinceHtml(startedAt, now);
  return markup`<li class="run"><div class="run-state">${stateHtml(stateOf(run, now))}</div>
<div class="run-name"><a id="r-${run.id}" class="name" href="/run/${run.id}">${runName(run)}</a>${
    run.parent !== undefined && markup` <span class="kind">part of a run</span>`
  }</div>
<div class="run-when">${timeHtml(run.createdAt)}</div>
<div class="run-took"><span class="hidden">Duration </span>${took}</div>
<div class="run-by"><span class="hidden">by </span>${run.createdBy}</div></li>\n`;
}

/** The list: what live updates replace. */
export function runListHtml({ runs, filter, running, total }: RunsPage, now: number): Html {
  const filtered = filter.path !== "" || filter.state !== "";
  return markup`<div data-say-quietly="${countText(running, "run")} running, ${total} listed">${
    runs.length === 0
      ? markup`<div class="empty panel"><p>${
        filtered ? "No run is like that." : "Nothing has run yet."
      }</p><p class="soft">${
        filtered
          ? markup`<a href="/">Show all runs</a>`
          : markup`Start a script from <a href="/scripts">Scripts</a>, or by the API; it will be listed here at once.`
      }</p></div>`
      : markup`<div class="runs-head" aria-hidden="true"><span>State</span><span>Script</span><span>Asked for</span><span>Duration</span><span>By</span></div>
<ol class="runs">${runs.map((run) => runHtml(run, now))}</ol>`
  }</div>`;
}

function pagerHtml({ filter, total, perPage }: RunsPage): Html {
  const pages = Math.max(1, Math.ceil(total / perPage));
  const { page } = filter;
  const link = (to: number, name: string): Html =>
    markup`<a class="button" href="/${filterQuery({ ...filter, page: to })}">${name}</a>`;
  return markup`${
    page > 1 ? link(page - 1, "Newer") : markup`<span class="button off" aria-hidden="true">Newer</span>`
  }<span class="soft">Page ${page} of ${pages}</span>${
    page < pages ? link(page + 1, "Older") : markup`<span class="button off" aria-hidden="true">Older</span>`
  }`;
}

/** The pager: it changes with the list. */
export function runPagerHtml(page: RunsPage): Html {
  return pagerHtml(page);
}

/** The page of all runs. */
export function runsPage(frame: Frame, page: RunsPage): Html {
  const { filter } = page;
  return pageHtml(frame, {
    title: "Runs",
    area: "runs",
    // Pages behind the first one would change under their reader.
    ...(filter.page === 1 && { events: `/events${filterQuery(filter)}` }),
    body: markup`<h1>Runs</h1>
<form class="filter" method="get" action="/" role="search" aria-label="Runs">
<div class="field"><label for="path">Path begins with</label><input id="path" name="path" type="text" value="${filter.path}" spellcheck="false" autocomplete="off" placeholder="f/"></div>
<div class="field"><label for="state">State</label><select id="state" name="state">${
      RUN_STATES.map(([value, name]) =>
        markup`<option value="${value}"${value === filter.state && markup` selected`}>${name}</option>`
      )
    }</select></div>
<div class="check"><input id="inner" name="inner" type="checkbox" value="1"${
      filter.inner && markup` checked`
    }><label for="inner">Parts of runs too</label></div>
<button type="submit">Show</button></form>
<div id="runs-list">${runListHtml(page, frame.now)}</div>
<nav class="pager" aria-label="Pages of runs" id="runs-pager">${runPagerHtml(page)}</nav>
<p class="note">Times are of this machine's time zone, now ${
      dateText(frame.now)
    }. Only jobs that the server still keeps are listed.</p>`,
  });
}
