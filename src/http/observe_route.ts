/**
 * Which operation of the server an address names, without the values in it: what metrics and spans are grouped by.
 *
 * @module
 */

/** What an address of the server's API says. */
export interface Route {
  /** The path with placeholders for its values: `/api/w/{workspace}/jobs/run/p/{path}`. */
  readonly template: string;
  /** The workspace it is about, where it is about one. */
  readonly workspace?: string;
}

/** Words after which one more word belongs to the operation. The first value is never one of such: paths begin with f, u or g. */
const KINDS =
  /^(?:jobs(?:_u)?\/(?:run\w*|restart|queue|completed|flow|dbt_\w+)|users\/tokens|resources\/type|job_helpers\/v2|(?:ai|ai_evals)\/\w+|(?:scripts|flows|apps|resources)\/(?:hub|get_data)|(?:postgres|gcp|azure)_triggers\/\w+)$/;

/** A word of an operation: no letter alone, with which paths begin, and no hex digits, which are an id. */
const WORD = /^(?![0-9a-f]*\d[0-9a-f]*$)[a-z][a-z0-9_]+$/;

/** Kinds of what is run, of which one is a letter that paths begin with too. */
const RUN_KINDS = /^jobs\/(?:run|restart)/;

/** Kinds of things that stand before what names one: a path, a hash, a version. */
const MARKS = /^(?:p|h|v|fv|a|lite)$/;

/** Reads the operation of an address; undefined for one outside the server's API. */
export function routeOf(url: string): Route | undefined {
  const found = /^\w+:\/\/[^/]*(?:\/[^/?#]+)*?\/api\/(?:w\/([^/?#]+)\/)?([^?#]+)/.exec(url);
  if (found === null) return undefined;
  const [, workspace, rest = ""] = found;
  const parts = rest.split("/");
  let words = 1;
  if (WORD.test(parts[1] ?? "")) words = 2;
  const group = parts.slice(0, 2).join("/"), third = parts[2] ?? "";
  const marked = parts.length > 3 && (MARKS.test(third) || (third === "f" && RUN_KINDS.test(group)));
  if (words === 2 && (marked || (KINDS.test(group) && WORD.test(third)))) words = 3;
  const name = parts.slice(0, words).join("/");
  const [value, more] = parts.slice(words);
  // An id stands alone, or before others; what else there is is mostly the path of something.
  const id = value !== undefined && (/^[0-9a-f-]{16,}$|^\d+$/i.test(value) || (more === undefined && words === 1));
  const template = `/api/${workspace === undefined ? "" : "w/{workspace}/"}${name}${
    value === undefined ? "" : id ? "/{id}" : "/{path}"
  }`;
  if (workspace === undefined) return { template };
  try {
    return { template, workspace: decodeURIComponent(workspace) };
  } catch {
    // Not of this package's making: shown as it is.
    return { template, workspace };
  }
}
