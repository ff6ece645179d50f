/**
 * Values of JSON for people: a table where they are one, text where they are text, else JSON with its parts told apart. Nothing in
 * them is ever taken for HTML.
 *
 * @module
 */
import { countText } from "../base/count_text.ts";
import { type Fields, isExactNumber, isFields } from "../base/exact_numbers.ts";
import { type Html, markup, type Part } from "../forms/html.ts";

/** So much of a value is shown: the rest is behind the link to all of it. */
const MAX_CHARS = 60_000, MAX_ROWS = 100, MAX_COLUMNS = 24, MAX_CELL_CHARS = 200;

/** Longest picture that is put into a page. */
const MAX_PICTURE_CHARS = 4_000_000;

function textOf(value: unknown, indent?: number): string {
  return JSON.stringify(value ?? null, undefined, indent);
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** JSON, with names, texts and other values told apart. */
export function jsonHtml(value: unknown): Html {
  const whole = textOf(value, 2);
  const text = whole.slice(0, MAX_CHARS);
  const parts: Part[] = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token, quoted, colon] = match;
    parts.push(text.slice(at, match.index));
    if (quoted === undefined) parts.push(markup`<span class="j-value">${token}</span>`);
    else if (colon === undefined) parts.push(markup`<span class="j-text">${quoted}</span>`);
    else parts.push(markup`<span class="j-name">${quoted}</span>${colon}`);
    at = match.index + token.length;
  }
  parts.push(text.slice(at));
  return markup`<pre class="json" tabindex="0">${parts}</pre>${
    whole.length > text.length && markup`<p class="note">The first ${MAX_CHARS} of ${whole.length} characters.</p>`
  }`;
}

/** The columns of a table, when a value is one: a list of objects and nothing else. */
function columnsOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isFields)) return undefined;
  const names = new Set<string>();
  for (const row of value.slice(0, MAX_ROWS)) for (const name of Object.keys(row)) names.add(name);
  return names.size === 0 || names.size > MAX_COLUMNS ? undefined : [...names];
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || isExactNumber(value);
}

function cellHtml(value: unknown): Html {
  if (value === undefined || value === null) return markup`<td class="none">${value === null ? "null" : ""}</td>`;
  if (isNumber(value)) return markup`<td class="number">${textOf(value)}</td>`;
  const text = typeof value === "string" ? value : textOf(value);
  const shown = text.length > MAX_CELL_CHARS ? `${text.slice(0, MAX_CELL_CHARS)}…` : text;
  return markup`<td class="${typeof value === "string" ? "text" : "code"}">${shown}</td>`;
}

/** True when a column has numbers and nothing else: they stand under one another, and so does its name. */
function isNumeric(rows: readonly Fields[], name: string): boolean {
  const values = rows.map((row) => row[name]).filter((value) => value !== undefined && value !== null);
  return values.length > 0 && values.every(isNumber);
}

function tableHtml(rows: readonly Fields[], columns: readonly string[], label: string): Html {
  const shown = rows.slice(0, MAX_ROWS);
  return markup`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${
    columns.map((name) => markup`<th scope="col"${isNumeric(shown, name) && markup` class="number"`}>${name}</th>`)
  }</tr></thead>
<tbody>${
    shown.map((row) =>
      markup`<tr>${columns.map((name) => cellHtml(Object.hasOwn(row, name) ? row[name] : undefined))}</tr>\n`
    )
  }</tbody></table></div>
<p class="note">${
    rows.length > MAX_ROWS ? `The first ${MAX_ROWS} of ${rows.length} rows.` : countText(rows.length, "row")
  }</p>
<details><summary>As JSON</summary>${jsonHtml(rows)}</details>`;
}

const PICTURES = ["png", "jpeg", "gif", "webp"];

/** What a rich result of Windmill has for one of its forms, `{ "html": "..." }`. */
function richHtml(value: Fields): Html | undefined {
  const [name = "", ...more] = Object.keys(value);
  const content = value[name];
  if (more.length > 0 || typeof content !== "string") return undefined;
  if (PICTURES.includes(name) && /^[A-Za-z\d+/]+={0,2}$/.test(content) && content.length <= MAX_PICTURE_CHARS) {
    return markup`<img class="picture" src="data:image/${name};base64,${content}" alt="The result is a picture">`;
  }
  if (name === "html" || name === "markdown" || name === "svg") {
    return markup`<p class="note">The result is ${name}. It is shown as text, and not carried out.</p>
<pre class="text" tabindex="0">${content.slice(0, MAX_CHARS)}</pre>`;
  }
  return undefined;
}

/** The error of a failed run. */
export function errorHtml(error: unknown): Html {
  if (!isFields(error)) return jsonHtml(error);
  const { name, message, stack, ...more } = error;
  return markup`<div class="error"><p class="error-name">${typeof name === "string" ? name : "Error"}</p>
<pre class="error-text" tabindex="0">${typeof message === "string" ? message : textOf(message)}</pre>${
    typeof stack === "string" && stack !== "" &&
    markup`<details><summary>Stack</summary><pre class="text" tabindex="0">${stack.slice(0, MAX_CHARS)}</pre></details>`
  }${
    Object.keys(more).length > 0 && markup`<details><summary>More about it</summary>${jsonHtml(more)}</details>`
  }</div>`;
}

/** A value; `label` says what it is to who hears the page. */
export function valueHtml(value: unknown, label: string): Html {
  const columns = columnsOf(value);
  // `as`: only lists of objects have columns.
  if (columns !== undefined) return tableHtml(value as readonly Fields[], columns, `${label}, as a table`);
  if (typeof value === "string") {
    if (value === "") return markup`<p class="note">An empty text.</p>`;
    return markup`<pre class="text" tabindex="0">${value.slice(0, MAX_CHARS)}</pre>${
      value.length > MAX_CHARS && markup`<p class="note">The first ${MAX_CHARS} of ${value.length} characters.</p>`
    }`;
  }
  return (isFields(value) ? richHtml(value) : undefined) ?? jsonHtml(value);
}

/** Arguments, by name: short ones on a line each. */
export function argumentsHtml(args: Fields): Html {
  const names = Object.keys(args);
  if (names.length === 0) return markup`<p class="note">It was given none.</p>`;
  return markup`<dl class="args">${
    names.map((name) => {
      const value = args[name];
      const short = typeof value === "string" ? value : textOf(value);
      const simple = short.length <= 80 && !short.includes("\n") && columnsOf(value) === undefined;
      return markup`<div><dt>${name}</dt><dd>${
        simple ? markup`<code>${textOf(value)}</code>` : valueHtml(value, `Argument ${name}`)
      }</dd></div>`;
    })
  }</dl>`;
}
