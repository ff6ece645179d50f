/**
 * Which jobs run: at most so many at a time, the most urgent first, within the limits of their concurrency keys.
 *
 * A running job lends its place to one of its children when there is no free one: a script that waits for another would
 * otherwise wait for ever as soon as all places are taken by such scripts.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts";
import type { Candidate, JobTable } from "./table.ts";

/** Longest time that one timer waits: jumps of the wall clock are noticed after so long. */
const LONGEST_MS = 30_000;

/** Candidates that are read at once. */
const BATCH = 32;

/** A job that runs. */
export interface Running {
  readonly id: string;
  readonly abort: AbortController;
  /** It was asked to go on while it still ran: when. */
  resumeAt: number | undefined;
}

/** The queue. */
export interface Queue {
  /** Begins what may begin. Called after each commit that may have changed that. */
  pump(): void;
  running(id: string): Running | undefined;
  /** Gives a job's place away although its process may not have ended. */
  release(id: string): void;
  /** Begins nothing any more. */
  stop(): void;
  /** Settles when nothing runs. */
  idle(): Promise<void>;
  readonly all: () => readonly Running[];
}

/** What {@linkcode createQueue} needs. */
export interface QueueParts {
  readonly table: JobTable;
  readonly clock: Clock;
  /** Jobs that run at a time. */
  readonly concurrency: number;
  /** Marks a job as running; false when it is not to run any more. */
  readonly claim: (id: string) => boolean;
  /** Runs a job to its end, or until it is suspended. Never rejects. */
  readonly execute: (running: Running) => Promise<void>;
}

interface Entry extends Running {
  readonly parent: string | null;
  /** Takes a place of its own. */
  ownPlace: boolean;
  /** The child that has this one's place. */
  lentTo: string | undefined;
}

/** Makes a queue; it begins nothing before the first {@linkcode Queue.pump}. */
export function createQueue({ table, clock, concurrency, claim, execute }: QueueParts): Queue {
  const entries = new Map<string, Entry>();
  const idlers = new Set<() => void>();
  let stopped = false, pumping = false;
  let timer: unknown;

  function taken(): number {
    let count = 0;
    for (const { ownPlace } of entries.values()) if (ownPlace) count++;
    return count;
  }

  /** True when the limits of a job's key let it run; else `wake` hears when they might. */
  function isAllowed({ key, max, windowS }: Candidate, now: number, wake: (at: number) => void): boolean {
    if (key === null || max === null) return true;
    const windowMs = (windowS ?? 0) * 1000;
    const { used, firstEnd } = table.keyUse(key, windowMs === 0 ? now : now - windowMs);
    if (used < max) return true;
    if (firstEnd !== undefined && windowMs > 0) wake(firstEnd + windowMs);
    return false;
  }

  function begin(candidate: Candidate, lender: Entry | undefined): boolean {
    if (!claim(candidate.id)) return false;
    const { id, parent } = candidate;
    const ownPlace = lender === undefined;
    const entry: Entry = { id, parent, abort: new AbortController(), resumeAt: undefined, ownPlace, lentTo: undefined };
    entries.set(id, entry);
    if (lender !== undefined) lender.lentTo = id;
    // It never rejects.
    void execute(entry).finally(() => {
      if (entries.get(id) === entry) release(id);
      pump();
    });
    return true;
  }

  function release(id: string): void {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entries.delete(id);
    for (const other of entries.values()) if (other.lentTo === id) other.lentTo = undefined;
    // Whoever has its place keeps it.
    const child = entry.lentTo === undefined ? undefined : entries.get(entry.lentTo);
    if (child !== undefined) child.ownPlace = entry.ownPlace || child.ownPlace;
    if (entries.size > 0) return;
    for (const tell of idlers) tell();
    idlers.clear();
  }

  /** Begins the jobs that may begin, as long as there is a place: any, or a child of a lender. True when some may be left. */
  function beginDue(now: number, lender: Entry | undefined, wake: (at: number) => void): boolean {
    for (let offset = 0;;) {
      const candidates = table.due(now, BATCH, offset, lender?.id);
      for (const candidate of candidates) {
        if (lender === undefined ? taken() >= concurrency : lender.lentTo !== undefined) return true;
        const isBegun = !entries.has(candidate.id) && isAllowed(candidate, now, wake) && begin(candidate, lender);
        // What has begun is among the candidates no more.
        if (!isBegun) offset++;
      }
      if (candidates.length < BATCH) return false;
    }
  }

  function look(): void {
    const now = clock.now();
    let wakeAt = Infinity;
    const wake = (at: number): void => {
      wakeAt = Math.min(wakeAt, at);
    };
    if (beginDue(now, undefined, wake)) {
      for (const entry of [...entries.values()]) {
        if (entry.lentTo === undefined) beginDue(now, entry, wake);
      }
    }
    wake(table.nextDue(now) ?? Infinity);
    if (timer !== undefined) clock.clearTimeout(timer);
    timer = undefined;
    if (wakeAt < Infinity) timer = clock.setTimeout(pump, Math.min(Math.max(wakeAt - now, 1), LONGEST_MS));
  }

  function pump(): void {
    // Many commits of one turn are one look.
    if (stopped || pumping) return;
    pumping = true;
    queueMicrotask(() => {
      pumping = false;
      if (!stopped) look();
    });
  }

  return {
    pump,
    running: (id) => entries.get(id),
    release: (id) => {
      release(id);
      pump();
    },
    stop: () => {
      stopped = true;
      if (timer !== undefined) clock.clearTimeout(timer);
      timer = undefined;
    },
    idle: () => entries.size === 0 ? Promise.resolve() : new Promise((resolve) => void idlers.add(resolve)),
    all: () => [...entries.values()],
  };
}
