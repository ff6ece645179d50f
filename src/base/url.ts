/**
 * Paths and ids as parts of an address.
 *
 * @module
 */

/** Encodes one segment of an address; `what`, and the `whole` it is of, name it in the error. */
export function encodeSegment(text: string, what: string, whole: string = text): string {
  // An empty or dotted segment would make the server see another address than the one that was meant.
  if (typeof text === "string" && !/^\.{0,2}$/.test(text) && text.isWellFormed()) return encodeURIComponent(text);
  throw new RangeError(
    `Cannot use ${JSON.stringify(whole)} as ${what}: a part is "", ".", ".." or malformed`,
  );
}

/** Encodes a path segment by segment; slashes stay. A `prefix` is taken off first. */
export function encodePath(path: string, what: string, prefix: RegExp | string = ""): string {
  if (typeof path !== "string") return encodeSegment(path, what);
  const bare = path.replace(prefix, "");
  // Nearly all paths are made of what needs no encoding.
  if (/^[\w-]+(\/[\w-]+)*$/.test(bare)) return bare;
  return bare.split("/").map((segment) => encodeSegment(segment, what, path)).join("/");
}
