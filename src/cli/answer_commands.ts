/**
 * `windkit approve` and `windkit cancel`: messages for a run, also one that another process drives.
 *
 * @module
 */
import { decode } from "../base/canonical.ts";
import { approvalMessage, cancelMessage, pendingApprovals } from "../engine/answers.ts";
import type { Message, RunRow, Storage } from "../engine/ports.ts";
import { readJournal } from "../engine/read_journal.ts";
import type { ApproveCommand, CancelCommand } from "./arguments.ts";
import { dataOption, isDriven, knownRun, withVisit } from "./data_folder.ts";
import { EXIT, UsageError } from "./exit_codes.ts";
import { paint, quote } from "./format.ts";
import type { Io } from "./terminal.ts";

/**
 * Answers an approval.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export function approve(command: ApproveCommand, io: Io): Promise<number> {
  return withVisit(command.data, io, (storage) => postApproval(command, io, storage));
}

async function postApproval(command: ApproveCommand, io: Io, storage: Storage): Promise<number> {
  const row = await knownRun(storage, command.run, command.data);
  const { records } = await readJournal(storage, row.id);
  const approver = command.approver ?? userName(io.env);
  const { approved, value = null, key } = command;
  const waiting = pendingApprovals(records).map((pending) => pending.key);
  const kept = (await storage.inbox(row.id, storage.limits.maxMessages)).find((message) =>
    message.kind === "approval" && message.name === (key ?? waiting[0])
  );
  if (kept !== undefined && row.state !== "closed") {
    throw new UsageError(
      `Approval "${kept.name}" of run "${row.id}" is answered already (${
        answerText(kept)
      }): the run has not taken it yet`,
    );
  }
  const message = orUsageError(() => approvalMessage(row, records, key, { approved, value, approver }, crypto.randomUUID(), Date.now()));
  await storage.commit([{ w: "post", message }]);
  const did = approved ? "Approved" : "Rejected";
  const isEarly = !waiting.includes(message.name);
  tell(
    command,
    io,
    { run: row.id, key: message.name, approved, approver, ...(isEarly ? { kept: true, waits: waiting } : {}) },
    `${did} "${message.name}" of run ${row.id}${isEarly ? ": kept until the run asks for it" : ""}`,
  );
  if (isEarly && waiting.length > 0 && !command.json) {
    const keys = waiting.map((wait) => `"${wait}"`).join(", ");
    io.err.write(`The run waits for ${keys} now: this answer is for "${message.name}" alone\n`);
  }
  await remind(command, io, row);
  return EXIT.ok;
}

/**
 * Asks a run to end.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export function cancel(command: CancelCommand, io: Io): Promise<number> {
  return withVisit(command.data, io, (storage) => postCancel(command, io, storage));
}

async function postCancel(command: CancelCommand, io: Io, storage: Storage): Promise<number> {
  const row = await knownRun(storage, command.run, command.data);
  if (row.state === "closed") throw new UsageError(`Cannot cancel run "${row.id}": it has ended (${row.status})`);
  const { reason = "Cancelled from the command line" } = command;
  await storage.commit([{ w: "post", message: cancelMessage(row.id, reason, crypto.randomUUID(), Date.now()) }]);
  tell(command, io, { run: row.id, reason }, `Asked run ${row.id} to end`);
  await remind(command, io, row);
  return EXIT.ok;
}

function tell(command: { readonly json: boolean }, io: Io, data: unknown, text: string): void {
  const colors = paint(io.out.color);
  io.out.write(command.json ? `${JSON.stringify(data)}\n` : `${colors.good("✓")} ${text}\n`);
}

/** A message waits for a process that drives the run: say so when there is none. */
async function remind(command: ApproveCommand | CancelCommand, io: Io, row: RunRow): Promise<void> {
  if (command.json || await isDriven(command.data, io)) return;
  const again = `${io.program} run FILE --run-id ${quote(row.id)}${dataOption(command.data)}`;
  io.err.write(`No process drives it now. It takes the message when it goes on: ${again}\n`);
}

function answerText(message: Message): string {
  const { approved = true, approver } = decode(message.payload) as {
    readonly approved?: boolean;
    readonly approver?: string;
  };
  return `${approved ? "approved" : "rejected"}${approver === undefined ? "" : ` by ${approver}`}`;
}

function orUsageError<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), undefined, { cause: error });
  }
}

/**
 * Who answers, when nobody says.
 *
 * @param env the environment
 * @returns the user's name, or "anonymous"
 */
export function userName(env: Io["env"]): string {
  return env["USER"] || env["LOGNAME"] || env["USERNAME"] || "anonymous";
}
