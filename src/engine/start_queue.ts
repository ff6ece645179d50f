/**
 * Runs that wait to begin, in order, and the back-pressure on those who start more.
 *
 * @module
 */

/** Ids of runs that wait, up to a bound for new ones. */
export interface StartQueue {
  /** Waits for a place and reserves it: the caller gives the reservation back, by `begin` or `store`. */
  reserve(signal: AbortSignal | undefined): Promise<void>;
  /** A reserved run begins at once, without waiting. */
  begin(): void;
  /** A reserved run will wait here once it is stored: before that nobody could load it. */
  store(): void;
  /** A run that was being stored waits now. */
  stored(id: string): void;
  /** A run that was stored before waits: no bound applies. */
  push(id: string): void;
  /** The next run; undefined when none waits. */
  shift(): string | undefined;
  /** Nothing is ahead of a run that would begin now. */
  readonly free: boolean;
  /** Runs that wait in the storage. */
  readonly length: number;
  /** Runs that wait, those that are being stored included. */
  readonly size: number;
  /** Lets everybody in who waits for a place: the engine has ended, and they will find that out. */
  release(): void;
}

/** A queue with at most `bound` new runs. */
export function createStartQueue(bound: number): StartQueue {
  let queue: string[] = [];
  let head = 0;
  let reserved = 0;
  let storing = 0;
  let full: (() => void)[] = [];

  function size(): number {
    return queue.length - head + storing;
  }

  /** Lets waiting starts in, in their order, as far as there are places. */
  function admit(): void {
    let admitted = 0;
    for (; admitted < full.length && size() + reserved < bound; admitted++) full[admitted]?.();
    if (admitted > 0) full = full.slice(admitted);
  }

  return {
    async reserve(signal): Promise<void> {
      signal?.throwIfAborted();
      if (full.length === 0 && size() + reserved < bound) {
        reserved++;
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const leave = (): void => {
          full = full.filter((other) => other !== enter);
          reject(signal?.reason as Error);
        };
        const enter = (): void => {
          signal?.removeEventListener("abort", leave);
          reserved++;
          resolve();
        };
        full.push(enter);
        signal?.addEventListener("abort", leave, { once: true });
      });
    },
    begin(): void {
      reserved--;
      admit();
    },
    store(): void {
      reserved--;
      storing++;
      admit();
    },
    stored(id): void {
      storing--;
      queue.push(id);
    },
    push: (id): void => void queue.push(id),
    shift(): string | undefined {
      if (head === queue.length) return undefined;
      const id = queue[head++];
      if (head > 1024 && head > queue.length / 2) {
        queue = queue.slice(head);
        head = 0;
      }
      admit();
      return id;
    },
    get free(): boolean {
      return head === queue.length && storing === 0;
    },
    get length(): number {
      return queue.length - head;
    },
    get size(): number {
      return size();
    },
    release(): void {
      const waiting = full;
      full = [];
      for (const enter of waiting) enter();
    },
  };
}
