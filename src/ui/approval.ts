/**
 * The page where a workflow's question is answered. Whoever has its address may be nobody of the workspace: it shows what the
 * approval itself says and nothing else of the run.
 *
 * @module
 */
import { isFields } from "../base/exact_numbers.ts";
import type { Field } from "../forms/fields.ts";
import { fieldsHtml, type Suggest } from "../forms/fields_html.ts";
import { type Html, markup } from "../forms/html.ts";
import type { FormAnswer } from "../forms/values.ts";
import { timeHtml } from "./format.ts";
import { formTokenHtml, type Frame, pageHtml } from "./page.ts";
import { jsonHtml } from "./value.ts";

/** An approval as its page shows it. */
export interface ApprovalView {
  readonly job: string;
  /** What the workflow calls the step. */
  readonly step: string;
  /** Path of the workflow. */
  readonly path?: string;
  readonly summary?: string;
  /** A text, or `{ markdown }`. */
  readonly description?: unknown;
  /** `minimal` shows the form alone. */
  readonly skin?: string;
  /** It waits for an answer; false when it has one, or was not reached. */
  readonly pending: boolean;
  /** When it goes on without an answer. */
  readonly endsAt?: number;
  /** Who answered before. */
  readonly approvers: readonly string[];
  /** Who looks may answer. */
  readonly canAnswer: boolean;
  /** It cannot be rejected. */
  readonly hideCancel?: boolean;
}

/** What the page shows. */
export interface ApprovalPage {
  readonly approval: ApprovalView;
  readonly workspace: string;
  /** Token of the page's address. */
  readonly token: string;
  readonly fields: readonly Field[];
  readonly answer?: FormAnswer | undefined;
  /** Why the answer was not taken, in the workflow's words. */
  readonly problem?: string | undefined;
  readonly suggest?: Suggest;
  /** The viewer may see the run. */
  readonly signedIn: boolean;
}

function describeHtml(description: unknown): Html | undefined {
  if (description === undefined || description === null || description === "") return undefined;
  if (typeof description === "string") return markup`<p class="describe">${description}</p>`;
  if (isFields(description) && typeof description["markdown"] === "string") {
    return markup`<p class="describe">${description["markdown"]}</p>`;
  }
  return jsonHtml(description);
}

/** The page of an approval. */
export function approvalPage(frame: Frame, page: ApprovalPage): Html {
  const { approval, fields, answer, suggest, token, workspace, signedIn } = page;
  const { job, step, path, summary, pending, endsAt, approvers, canAnswer, hideCancel } = approval;
  const minimal = approval.skin === "minimal";
  const heading = summary !== undefined && summary !== "" ? summary : `Approval “${step}”`;
  return pageHtml(frame, {
    title: heading,
    body: markup`<div class="narrow"><p class="eyebrow">A workflow asks</p><h1>${heading}</h1>
${describeHtml(approval.description)}
${
      !minimal &&
      markup`<dl class="facts">${
        path !== undefined && markup`<div><dt>Workflow</dt><dd><span class="name">${path}</span></dd></div>`
      }
<div><dt>Step</dt><dd><span class="name">${step}</span></dd></div>
${
        endsAt !== undefined && pending &&
        markup`<div><dt>Goes on without an answer at</dt><dd>${timeHtml(endsAt)}</dd></div>`
      }
${approvers.length > 0 && markup`<div><dt>Answered by</dt><dd>${approvers.join(", ")}</dd></div>`}</dl>`
    }
${
      !pending
        ? markup`<div class="panel empty"><p>It does not wait for an answer now.</p><p class="soft">Somebody answered, the time was up, or the workflow is not there yet.</p></div>`
        : !canAnswer
        ? markup`<div class="panel empty"><p>You may not answer this one.</p><p class="soft">Its workflow wants somebody who is signed in, or somebody else than who started it.</p></div>`
        : markup`<form class="form panel" method="post" action="/approve/${encodeURIComponent(workspace)}/${job}">${
          formTokenHtml(frame)
        }<input type="hidden" name="token" value="${token}">
${
          page.problem !== undefined &&
          markup`<div class="problem" role="alert" tabindex="-1" id="form-problem"><p>The answer was not taken:</p><p>${page.problem}</p></div>`
        }${fieldsHtml(fields, answer, suggest)}
<div class="actions"><button class="primary" type="submit" name="answer" value="approve">Approve</button>${
          hideCancel !== true &&
          markup`<button class="danger" type="submit" name="answer" value="reject" formnovalidate>Reject</button>`
        }</div></form>`
    }
${signedIn && markup`<p class="note"><a href="/run/${job}">See the run</a></p>`}</div>`,
  });
}

/** What is shown after an answer. */
export function answeredPage(frame: Frame, job: string, approved: boolean, signedIn: boolean): Html {
  const heading = approved ? "Approved" : "Rejected";
  return pageHtml(frame, {
    title: heading,
    body: markup`<div class="narrow"><h1>${heading}</h1>
<p class="lead">The workflow has your answer and goes on. You can close this page.</p>
${signedIn && markup`<p><a class="button" href="/run/${job}">See the run</a></p>`}</div>`,
  });
}
