/**
 * What every page has: head, navigation, the place for what is said aloud.
 *
 * @module
 */
import { type Html, markup, type Part } from "../forms/html.ts";

/** What every page is told. */
export interface Frame {
  readonly workspace: string;
  /** Value of the nonce that the page's policy names. */
  readonly nonce: string;
  /** Addresses of the style sheet and of the script. */
  readonly assets: { readonly style: string; readonly script: string };
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Goes with every form. */
  readonly formToken: string;
  /** How many files of the folder cannot be used. */
  readonly problems: number;
  /** False where nobody is signed in: there is nothing to go to then. */
  readonly signedIn: boolean;
}

/** One page. */
export interface PageContent {
  readonly title: string;
  /** Which entry of the navigation it belongs to. */
  readonly area?: "runs" | "scripts" | "problems";
  readonly body: Html;
  /** Where its live updates come from. */
  readonly events?: string | undefined;
}

/** A picture of a kite, in an address. */
const ICON = "data:image/svg+xml," +
  "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath d='M16 2 27 13 16 30 5 13Z' fill='%230f6b78'/%3E" +
  "%3Cpath d='M16 2V30M5 13H27' stroke='%23fff' stroke-width='1.6'/%3E%3C/svg%3E";

function brandHtml(): Html {
  return markup`<svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false"><path class="kite" d="M16 2 27 13 16 30 5 13Z"/><path class="spars" d="M16 2V30M5 13H27"/></svg><span>Windkit</span>`;
}

/** The entry of the navigation that says how many files cannot be used. */
export function problemsLink(count: number, current: boolean): Html {
  return markup`<a href="/problems"${current && markup` aria-current="page"`}>Problems${
    count > 0 && markup` <span class="count">${count}</span>`
  }</a>`;
}

function entryHtml(href: string, name: string, current: boolean): Html {
  return markup`<li><a href="${href}"${current && markup` aria-current="page"`}>${name}</a></li>`;
}

/** A whole page. */
export function pageHtml(frame: Frame, { title, area, body, events }: PageContent): Html {
  const { nonce, assets, workspace, signedIn } = frame;
  // Nothing is drawn before what comes last is there: what comes later would move what was seen, buttons among it.
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Windkit</title>
<link rel="icon" href="${ICON}">
<link rel="stylesheet" href="${assets.style}" nonce="${nonce}">
<link rel="expect" href="#said" blocking="render">
<script defer src="${assets.script}" nonce="${nonce}"></script>
</head>
<body data-now="${frame.now}"${events !== undefined && markup` data-events="${events}"`}>
<a class="skip" href="#main">Skip to the content</a>
<header class="top"><div class="wrap">
<a class="brand" href="/">${brandHtml()}</a>
${
    signedIn && markup`<nav aria-label="Pages"><ul>
${entryHtml("/", "Runs", area === "runs")}
${entryHtml("/scripts", "Scripts", area === "scripts")}
<li id="nav-problems">${problemsLink(frame.problems, area === "problems")}</li>
</ul></nav>`
  }
<p class="where">${
    events !== undefined && markup`<span id="link" class="link" data-link="live">live</span>`
  }<span><span class="hidden">Workspace </span>${workspace}</span></p>
</div></header>
<main id="main" class="wrap" tabindex="-1">
${body}
</main>
<p id="said" class="hidden" role="status" aria-live="polite"></p>
</body>
</html>
`;
}

/** The token of a form. */
export function formTokenHtml(frame: Frame): Html {
  return markup`<input type="hidden" name="form_token" value="${frame.formToken}">`;
}

/** A section of a page with its heading. `id` is what live updates replace. */
export function sectionHtml(id: string, heading: string, content: Part, beside?: Part): Html {
  return markup`<section class="panel" aria-labelledby="${id}-h"><div class="panel-head"><h2 id="${id}-h">${heading}</h2>${beside}</div>
${content}</section>`;
}

/** What could not be shown, and why. */
export function refusalPage(frame: Frame, status: number, message: string): Html {
  const heading = status === 404
    ? "There is nothing here"
    : status === 403
    ? "That is not allowed"
    : status >= 500
    ? "Something went wrong"
    : "That did not work";
  return pageHtml(frame, {
    title: heading,
    body: markup`<div class="narrow"><h1>${heading}</h1>
<p class="lead">${message}</p>
${frame.signedIn && markup`<p><a class="button" href="/">All runs</a></p>`}</div>`,
  });
}

/** Where somebody who is not signed in gives the token. */
export function loginPage(frame: Frame, next: URL, wrong: boolean): Html {
  const hidden = [...next.searchParams].filter(([name]) => name !== "token");
  return pageHtml(frame, {
    title: "Sign in",
    body: markup`<div class="narrow"><h1>Sign in</h1>
<p class="lead">The terminal that runs <code>windkit dev</code> printed an address that has the token. Open that, or put the token in here.</p>
<form class="form panel" method="get" action="${next.pathname}">
${hidden.map(([name, value]) => markup`<input type="hidden" name="${name}" value="${value}">`)}
<div class="field"><label for="token">Token</label>
<input id="token" name="token" type="password" required autocomplete="current-password" spellcheck="false"${
      wrong && markup` aria-invalid="true" aria-describedby="token-error"`
    }>
${wrong && markup`<p class="field-error" id="token-error">This server does not know that token.</p>`}
<p class="hint">It is also in the file <code>token</code> of the data folder.</p></div>
<div class="actions"><button class="primary" type="submit">Sign in</button></div>
</form></div>`,
  });
}
