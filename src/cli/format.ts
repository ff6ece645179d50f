/**
 * Text for people: colours, tables, durations, times.
 *
 * @module
 */

/** Colours by what they mean. Without colour each gives its text back. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  busy(text: string): string;
  wait(text: string): string;
  strong(text: string): string;
  faint(text: string): string;
}

/**
 * Makes the colours of an output.
 *
 * @param color false: leave all text as it is
 * @returns functions that wrap text
 */
export function paint(color: boolean): Paint {
  const wrap = (on: number, off: number): (text: string) => string => (text) =>
    color && text !== "" ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    good: wrap(32, 39),
    bad: wrap(31, 39),
    busy: wrap(36, 39),
    wait: wrap(33, 39),
    strong: wrap(1, 22),
    faint: wrap(2, 22),
  };
}

// deno-lint-ignore no-control-regex -- colour sequences begin with a control character
const STYLE = /(\x1b\[\d+m)/;

/** Code points that terminals draw over two columns: East Asian scripts and emoji. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];

/**
 * Columns that a text takes.
 *
 * @param text one line, with or without colours
 * @returns its width; wide characters of East Asia and emoji count two
 */
export function width(text: string): number {
  let columns = 0;
  for (const char of text.split(STYLE).filter((part) => !STYLE.test(part)).join("")) columns += widthOf(char);
  return columns;
}

function widthOf(char: string): number {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/\p{Mn}|\p{Cf}/u.test(char)) return 0;
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}

/**
 * Cuts a text to a width.
 *
 * @param text one line, with or without colours
 * @param columns the most columns it may take
 * @returns the text, or its beginning and an ellipsis
 */
export function clip(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let shown = "";
  let room = columns - 1;
  for (const part of text.split(STYLE)) {
    if (STYLE.test(part)) {
      shown += part; // also past the cut: what was switched on must be switched off
      continue;
    }
    for (const char of part) {
      if (room < 0) break;
      room -= widthOf(char);
      shown += room < 0 ? "" : char;
      if (room <= 0) {
        shown += "…";
        room = -1;
      }
    }
  }
  return shown;
}

/**
 * Takes the colours out of a text, and all else that terminals take for a command.
 *
 * @param text any text
 * @returns the text as it reads, with its line breaks
 */
export function withoutColors(text: string): string {
  // deno-lint-ignore no-control-regex -- this is what takes them out
  return text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/[^\P{Cc}\n\t]+/gu, "");
}

/**
 * Makes one line of a text: control characters (colours, line breaks) of what users and tasks wrote must not move the
 * cursor.
 *
 * @param text any text
 * @returns the text with each run of such characters as one space
 */
export function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex -- this is what takes them out
  return text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
}

/**
 * Fills a text up with spaces.
 *
 * @param text one line
 * @param columns the width to reach
 * @param side where the text goes
 * @returns the padded text
 */
function pad(text: string, columns: number, side: "left" | "right" = "left"): string {
  const space = " ".repeat(Math.max(0, columns - width(text)));
  return side === "left" ? text + space : space + text;
}

/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

/**
 * Lays out rows below titles.
 *
 * @param columns the columns
 * @param rows cells, which may hold colours
 * @param options paint of the titles, and the width to stay within
 * @returns lines without a final line break
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: { readonly paint: Paint; readonly columns?: number; readonly indent?: string },
): string {
  const { indent = "", columns: limit = Number.POSITIVE_INFINITY } = options;
  const widths = columns.map(({ title }, i) => Math.max(width(title), ...rows.map((row) => width(row[i] ?? ""))));
  const line = (cells: readonly string[]): string => {
    const padded = columns.map((column, i) => pad(cells[i] ?? "", widths[i] ?? 0, column.align ?? "left"));
    return clip((indent + padded.join("  ")).trimEnd(), limit);
  };
  return [options.paint.faint(line(columns.map(({ title }) => title))), ...rows.map(line)].join("\n");
}

/**
 * A duration.
 *
 * @param ms milliseconds
 * @returns as in `7 ms`, `1.2 s`, `3 min 4 s`, `2 h 5 min`, `3 d 1 h`
 */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/**
 * A size.
 *
 * @param bytes bytes
 * @returns as in `12 B`, `3.4 kB`, `1.2 MB`
 */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}

/**
 * A local time.
 *
 * @param at milliseconds since 1970
 * @param now today, to leave the date out of a time of today
 * @returns as in `14:03:22`, or `2026-03-01 14:03:22` for another day
 */
export function clock(at: number, now: number): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = (date: Date): string => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const date = new Date(at);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return day(date) === day(new Date(now)) ? time : `${day(date)} ${time}`;
}

/**
 * Quotes a word for a shell, when it needs it.
 *
 * @param word one argument
 * @returns text to paste
 */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
