/**
 * `windkit check --against`: recorded runs against the file as it is now. The data folder is only read: whoever drives it goes on.
 *
 * @module
 */
import process from "node:process";
import { hasCode } from "../base/errors.ts";
import type { RunRow, Storage } from "../engine/ports.ts";
import { readJournal } from "../engine/read_journal.ts";
import { replayPorts } from "../engine/replay_ports.ts";
import { readableHeader } from "../engine/run_header.ts";
import { bodyOf } from "../workflow/definition.ts";
import type { Fingerprint, JournalRecord, Key } from "../workflow/journal.ts";
import { type OpenCall, replayJournal, type ReplayResult } from "../workflow/replay.ts";
import { captureConsole } from "./console_capture.ts";
import { withVisit } from "./data_folder.ts";
import { loadWorkflow } from "./load_workflow.ts";
import type { Io } from "./terminal.ts";
import type { Place } from "./workspace.ts";

/** How a run fits the file. */
export interface RunCheck {
  readonly run: string;
  readonly workflow: string;
  readonly finished: boolean;
  /** `fits`; `breaks`: it asks for something else; `not-finished`: the body did not come so far; `unreadable`: the journal. */
  readonly verdict: "fits" | "breaks" | "not-finished" | "unreadable";
  /** Calls that the body made. */
  readonly calls?: number;
  /** What it waits for where the journal ends. */
  readonly waits?: readonly Key[];
  /** Where it breaks: number and key of the record, and how many outcomes were handed over before. */
  readonly at?: { readonly seq: number; readonly key: Key; readonly handed: number };
  /** What the journal holds there, and what the file asks for; each with the place of the call, where that is known. */
  readonly recorded?: Fingerprint;
  readonly asked?: Fingerprint & { readonly key: Key };
  /** The same in words. */
  readonly message?: string;
}

/** What to check. */
interface Asked {
  readonly given: string;
  readonly place: Place;
  readonly data: string;
  /** Newest finished runs to look at. */
  readonly finished: number;
}

const PAGE = 500;
/** Runs that are replayed at once: one that stands still must not hold up the others. */
const WIDTH = 16;
/** A body that did nothing for two of these is given up, in milliseconds. */
const PATIENCE_MS = 1500;

/**
 * Replays the runs of a file.
 *
 * @param asked the file, the data folder, how many finished runs
 * @param io where paths are relative to
 * @returns one entry a run: unfinished ones first, each group with the newest first
 */
export function checkAgainst(asked: Asked, io: Io): Promise<readonly RunCheck[]> {
  const { place, data } = asked;
  return withVisit(data, io, async (storage) => {
    const rows = await rowsOf(storage, place.name, asked.finished);
    if (rows.length === 0) return [];
    return await contained(async () => {
      const { workflow } = await loadWorkflow(place, asked.given);
      const body = bodyOf(workflow as (...args: never[]) => unknown);
      const checks: RunCheck[] = [];
      let next = 0;
      const work = async (): Promise<void> => {
        for (let i = next++; i < rows.length; i = next++) {
          const row = rows[i];
          if (row !== undefined) checks[i] = await checkRun(storage, row, body);
        }
      };
      await Promise.all(Array.from({ length: Math.min(WIDTH, rows.length) }, work));
      return checks;
    });
  });
}

async function rowsOf(storage: Storage, workflow: string, finished: number): Promise<readonly RunRow[]> {
  const open: RunRow[] = [];
  const closed: RunRow[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await storage.runs({ workflow, limit: PAGE, ...(after === undefined ? {} : { after }) });
    for (const row of page) {
      if (row.state !== "closed") open.push(row);
      else if (closed.length < finished) closed.push(row);
    }
    after = page.at(-1)?.id;
    if (page.length < PAGE) return [...open, ...closed];
  }
}

async function checkRun(storage: Storage, row: RunRow, body: (...args: never[]) => unknown): Promise<RunCheck> {
  const base = { run: row.id, workflow: row.workflow, finished: row.state === "closed" };
  let records: readonly JournalRecord[];
  try {
    ({ records } = await readJournal(storage, row.id));
    readableHeader(row.id, records);
  } catch (error) {
    if (!hasCode(error, "JOURNAL_CORRUPT") && !hasCode(error, "SCHEMA_TOO_NEW")) throw error;
    return { ...base, verdict: "unreadable", message: (error as Error).message };
  }
  return { ...base, ...verdictOf(await replayJournal(body, records, replayPorts(PATIENCE_MS)), records) };
}

function verdictOf(
  result: ReplayResult,
  records: readonly JournalRecord[],
): Omit<RunCheck, "run" | "workflow" | "finished"> {
  if (result.ok) {
    const { calls, pending } = result;
    const more = asksForMore(pending, records);
    if (more === undefined) return { verdict: "fits", calls, waits: pending.map(({ key }) => key) };
    const { seq } = records.at(-1) ?? { seq: 0 };
    const handed = records.filter(({ t }) => t === "settled").length;
    return {
      verdict: "breaks",
      calls,
      at: { seq, key: more.key, handed },
      asked: { ...more.fp, key: more.key },
      message: `The run ended after ${handed} outcomes, and the file asks for one more`,
    };
  }
  if (result.reason === "not-finished") {
    const { calls, seq, key } = result;
    return {
      verdict: "not-finished",
      calls,
      at: { seq, key, handed: records.filter((record) => record.t === "settled" && record.seq < seq).length },
      message: `The body waits for something of its own, and does not come to "${key}": put that into a step()`,
    };
  }
  const { reason, seq, key, handed, recorded, asked, askedKey } = result.mismatch;
  return {
    verdict: "breaks",
    at: { seq, key, handed },
    ...(recorded === undefined ? undefined : { recorded }),
    ...(asked === undefined ? undefined : { asked: { ...asked, key: askedKey ?? key } }),
    message: reason === "differs"
      ? `Another call is made as "${key}" than was recorded`
      : asked === undefined
      ? `"${key}" was recorded, and is not asked for`
      : `"${key}" was recorded, and "${askedKey ?? key}" is asked for`,
  };
}

/** A run that ended of itself, and would now go on. */
function asksForMore(pending: readonly OpenCall[], records: readonly JournalRecord[]): OpenCall | undefined {
  const last = records.at(-1);
  if (last?.t !== "closed" || (last.status !== "completed" && last.status !== "failed")) return undefined;
  // A cancel and a deadline end a run wherever it is.
  if (records.some(({ t }) => t === "cancelling" || t === "dropped")) return undefined;
  const known = new Set(records.flatMap((record) => "key" in record ? [record.key] : []));
  return pending.find(({ key }) => !known.has(key));
}

/** What a body prints, or leaves behind, is not the command's: a rejection that nobody looks at must not end it. */
async function contained<T>(fn: () => Promise<T>): Promise<T> {
  const ignore = (): void => {};
  const giveBack = captureConsole(ignore);
  process.on("unhandledRejection", ignore);
  process.on("uncaughtException", ignore);
  try {
    return await fn();
  } finally {
    giveBack();
    // The handlers stay: what the bodies left behind may come to an end later.
  }
}
