/**
 * Specifiers of imports: versions that are pinned in them.
 *
 * @module
 */

/** `from "x"`, `import "x"`, `import("x")`, `require("x")`. */
const SPECIFIER = /(\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(["'])((?:(?!\2)[^\\\n])+)\2/g;

/** A package by name and version: `zod@4.1.0/mini`, `@scope/name@^1`. */
const PINNED = /^(npm:)?(@[^/@]+\/[^/@]+|[^/@.:][^/@:]*)@[^/]+(\/.*)?$/;

/**
 * Takes versions out of a specifier.
 *
 * @param specifier what is imported
 * @returns the same without a version
 */
function unpinnedSpecifier(specifier: string): string {
  const found = PINNED.exec(specifier);
  return found === null ? specifier : `${found[1] ?? ""}${found[2]}${found[3] ?? ""}`;
}

/**
 * Takes versions out of all imports of a script: what a bundler that has its own versions is given.
 *
 * @param source the code
 * @returns the code without versions
 */
export function unpinned(source: string): string {
  return source.replace(
    SPECIFIER,
    (_all, head: string, quote: string, specifier: string) => `${head}${quote}${unpinnedSpecifier(specifier)}${quote}`,
  );
}
