/**
 * `windkit runs fork`.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { encode } from "../base/canonical.ts";
import { RunExistsError } from "../base/errors.ts";
import { forkWrite } from "../engine/fork.ts";
import type { Storage, Write } from "../engine/ports.ts";
import { readJournal } from "../engine/read_journal.ts";
import { readableHeader } from "../engine/run_header.ts";
import type { ForkCommand } from "./arguments.ts";
import { checkHoldsRuns, dataOption, knownRun, withDrive } from "./data_folder.ts";
import { EXIT, UsageError } from "./exit_codes.ts";
import { oneLine, paint, quote } from "./format.ts";
import type { Io } from "./terminal.ts";
import { fileOfWorkflow } from "./workspace.ts";

/**
 * Makes a run of another one's beginning.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export async function forkRun(command: ForkCommand, io: Io): Promise<number> {
  const { data, from, json, run } = command;
  checkHoldsRuns(resolve(io.cwd, data), data);
  const { id, workflow } = await withDrive(data, io, "windkit runs fork", (storage) => fork(storage, command));
  if (json) {
    io.out.write(`${JSON.stringify({ run: id, workflow, forkedFrom: { run, key: from } })}\n`);
    return EXIT.ok;
  }
  io.out.write(`${paint(io.out.color).good("✓")} Run ${oneLine(id)} goes its own way from "${oneLine(from)}" on\n`);
  const file = fileOfWorkflow(workflow, io.cwd, resolve(io.cwd, data));
  const shown = file === undefined ? "FILE" : quote(file);
  io.err.write(`    ${io.program} run ${shown} --run-id ${quote(id)}${dataOption(data)}\n`);
  return EXIT.ok;
}

async function fork(
  storage: Storage,
  { run, from, as, args, data }: ForkCommand,
): Promise<{ readonly id: string; readonly workflow: string }> {
  const { workflow } = await knownRun(storage, run, data);
  const id = as ?? `${run}-fork-${randomBytes(4).toString("hex")}`;
  if (await storage.run(id) !== undefined) {
    throw new RunExistsError(`Cannot fork run "${run}" as "${id}": it exists`, []);
  }
  const { records } = await readJournal(storage, run);
  readableHeader(run, records);
  let write: Write;
  try {
    write = forkWrite({ records, from, id, args: args === undefined ? undefined : encode(args), now: Date.now() });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), undefined, { cause: error });
  }
  await storage.commit([write]);
  return { id, workflow };
}
