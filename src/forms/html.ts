/**
 * HTML made of templates. Whatever is put into one is escaped, unless a template made it. They are not called `html`: formatters
 * would move the spaces of what is in them, which some elements keep.
 *
 * @module
 */

/** Marks what a template made. Values that were read from anywhere cannot have it: JSON knows no symbols. */
const TRUSTED: unique symbol = /* @__PURE__ */ Symbol("windkit.html");

/** HTML that a template made. */
export interface Html {
  readonly [TRUSTED]: string;
}

/** What may stand in a template: nothing is written for what is absent or false. */
export type Part = Html | string | number | undefined | null | false | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as it may stand between tags and in quoted attributes. Control characters that no page may have become visible. */
function escapeHtml(text: string): string {
  return text.toWellFormed()
    // deno-lint-ignore no-control-regex -- they are what is replaced
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "\ufffd")
    .replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);
}

function isHtml(part: Part): part is Html {
  return typeof part === "object" && part !== null && Object.hasOwn(part, TRUSTED);
}

function textOf(part: Part): string {
  if (part === undefined || part === null || part === false) return "";
  if (typeof part === "string") return escapeHtml(part);
  if (typeof part === "number") return String(part);
  if (isHtml(part)) return part[TRUSTED];
  return part.map(textOf).join("");
}

/** Makes HTML of a template. Attributes that have a value put in are quoted by the template. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { [TRUSTED]: strings.map((text, at) => at === 0 ? text : textOf(parts[at - 1]) + text).join("") };
}

/** The text of HTML: for the body of an answer. */
export function renderHtml(page: Html): string {
  return page[TRUSTED];
}

/** A path as it may stand in an address: each of its segments is encoded. */
export function urlPath(path: string): string {
  return path.toWellFormed().split("/").map(encodeURIComponent).join("/");
}

/** A query of an address, without what is empty; begins with `?` when there is anything. */
export function urlQuery(fields: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined && value !== "") query.set(name, value);
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
