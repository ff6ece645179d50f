/**
 * Turns: who may use something of which there are few. Those of the engine are for one at a time, and wait for whole pieces of work;
 * these can be given up by whoever waits.
 *
 * @module
 */

/** Gives turns by key. */
export interface Turns {
  /**
   * Waits for a turn.
   *
   * @returns what ends the turn
   * @throws the signal's reason
   */
  take(key: string, signal: AbortSignal): Promise<() => void>;
}

/** Makes turns: `width` at a time of each key, in the order of asking. */
export function createTurns(width: number = 1): Turns {
  const keys = new Map<string, { free: number; readonly waiting: (() => void)[] }>();

  function release(key: string): void {
    const state = keys.get(key);
    if (state === undefined) return;
    const next = state.waiting.shift();
    if (next !== undefined) return next();
    state.free++;
    if (state.free === width) keys.delete(key);
  }

  return {
    async take(key, signal) {
      signal.throwIfAborted();
      let state = keys.get(key);
      if (state === undefined) keys.set(key, state = { free: width, waiting: [] });
      if (state.free > 0) state.free--;
      else {
        const { waiting } = state;
        await new Promise<void>((resolve, reject) => {
          function onAbort(): void {
            waiting.splice(waiting.indexOf(turn), 1);
            reject(signal.reason);
          }
          function turn(): void {
            signal.removeEventListener("abort", onAbort);
            resolve();
          }
          signal.addEventListener("abort", onAbort, { once: true });
          waiting.push(turn);
        });
      }
      let isOver = false;
      return () => {
        if (!isOver) release(key);
        isOver = true;
      };
    },
  };
}
