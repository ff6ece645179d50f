/**
 * SQL text as statements: where one ends, and where its arguments go. PostgreSQL and DuckDB read quotes, comments and dollar signs
 * alike. Nothing inside of quotes or comments is a semicolon or a place.
 *
 * @module
 */

/** Where an argument goes: `$1`, `$name`. */
export interface Place {
  /** Offset in the statement's text. */
  readonly start: number;
  /** Offset behind it. */
  readonly end: number;
  /** Without the dollar sign. */
  readonly name: string;
}

/** One statement. */
export interface Statement {
  /** Its text, without the semicolon and the comments before it. */
  readonly text: string;
  readonly places: readonly Place[];
}

/** Pieces of SQL text. It has a state: whoever uses it sets where it begins. */
export const PIECE: RegExp = new RegExp(
  [
    /--[^\n]*/, // comment to the end of the line
    /\/\*/, // block comment: its end is looked for, as they nest
    /(?<escaped>[eE]'(?:[^'\\]|''|\\[^])*(?:'|$))/,
    /'(?:[^']|'')*(?:'|$)/,
    /"(?:[^"]|"")*(?:"|$)/,
    /\$(?<tag>[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/, // text between dollar signs: its end is looked for
    /\$(?<place>\d+|[A-Za-z_]\w*)/,
    /(?<word>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)/,
    /(?<space>\s+)/,
    /[0-9][\w.]*/,
    /[^]/,
  ].map(({ source }) => source).join("|"),
  "g",
);

/** Offset behind a block comment that begins at `from`. */
export function endOfComment(text: string, from: number): number {
  const marks = /\/\*|\*\//g;
  marks.lastIndex = from;
  let depth = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return text.length;
}

/** Splits SQL text. What holds comments only is no statement. */
export function splitStatements(text: string): readonly Statement[] {
  const statements: Statement[] = [];
  let places: Place[] = [];
  /** Where the statement begins; undefined before its first word. */
  let start: number | undefined;
  /** How deep in `BEGIN ATOMIC ... END`, whose semicolons are its own. */
  let depth = 0;
  let last = "";

  function end(at: number): void {
    if (start !== undefined) {
      const from = start;
      const moved = places.map((place) => ({ ...place, start: place.start - from, end: place.end - from }));
      statements.push({ text: text.slice(from, at).trimEnd(), places: moved });
    }
    places = [];
    start = undefined;
    depth = 0;
    last = "";
  }

  PIECE.lastIndex = 0;
  for (let found = PIECE.exec(text); found !== null; found = PIECE.exec(text)) {
    const [piece] = found;
    const { place, word, space } = found.groups ?? {};
    if (piece === "/*") {
      PIECE.lastIndex = endOfComment(text, found.index);
      continue;
    }
    if (space !== undefined || piece.startsWith("--")) continue;
    if (piece === ";" && depth === 0) {
      end(found.index);
      continue;
    }
    start ??= found.index;
    if (place !== undefined) places.push({ start: found.index, end: PIECE.lastIndex, name: place });
    else if (piece.startsWith("$") && piece.endsWith("$") && piece.length > 1) {
      const close = text.indexOf(piece, PIECE.lastIndex);
      PIECE.lastIndex = close < 0 ? text.length : close + piece.length;
    } else if (word !== undefined) {
      const upper = word.toUpperCase();
      if (upper === "ATOMIC" && last === "BEGIN") depth = 1;
      else if (depth > 0 && upper === "CASE") depth++;
      else if (depth > 0 && upper === "END") depth--;
      last = upper;
    }
  }
  end(text.length);
  return statements;
}

/** A statement's text with each place replaced. */
export function replacePlaces({ text, places }: Statement, use: (place: Place) => string): string {
  let made = "";
  let at = 0;
  for (const place of places) {
    made += text.slice(at, place.start) + use(place);
    at = place.end;
  }
  return made + text.slice(at);
}

/** A name in quotes: it names something and does nothing else. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text in quotes. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
