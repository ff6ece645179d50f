/**
 * Earliest-first order of parked runs for the memory storage: a binary heap that leaves old entries where they are until they
 * come up, because finding one in the middle would cost more than skipping it.
 *
 * @module
 */

/** One run at one wake time; `no` breaks ties in order of creation. */
export interface WakeEntry<T> {
  readonly at: number;
  readonly no: number;
  readonly item: T;
}

/** A heap of wake times. */
export interface WakeHeap<T> {
  push(entry: WakeEntry<T>): void;
  /** The earliest `limit` live entries that are not after `now`, in order; they stay. */
  take(now: number, limit: number): T[];
  /** The earliest live entry. */
  first(): WakeEntry<T> | undefined;
}

/** Makes a heap; `isLive` says whether an entry still counts. */
export function createWakeHeap<T>(isLive: (entry: WakeEntry<T>) => boolean): WakeHeap<T> {
  let heap: WakeEntry<T>[] = [];
  /** Size at which entries that no longer count are thrown out: keeps the heap within twice the live ones. */
  let sweepAt = 1024;

  function push(entry: WakeEntry<T>): void {
    if (heap.length >= sweepAt) {
      const live = heap.filter(isLive);
      heap = [];
      for (const kept of live) sink(kept);
      sweepAt = Math.max(1024, live.length * 2);
    }
    sink(entry);
  }

  function sink(entry: WakeEntry<T>): void {
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !before(entry, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = entry;
  }

  function pop(): WakeEntry<T> | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      let next = heap[child];
      if (next === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, next)) {
        child++;
        next = right;
      }
      if (!before(next, last)) break;
      heap[i] = next;
      i = child;
    }
    heap[i] = last;
    return top;
  }

  function first(): WakeEntry<T> | undefined {
    for (;;) {
      const top = heap[0];
      if (top === undefined || isLive(top)) return top;
      pop();
    }
  }

  function take(now: number, limit: number): T[] {
    const taken: WakeEntry<T>[] = [];
    const seen = new Set<T>();
    while (taken.length < limit) {
      const top = first();
      if (top === undefined || top.at > now) break;
      pop();
      // A run that was parked twice with one wake time has two live entries.
      if (seen.has(top.item)) continue;
      seen.add(top.item);
      taken.push(top);
    }
    for (const entry of taken) sink(entry);
    return taken.map(({ item }) => item);
  }

  return { push, take, first };
}

function before(a: WakeEntry<unknown>, b: WakeEntry<unknown>): boolean {
  return a.at < b.at || (a.at === b.at && a.no < b.no);
}
