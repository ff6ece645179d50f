/**
 * Which known name a wrong one was meant to be.
 *
 * @module
 */

/** Letters to change, add or leave out to make one text of another. Takes the product of their lengths in time. */
export function editDistance(a: string, b: string): number {
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

/** The known name that is one or two letters away, and not all of them; undefined when none is. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = 3;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const found = editDistance(name, candidate);
    if (found > 0 && found < least && found < candidate.length) {
      best = candidate;
      least = found;
    }
  }
  return best;
}
