/**
 * Paths of resources as arguments of calls.
 *
 * @module
 */

/** The path that was given, without `$res:` or `res://`; undefined for the workspace's default resource. */
export function resourcePathOf(path: string | undefined): string | undefined {
  return path?.replace(/^(\$res:|res:\/\/)/, "") || undefined;
}
