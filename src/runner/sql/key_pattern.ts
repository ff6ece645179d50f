/**
 * Patterns of keys, as DuckDB takes them for files. A key is read once, with all places of the pattern where it may be: whoever may
 * choose a pattern cannot hold up the server with it, as with a regular expression that tries one way after the other.
 *
 * @module
 */

/** Tells a pattern from a key. */
export const IS_PATTERN = /[*?[]/;

/** A piece of a pattern: which signs fit it, whether it takes any number of them, and a piece further on that may come at once. */
interface Piece {
  readonly fits: (sign: string) => boolean;
  readonly repeats?: boolean;
  readonly skipsTo?: number;
}

function isInPart(sign: string): boolean {
  return sign !== "/";
}

function piecesOf(pattern: string): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const [text] of pattern.matchAll(/\*\*\/|\*+|\[[!^]?\]?[^\]]*\]|[^]/gu)) {
    if (text === "**/") {
      // The first takes nothing, and is left for the others or for what is behind them.
      const behind = pieces.length + 3;
      pieces.push({ fits: () => false, repeats: true, skipsTo: behind }, { fits: () => true, repeats: true }, {
        fits: (sign) => sign === "/",
      });
    } else if (text.startsWith("*")) pieces.push({ fits: text === "*" ? isInPart : () => true, repeats: true });
    else if (text === "?") pieces.push({ fits: isInPart });
    else {
      const [, not, letters] = /^\[([!^]?)([^]+)\]$/.exec(text) ?? [];
      pieces.push({ fits: letters === undefined ? (sign) => sign === text : oneOf(letters, not !== "") });
    }
  }
  return pieces;
}

/** Letters and ranges of them: `a-z_`. A range that ends before it begins is three letters. */
function oneOf(letters: string, isNot: boolean): (sign: string) => boolean {
  const single = new Set<string>(), ranges: (readonly [from: string, to: string])[] = [];
  for (const [all, from, to] of letters.matchAll(/(.)-(.)|[^]/gsu)) {
    if (from !== undefined && to !== undefined && codeOf(from) <= codeOf(to)) ranges.push([from, to]);
    else for (const sign of all) single.add(sign);
  }
  return (sign) => {
    if (sign === "/") return false;
    const isIn = single.has(sign) ||
      ranges.some(([from, to]) => codeOf(from) <= codeOf(sign) && codeOf(sign) <= codeOf(to));
    return isIn !== isNot;
  };
}

function codeOf(sign: string): number {
  return sign.codePointAt(0) ?? 0;
}

/** What finds the keys that a pattern means to DuckDB, which looks again at the files. */
export function keyPattern(pattern: string): (key: string) => boolean {
  const pieces = piecesOf(pattern);
  /** Adds a place, and those that are reached from it without a sign. */
  function add(places: Set<number>, place: number): void {
    if (places.has(place)) return;
    places.add(place);
    const { repeats, skipsTo } = pieces[place] ?? {};
    if (skipsTo !== undefined) add(places, skipsTo);
    if (repeats === true) add(places, place + 1);
  }
  return (key) => {
    let places = new Set<number>();
    add(places, 0);
    for (const sign of key) {
      const next = new Set<number>();
      for (const place of places) {
        const piece = pieces[place];
        if (piece?.fits(sign) === true) add(next, piece.repeats === true ? place : place + 1);
      }
      if (next.size === 0) return false;
      places = next;
    }
    return places.has(pieces.length);
  };
}
