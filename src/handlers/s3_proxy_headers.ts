/**
 * Headers of objects that go to a browser, and conditions of requests for them.
 *
 * @module
 */

/** Headers of a request that Windmill gets. */
const ASKED = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"];

/** Headers of an answer that the browser gets. All others are Windmill's affair. */
const GIVEN = ["content-type", "content-range", "accept-ranges", "etag", "last-modified"];

/** The headers of a request that say which part of an object is wanted, and when. */
export function askedHeaders(asked: Headers): Record<string, string> {
  // Packed content would have another length, and other parts.
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  for (const name of ASKED) {
    const value = asked.get(name);
    if (value !== null) headers[name] = value;
  }
  // One part: a list of them makes an answer of another kind. Whoever gets all of it got what was asked for, too.
  const range = asked.get("range");
  if (range !== null && /^bytes=(?:\d+-\d*|-\d+)$/.test(range)) headers.range = range;
  return headers;
}

/** How objects are shown. */
export interface HeaderRules {
  /** How long browsers may keep an object. @default "private, no-cache": they ask each time whether it has changed */
  readonly cacheControl?: string;
  /**
   * "attachment" makes browsers store objects, "inline" show them.
   *
   * @default what is stored with the object, else they show it
   */
  readonly disposition?: "attachment" | "inline";
}

/** The headers of an answer about an object. */
export function givenHeaders(given: Headers, key: string, rules: HeaderRules): Headers {
  const headers = new Headers({ "content-type": "application/octet-stream" });
  for (const name of GIVEN) {
    const value = given.get(name);
    if (value) headers.set(name, value);
  }
  // The length is that of what came packed.
  const length = given.get("content-encoding") === null ? given.get("content-length") : null;
  if (length !== null) headers.set("content-length", length);
  const disposition = safeDisposition(given.get("content-disposition"), key, rules.disposition);
  if (disposition !== undefined) headers.set("content-disposition", disposition);
  headers.set("cache-control", rules.cacheControl ?? "private, no-cache");
  headers.set("x-content-type-options", "nosniff");
  // An address may have a signature in it.
  headers.set("referrer-policy", "no-referrer");
  // Anybody may have written the object: no script of it runs as a page of this origin. Browsers show no PDF in such a box, and run
  // what is in one apart from the page anyway. Of a list of types they take the last one, and "pdf+xml" is XML.
  if (!/^application\/pdf$/i.test(headers.get("content-type") ?? "")) {
    headers.set(
      "content-security-policy",
      "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; sandbox",
    );
  }
  return headers;
}

/** UTF-8 that a runtime gave as one character for each byte. */
function asText(value: string): string {
  const bytes = Uint8Array.from(value, (char) => char.charCodeAt(0));
  // deno-lint-ignore no-control-regex -- all that a byte can be
  if (!/^[\u0000-\u00ff]*$/.test(value)) return value;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    void error; // it is Latin-1
    return value;
  }
}

/** The name of a file that a `Content-Disposition` says. */
function nameIn(value: string): string {
  const [, encoded] = /;\s*filename\*\s*=\s*UTF-8''([\w!#$&+.^`|~%-]+)/i.exec(value) ?? [];
  try {
    if (encoded !== undefined) return decodeURIComponent(encoded);
  } catch (error) {
    void error; // the plain name remains
  }
  const [, quoted, bare = ""] = /;\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(value) ?? [];
  return quoted?.replace(/\\(.)/g, "$1") ?? bare;
}

/** A `Content-Disposition` made anew from what is stored with an object: one kind, one name without a folder. */
function safeDisposition(
  stored: string | null,
  key: string,
  wanted?: HeaderRules["disposition"],
): string | undefined {
  const value = stored === null ? "" : asText(stored);
  const kind = wanted ?? (value === "" ? undefined : /^\s*inline\s*(?:;|$)/i.test(value) ? "inline" : "attachment");
  if (kind === undefined) return undefined;
  const [name = ""] = (nameIn(value) || key).toWellFormed().split(/[/\\]/).slice(-1);
  // Control characters, and those that turn the direction of what follows: "exe.txt" may be shown for "txt.exe".
  const clean = name.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "").replace(/^\.+/, "").slice(0, 200).toWellFormed();
  if (clean === "") return kind;
  const ascii = clean.replace(/[^ !#-$&-[\]-~]/g, "_");
  const encoded = encodeURIComponent(clean).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${kind}; filename="${ascii}"` + (ascii === clean ? "" : `; filename*=UTF-8''${encoded}`);
}

/** True when one of a list of tags is a tag, or the list is `*`. */
function hasTag(list: string, tag: string, weak: boolean): boolean {
  if (list.trim() === "*") return true;
  if (!weak && tag.startsWith("W/")) return false;
  return (list.match(/(?:W\/)?"[^"]*"/g) ?? []).some((one) =>
    weak ? one.replace(/^W\//, "") === tag.replace(/^W\//, "") : one === tag
  );
}

/**
 * The status of a condition that does not hold (RFC 9110, 13.2.2), by what the answer says of the object; undefined when all
 * hold, or nobody can tell.
 */
export function failedCondition(asked: Headers, given: Headers): 304 | 412 | undefined {
  const tag = given.get("etag"), written = Date.parse(given.get("last-modified") ?? "");
  const match = asked.get("if-match"), noneMatch = asked.get("if-none-match");
  const time = (name: string): number => Date.parse(asked.get(name) ?? "");
  if (match !== null) {
    if (tag !== null && !hasTag(match, tag, false)) return 412;
  } else if (written > time("if-unmodified-since")) return 412;
  if (noneMatch !== null) return tag !== null && hasTag(noneMatch, tag, true) ? 304 : undefined;
  return written <= time("if-modified-since") ? 304 : undefined;
}

/** True for a part of an object of which the reader has other parts that belong to another state of it. */
export function isOtherState(asked: Headers, given: Headers): boolean {
  const wanted = asked.get("if-range");
  if (wanted === null) return false;
  if (wanted.includes('"')) return !hasTag(wanted, given.get("etag") ?? "", false);
  return Date.parse(wanted) !== Date.parse(given.get("last-modified") ?? "");
}
