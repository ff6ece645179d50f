/** Imported by the script of this folder; nobody else can. */
export function pointsFor(cents: number, visits: number): number {
  // Every tenth visit counts twice.
  return Math.floor(cents / 100) * (visits % 10 === 0 ? 2 : 1);
}
