/**
 * Words of error messages.
 *
 * @module
 */

/** Quoted names, the first few of them. */
export function listed(names: readonly string[], most = 12): string {
  const shown = names.slice(0, most).map((name) => JSON.stringify(name)).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/** `. Did you mean "x"?`, when a known name is one or two letters away. */
export function guess(name: string, known: readonly string[]): string {
  let best: string | undefined;
  let least = 3;
  for (const candidate of known) {
    const found = distance(name, candidate);
    if (found > 0 && found < least && found < candidate.length) {
      best = candidate;
      least = found;
    }
  }
  return best === undefined ? "" : `. Did you mean "${best}"?`;
}

/**
 * Refuses an option that is not known: without a type check a misspelt one would do nothing.
 *
 * @param what what cannot be done with it, as in `Cannot test a workflow`
 */
export function refuseUnknown(what: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new TypeError(`${what}: there is no option "${name}"${guess(name, known) || `, only ${listed(known, 99)}`}`);
  }
}

function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
