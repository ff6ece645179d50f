/**
 * A bounded number of attempts at once, over all runs; the others wait in order.
 *
 * @module
 */

/** Somebody who waits for a place. */
interface Waiting {
  readonly begin: () => void;
  state: "waiting" | "begun" | "dropped";
}

/** Places to run in. */
export interface Places {
  /** Calls `begin` now or when a place is free. The returned function gives the wait up; it does nothing once begun. */
  take(begin: () => void): () => void;
  /** Gives a place back. */
  free(): void;
  readonly taken: number;
  readonly waiting: number;
}

/** `count` places. */
export function createPlaces(count: number): Places {
  let taken = 0;
  let queue: Waiting[] = [];
  let next = 0;
  let dropped = 0;

  function serve(): void {
    while (taken < count && next < queue.length) {
      const first = queue[next++] as Waiting;
      if (first.state === "dropped") {
        dropped--;
        continue;
      }
      first.state = "begun";
      taken++;
      first.begin();
    }
    if (next > 1024 && next > queue.length / 2) {
      queue = queue.slice(next);
      next = 0;
    }
  }

  return {
    take(begin): () => void {
      if (taken < count && next === queue.length) {
        taken++;
        begin();
        return nothing;
      }
      const waiting: Waiting = { begin, state: "waiting" };
      queue.push(waiting);
      return () => {
        if (waiting.state !== "waiting") return;
        waiting.state = "dropped";
        dropped++;
      };
    },
    free(): void {
      taken--;
      serve();
    },
    get taken(): number {
      return taken;
    },
    get waiting(): number {
      return queue.length - next - dropped;
    },
  };
}

function nothing(): void {}
