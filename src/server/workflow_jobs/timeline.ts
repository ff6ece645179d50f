/**
 * The timelines of workflows: what their jobs' `workflow_as_code_status` says beside the checkpoint (wac-protocol 2.4).
 *
 * Changes are gathered for some milliseconds: a workflow of a thousand steps would write its whole status a thousand times. What a
 * crash loses of them is made again from the journal, which has it all.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts";
import type { JournalRecord, Json } from "../../workflow/journal.ts";
import type { Jobs } from "../ports.ts";

/** How long changes are gathered: a short workflow's are written with its end. */
const GATHER_MS = 100;

/** Fields of one entry. */
export type Entry = Readonly<Record<string, Json | undefined>>;

/** Writes timelines. */
export interface Timelines {
  /** Adds to an entry of a job's status; fields that are there stay unless they are named. */
  patch(job: string, name: string, entry: Entry): void;
  /** True when the status has the entry, or is about to. */
  has(job: string, name: string): boolean;
  /** Writes what was gathered. */
  flush(job: string): void;
  /** Adds what a journal says and the status does not. */
  restore(job: string, records: readonly JournalRecord[]): void;
  close(): void;
}

/** A status as an object. */
export function statusFields(status: Json | undefined): Readonly<Record<string, Json>> {
  // `as`: an object that is no list is one of names.
  return typeof status === "object" && status !== null && !Array.isArray(status)
    ? status as Readonly<Record<string, Json>>
    : {};
}

/** A time as the protocol has it. */
export function iso(at: number): string {
  return new Date(at).toISOString();
}

function merged(before: Json | undefined, entry: Entry): Json {
  const fields = Object.entries({ ...statusFields(before), ...entry }).filter(([, value]) => value !== undefined);
  // `as`: what is left is JSON.
  return Object.fromEntries(fields) as Json;
}

/** Makes the writer of a server's timelines. */
export function createTimelines(jobs: Pick<Jobs, "get" | "updateStatus">, clock: Clock): Timelines {
  const gathered = new Map<string, Map<string, Entry>>();
  let timer: unknown;

  function flush(job: string): void {
    const entries = gathered.get(job);
    if (entries === undefined) return;
    gathered.delete(job);
    jobs.updateStatus(job, (status) => {
      const before = statusFields(status);
      return {
        ...before,
        ...Object.fromEntries([...entries].map(([name, entry]) => [name, merged(before[name], entry)])),
      };
    }, true);
  }
  function flushAll(): void {
    timer = undefined;
    for (const job of [...gathered.keys()]) flush(job);
  }
  function patch(job: string, name: string, entry: Entry): void {
    const entries = gathered.get(job) ?? new Map<string, Entry>();
    gathered.set(job, entries.set(name, { ...entries.get(name), ...entry }));
    timer ??= clock.setTimeout(flushAll, GATHER_MS);
  }

  return {
    patch,
    flush,
    has: (job, name) =>
      gathered.get(job)?.has(name) === true ||
      Object.hasOwn(statusFields(jobs.get(job)?.workflowAsCodeStatus), name),
    restore: (job, records) => {
      if (records.length < 2) return;
      const known = statusFields(jobs.get(job)?.workflowAsCodeStatus);
      for (const record of records) {
        if (record.t !== "settled" || record.fp?.kind !== "step") continue;
        const name = `_step/${record.key}`;
        if (statusFields(known[name]).duration_ms !== undefined) continue;
        const started = iso(record.startedAt);
        patch(job, name, {
          scheduled_for: started,
          started_at: started,
          name: record.key,
          duration_ms: Math.max(0, record.at - record.startedAt),
          ...(record.outcome.ok ? undefined : { failed: true }),
        });
      }
    },
    close: () => {
      if (timer !== undefined) clock.clearTimeout(timer);
      flushAll();
    },
  };
}
