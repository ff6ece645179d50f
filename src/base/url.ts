/**
 * Paths and ids as parts of an address.
 *
 * @module
 */

/** Encodes one segment of an address; `what` names it in the error. */
export function encodeSegment(text: string, what: string): string {
  // An empty or dotted segment would make the server see another address than the one that was meant.
  if (typeof text !== "string" || /^\.{0,2}$/.test(text) || !text.isWellFormed()) {
    throw new RangeError(
      `Cannot use ${JSON.stringify(text)} in ${what}: expected text, well-formed, not "", "." or ".."`,
    );
  }
  return encodeURIComponent(text);
}

/** Encodes a path segment by segment; slashes stay. A `prefix` is taken off first. */
export function encodePath(path: string, what: string, prefix?: RegExp): string {
  if (typeof path !== "string") return encodeSegment(path, what);
  const bare = prefix === undefined ? path : path.replace(prefix, "");
  return bare.split("/").map((segment) => encodeSegment(segment, `${what} ${JSON.stringify(path)}`)).join("/");
}
