/**
 * Where runs are in the file, for those that were written lately: an append then costs one statement instead of two.
 *
 * @module
 */

/** Number of a run in the file, and of the record that it gets next. */
export interface Place {
  readonly no: number;
  next: number;
}

/** A bounded map. */
export interface PlaceCache {
  get(run: string): Place | undefined;
  set(run: string, place: Place): void;
  delete(run: string): void;
  clear(): void;
}

/** Makes a cache of the places used last: at least `size` of them, at most twice that. */
export function createPlaceCache(size: number): PlaceCache {
  // Two generations: what was not asked for while the younger one filled up goes. No list has to be kept in order.
  let young = new Map<string, Place>();
  let old = new Map<string, Place>();

  function set(run: string, place: Place): void {
    if (young.size >= size) {
      old = young;
      young = new Map();
    }
    young.set(run, place);
  }

  return {
    get(run) {
      const place = young.get(run);
      if (place !== undefined) return place;
      const kept = old.get(run);
      if (kept !== undefined) set(run, kept);
      return kept;
    },
    set,
    delete(run) {
      young.delete(run);
      old.delete(run);
    },
    clear() {
      young.clear();
      old.clear();
    },
  };
}
