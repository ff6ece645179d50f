/**
 * Whether a workflow still fits a recorded run.
 *
 * @module
 */
import { decode } from "../base/canonical.ts";
import type { WorkflowFunction } from "../engine/api.ts";
import { replayPorts } from "../engine/replay_ports.ts";
import { readableHeader } from "../engine/run_header.ts";
import { bodyOf } from "../workflow/definition.ts";
import { mismatchError } from "../workflow/explain.ts";
import type { ChangeModes, JournalRecord, Json, Outcome, RunStatus } from "../workflow/journal.ts";
import { replayJournal, type ReplayMismatch, type ReplayResult } from "../workflow/replay.ts";

/**
 * A journal: its records, as `engine.journal(id)` and `run.records()` give them; a file of a run that was exported; or the text of
 * such a file (`windkit runs export RUN`), or of `windkit runs show RUN --json`.
 */
export type RecordedJournal = readonly JournalRecord[] | { readonly records: readonly JournalRecord[] } | string;

/** What {@linkcode replay} takes. */
export interface ReplayOptions {
  /** What changes of the code are taken. @default arguments: fail, code: follow */
  readonly changes?: ChangeModes;
  /** Real time that the body may take for something that is no call, in milliseconds. @default 1000 */
  readonly patienceMs?: number;
}

/** How a replay went that fits. */
export interface Replayed {
  /** Id of the recorded run. */
  readonly run: string;
  /** Calls that the body made. */
  readonly calls: number;
  /** Keys that it waits for at the end of the journal. */
  readonly waits: readonly string[];
  /** How the body ended; absent while the run was under way. */
  readonly ended?: { readonly status: RunStatus; readonly value?: Json; readonly message?: string };
}

/**
 * Replays a recorded run against a workflow as it is now. Nothing is run but the body: every call gets what was recorded for it.
 *
 * @param journal the recorded run
 * @param workflow what `workflow()` returned, or any async function
 * @returns what the body asked for
 * @throws ReplayMismatchError when the workflow asks for something else than was recorded; Error when it now ends otherwise, or
 * goes on where the run had ended
 *
 * @example A workflow that was changed while a run of it was under way
 * ```ts
 * import { hasCode } from "@windkit/windmill-client/errors";
 * import { replay, testWorkflow } from "@windkit/windmill-client/testing";
 * import { step, workflow } from "@windkit/windmill-client/workflow";
 *
 * const before = workflow(async () => await step("charge", () => 1) + await step("ship", () => 2));
 * await using run = testWorkflow(before);
 * await run.result();
 * const journal = await run.records(); // or a file that was exported
 *
 * const { calls } = await replay(journal, before);
 * if (calls !== 2) throw new Error("asked for something else");
 *
 * const after = workflow(async () => await step("ship", () => 2) + await step("charge", () => 1));
 * const error = await replay(journal, after).catch((error: unknown) => error);
 * if (!hasCode(error, "REPLAY_MISMATCH")) throw new Error("it fits");
 * ```
 */
export async function replay(
  journal: RecordedJournal,
  workflow: WorkflowFunction,
  options: ReplayOptions = {},
): Promise<Replayed> {
  const records = recordsOf(journal);
  if (typeof workflow !== "function") {
    throw new TypeError(`Cannot replay a run: expected what workflow() returned, found ${typeof workflow}`);
  }
  const [first] = records;
  const id = first?.t === "opened" ? first.header.id : "?";
  readableHeader(id, records);
  const { changes, patienceMs = 1000 } = options;
  const result = await replayJournal(bodyOf(workflow as (...args: never[]) => unknown), records, {
    ...replayPorts(patienceMs),
    ...(changes === undefined ? undefined : { changes }),
  });
  return judged(id, result, records);
}

function judged(id: string, result: ReplayResult, records: readonly JournalRecord[]): Replayed {
  if (!result.ok) {
    if (result.reason === "mismatch") throw errorOf(id, result.mismatch);
    const { calls, key } = result;
    throw new Error(
      `Cannot replay run "${id}": after ${calls} calls its body waits for something of its own, and does not come to "${key}". ` +
        `Put that into a step()`,
    );
  }
  const { calls, pending, ended } = result;
  const closed = records.findLast((record) => record.t === "closed");
  const isCut = records.some(({ t }) => t === "cancelling" || t === "dropped");
  if (closed?.t === "closed" && !isCut) {
    if (ended === undefined) {
      const waits = pending.map(({ key }) => `"${key}"`).join(", ");
      throw new Error(`Run "${id}" does not end where it had ended: it now goes on with ${waits}`);
    }
    const [was, is] = [outcomeText(closed.outcome), outcomeText(ended.outcome)];
    if (was !== is) {
      throw new Error(`Run "${id}" ends otherwise than it had ended\n  recorded: ${was}\n  now:      ${is}`);
    }
  }
  return {
    run: id,
    calls,
    waits: pending.map(({ key }) => key),
    ...(ended === undefined ? undefined : { ended: { status: ended.status, ...shown(ended.outcome) } }),
  };
}

function shown(outcome: Outcome): { readonly value: Json } | { readonly message: string } {
  return outcome.ok ? { value: decode(outcome.value) as Json } : { message: outcome.failure.message };
}

function outcomeText(outcome: Outcome | undefined): string {
  if (outcome === undefined) return "nothing";
  return outcome.ok ? outcome.value : `${outcome.failure.error.name}: ${outcome.failure.message}`;
}

function errorOf(id: string, { reason, seq, key, recorded, asked, askedKey }: ReplayMismatch): Error {
  const extra = { reason, seq, key, recorded: recorded ?? null, asked: asked ?? null, askedKey: askedKey ?? null };
  const message = `The journal and the code differ at "${key}"`;
  // `as` -- fingerprints are JSON
  return mismatchError(id, {
    message,
    stepKey: key,
    error: { name: "ReplayMismatchError", message, extra: extra as unknown as Json },
  });
}

function recordsOf(journal: RecordedJournal): readonly JournalRecord[] {
  if (typeof journal !== "string") {
    const records: unknown = Array.isArray(journal) ? journal : Object(journal).records;
    if (Array.isArray(records)) return records as readonly JournalRecord[];
    throw new TypeError(
      "Cannot replay a run: expected its journal (records, a file of an exported run, or the text of one), found " +
        (journal === null ? "null" : typeof journal),
    );
  }
  const records: JournalRecord[] = [];
  for (const [i, line] of journal.split("\n").entries()) {
    if (line.trim() === "") continue;
    let parsed: { readonly t?: unknown; readonly record?: JournalRecord };
    try {
      parsed = JSON.parse(line) as typeof parsed;
    } catch (cause) {
      throw new SyntaxError(`Cannot read the journal: line ${i + 1} is not JSON: ${(cause as Error).message}`, {
        cause,
      });
    }
    if (typeof parsed.t === "string") records.push(parsed as unknown as JournalRecord);
    else if (parsed.record !== undefined) records.push(parsed.record);
  }
  return records;
}
