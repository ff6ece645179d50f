/**
 * The Python client's mark of deprecated functions.
 *
 * @module
 */

/**
 * Makes a function that says once on the console what to use instead, and does what `fn` does.
 *
 * @param fn the deprecated function
 * @param inFavorOf name of what to use instead
 */
export function deprecate<A extends unknown[], R>(fn: (...args: A) => R, inFavorOf: string): (...args: A) => R {
  let told = false;
  return (...args) => {
    if (!told) console.warn(`${fn.name || "This function"} is deprecated: use ${inFavorOf} instead`);
    told = true;
    return fn(...args);
  };
}
