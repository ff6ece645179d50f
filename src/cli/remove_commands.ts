/**
 * `windkit runs prune` and `runs remove`.
 *
 * @module
 */
import { CancelledError } from "../base/errors.ts";
import { linkOf } from "../engine/chain.ts";
import { cancelChild, settleMessage, unsettledChildren } from "../engine/children.ts";
import type { RunRow, Storage, Write } from "../engine/ports.ts";
import { readJournal } from "../engine/read_journal.ts";
import { removeOld } from "../engine/removal.ts";
import { failureOf } from "../workflow/failure.ts";
import type { JournalRecord, Outcome } from "../workflow/journal.ts";
import type { PruneCommand, RemoveCommand } from "./arguments.ts";
import { dataOption, isDriven, knownRun, withDrive, withVisit } from "./data_folder.ts";
import { EXIT, UsageError } from "./exit_codes.ts";
import { count, oneLine, paint, quote } from "./format.ts";
import { askYesNo } from "./questions.ts";
import { stateText } from "./runs_command.ts";
import type { Io } from "./terminal.ts";

/**
 * Removes old runs.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code; 1 when the answer to the question was no
 */
export async function pruneRuns(command: PruneCommand, io: Io): Promise<number> {
  const { age, data, json, olderThanMs } = command;
  const closedBefore = Date.now() - olderThanMs;
  // The folder is not taken when there is nothing to remove: another process may drive it.
  const found = await withVisit(data, io, (storage) => removeOld(storage, { closedBefore, now: Date.now }));
  if (found > 0 && !command.yes) {
    const again = `${io.program} runs prune --older-than ${quote(age)} --yes${dataOption(data)}`;
    mustBeAbleToAsk(`Cannot remove ${count(found, "run")} unasked`, `To remove them all the same: ${again}`, json, io);
    await withDrive(data, io, PRUNER, () => Promise.resolve());
    const what = `${count(found, "run")} that ended more than ${age} ago with ${
      found === 1 ? "its journal" : "their journals"
    }`;
    if (!await askYesNo(`Remove ${what}?`, paint(io.err.color))) {
      io.err.write("Nothing was removed\n");
      return EXIT.failed;
    }
  }
  const pruned = found > 0 ? await withDrive(data, io, PRUNER, (storage) => prune(storage, closedBefore)) : 0;
  io.out.write(json ? `${JSON.stringify({ pruned })}\n` : `Removed ${count(pruned, "run")}\n`);
  return EXIT.ok;
}

function mustBeAbleToAsk(cannot: string, hint: string, json: boolean, io: Io): void {
  if (io.interactive && !json) return;
  const why = json ? "--json asks nothing" : "nobody can be asked without a terminal";
  throw new UsageError(`${cannot}: ${why}`, hint);
}

async function prune(storage: Storage, closedBefore: number): Promise<number> {
  return await removeOld(storage, { closedBefore, now: Date.now, commit: (writes) => storage.commit(writes) });
}

/**
 * Removes one run, whatever its state: its journal may be damaged.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code; 1 when the answer to the question was no
 */
export async function removeRun(command: RemoveCommand, io: Io): Promise<number> {
  const { data, json, run } = command;
  const what = await withVisit(data, io, async (storage) => {
    const row = await knownRun(storage, run, data);
    const { length } = await storage.inbox(run, storage.limits.maxMessages);
    const state = stateText(row, await isDriven(data, io), Date.now(), paint(false));
    const messages = length === 0 ? "" : ` and ${count(length, "message")} that it has not taken`;
    return `run ${oneLine(run)} of ${oneLine(row.workflow)} (${state}) with its journal${messages}`;
  });
  if (!command.yes) {
    mustBeAbleToAsk(
      `Cannot remove run "${run}" unasked`,
      `To remove it all the same: ${io.program} runs remove ${quote(run)} --yes${dataOption(data)}`,
      json,
      io,
    );
    // Who cannot remove it now is not asked whether to. Not held while the question stands: others may want the folder.
    await withDrive(data, io, REMOVER, () => Promise.resolve());
    if (!await askYesNo(`Remove ${what}?`, paint(io.err.color))) {
      io.err.write("Nothing was removed\n");
      return EXIT.failed;
    }
  }
  await withDrive(data, io, REMOVER, async (storage) => {
    const row = await knownRun(storage, run, data);
    await storage.commit([{ w: "drop", run }, ...await toldRelatives(storage, row)]);
  });
  io.out.write(json ? `${JSON.stringify({ removed: run })}\n` : `${paint(io.out.color).good("✓")} Removed ${what}\n`);
  return EXIT.ok;
}

/** Messages for whoever waits for a run that is removed before its end, and for what it began. */
async function toldRelatives(storage: Storage, { id, state }: RunRow): Promise<readonly Write[]> {
  if (state === "closed") return [];
  let records: readonly JournalRecord[];
  try {
    ({ records } = await readJournal(storage, id));
  } catch (error) {
    void error; // damaged: that is a reason to remove it
    return [];
  }
  const [first] = records;
  const now = Date.now();
  const why = `Run "${id}" was removed`;
  const writes = [...unsettledChildren(records).values()].map((child): Write => ({
    w: "post",
    message: cancelChild(id, child.runId, why, now),
  }));
  if (first?.t !== "opened" || first.header.parent === undefined) return writes;
  const { parent } = first.header;
  const outcome: Outcome = { ok: false, failure: failureOf(new CancelledError(why), parent.key) };
  const message = settleMessage(parent, linkOf(first.header).first, outcome, now, storage.limits.maxRecordBytes);
  return [...writes, { w: "post", message }];
}

const PRUNER = "windkit runs prune";
const REMOVER = "windkit runs remove";
