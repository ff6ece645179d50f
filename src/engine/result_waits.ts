/**
 * Those who wait for the end of a run.
 *
 * @module
 */
import type { Outcome, RunStatus } from "../workflow/journal.ts";

/** How a run ended. */
export interface Ended {
  readonly status: RunStatus;
  /** None when it was continued. */
  readonly outcome: Outcome | undefined;
  /** The run that goes on for it. */
  readonly next?: string | undefined;
}

interface Waiter {
  readonly resolve: (ended: Ended) => void;
  readonly reject: (error: Error) => void;
}

/** Waits by run. */
export interface ResultWaits {
  /**
   * Waits for the end of a run.
   *
   * @param recheck called once the wait is known: an end that came before, if there was one
   */
  wait(id: string, signal: AbortSignal | undefined, recheck: () => Promise<Ended | undefined>): Promise<Ended>;
  /** The run has ended. */
  resolve(id: string, ended: Ended): void;
  /** The run will not end here. */
  reject(id: string, error: Error): void;
  /** No run will end here. */
  rejectAll(error: Error): void;
}

/** Nobody waits yet. */
export function createResultWaits(): ResultWaits {
  const waits = new Map<string, Set<Waiter>>();

  function takeAll(id: string): Iterable<Waiter> {
    const waiters = waits.get(id) ?? [];
    waits.delete(id);
    return waiters;
  }

  return {
    wait: (id, signal, recheck) =>
      new Promise<Ended>((resolve, reject) => {
        const waiters = waits.get(id) ?? new Set<Waiter>();
        function settle(): void {
          signal?.removeEventListener("abort", onAbort);
          waiters.delete(waiter);
          if (waiters.size === 0 && waits.get(id) === waiters) waits.delete(id);
        }
        function onAbort(): void {
          settle();
          reject(signal?.reason as Error);
        }
        const waiter: Waiter = {
          resolve: (ended) => {
            settle();
            resolve(ended);
          },
          reject: (error) => {
            settle();
            reject(error);
          },
        };
        waiters.add(waiter);
        waits.set(id, waiters);
        signal?.addEventListener("abort", onAbort, { once: true });
        recheck().then((ended) => ended === undefined ? undefined : waiter.resolve(ended), waiter.reject);
      }),
    resolve(id, ended): void {
      for (const w of [...takeAll(id)]) w.resolve(ended);
    },
    reject(id, error): void {
      for (const w of [...takeAll(id)]) w.reject(error);
    },
    rejectAll(error): void {
      for (const id of [...waits.keys()]) for (const w of [...takeAll(id)]) w.reject(error);
    },
  };
}
