/**
 * Commits shared across runs: what is written in one macrotask goes into one commit, and what is written while a commit runs
 * goes into the next. `node:sqlite` is synchronous, so one commit is a few hundred microseconds in which nothing else runs;
 * a worker thread was tried and is slower (measured.md 4: 123k against 150k writes a second).
 *
 * @module
 */
import type { Host, Storage, Write } from "./ports.ts";

/** Collects writes. */
export interface Batcher {
  /** Adds writes; `done` is called when they are durable. Nothing is called after a commit failed. */
  add(writes: readonly Write[], done?: () => void): void;
  /** Calls back once, just before the next commit is made, with the microtasks drained: for writes that depend on it. */
  beforeCommit(then: () => void): void;
  /** Resolves when all that was added is durable, or a commit failed. */
  drained(): Promise<void>;
  readonly empty: boolean;
  readonly commits: number;
  readonly writes: number;
}

/** What the batcher tells. */
export interface BatcherEvents {
  readonly committed?: ((writes: number, ms: number) => void) | undefined;
  failed(error: Error): void;
  /** Nothing is left to commit. */
  settled(): void;
}

/** A batcher over a storage. */
export function createBatcher(
  storage: Storage,
  host: Pick<Host, "hop" | "soon" | "now">,
  events: BatcherEvents,
): Batcher {
  const { hop, soon = hop, now } = host;
  let queue: Write[] = [];
  let callbacks: (() => void)[] = [];
  let before: (() => void)[] = [];
  let scheduled = false;
  /** What comes before a commit waits for the microtasks to be drained, whenever commits are made. */
  let hooking = false;
  let busy = false;
  let failed = false;
  let commits = 0;
  let written = 0;
  let waiters: (() => void)[] = [];

  function schedule(): void {
    if (scheduled || busy || failed) return;
    scheduled = true;
    soon(() => void commit(soon === hop));
  }

  function scheduleHooks(): void {
    if (soon === hop) return schedule();
    if (hooking || failed) return;
    hooking = true;
    hop(() => {
      hooking = false;
      // Under way: they have their turn when it is made.
      if (!busy && !failed) void commit(true);
    });
  }

  async function commit(isDrained: boolean): Promise<void> {
    scheduled = false;
    if (isDrained) {
      const hooks = before;
      before = [];
      for (const hook of hooks) hook();
    }
    const writes = queue;
    const done = callbacks;
    queue = [];
    callbacks = [];
    if (writes.length > 0) {
      busy = true;
      const start = events.committed === undefined ? 0 : now();
      try {
        await storage.commit(writes);
      } catch (error) {
        failed = true;
        queue = [];
        callbacks = [];
        before = [];
        events.failed(error as Error);
      } finally {
        busy = false;
      }
      if (failed) return wakeWaiters();
      commits++;
      written += writes.length;
      events.committed?.(writes.length, now() - start);
    }
    for (const then of done) then();
    if (before.length > 0) scheduleHooks();
    if (queue.length > 0) schedule();
    if (queue.length > 0 || before.length > 0) return;
    wakeWaiters();
    events.settled();
  }

  function wakeWaiters(): void {
    const list = waiters;
    waiters = [];
    for (const wake of list) wake();
  }

  return {
    add(writes, done): void {
      for (const w of writes) queue.push(w);
      if (done !== undefined) callbacks.push(done);
      schedule();
    },
    beforeCommit(then): void {
      before.push(then);
      scheduleHooks();
    },
    drained: () =>
      failed || (queue.length === 0 && before.length === 0 && !scheduled && !busy)
        ? Promise.resolve()
        : new Promise((resolve) => waiters.push(resolve)),
    get empty(): boolean {
      return queue.length === 0 && before.length === 0 && !busy && !scheduled;
    },
    get commits(): number {
      return commits;
    },
    get writes(): number {
      return written;
    },
  };
}
