/**
 * Operations of the server by id, read from a table that is made to be short.
 *
 * The table has a section for each official service, divided by `@`, and one for what belongs to none. The first line of a
 * section is the service's name in words and where most of its addresses begin. Each other line is an operation: its id in
 * words, a sign for the method, and its address. In an id, `%` is the service's name. The method is the one that the id suggests
 * after a space, else `?` for GET, `!` for POST, `=` for PUT, `-` for DELETE. An address continues the section's beginning, or
 * has a slash at its start. In it, `~` is the workspace, `+` a path, `#` an id, `<name` any other parameter, each of them a
 * segment of its own, `*` is the operation's own id, and a capital letter is a word of it, `A` the first.
 *
 * @module
 */

/** An operation of the server. */
export interface Operation {
  /** HTTP method. */
  readonly method: string;
  /** Address below `/api`, with a slash at its start and its parameters in braces. */
  readonly path: string;
}

const SIGNS: Readonly<Record<string, string>> = { "?": "GET", "!": "POST", "=": "PUT", "-": "DELETE" };

/** `getJob` as `get_job`. */
export function snakeOf(text: string): string {
  return text.replace(/[A-Z]/g, (sign) => `_${sign.toLowerCase()}`);
}

/** `get_job` as `getJob`. */
export function camelOf(text: string): string {
  return text.replace(/_(.)/g, (_, sign: string) => sign.toUpperCase());
}

/** The method that the words of an id suggest. */
export function methodOf(words: string): string {
  return /^(get|list|exists|check|is|has|search|count|load|download)_/.test(words)
    ? "GET"
    : words.startsWith("delete_")
    ? "DELETE"
    : "POST";
}

const PARAMETERS: Readonly<Record<string, string>> = { "+": "path", "#": "id" };

/** Reads one section of the table: operations by id. */
export function readSection(section: string): Map<string, Operation> {
  const [head = "", ...lines] = section.trim().split("\n");
  const [stem = "", prefix = ""] = head.split(" ");
  return new Map(lines.map((line) => {
    const [, own = "", sign = "", short = ""] = /^([\w%]+)(.)(.*)$/.exec(line) ?? [];
    const id = own.replaceAll("%", stem), words = id.split("_");
    const path = (short.startsWith("/") ? short : `/${prefix}/${short}`)
      .replace(
        /<(\w+)|([+#])|([A-Z])|\*/g,
        (found, name?: string, parameter?: string, letter?: string) =>
          name ?? parameter ? `/{${name ?? PARAMETERS[found]}}` : letter ? words[found.charCodeAt(0) - 65] ?? "" : id,
      )
      .replace("/~", "/w/{workspace}/").replaceAll("//", "/");
    return [camelOf(id), { method: SIGNS[sign] ?? methodOf(id), path }];
  }));
}
