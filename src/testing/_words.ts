/**
 * Words of error messages.
 *
 * @module
 */
import { nearestName } from "../base/near_text.ts";

/** Quoted names, the first few of them. */
export function listed(names: readonly string[], most = 12): string {
  const shown = names.slice(0, most).map((name) => JSON.stringify(name)).join(", ");
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/** `. Did you mean "x"?`, when a known name is one or two letters away. */
export function guess(name: string, known: readonly string[]): string {
  const best = nearestName(name, known);
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
