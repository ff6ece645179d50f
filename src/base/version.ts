/**
 * Version of this package: the one of deno.json (a test compares them).
 *
 * @module
 */

/** Recorded in every run's header. */
export const SDK_VERSION = "0.1.0";
