/**
 * What replay depends on, by number. A run's header lists the flags it was opened with, and replay follows those for the
 * run's whole life; any change in what replay does gets the next number and a recorded history in `tests/histories/`.
 *
 * To add one: give it the next number and a name here, put it into `FLAGS` (new runs) and leave it in `KNOWN_FLAGS` for ever
 * (old runs), and let what replay does depend on `header.flags.includes(NAME)`, never on the version. A number is never used
 * again, also when the behaviour is gone. `docs/journal.md` says what needs no flag.
 *
 * @module
 */

/** Flags of runs opened by this version. There is none yet: version 1 of the journal is the base line. */
export const FLAGS: readonly number[] = [];

/** Flags that this version can replay. */
export const KNOWN_FLAGS: ReadonlySet<number> = /* @__PURE__ */ new Set(FLAGS);

/** Number of the codec of `base/canonical.ts`. */
export const CANONICAL_CODEC = 1;
