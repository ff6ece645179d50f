/**
 * Who is told what happens to jobs.
 *
 * @module
 */
import type { JobEvent } from "../ports.ts";

/** Watchers of jobs. */
export interface Watchers {
  readonly watch: (id: string, onEvent: (event: JobEvent) => void) => Disposable;
  readonly watchAll: (onChange: (id: string) => void) => Disposable;
  /** Tells all who watch a job. None of them keeps the others from hearing it. */
  readonly tell: (id: string, event: JobEvent) => void;
}

/** Makes a register of watchers; `report` hears what one of them throws. */
export function createWatchers(report: (error: unknown) => void): Watchers {
  const ofJob = new Map<string, Set<(event: JobEvent) => void>>();
  const ofAll = new Set<(id: string) => void>();

  function attempt(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      report(error);
    }
  }

  return {
    watch: (id, onEvent) => {
      // One function may watch twice: each watch is its own.
      const watcher = (event: JobEvent): void => onEvent(event);
      const set = ofJob.get(id) ?? new Set();
      ofJob.set(id, set.add(watcher));
      return {
        [Symbol.dispose]: () => {
          set.delete(watcher);
          if (set.size === 0 && ofJob.get(id) === set) ofJob.delete(id);
        },
      };
    },
    watchAll: (onChange) => {
      const watcher = (id: string): void => onChange(id);
      ofAll.add(watcher);
      return { [Symbol.dispose]: () => void ofAll.delete(watcher) };
    },
    tell: (id, event) => {
      for (const watcher of [...ofJob.get(id) ?? []]) attempt(() => watcher(event));
      for (const watcher of [...ofAll]) attempt(() => watcher(id));
    },
  };
}
