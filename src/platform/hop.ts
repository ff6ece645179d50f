/**
 * A macrotask: `setImmediate` where there is one, else a MessageChannel (2.3 µs), else a timer. Looked up at the first use, so
 * that a fake installed by a test before it is respected and nothing is touched at import.
 *
 * A turn of the event loop costs 1.1 to 1.7 µs in Deno, Node and Bun, a further `setImmediate` callback in the same turn
 * 0.1 to 0.4 µs, with the microtasks drained before each. So while one hop follows another (a replay makes one per record),
 * callbacks are booked ahead, and each takes the next hop in line or finds none.
 *
 * @module
 */

/** Callbacks that are booked at once. Measured: 4 halve the cost of a hop, 16 make it a fourth, more gain little. */
const AHEAD = 16;
/** Hops in a row after which the next ones are expected. */
const EXPECTED = 4;

let hopper: ((then: () => void) => void) | undefined;

/** Calls `then` when the microtasks of this macrotask are drained. */
export function hop(then: () => void): void {
  (hopper ??= find())(then);
}

function find(): (then: () => void) => void {
  // A Worker's channels and immediates belong to the request that made them, and die with it: nothing may be kept.
  if (globalThis.navigator?.userAgent === "Cloudflare-Workers") return (then) => void setTimeout(then, 0);
  const { setImmediate } = globalThis as { setImmediate?: (then: () => void) => unknown };
  if (typeof setImmediate === "function") return immediateHopper(setImmediate);
  if (typeof MessageChannel === "function") {
    const queue: (() => void)[] = [];
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => queue.shift()?.();
    return (then) => {
      queue.push(then);
      port2.postMessage(0);
    };
  }
  return (then) => void setTimeout(then, 0);
}

function immediateHopper(setImmediate: (then: () => void) => unknown): (then: () => void) => void {
  let queue: ((() => void) | undefined)[] = [];
  let next = 0;
  let booked = 0;
  let inRow = 0;
  let inside = false;

  function run(): void {
    booked--;
    const then = queue[next];
    if (then === undefined) {
      inRow = 0;
      return;
    }
    // Emptied slots are thrown out now and then: a new array for each hop would cost as much as the hop.
    queue[next++] = undefined;
    if (next > 1024 && next > queue.length / 2) {
      queue = queue.slice(next);
      next = 0;
    }
    inRow++;
    inside = true;
    try {
      then();
    } finally {
      inside = false;
    }
  }

  return (then) => {
    queue.push(then);
    if (booked >= queue.length - next) return;
    for (let more = inside && inRow > EXPECTED ? AHEAD : 1; more > 0; more--) {
      booked++;
      setImmediate(run);
    }
  };
}
