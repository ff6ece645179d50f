/**
 * `windkit run`: begins a run or goes on with one, tells what happens, and ends as it ended.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { decode, encode } from "../base/canonical.ts";
import { CancelledError, DeadlineError, hasCode, RunFailedError } from "../base/errors.ts";
import type { Engine, EngineEvent, RunHandle, WorkflowFunction } from "../engine/api.ts";
import { createEngine } from "../engine/engine.ts";
import { newestOf } from "../engine/chain.ts";
import type { RunRow } from "../engine/ports.ts";
import { readJournal } from "../engine/read_journal.ts";
import { openSqliteStorage } from "../storage/sqlite.ts";
import { bodyOf } from "../workflow/definition.ts";
import type { JournalRecord, Json, Key, Outcome, RunHeader } from "../workflow/journal.ts";
import { parameterNames } from "../workflow/parameters.ts";
import { userName } from "./answer_commands.ts";
import type { RunCommand } from "./arguments.ts";
import { loadChildren } from "./child_files.ts";
import { captureConsole } from "./console_capture.ts";
import { dataOption, holdsRuns, withVisit } from "./data_folder.ts";
import { EXIT, exitCodeOf, UsageError } from "./exit_codes.ts";
import { clip, paint, quote } from "./format.ts";
import { hashSource, loadWorkflow } from "./load_workflow.ts";
import { onlyRun } from "./one_run.ts";
import { askApproval, formTemplate } from "./questions.ts";
import { type Approval, type Ending, exitCodeOfEnding, jsonReport, type Report, textReport } from "./reports.ts";
import { createScriptExecutor } from "./script_executor.ts";
import { Interruption, type Interruptions } from "./signals.ts";
import type { Io } from "./terminal.ts";
import { checkFile, type Place, placeOf } from "./workspace.ts";

/** A run that an earlier process began. */
interface Earlier {
  readonly row: RunRow;
  readonly header: RunHeader;
  readonly records: readonly JournalRecord[];
  /** The run that goes on for it, or itself. */
  readonly newest: { readonly row: RunRow; readonly records: readonly JournalRecord[] };
}

/**
 * Runs a workflow file.
 *
 * @param command what was asked for
 * @param io streams
 * @param interruptions what may stop it
 * @returns the exit code
 */
export async function run(command: RunCommand, io: Io, interruptions: Interruptions): Promise<number> {
  const place = placeOf(command.file, io.cwd);
  checkFile(place, command.file);
  const report = command.json ? jsonReport(io) : textReport(io);
  const earlier = command.runId === undefined ? undefined : await findEarlier(command, io);
  if (earlier !== undefined) {
    checkSame(command, place, earlier);
    const ending = recordedEnding(earlier);
    if (ending !== undefined) {
      report.end(earlier.row.id, ending);
      return exitCodeOfEnding(ending);
    }
  }
  const id = command.runId ?? newRunId(place);
  const giveBack = captureConsole((level, text) => report.log(level, text));
  try {
    const ending = await drive({ command, io, interruptions, place, report, id, earlier });
    report.end(id, ending);
    return exitCodeOfEnding(ending);
  } finally {
    giveBack();
  }
}

async function findEarlier(command: RunCommand, io: Io): Promise<Earlier | undefined> {
  const { runId = "", data } = command;
  if (!holdsRuns(resolve(io.cwd, data))) return undefined;
  return await withVisit(data, io, async (storage) => {
    const row = await storage.run(runId);
    if (row === undefined) return undefined;
    const { records } = await readJournal(storage, runId);
    const [first] = records;
    if (first?.t !== "opened") return undefined;
    const last = await newestOf(storage, runId) ?? row;
    const newest = last.id === runId
      ? { row, records }
      : { row: last, records: (await readJournal(storage, last.id)).records };
    return { row, header: first.header, records, newest };
  });
}

/** The same run is the same workflow with the same arguments. The file's text may differ: replay checks what it asks for. */
function checkSame(command: RunCommand, place: Place, { header }: Earlier): void {
  const differs: string[] = [];
  if (header.workflow !== place.name) {
    differs.push(`  workflow  recorded: ${header.workflow}\n            given:    ${place.name}`);
  }
  if (command.args !== undefined) {
    const given = encode(command.args);
    if (given !== header.args) {
      differs.push(`  args      recorded: ${clip(header.args, 200)}\n            given:    ${clip(given, 200)}`);
    }
  }
  if (differs.length === 0) return;
  throw new UsageError(
    `Run "${header.id}" exists, and is not the one that is asked for:\n${differs.join("\n")}`,
    "Take another --run-id, or leave it out",
  );
}

function recordedEnding({ newest: { row, records } }: Earlier): Ending | undefined {
  const last = records.at(-1);
  if (last?.t !== "closed") return undefined;
  const recordedAt = row.closedAt ?? last.at;
  const { status, outcome } = last;
  if (status === "failed" || status === "cancelled") {
    return { status, error: recordedError(row.id, status, outcome), recordedAt };
  }
  return { status, result: outcome?.ok === true ? decode(outcome.value) as Json : null, recordedAt };
}

function recordedError(id: string, status: "failed" | "cancelled", outcome: Outcome | undefined): Error {
  const failure = outcome?.ok === false ? outcome.failure : undefined;
  const message = failure?.message ?? `Run "${id}" ended ${status}`;
  if (status === "cancelled") return new CancelledError(message);
  if (failure === undefined || failure.code === "DEADLINE_EXCEEDED") return new DeadlineError(message);
  return new RunFailedError(id, failure.error, failure.stepKey === "" ? undefined : failure.stepKey);
}

interface Driving {
  readonly command: RunCommand;
  readonly io: Io;
  readonly interruptions: Interruptions;
  readonly place: Place;
  readonly report: Report;
  readonly id: string;
  readonly earlier: Earlier | undefined;
}

async function drive(driving: Driving): Promise<Ending> {
  const { command, io, interruptions, place, report, id, earlier } = driving;
  const { workflow, notice } = await loadWorkflow(place, command.file);
  const children = await loadChildren(place);
  const source = hashSource(place.file);
  const dir = resolve(io.cwd, command.data);
  const resume = `${io.program} run ${quote(command.file)} --run-id ${quote(id)}${dataOption(command.data)}`;

  /** The run that goes on for it. */
  let shown = earlier?.newest.row.id ?? id;
  const approvals = createApprovals(driving);
  const begun = Promise.withResolvers<void>();
  let engine: Engine | undefined;
  // Nothing holds the process while a run is parked: its timers may be far away, its message come from elsewhere.
  const alive = setInterval(() => {}, 1 << 30);
  try {
    const storage = await openSqliteStorage({ dir, durability: command.durability, mode: "drive" });
    try {
      engine = await createEngine({
        storage: onlyRun(storage, id),
        workflows: { ...children.workflows, [place.name]: workflow },
        sources: { ...children.sources, [place.name]: source },
        name: "windkit",
        executor: createScriptExecutor(place),
        onEvent: (event) => void begun.promise.then(() => onEvent(event)),
      });
    } catch (error) {
      await storage[Symbol.asyncDispose]();
      throw error;
    }
    const edited = earlier !== undefined && earlier.header.sourceHash !== source;
    report.begin({ run: shown, workflow: place.name, data: dir, records: earlier?.newest.records ?? [], edited });
    if (notice !== undefined) report.event({ event: "warning", run: id, message: notice });
    if (earlier === undefined) {
      for (const name of missingParameters(workflow, command.args ?? {}, readFileSync(place.file, "utf8"))) {
        const message = `Parameter "${name}" is not given, and has no default: the workflow gets undefined for it`;
        report.event({ event: "warning", run: id, message });
      }
    }
    begun.resolve();
    const handle: RunHandle = earlier === undefined
      ? await engine.start(place.name, command.args ?? {}, { runId: id })
      : await engine.run(id);
    approvals.open(engine);
    const result = await handle.result({ signal: interruptions.signal });
    return { status: "completed", result };
  } catch (error) {
    // Nothing was begun when the folder could not be taken.
    if (error instanceof UsageError || (engine === undefined && exitCodeOf(error) === EXIT.storage)) throw error;
    if (hasCode(error, "RUN_FAILED") || hasCode(error, "DEADLINE_EXCEEDED")) return { status: "failed", error };
    if (hasCode(error, "CANCELLED")) return { status: "cancelled", error };
    const reason = engine?.failed ?? (interruptions.signal.aborted ? interruptions.signal.reason : error);
    return { status: "stopped", error: reason, ...(reason instanceof Interruption ? { resume } : {}) };
  } finally {
    clearInterval(alive);
    approvals.close();
    await engine?.close();
  }

  function onEvent(event: EngineEvent): void {
    if (event.event === "approval_waiting" && event.run === shown) approvals.waiting(event.key);
    if (event.event === "call_settled" && event.run === shown) approvals.settled(event.key);
    report.event(event);
    if (event.event === "run_closed" && event.run === shown && event.next !== undefined) shown = event.next;
  }
}

/** Asks for what is waited for, one question at a time; or tells how to answer, when nobody can be asked. */
interface Approvals {
  /** From now on there is an engine to ask; approvals of an earlier process are told too. */
  open(engine: Engine): void;
  waiting(key: Key): void;
  settled(key: Key): void;
  close(): void;
}

function createApprovals({ command, io, report, id, interruptions }: Driving): Approvals {
  const mayAsk = io.interactive && !command.noInput && !command.json;
  /** Approvals of the run, and of those that go on for it, that were told. */
  const told = new Set<string>();
  const queue: Approval[] = [];
  let engine: Engine | undefined;
  let asking: { readonly key: Key; readonly answered: AbortController } | undefined;

  async function look(): Promise<void> {
    if (engine === undefined) return;
    for (const { key, form, expiresAt, run } of await engine.approvals(id)) {
      if (told.has(`${run} ${key}`)) continue;
      told.add(`${run} ${key}`);
      const records = await engine.journal(run);
      const template = formTemplate(form);
      const value = template === undefined ? "" : ` --value ${quote(JSON.stringify(template))}`;
      const grant = `${io.program} approve ${quote(id)} ${quote(key)}${value}${dataOption(command.data)}`;
      const description = descriptionOf(records, key);
      const approval: Approval = {
        key,
        expiresAt,
        grant,
        ...(form === undefined ? {} : { form }),
        ...(description === undefined ? {} : { description }),
      };
      if (mayAsk) queue.push(approval);
      else report.approval(approval);
    }
    void ask();
  }

  async function ask(): Promise<void> {
    if (asking !== undefined) return;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { key } = next;
      const answered = new AbortController();
      asking = { key, answered };
      report.pause();
      const signal = AbortSignal.any([answered.signal, interruptions.signal]);
      const answer = await askApproval(next, paint(io.err.color), signal);
      report.resume();
      asking = undefined;
      if (answer !== undefined) {
        await engine?.approve(id, key, { approver: userName(io.env), ...answer }).catch((error) => {
          tell(error);
          // The same question again: the run still waits.
          if (hasCode(error, "VALIDATION_FAILED")) queue.unshift(next);
        });
      }
      if (answer === undefined && !signal.aborted) report.approval(next); // the input ended: another terminal may answer
    }
  }

  /** The approval may have been answered elsewhere, or the run have ended, while the question stood. */
  function tell(error: unknown): void {
    report.log("warn", error instanceof Error ? error.message : String(error));
  }

  return {
    open(opened): void {
      engine = opened;
      void look().catch(tell);
    },
    waiting(): void {
      void look().catch(tell);
    },
    settled(key): void {
      if (asking?.key === key) asking.answered.abort();
      const i = queue.findIndex((approval) => approval.key === key);
      if (i !== -1) queue.splice(i, 1);
    },
    close(): void {
      engine = undefined;
      queue.length = 0;
      asking?.answered.abort();
    },
  };
}

/** Parameters before the first that has a default. Types are gone by now: an optional one is told by the file's text. */
function missingParameters(workflow: WorkflowFunction, args: Json, source: string): readonly string[] {
  const body = bodyOf(workflow);
  const given = (name: string, i: number): boolean =>
    Array.isArray(args) ? i < args.length : Object.hasOwn(Object(args), name);
  return parameterNames(Function.prototype.toString.call(body)).slice(0, body.length).flatMap((name, i) => {
    if (name === undefined || given(name, i)) return [];
    return new RegExp(`[(,\\s]${name.replaceAll("$", "\\$")}\\s*\\?\\s*:`).test(source) ? [] : [name];
  });
}

function descriptionOf(records: readonly JournalRecord[], key: Key): string | undefined {
  for (const record of records) {
    if (record.t !== "called" || record.key !== key || record.call.kind !== "approval") continue;
    const { description } = Object(record.call.options) as { readonly description?: Json };
    return typeof description === "string" && description !== "" ? description : undefined;
  }
  return undefined;
}

/** Tells what it is, sorts by day, and is not made up twice: 8 random letters and digits. */
function newRunId(place: Place): string {
  const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
  const letters = "abcdefghjkmnpqrstuvwxyz023456789";
  const random = [...randomBytes(8)].map((byte) => letters[byte % letters.length]).join("");
  const name = basename(place.name).replace(/[^\w.-]+/g, "_").replace(/^-+/, "");
  return `${name === "" ? "run" : name}-${day}-${random}`;
}
