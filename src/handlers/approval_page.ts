/**
 * The page of an approval: one document without script, picture or style of another place.
 *
 * @module
 */
import type { Field } from "../forms/fields.ts";
import { fieldsHtml } from "../forms/fields_html.ts";
import { type Html, markup, type Part, renderHtml } from "../forms/html.ts";
import type { FormAnswer } from "../forms/values.ts";
import { isRecord } from "../wire/answer.ts";
import type { ApprovalInfo } from "./approval_info.ts";

/** What every page is told. */
export interface PageFrame {
  /** Value of the nonce that the page's policy names. */
  readonly nonce: string;
  /** Name above the question. */
  readonly title: string;
}

/** What the page of an approval shows. */
export interface AskingPage {
  readonly info: ApprovalInfo;
  readonly fields: readonly Field[];
  /** Goes with the form. */
  readonly formToken: string;
  /** In whose name the link answers. */
  readonly approver?: string | undefined;
  readonly answer?: FormAnswer | undefined;
  /** Why the answer was not taken. */
  readonly problem?: string | undefined;
}

/** Colours of text have a contrast of at least 4.5 to 1 in both schemes. */
const STYLE =
  `:root { color-scheme: light dark; --bg: #f7f5f1; --panel: #fffefb; --ink: #1d2226; --soft: #5a6168; --line: #e3ded4;
  --edge: #858c92; --accent: #0f6472; --on-accent: #fff; --bad: #ad2a20; --bad-bg: #fbe7e4;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace; }
@media (prefers-color-scheme: dark) { :root { --bg: #121517; --panel: #191d20; --ink: #e7e9ea; --soft: #a3abb2; --line: #2d3438;
  --edge: #7d878e; --accent: #73c7d4; --on-accent: #06242a; --bad: #ff8f86; --bad-bg: #331a18; } }
*, ::before, ::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 400 0.9375rem/1.55 var(--sans); }
main { max-width: 37rem; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
h1, p, dl, dd, ul { margin: 0; }
h1 { font-size: 1.625rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.015em; margin-bottom: 0.75rem; text-wrap: balance; overflow-wrap: anywhere; }
a { color: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
code, .name, .mono { font-family: var(--mono); font-size: 0.9em; overflow-wrap: anywhere; }
.eyebrow, .hint, .soft { color: var(--soft); font-size: 0.8125rem; }
.eyebrow { margin-bottom: 0.25rem; }
.describe { white-space: pre-line; margin-bottom: 1.25rem; overflow-wrap: anywhere; }
pre.describe { white-space: pre-wrap; font: 0.8125rem/1.55 var(--mono); }
.facts { display: flex; flex-wrap: wrap; gap: 0.6rem 2.25rem; font-size: 0.875rem; margin-bottom: 1.5rem; }
.facts dt { color: var(--soft); font-size: 0.8125rem; } .facts dd { overflow-wrap: anywhere; unicode-bidi: isolate; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 1.125rem 1.25rem; }
.empty { text-align: center; padding: 2.75rem 1.25rem; } .empty p + p { margin-top: 0.35rem; }
button { font: inherit; font-size: 0.875rem; font-weight: 550; padding: 0.45rem 0.9rem; min-height: 2.5rem; border: 1px solid var(--edge); border-radius: 7px; cursor: pointer; }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.danger { color: var(--bad); border-color: var(--bad); background: transparent; } button.danger:hover { background: var(--bad-bg); }
.actions { display: flex; gap: 0.75rem; flex-wrap: wrap; margin-top: 1.5rem; } .form > .actions:nth-child(2) { margin-top: 0; }
label, legend { font-size: 0.875rem; font-weight: 550; overflow-wrap: anywhere; }
.field { margin-top: 1.125rem; min-width: 0; } .field > label { display: block; margin-bottom: 0.35rem; }
.form > input + .field { margin-top: 0; }
input, select, textarea { font: inherit; color: var(--ink); background: var(--bg); border: 1px solid var(--edge); border-radius: 7px; padding: 0.5rem 0.7rem; width: 100%; min-height: 2.5rem; }
input[type=checkbox] { width: 1.05rem; height: 1.05rem; min-height: 0; margin: 0; flex: none; accent-color: var(--accent); }
textarea { resize: vertical; line-height: 1.5; display: block; } textarea.mono { font-size: 0.8125rem; }
[aria-invalid] { border-color: var(--bad); box-shadow: inset 0 0 0 1px var(--bad); }
.check { display: flex; align-items: center; gap: 0.55rem; } .check label { font-weight: 450; }
.choices { border: 0; padding: 0; margin: 0; min-width: 0; } .choices legend { padding: 0; margin-bottom: 0.35rem; } .choices .check + .check { margin-top: 0.35rem; }
.hint { margin-top: 0.3rem; overflow-wrap: anywhere; }
.field-error { margin-top: 0.35rem; color: var(--bad); font-size: 0.8125rem; font-weight: 550; }
.needed { color: var(--soft); font-weight: 400; font-size: 0.8125rem; }
.problem { background: var(--bad-bg); color: var(--bad); border-radius: 8px; padding: 0.75rem 1rem; margin-bottom: 1.25rem; font-size: 0.875rem; overflow-wrap: anywhere; }
.problem p:first-child { font-weight: 600; } .problem ul { padding-left: 1.1rem; }
@media (max-width: 40rem) { main { padding: 1.5rem 1rem 3rem; } .panel { padding: 1rem; } }
`;

function pageHtml({ nonce, title }: PageFrame, heading: string, body: Html, wrong = false): string {
  return renderHtml(markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${wrong && "Not yet: "}${heading} · ${title}</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">`) + STYLE + renderHtml(markup`</style>
</head>
<body>
<main>
<p class="eyebrow">${title}</p>
<h1>${heading}</h1>
${body}
</main>
</body>
</html>
`);
}

function describeHtml(description: unknown): Part {
  if (description === undefined || description === null || description === "") return undefined;
  // Marked text is shown as it is written: nothing in it is carried out.
  const text = isRecord(description) && typeof description.markdown === "string" ? description.markdown : description;
  if (typeof text === "string") return markup`<p class="describe">${text}</p>`;
  return markup`<pre class="describe" tabindex="0">${JSON.stringify(description, undefined, 2)}</pre>`;
}

/** A moment in UTC: nobody knows here where the reader is. */
function momentHtml(at: number): Html {
  const iso = new Date(at).toISOString();
  return markup`<time datetime="${iso}">${iso.slice(0, 16).replace("T", " ")} UTC</time>`;
}

function factHtml(name: string, value: Part): Html {
  return markup`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

function headingOf({ summary, step }: ApprovalInfo): string {
  return summary ?? `Approval “${step}”`;
}

/** The page that asks; where nothing is asked any more, the page that says so. */
export function askingPage(frame: PageFrame, page: AskingPage): string {
  const { info, fields, formToken, approver, answer, problem } = page;
  const { path, step, summary, pending, answered, canAnswer, endsAt, approvers, hideCancel } = info;
  const wrong = problem !== undefined || (answer?.errors.size ?? 0) > 0;
  return pageHtml(
    frame,
    headingOf(info),
    markup`${describeHtml(info.description)}
<dl class="facts">${path !== undefined && factHtml("Workflow", markup`<span class="name">${path}</span>`)}${
      summary !== undefined && factHtml("Step", markup`<span class="name">${step}</span>`)
    }${pending && endsAt !== undefined && factHtml("Goes on without an answer at", momentHtml(endsAt))}${
      pending && approver !== undefined && approver !== "" && factHtml("You answer as", approver)
    }${approvers.length > 0 && factHtml("Answered by", approvers.join(", "))}</dl>
${
      answered
        ? markup`<div class="panel empty"><p>It has an answer.</p><p class="soft">This link was used before, and is good once.</p></div>`
        : !pending
        ? markup`<div class="panel empty"><p>It does not wait for an answer now.</p><p class="soft">Somebody answered, the time was up, or the workflow is not there yet.</p></div>`
        : !canAnswer
        ? markup`<div class="panel empty"><p>You may not answer this one.</p><p class="soft">Its workflow wants somebody else.</p></div>`
        : markup`<form class="form panel" method="post"><input type="hidden" name="form_token" value="${formToken}">${
          problem !== undefined &&
          markup`<div class="problem" role="alert"><p>The answer was not taken:</p><p>${problem}</p></div>`
        }${fieldsHtml(fields, answer)}
<div class="actions"><button class="primary" type="submit" name="answer" value="approve">Approve</button>${
          !hideCancel &&
          markup`<button class="danger" type="submit" name="answer" value="reject" formnovalidate>Reject</button>`
        }</div></form>`
    }`,
    wrong,
  );
}

/** What is shown after an answer. */
export function answeredPage(frame: PageFrame, info: ApprovalInfo, approved: boolean): string {
  return pageHtml(
    frame,
    approved ? "Approved" : "Rejected",
    markup`<p class="describe">The workflow has your answer to ${headingOf(info)}. You can close this page.</p>`,
  );
}

/** What is shown where there is nothing to ask. */
export function refusalPage(frame: PageFrame, status: number, message: string): string {
  const heading = status >= 500
    ? "Something went wrong"
    : status === 401 || status === 403
    ? "That is not allowed"
    : "That did not work";
  return pageHtml(frame, heading, markup`<p class="describe">${message}</p>`);
}
