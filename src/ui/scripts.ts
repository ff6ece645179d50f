/**
 * The scripts of the folder, a form to run one, and what is wrong in the folder.
 *
 * @module
 */
import { countText } from "../base/count_text.ts";
import type { Field } from "../forms/fields.ts";
import { fieldsHtml, type Suggest } from "../forms/fields_html.ts";
import { type Html, markup, urlPath } from "../forms/html.ts";
import type { FormAnswer } from "../forms/values.ts";
import { formTokenHtml, type Frame, pageHtml, sectionHtml } from "./page.ts";

/** A script as pages show it. */
export interface ScriptView {
  readonly path: string;
  readonly hash: string;
  readonly content: string;
  readonly language: string;
  readonly summary: string;
  readonly description: string;
  readonly autoKind?: string;
}

/** A module of a script, by the path that the script imports it by. */
export interface ModuleView {
  readonly key: string;
  readonly content: string;
}

/** A file that cannot be used. */
export interface ProblemView {
  readonly file: string;
  readonly message: string;
}

const MAX_CODE_CHARS = 100_000;

function kindText(script: ScriptView): string {
  if (script.autoKind === "wac") return `workflow, ${script.language}`;
  return script.autoKind === "lib" ? `library, ${script.language}` : script.language;
}

/** Scripts, by their folders. */
function groupsOf(scripts: readonly ScriptView[]): ReadonlyMap<string, readonly ScriptView[]> {
  const groups = new Map<string, ScriptView[]>();
  for (const script of scripts) {
    const folder = script.path.split("/").slice(0, 2).join("/");
    const group = groups.get(folder) ?? [];
    group.push(script);
    groups.set(folder, group);
  }
  return groups;
}

/** The page of all scripts. */
export function scriptsPage(frame: Frame, scripts: readonly ScriptView[], filter: string): Html {
  const wanted = filter.toLowerCase();
  const found = scripts
    .filter(({ path, summary }) => `${path}\n${summary}`.toLowerCase().includes(wanted))
    .toSorted((a, b) => a.path < b.path ? -1 : 1);
  return pageHtml(frame, {
    title: "Scripts",
    area: "scripts",
    body: markup`<h1>Scripts</h1>
<form class="filter" method="get" action="/scripts" role="search" aria-label="Scripts">
<div class="field"><label for="find">Path or summary has</label><input id="find" name="find" type="text" value="${filter}" spellcheck="false" autocomplete="off"></div>
<button type="submit">Show</button></form>
<p class="note">${countText(found.length, "script")}${filter !== "" && ` of ${scripts.length}`}</p>
${
      found.length === 0 &&
      markup`<div class="empty panel"><p>${
        scripts.length === 0 ? "The folder has no scripts yet." : "No script is like that."
      }</p><p class="soft">${
        scripts.length === 0
          ? markup`Save one as <code>f/folder/name.ts</code>; it will be here at once.`
          : markup`<a href="/scripts">Show all scripts</a>`
      }</p></div>`
    }
${
      [...groupsOf(found)].map(([folder, group], at) =>
        markup`<section aria-labelledby="g-${at}"><h2 id="g-${at}" class="group name">${folder}</h2><ul class="scripts">${
          group.map((script) =>
            markup`<li><a class="name" href="/scripts/${urlPath(script.path)}">${script.path}</a>
<span class="summary">${script.summary}</span><span class="kind">${kindText(script)}</span></li>\n`
          )
        }</ul></section>`
      )
    }`,
  });
}

/** What the page of a script shows. */
export interface ScriptPage {
  readonly script: ScriptView;
  readonly modules?: readonly ModuleView[];
  readonly fields: readonly Field[];
  /** What was sent before, and was not right. */
  readonly answer?: FormAnswer | undefined;
  readonly suggest?: Suggest;
}

function codeHtml(content: string): Html {
  return markup`<pre class="code" tabindex="0">${content.slice(0, MAX_CODE_CHARS)}</pre>${
    content.length > MAX_CODE_CHARS && markup`<p class="note">The first ${MAX_CODE_CHARS} characters.</p>`
  }`;
}

/** Code of modules: one is open at first, several are closed. */
function modulesHtml(modules: readonly ModuleView[]): Html | false {
  return modules.length > 0 && sectionHtml(
    "modules",
    "Modules",
    markup`${
      modules.map(({ key, content }) =>
        markup`<details${modules.length === 1 && markup` open`}><summary class="name">${key}</summary>${
          codeHtml(content)
        }</details>\n`
      )
    }`,
  );
}

/** The page of a script, with its form. */
export function scriptPage(frame: Frame, { script, modules = [], fields, answer, suggest }: ScriptPage): Html {
  const { path, summary, description, content } = script;
  const isLibrary = script.autoKind === "lib";
  return pageHtml(frame, {
    title: path,
    area: "scripts",
    body: markup`<div class="title"><h1><span class="name">${path}</span></h1><span class="kind">${
      kindText(script)
    }</span></div>
${summary !== "" && markup`<p class="lead">${summary}</p>`}
${description !== "" && markup`<p class="describe">${description}</p>`}
<div class="columns even"><div class="main-column">${
      isLibrary
        ? sectionHtml("run", "Run", markup`<p class="note">Other scripts import it: it has no function to run.</p>`)
        : sectionHtml(
          "run",
          "Run",
          markup`<form class="form" method="post" action="/scripts/${urlPath(path)}">${formTokenHtml(frame)}
${fields.length === 0 && markup`<p class="note">It takes no arguments.</p>`}${fieldsHtml(fields, answer, suggest)}
<div class="actions"><button class="primary" type="submit">Run</button></div></form>`,
        )
    }
<p class="note"><a href="/?path=${encodeURIComponent(path)}&amp;inner=1">Runs of this script</a></p></div>
<div class="side-column">${
      sectionHtml(
        "code",
        "Code",
        markup`${codeHtml(content)}<p class="note">Version <code>${script.hash}</code></p>`,
      )
    }${modulesHtml(modules)}</div></div>`,
  });
}

/** The list of files that cannot be used: what live updates replace. */
export function problemListHtml(problems: readonly ProblemView[]): Html {
  return markup`<div data-say-quietly="${countText(problems.length, "problem")}">${
    problems.length === 0
      ? markup`<div class="empty panel"><p>Every file of the folder can be used.</p></div>`
      : markup`<ul class="problems">${
        problems.map(({ file, message }) =>
          markup`<li class="panel"><h2 class="name">${file}</h2><pre class="text" tabindex="0">${message}</pre></li>`
        )
      }</ul>`
  }</div>`;
}

/** The page of what is wrong in the folder. */
export function problemsPage(frame: Frame, problems: readonly ProblemView[]): Html {
  return pageHtml(frame, {
    title: "Problems",
    area: "problems",
    events: "/problems/events",
    body: markup`<h1>Problems</h1>
<p class="lead">Files of the folder that cannot be used as they are, and workflows that a replay would not repeat. The rest works; a file that is saved is read again at once.</p>
<div id="problem-list">${problemListHtml(problems)}</div>`,
  });
}
