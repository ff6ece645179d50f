/**
 * One run: where it is, its timeline, result, log and arguments.
 *
 * @module
 */
import { isFields } from "../base/exact_numbers.ts";
import { type Html, markup, urlPath } from "../forms/html.ts";
import { bytesText, durationText, logText, sinceHtml, timeHtml } from "./format.ts";
import { formTokenHtml, type Frame, pageHtml, sectionHtml } from "./page.ts";
import { runName, type RunView, stateHtml, stateOf, stateWord } from "./state.ts";
import { timelineHtml, timelineOf } from "./timeline.ts";
import { argumentsHtml, errorHtml, valueHtml } from "./value.ts";

/** So much of a log is in the page when it is opened; the rest is behind a link. */
const MAX_LOG_CHARS = 200_000;

/** So much of a streamed result is shown while it comes: its end. */
const MAX_STREAM_CHARS = 20_000;

/** What the page of a run shows. */
export interface RunPage {
  readonly run: RunView;
  /** Jobs that it started, by id. */
  readonly children: ReadonlyMap<string, RunView>;
  /** Streamed result, as far as it came. */
  readonly stream: string;
  /** The script of its path is there, and can be run again. */
  readonly canRepeat: boolean;
}

/** Parts of the page of a run that change while it runs: by the id of the element that holds them. */
export type LiveParts = Readonly<Record<string, Html>>;

function factHtml(name: string, value: Html | string): Html {
  return markup`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

/** Some words on where a run is, for what waits and for what was cancelled. */
function whyHtml(run: RunView, now: number): Html | undefined {
  const state = stateOf(run, now);
  if (state === "canceled") {
    const by = run.canceledBy === undefined ? "" : ` by ${run.canceledBy}`;
    const reason = run.canceledReason ? `: ${run.canceledReason}` : "";
    return markup`<p class="why">Cancelled${by}${reason}</p>`;
  }
  if (state === "scheduled") return markup`<p class="why">Begins at ${timeHtml(run.scheduledFor)}</p>`;
  if (state === "waiting") {
    return markup`<p class="why">It waits for an approval, a time or its own jobs; no process of it runs</p>`;
  }
  if (state === "queued") return markup`<p class="why">It waits until there is room for it</p>`;
  return undefined;
}

function headHtml({ run }: RunPage, now: number): Html {
  const state = stateOf(run, now), name = runName(run);
  const { startedAt, completedAt, durationMs, memPeakBytes, progress, parent } = run;
  const took = completedAt !== undefined
    ? durationText(durationMs ?? completedAt - (startedAt ?? run.createdAt))
    : startedAt === undefined
    ? "not begun"
    : sinceHtml(startedAt, now);
  return markup`<div data-title="${name} · ${stateWord(state)} · Windkit" data-say="${name}: ${stateWord(state)}">
<div class="title"><h1><span class="name">${name}</span></h1>${stateHtml(state)}</div>
${whyHtml(run, now)}
<dl class="facts">
${factHtml("Duration", took)}
${factHtml("Asked for", markup`${timeHtml(run.createdAt)} by ${run.createdBy}`)}
${factHtml("Language", run.language)}
${run.tag !== run.language && factHtml("Tag", run.tag)}
${memPeakBytes !== undefined && factHtml("Most memory", bytesText(memPeakBytes))}
${run.restarts > 0 && factHtml("Begun again", `${run.restarts} times, the server had ended`)}
${
    parent !== undefined &&
    factHtml("Part of", markup`<a id="to-parent" href="/run/${parent}">the run that started it</a>`)
  }
</dl>${
    progress !== undefined && completedAt === undefined &&
    markup`<div class="progress"><label for="progress">Progress</label><progress id="progress" max="100" value="${progress}">${progress} %</progress><span class="dur">${progress} %</span></div>`
  }</div>`;
}

function resultHtml({ run, stream }: RunPage, now: number): Html {
  const state = stateOf(run, now);
  if (run.completedAt === undefined) {
    if (stream !== "") {
      return sectionHtml(
        "result",
        "Result so far",
        markup`<pre class="text" tabindex="0">${stream.slice(-MAX_STREAM_CHARS)}</pre>`,
      );
    }
    return sectionHtml("result", "Result", markup`<p class="note">There is none yet.</p>`);
  }
  const { result } = run;
  if (state !== "done" && isFields(result) && Object.hasOwn(result, "error")) {
    return sectionHtml("result", "Error", errorHtml(result["error"]));
  }
  return sectionHtml("result", "Result", valueHtml(result, "Result"), linkHtml(run));
}

function linkHtml(run: RunView): Html {
  return markup`<a id="result-all" class="beside" href="/run/${run.id}/result.json">All of it, as JSON</a>`;
}

/** The parts of a run's page that change while it runs. */
export function liveParts(page: RunPage, now: number): LiveParts {
  const entries = timelineOf(page.run, page.children, now);
  return {
    "run-head": headHtml(page, now),
    "run-timeline": entries.length === 0 ? markup`` : sectionHtml("timeline", "Timeline", timelineHtml(entries, now)),
    "run-result": resultHtml(page, now),
  };
}

function cancelHtml(frame: Frame, run: RunView): Html {
  return markup`<details class="ask" id="cancel"><summary class="button">Cancel this run</summary>
<form class="form ask-form" method="post" action="/run/${run.id}/cancel">${formTokenHtml(frame)}
<div class="field"><label for="reason">Reason</label><input id="reason" name="reason" type="text" maxlength="500" autocomplete="off">
<p class="hint">It ends, and all jobs that it started.</p></div>
<div class="actions"><button class="danger" type="submit">Cancel it</button></div></form></details>`;
}

/** The buttons of a run's page; they change when it ends. */
export function actionsHtml(frame: Frame, { run, canRepeat }: RunPage): Html {
  return markup`${run.completedAt === undefined && cancelHtml(frame, run)}${
    canRepeat && run.path !== undefined &&
    markup`<a class="button" id="again" href="/scripts/${urlPath(run.path)}?from=${run.id}">Run again…</a>`
  }`;
}

/** The page of a run. `log` is all that it wrote. */
export function runPage(frame: Frame, page: RunPage, log: string): Html {
  const { run } = page;
  const parts = liveParts(page, frame.now);
  const shown = logText(log.slice(-MAX_LOG_CHARS));
  const open = run.completedAt === undefined;
  return pageHtml(frame, {
    title: `${runName(run)} · ${stateWord(stateOf(run, frame.now))}`,
    area: "runs",
    ...(open && { events: `/run/${run.id}/events?log=${log.length}` }),
    body: markup`<div class="run-top"><div id="run-head">${parts["run-head"]}</div>
<div id="run-actions" class="run-actions">${actionsHtml(frame, page)}</div></div>
<div id="run-timeline">${parts["run-timeline"]}</div>
<div class="columns"><div class="main-column"><div id="run-result">${parts["run-result"]}</div>
${
      sectionHtml(
        "log",
        "Log",
        markup`<pre id="log" class="log" tabindex="0" role="log" aria-live="off" aria-labelledby="log-h" data-empty="It wrote nothing${
          open && " yet"
        }.">${shown}</pre>${
          log.length > MAX_LOG_CHARS && markup`<p class="note">The last ${MAX_LOG_CHARS} characters.</p>`
        }`,
        markup`<a class="beside" href="/run/${run.id}/log.txt">All of it, as text</a>`,
      )
    }</div>
<div class="side-column">${sectionHtml("args", "Arguments", argumentsHtml(run.args))}
<p class="id"><span class="soft">Id of the run</span> <code>${run.id}</code></p></div></div>`,
  });
}
