/**
 * All timers of the runs in memory behind one timer of the host: a binary heap by time.
 *
 * @module
 */
import type { Host } from "./ports.ts";

/** One pending alarm. */
export interface Alarm {
  readonly at: number;
  readonly ring: () => void;
  cancelled: boolean;
}

/** Alarms by time. */
export interface AlarmClock {
  /** Rings once, at or after `at`. */
  set(at: number, ring: () => void): Alarm;
  cancel(alarm: Alarm | undefined): void;
  stop(): void;
}

/** A clock over the host's timer. */
export function createAlarmClock(host: Host): AlarmClock {
  const heap: Alarm[] = [];
  let cancelled = 0;
  let armedFor = Infinity;
  let timer: Disposable | undefined;

  function arm(): void {
    const first = heap[0];
    if (first === undefined || first.at === armedFor) return;
    timer?.[Symbol.dispose]();
    armedFor = first.at;
    timer = host.timer(first.at, ring);
  }

  function ring(): void {
    timer = undefined;
    armedFor = Infinity;
    const now = host.now();
    for (let first = heap[0]; first !== undefined && (first.cancelled || first.at <= now); first = heap[0]) {
      pop();
      if (first.cancelled) cancelled--;
      else first.ring();
    }
    arm();
  }

  function push(alarm: Alarm): void {
    let i = heap.push(alarm) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up] as Alarm;
      if (parent.at <= alarm.at) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = alarm;
  }

  function pop(): void {
    const last = heap.pop() as Alarm;
    if (heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Alarm).at < (heap[child] as Alarm).at) child++;
      const smaller = heap[child] as Alarm;
      if (smaller.at >= last.at) break;
      heap[i] = smaller;
      i = child;
    }
    heap[i] = last;
  }

  /** Alarms that will never ring must not hold memory until their time: timeouts of tasks are mostly cancelled. */
  function compact(): void {
    const rest = heap.filter((a) => !a.cancelled);
    heap.length = 0;
    cancelled = 0;
    for (const alarm of rest) push(alarm);
  }

  return {
    set(at, then): Alarm {
      const alarm: Alarm = { at, ring: then, cancelled: false };
      push(alarm);
      arm();
      return alarm;
    },
    cancel(alarm): void {
      if (alarm === undefined || alarm.cancelled) return;
      alarm.cancelled = true;
      if (++cancelled > 64 && cancelled > heap.length / 2) compact();
      if (heap.length === 0) {
        timer?.[Symbol.dispose]();
        timer = undefined;
        armedFor = Infinity;
      }
    },
    stop(): void {
      timer?.[Symbol.dispose]();
      timer = undefined;
      armedFor = Infinity;
      heap.length = 0;
      cancelled = 0;
    },
  };
}
