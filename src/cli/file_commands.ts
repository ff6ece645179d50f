/**
 * `windkit runs export` and `runs import`.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { countText } from "../base/count_text.ts";
import { exportLines, importRun, type JournalFile } from "../engine/journal_file.ts";
import { storeRun } from "../engine/journal_store.ts";
import type { RunRow } from "../engine/ports.ts";
import type { ExportCommand, ImportCommand } from "./arguments.ts";
import { dataOption, knownRun, withDrive, withVisit } from "./data_folder.ts";
import { EXIT, UsageError } from "./exit_codes.ts";
import { oneLine, paint, quote } from "./format.ts";
import type { Io } from "./terminal.ts";
import { fileOfWorkflow } from "./workspace.ts";

/**
 * Writes a run to stdout.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export async function exportRunFile(command: ExportCommand, io: Io): Promise<number> {
  const { data, json, messages, run } = command;
  let last = "";
  await withVisit(data, io, async (storage) => {
    await knownRun(storage, run, data);
    for await (const part of exportLines(storage, run, { messages })) {
      io.out.write(part);
      // Pages are read as fast as they are written, and not into memory first.
      await io.out.flush();
      last = part;
    }
  });
  if (json) return EXIT.ok;
  const end = last.slice(last.lastIndexOf("\n", last.length - 2) + 1);
  const { sha256, end: { records } } = JSON.parse(end) as {
    readonly sha256: string;
    readonly end: { readonly records: number };
  };
  io.err.write(
    `${paint(io.err.color).good("✓")} Exported run ${oneLine(run)}: ${
      countText(records, "record")
    }, digest ${sha256}\n`,
  );
  return EXIT.ok;
}

/**
 * Takes a run from a file.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export async function importRunFile(command: ImportCommand, io: Io): Promise<number> {
  const { as, data, digest, json } = command;
  const file = importRun(readText(command.file, io), digest === undefined ? {} : { digest });
  const { row, created } = await withDrive(
    data,
    io,
    "windkit runs import",
    (storage) => storeRun(storage, file, as === undefined ? {} : { runId: as }),
  );
  if (json) {
    const { id, workflow, state, status } = row;
    const ended = status === undefined ? {} : { status };
    const facts = {
      imported: id,
      created,
      workflow,
      state,
      ...ended,
      records: file.records.length,
      digest: file.digest,
    };
    io.out.write(`${JSON.stringify(facts)}\n`);
    return EXIT.ok;
  }
  io.out.write(`${paint(io.out.color).good("✓")} ${summary(file, row, created)}\n`);
  if (row.state !== "closed") {
    const found = fileOfWorkflow(row.workflow, io.cwd, resolve(io.cwd, data));
    const shown = found === undefined ? "FILE" : quote(found);
    io.err.write(`It goes on with: ${io.program} run ${shown} --run-id ${quote(row.id)}${dataOption(data)}\n`);
  }
  return EXIT.ok;
}

function summary({ records, messages }: JournalFile, row: RunRow, created: boolean): string {
  const run = `run ${oneLine(row.id)} of ${oneLine(row.workflow)} (${row.status ?? "not ended"})`;
  if (!created) return `There already: ${run}, with the same journal`;
  const left = messages.length === 0 ? "" : ` and ${countText(messages.length, "message")}`;
  return `Imported ${run}: ${countText(records.length, "record")}${left}`;
}

function readText(name: string, io: Io): string {
  const path = resolve(io.cwd, name);
  if (!existsSync(path)) throw new UsageError(`No such file: "${name}"`, `Looked for ${path}`);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`Cannot read "${name}": ${(error as Error).message}`, undefined, { cause: error });
  }
}
